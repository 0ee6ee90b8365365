//! Which calls of a study's session need a person's word.

use lyceum_study::{lab::is_plain_path, workspace::Globs};
use serde::Deserialize;

use super::{Wanted, book::within, study::StudyTools};
use crate::session::{Request, State, event::Policy};

/// Most answers to choose from.
const CHOICES_MAX: usize = 8;

/// The arguments of `ask_person`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    #[serde(default)]
    choices: Vec<String>,
}

/// Returns the question of a call, or what is wrong with it.
pub(crate) fn question(call: &Wanted) -> Result<Request, String> {
    let asked: Question = super::study::read(&call.arguments)?;
    if asked.choices.len() > CHOICES_MAX {
        let found = asked.choices.len();
        return Err(format!(
            "expected at most {CHOICES_MAX} choices, found {found}"
        ));
    }
    let choices = asked.choices.iter().map(|one| within("choice", one));
    Ok(Request::Question {
        question: within("question", &asked.question)?,
        choices: choices.collect::<Result<_, _>>()?,
    })
}

impl StudyTools<'_> {
    /// Returns why the session's policy asks for a person's word on a call; nothing where it does not.
    pub(super) fn policy_asks(&self, session: &State, call: &Wanted) -> Option<String> {
        let policy = &session.created.as_ref()?.policy;
        let name = &call.name;
        if policy.tools.iter().any(|one| one == name) {
            return Some(format!("each `{name}` needs a person's word"));
        }
        let proposes = name == "run_experiment";
        if let Some(after) = policy.after.filter(|_| proposes)
            && self.proposed() >= after as usize
        {
            return Some(format!(
                "each experiment after {after} needs a person's word"
            ));
        }
        let changed = match name.as_str() {
            "write" | "edit" => vec![call.arguments["path"].as_str()?],
            _ if proposes => session.files.iter().map(|one| one.name.as_str()).collect(),
            _ => return None,
        };
        let outside = outside(policy, &changed)?;
        Some(format!(
            "`{}` is outside of the files that may be changed without a person's word",
            crate::line::one_line(outside)
        ))
    }
}

/// Returns the first path that is outside of what may be changed freely. A path that is not plain could be anywhere.
fn outside<'a>(policy: &Policy, paths: &[&'a str]) -> Option<&'a str> {
    let patterns = policy.outside.as_ref()?;
    let free = Globs::new(patterns).unwrap_or_default();
    let is_free = |path: &str| is_plain_path(path) && free.matches(path);
    paths.iter().copied().find(|path| !is_free(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_surely_inside_is_outside() {
        let policy = Policy {
            outside: Some(vec!["src/**".into(), "*.toml".into()]),
            ..Policy::default()
        };
        for free in ["src/a.py", "src/a/b.py", "settings.toml"] {
            assert_eq!(outside(&policy, &[free]), None, "{free}");
        }
        for path in [
            "train.sh",
            "src/../train.sh",
            "./src/a.py",
            "/src/a.py",
            "a/settings.toml",
            "",
        ] {
            assert_eq!(outside(&policy, &["src/a.py", path]), Some(path), "{path}");
        }
        assert_eq!(outside(&Policy::default(), &["train.sh"]), None);
    }
}

//! Which calls of a study's session need a person's word.

use lyceum_study::{lab::is_plain_path, workspace::Globs};
use serde::Deserialize;

use super::{Wanted, book::within, study::StudyTools};
use crate::session::{Request, State, event::Policy};

/// Most files that are named to a person.
const LISTED_MAX: usize = 20;
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

/// Returns why a policy asks for a person's word on a call that works on files alone; nothing where it does not.
pub(crate) fn of_files(policy: &Policy, call: &Wanted) -> Option<String> {
    let name = &call.name;
    if policy.tools.iter().any(|one| one == name) {
        return Some(format!("each `{name}` needs a person's word"));
    }
    None
}

impl StudyTools<'_> {
    /// Returns why the session's policy asks for a person's word on a call; nothing where it does not.
    pub(super) fn policy_asks(&self, session: &State, call: &Wanted) -> Option<String> {
        let policy = &session.created.as_ref()?.policy;
        let name = &call.name;
        let proposes = name == "run_experiment";
        let files: Vec<&str> = session.files.iter().map(|one| one.name.as_str()).collect();
        let with = if proposes && !files.is_empty() {
            format!("; it changes {}", listed(&files))
        } else {
            String::new()
        };
        if policy.tools.iter().any(|one| one == name) {
            return Some(format!("each `{name}` needs a person's word{with}"));
        }
        if let Some(after) = policy.after.filter(|_| proposes)
            && self.proposed() >= after as usize
        {
            return Some(format!(
                "each experiment after {after} needs a person's word{with}"
            ));
        }
        let changed = match name.as_str() {
            "write" | "edit" => vec![call.arguments["path"].as_str()?],
            _ if proposes => files,
            _ => return None,
        };
        let outside = outside(policy, &changed);
        let are = if outside.len() == 1 { "is" } else { "are" };
        let named = (!outside.is_empty()).then(|| listed(&outside))?;
        Some(format!(
            "{named} {are} outside of the files that may be changed without a person's word{with}"
        ))
    }
}

/// Returns the paths that are outside of what may be changed freely. A path that is not plain could be anywhere.
fn outside<'a>(policy: &Policy, paths: &[&'a str]) -> Vec<&'a str> {
    let Some(patterns) = &policy.outside else {
        return vec![];
    };
    let free = Globs::new(patterns).unwrap_or_default();
    let is_free = |path: &&str| is_plain_path(path) && free.matches(path);
    paths
        .iter()
        .copied()
        .filter(|path| !is_free(path))
        .collect()
}

/// Returns paths for people, the first of them if there are many.
fn listed(paths: &[&str]) -> String {
    let shown = paths.iter().take(LISTED_MAX);
    let shown: Vec<String> = shown
        .map(|path| format!("`{}`", crate::line::one_line(path)))
        .collect();
    let more = match paths.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
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
            assert!(outside(&policy, &[free]).is_empty(), "{free}");
        }
        for path in [
            "train.sh",
            "src/../train.sh",
            "./src/a.py",
            "/src/a.py",
            "a/settings.toml",
            "",
        ] {
            assert_eq!(outside(&policy, &["src/a.py", path]), [path]);
        }
        assert!(outside(&Policy::default(), &["train.sh"]).is_empty());
        assert_eq!(listed(&["a", "b\n"]), r"`a`, `b\n`");
    }
}

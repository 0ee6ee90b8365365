//! The file of a team: what is to be reached, who leads, who can be asked.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use lyceum_models::{Money, Spec};
use lyceum_study::lab::is_plain_path;
use serde::Deserialize;

/// Largest file of a team.
const BYTES_MAX: u64 = 1 << 20;
/// Most specialists that can be asked.
const MEMBERS_MAX: usize = 20;
/// Most bytes of a name, which becomes part of a stream's.
const NAME_BYTES_MAX: usize = 64;
/// Tools on files.
pub(crate) const ON_FILES: [&str; 6] = ["bash", "read", "write", "edit", "glob", "grep"];

/// Why a file is no team.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not of the form.
    #[error("`{}`: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line where there is one.
        problem: String,
    },
}

/// What a thread and all below it may spend; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Tokens.
    pub tokens: Option<u64>,
    /// Billionths of a US dollar.
    pub money: Option<u64>,
}

/// Somebody of a team.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name; the lead is called `lead`.
    pub name: String,
    /// The model; the team's own where none is named.
    pub model: Option<Spec>,
    /// What it is told about its work.
    pub prompt: String,
    /// Tools on files that it has.
    pub tools: Vec<String>,
    /// Whom it may delegate to.
    pub specialists: Vec<String>,
    /// What it and all below it may spend.
    pub allowed: Allowed,
}

/// A team.
#[derive(Clone, Debug)]
pub struct Team {
    /// Its name.
    pub name: String,
    /// What is to be reached.
    pub objective: String,
    /// What holds meanwhile.
    pub constraints: Vec<String>,
    /// Directory whose files are shared at the start.
    pub workspace: Option<PathBuf>,
    /// Its file as it was read.
    pub text: String,
    /// BLAKE3 of all but the budgets.
    pub digest: String,
    /// The lead and the specialists; the lead is first.
    pub members: Vec<Member>,
    /// Whether it is one session on files of its own, which hands off nothing.
    pub alone: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTeam {
    name: String,
    objective: String,
    #[serde(default)]
    constraints: Vec<String>,
    workspace: Option<String>,
    lead: RawMember,
    #[serde(default, rename = "specialist")]
    specialists: Vec<RawMember>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    name: Option<String>,
    model: Option<String>,
    #[serde(default)]
    prompt: String,
    tools: Option<Vec<String>>,
    #[serde(default)]
    specialists: Vec<String>,
    tokens: Option<u64>,
    money: Option<String>,
}

impl Team {
    /// Reads a team's file.
    pub fn open(path: &Path) -> Result<Team, FormatError> {
        let failed = |source| FormatError::Read {
            path: path.to_owned(),
            source,
        };
        let form = |problem: String| FormatError::Form {
            path: path.to_owned(),
            problem,
        };
        let found = fs::metadata(path).map_err(failed)?.len();
        if found > BYTES_MAX {
            return Err(form(format!(
                "expected at most {BYTES_MAX} bytes, found {found}"
            )));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let raw: RawTeam =
            toml_edit::de::from_str(&text).map_err(|error| form(error.to_string()))?;
        let whole = fs::canonicalize(path).map_err(failed)?;
        let directory = whole
            .parent()
            .map_or_else(|| whole.clone(), Path::to_path_buf);
        raw.read(&directory, text).map_err(form)
    }

    /// Returns somebody by name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|one| one.name == name)
    }
}

impl RawTeam {
    fn read(self, directory: &Path, text: String) -> Result<Team, String> {
        check_name(&self.name)?;
        if self.objective.trim().is_empty() {
            return Err("objective: it is empty".into());
        }
        let workspace = self.workspace.map(|path| {
            let plain = is_plain_path(&path);
            let wrong = || format!("workspace: `{path}` is no plain path below the team's file");
            plain.then(|| directory.join(&path)).ok_or_else(wrong)
        });
        let mut members = vec![self.lead.read(Some("lead"))?];
        if self.specialists.len() > MEMBERS_MAX {
            let found = self.specialists.len();
            return Err(format!(
                "expected at most {MEMBERS_MAX} specialists, found {found}"
            ));
        }
        for specialist in self.specialists {
            members.push(specialist.read(None)?);
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if let Some(twice) = members.iter().find(|one| !names.insert(&one.name)) {
            return Err(format!("two are called `{}`", twice.name));
        }
        let mut wanted = members.iter().flat_map(|one| &one.specialists);
        if let Some(nobody) = wanted.find(|name| *name == "lead" || !names.contains(name.as_str()))
        {
            return Err(format!("no specialist is called `{nobody}`"));
        }
        let without: Vec<_> = members
            .iter()
            .map(|one| {
                (
                    &one.name,
                    one.model.as_ref().map(ToString::to_string),
                    &one.prompt,
                    &one.tools,
                    &one.specialists,
                )
            })
            .collect();
        let all = serde_json::json!([self.name, self.objective, self.constraints, without]);
        let digest = blake3::hash(all.to_string().as_bytes())
            .to_hex()
            .to_string();
        Ok(Team {
            name: self.name,
            objective: self.objective,
            constraints: self.constraints,
            workspace: workspace.transpose()?,
            text,
            digest,
            members,
            alone: false,
        })
    }
}

impl RawMember {
    fn read(self, fixed: Option<&str>) -> Result<Member, String> {
        let name = match (self.name, fixed) {
            (None, Some(fixed)) => fixed.to_owned(),
            (Some(_), Some(_)) => return Err("lead: it needs no name".into()),
            (Some(name), None) => name,
            (None, None) => return Err("specialist: expected a name".into()),
        };
        check_name(&name)?;
        let tools = self
            .tools
            .unwrap_or_else(|| ON_FILES.map(str::to_owned).to_vec());
        if let Some(unknown) = tools.iter().find(|tool| !ON_FILES.contains(&tool.as_str())) {
            let known = ON_FILES.join(", ");
            return Err(format!("{name}: no tool `{unknown}`; there are {known}"));
        }
        let model = self.model.as_deref().map(str::parse::<Spec>).transpose();
        let money = self.money.as_deref().map(str::parse::<Money>).transpose();
        Ok(Member {
            model: model.map_err(|error| format!("{name}: model: {error}"))?,
            prompt: self.prompt,
            tools,
            specialists: self.specialists,
            allowed: Allowed {
                tokens: self.tokens,
                money: money
                    .map_err(|error| format!("{name}: money: {error}"))?
                    .map(|money| money.0),
            },
            name,
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        return Err(format!(
            "name: expected letters, digits, `_` and `-`, at most {NAME_BYTES_MAX}, found `{name}`"
        ));
    }
    Ok(())
}

//! A tiny study and a lab beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lyceum_ledger::{Ledger, Options};
use lyceum_sandbox::Sandbox;
use lyceum_study::lab::{Kit, Lab, Programs, Request};

use crate::Failure;

/// The study's name.
pub(crate) const STUDY: &str = "tiny";

/// Two knobs, a candidate that writes one number, an evaluator that reads it. `@VALUE@` is that number; a setting after
/// it makes every experiment's output different, as real ones are.
const DEFINITION: &str = r#"
question = "What does the lab cost?"
name = "tiny"
researcher = "random"

[metric]
name = "loss"
goal = "minimize"

[workspace]
path = "workspace"
editable = ["settings.toml"]

[run]
command = ["sh", "-c", "read -r x < settings.toml; echo @VALUE@ $x > $LYCEUM_OUTPUTS/out"]
outputs = ["out"]
timeout = "20s"

[measure]
command = ["sh", "{private}/evaluate.sh", "{outputs}/out"]
private = ["evaluate.sh"]
timeout = "20s"

[knobs.x]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "x"

[knobs.y]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "y"

[budget]
experiments = 100000
"#;

/// The evaluator: only what a shell does itself, so that the sandbox is all the time there is.
const EVALUATOR: &str = r#"read -r loss _ < "$1"
printf '{"nonce":"%s","metrics":{"loss":%s}}\n' "$LYCEUM_NONCE" "$loss" >&3
"#;

/// A directory with a study and a lab.
pub(crate) struct Place {
    base: PathBuf,
}

impl Place {
    /// Writes the study; its candidate prints `value`, in which the shell expands variables.
    pub(crate) fn create(base: &Path, value: &str) -> Result<Place, Failure> {
        let place = Place::at(base)?;
        let study = place.base.join(STUDY);
        fs::create_dir_all(study.join("workspace"))?;
        fs::write(
            study.join("study.toml"),
            DEFINITION.replace("@VALUE@", value),
        )?;
        fs::write(study.join("evaluate.sh"), EVALUATOR)?;
        fs::write(study.join("workspace/settings.toml"), "x = 0.5\ny = 0.5\n")?;
        Ok(place)
    }

    /// Returns the place in this directory.
    pub(crate) fn at(base: &Path) -> Result<Place, Failure> {
        let base = base.canonicalize()?;
        Ok(Place { base })
    }

    pub(crate) fn lab(&self) -> Lab {
        Lab::at(self.base.join("lab"))
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Opens the ledger for writing.
    pub(crate) fn ledger(&self) -> Result<Ledger, Failure> {
        Ok(Ledger::open(&self.lab().ledger(), Options::default())?)
    }

    /// Returns what runs commands; the sandbox's helper is this program.
    pub(crate) fn kit(&self, sandbox: Sandbox, ledger: Ledger) -> Result<Kit, Failure> {
        let programs = Programs {
            binary: std::env::current_exe()?,
            names: vec![],
        };
        Ok(Kit::new(sandbox, ledger, self.lab(), &programs)?)
    }

    /// Returns the wish to work on the study, with this many experiments.
    pub(crate) fn request(&self, experiments: u32) -> Request {
        Request {
            directory: self.base.join(STUDY),
            researcher: Some("random".into()),
            seed: Some(1),
            inputs: BTreeMap::new(),
            again: false,
            experiments: Some(experiments),
            rule: None,
            memory: None,
        }
    }
}

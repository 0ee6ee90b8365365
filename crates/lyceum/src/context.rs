//! What most commands share: the lab, the study that is meant, and what is known of it.

use std::path::{Path, PathBuf};

use lyceum_ledger::{Ledger, Options, Reader, Unsigned};
use lyceum_sandbox::{Level, Sandbox};
use lyceum_study::{
    engine::{Protocol, State},
    format::{self, Study},
    lab::{self, Kit, Lab, Programs},
};

use crate::failure::Failure;

/// Where the lab is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LabPlace {
    /// Directory of the lab [default: the nearest `.lyceum` here or above]
    #[arg(long, global = true, value_name = "DIR", env = "LYCEUM_LAB")]
    lab: Option<PathBuf>,
}

/// The weakest isolation that a person allows.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Minimum {
    /// Weakest isolation that may be used where the stronger one does not work; `landlock` leaves much open, see docs/sandbox.md
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "namespace")]
    minimum: Weakest,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Weakest {
    /// Namespaces, Landlock and the system call filter
    Namespace,
    /// Landlock and the filter alone
    Landlock,
}

impl Minimum {
    /// What holds where nobody was asked.
    const USUAL: Self = Self {
        minimum: Weakest::Namespace,
    };

    /// Returns the strongest sandbox that works here; one below the usual level says on standard error what it lacks.
    #[expect(
        clippy::print_stderr,
        reason = "what people must know before anything runs"
    )]
    pub(crate) fn sandbox(self) -> Result<Sandbox, Failure> {
        let level = match self.minimum {
            Weakest::Namespace => Level::Namespace,
            Weakest::Landlock => Level::Landlock,
        };
        let sandbox = Sandbox::at_least(level)?;
        let losses = sandbox.capabilities().level.losses();
        if !losses.is_empty() {
            eprintln!(
                "lyceum: no namespaces here; `--minimum landlock` runs commands with less isolation:"
            );
            for loss in losses {
                eprintln!("  {loss}");
            }
        }
        Ok(sandbox)
    }
}

impl LabPlace {
    /// Returns the place of the lab in this directory.
    pub(crate) fn at(path: &Path) -> LabPlace {
        LabPlace {
            lab: Some(path.to_path_buf()),
        }
    }

    /// Tells whether a person named the lab.
    pub(crate) fn is_named(&self) -> bool {
        self.lab.is_some()
    }

    pub(crate) fn lab(&self) -> Result<Lab, Failure> {
        match &self.lab {
            Some(path) => Ok(Lab::at(plain(path)?)),
            None => Ok(Lab::at(plain(Lab::find(&std::env::current_dir()?).root())?)),
        }
    }

    /// Opens the ledger for reading, whether or not another process writes to it.
    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        let lab = self.lab()?;
        Ledger::open_read_only(&lab.ledger()).map_err(|error| {
            let absent = matches!(error, lyceum_ledger::Error::Absent { .. });
            let failure = Failure::from(error);
            if absent {
                failure.hint("begin with `lyceum run STUDY`, or name the lab with `--lab DIR`")
            } else {
                failure
            }
        })
    }

    /// Takes the lab for writing and makes ready to run commands.
    pub(crate) fn kit(&self) -> Result<Kit, Failure> {
        self.kit_at(Minimum::USUAL)
    }

    /// The same with isolation that a person chose.
    pub(crate) fn kit_at(&self, minimum: Minimum) -> Result<Kit, Failure> {
        let lab = self.lab()?;
        // First what may refuse, then what makes something.
        let sandbox = minimum.sandbox()?;
        let ledger = Ledger::open(&lab.ledger(), Options::default())?;
        tell_signatures(&ledger, &lab);
        let binary = std::env::current_exe()?;
        let names = lyceum_programs::names().iter();
        let names = names.chain([&lyceum_agents::hands::NAME]);
        let names = names.map(|name| (*name).to_owned()).collect();
        let programs = Programs { binary, names };
        Kit::new(sandbox, ledger, lab, &programs).map_err(|error| Failure::internal(&error))
    }
}

/// Tells a person that this session signs nothing, or that it has signed what it found without a signature.
#[expect(clippy::print_stderr, reason = "a warning goes to standard error")]
fn tell_signatures(ledger: &Ledger, lab: &Lab) {
    if !ledger.signs() {
        eprintln!(
            "warning: the lab's key is not in `{}`: what is recorded now is not signed, and `lyceum verify` will say so",
            lab.ledger().display()
        );
    }
    if let Some(Unsigned { first, last }) = ledger.found_unsigned() {
        eprintln!(
            "warning: events {first} to {last} had no signature; that is on record now, and they are signed as they are. They \
             may not be what was written, unless the lab's key was missing meanwhile"
        );
    }
}

/// Returns the path absolute and, as far as it exists, free of links and `..`: a sandbox takes no other.
fn plain(path: &Path) -> std::io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for base in whole.ancestors() {
        if let Ok(found) = base.canonicalize() {
            return Ok(missing
                .iter()
                .rev()
                .fold(found, |path, name| path.join(name)));
        }
        match base.file_name() {
            Some(name) => missing.push(name),
            None => break,
        }
    }
    Ok(whole)
}

/// A study of the ledger, read whole.
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) state: State,
    /// The definition that the study was begun with.
    pub(crate) study: Study,
    pub(crate) protocol: Protocol,
}

/// Reads the study of this name; without a name the only one, or the one that was worked on last.
pub(crate) fn known(reader: &Reader, name: Option<&str>) -> Result<Known, Failure> {
    let name = match name {
        Some(name) => named(reader, name)?,
        None => latest(reader)?,
    };
    let state = lab::load(reader, &name)?;
    let opened = state.opened.as_ref().ok_or_else(|| no_study(&name, &[]))?;
    let text = definition(reader, &opened.definition)?;
    let study = format::parse(&text, "study.toml", &name.replace('~', "-"))
        .map_err(|problems| Failure::bad_input(problems.to_string()))?;
    let protocol = lab::protocol_as_opened(&study, opened)
        .map_err(|error| Failure::bad_input(error.to_string()))?;
    Ok(Known {
        name,
        state,
        study,
        protocol,
    })
}

/// The largest definition that is read; a study's file is far smaller.
const DEFINITION_BYTES_MAX: u64 = 64 << 20;

fn definition(reader: &Reader, blob: &str) -> Result<String, Failure> {
    let id = blob.parse().map_err(|_| {
        Failure::bad_input(format!(
            "the study names its definition `{blob}`, which is no blob"
        ))
    })?;
    Ok(String::from_utf8_lossy(&reader.blob_at_most(id, DEFINITION_BYTES_MAX)?).into_owned())
}

/// Accepts a study's name and, for convenience, the path of its directory.
pub(crate) fn named(reader: &Reader, name: &str) -> Result<String, Failure> {
    let all = lab::studies(reader)?;
    if all.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let last = std::path::Path::new(name)
        .file_name()
        .and_then(|part| part.to_str());
    let newest = |base: &str| {
        let of_base = |known: &&String| known.split('~').next() == Some(base);
        all.iter()
            .filter(of_base)
            .max_by_key(|known| number(known))
            .cloned()
    };
    last.and_then(newest).ok_or_else(|| no_study(name, &all))
}

fn number(name: &str) -> u32 {
    name.split_once('~')
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(1)
}

fn latest(reader: &Reader) -> Result<String, Failure> {
    let all = lab::studies(reader)?;
    if let [only] = all.as_slice() {
        return Ok(only.clone());
    }
    let mut newest: Option<(i64, String)> = None;
    for name in all {
        let state = lab::load(reader, &name)?;
        let at = state.sessions.last().map_or(0, |session| session.last_at);
        if newest.as_ref().is_none_or(|(best, _)| at >= *best) {
            newest = Some((at, name));
        }
    }
    newest.map(|(_, name)| name).ok_or_else(|| {
        Failure::bad_input("the lab holds no study").hint("begin with `lyceum run STUDY`")
    })
}

fn no_study(name: &str, all: &[String]) -> Failure {
    let name = lyceum_sandbox::show_untrusted(name.as_bytes());
    let failure = Failure::bad_input(format!("the lab holds no study `{name}`"));
    if all.is_empty() {
        failure.hint("begin with `lyceum run STUDY`")
    } else {
        failure.hint(format!("it holds: {}", all.join(", ")))
    }
}

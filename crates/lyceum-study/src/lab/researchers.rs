//! Researchers by what a person asks for: a name, or a network in a file.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use lyceum_search::{Halving, Mixed, NAMES, NetworkResearcher, Researcher, by_name};

use super::study::{OpenError, names_an_agent};

/// What stands before the name of a sampler when the lab stops runs early by what they report.
const HALVING: &str = "asha:";

/// What stands before the names of samplers and an agent that share a study.
const MIXED: &str = "mixed:";

/// What stands before the file of a network where a person names it, and before its hash where the record names it.
const FILE: &str = "network:";
const HASH: &str = "network@";
/// Digits of the hash that name a network: enough that no two are taken for each other.
const DIGITS: usize = 16;
/// A network has at most fourteen million weights.
const BYTES_MAX: u64 = 64 << 20;

/// Returns the name under which the record has a researcher that was asked for.
pub(super) fn recorded(asked: &str) -> Result<String, OpenError> {
    if asked.starts_with(MIXED) {
        let mixed = Mixed::named(asked).filter(|mixed| names_an_agent(mixed.agent()));
        return mixed
            .map(|_| asked.to_owned())
            .ok_or_else(|| unknown(asked));
    }
    if let Some(inner) = asked.strip_prefix(HALVING) {
        // Whoever is asked proposes; only the lab stops.
        if stops_early(inner) || !(is_sampler(inner) || names_a_file(inner)) {
            return Err(unknown(asked));
        }
        return Ok(format!("{HALVING}{}", recorded(inner)?));
    }
    match asked.strip_prefix(FILE) {
        Some(file) => Ok(network(Path::new(file))?.name().to_owned()),
        // The record alone does not hold the weights; only who proposes needs them.
        None if is_sampler(asked) || names_an_agent(asked) => Ok(asked.to_owned()),
        None => Err(unknown(asked)),
    }
}

fn unknown(asked: &str) -> OpenError {
    OpenError::Researcher {
        found: asked.to_owned(),
        expected: format!(
            "{}, {FILE}FILE, {HALVING} and one of these, or {MIXED}SAMPLER+AGENT",
            NAMES.join(", ")
        ),
    }
}

/// Whether the lab stops runs early for the researcher of this name.
pub(super) fn stops_early(name: &str) -> bool {
    name.starts_with(HALVING)
}

/// Returns the name of who proposes, without what says that runs are stopped early.
pub(super) fn inner(name: &str) -> &str {
    name.strip_prefix(HALVING).unwrap_or(name)
}

/// Returns the name of the agent that is asked, where the name is one of an agent, alone or with samplers.
pub fn agent_in(name: &str) -> Option<&str> {
    if name.starts_with(MIXED) {
        // The agent stands last, as it is called.
        let mixed = Mixed::named(name)?;
        return name.get(name.len() - mixed.agent().len()..);
    }
    names_an_agent(name).then_some(name)
}

/// Whether a person names a network by its file.
pub(super) fn names_a_file(asked: &str) -> bool {
    asked.starts_with(FILE)
}

/// Whether the record has a sampler under this name, a network included.
pub(super) fn is_sampler(name: &str) -> bool {
    let name = inner(name);
    name.starts_with(HASH) || by_name(name).is_some()
}

/// Returns the sampler that the record has under this name; a network from the file that was asked for.
pub(super) fn open(name: &str, asked: Option<&str>) -> Result<Box<dyn Researcher>, OpenError> {
    if let Some(inner) = name.strip_prefix(HALVING) {
        let own = open(inner, asked.map(self::inner))?;
        return Ok(Box::new(Halving::around(own)));
    }
    if let Some(researcher) = by_name(name) {
        return Ok(researcher);
    }
    let absent = || OpenError::Weights {
        name: name.to_owned(),
    };
    let file = asked
        .and_then(|asked| asked.strip_prefix(FILE))
        .ok_or_else(absent)?;
    let network = network(Path::new(file))?;
    // It was read before: somebody may have changed it since.
    if network.name() == name {
        Ok(Box::new(network))
    } else {
        Err(absent())
    }
}

fn network(path: &Path) -> Result<NetworkResearcher, OpenError> {
    let failed = |problem: String| OpenError::Network {
        file: PathBuf::from(path),
        problem,
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let known = file.metadata().map_err(|error| failed(error.to_string()))?;
    if !known.is_file() || known.len() > BYTES_MAX {
        let most = BYTES_MAX >> 20;
        return Err(failed(format!("expected a file of at most {most} MiB")));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    NetworkResearcher::of_file(&bytes, |hash| {
        format!("{HASH}{}", &hash[..DIGITS.min(hash.len())])
    })
    .map_err(|error| failed(error.to_string()))
}

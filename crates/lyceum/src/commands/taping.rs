//! `--record` and `--replay`: what is sent to models and what comes back, in a file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lyceum_agents::Tapes;
use lyceum_models::FileTape;

use crate::failure::Failure;

/// Whether exchanges with models are recorded or replayed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Taping {
    /// Append what is sent to models and what comes back to a file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Answer from such a file, without a network and without a key
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

impl Taping {
    /// Tells whether models are answered for by a file.
    pub(super) fn replays(&self) -> bool {
        self.replay.is_some()
    }

    /// Tells whether a file is named.
    pub(super) fn is_given(&self) -> bool {
        self.record.is_some() || self.replay.is_some()
    }

    /// Opens the file, if one is named.
    pub(super) fn tapes(&self) -> Result<Tapes, Failure> {
        let bad = |path: &Path, why: &dyn std::fmt::Display| {
            Failure::bad_input(format!("`{}`: {why}", path.display()))
        };
        if let Some(path) = &self.record {
            let tape = FileTape::open(path).map_err(|error| bad(path, &error))?;
            return Ok(Tapes::Record(Arc::new(tape)));
        }
        if let Some(path) = &self.replay {
            return Tapes::replay(path).map_err(|error| bad(path, &error));
        }
        Ok(Tapes::Live)
    }
}

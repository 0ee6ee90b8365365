//! Why a corpus cannot be read or replayed.

use std::path::PathBuf;

/// Why a corpus, or something in it, cannot be used. Texts that somebody else wrote are escaped by whoever prints them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory or file cannot be read or written.
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A manifest does not have the agreed form.
    #[error("`{}`: {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, in words.
        problem: String,
    },
    /// Something stands in the corpus that is not taken.
    #[error("`{}` is {found}; expected {expected}", path.display())]
    Entry {
        /// Where it stands.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// An attempt names a task that is nowhere.
    #[error("attempt `{attempt}` is for task `{task}`, which is not there; there are: {known}")]
    Task {
        /// The attempt.
        attempt: String,
        /// The task that it names.
        task: String,
        /// The tasks that there are.
        known: String,
    },
    /// An attempt that was asked for is nowhere.
    #[error("the corpus has no attempt `{wanted}`; it has: {known}")]
    Attempt {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// A directory with no attempts at all.
    #[error("`{}` holds no attempts; expected directories `attempts/NAME` with a file `attempt.toml`", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A program that the attempts need is not on this machine.
    #[error("{what} needs `{tool}`, which is not in this machine's system directories")]
    Tool {
        /// Who needs it.
        what: String,
        /// The program.
        tool: String,
    },
}

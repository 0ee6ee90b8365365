//! What every program shares: its environment, its exit codes, its way to fail.

use std::io::Write as _;
use std::path::PathBuf;

/// The program did what it was asked.
pub const EXIT_OK: i32 = 0;
/// The arguments, a settings file or the environment are wrong, or the machine failed.
pub const EXIT_BAD_INPUT: i32 = 2;
/// An evaluator looked at the candidate's output and it is not valid.
pub const EXIT_INVALID_OUTPUT: i32 = 3;

/// An error that knows which exit code it means.
pub(crate) trait Failure: std::error::Error {
    /// Returns [`EXIT_BAD_INPUT`] or [`EXIT_INVALID_OUTPUT`].
    fn exit_code(&self) -> i32;
}

/// Prints the error, if there is one, as `program: cause` on stderr and returns the exit code.
pub(crate) fn conclude<E: Failure>(program: &str, result: Result<(), E>) -> i32 {
    match result {
        Ok(()) => EXIT_OK,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            // A closed stderr leaves nothing to do: the exit code still tells.
            let _ = writeln!(stderr, "{program}: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                let _ = writeln!(stderr, "  caused by: {cause}");
                source = cause.source();
            }
            error.exit_code()
        }
    }
}

/// A wrong environment or a wrong number of arguments.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The arguments do not have the expected form.
    #[error("expected `{expected}`, found {found:?}")]
    Arguments {
        /// The form of the command line.
        expected: &'static str,
        /// The arguments that were given.
        found: Vec<String>,
    },
    /// An environment variable that the lab sets is absent.
    #[error(
        "environment variable `{name}` is not set; hint: the lab sets it, by hand use `{name}={example}`"
    )]
    Missing {
        /// The variable.
        name: &'static str,
        /// A value that works.
        example: &'static str,
    },
    /// An environment variable holds something else than a whole number.
    #[error("`{name}` must be a whole number from 0 to 2^64 - 1, found: {found}")]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// What it holds.
        found: String,
    },
}

/// Returns the arguments as exactly `N` strings, or says what was expected.
pub(crate) fn exactly<'a, const N: usize>(
    arguments: &'a [String],
    expected: &'static str,
) -> Result<&'a [String; N], UsageError> {
    arguments.try_into().map_err(|_| UsageError::Arguments {
        expected,
        found: arguments.to_vec(),
    })
}

/// Returns the run's seed from `LYCEUM_SEED`.
pub(crate) fn seed() -> Result<u64, UsageError> {
    const NAME: &str = "LYCEUM_SEED";
    let text = std::env::var(NAME).map_err(|_| UsageError::Missing {
        name: NAME,
        example: "1",
    })?;
    parse_seed(NAME, &text)
}

/// Returns `text` as a seed; `name` tells the user where the text came from.
pub(crate) fn parse_seed(name: &'static str, text: &str) -> Result<u64, UsageError> {
    text.parse().map_err(|_| UsageError::NotANumber {
        name,
        found: text.to_owned(),
    })
}

/// Returns the directory for declared outputs from `LYCEUM_OUTPUTS`.
pub(crate) fn outputs() -> Result<PathBuf, UsageError> {
    const NAME: &str = "LYCEUM_OUTPUTS";
    std::env::var_os(NAME)
        .map(PathBuf::from)
        .ok_or(UsageError::Missing {
            name: NAME,
            example: ".",
        })
}

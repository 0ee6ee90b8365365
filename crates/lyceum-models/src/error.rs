//! What can go wrong in a turn, and what follows from it.

use std::time::Duration;

use crate::{key::KeyError, record::ReplayError};

/// Most characters of a server's words in an error.
pub(crate) const WORDS_MAX: usize = 400;

/// A turn that gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}")]
pub struct ModelError {
    /// What went wrong in the last attempt.
    #[source]
    pub kind: ErrorKind,
    /// How long the server asks to wait, where it does.
    pub retry_after: Option<Duration>,
    /// The provider's id of the HTTP request, for questions to its support.
    pub request_id: Option<String>,
    /// Attempts that were made. 0: none left this machine.
    pub attempts: u32,
}

impl ModelError {
    /// Returns the error of an attempt about which nothing else is known.
    pub fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            retry_after: None,
            request_id: None,
            attempts: 1,
        }
    }

    /// Returns whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl From<ErrorKind> for ModelError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

/// Which clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// For connecting, name and TLS included.
    Connect,
    /// Between two reads: the server said nothing for so long.
    Idle,
    /// For the whole attempt.
    Total,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Idle => "nothing came",
            Self::Total => "the answer was not complete",
        })
    }
}

/// What went wrong. Texts of servers in it are cut, without control characters, and without the key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ErrorKind {
    /// There is no key, or it may not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not accepted, or not for this.
    #[error("the key was refused (status {status}): {words}")]
    Unauthorized {
        /// HTTP status, 401 or 403.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// The account has no money left, or its owner's limit is reached.
    #[error("the account cannot pay (status {status}): {words}")]
    Billing {
        /// HTTP status.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// No such model or address.
    #[error("no such model or address (status 404): {words}")]
    NotFound {
        /// What the server says.
        words: String,
    },
    /// The server does not accept the request as it is.
    #[error("the request was refused (status {status}): {words}")]
    BadRequest {
        /// HTTP status.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// The conversation is longer than the model's context.
    #[error("the conversation is longer than the model's context: {words}")]
    ContextOverflow {
        /// What the server says.
        words: String,
    },
    /// The body is larger than the server takes.
    #[error("the request has too many bytes for the server: {words}")]
    RequestTooLarge {
        /// What the server says.
        words: String,
    },
    /// Too many requests or tokens for now.
    #[error("the server asks to slow down (status {status}): {words}")]
    RateLimited {
        /// HTTP status, 429 as a rule.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// The provider has too much to do.
    #[error("the server is overloaded (status {status}): {words}")]
    Overloaded {
        /// HTTP status; 200 where it was said inside a stream.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// The provider failed.
    #[error("the server failed (status {status}): {words}")]
    Server {
        /// HTTP status; 200 where it was said inside a stream.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// The server sends elsewhere. Nobody follows with a key.
    #[error("the server redirects to `{to}` (status {status}), which is not followed")]
    Redirect {
        /// HTTP status.
        status: u16,
        /// Where to.
        to: String,
    },
    /// A status that means none of the above.
    #[error("unexpected status {status}: {words}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What the server says.
        words: String,
    },
    /// No connection came about.
    #[error("no connection to `{host}`: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        reason: String,
    },
    /// A clock ran out.
    #[error("{clock} within {} s", after.as_secs_f64())]
    Timeout {
        /// Which.
        clock: Clock,
        /// How long it was set to.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the answer was cut off after {bytes} bytes: {reason}")]
    Cut {
        /// Bytes of the body that came.
        bytes: u64,
        /// What was missing or why it ended.
        reason: String,
    },
    /// The answer is not in the wire's form.
    #[error("the answer cannot be read: {what}")]
    Malformed {
        /// What was expected and found.
        what: String,
    },
    /// The answer is larger than anything that is accepted.
    #[error("the answer is larger than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The answer holds the key that was sent.
    #[error("the answer repeats the key, so nothing of it is used")]
    KeyRepeated,
    /// The lab's budget does not allow the attempt.
    #[error("the budget does not allow {}: {reason}{}", attempt(last.as_deref()), before(last.as_deref()))]
    Budget {
        /// What the keeper of the budget says.
        reason: String,
        /// What the attempt before it failed with, if there was one: why another was needed.
        #[source]
        last: Option<Box<ErrorKind>>,
    },
    /// The caller cancelled the turn.
    #[error("the turn was cancelled")]
    Cancelled,
    /// A local program did not answer.
    #[error("`{program}`: {reason}")]
    Command {
        /// The program.
        program: String,
        /// What it did.
        reason: String,
        /// Whether it was started, so that it may have worked.
        started: bool,
    },
    /// The recording does not hold this exchange.
    #[error(transparent)]
    Replay(Box<ReplayError>),
    /// The exchange could not be recorded; the answer is not used, so that no recording lacks one.
    #[error("the exchange could not be recorded: {reason}")]
    Record {
        /// Why.
        reason: String,
    },
}

impl From<ReplayError> for ErrorKind {
    fn from(error: ReplayError) -> Self {
        Self::Replay(Box::new(error))
    }
}

impl ErrorKind {
    /// Returns whether the same request may succeed later. Every kind is decided here, none by default.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Server { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Cut { .. }
            // A proxy's page or a broken stream; a server that always answers so is given up on after the last attempt.
            | Self::Malformed { .. } => true,
            Self::Key(_)
            | Self::Unauthorized { .. }
            | Self::Billing { .. }
            | Self::NotFound { .. }
            | Self::BadRequest { .. }
            | Self::ContextOverflow { .. }
            | Self::RequestTooLarge { .. }
            | Self::Redirect { .. }
            | Self::Status { .. }
            | Self::AnswerTooLarge { .. }
            | Self::KeyRepeated
            | Self::Budget { .. }
            | Self::Cancelled
            | Self::Command { .. }
            | Self::Replay(_)
            | Self::Record { .. } => false,
        }
    }

    /// Returns whether the server may have begun to work, so that tokens may be charged for which no usage came.
    pub fn may_have_cost(&self) -> bool {
        match self {
            Self::Timeout { clock, .. } => *clock != Clock::Connect,
            Self::Cut { .. }
            | Self::Malformed { .. }
            | Self::AnswerTooLarge { .. }
            | Self::KeyRepeated
            | Self::Cancelled
            | Self::Server { .. }
            | Self::Record { .. } => true,
            Self::Command { started, .. } => *started,
            Self::Budget { last, .. } => last.as_ref().is_some_and(|last| last.may_have_cost()),
            // Said inside a stream, after the work began.
            Self::Overloaded { status, .. } | Self::RateLimited { status, .. } => *status == 200,
            Self::Key(_)
            | Self::Unauthorized { .. }
            | Self::Billing { .. }
            | Self::NotFound { .. }
            | Self::BadRequest { .. }
            | Self::ContextOverflow { .. }
            | Self::RequestTooLarge { .. }
            | Self::Redirect { .. }
            | Self::Status { .. }
            | Self::Connect { .. }
            | Self::Replay(_) => false,
        }
    }
}

fn attempt(last: Option<&ErrorKind>) -> &'static str {
    last.map_or("an attempt", |_| "another attempt")
}

fn before(last: Option<&ErrorKind>) -> String {
    last.map_or_else(String::new, |last| format!("; the last one failed: {last}"))
}

/// Returns a server's words without control characters. Not cut yet: a key is looked for in them first, since half a
/// key would not be found.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

/// Returns a server's words fit for an error: no control characters, at most [`WORDS_MAX`] characters.
pub(crate) fn words(text: &str) -> String {
    let mut clean = plain(text);
    if clean.chars().count() > WORDS_MAX {
        clean = clean.chars().take(WORDS_MAX).collect::<String>() + "…";
    }
    if clean.is_empty() {
        clean.push_str("nothing said");
    }
    clean
}

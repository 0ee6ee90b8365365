//! How bytes get to a model and back, without what they mean.

use std::time::Duration;

use crate::{error::ErrorKind, key::Secret, model::Cancel};

/// No answer of a model is longer: neither what comes, its stream's repetitions included, nor what is made of it,
/// written as JSON. Far above any model's output, and a quarter of what a ledger takes as one event.
pub(crate) const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// No error page is read further.
pub(crate) const ERROR_BYTES_MAX: usize = 64 << 10;

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, name and TLS included.
    pub connect: Duration,
    /// For the next bytes. Hosted models send something every few seconds even while they reason.
    pub idle: Duration,
    /// For the whole attempt.
    pub total: Duration,
}

impl Default for Limits {
    /// 20 s, 5 min (a local model may read a long prompt in silence), 60 min.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_mins(5),
            total: Duration::from_hours(1),
        }
    }
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Call {
    /// Where to; of a program, its name.
    pub(crate) url: String,
    /// The address without scheme, host and port.
    pub(crate) path: String,
    /// What is said beside the body. Never a key.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The key and how its header is written: name and what stands before it.
    pub(crate) key: Option<KeyHeader>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// The one place that a key goes to.
#[derive(Debug)]
pub(crate) struct KeyHeader {
    pub(crate) name: &'static str,
    pub(crate) before: &'static str,
    pub(crate) secret: Secret,
}

/// How an answer begins.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Head {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers that mean something here, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

/// The only headers that are looked at or recorded.
pub(crate) const HEADERS: [&str; 7] = [
    "content-type",
    "location",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
];

impl Head {
    /// Returns a header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(of, _)| of == name)?;
        Some(&found.1)
    }
}

/// A part of an answer.
pub(crate) enum Part<'a> {
    /// How it begins; comes once, first.
    Head(&'a Head),
    /// A piece of its body, cut anywhere.
    Bytes(&'a [u8]),
}

/// Whether more is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on.
    More,
    /// The answer is complete, whatever still comes.
    Enough,
}

/// Receives an answer.
pub(crate) type Receive<'a> = &'a mut dyn FnMut(Part<'_>) -> Result<Flow, ErrorKind>;

/// Sends calls.
pub(crate) trait Transport: Send + Sync {
    /// Sends one and hands out the answer as it comes. Ends well when the body does or no more is wanted.
    fn send(&self, call: &Call, cancel: &Cancel, receive: Receive<'_>) -> Result<(), ErrorKind>;
}

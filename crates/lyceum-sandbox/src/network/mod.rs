//! The way out for commands that may reach listed hosts: a proxy of the supervisor, behind a listener of
//! the sandbox.
//!
//! Pid 1 opens a listener on the sandbox's own loopback and passes its descriptor out; the supervisor
//! accepts on it and connects from the host. So there is no daemon, no root, no interface and no process
//! in between, and a command that ignores the proxy reaches nothing.

mod address;
mod host;
mod proxy;
mod request;
mod socks;

pub use host::{Destination, DestinationError};
pub(crate) use proxy::Proxy;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where the proxy listens inside.
pub(crate) const PROXY_PORT: u16 = 3128;

/// A header that the proxy puts into plain HTTP requests to one destination. The value stays outside: in
/// no environment, file or record of the sandbox.
#[derive(Clone)]
pub struct Secret {
    /// Who gets it; must be on the list.
    pub destination: Destination,
    /// Name of the header. One of the same name from inside is dropped.
    pub header: String,
    /// The header's value.
    pub value: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("destination", &self.destination)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// Returns whether name and value can stand in a header, and nothing but a header.
    pub fn is_sound(&self) -> bool {
        request::is_token(&self.header)
            && self
                .value
                .bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
    }
}

/// What the proxy decided about one request for a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Milliseconds since the command was asked for.
    pub at_ms: u64,
    /// How it was asked: `CONNECT`, `SOCKS` or the method of a plain request.
    pub method: String,
    /// The destination in its normalised form, or what was asked for if it has none, escaped.
    pub destination: String,
    /// Whether a connection was allowed.
    pub allowed: bool,
    /// Why, in words.
    pub why: String,
    /// Where it was connected to.
    pub address: Option<IpAddr>,
    /// Bytes sent to the destination.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
}

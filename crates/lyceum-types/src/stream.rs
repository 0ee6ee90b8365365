//! What the events of every stream have in common: how a body is stored and read back, and what may be wrong with one.

/// One event's content, as a stream of the ledger stores it. [`bodies!`](crate::bodies) writes it.
pub trait EventBody: Sized {
    /// Returns the kind under which the body is stored.
    fn kind(&self) -> &'static str;

    /// Returns the version under which the body is stored.
    fn version(&self) -> u32;

    /// Returns the body as JSON.
    fn encode(&self) -> Result<String, serde_json::Error>;

    /// Reads a stored body.
    fn decode(kind: &str, version: u32, json: &str) -> Result<Self, DecodeError>;
}

/// Why an event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A kind or version that this lab does not know.
    #[error(
        "event `{kind}` version {version} of a {of} is not known to this version of lyceum; a newer one wrote it"
    )]
    Unknown {
        /// What the stream tells of.
        of: &'static str,
        /// The kind found.
        kind: String,
        /// The version found.
        version: u32,
    },
    /// The body does not fit its kind.
    #[error("event `{kind}` version {version} of a {of} has a body that does not fit")]
    Body {
        /// What the stream tells of.
        of: &'static str,
        /// The kind.
        kind: String,
        /// The version.
        version: u32,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

/// An event that cannot follow the events before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of the {of} does not follow from the events before it: {problem}")]
pub struct FoldError {
    /// What the stream tells of.
    pub of: &'static str,
    /// Number of the event in its stream.
    pub seq: u64,
    /// What does not fit.
    pub problem: String,
}

impl FoldError {
    /// Returns the error of an event of a stream that tells of this.
    pub fn new(of: &'static str, seq: u64, problem: impl Into<String>) -> FoldError {
        let problem = problem.into();
        FoldError { of, seq, problem }
    }
}

/// Writes the enum `Body` of a stream's events: each variant with the struct in it, the kind under which it is stored,
/// and its newest version. Every version from 1 on is read by the same struct. The caller's crate needs `serde_json`.
#[macro_export]
macro_rules! bodies {
    (
        $(#[$about:meta])*
        $of:literal: $($name:ident($inner:ident) = $kind:literal $version:literal),* $(,)?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is named after what the documented struct in it tells")]
        pub enum Body { $($name($inner)),* }

        impl Body {
            /// Returns the kind under which the body is stored.
            pub fn kind(&self) -> &'static str {
                match self { $(Body::$name(_) => $kind),* }
            }

            /// Returns the version under which the body is stored.
            pub fn version(&self) -> u32 {
                match self { $(Body::$name(_) => $version),* }
            }

            /// Returns the body as JSON.
            pub fn encode(&self) -> Result<String, serde_json::Error> {
                match self { $(Body::$name(body) => serde_json::to_string(body)),* }
            }

            /// Reads a stored body.
            pub fn decode(kind: &str, version: u32, json: &str) -> Result<Body, $crate::DecodeError> {
                match (kind, version) {
                    $(($kind, 1..=$version) => serde_json::from_str(json).map(Body::$name),)*
                    _ => {
                        let kind = kind.to_owned();
                        return Err($crate::DecodeError::Unknown { of: $of, kind, version });
                    }
                }
                .map_err(|source| {
                    let kind = kind.to_owned();
                    $crate::DecodeError::Body { of: $of, kind, version, source }
                })
            }
        }

        impl $crate::EventBody for Body {
            fn kind(&self) -> &'static str {
                self.kind()
            }

            fn version(&self) -> u32 {
                self.version()
            }

            fn encode(&self) -> Result<String, serde_json::Error> {
                self.encode()
            }

            fn decode(kind: &str, version: u32, json: &str) -> Result<Body, $crate::DecodeError> {
                Body::decode(kind, version, json)
            }
        }

        $(impl From<$inner> for Body {
            fn from(body: $inner) -> Body { Body::$name(body) }
        })*
    };
}

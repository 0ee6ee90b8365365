//! Dreams by a model: it reads sessions and a memory store, and says what a new store is to keep, merge, drop and write.
//!
//! ```text
//!   sessions' logs ──▶ transcripts ─┐                        ┌─▶ revisions, each citation looked up ─▶ Draft ─▶ new store
//!   store, as it was ──▶ entries ───┴─▶ one request a round ─┘                                          (kept for review)
//! ```
//!
//! A dream is its log, a stream `dream/NAME`; the store that it writes has the same name. What is read is pinned by the
//! first event, so that a dream that was killed goes on with the same rounds. An answer that is in the log is not asked for
//! again. Transcripts are data: they go into the request as JSON in which no tag can be closed, and nothing follows from an
//! answer but the revisions that it names.
//!
//! | module | what it holds |
//! |---|---|
//! | `event`, `record` | what happened in a dream; what follows from it, the stream |
//! | `plan` | what is read, pinned before it begins |
//! | `transcript` | a session's log as a model reads it: bounded, with the number of each event |
//! | `material` | rounds: what one request holds |
//! | `answer` | the form of an answer, and revisions from it |
//! | `conduct` | one step after the other, until the new store is written |

mod answer;
mod conduct;
mod event;
mod material;
mod plan;
mod record;
mod transcript;

pub use conduct::{Dreaming, End};
pub use event::{Body, Completed, Created, Failed, Limited, Read};
pub use plan::{Error, INSTRUCTIONS_CHARACTERS_MAX, Plan, SESSIONS_MAX, found, unread};
pub use record::{Record, Said, State};

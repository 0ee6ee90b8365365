//! What the lab remembers between studies.
//!
//! ```text
//! finished studies ──▶ dream ──▶ a new store of notes ──▶ replay on held-out studies ──▶ accepted, or kept for review
//!                        ▲                                                                    │
//!                     old store ◀───────────────────── takes its place ───────────────────────┘
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `names` | names of stores and paths of entries |
//! | `event` | what a store's stream in the ledger holds |
//! | `contents` | the files that hold what entries say, so that a secret can be taken away for good |
//! | `store` | a store as its events make it; writing, with preconditions |
//! | `past` | a finished study, as much of it as is remembered |
//! | `lesson` | which knobs mattered, where good values lay, what to begin with |
//! | `prior` | where good values lay, in the form that samplers take |
//! | `dream` | a new store out of studies and an old store |
//! | `draft` | a store that is being dreamt, before anything of it is written |
//! | `revise` | what a dreamer wants changed, and how much of it is done |
//! | `session` | what sessions found and the lab's comparison bears out |
//! | `schedule` | when dreams are due, each time once |
//! | `replay` | whether what was dreamt helps on studies that it has not seen |
//! | `diff` | what a dream changed, line by line |

mod contents;
mod diff;
mod draft;
mod dream;
mod error;
mod event;
mod lesson;
mod names;
mod past;
mod prior;
mod replay;
mod revise;
mod schedule;
mod session;
mod store;

pub use diff::diff;
pub use draft::{Draft, Drafted, next_name};
pub use dream::{Dreamt, Family, STUDIES_MAX, dream, families, remembered};
pub use error::Error;
pub use event::{Actor, Cite, DreamVerdict, Dreamed};
pub use lesson::{Lesson, Mattered, Suggestion, lessons, suggest};
pub use names::{DREAM_PREFIX, STREAM_PREFIX, check_path, check_store};
pub use past::{PastStudy, PastTrial};
pub use prior::{priors, remembered_priors};
pub use replay::{Held, Replay, replay};
pub use revise::{Line, REVISIONS_MAX, Refusal, Revision, Sources};
pub use schedule::{Due, Ended, Fired, Happened, Schedule, Scheduled, Skipped, Why};
pub use session::{PastFinding, PastSession};
pub use store::{
    Change, ENTRIES_MAX, ENTRY_BYTES_MAX, Entry, Must, Note, Operation, Store, Version, names,
    present,
};

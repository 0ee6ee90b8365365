//! A lead and its specialists: sessions that work side by side on shared files.
//!
//! ```text
//!   team.toml ─▶ Team ─▶ conduct ─▶ one driver a thread: Harness over the stream `session/TEAM` or `session/TEAM.N`
//!                          │              │ calls
//!                          ▼              ▼
//!                    stream `team/TEAM` ◀─ Tools: delegate, look, wait, send, hand_off, take_shared; files in a sandbox
//! ```
//!
//! Each thread sees the shared files as they were when it last took them, with its own changes above. They become shared
//! by a handoff, which is refused where somebody else changed the same file meanwhile: nothing is overwritten silently.
//! What a thread spends counts against everybody above it. All of it is on record before it has an effect, so a team
//! whose process died goes on with all of its threads.

pub(crate) mod bench;
mod conduct;
mod event;
mod format;
mod offers;
mod purse;
mod room;
mod state;
mod tools;
mod turns;

pub(crate) use bench::{above, keep};
pub(crate) use conduct::open_with;
pub use conduct::{Conducted, Staffed, conduct, open};
pub use event::{
    Body, Created, Delegated, Ended, HandedOff, Idle, MessageSent, Running, Taken, ThreadIdle,
};
pub(crate) use format::ON_FILES;
pub use format::{Allowed, FormatError, Member, Team};
pub use room::Broke;
pub use state::{State, Status, Thread};

/// A team that this process writes to: its stream, and what is known of it.
pub type Record = crate::Stream<State>;

/// Returns the name of a thread's session.
pub fn session_of(team: &str, thread: u32) -> String {
    match thread {
        0 => team.to_owned(),
        _ => format!("{team}.{thread}"),
    }
}

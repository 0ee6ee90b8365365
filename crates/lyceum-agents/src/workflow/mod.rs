//! Workflows: a fan-out written down in a file, journalled step by step.
//!
//! ```text
//!  workflow.toml ──▶ Workflow ──▶ Conductor ──Task──▶ workers ──▶ Crew: sandbox, model, a study of its own
//!                                  │     ▲                │
//!                                  ▼     └────Came────────┘
//!                           Journal ──▶ ledger: stream `workflow/RUN`, folded into State
//! ```
//!
//! A step is intent, effect and receipt. What a run did follows from its events alone: whoever goes on with it after a
//! crash holds nothing else. A step that was done is done for every run that asks for the same with the same inputs
//! ([`Prepared::key`]).
//!
//! | module | what it holds |
//! |---|---|
//! | `format`, `template` | the file, and the places in its texts |
//! | `event`, `state`, `journal` | what happened, what follows from it, the stream |
//! | `conductor`, `allowance` | which step is next, and what it may use |
//! | `crew` | what steps do: `items`, `files`, `programs`, `command`, `ask`, `study` |
//! | `citation` | what an answer of a model says about files, looked up by the lab |

mod allowance;
mod citation;
mod conductor;
mod crew;
mod event;
mod format;
mod journal;
mod state;
mod template;

pub use conductor::{Asked, Came, Conductor, Crew, End, Prepared, Refusal, Watcher, differing};
pub(crate) use crew::bare;
pub use crew::{Floor, Hired};
pub use event::{
    Body, Created, Item, PhaseEnded, PhaseStarted, Reserved, Reused, RunEnded, RunResult, Spent,
    StepEnd, StepEnded, StepStarted, StopReason, Updated,
};
pub use format::{
    Budget, Command, FormatError, Model, Over, Phase, Session, Study, WORKFLOW_BYTES_MAX, Work,
    Workflow,
};
pub use journal::{
    Journal, ask_to_stop, clear_stop, is_asked_to_stop, known_results, newest, worked_on_by,
};
pub use state::{PhaseState, State, Status, Step};

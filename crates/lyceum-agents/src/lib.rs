//! Language models at work in the lab: sessions, tools, and the agent that a study's loop can ask.
//!
//! ```text
//!   study's loop ──Question──▶ StudyAgent ─▶ Harness ──Request──▶ Model
//!        ▲                        │             │ ▲
//!        └────────Change──────────┘             ▼ │ results
//!                                 Log ◀──── Toolbox ──▶ sandbox, the study's record
//!                                  │
//!                                ledger: stream `session/NAME`, folded into State
//! ```
//!
//! A session is its log: [`session::State`] is a fold over it, and whoever drives it holds nothing else. A request to a
//! model and a call of a tool are each an intent, an effect and a receipt; after a crash what has no receipt is unknown,
//! and is looked up or given up, never repeated silently. The agent decides nothing: what is run, measured, kept and
//! graded is the lab's, as for any sampler.
//!
//! | module | what it holds |
//! |---|---|
//! | `stream` | a stream of the ledger with what follows from it: what the next three have in common |
//! | `session` | a session's events, and what follows from them |
//! | `harness` | one step after the other |
//! | `context`, `compact`, `line` | what is put before the model, and how it stays short and unforged |
//! | `tool`, `hands` | what a model may ask for; the program that does it inside the sandbox |
//! | `mind` | a model with its price and meter |
//! | `tapes` | recordings, and a session's place on one |
//! | `nested` | how deep an answer may nest |
//! | `guarded` | work whose panic ends nothing but itself |
//! | `agent`, `staff` | a session as the researcher of a study, and who hires it |
//! | `alone` | a session without a study, on a copy of a directory |
//! | `referee`, `judgement` | a model's judgement, the weakest evidence of a rubric, and what it costs |
//! | `team` | a lead and its specialists on shared files |
//! | `dream` | sessions and a memory store read by a model, and what it wants changed there |
//! | `workflow` | a fan-out over commands, models, sessions and studies, journalled step by step |
//! | `people` | a person's word on a call, asked for and waited for |
//! | `letters` | words of people to a session that another process drives |

mod agent;
pub mod alone;
mod compact;
mod context;
pub mod dream;
mod guarded;
pub mod hands;
mod harness;
pub mod judgement;
mod letters;
mod line;
mod mind;
mod nested;
mod people;
mod referee;
pub mod session;
mod staff;
mod stream;
mod tapes;
pub mod team;
mod tool;
pub mod workflow;

pub use agent::{Brief, StudyAgent, Tell};
pub use harness::{Advance, Error, Halt, Harness, Options, TURNS_MAX};
pub use letters::{LETTER_BYTES_MAX, Letter, is_on_its_way, leave, take_in};
pub use mind::{Cost, Meter, Mind, PriceOf};
pub use people::People;
pub use referee::Referee;
pub use staff::{Agency, mind, mind_with};
pub use stream::{Fold, Stream};
pub use tapes::{Reel, TapeError, Tapes};
pub use tool::{Done, Outcome, RESULT_BYTES_MAX, StudyTools, Toolbox, Wanted, Workbench, bounded};

//! The research loop: propose, run, measure, decide, keep; then confirm, ablate, open the sealed split, grade.
//!
//! ```text
//!            events ──fold──▶ State ──settle──▶ next event that follows      (pure: state, settle, ending, outcome, grade)
//!              ▲                │
//!              │                └──next_look, wants──▶ next run or measurement (pure)
//!           journal ◀── drive ◀── receipts ── workers ── Executor ── sandbox   (drive, work, execute)
//! ```

mod agent;
mod ask;
mod budget;
mod drive;
mod ending;
mod execute;
mod grade;
mod halving;
mod journal;
mod judge;
mod outcome;
mod oversight;
mod protocol;
mod sealed;
mod settle;
mod state;
mod steady;
mod turn;
mod work;

pub use agent::{Agent, Change, HandIn, NoChange, Question};
pub use ask::history;
pub use budget::{Cost, Left, Spent, left_of, run_cost};
pub use drive::{Driver, End, Error, Live, Observer};
pub use ending::{Want, changed_knobs, claim_pairs, put_back, wants};
pub use execute::{
    Allowance, Broken, CheckTask, Cut, Executor, MeasureEnd, MeasureTask, RunTask, Tell,
};
pub use halving::{CAUSE as STOPPED_EARLY, Halving, Report, judge};
pub use journal::{Journal, JournalError, MemoryJournal};
pub use outcome::{Evaluation, FAULTS_MAX, iterations_used};
pub use protocol::{Budget, Clause, Criterion, Looks, OutcomeRules, Protocol};
pub use settle::{LookStep, floor_done, next_look, replay_rule, settle, start_failure};
pub use state::{Experiment, Resource, Run, Session, State};
pub use steady::{SinceMade, Steady};
pub use turn::turn;

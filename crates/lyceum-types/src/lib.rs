//! Words of the lab as types: ids, units, search spaces, measurements, event bodies.
//!
//! Nothing in this crate does I/O, reads a clock or draws a random number.

mod event;
mod ids;
mod measurement;
mod money;
mod outcome;
mod oversight;
mod prior;
mod setting;
mod space;
mod stream;
mod text;
mod units;

pub use event::{
    Ablated, Body, Claimed, DataDrawn, Decided, Earlier, ExperimentProposed, Finding, Graded,
    MachineFacts, MeasureCut, MemoryRecalled, Pair, PersonAwaited, RunFinished, RunMeasured,
    RunReported, RunStarted, RunVoided, SealedAnswered, SealedOpened, SearchEnded, SessionEnded,
    SessionStarted, StudyFinished, StudyOpened, TurnGiven,
};
pub use ids::{ExperimentId, RunId, Seed};
pub use measurement::{
    EndReason, FailureReason, Goal, Measured, Outcome, Output, Prediction, Purpose, Role, Side,
    Split, Trust, Usage, Verdict,
};
pub use money::{Money, MoneyError};
pub use outcome::{
    CheckFound, Cited, CriterionGrade, EvaluationChecked, EvaluationEnded, EvaluationOngoing,
    EvaluationStarted, Execution, Grade, HandedIn, OutcomeDefined, OutcomeResult, Witness,
};
pub use oversight::{
    ApprovalUsed, AutonomyChanged, AutonomyLent, Change, ChangeKind, Class, Copied, Decoy,
    Detector, Evidence, Explained, IncidentRaised, Level, Mark, Observed, OversightBegan, Shared,
    SourceHit, StudyResumed, StudyStopped,
};
pub use prior::{GoodValues, KnobPrior};
pub use setting::{Setting, Settings};
pub use space::{Condition, Knob, KnobKind, Scale, Space, SpaceError};
pub use stream::{DecodeError, EventBody, FoldError};
pub use text::is_unseen;
pub use units::{Bytes, Span, UnitError};

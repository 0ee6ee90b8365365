//! Oversight: what the lab says about the integrity of a run, from outside.
//!
//! Detectors are pure functions of what is in the record: the supervisor writes down what it saw of a run
//! ([`lyceum_types::Observed`]), and incidents follow from that. So `verify` computes each of them again, and a detector
//! that says nothing can be told from one that is broken: each fires on a planted control ([`controls`]) in every session.

pub mod approval;
pub mod autonomy;
pub mod controls;
pub mod detect;
pub mod digest;
pub mod explain;
pub mod source;
pub mod text;

/// Most accepted changes that nobody has explained back: a person who is further behind decides about what nobody knows.
pub const DEBT_MAX: u32 = 20;

pub use lyceum_types::{Class, Detector, Evidence, IncidentRaised as Incident};

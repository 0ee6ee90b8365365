//! Oversight: what the lab says about the integrity of a run, from outside.
//!
//! Detectors are pure functions of what is in the record: the supervisor writes down what it saw of a run
//! ([`lyceum_types::Observed`]), and incidents follow from that. So `verify` computes each of them again, and a detector
//! that says nothing can be told from one that is broken: each fires on a planted control ([`controls`]) in every session.

pub mod controls;
pub mod detect;

pub use lyceum_types::{Class, Detector, Evidence, IncidentRaised as Incident};

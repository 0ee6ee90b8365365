//! A language model as the researcher of a study: the real program, real sandboxes, and a server that speaks the real wire
//! over a real socket and answers as a function of what it is sent.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod alone;
mod brain;
mod examples;
mod faults;
mod judgement;
mod killed;
mod memory;
mod mended;
mod mixed;
mod outcome;
mod person;
mod place;
mod step;
mod taken;
mod taped;
mod team;
mod whole;
mod workflow;

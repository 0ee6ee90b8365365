//! The figures of a report. Each is a pure function of the report's data.

mod budget;
mod comparison;
mod drawing;
mod knobs;
mod noise;
mod parts;
mod prediction;
mod progress;

pub(crate) use budget::budgets;
pub(crate) use comparison::{ablation, confirmation};
pub(crate) use drawing::drawing;
pub(crate) use knobs::knob_effects;
pub(crate) use noise::noise_floor;
pub(crate) use parts::{Cell, Figure, Key, Layout, Table, VERDICTS, verdict_look};
pub(crate) use prediction::prediction;
pub(crate) use progress::best_so_far;

//! Figures of time horizons, each a file of its own: horizons over release dates, and the curve of each agent.

mod curves;
mod sheet;
mod timeline;

pub use curves::{AgentCurve, TaskDot, curves};
pub use timeline::{Role, Timeline, TimelinePoint, TimelineTrend, timeline};

/// Ticks at the task lengths that METR's figures have, in minutes.
const LENGTHS: [(f64, &str); 23] = [
    (1.0 / 60.0, "1 sec"),
    (2.0 / 60.0, "2 sec"),
    (4.0 / 60.0, "4 sec"),
    (8.0 / 60.0, "8 sec"),
    (0.25, "15 sec"),
    (0.5, "30 sec"),
    (1.0, "1 min"),
    (2.0, "2 min"),
    (4.0, "4 min"),
    (8.0, "8 min"),
    (15.0, "15 min"),
    (30.0, "30 min"),
    (60.0, "1 hour"),
    (120.0, "2 hours"),
    (240.0, "4 hours"),
    (480.0, "8 hours"),
    (960.0, "16 hours"),
    (1920.0, "32 hours"),
    (3840.0, "64 hours"),
    (7680.0, "128 hours"),
    (15_360.0, "256 hours"),
    (30_720.0, "512 hours"),
    (61_440.0, "1024 hours"),
];

/// Returns the ticks between two lengths, every `step`-th one.
fn length_ticks(low: f64, high: f64, step: usize) -> Vec<crate::figure::Tick> {
    let inside = LENGTHS
        .iter()
        .filter(|(minutes, _)| (low * 0.999..=high * 1.001).contains(minutes));
    let tick = |(value, label): &(f64, &str)| crate::figure::Tick {
        value: *value,
        label: (*label).to_owned(),
    };
    inside.step_by(step.max(1)).map(tick).collect()
}

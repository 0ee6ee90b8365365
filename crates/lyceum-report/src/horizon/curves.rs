//! The curve of each agent over the tasks that it ran, one small plot each.

use super::{
    length_ticks,
    sheet::{Key, MARGIN, Sheet},
};
use crate::{
    figure::{Axis, Label, Layer, Mark, Plot, Scale, Shape, Tick, Ticks},
    text::line,
};

/// Size of one plot.
const PANEL: (f64, f64) = (310.0, 214.0);
const COLUMNS: usize = 3;
const GAP: f64 = 18.0;
/// Agents that are drawn at most; more make a sheet that nobody scrolls.
const PANELS_MAX: usize = 60;
/// Points of a drawn curve.
const STEPS: u32 = 80;

/// A task as one agent ran it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDot {
    /// How long people take, in minutes.
    pub minutes: f64,
    /// Mean score of the agent, 0 to 1.
    pub score: f64,
    /// Share of the agent's weight, 0 to 1.
    pub weight: f64,
    /// Shown when the pointer rests on it.
    pub details: String,
}

/// An agent's curve.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentCurve {
    /// The agent.
    pub name: String,
    /// Slope and intercept over log2 of the minutes; `None` for an agent without a curve.
    pub curve: Option<(f64, f64)>,
    /// Its 50 % horizon in minutes.
    pub horizon: Option<f64>,
    /// What stands below its name.
    pub words: String,
    /// Its tasks.
    pub tasks: Vec<TaskDot>,
    /// Mean score of tasks between two lengths: from, to, score.
    pub buckets: Vec<(f64, f64, f64)>,
}

/// Returns the curves as an SVG file: the same bytes for the same data.
pub fn curves(title: &str, subtitle: &str, agents: &[AgentCurve], notes: &[String]) -> String {
    let drawn = &agents[..agents.len().min(PANELS_MAX)];
    let columns = COLUMNS.min(drawn.len().max(1));
    let width = (2.0 * MARGIN + columns as f64 * (PANEL.0 + GAP) - GAP).max(660.0);
    let mut sheet = Sheet::new(width);
    sheet.heading(title, subtitle);
    sheet.keys(&[
        Key::Shape(Shape::Disc, "task", "task, larger with its weight"),
        Key::Shape(Shape::Square, "bucket", "mean of tasks of similar length"),
        Key::Line("curve", "fitted curve"),
        Key::Line("horizon", "50 % horizon"),
    ]);
    sheet.down(6.0);
    let range = range(drawn);
    for (row, agents) in drawn.chunks(columns).enumerate() {
        for (column, agent) in agents.iter().enumerate() {
            let x = MARGIN + column as f64 * (PANEL.0 + GAP);
            sheet.plot(x, &panel(agent, row * columns + column, range).svg());
        }
        sheet.down(PANEL.1 + GAP);
    }
    let mut notes = notes.to_vec();
    if drawn.len() < agents.len() {
        notes.insert(
            0,
            format!("{} more agents are not drawn", agents.len() - drawn.len()),
        );
    }
    sheet.notes(&notes);
    sheet.finish(title)
}

/// One range of task lengths for all, so that panels can be compared.
fn range(agents: &[AgentCurve]) -> (f64, f64) {
    let minutes = || {
        agents
            .iter()
            .flat_map(|agent| agent.tasks.iter().map(|task| task.minutes))
    };
    let (low, high) = (
        minutes().fold(f64::INFINITY, f64::min),
        minutes().fold(0.0, f64::max),
    );
    if low.is_finite() {
        (low / 1.5, high * 1.5)
    } else {
        (1.0, 60.0)
    }
}

fn panel(agent: &AgentCurve, index: usize, (low, high): (f64, f64)) -> Plot {
    let mut layers = vec![Layer::Level {
        at: 0.5,
        class: "level",
    }];
    layers.push(Layer::Marks(agent.tasks.iter().map(dot).collect()));
    let middle = |(from, to, score): &(f64, f64, f64)| Mark {
        x: (from * to).sqrt(),
        y: *score,
        shape: Shape::Square,
        size: 5.0,
        class: "bucket",
        title: format!("{from} to {to} minutes: mean score {score:.2}"),
        link: None,
        interval: None,
    };
    if let Some((slope, intercept)) = agent.curve {
        let point = |step: u32| {
            let minutes = low * (high / low).powf(f64::from(step) / f64::from(STEPS));
            (
                minutes,
                1.0 / (1.0 + (-(intercept + slope * minutes.log2())).exp()),
            )
        };
        layers.push(Layer::Line {
            points: (0..=STEPS).map(point).collect(),
            step: false,
            class: "curve",
        });
    }
    layers.push(Layer::Marks(agent.buckets.iter().map(middle).collect()));
    if let Some(minutes) = agent
        .horizon
        .filter(|minutes| (low..=high).contains(minutes))
    {
        layers.push(Layer::Line {
            points: vec![(minutes, 0.0), (minutes, 0.5)],
            step: false,
            class: "horizon",
        });
    }
    layers.push(Layer::Labels(vec![Label {
        x: high,
        y: 1.0,
        shift: (-2.0, -8.0),
        anchor: "end",
        text: line(&agent.words),
        class: "quiet",
    }]));
    let percent = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| Tick {
        value,
        label: format!("{:.0} %", value * 100.0),
    });
    Plot {
        id: format!("horizon-curve-{index}"),
        title: line(&agent.name),
        description: line(&agent.words),
        width: PANEL.0,
        height: PANEL.1,
        x: Axis {
            scale: Scale::log(low, high),
            title: String::new(),
            ticks: Ticks::At(ticks(low, high)),
            grid: true,
        },
        y: Axis {
            scale: Scale::linear(-0.04, 1.12),
            title: line(&agent.name),
            ticks: Ticks::At(percent.to_vec()),
            grid: true,
        },
        layers,
        ends: vec![],
        rail: None,
    }
}

/// At most six ticks have room.
fn ticks(low: f64, high: f64) -> Vec<Tick> {
    let all = length_ticks(low, high, 1).len();
    let mut ticks = length_ticks(low, high, all.div_ceil(5));
    for tick in &mut ticks {
        tick.label = tick
            .label
            .replace(" hours", " h")
            .replace(" hour", " h")
            .replace(" sec", " s");
    }
    ticks
}

fn dot(task: &TaskDot) -> Mark {
    Mark {
        x: task.minutes,
        y: task.score,
        shape: Shape::Disc,
        // Area by weight: a hundredth of all has a radius of four.
        size: (40.0 * task.weight.max(0.0).sqrt()).clamp(1.6, 10.0),
        class: "task",
        title: line(&task.details),
        link: None,
        interval: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_with_and_without_a_curve_are_drawn() {
        let task = |minutes, score| TaskDot {
            minutes,
            score,
            weight: 0.1,
            details: "t<1".into(),
        };
        let agent = |name: &str, curve| AgentCurve {
            name: name.into(),
            curve,
            horizon: Some(20.0),
            words: "50 % at 20 min".into(),
            tasks: vec![task(1.0, 1.0), task(500.0, 0.0)],
            buckets: vec![(1.0, 4.0, 1.0)],
        };
        let agents = [agent("one", Some((-0.6, 2.0))), agent("never", None)];
        let svg = curves("Curves", "of two", &agents, &["note".into()]);
        assert_eq!(
            svg.matches("class=\"curve\"").count(),
            2,
            "one curve and its key"
        );
        assert!(svg.contains("never") && svg.contains("t&lt;1") && !svg.contains("NaN"));
        let many: Vec<AgentCurve> = (0..70).map(|_| agent("x", None)).collect();
        assert!(curves("", "", &many, &[]).contains("10 more agents are not drawn"));
        assert!(curves("", "", &[], &[]).ends_with("</svg>\n"));
    }
}

//! One plot: two axes, layers over them, labels beside them, a rail below for what has no value.

use std::fmt::Write as _;

use super::{
    Frame, Place, Scale, Shape, Tick, draw_shape,
    frame::{RAIL_HEIGHT, TEXT_SIZE, open_svg},
    text,
};
use crate::{
    format::coordinate as c,
    text::{escape, shorten},
};

/// A plot, drawn by [`Plot::svg`].
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Unique in the page.
    pub(crate) id: String,
    /// Name for readers who do not see it.
    pub(crate) title: String,
    /// What it shows, in words.
    pub(crate) description: String,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// From back to front.
    pub(crate) layers: Vec<Layer>,
    /// Labels at the right of the plot area.
    pub(crate) ends: Vec<EndLabel>,
    pub(crate) rail: Option<Rail>,
}

/// An axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) scale: Scale,
    /// With its unit; empty for none.
    pub(crate) title: String,
    pub(crate) ticks: Ticks,
    /// Whether lines run through the plot area.
    pub(crate) grid: bool,
}

/// Where an axis has ticks.
#[derive(Clone, Debug)]
pub(crate) enum Ticks {
    Round,
    Whole,
    At(Vec<Tick>),
}

/// Something drawn in the plot area. Coordinates are data units.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    /// Between two heights.
    Band {
        low: f64,
        high: f64,
        class: &'static str,
    },
    /// Between two places from left to right.
    Column {
        low: f64,
        high: f64,
        class: &'static str,
    },
    /// Through points; `step` goes sideways first.
    Line {
        points: Vec<(f64, f64)>,
        step: bool,
        class: &'static str,
    },
    /// Across the plot area at a height.
    Level {
        at: f64,
        class: &'static str,
    },
    /// Up through the plot area.
    Upright {
        at: f64,
        class: &'static str,
    },
    Marks(Vec<Mark>),
    Bars(Vec<Bar>),
    Labels(Vec<Label>),
    /// Between two heights that change from left to right: place, low, high.
    Area {
        points: Vec<(f64, f64, f64)>,
        class: &'static str,
    },
    /// Intervals upwards: place, low, high.
    Whiskers {
        ends: Vec<(f64, f64, f64)>,
        class: &'static str,
    },
    Callouts(Vec<Callout>),
}

/// A name that stands beside what it names, with a line to it where it had to move away.
#[derive(Clone, Debug)]
pub(crate) struct Callout {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) class: &'static str,
}

/// A mark with an optional interval.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) shape: Shape,
    pub(crate) size: f64,
    pub(crate) class: &'static str,
    /// Shown when the pointer rests on it.
    pub(crate) title: String,
    /// Where it leads.
    pub(crate) link: Option<String>,
    /// An interval from left to right through it.
    pub(crate) interval: Option<(f64, f64)>,
}

/// A part of a horizontal bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) row: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) class: &'static str,
    pub(crate) title: String,
    /// Written on it when it fits.
    pub(crate) label: String,
}

/// A text in the plot area.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Shift to the right and down, in the figure's units.
    pub(crate) shift: (f64, f64),
    /// `start`, `middle` or `end`.
    pub(crate) anchor: &'static str,
    pub(crate) text: String,
    pub(crate) class: &'static str,
}

/// A label at the right of the plot area, at the height of what it names.
#[derive(Clone, Debug)]
pub(crate) struct EndLabel {
    pub(crate) y: f64,
    pub(crate) text: String,
    pub(crate) class: &'static str,
}

/// A strip under the plot area for what has no value.
#[derive(Clone, Debug)]
pub(crate) struct Rail {
    pub(crate) label: String,
    pub(crate) marks: Vec<Mark>,
}

impl Axis {
    /// Returns an axis with ticks at round values and lines through the plot area.
    pub(crate) fn round(scale: Scale, title: impl Into<String>) -> Axis {
        Axis {
            scale,
            title: title.into(),
            ticks: Ticks::Round,
            grid: true,
        }
    }

    /// Returns an axis of named places 0, 1, 2, …
    pub(crate) fn named(names: &[String], pad: f64) -> Axis {
        let ticks = names.iter().enumerate().map(|(index, name)| Tick {
            value: index as f64,
            label: name.clone(),
        });
        Axis {
            scale: Scale::linear(-pad, names.len().saturating_sub(1) as f64 + pad),
            title: String::new(),
            ticks: Ticks::At(ticks.collect()),
            grid: false,
        }
    }

    pub(super) fn ticks_for(&self, about: usize) -> Vec<Tick> {
        match &self.ticks {
            Ticks::Round => self.scale.ticks(about, false),
            Ticks::Whole => self.scale.ticks(about, true),
            Ticks::At(ticks) => ticks.clone(),
        }
    }
}

impl Plot {
    /// Returns the plot as an `svg` element for use inside HTML.
    pub(crate) fn svg(&self) -> String {
        let frame = Frame::of(self);
        let mut out = open_svg(
            &self.id,
            &self.title,
            &self.description,
            self.width,
            self.height,
        );
        // Bands lie under the axes' lines, everything else over them.
        let (under, over): (Vec<&Layer>, Vec<&Layer>) =
            self.layers.iter().partition(|layer| layer.is_band());
        for layer in under {
            layer.draw(&frame, &mut out);
        }
        self.draw_axes(&frame, &mut out);
        for layer in over {
            layer.draw(&frame, &mut out);
        }
        self.draw_ends(&frame, &mut out);
        if let Some(rail) = &self.rail {
            draw_rail(rail, &frame, &mut out);
        }
        out.push_str("</svg>");
        out
    }

    fn draw_axes(&self, frame: &Frame, out: &mut String) {
        let (left, right) = (c(frame.left), c(frame.right));
        for tick in &frame.y_ticks {
            let y = frame.at_y(tick.value);
            if self.y.grid {
                let _ = writeln!(out, "<path class=\"grid\" d=\"M{left} {}H{right}\"/>", c(y));
            }
            let _ = writeln!(
                out,
                "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                c(frame.left - 8.0),
                c(y + 4.0),
                escape(&tick.label)
            );
        }
        let rail = if self.rail.is_some() {
            RAIL_HEIGHT
        } else {
            0.0
        };
        let base = frame.bottom + rail;
        for tick in &frame.x_ticks {
            self.draw_x_tick(tick, base, frame, out);
        }
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{left} {}H{right}\"/>",
            c(base)
        );
        if !self.x.title.is_empty() {
            let _ = writeln!(
                out,
                "<text class=\"title\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                c(f64::midpoint(frame.left, frame.right)),
                c(self.height - 6.0),
                escape(&self.x.title)
            );
        }
        if !self.y.title.is_empty() {
            let title = escape(&self.y.title);
            let _ = writeln!(out, "<text class=\"title\" x=\"0\" y=\"12\">{title}</text>");
        }
    }

    /// Draws a tick of the horizontal axis; its label is cut to its share of the axis and kept inside the figure.
    fn draw_x_tick(&self, tick: &Tick, base: f64, frame: &Frame, out: &mut String) {
        let x = frame.at_x(tick.value);
        if self.x.grid {
            let (top, bottom) = (c(frame.top), c(frame.bottom));
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{} {top}V{bottom}\"/>", c(x));
        }
        let slot = (frame.right - frame.left) / frame.x_ticks.len().max(1) as f64;
        let label = if text::width(&tick.label, TEXT_SIZE) > slot {
            shorten(&tick.label, (slot / (0.6 * TEXT_SIZE)) as usize)
        } else {
            tick.label.clone()
        };
        let half = text::width(&label, TEXT_SIZE) / 2.0;
        let at = x.max(half + 1.0).min(self.width - half - 1.0);
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            c(at),
            c(base + 18.0),
            escape(&label)
        );
    }

    fn draw_ends(&self, frame: &Frame, out: &mut String) {
        let wanted: Vec<f64> = self.ends.iter().map(|end| frame.at_y(end.y)).collect();
        let places = text::spread(&wanted, TEXT_SIZE + 3.0, frame.top, frame.bottom);
        for ((end, from), to) in self.ends.iter().zip(wanted).zip(places) {
            if (from - to).abs() > 3.0 {
                let _ = writeln!(
                    out,
                    "<path class=\"leader\" d=\"M{} {}L{} {}\"/>",
                    c(frame.right),
                    c(from),
                    c(frame.right + 8.0),
                    c(to)
                );
            }
            let _ = writeln!(
                out,
                "<text class=\"label {}\" x=\"{}\" y=\"{}\">{}</text>",
                end.class,
                c(frame.right + 10.0),
                c(to + 4.0),
                escape(&end.text)
            );
        }
    }
}

fn draw_rail(rail: &Rail, frame: &Frame, out: &mut String) {
    let y = frame.bottom + RAIL_HEIGHT / 2.0 + 1.0;
    let _ = writeln!(
        out,
        "<rect class=\"rail\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        c(frame.left),
        c(frame.bottom + 4.0),
        c(frame.right - frame.left),
        c(RAIL_HEIGHT - 5.0)
    );
    let _ = writeln!(
        out,
        "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        c(frame.left - 8.0),
        c(y + 4.0),
        escape(&rail.label)
    );
    for mark in &rail.marks {
        mark.draw(frame.at_x(mark.x), y, frame, out);
    }
}

impl Layer {
    fn is_band(&self) -> bool {
        matches!(
            self,
            Layer::Band { .. } | Layer::Column { .. } | Layer::Area { .. }
        )
    }

    fn draw(&self, frame: &Frame, out: &mut String) {
        match self {
            Layer::Band { low, high, class } => {
                let (top, bottom) = (frame.at_y(*high), frame.at_y(*low));
                let _ = writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    c(frame.left),
                    c(top),
                    c(frame.right - frame.left),
                    c((bottom - top).max(1.0))
                );
            }
            Layer::Column { low, high, class } => {
                let (left, right) = (frame.at_x(*low), frame.at_x(*high));
                let _ = writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    c(left),
                    c(frame.top),
                    c((right - left).max(1.0)),
                    c(frame.bottom - frame.top)
                );
            }
            Layer::Line {
                points,
                step,
                class,
            } => draw_line(points, *step, class, frame, out),
            Layer::Level { at, class } => {
                let _ = writeln!(
                    out,
                    "<path class=\"{class}\" d=\"M{} {}H{}\"/>",
                    c(frame.left),
                    c(frame.at_y(*at)),
                    c(frame.right)
                );
            }
            Layer::Upright { at, class } => {
                let _ = writeln!(
                    out,
                    "<path class=\"{class}\" d=\"M{} {}V{}\"/>",
                    c(frame.at_x(*at)),
                    c(frame.top),
                    c(frame.bottom)
                );
            }
            Layer::Marks(marks) => {
                for mark in marks {
                    mark.draw(frame.at_x(mark.x), frame.at_y(mark.y), frame, out);
                }
            }
            Layer::Bars(bars) => bars.iter().for_each(|bar| bar.draw(frame, out)),
            Layer::Labels(labels) => labels.iter().for_each(|label| label.draw(frame, out)),
            Layer::Area { points, class } => draw_area(points, class, frame, out),
            Layer::Whiskers { ends, class } => {
                let path: String = ends.iter().map(|end| upright(*end, frame)).collect();
                let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
            }
            Layer::Callouts(callouts) => callouts.iter().for_each(|one| one.draw(frame, out)),
        }
    }
}

fn draw_line(points: &[(f64, f64)], step: bool, class: &str, frame: &Frame, out: &mut String) {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let (x, y) = (c(frame.at_x(*x)), c(frame.at_y(*y)));
        let _ = match (index, step) {
            (0, _) => write!(path, "M{x} {y}"),
            (_, true) => write!(path, "H{x}V{y}"),
            (_, false) => write!(path, "L{x} {y}"),
        };
    }
    let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
}

impl Mark {
    fn draw(&self, x: f64, y: f64, frame: &Frame, out: &mut String) {
        let link = self.link.as_ref().map(|link| escape(link));
        if let Some(link) = &link {
            let _ = write!(out, "<a href=\"{link}\" tabindex=\"-1\">");
        }
        let _ = write!(
            out,
            "<g class=\"{}\"><title>{}</title>",
            self.class,
            escape(&self.title)
        );
        if let Some(ends) = self.interval {
            out.push_str(&whisker(ends, y, frame));
        }
        out.push_str(&draw_shape(self.shape, x, y, self.size));
        out.push_str("</g>");
        out.push_str(if link.is_some() { "</a>\n" } else { "\n" });
    }
}

/// An interval through a mark; an end outside the axis runs to the edge and has no cap.
fn whisker((low, high): (f64, f64), y: f64, frame: &Frame) -> String {
    let mut path = format!("M{} {}H{}", c(frame.at_x(low)), c(y), c(frame.at_x(high)));
    for end in [low, high].into_iter().filter(|end| frame.x.contains(*end)) {
        let _ = write!(
            path,
            "M{} {}V{}",
            c(frame.at_x(end)),
            c(y - 3.0),
            c(y + 3.0)
        );
    }
    format!("<path class=\"whisker\" d=\"{path}\"/>")
}

/// An interval upwards; an end outside the axis runs to the edge and has no cap.
fn upright((at, low, high): (f64, f64, f64), frame: &Frame) -> String {
    let x = frame.at_x(at);
    let mut path = format!("M{} {}V{}", c(x), c(frame.at_y(low)), c(frame.at_y(high)));
    for end in [low, high].into_iter().filter(|end| frame.y.contains(*end)) {
        let _ = write!(
            path,
            "M{} {}H{}",
            c(x - 3.0),
            c(frame.at_y(end)),
            c(x + 3.0)
        );
    }
    path
}

fn draw_area(points: &[(f64, f64, f64)], class: &str, frame: &Frame, out: &mut String) {
    let above = points.iter().map(|(x, _, high)| (*x, *high));
    let below = points.iter().rev().map(|(x, low, _)| (*x, *low));
    let mut path = String::new();
    for (index, (x, y)) in above.chain(below).enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{} {}", c(frame.at_x(x)), c(frame.at_y(y)));
    }
    let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}Z\"/>");
}

/// Half the height of a bar.
const BAR_HALF: f64 = 11.0;

impl Bar {
    fn draw(&self, frame: &Frame, out: &mut String) {
        let (from, to, y) = (
            frame.at_x(self.from),
            frame.at_x(self.to),
            frame.at_y(self.row),
        );
        let width = (to - from - 1.0).max(0.5);
        let _ = write!(
            out,
            "<g class=\"{}\"><title>{}</title><rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            self.class,
            escape(&self.title),
            c(from),
            c(y - BAR_HALF),
            c(width),
            c(2.0 * BAR_HALF)
        );
        if text::width(&self.label, TEXT_SIZE) + 8.0 < width {
            let _ = write!(
                out,
                "<text class=\"on\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                c(from + width / 2.0),
                c(y + 4.0),
                escape(&self.label)
            );
        }
        out.push_str("</g>\n");
    }
}

impl Label {
    fn draw(&self, frame: &Frame, out: &mut String) {
        let _ = writeln!(
            out,
            "<text class=\"label {}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            self.class,
            c(frame.at_x(self.x) + self.shift.0),
            c(frame.at_y(self.y) + self.shift.1),
            self.anchor,
            escape(&self.text)
        );
    }
}

impl Callout {
    fn draw(&self, frame: &Frame, out: &mut String) {
        let (x, y) = (frame.at_x(self.x), frame.at_y(self.y));
        if let Some((from, to)) = self.place.leader(x, y) {
            let _ = writeln!(
                out,
                "<path class=\"leader\" d=\"M{} {}L{} {}\"/>",
                c(from.0),
                c(from.1),
                c(to.0),
                c(to.1)
            );
        }
        let _ = writeln!(
            out,
            "<text class=\"label {}\" x=\"{}\" y=\"{}\">{}</text>",
            self.class,
            c(self.place.left),
            c(self.place.top + 0.8 * TEXT_SIZE),
            escape(&self.text)
        );
    }
}

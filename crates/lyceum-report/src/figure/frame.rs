//! The plot area inside a figure: margins from the width of what stands in them.

use super::{
    plot::{Plot, Rail},
    scale::{Scale, Tick},
    text,
};
use crate::text::escape;

/// Size of tick and label text, in the figure's units.
pub(crate) const TEXT_SIZE: f64 = 12.0;
/// Height of the rail for what has no value.
pub(crate) const RAIL_HEIGHT: f64 = 24.0;
const TITLE_HEIGHT: f64 = 26.0;
const TICK_HEIGHT: f64 = 20.0;

/// Where the plot area lies, and the ticks of both axes.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    pub(crate) x_ticks: Vec<Tick>,
    pub(crate) y_ticks: Vec<Tick>,
}

impl Frame {
    /// Lays a plot out.
    pub(crate) fn of(plot: &Plot) -> Frame {
        let y_ticks = plot.y.ticks_for(((plot.height - 60.0) / 36.0) as usize);
        let widest = |labels: &mut dyn Iterator<Item = &str>| {
            labels
                .map(|label| text::width(label, TEXT_SIZE))
                .fold(0.0, f64::max)
        };
        let rail_label = plot.rail.as_ref().map(|rail: &Rail| rail.label.as_str());
        let mut labels = y_ticks
            .iter()
            .map(|tick| tick.label.as_str())
            .chain(rail_label);
        let left = widest(&mut labels) + 10.0;
        let right_labels = widest(&mut plot.ends.iter().map(|end| end.text.as_str()));
        let right = if plot.ends.is_empty() {
            14.0
        } else {
            right_labels + 14.0
        };
        let top = if plot.y.title.is_empty() {
            8.0
        } else {
            TITLE_HEIGHT
        };
        let mut below = 6.0 + TICK_HEIGHT;
        if plot.rail.is_some() {
            below += RAIL_HEIGHT;
        }
        if !plot.x.title.is_empty() {
            below += TITLE_HEIGHT - 6.0;
        }
        let (left, right) = (left.max(14.0), plot.width - right);
        let widest_x = widest(&mut plot.x.ticks_for(6).iter().map(|tick| tick.label.as_str()));
        let room =
            ((right - left) / (widest_x + if plot.x.scale.is_log() { 9.0 } else { 22.0 })) as usize;
        Frame {
            left,
            right,
            top,
            bottom: plot.height - below,
            x: plot.x.scale.clone(),
            y: plot.y.scale.clone(),
            x_ticks: plot.x.ticks_for(room.clamp(2, 10)),
            y_ticks,
        }
    }

    /// Returns the place of a value from left to right.
    pub(crate) fn at_x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    /// Returns the place of a value from bottom to top.
    pub(crate) fn at_y(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }
}

/// Returns the opening of a figure with its name and description for readers who do not see it.
pub(crate) fn open_svg(
    id: &str,
    title: &str,
    description: &str,
    width: f64,
    height: f64,
) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>\n"
    )
}

//! A small renderer: plots as SVG text, the same bytes for the same input.

mod frame;
mod mark;
mod place;
mod plot;
mod scale;
mod text;

pub(crate) use frame::{Frame, open_svg};
pub(crate) use mark::{Shape, draw as draw_shape};
pub(crate) use place::{Obstacle, Place, Wanted, place};
pub(crate) use plot::{Axis, Bar, Callout, EndLabel, Label, Layer, Mark, Plot, Rail, Ticks};
pub(crate) use scale::{Scale, Tick};
pub(crate) use text::width as text_width;

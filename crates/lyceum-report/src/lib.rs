//! Figures as deterministic SVG and the self-contained HTML report.
//!
//! A report is a pure function of plain data, [`model::Report`]. Every result in it is a [`Number`], which cannot be made
//! without the runs or events that it rests on; the page links each number to them. The page holds no script and asks
//! for nothing from outside.

mod charts;
mod figure;
pub mod fold;
mod format;
pub mod horizon;
pub mod model;
mod number;
mod page;
mod terminal;
mod text;

pub use model::Report;
pub use number::{Evidence, Form, Number, NumberError, Source};
pub use page::render;
pub use terminal::{sparkline, terminal_curve};

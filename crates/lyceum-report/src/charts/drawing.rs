//! A picture of the winner's answer.

use std::fmt::Write as _;

use super::parts::{Cell, Figure, HALF, Layout, Table};
use crate::{
    Evidence, Number, Report, figure::open_svg, format::coordinate as c, model::Drawing,
    number::Form,
};

/// Circles that are drawn at most; a table of more would bury the page.
const CIRCLES_MAX: usize = 2_000;

/// Returns the picture; `None` when the study has none.
pub(crate) fn drawing(report: &Report) -> Option<Figure> {
    let Drawing::Packing { circles, run } = report.drawing.as_ref()?;
    let finite = |circle: &&(f64, f64, f64)| {
        circle.0.is_finite() && circle.1.is_finite() && circle.2.is_finite() && circle.2 >= 0.0
    };
    let circles: Vec<(f64, f64, f64)> = circles
        .iter()
        .filter(finite)
        .take(CIRCLES_MAX)
        .copied()
        .collect();
    if circles.is_empty() {
        return None;
    }
    let description = format!("{} circles in the unit square, from {run}.", circles.len());
    let margin = 6.0;
    let side = HALF - 2.0 * margin;
    let mut svg = open_svg(
        "drawing-plot",
        "The winner's packing",
        &description,
        HALF,
        HALF,
    );
    let _ = writeln!(
        svg,
        "<rect class=\"sheet\" x=\"{margin}\" y=\"{margin}\" width=\"{side}\" height=\"{side}\"/>"
    );
    for (index, (x, y, r)) in circles.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<g class=\"disc\"><title>circle {} · radius {r:.6}</title><circle cx=\"{}\" cy=\"{}\" r=\"{}\"/></g>",
            index + 1,
            c(margin + x * side),
            c(margin + (1.0 - y) * side),
            c(r * side)
        );
    }
    svg.push_str("</svg>");
    let evidence = Evidence::run(*run);
    let cell = |value: f64| {
        Number::new(value, Form::Decimals(6), evidence.clone()).map_or(Cell::Empty, Cell::Number)
    };
    let row = |(index, (x, y, r)): (usize, &(f64, f64, f64))| {
        vec![
            Cell::Text((index + 1).to_string()),
            cell(*x),
            cell(*y),
            cell(*r),
        ]
    };
    Some(Figure {
        slug: "drawing",
        title: "The winner's packing",
        caption: format!(
            "{description} Coordinates are rounded in the table; the evaluator checked the exact ones."
        ),
        keys: vec![],
        layout: Layout::Half(svg),
        table: Table {
            head: ["circle", "x", "y", "radius"].map(str::to_owned).to_vec(),
            rows: circles.iter().enumerate().map(row).collect(),
        },
    })
}

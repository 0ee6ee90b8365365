//! Figures and tables in the page.

use maud::{Markup, PreEscaped, html};

use super::evidence;
use crate::{
    charts::{Cell, Figure, Key, Layout, Table},
    figure::draw_shape,
};

/// Most rows of the table beside a figure: what is more stands in the table of experiments anyway.
const ROWS_MAX: usize = 500;

/// Returns a figure with its key, its words and its numbers.
pub(crate) fn figure(figure: &Figure) -> Markup {
    with_heading(figure, true)
}

/// Returns a figure that is alone in its section, whose title is its own.
pub(crate) fn alone(figure: Option<Figure>) -> Option<Markup> {
    figure.map(|figure| with_heading(&figure, false))
}

fn with_heading(figure: &Figure, heading: bool) -> Markup {
    let class = match figure.layout {
        Layout::Full { .. } => "full",
        Layout::Half(_) => "half",
        Layout::Many(_) => "many",
    };
    html! {
        figure class=(class) id=(figure.slug) {
            figcaption {
                @if heading { h3 { (figure.title) } }
                @if !figure.keys.is_empty() { ul.key { @for one in &figure.keys { li { (key(one)) } } } }
            }
            @match &figure.layout {
                Layout::Full { wide, narrow } => {
                    div.wide { (PreEscaped(wide)) }
                    div.narrow { (PreEscaped(narrow)) }
                },
                Layout::Half(svg) => (PreEscaped(svg)),
                Layout::Many(svgs) => div.panels { @for svg in svgs { div.panel { (PreEscaped(svg)) } } },
            }
            p.caption { (figure.caption) }
            @if !figure.table.rows.is_empty() {
                details.data {
                    summary { "the numbers" }
                    (table(&figure.table))
                }
            }
        }
    }
}

/// Returns two figures beside one another, or one beside its numbers; `None` for none.
pub(crate) fn pair(first: Option<Figure>, second: Option<Figure>) -> Option<Markup> {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (figure(&first), figure(&second)),
        (Some(mut one), None) | (None, Some(mut one)) => {
            let numbers = table(&std::mem::take(&mut one.table));
            (figure(&one), numbers)
        }
        (None, None) => return None,
    };
    Some(html! { div.pair { (first) (second) } })
}

fn key(key: &Key) -> Markup {
    let (picture, text) = match key {
        Key::Shape(shape, class, text) => (
            format!(
                "<g class=\"{class}\">{}</g>",
                draw_shape(*shape, 8.0, 7.0, 4.4)
            ),
            text,
        ),
        Key::Line(class, text) => (format!("<path class=\"{class}\" d=\"M0 7H16\"/>"), text),
        Key::Area(class, text) => (
            format!(
                "<g class=\"{class}\"><rect class=\"bar {class}\" x=\"1\" y=\"1\" width=\"14\" height=\"12\"/></g>"
            ),
            text,
        ),
    };
    html! {
        (PreEscaped(format!("<svg class=\"mark\" viewBox=\"0 0 16 14\" width=\"16\" height=\"14\" aria-hidden=\"true\">{picture}</svg>")))
        span { (text) }
    }
}

/// Returns a table of numbers.
pub(crate) fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for head in &table.head { th scope="col" { (head) } } } }
                tbody {
                    @for row in table.rows.iter().take(ROWS_MAX) {
                        tr { @for one in row { (cell(one)) } }
                    }
                    @if table.rows.len() > ROWS_MAX {
                        tr { td colspan=(table.head.len()) {
                            (table.rows.len() - ROWS_MAX) " more rows stand in the table of " a href="#experiments" { "experiments" }
                        } }
                    }
                }
            }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Empty => td.num { (evidence::dash()) },
            Cell::Text(text) => td { (text) },
            Cell::Number(number) => td.num { (evidence::number(number)) },
            Cell::Experiment(id) => td { a.id href={ "#" (id) } { (id) } },
            Cell::Run(run) => td { (evidence::run(*run)) },
            Cell::Runs(runs) => td { (evidence::runs(runs)) },
            Cell::Interval(low, high) => td.num { (evidence::interval(low, high)) },
        }
    }
}

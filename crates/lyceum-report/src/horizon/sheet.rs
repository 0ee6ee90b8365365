//! An SVG file of its own: heading, plots, key, notes, and the colours of the report.

use std::fmt::Write as _;

use crate::{
    figure::{Shape, draw_shape},
    format::coordinate as c,
    text::{escape, line},
};

/// The report's colours, light and dark, stand at the top of its style sheet.
const REPORT_STYLE: &str = include_str!("../page/style.css");
const STYLE: &str = include_str!("style.css");
/// Height of a line of small text.
pub(super) const LINE: f64 = 17.0;
/// Space around everything.
pub(super) const MARGIN: f64 = 24.0;

/// A sheet being drawn from top to bottom.
pub(super) struct Sheet {
    width: f64,
    y: f64,
    body: String,
}

/// What a key tells.
pub(super) enum Key<'a> {
    Shape(Shape, &'static str, &'a str),
    Line(&'static str, &'a str),
    Area(&'static str, &'a str),
}

impl Sheet {
    pub(super) fn new(width: f64) -> Sheet {
        Sheet {
            width,
            y: MARGIN,
            body: String::new(),
        }
    }

    /// Writes the heading and a line below it.
    pub(super) fn heading(&mut self, title: &str, subtitle: &str) {
        self.text("heading", title, 20.0);
        self.text("sub", subtitle, LINE);
        self.y += 8.0;
    }

    /// Writes a line of text.
    pub(super) fn text(&mut self, class: &str, text: &str, height: f64) {
        self.y += height;
        let text = escape(&line(text));
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{}\">{text}</text>",
            c(self.y - 4.0)
        );
    }

    /// Puts a plot at a place from the left, without going down.
    pub(super) fn plot(&mut self, x: f64, svg: &str) {
        let _ = writeln!(
            self.body,
            "<g transform=\"translate({} {})\">{svg}</g>",
            c(x),
            c(self.y)
        );
    }

    /// Goes down.
    pub(super) fn down(&mut self, height: f64) {
        self.y += height;
    }

    /// Writes a row of keys.
    pub(super) fn keys(&mut self, keys: &[Key<'_>]) {
        let mut x = MARGIN;
        let y = self.y + 10.0;
        for key in keys {
            let (picture, text) = match key {
                Key::Shape(shape, class, text) => (
                    format!(
                        "<g class=\"{class}\">{}</g>",
                        draw_shape(*shape, x + 8.0, y, 5.0)
                    ),
                    text,
                ),
                Key::Line(class, text) => (
                    format!("<path class=\"{class}\" d=\"M{} {}h18\"/>", c(x), c(y)),
                    text,
                ),
                Key::Area(class, text) => (
                    format!(
                        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"18\" height=\"10\"/>",
                        c(x),
                        c(y - 5.0)
                    ),
                    text,
                ),
            };
            let _ = writeln!(
                self.body,
                "{picture}<text class=\"sub\" x=\"{}\" y=\"{}\">{}</text>",
                c(x + 24.0),
                c(y + 4.0),
                escape(text)
            );
            x += 24.0 + 6.9 * text.chars().count() as f64 + 22.0;
        }
        self.y += 24.0;
    }

    /// Writes notes, broken into lines that fit.
    pub(super) fn notes(&mut self, notes: &[String]) {
        let characters = ((self.width - 2.0 * MARGIN) / 6.3) as usize;
        for note in notes {
            for (index, part) in wrapped(note, characters).iter().enumerate() {
                self.text(
                    "note",
                    part,
                    if index == 0 { LINE + 2.0 } else { LINE - 2.0 },
                );
            }
        }
    }

    /// Returns the file.
    pub(super) fn finish(self, title: &str) -> String {
        let (width, height) = (self.width, self.y + MARGIN);
        let palette = REPORT_STYLE
            .split_once("\n* {")
            .map_or("", |(palette, _)| palette);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\">\n\
             <title>{title}</title>\n<style>\n{palette}\n{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>\n{body}</svg>\n",
            w = c(width),
            h = c(height),
            title = escape(title),
            body = self.body,
        )
    }
}

fn wrapped(text: &str, characters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty()
            && lines[last].chars().count() + 1 + word.chars().count() > characters
        {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

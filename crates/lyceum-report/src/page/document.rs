//! The page from top to bottom.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{appendix, evidence::Anchors, experiments, figures, pinned, summary, verdict, watched};
use crate::{Report, charts, text};

const STYLE: &str = include_str!("style.css");

/// The page may load nothing and run nothing: a browser that knows the rule enforces it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of the page: its anchor, its title and what is in it.
struct Section {
    anchor: &'static str,
    title: &'static str,
    body: Markup,
}

/// Returns the report as one HTML page without script, style sheet or picture from outside.
///
/// The same report gives the same bytes.
pub fn render(report: &Report) -> String {
    let anchors = Anchors::of(report);
    let sections = sections(report, &anchors);
    let title = text::line(&report.question);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content="lyceum";
                title { (title) " · Lyceum" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                div.page {
                    (contents(&sections))
                    main #main {
                        (summary::head(report))
                        (verdict::banner(report))
                        (summary::legend(report))
                        @for section in &sections {
                            section id=(section.anchor) {
                                h2 { a.self href={ "#" (section.anchor) } { (section.title) } }
                                (section.body)
                            }
                        }
                    }
                }
            }
        }
    }
    .into_string()
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav.contents aria-label="Contents" {
            a.brand href="#main" { "Lyceum" }
            ol {
                @for section in sections {
                    li { a href={ "#" (section.anchor) } { (section.title) } }
                }
            }
        }
    }
}

fn sections(report: &Report, anchors: &Anchors) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |anchor, title, body: Option<Markup>| {
        if let Some(body) = body {
            sections.push(Section {
                anchor,
                title,
                body,
            });
        }
    };
    add("facts", "Key facts", Some(summary::facts(report)));
    add("rubric", "Rubric", summary::rubric(report));
    add("outcome", "Outcome", summary::evaluations(report));
    add(
        "progress",
        "Best so far",
        figures::alone(charts::best_so_far(report)),
    );
    add(
        "noise",
        "Noise and prediction",
        figures::pair(charts::noise_floor(report), charts::prediction(report)),
    );
    add(
        "effects",
        "Effect of each knob",
        figures::alone(charts::knob_effects(report)),
    );
    add(
        "tests",
        "Confirmation and ablation",
        figures::pair(charts::confirmation(report), charts::ablation(report)),
    );
    add(
        "spending",
        "What each budget went to",
        figures::alone(charts::budgets(report)),
    );
    add("winner", "The winner", experiments::winner(report));
    add(
        "experiments",
        "Experiments",
        Some(experiments::table(report)),
    );
    add("runs", "Runs", Some(appendix::runs(report, anchors)));
    add("oversight", "Oversight", watched::watched(report));
    add("pinned", "What was pinned", Some(pinned::pinned(report)));
    add(
        "limits",
        "What is not claimed",
        Some(pinned::limits(report)),
    );
    add("verify", "Verify", Some(pinned::verify(report)));
    sections
}

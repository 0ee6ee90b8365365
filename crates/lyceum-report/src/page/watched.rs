//! What oversight saw, and what people said.

use lyceum_types::{Evidence, IncidentRaised};
use maud::{Markup, html};

use super::evidence;
use crate::{Report, model::Oversight, text};

/// Incidents that are listed; more are counted.
const INCIDENTS_MAX: usize = 500;

/// Returns the incidents, the controls and what people decided; nothing where oversight was not in force.
pub(crate) fn watched(report: &Report) -> Option<Markup> {
    let oversight = report.oversight.as_ref()?;
    let shown = &oversight.incidents[..oversight.incidents.len().min(INCIDENTS_MAX)];
    Some(html! {
        p.lead { (controls(oversight)) @if let Some(level) = oversight.level { " Level of autonomy at the end: " (level) "." } }
        @if shown.is_empty() { p.empty { "Nothing was raised." } }
        @else {
            div.scroll {
                table {
                    thead { tr { th { "run" } th { "class" } th { "detector" } th { "what it says" } th { "what it rests on" } } }
                    tbody { @for one in shown { (row(one)) } }
                }
            }
            @if shown.len() < oversight.incidents.len() {
                p.note { (oversight.incidents.len() - shown.len()) " more are in the ledger." }
            }
        }
        @if !oversight.acts.is_empty() {
            h3 { "What people decided" }
            dl.plain {
                @for (event, what, words) in &oversight.acts {
                    dt { (what) } dd { (text::line(words)) " (event " (event) ")" }
                }
            }
        }
    })
}

fn controls(oversight: &Oversight) -> Markup {
    let times = match oversight.sessions {
        1 => "once".to_owned(),
        sessions => format!("at the beginning of each of {sessions} sessions"),
    };
    html! {
        (oversight.fired) " detectors were shown a planted control " (times)
        @if oversight.silent.is_empty() { " and fired." }
        @else {
            "; silent: " @for (index, one) in oversight.silent.iter().enumerate() { @if index > 0 { ", " } (one) } "."
        }
    }
}

fn row(one: &IncidentRaised) -> Markup {
    html! {
        tr {
            td { (evidence::run(one.run)) }
            td { (one.class) }
            td { (one.detector) }
            td { (text::line(&one.what)) }
            td { @for (index, part) in one.evidence.iter().enumerate() { @if index > 0 { "; " } (rests_on(part)) } }
        }
    }
}

fn rests_on(part: &Evidence) -> Markup {
    html! {
        @match part {
            Evidence::Event { seq } => { "event " (seq) },
            Evidence::Path { path } => { code { (text::line(path)) } },
            Evidence::Found { what } => { (text::line(what)) },
            Evidence::Numbers { claimed, measured } => { (claimed) " against " (measured) },
        }
    }
}

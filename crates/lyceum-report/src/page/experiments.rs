//! The winner's settings and the table of all experiments.

use lyceum_types::{Setting, Settings};
use maud::{Markup, PreEscaped, html};

use super::{
    evidence::{number_or_dash, runs},
    figures,
};
use crate::{
    Number, Report, charts, charts::verdict_look, figure::draw_shape, model::Experiment, text,
};

/// Returns the winner's settings beside the start's, and its picture; `None` when nothing beat the start.
pub(crate) fn winner(report: &Report) -> Option<Markup> {
    let best = report.best.as_ref()?;
    let settings = report.best_settings()?;
    let drawing = charts::drawing(report);
    let hypothesis = report
        .experiment(best.experiment)
        .map(|one| text::line(&one.hypothesis));
    Some(html! {
        div class=(if drawing.is_some() { "pair" } else { "single" }) {
            div.diff {
                p {
                    a.id href={ "#" (best.experiment) } { (best.experiment) }
                    @if let Some(hypothesis) = hypothesis.filter(|text| !text.is_empty()) { ": " q { (hypothesis) } }
                }
                (diff(&report.start_settings, settings))
            }
            @if let Some(drawing) = &drawing { (figures::figure(drawing)) }
        }
    })
}

/// Returns the settings of two experiments side by side, changed ones marked by a sign and by weight.
fn diff(start: &Settings, winner: &Settings) -> Markup {
    let mut names: Vec<&String> = start.keys().chain(winner.keys()).collect();
    names.sort();
    names.dedup();
    // Changed knobs first, each group by name: the sort is stable.
    names.sort_by_key(|name| start.get(*name) == winner.get(*name));
    let shown = |value: Option<&Setting>| {
        value.map_or_else(
            || "not active".to_owned(),
            |value| text::line(&value.to_string()),
        )
    };
    html! {
        table.settings {
            thead { tr { th { "knob" } th.num { "start" } th { } th.num { "winner" } } }
            tbody {
                @for name in names {
                    @let (before, after) = (start.get(name), winner.get(name));
                    tr.changed[before != after] {
                        th scope="row" { (text::line(name)) }
                        td.num { (shown(before)) }
                        td.arrow { @if before == after { "=" } @else { "→" } }
                        td.num { (shown(after)) }
                    }
                }
            }
        }
    }
}

/// Returns the table of all experiments.
pub(crate) fn table(report: &Report) -> Markup {
    html! {
        @if report.experiments.is_empty() {
            p.empty { "No experiment has been proposed yet." }
        } @else {
            table.stack.experiments {
                thead { tr {
                    th { "" } th { "verdict and why" } th { "hypothesis" }
                    th.num { "predicted" } th.num { "measured" } th.num { "gain" } th { "runs" }
                } }
                tbody { @for one in &report.experiments { (row(report, one)) } }
            }
        }
    }
}

fn row(report: &Report, one: &Experiment) -> Markup {
    let winner = report
        .best
        .as_ref()
        .is_some_and(|best| best.experiment == one.id);
    html! {
        tr.winner[winner] id=(one.id) {
            td.lead data-label="experiment" { span.id { (one.id) } @if winner { span.tag { "best" } } }
            td.verdict data-label="verdict" {
                div { (verdict(one)) @if !one.why.is_empty() { div.why { (text::line(&one.why)) } } }
            }
            td.words data-label="hypothesis" {
                div {
                    (text::line(&one.hypothesis))
                    details.more { summary { "settings" } (settings(&one.settings, &report.start_settings)) }
                }
            }
            td.num data-label="predicted" { (predicted(one.prediction.as_ref())) }
            td.num data-label="measured" { (number_or_dash(plain(one.value.as_ref()).as_ref())) }
            td.num data-label="gain" { (number_or_dash(plain(one.gain.as_ref()).as_ref())) }
            td data-label="runs" { (runs(&one.runs)) }
        }
    }
}

/// A number without its unit: the column's head or the section names it.
fn plain(number: Option<&Number>) -> Option<Number> {
    number.map(|number| number.clone().with_unit(""))
}

fn predicted(prediction: Option<&(Number, Number)>) -> Markup {
    let sd = prediction.and_then(|(_, sd)| plain(Some(sd)));
    html! {
        (number_or_dash(plain(prediction.map(|(mean, _)| mean)).as_ref()))
        @if let Some(sd) = sd { span.sd { " ± " (super::evidence::number(&sd)) } }
    }
}

fn verdict(one: &Experiment) -> Markup {
    let (shape, class, word) = verdict_look(one.verdict);
    let shape = format!(
        "<svg class=\"mark\" viewBox=\"0 0 14 14\" width=\"14\" height=\"14\" aria-hidden=\"true\"><g class=\"{class}\">{}</g></svg>",
        draw_shape(shape, 7.0, 7.0, 4.4)
    );
    html! { span.word { (PreEscaped(shape)) " " (word) } }
}

/// Returns settings as a list; those that differ from the start are marked.
pub(crate) fn settings(settings: &Settings, start: &Settings) -> Markup {
    html! {
        @if settings.is_empty() { span.none { "no knobs" } }
        ul.knobs {
            @for (name, value) in settings {
                li.changed[start.get(name) != Some(value)] { code { (text::line(name)) "\u{a0}=\u{a0}" (text::line(&value.to_string())) } }
            }
        }
    }
}

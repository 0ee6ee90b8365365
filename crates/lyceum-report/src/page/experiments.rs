//! The winner's settings and the table of all experiments.

use std::collections::BTreeMap;

use lyceum_types::{Setting, Settings, Verdict};
use maud::{Markup, PreEscaped, html};

use super::{
    appendix::shell_word,
    evidence::{number, number_or_dash, runs},
    figures,
    verdict::means,
};
use crate::{
    Number, Report, charts,
    charts::verdict_look,
    figure::draw_shape,
    model::{Best, Experiment},
    text,
};

/// Returns the winner's settings beside the start's, what it reached and its picture; `None` when nothing beat the start.
pub(crate) fn winner(report: &Report) -> Option<Markup> {
    let best = report.best.as_ref()?;
    let one = report.experiment(best.experiment)?;
    let drawing = charts::drawing(report);
    let settings = diff(&report.start_settings, &one.settings);
    Some(html! {
        div.pair {
            @if let Some(drawing) = &drawing {
                (figures::figure(drawing))
                div { (reached(report, best, one)) (settings) }
            } @else {
                (settings)
                (reached(report, best, one))
            }
        }
    })
}

/// What the winner is, what it reached and how to see it again.
fn reached(report: &Report, best: &Best, one: &Experiment) -> Markup {
    let fresh = report
        .claim
        .as_ref()
        .and_then(|claim| means(&claim.comparison));
    let sealed = report
        .sealed
        .as_ref()
        .and_then(|sealed| sealed.winner.as_ref());
    html! {
        div.reached {
            p {
                a.id href={ "#" (best.experiment) } { (best.experiment) } " by " (text::line(&one.researcher))
                @if !one.hypothesis.is_empty() { ": " q { (text::line(&one.hypothesis)) } }
            }
            dl.plain {
                dt { "in the search" } dd { (number(&best.value)) }
                @if let Some((_, winner)) = fresh { dt { "on fresh seeds" } dd { (number(&winner)) } }
                @if let Some(sealed) = sealed { dt { "on sealed data" } dd { (number(sealed)) } }
                @if let Some(run) = one.runs.first() {
                    dt { "run it again" } dd { code { "lyceum rerun " (shell_word(&report.study)) " " (run) } }
                }
            }
        }
    }
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
            (shared(report))
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

/// Returns who proposed what and what it earned; nothing where one proposed all.
fn shared(report: &Report) -> Markup {
    let mut by: BTreeMap<&str, Vec<&Experiment>> = BTreeMap::new();
    for one in &report.experiments {
        by.entry(&one.researcher).or_default().push(one);
    }
    html! {
        @if by.len() > 1 {
            table.stack.researchers {
                thead { tr { th { "proposed by" } th { "experiments" } th { "kept, with the gain over the best before" } } }
                tbody {
                    @for (name, all) in &by {
                        @let is_kept = |one: &&&Experiment| one.verdict == Some(Verdict::Kept);
                        @let kept: Vec<&&Experiment> = all.iter().filter(is_kept).collect();
                        tr {
                            td.lead data-label="proposed by" { (text::line(name)) }
                            td data-label="experiments" {
                                @for one in all { a.id href={ "#" (one.id) } { (one.id) } " " }
                            }
                            td data-label="kept" {
                                @if kept.is_empty() { "none" }
                                @for one in kept {
                                    a.id href={ "#" (one.id) } { (one.id) } " "
                                    (number_or_dash(plain(one.gain.as_ref()).as_ref())) " "
                                }
                            }
                        }
                    }
                }
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

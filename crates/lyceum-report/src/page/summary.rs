//! Title, key facts, rubric.

use lyceum_types::{Earlier, EndReason, Goal, Trust, Verdict};
use maud::{Markup, Render, html};

use super::evidence::{dash, experiment, interval, number, number_or_dash};
use crate::{
    Number, Report,
    charts::{VERDICTS, verdict_look},
    model::{Budget, Stage},
    text,
};

/// Returns the question as the title, and what the report is of.
pub(crate) fn head(report: &Report) -> Markup {
    html! {
        header {
            p.over { "Study " b { (text::line(&report.study)) } " · " (stage(&report.stage)) }
            h1 { (text::line(&report.question)) }
            @if !report.head.at.is_empty() {
                p.under { "As of " (report.head.at) ", event " (report.head.position) "." }
            }
            @if !report.earlier.is_empty() {
                p.under { (attempts(&report.earlier)) }
            }
        }
    }
}

/// Returns what earlier attempts take from this one's word.
fn attempts(earlier: &[Earlier]) -> String {
    let count = |which: fn(&Earlier) -> bool| earlier.iter().filter(|one| which(one)).count();
    let sealed = match count(|one| one.sealed_seen) {
        0 => ".".to_owned(),
        seen => format!(" and {seen} had opened the sealed split: it was not unseen here."),
    };
    let repeated = earlier.iter().find(|one| one.same_seeds).map(|other| {
        let name = text::line(&other.study);
        format!(
            " Its seeds are those of {name}: it repeats that attempt and confirms nothing anew."
        )
    });
    format!(
        "Attempt {} at this study in its lab. Of the earlier {}, {} had confirmed a claim{sealed}{}",
        earlier.len() + 1,
        earlier.len(),
        count(|one| one.confirmed),
        repeated.unwrap_or_default()
    )
}

fn stage(stage: &Stage) -> &'static str {
    match stage {
        Stage::Finished {
            cut_short: false, ..
        } => "finished",
        Stage::Finished {
            cut_short: true, ..
        } => "cut short by a budget",
        Stage::Unfinished { stopped: None } => "running",
        Stage::Unfinished {
            stopped: Some(EndReason::Interrupted),
        } => "interrupted, can go on",
        Stage::Unfinished {
            stopped: Some(EndReason::Broken),
        } => "stopped by an error outside the study",
        Stage::Unfinished {
            stopped: Some(EndReason::Held),
        } => "held by its level of autonomy, waits for a person",
        Stage::Unfinished {
            stopped: Some(EndReason::Finished),
        } => "closing",
    }
}

/// Returns what the looks of numbers mean.
pub(crate) fn legend(report: &Report) -> Markup {
    let all = report.numbers();
    let used = |trust| all.iter().any(|number| number.trust() == Some(trust));
    html! {
        p.trust {
            "Every number is a link to the runs that it rests on."
            @if used(Trust::Measured) { " " span.n.n-measured { "1.23" } " measured by a separate evaluator." }
            @if used(Trust::Sealed) { " " span.n.n-sealed { "1.23" } " measured on sealed data, opened once." }
            @if used(Trust::SelfReported) { " " span.n.n-self { "1.23" } " self-reported: printed by the candidate, checked by nobody." }
        }
    }
}

/// Returns the key facts as a list of names and values.
pub(crate) fn facts(report: &Report) -> Markup {
    html! {
        dl.facts {
            (metric_fact(report))
            (Fact::of("Start", number_or_dash(report.start.as_ref())).noted(html! { "the unchanged workspace" }))
            (best_fact(report))
            @if let Some(fact) = regression_fact(report) { (fact) }
            @if let Some(sealed) = &report.sealed {
                (Fact::of("On sealed data", number_or_dash(sealed.winner.as_ref()))
                    .noted(html! { "start " (number_or_dash(sealed.start.as_ref())) @if let Some(look) = &sealed.look { "; " (look) } }))
            }
            @if let Some(limit) = &report.limit {
                (Fact::of("Best possible", number(limit)).noted(gap(report, limit)))
            }
            @if let Some(floor) = &report.floor {
                (Fact::of("Noise floor", number_or_dash(floor.sd.as_ref()))
                    .noted(html! { "sd of " (floor.values.len()) " runs of the start" }))
            }
            (Fact::of("Experiments", html! { (report.experiments.len()) }).noted(tally(report)))
            @if let Some(halved) = &report.halved {
                (Fact::of("Stopped early", number(&halved.stopped))
                    .noted(html! { "saved the steps of " (number(&halved.saved)) " whole runs" }))
            }
            @for budget in report.budgets.iter().filter(|budget| budget.name != "experiments") {
                (budget_fact(budget))
            }
        }
    }
}

/// A name, a value and a few words about it.
struct Fact<'n> {
    name: &'n str,
    value: Markup,
    note: Markup,
}

impl<'n> Fact<'n> {
    fn of(name: &'n str, value: Markup) -> Fact<'n> {
        Fact {
            name,
            value,
            note: html! {},
        }
    }

    fn noted(self, note: Markup) -> Fact<'n> {
        Fact { note, ..self }
    }
}

impl Render for Fact<'_> {
    fn render(&self) -> Markup {
        html! { div { dt { (self.name) } dd.value { (self.value) } dd.note { (self.note) } } }
    }
}

fn metric_fact(report: &Report) -> Fact<'static> {
    let metric = &report.metric;
    let value = html! {
        (text::line(&metric.name)) @if !metric.unit.is_empty() { ", " (text::line(&metric.unit)) }
    };
    Fact::of("Metric", value).noted(match metric.goal {
        Goal::Minimize => html! { "lower is better" },
        Goal::Maximize => html! { "higher is better" },
    })
}

/// What the search's own gain lost when it was measured again: the luckiest of many values is kept.
fn regression_fact(report: &Report) -> Option<Fact<'static>> {
    let claim = report.claim.as_ref()?;
    let (searched, fresh) = (claim.searched.as_ref()?, claim.comparison.gain.as_ref()?);
    let note =
        html! { "on fresh seeds " (number(fresh)) ": what differs is regression to the mean" };
    Some(Fact::of("Gain in the search", number(searched)).noted(note))
}

fn best_fact(report: &Report) -> Fact<'static> {
    let name = "Best in the search";
    let confirmed = report
        .claim
        .as_ref()
        .is_some_and(|claim| claim.comparison.confirmed);
    match &report.best {
        Some(best) => Fact::of(name, number(&best.value)).noted(html! {
            (experiment(report, best.experiment)) @if !confirmed { ", not confirmed" }
        }),
        None => Fact::of(name, dash()).noted(html! { "nothing beat the start" }),
    }
}

/// The distance that is left to the best possible value.
fn gap(report: &Report, limit: &Number) -> Markup {
    let sealed = report
        .sealed
        .as_ref()
        .and_then(|sealed| sealed.winner.as_ref());
    let reached = sealed
        .or(report.best.as_ref().map(|best| &best.value))
        .or(report.start.as_ref());
    let left = reached.and_then(|reached| {
        let distance = report.metric.goal.gain(reached.value(), limit.value());
        reached.derive(limit, distance).ok()
    });
    html! { @if let Some(left) = left { "gap " (number(&left.with_unit(""))) " left" } }
}

fn tally(report: &Report) -> Markup {
    let count = |verdict: Option<Verdict>| {
        report
            .experiments
            .iter()
            .filter(|one| one.verdict == verdict)
            .count()
    };
    let counts: Vec<String> = VERDICTS
        .into_iter()
        .filter(|verdict| count(*verdict) > 0)
        .map(|verdict| format!("{} {}", count(verdict), verdict_look(verdict).2))
        .collect();
    html! { a href="#experiments" { @if counts.is_empty() { "none yet" } @else { (counts.join(", ")) } } }
}

fn budget_fact(budget: &Budget) -> Fact<'_> {
    let mut parts = budget.parts.iter().map(|(_, part)| part);
    let sum = parts.next().map(|first| {
        parts.fold(first.clone(), |all, part| {
            all.derive(part, all.value() + part.value()).unwrap_or(all)
        })
    });
    let name = match budget.name.as_str() {
        "wall" => "Wall-clock time",
        "CPU" => "CPU time",
        "disk" => "Disk",
        other => other,
    };
    Fact::of(name, number_or_dash(sum.as_ref())).noted(html! {
        @if let Some(limit) = &budget.limit { "of " (number(limit)) } @else { "no limit" }
    })
}

/// Returns the rubric; `None` when there is none.
pub(crate) fn rubric(report: &Report) -> Option<Markup> {
    (!report.rubric.is_empty()).then(|| html! {
        table.stack.rubric {
            thead { tr { th { "criterion" } th { "satisfied" } th.num { "value" } th.num { "interval" } th { "why" } } }
            tbody {
                @for one in &report.rubric {
                    tr {
                        td.lead data-label="criterion" { (text::line(&one.text)) }
                        td data-label="satisfied" { (satisfied(one.satisfied)) }
                        td.num data-label="value" { (number_or_dash(one.value.as_ref())) }
                        td.num data-label="interval" {
                            @match &one.interval { Some((low, high)) => (interval(low, high)), None => (dash()) }
                        }
                        td.why data-label="why" { (text::line(&one.why)) }
                    }
                }
            }
        }
    })
}

/// Returns the evaluations of the rubric; `None` where there were none.
pub(crate) fn evaluations(report: &Report) -> Option<Markup> {
    (!report.evaluations.is_empty()).then(|| html! {
        @for one in &report.evaluations {
            p {
                strong { "Evaluation " (one.iteration) ": " (text::line(&one.result)) } ". " (text::line(&one.explanation))
                " (event " (one.event) ")"
            }
            p {
                "Execution: " (text::line(&one.execution)) ". The worker's claim: "
                @match &one.claim { Some(claim) => { "“" (text::line(claim)) "”" } None => "none" }
                ". The result above is what was verified."
            }
            @if !one.grades.is_empty() {
                table.stack.rubric {
                    thead { tr { th { "criterion" } th { "grade" } th { "rests on" } th { "why" } } }
                    tbody {
                        @for graded in &one.grades {
                            tr {
                                td.lead data-label="criterion" {
                                    (text::line(&graded.text)) @if !graded.must { " (not a must)" }
                                }
                                td data-label="grade" { (text::line(&graded.grade)) }
                                td data-label="rests on" { (text::line(&graded.witness)) }
                                td.why data-label="why" { (text::line(&graded.why)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn satisfied(satisfied: Option<bool>) -> Markup {
    html! {
        @match satisfied {
            Some(true) => span.yes { "✓ yes" },
            Some(false) => span.no { "✗ no" },
            None => span.none { "not checked" },
        }
    }
}

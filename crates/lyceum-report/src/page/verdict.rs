//! The verdict in one sentence. What is not confirmed is never said as if it were.

use lyceum_types::Trust;
use maud::{Markup, html};

use super::evidence::{experiment, interval, number};
use crate::{
    Number, Report,
    model::{Claim, Comparison, Stage},
    text,
};

/// What the banner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Confirmed,
    /// Confirmed, but on numbers that the candidate printed about itself.
    OwnAccount,
    Unconfirmed,
    Nothing,
    Open,
}

impl Standing {
    fn of(report: &Report) -> Standing {
        match (&report.claim, &report.stage) {
            (Some(claim), _) if claim.comparison.confirmed => match report.metric.trust {
                Trust::SelfReported => Standing::OwnAccount,
                Trust::Measured | Trust::Sealed => Standing::Confirmed,
            },
            (Some(_), _) => Standing::Unconfirmed,
            (None, Stage::Finished { .. }) if report.best.is_some() => Standing::Unconfirmed,
            (None, Stage::Finished { .. }) => Standing::Nothing,
            (None, Stage::Unfinished { .. }) => Standing::Open,
        }
    }

    fn look(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Standing::Confirmed => ("banner confirmed", "✓", "confirmed"),
            Standing::OwnAccount => (
                "banner unconfirmed",
                "†",
                "confirmed on self-reported numbers only",
            ),
            Standing::Unconfirmed => ("banner unconfirmed", "?", "unconfirmed"),
            Standing::Nothing => ("banner nothing", "○", "nothing was confirmed"),
            Standing::Open => ("banner open", "…", "not finished"),
        }
    }
}

/// Returns the banner.
pub(crate) fn banner(report: &Report) -> Markup {
    let standing = Standing::of(report);
    let (class, sign, word) = standing.look();
    html! {
        div class=(class) role="note" aria-label="Verdict" {
            div.word { span.sign aria-hidden="true" { (sign) } " " (word) }
            div.sentence { (sentence(report, standing)) }
            @if let Stage::Finished { satisfied, cut_short, why } = &report.stage {
                div.stage {
                    "rubric " @if *satisfied { "satisfied" } @else { "not satisfied" }
                    @if *cut_short { " · cut short by a budget" }
                    @if !why.is_empty() { " · " (text::line(why)) }
                }
            }
        }
    }
}

fn sentence(report: &Report, standing: Standing) -> Markup {
    html! {
        @match (standing, &report.claim) {
            (Standing::Confirmed, Some(claim)) => (claimed(report, claim)),
            (Standing::OwnAccount, Some(claim)) => {
                (claimed(report, claim))
                " No evaluator has checked these numbers."
            },
            (Standing::Unconfirmed, Some(claim)) => {
                (claimed(report, claim))
                " The evidence does not suffice for a claim."
            },
            (Standing::Unconfirmed, None) => {
                (best(report))
                " It was not tested on fresh seeds, so nothing is claimed."
            },
            (Standing::Nothing, _) => {
                (report.experiments.len()) " experiments were tried and none beat the start beyond the noise"
                @if let Some(start) = &report.start { ": " (text::line(&report.metric.name)) " stays at " (number(start)) }
                "."
            },
            _ => (unfinished(report)),
        }
    }
}

/// `val_bpb 2.41 → 1.93, gain 0.48 [0.45, 0.51] bits/byte, 10 of 10 pairs, E = 186 ≥ 20`.
fn claimed(report: &Report, claim: &Claim) -> Markup {
    let Comparison {
        wins,
        counted,
        e_value,
        needed,
        confirmed,
        gain,
        interval: bounds,
        ..
    } = &claim.comparison;
    html! {
        (text::line(&report.metric.name)) " "
        @if let Some((start, winner)) = means(&claim.comparison) {
            span.move { (number(&start)) " → " (number(&winner)) } ", "
        }
        @if let Some(gain) = gain {
            "gain " (number(gain))
            @if let Some((low, high)) = bounds { " " (interval(low, high)) }
            @if !report.metric.unit.is_empty() { " " (text::line(&report.metric.unit)) }
            ", "
        }
        (number(wins)) " of " (number(counted)) " pairs"
        @if let (Some(e_value), Some(needed)) = (e_value, needed) {
            ", " span.interval { "E = " (number(e_value)) @if *confirmed { " ≥ " } @else { " < " } (number(needed)) }
        }
        "."
    }
}

/// Returns the means over the pairs in which both runs gave a value.
pub(crate) fn means(comparison: &Comparison) -> Option<(Number, Number)> {
    let both = comparison
        .pairs
        .iter()
        .filter_map(|pair| Some((pair.base.as_ref()?, pair.other.as_ref()?)));
    let (base, other): (Vec<&Number>, Vec<&Number>) = both.unzip();
    Some((mean(&base)?, mean(&other)?))
}

fn mean(numbers: &[&Number]) -> Option<Number> {
    let sum: f64 = numbers.iter().map(|number| number.value()).sum();
    let first = (*numbers.first()?).clone().with_unit("");
    numbers
        .iter()
        .try_fold(first, |all, number| {
            all.derive(number, sum / numbers.len() as f64)
        })
        .ok()
}

fn best(report: &Report) -> Markup {
    html! {
        @if let (Some(start), Some(best)) = (&report.start, &report.best) {
            "best in the search: " (text::line(&report.metric.name)) " "
            span.move { (number(&start.clone().with_unit(""))) " → " (number(&best.value)) }
            " (" (experiment(report, best.experiment)) ")."
        }
    }
}

fn unfinished(report: &Report) -> Markup {
    html! {
        @match (&report.start, &report.best) {
            (Some(_), Some(_)) => { (best(report)) " Not tested on fresh seeds yet." },
            (Some(start), None) => {
                "the start is measured: " (text::line(&report.metric.name)) " " (number(start)) ". "
                @if report.experiments.is_empty() { "No experiment has been proposed yet." }
                @else { "None of " (report.experiments.len()) " experiments beat it so far." }
            },
            (None, _) => "nothing is measured yet.",
        }
    }
}

//! Numbers as links to their evidence.

use std::collections::BTreeSet;

use lyceum_types::{ExperimentId, RunId, Trust};
use maud::{Markup, html};

use crate::{Evidence, Number, Report, Source, model::Drawing};

/// The runs and events that the appendix must have a row for.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    /// Runs that a number cites although the report does not hold them.
    pub(crate) missing_runs: BTreeSet<RunId>,
    /// Events that a number cites.
    pub(crate) events: BTreeSet<u64>,
}

impl Anchors {
    /// Collects what the numbers of a report cite.
    pub(crate) fn of(report: &Report) -> Anchors {
        let mut anchors = Anchors::default();
        let known: BTreeSet<RunId> = report.runs.iter().map(|run| run.id).collect();
        let mut runs = BTreeSet::new();
        for number in report.numbers() {
            for source in number.evidence().sources() {
                match source {
                    Source::Run(run) => runs.insert(*run),
                    Source::Event(position) => anchors.events.insert(*position),
                };
            }
        }
        runs.extend(
            report
                .experiments
                .iter()
                .flat_map(|one| one.runs.iter().copied()),
        );
        for comparison in report.comparisons() {
            runs.extend(
                comparison
                    .pairs
                    .iter()
                    .flat_map(|pair| [pair.base_run, pair.other_run]),
            );
        }
        if let Some(Drawing::Packing { run, .. }) = &report.drawing {
            runs.insert(*run);
        }
        anchors.missing_runs = runs.difference(&known).copied().collect();
        anchors
    }
}

/// Returns a number as a link to its run, or with a small list of its runs when there are several.
pub(crate) fn number(number: &Number) -> Markup {
    let class = match number.trust() {
        None => "n",
        Some(Trust::SelfReported) => "n n-self",
        Some(Trust::Measured) => "n n-measured",
        Some(Trust::Sealed) => "n n-sealed",
    };
    let trust = number
        .trust()
        .map_or_else(String::new, |trust| format!("{trust}, "));
    match number.evidence().sources() {
        [source] => html! {
            a class=(class) href={ "#" (anchor(*source)) } title={ (trust) "from " (name(*source)) } { (value(number)) }
        },
        sources => html! {
            details.ev {
                summary class=(class) title={ (trust) "from " (sources.len()) " runs or events" } { (value(number)) }
                span.from { " " (list(number.evidence())) }
            }
        },
    }
}

/// Returns the number's text, its unit set apart.
fn value(number: &Number) -> Markup {
    html! {
        (number.text())
        @if !number.unit().is_empty() { span.u { "\u{a0}" (crate::text::line(number.unit())) } }
    }
}

/// Returns a number, or a dash that says that there is none.
pub(crate) fn number_or_dash(one: Option<&Number>) -> Markup {
    html! {
        @match one {
            Some(one) => (number(one)),
            None => (dash()),
        }
    }
}

/// Returns an interval whose ends are numbers with evidence.
pub(crate) fn interval(low: &Number, high: &Number) -> Markup {
    html! { span.interval { "[" (number(low)) ", " (number(high)) "]" } }
}

/// Returns a dash for what is not there.
pub(crate) fn dash() -> Markup {
    html! { span.none title="no number" { "–" } }
}

/// Returns a link to a run.
pub(crate) fn run(run: RunId) -> Markup {
    html! { a.id href={ "#" (run) } { (run) } }
}

/// Returns a link to an experiment; experiment 0 is the start and has its row in the key facts.
pub(crate) fn experiment(report: &Report, id: ExperimentId) -> Markup {
    html! {
        @if report.experiment(id).is_some() { a.id href={ "#" (id) } { (id) } }
        @else { span.id { (id) } }
    }
}

/// Returns links to runs, long rows of neighbours as a range.
pub(crate) fn runs(ids: &[RunId]) -> Markup {
    match Evidence::runs(ids.iter().copied()) {
        Ok(evidence) => list(&evidence),
        Err(_) => dash(),
    }
}

fn list(evidence: &Evidence) -> Markup {
    html! {
        @for (index, (first, last, count)) in ranges(evidence.sources()).into_iter().enumerate() {
            @if index > 0 { ", " }
            a.id href={ "#" (anchor(first)) } { (name(first)) }
            @if count > 1 {
                @if count > 2 { "–" } @else { ", " }
                a.id href={ "#" (anchor(last)) } { (name(last)) }
            }
        }
    }
}

/// Joins neighbours: first, last and how many.
fn ranges(sources: &[Source]) -> Vec<(Source, Source, usize)> {
    let mut ranges: Vec<(Source, Source, usize)> = Vec::new();
    for source in sources {
        match ranges.last_mut() {
            Some((_, last, count)) if follows(*last, *source) => {
                *last = *source;
                *count += 1;
            }
            _ => ranges.push((*source, *source, 1)),
        }
    }
    ranges
}

fn follows(before: Source, after: Source) -> bool {
    match (before, after) {
        (Source::Run(a), Source::Run(b)) => a.0.checked_add(1) == Some(b.0),
        (Source::Event(a), Source::Event(b)) => a.checked_add(1) == Some(b),
        (Source::Run(_), Source::Event(_)) | (Source::Event(_), Source::Run(_)) => false,
    }
}

/// Returns the anchor of a source in the appendix.
pub(crate) fn anchor(source: Source) -> String {
    match source {
        Source::Run(run) => run.to_string(),
        Source::Event(position) => format!("event-{position}"),
    }
}

fn name(source: Source) -> String {
    match source {
        Source::Run(run) => run.to_string(),
        Source::Event(position) => format!("event\u{a0}{position}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Form;

    #[test]
    fn neighbours_are_joined() {
        let shown = runs(&[1, 2, 3, 7, 9, 10].map(RunId)).into_string();
        let plain = shown
            .split('<')
            .filter_map(|part| part.split_once('>'))
            .map(|(_, text)| text);
        assert_eq!(plain.collect::<String>(), "r1–r3, r7, r9, r10");
    }

    #[test]
    fn trust_shows_in_the_class() {
        let one = Number::new(1.5, Form::Decimals(2), Evidence::run(RunId(4))).unwrap();
        let own = number(&one.clone().with_trust(Trust::SelfReported)).into_string();
        assert!(
            own.contains("n-self") && own.contains("href=\"#r4\"") && own.contains("self-reported")
        );
        assert!(
            number(&one.with_trust(Trust::Sealed))
                .into_string()
                .contains("n-sealed")
        );
    }
}

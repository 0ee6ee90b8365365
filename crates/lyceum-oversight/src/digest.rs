//! The change digest of a cycle: one page, computed from the record alone. A cycle is a session, from its first event to
//! the next session's. Whatever has a digit in it is a [`Part::Linked`] with the events that it rests on; a test holds
//! every plain text to having none.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_types::{
    Body, ChangeKind, Class, Decided, ExperimentId, ExperimentProposed, Outcome, Role, RunId,
    RunStarted, Settings, StudyOpened, Verdict,
};

/// Entries listed in one line; the rest is counted.
const LISTED_MAX: usize = 12;

/// One event of a study: its number in the stream and its body.
pub type Numbered = (u64, Body);

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words of this program, without a digit.
    Text(&'static str),
    /// A number or a name from the record, with the events that it rests on.
    Linked {
        /// As people read it.
        shown: String,
        /// Numbers of events in the stream; never empty.
        events: Vec<u64>,
    },
}

/// One line of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub topic: &'static str,
    /// What it says.
    pub parts: Vec<Part>,
}

/// A cycle on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Its number, from 1.
    pub cycle: u32,
    /// Its first and last event.
    pub events: (u64, u64),
    /// What is to be said.
    pub lines: Vec<Line>,
}

/// Returns the digest of each cycle, in order.
pub fn digests(events: &[Numbered]) -> Vec<Digest> {
    let begins: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, (_, body))| matches!(body, Body::SessionStarted(_)))
        .map(|(index, _)| index)
        .collect();
    let ends = begins.iter().skip(1).copied().chain([events.len()]);
    let cycles = begins.iter().copied().zip(ends).zip(1..);
    cycles
        .filter_map(|((begin, end), cycle)| {
            // The study's opening belongs to its first cycle.
            let begin = if cycle == 1 { 0 } else { begin };
            digest(cycle, &events[..begin], &events[begin..end])
        })
        .collect()
}

fn linked(shown: impl Into<String>, events: impl IntoIterator<Item = u64>) -> Part {
    Part::Linked {
        shown: shown.into(),
        events: events.into_iter().collect(),
    }
}

/// What the events up to a point say.
#[derive(Default)]
struct Known<'a> {
    opened: Option<(u64, &'a StudyOpened)>,
    proposed: BTreeMap<ExperimentId, (u64, &'a ExperimentProposed)>,
    runs: BTreeMap<RunId, &'a RunStarted>,
    values: BTreeMap<ExperimentId, Vec<(u64, f64)>>,
    kept: Vec<(u64, &'a Decided)>,
    paths: BTreeSet<&'a str>,
    binary: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn take(&mut self, seq: u64, body: &'a Body) {
        match body {
            Body::StudyOpened(opened) => self.opened = Some((seq, opened)),
            Body::SessionStarted(started) => self.binary = Some(&started.binary),
            Body::ExperimentProposed(proposed) => {
                self.proposed.insert(proposed.experiment, (seq, proposed));
            }
            Body::RunStarted(started) => {
                self.runs.insert(started.run, started);
            }
            Body::RunFinished(finished) => {
                let changes = finished.observed.iter().flat_map(|one| &one.changes);
                self.paths
                    .extend(changes.map(|change| change.path.as_str()));
            }
            Body::RunMeasured(measured) => {
                let metric = self.opened.map_or("", |(_, opened)| opened.metric.as_str());
                let run = self.runs.get(&measured.run);
                if let (Some(run), Some(value)) = (run, measured.measured.value(metric)) {
                    let values = self.values.entry(run.experiment).or_default();
                    values.push((seq, value));
                }
            }
            Body::Decided(decided) if decided.verdict == Verdict::Kept => {
                self.kept.push((seq, decided));
            }
            _ => {}
        }
    }

    fn best(&self) -> ExperimentId {
        self.kept
            .last()
            .map_or(ExperimentId(0), |(_, one)| one.experiment)
    }

    /// Returns the mean of an experiment's values with the events of them.
    fn mean(&self, id: ExperimentId) -> Option<(f64, Vec<u64>)> {
        let values = self.values.get(&id)?;
        let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let events = values.iter().map(|(seq, _)| *seq).collect();
        lyceum_stats::mean(&numbers).map(|mean| (mean, events))
    }
}

fn digest(cycle: u32, before: &[Numbered], events: &[Numbered]) -> Option<Digest> {
    let mut old = Known::default();
    for (seq, body) in before {
        old.take(*seq, body);
    }
    let mut known = Known::default();
    for (seq, body) in before.iter().chain(events) {
        known.take(*seq, body);
    }
    let (first, last) = (events.first()?.0, events.last()?.0);
    let mut lines = vec![];
    lines.extend(settings(&old, &known));
    lines.extend(touched(&old, events));
    lines.push(evaluator(&known)?);
    lines.extend(supervisor(&old, events));
    lines.extend(metric(&known));
    lines.extend(claim(events, &known));
    lines.push(budget(events));
    lines.push(flags(events, last));
    Some(Digest {
        cycle,
        events: (first, last),
        lines,
    })
}

fn settings(old: &Known<'_>, known: &Known<'_>) -> Option<Line> {
    let fresh = &known.kept[old.kept.len()..];
    let topic = "candidate";
    if fresh.is_empty() {
        let (seq, _) = known.opened?;
        let unchanged = linked(known.best().to_string(), [seq]);
        let parts = vec![
            Part::Text("no change was accepted; the best is "),
            unchanged,
        ];
        return Some(Line { topic, parts });
    }
    let mut parts = vec![Part::Text("accepted: ")];
    for (index, (seq, decided)) in fresh.iter().take(LISTED_MAX).enumerate() {
        if index > 0 {
            parts.push(Part::Text("; "));
        }
        let proposals = [decided.experiment, decided.against].map(|id| known.proposed.get(&id));
        let [Some((at, new)), Some((_, base))] = proposals else {
            continue;
        };
        let shown = format!(
            "{} ({})",
            decided.experiment,
            difference(&base.settings, &new.settings)
        );
        parts.push(linked(shown, [*seq, *at]));
    }
    if fresh.len() > LISTED_MAX {
        let more = fresh[LISTED_MAX..].iter().map(|(seq, _)| *seq);
        parts.push(Part::Text(" and "));
        parts.push(linked(format!("{} more", fresh.len() - LISTED_MAX), more));
    }
    Some(Line { topic, parts })
}

/// Returns which settings differ, in words.
pub(crate) fn difference(base: &Settings, new: &Settings) -> String {
    let names: BTreeSet<&String> = base.keys().chain(new.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| base.get(*name) != new.get(*name));
    let shown = |one: Option<&lyceum_types::Setting>| {
        one.map_or_else(|| "unset".to_owned(), ToString::to_string)
    };
    let said: Vec<String> = changed
        .map(|name| {
            format!(
                "{name} {} → {}",
                shown(base.get(name)),
                shown(new.get(name))
            )
        })
        .collect();
    if said.is_empty() {
        "no setting".into()
    } else {
        said.join(", ")
    }
}

fn touched(old: &Known<'_>, events: &[Numbered]) -> Option<Line> {
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    for (seq, body) in events {
        let Body::RunFinished(finished) = body else {
            continue;
        };
        for change in finished.observed.iter().flat_map(|one| &one.changes) {
            if change.kind != ChangeKind::Removed && !old.paths.contains(change.path.as_str()) {
                first.entry(&change.path).or_insert(*seq);
            }
        }
    }
    if first.is_empty() {
        return None;
    }
    let mut parts = vec![Part::Text("touched for the first time: ")];
    for (index, (path, seq)) in first.iter().take(LISTED_MAX).enumerate() {
        if index > 0 {
            parts.push(Part::Text(", "));
        }
        parts.push(linked(*path, [*seq]));
    }
    if first.len() > LISTED_MAX {
        parts.push(Part::Text(" and "));
        let more = first.values().skip(LISTED_MAX).copied();
        parts.push(linked(format!("{} more", first.len() - LISTED_MAX), more));
    }
    let topic = "candidate";
    Some(Line { topic, parts })
}

fn evaluator(known: &Known<'_>) -> Option<Line> {
    let (seq, opened) = known.opened?;
    let pinned: String = opened.evaluator.chars().take(16).collect();
    let topic = "evaluator";
    let parts = vec![Part::Text("as pinned: "), linked(pinned, [seq])];
    Some(Line { topic, parts })
}

fn supervisor(old: &Known<'_>, events: &[Numbered]) -> Option<Line> {
    let (seq, binary) = events.iter().find_map(|(seq, body)| match body {
        Body::SessionStarted(started) => Some((*seq, started.binary.as_str())),
        _ => None,
    })?;
    let short: String = binary.chars().take(16).collect();
    let said = match old.binary {
        None => "begun with program ",
        Some(before) if before == binary => "the same program, ",
        Some(_) => "another program than before: ",
    };
    let topic = "supervisor";
    let parts = vec![Part::Text(said), linked(short, [seq])];
    Some(Line { topic, parts })
}

fn metric(known: &Known<'_>) -> Option<Line> {
    let (seq, opened) = known.opened?;
    let (start, start_events) = known.mean(ExperimentId(0))?;
    let tries: Vec<u64> = known
        .proposed
        .values()
        .filter(|(_, one)| one.role == Role::Search)
        .map(|(seq, _)| *seq)
        .collect();
    let mut parts = vec![
        linked(opened.metric.clone(), [seq]),
        Part::Text(": start "),
        linked(shown(start), start_events),
    ];
    let best = known.best();
    if let (true, Some((value, events))) = (best != ExperimentId(0), known.mean(best)) {
        parts.push(Part::Text(", best "));
        parts.push(linked(format!("{best} {}", shown(value)), events));
    }
    parts.push(Part::Text(", after "));
    let count = tries.len();
    // A count of nothing rests on the event that opened the study.
    let events = if tries.is_empty() { vec![seq] } else { tries };
    parts.push(linked(format!("{count} tries"), events));
    let topic = "metric";
    Some(Line { topic, parts })
}

fn shown(value: f64) -> String {
    format!("{value:.6}")
}

fn claim(events: &[Numbered], known: &Known<'_>) -> Option<Line> {
    let claimed = events.iter().find_map(|(seq, body)| match body {
        Body::Claimed(claimed) => Some((*seq, claimed)),
        _ => None,
    });
    let topic = "what would change this";
    let Some((seq, claimed)) = claimed else {
        let (seq, decided) = known.kept.last()?;
        let parts = vec![
            linked(decided.experiment.to_string(), [*seq]),
            Part::Text(" was accepted by the search and not confirmed: fresh pairs that it loses"),
        ];
        return Some(Line { topic, parts });
    };
    let finding = &claimed.finding;
    let gain = finding
        .gain
        .map_or_else(|| "no gain".into(), |gain| format!("gain {gain:.6}"));
    let interval = finding
        .interval
        .map_or_else(String::new, |(low, high)| format!(" [{low:.6}, {high:.6}]"));
    let mut parts = vec![
        linked(
            format!(
                "{} {gain}{interval}, {} of {} pairs",
                claimed.winner, finding.wins, finding.pairs
            ),
            [seq],
        ),
        Part::Text(if finding.confirmed {
            " confirmed; "
        } else {
            " unconfirmed; "
        }),
    ];
    let (wins, pairs) = (u64::from(finding.wins), u64::from(finding.pairs));
    let (word, more) = if finding.confirmed {
        let lost = |more: u64| lyceum_stats::e_value(wins, pairs + more) < finding.needed;
        (
            " lost in a row would take it back",
            (1..=PAIRS_MORE_MAX).find(|more| lost(*more)),
        )
    } else {
        let won = |more: u64| lyceum_stats::e_value(wins + more, pairs + more) >= finding.needed;
        (
            " won in a row would confirm it",
            (1..=PAIRS_MORE_MAX).find(|more| won(*more)),
        )
    };
    match more {
        Some(more) => {
            parts.push(linked(format!("{more} fresh pairs"), [seq]));
            parts.push(Part::Text(word));
        }
        None => parts.push(Part::Text("no number of pairs that one would run")),
    }
    Some(Line { topic, parts })
}

/// Pairs beyond those that were run that anybody would run.
const PAIRS_MORE_MAX: u64 = 200;

fn budget(events: &[Numbered]) -> Line {
    let (mut runs, mut failed, mut cpu_ms, mut used) = (vec![], vec![], 0, vec![]);
    for (seq, body) in events {
        match body {
            Body::RunStarted(_) => runs.push(*seq),
            Body::RunFinished(finished) => {
                cpu_ms += finished.usage.cpu_ms;
                used.push(*seq);
                if matches!(finished.outcome, Outcome::Failed(_)) {
                    failed.push(*seq);
                }
            }
            Body::RunMeasured(measured) => {
                cpu_ms += measured.usage.cpu_ms;
                used.push(*seq);
            }
            Body::MeasureCut(cut) => {
                cpu_ms += cut.usage.cpu_ms;
                used.push(*seq);
            }
            Body::RunVoided(voided) => {
                cpu_ms += voided.cpu_ms;
                used.push(*seq);
            }
            _ => {}
        }
    }
    // What is none rests on the cycle as a whole: its first event and its last.
    let whole: Vec<u64> = events
        .iter()
        .take(1)
        .chain(events.last())
        .map(|(seq, _)| *seq)
        .collect();
    let or_whole = |found: Vec<u64>| {
        if found.is_empty() {
            whole.clone()
        } else {
            found
        }
    };
    let (count, failures) = (runs.len(), failed.len());
    let parts = vec![
        linked(format!("{count} runs"), or_whole(runs)),
        Part::Text(", "),
        linked(format!("{failures} failed"), or_whole(failed)),
        Part::Text(", "),
        linked(format!("{:.1} s CPU", cpu_ms as f64 / 1e3), or_whole(used)),
    ];
    let topic = "budget";
    Line { topic, parts }
}

fn flags(events: &[Numbered], last: u64) -> Line {
    let mut parts = Vec::new();
    for class in [Class::Block, Class::Review, Class::Neutralised] {
        let raised: Vec<_> = events
            .iter()
            .filter_map(|(seq, body)| match body {
                Body::IncidentRaised(one) if one.class == class => Some((*seq, one.detector)),
                _ => None,
            })
            .collect();
        if raised.is_empty() {
            continue;
        }
        let codes: BTreeSet<&str> = raised.iter().map(|(_, one)| one.code()).collect();
        let codes: Vec<&str> = codes.into_iter().collect();
        if !parts.is_empty() {
            parts.push(Part::Text("; "));
        }
        let shown = format!("{} {class} ({})", raised.len(), codes.join(", "));
        parts.push(linked(shown, raised.iter().map(|(seq, _)| *seq)));
    }
    if parts.is_empty() {
        parts = vec![
            Part::Text("none up to event "),
            linked(last.to_string(), [last]),
        ];
    }
    let topic = "flags";
    Line { topic, parts }
}

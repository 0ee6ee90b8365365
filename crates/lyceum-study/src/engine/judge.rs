//! The grade of one criterion, from the events and the graders' receipts. Pure.

use lyceum_stats::{floor, mean, sd, t_interval_of};
use lyceum_types::{
    CheckFound, Cited, CriterionGrade, ExperimentId, Grade, Graded, Purpose, RunId, Trust, Witness,
};

use super::{
    grade, outcome, oversight,
    protocol::{Criterion, Protocol},
    settle::start_failure,
    state::{Run, State},
};
use crate::workspace::Globs;

/// A grade with its reason.
struct Said {
    grade: Grade,
    why: String,
    runs: Vec<RunId>,
    value: Option<f64>,
    interval: Option<(f64, f64)>,
}

impl Said {
    fn new(grade: Grade, why: impl Into<String>) -> Said {
        Said {
            grade,
            why: why.into(),
            runs: vec![],
            value: None,
            interval: None,
        }
    }
}

/// Returns the grade of a criterion: in the `last` evaluation for good, before with what can be told while the search goes on.
pub(super) fn judge(
    state: &State,
    protocol: &Protocol,
    index: usize,
    last: bool,
) -> CriterionGrade {
    let criterion = &protocol.rubric[index];
    let said = match criterion {
        Criterion::Metric { .. } | Criterion::Improvement { .. } if last => {
            let graded = grade::grade(state, protocol, index);
            Said {
                grade: yes(graded.satisfied),
                why: graded.why,
                runs: graded.runs,
                value: graded.value,
                interval: graded.interval,
            }
        }
        criterion => of_work(state, protocol, criterion, index, last),
    };
    let clause = protocol
        .outcome
        .as_ref()
        .and_then(|rules| rules.clauses.get(index));
    CriterionGrade {
        criterion: index as u32,
        text: protocol.criterion_text(index, unit(state)),
        grade: said.grade,
        witness: witness(criterion),
        why: said.why,
        must: clause.is_none_or(|clause| clause.must),
        weight: clause.map_or(1.0, |clause| clause.weight),
        value: said.value,
        interval: said.interval,
        runs: said.runs,
    }
}

/// Returns the same as it is graded at the end of a study.
pub(super) fn graded(state: &State, protocol: &Protocol, index: usize) -> Graded {
    let judged = judge(state, protocol, index, true);
    Graded {
        criterion: judged.criterion,
        text: judged.text,
        satisfied: judged.grade == Grade::Met,
        value: judged.value,
        interval: judged.interval,
        why: judged.why,
        runs: judged.runs,
    }
}

fn unit(state: &State) -> &str {
    let opened = state.opened.as_ref();
    opened.map_or("", |opened| opened.unit.as_str())
}

fn yes(holds: bool) -> Grade {
    if holds { Grade::Met } else { Grade::Unmet }
}

fn witness(criterion: &Criterion) -> Witness {
    match criterion {
        Criterion::Judgement { .. } => Witness::Judgement,
        Criterion::Command { .. } | Criterion::File { .. } => Witness::Grader,
        Criterion::Metric { .. }
        | Criterion::Improvement { .. }
        | Criterion::Diff { .. }
        | Criterion::Finding { .. }
        | Criterion::Replication { .. } => Witness::Record,
    }
}

fn of_work(
    state: &State,
    protocol: &Protocol,
    criterion: &Criterion,
    index: usize,
    last: bool,
) -> Said {
    if let Some(why) = start_failure(state, protocol) {
        let why = format!("the unchanged workspace gives no measurement: {why}");
        return Said::new(Grade::Unmet, why);
    }
    if let Some(why) = oversight::blocked(state, outcome::judged(state)) {
        return Said::new(Grade::Unmet, format!("void: {why}"));
    }
    match criterion {
        Criterion::Metric {
            at_most,
            at_least,
            trust,
            ..
        } => metric_so_far(state, protocol, (*at_most, *at_least), *trust),
        Criterion::Improvement { .. } if state.best == ExperimentId(0) => {
            Said::new(Grade::Unmet, "no experiment was kept so far")
        }
        Criterion::Improvement { .. } => Said::new(
            Grade::Open,
            "something was kept; the confirmation on fresh seeds decides at the end",
        ),
        Criterion::Command { .. } | Criterion::File { .. } | Criterion::Judgement { .. } => {
            receipt(state, index)
        }
        Criterion::Diff { allow, knob_files } => diff(state, protocol, allow, |knob| {
            knob_files.get(knob).map(String::as_str)
        }),
        Criterion::Finding { least, confidence } => {
            finding(state, protocol, index, *least, *confidence, last)
        }
        Criterion::Replication { .. } if !last => {
            Said::new(Grade::Open, "the winner is run again at the end")
        }
        Criterion::Replication { runs, confidence } => {
            replication(state, protocol, *runs, *confidence)
        }
    }
}

/// A grader's receipt as a grade.
fn receipt(state: &State, index: usize) -> Said {
    let evaluation = state.evaluations.last();
    let Some(checked) = evaluation.and_then(|one| one.told(index)) else {
        return Said::new(Grade::Unmet, "not checked");
    };
    let runs = checked.runs.clone();
    let (grade, why) = match checked.found {
        CheckFound::Met => (Grade::Met, checked.why.clone()),
        CheckFound::Cut => (Grade::Open, format!("not checked: {}", checked.why)),
        CheckFound::Unmet | CheckFound::Findings { .. } | CheckFound::Infrastructure => {
            (Grade::Unmet, checked.why.clone())
        }
    };
    Said {
        runs,
        ..Said::new(grade, why)
    }
}

/// What the looks of the search say about a bound. They chose the winner, so they can speak against it and not for it.
fn metric_so_far(
    state: &State,
    protocol: &Protocol,
    bounds: (Option<f64>, Option<f64>),
    trust: Trust,
) -> Said {
    if trust == Trust::Sealed {
        let why = "the sealed data are looked at once, at the end";
        return Said::new(Grade::Open, why);
    }
    let best = outcome::judged(state);
    let looks = state.looks(best, &protocol.metric);
    let values: Vec<f64> = looks.iter().map(|(_, value)| *value).collect();
    let Some(value) = mean(&values) else {
        return Said::new(Grade::Unmet, format!("{best} has no measured value"));
    };
    let within =
        bounds.0.is_none_or(|most| value <= most) && bounds.1.is_none_or(|least| value >= least);
    let runs = state.runs_of(best).filter(|run| run.is_look());
    let shown = format!("{value:.5} over {} runs of {best}", values.len());
    let (grade, why) = if within {
        let why = format!("{shown} is within the bound; fresh runs decide at the end");
        (Grade::Open, why)
    } else {
        (Grade::Unmet, format!("{shown} is not within the bound"))
    };
    Said {
        value: Some(value),
        runs: runs.map(|run| run.id).collect(),
        ..Said::new(grade, why)
    }
}

fn diff<'a>(
    state: &State,
    protocol: &Protocol,
    allow: &[String],
    file_of: impl Fn(&str) -> Option<&'a str>,
) -> Said {
    let winner = outcome::judged(state);
    let mut files: Vec<&str> = state
        .files(winner)
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    for (knob, value) in state.settings(winner).into_iter().flatten() {
        if protocol.start.get(knob) != Some(value) {
            files.extend(file_of(knob));
        }
    }
    files.sort_unstable();
    files.dedup();
    // They were compiled when the study was read.
    let globs = Globs::new(allow).unwrap_or_default();
    let outside: Vec<&str> = files
        .iter()
        .filter(|file| !globs.matches(file))
        .copied()
        .collect();
    let why = match (files.len(), outside.as_slice()) {
        (0, _) => format!("{winner} changes no file"),
        (count, []) => format!("all {count} files that {winner} changes are allowed"),
        (_, outside) => format!("{winner} changes `{}`", outside.join("`, `")),
    };
    Said::new(yes(outside.is_empty()), why)
}

// --- findings ---

/// How far a finding stands.
enum Stands {
    /// The lab's runs tell the two experiments apart.
    Supported,
    /// There are not yet pairs enough.
    Untold,
    /// The runs that it names are not there, or tell nothing apart.
    Not,
}

fn finding(
    state: &State,
    protocol: &Protocol,
    index: usize,
    least: u32,
    confidence: f64,
    last: bool,
) -> Said {
    let receipt = state.evaluations.last().and_then(|one| one.told(index));
    let cited: &[Cited] = match receipt.map(|one| &one.found) {
        Some(CheckFound::Findings { cited }) => cited,
        _ => &[],
    };
    let mut about: Vec<(ExperimentId, ExperimentId)> = Vec::new();
    let (mut supported, mut untold, mut not) = (0_u32, 0_u32, 0_u32);
    let mut runs = Vec::new();
    for one in cited {
        // The same said twice, or the other way round, is one finding.
        let pair = (
            one.experiment.min(one.against),
            one.experiment.max(one.against),
        );
        if about.contains(&pair) {
            continue;
        }
        about.push(pair);
        match stands(state, protocol, one, confidence) {
            Stands::Supported => {
                supported += 1;
                runs.extend(one.runs.iter().copied());
            }
            Stands::Untold => untold += 1,
            Stands::Not => not += 1,
        }
    }
    if let Some(claimed) = state.claimed.as_ref().filter(|one| one.finding.confirmed)
        && !about.contains(&(ExperimentId(0), claimed.winner))
    {
        // The lab's own finding, which samplers have too.
        supported += 1;
        let pairs = claimed.pairs.iter();
        runs.extend(pairs.flat_map(|pair| [pair.base_run, pair.other_run]));
    }
    if !last && state.best != ExperimentId(0) {
        // What the confirmation says of the winner is a finding too.
        untold += 1;
    }
    let why = format!(
        "{supported} of {least} findings are supported by runs, {untold} rest on too few, {not} are not supported"
    );
    let grade = if supported >= least {
        Grade::Met
    } else if !last && supported + untold >= least {
        Grade::Open
    } else {
        Grade::Unmet
    };
    Said {
        runs,
        ..Said::new(grade, why)
    }
}

fn stands(state: &State, protocol: &Protocol, cited: &Cited, confidence: f64) -> Stands {
    let of = |id: ExperimentId, run: &RunId| {
        let found = state.experiment(id);
        found.is_some_and(|one| one.runs.contains(run))
    };
    let there = |run: &RunId| of(cited.experiment, run) || of(cited.against, run);
    if cited.runs.is_empty() || !cited.runs.iter().all(there) || cited.experiment == cited.against {
        return Stands::Not;
    }
    let mut gains = Vec::new();
    for run in state.runs_of(cited.experiment) {
        let mut others = state.runs_of(cited.against);
        let base = others.find(|base| base.seed == run.seed);
        let base = base.and_then(|base| base.value(&protocol.metric));
        if let (Some(from), Some(to)) = (base, run.value(&protocol.metric)) {
            gains.push(protocol.goal.gain(from, to));
        }
    }
    match grade::interval(state, protocol, &gains, 2, confidence) {
        Some((low, high)) if low > 0.0 || high < 0.0 => Stands::Supported,
        Some(_) => Stands::Not,
        None => Stands::Untold,
    }
}

// --- replication ---

/// Returns the runs that the rubric asks for.
fn replications(protocol: &Protocol) -> u32 {
    let asked = protocol.rubric.iter().map(|one| match one {
        Criterion::Replication { runs, .. } => *runs,
        _ => 0,
    });
    asked.max().unwrap_or(0)
}

/// Returns how many runs the end of a study needs for its rubric.
pub(super) fn replication_runs(protocol: &Protocol) -> u64 {
    u64::from(replications(protocol))
}

fn replicated(state: &State, number: u32) -> Option<&Run> {
    let purpose = Purpose::Replicate { number };
    let mut runs = state.runs_of(state.best);
    runs.find(|run| run.purpose == purpose)
}

/// Returns the numbers of the runs that have not begun.
pub(super) fn replications_missing<'s>(
    state: &'s State,
    protocol: &Protocol,
) -> impl Iterator<Item = u32> + use<'s> {
    let all = 0..replications(protocol);
    all.filter(|number| replicated(state, *number).is_none())
}

/// Tells whether a run for the rubric has not begun, or not ended.
pub(super) fn replications_open(state: &State, protocol: &Protocol) -> bool {
    (0..replications(protocol))
        .any(|number| replicated(state, number).is_none_or(|run| !run.is_settled()))
}

fn replication(state: &State, protocol: &Protocol, wanted: u32, confidence: f64) -> Said {
    let metric = &protocol.metric;
    let new: Vec<&Run> = (0..wanted)
        .filter_map(|number| replicated(state, number))
        .collect();
    let runs: Vec<RunId> = new.iter().map(|run| run.id).collect();
    let values: Vec<f64> = new.iter().filter_map(|run| run.value(metric)).collect();
    if values.len() < wanted as usize {
        let why = format!("{} of {wanted} new runs gave a value", values.len());
        return Said {
            runs,
            ..Said::new(Grade::Unmet, why)
        };
    }
    let earlier = earlier(state, protocol);
    let Some((low, high)) = foretold(state, protocol, &earlier, values.len(), confidence) else {
        return Said::new(
            Grade::Unmet,
            "its earlier runs say too little about their spread",
        );
    };
    let value = mean(&values).unwrap_or(f64::NAN);
    // Where the metric never varies, the last digits of a computation may.
    let apart = |bound: f64| protocol.goal.gain(bound, value) != 0.0;
    let within = (value >= low || !apart(low)) && (value <= high || !apart(high));
    let why = format!(
        "the mean of {} new runs, {value:.5}, is {} [{low:.5}, {high:.5}], where {} earlier ones put it",
        values.len(),
        if within { "within" } else { "outside" },
        earlier.len()
    );
    Said {
        value: Some(value),
        interval: Some((low, high)),
        runs,
        ..Said::new(yes(within), why)
    }
}

/// Returns the winner's values that did not choose it: those of the confirmation, or of the start's own runs.
fn earlier(state: &State, protocol: &Protocol) -> Vec<f64> {
    let metric = &protocol.metric;
    if let Some(claimed) = &state.claimed {
        return claimed.pairs.iter().filter_map(|pair| pair.other).collect();
    }
    let looks = state.looks(state.best, metric);
    looks.into_iter().map(|(_, value)| value).collect()
}

/// Returns the interval in which the mean of `count` new values lies, by the earlier ones: the t prediction interval.
fn foretold(
    state: &State,
    protocol: &Protocol,
    earlier: &[f64],
    count: usize,
    confidence: f64,
) -> Option<(f64, f64)> {
    let middle = mean(earlier)?;
    let spread = sd(earlier).filter(|spread| *spread > 0.0);
    let looks = state.looks(ExperimentId(0), &protocol.metric);
    let looks: Vec<f64> = looks.iter().map(|(_, value)| *value).collect();
    // Equal values have no spread of their own: that of the start's runs stands in.
    let spread = spread.or_else(|| {
        let floor = floor(&looks)?;
        Some(if floor.deterministic { 0.0 } else { floor.sd })
    })?;
    let n = earlier.len() as f64;
    let widened = spread * (1.0 + n / count as f64).sqrt();
    t_interval_of(middle, widened, earlier.len(), confidence)
}

//! A study in words for a model: from its events alone, within limits.

use std::fmt::Write as _;

use lyceum_study::engine::{Experiment, Protocol, Run, State as Study};
use lyceum_types::{ExperimentId, Goal, Knob, KnobKind, Role, Setting, Settings};

use super::cut_middle;
use crate::line::one_line;

/// Most experiments in one list.
const LISTED_MAX: usize = 60;
/// Most bytes of settings in a list.
const SETTINGS_BYTES_MAX: usize = 240;
/// Most runs of an experiment that are shown.
const RUNS_MAX: usize = 24;
/// Most knobs that a brief lists.
const KNOBS_MAX: usize = 40;

/// Returns the mean of an experiment's looks, with their number.
pub(super) fn value(study: &Study, protocol: &Protocol, id: ExperimentId) -> Option<(f64, usize)> {
    let looks = study.looks(id, &protocol.metric);
    let values: Vec<f64> = looks.iter().map(|(_, value)| *value).collect();
    lyceum_stats::mean(&values).map(|mean| (mean, values.len()))
}

/// Returns settings on one line.
fn settings(settings: &Settings) -> String {
    let all: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    cut_middle(one_line(&all.join(" ")), SETTINGS_BYTES_MAX).replace('\n', " ")
}

/// Returns an experiment on one line.
pub(super) fn line(study: &Study, protocol: &Protocol, one: &Experiment) -> String {
    let id = one.proposed.experiment;
    let verdict = match (&one.proposed.role, &one.decided) {
        (Role::Start, _) => "start".to_owned(),
        (_, Some(decided)) => decided.verdict.to_string(),
        (_, None) => "open".to_owned(),
    };
    let number = match value(study, protocol, id) {
        Some((mean, runs)) => format!("{} {mean:.6} over {runs} runs", protocol.metric),
        None => "no number".into(),
    };
    let files: Vec<&str> = one
        .proposed
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let files = if files.is_empty() {
        String::new()
    } else {
        format!(", files {}", files.join(" "))
    };
    let by = &one.proposed.researcher;
    let settings = settings(&one.proposed.settings);
    one_line(&format!(
        "{id} {verdict}: {number}; by {by}; {settings}{files}"
    ))
}

/// Returns the experiments of the search and the start, newest last.
pub(super) fn list(study: &Study, protocol: &Protocol, most: usize) -> String {
    let all = study.experiments.iter();
    let shown: Vec<&Experiment> = all
        .filter(|one| matches!(one.proposed.role, Role::Start | Role::Search))
        .collect();
    let skipped = shown.len().saturating_sub(most.min(LISTED_MAX));
    let mut text = String::new();
    if skipped > 0 {
        let _ = writeln!(text, "{skipped} earlier ones are not listed");
    }
    for one in &shown[skipped..] {
        let _ = writeln!(text, "{}", line(study, protocol, one));
    }
    text
}

/// Returns all about an experiment.
pub(super) fn experiment(study: &Study, protocol: &Protocol, id: ExperimentId) -> Option<String> {
    let one = study.experiment(id)?;
    let mut text = format!("{}\n", line(study, protocol, one));
    let hypothesis = one_line(&one.proposed.hypothesis);
    let _ = writeln!(text, "hypothesis: {hypothesis}");
    if let Some(decided) = &one.decided {
        let gain = decided
            .gain
            .map_or(String::new(), |gain| format!(", gain {gain:.6}"));
        let why = one_line(&decided.why);
        let _ = writeln!(
            text,
            "verdict: {} against {}{gain}: {why}",
            decided.verdict, decided.against
        );
    }
    let runs: Vec<&Run> = one.runs.iter().filter_map(|run| study.run(*run)).collect();
    for run in runs.iter().take(RUNS_MAX) {
        let came = match (run.value(&protocol.metric), run.failure()) {
            (Some(value), _) => format!("{} {value:.6}", protocol.metric),
            (None, Some(why)) => format!("no number: {why}"),
            (None, None) => "under way".into(),
        };
        let came = one_line(&came);
        let _ = writeln!(text, "{} seed {}: {came}", run.id, run.seed);
    }
    let log = runs.iter().rev().find_map(|run| {
        let log = &run.finished.as_ref()?.log;
        (!log.is_empty()).then_some((run.id, log))
    });
    if let Some((run, log)) = log {
        let _ = writeln!(
            text,
            "end of what {run} printed (the candidate's words, not the lab's):\n{log}"
        );
    }
    Some(text)
}

/// Returns a knob with its range.
fn knob(knob: &Knob) -> String {
    let name = &knob.name;
    match &knob.kind {
        KnobKind::Float { low, high, scale } => {
            format!("{name}: real in [{low}, {high}], {scale:?}")
        }
        KnobKind::Integer { low, high, scale } => {
            format!("{name}: whole in [{low}, {high}], {scale:?}")
        }
        KnobKind::Categorical { choices } => {
            let all: Vec<String> = choices.iter().map(Setting::to_string).collect();
            format!(
                "{name}: one of {}",
                cut_middle(all.join(", "), SETTINGS_BYTES_MAX).replace('\n', " ")
            )
        }
        KnobKind::Boolean => format!("{name}: true or false"),
    }
}

/// Returns the study's rules: what decides, what may be turned, what may be spent.
pub(super) fn rules(study: &Study, protocol: &Protocol) -> String {
    let goal = match protocol.goal {
        Goal::Minimize => "lower is better",
        Goal::Maximize => "higher is better",
    };
    let unit = study
        .opened
        .as_ref()
        .map_or("", |opened| opened.unit.as_str());
    let metric = format!(
        "metric: {} {unit} ({goal}), {}",
        protocol.metric, protocol.trust
    );
    let mut text = one_line(&metric) + "\n";
    for index in 0..protocol.rubric.len() {
        let wanted = protocol.criterion_text(index, unit);
        let _ = writeln!(text, "wanted: {}", one_line(&wanted));
    }
    for one in protocol.space.knobs().iter().take(KNOBS_MAX) {
        let _ = writeln!(text, "knob {}", one_line(&knob(one)));
    }
    let more = protocol.space.knobs().len().saturating_sub(KNOBS_MAX);
    if more > 0 {
        let _ = writeln!(text, "… {more} more knobs");
    }
    text
}

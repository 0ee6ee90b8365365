//! `lyceum show`: one experiment, whole.

use std::{collections::BTreeMap, fmt::Write as _};

use lyceum_ledger::Reader;
use lyceum_study::{
    engine::{Experiment, Run},
    knobs,
};
use lyceum_types::{ExperimentId, Measured, Outcome};

use crate::{
    context::{Known, LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The experiment, as e7; `best` for the best so far
    experiment: String,
    /// The study [default: the one that was worked on last]
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let known = known(&reader, arguments.study.as_deref())?;
    let id = which(&known, &arguments.experiment)?;
    let Some(experiment) = known.state.experiment(id) else {
        let most = known.state.experiments.len().saturating_sub(1);
        return Err(
            Failure::bad_input(format!("study `{}` has no experiment {id}", known.name))
                .hint(format!("it has e0 to e{most}")),
        );
    };
    if json {
        return print_json(&known, experiment);
    }
    print_text(&known, &reader, experiment);
    Ok(Exit::Done)
}

fn which(known: &Known, text: &str) -> Result<ExperimentId, Failure> {
    match text {
        "best" => Ok(known.state.best),
        text => text.parse().map_err(|_| {
            let text = words::clean(text);
            Failure::bad_input(format!(
                "`{text}` is no experiment; expected one like e7, or `best`"
            ))
        }),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_json(known: &Known, experiment: &Experiment) -> Result<Exit, Failure> {
    let runs: Vec<_> = experiment
        .runs
        .iter()
        .filter_map(|id| known.state.run(*id))
        .map(|run| {
            serde_json::json!({
                "run": run.id,
                "seed": run.seed,
                "purpose": run.purpose,
                "finished": run.finished,
                "measured": run.searched,
                "sealed": run.sealed,
                "voided": run.voided,
                "unmeasured": run.unmeasured,
            })
        })
        .collect();
    let shown = serde_json::json!({
        "study": known.name,
        "proposed": experiment.proposed,
        "decided": experiment.decided,
        "runs": runs,
    });
    println!(
        "{}",
        crate::view::visible(&serde_json::to_string_pretty(&shown)?)
    );
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_text(known: &Known, reader: &Reader, experiment: &Experiment) {
    let proposed = &experiment.proposed;
    println!(
        "{} of study {}, proposed by {}",
        proposed.experiment,
        known.name,
        words::clean(&proposed.researcher)
    );
    println!("hypothesis  {}", words::clean(&proposed.hypothesis));
    if let Some(prediction) = proposed.prediction {
        println!(
            "predicted   {} ± {}",
            words::number(prediction.mean),
            words::number(prediction.sd)
        );
    }
    match &experiment.decided {
        Some(decided) => println!(
            "verdict     {}: {}",
            decided.verdict,
            words::clean(&decided.why)
        ),
        None => println!("verdict     none yet"),
    }
    println!("settings");
    let start = known.state.settings(ExperimentId(0));
    for (name, value) in &proposed.settings {
        let old = start.and_then(|start| start.get(name));
        match old {
            Some(old) if old == value => println!("  {name} = {value}"),
            Some(old) => println!("* {name} = {value}   (start: {old})"),
            None => println!("* {name} = {value}   (not active in the start)"),
        }
    }
    if let Some(diff) = change(known, reader, experiment) {
        println!("change");
        for line in diff.lines() {
            println!("  {}", words::clean(line));
        }
    }
    println!("runs");
    for run in experiment.runs.iter().filter_map(|id| known.state.run(*id)) {
        print_run(known, run);
    }
}

/// The largest file of an experiment that is shown as lines.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The change as it stands in the workspace's files, where the study's directory is still there.
fn change(known: &Known, reader: &Reader, experiment: &Experiment) -> Option<String> {
    let opened = known.state.opened.as_ref()?;
    let workspace = std::path::Path::new(&opened.directory).join(&known.study.workspace.path);
    let unchanged = |file: &str| knobs::read_plain(&workspace, file);
    let mut after: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for file in &experiment.proposed.files {
        let bytes = reader.blob_at_most(file.blob.parse().ok()?, FILE_BYTES_MAX);
        if lyceum_study::lab::is_plain_path(&file.name) {
            after.insert(file.name.clone(), bytes.ok()?);
        }
    }
    let read = |file: &str| match after.get(file) {
        Some(bytes) => Ok(bytes.clone()),
        None => unchanged(file),
    };
    let patch = knobs::write(&known.study, &experiment.proposed.settings, read).ok()?;
    after.extend(patch.files);
    let after: Vec<(String, Vec<u8>)> = after.into_iter().collect();
    let before = after.iter().filter_map(|(name, _)| {
        let bytes = unchanged(name).ok()?;
        Some((name.clone(), bytes))
    });
    let before: Vec<(String, Vec<u8>)> = before.collect();
    let mut text = lyceum_study::workspace::diff(&before, &after);
    for (name, value) in &patch.environment {
        let _ = writeln!(text, "{name}={value}");
    }
    if !patch.arguments.is_empty() {
        let _ = writeln!(text, "arguments: {}", patch.arguments.join(" "));
    }
    (!text.is_empty()).then_some(text)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_run(known: &Known, run: &Run) {
    let metric = &known.study.metric.name;
    let outcome = run.stopped().map(|stop| stop.why.clone());
    let outcome = outcome.unwrap_or_else(|| match (&run.finished, &run.voided) {
        (_, Some(why)) => format!("void: {why}"),
        (None, None) => "no receipt yet".into(),
        (Some(finished), None) => match (&finished.outcome, &run.searched) {
            (Outcome::Failed(reason), _) => format!("failed: {reason}"),
            (Outcome::Cut { cause }, _) => format!("cut short: {cause}"),
            (Outcome::Completed, None) => {
                run.failure().unwrap_or_else(|| "not measured yet".into())
            }
            (Outcome::Completed, Some(measured)) => match &measured.measured {
                Measured::Values { values } => {
                    values
                        .iter()
                        .map(|(name, value)| format!("{name} {}", words::number(*value)))
                        .collect::<Vec<_>>()
                        .join(", ")
                        + &format!(" ({})", measured.trust)
                }
                Measured::Failed(reason) => format!("failed: {reason}"),
            },
        },
    });
    let usage = run.finished.as_ref().map_or_else(String::new, |finished| {
        format!(
            ", {} wall, {} CPU",
            words::duration(finished.usage.wall_ms),
            words::duration(finished.usage.cpu_ms)
        )
    });
    let purpose = words::purpose(&known.state, run);
    println!(
        "  {} seed {} ({purpose}): {}{usage}",
        run.id,
        run.seed,
        words::clean(&outcome)
    );
    if let Some(sealed) = run.sealed_value(metric) {
        println!("      sealed {metric} {}", words::number(sealed));
    }
    let failed = run.failure().is_some();
    let log = run
        .finished
        .as_ref()
        .map_or("", |finished| finished.log.as_str());
    for line in log
        .lines()
        .rev()
        .take(if failed { 8 } else { 0 })
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        println!("      | {}", words::clean(line));
    }
    println!("      repeat with: lyceum rerun {} {}", known.name, run.id);
}

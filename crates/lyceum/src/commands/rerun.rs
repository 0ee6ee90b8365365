//! `lyceum rerun`: repeats a run and compares it with the record.

use lyceum_study::{
    engine::Run,
    lab::{Repeated, Repeater, same_measurement},
};
use lyceum_types::{Outcome, RunId};

use crate::{
    context::{LabPlace, Minimum, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    minimum: Minimum,
    /// The study
    study: String,
    /// The run, as r12
    #[arg(value_parser = run_id)]
    run: RunId,
}

fn run_id(text: &str) -> Result<RunId, String> {
    text.parse()
        .map_err(|_| "expected a run like r12".to_owned())
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let known = known(&place.reader()?, Some(&arguments.study))?;
    if let Some(stop) = known.state.run(arguments.run).and_then(Run::stopped) {
        let (run, why) = (arguments.run, &stop.why);
        return Err(Failure::bad_input(format!(
            "run {run} of study `{}` left nothing to compare with: {why}",
            known.name
        )));
    }
    let directory = known
        .state
        .opened
        .as_ref()
        .map(|opened| opened.directory.clone());
    let directory = directory.unwrap_or_default();
    let repeater = Repeater::open(
        place.kit_at(arguments.minimum)?,
        directory.into(),
        &known.name,
    )?;
    let repeated = repeater
        .run(arguments.run)
        .map_err(|error| Failure::internal(&error))?;
    let Some(repeated) = repeated else {
        let most = known.state.runs.len();
        return Err(Failure::bad_input(format!(
            "run {} of study `{}` has no receipt to compare with",
            arguments.run, known.name
        ))
        .hint(format!("it has r1 to r{most}; `lyceum log` shows them")));
    };
    let same = repeated.same_outputs();
    let metric = &known.study.metric.name;
    let (then, now) = values(&repeated, metric);
    if json {
        println!(
            "{}",
            serde_json::json!({
                "study": known.name,
                "run": arguments.run,
                "same_outputs": same,
                "recorded": then,
                "repeated": now,
                "same_measurement": same_numbers(&repeated),
            })
        );
    } else {
        println!(
            "{} {}",
            arguments.run,
            if same {
                "outputs are the same, byte for byte"
            } else {
                "outputs differ"
            }
        );
        if repeated.now.outcome != Outcome::Completed {
            println!(
                "now: {}",
                words::clean(repeated.now.log.lines().last().unwrap_or_default())
            );
        }
        let shown =
            |value: Option<f64>| value.map_or("no number".to_owned(), |value| value.to_string());
        println!(
            "{metric}: recorded {}, repeated {}",
            shown(then),
            shown(now)
        );
    }
    Ok(if same || same_numbers(&repeated) {
        Exit::Done
    } else {
        Exit::Unsatisfied
    })
}

fn values(repeated: &Repeated, metric: &str) -> (Option<f64>, Option<f64>) {
    let value = |one: &Option<lyceum_types::RunMeasured>| one.as_ref()?.measured.value(metric);
    (
        value(&repeated.measured_then),
        value(&repeated.measured_now),
    )
}

fn same_numbers(repeated: &Repeated) -> bool {
    match (&repeated.measured_then, &repeated.measured_now) {
        (Some(then), Some(now)) => same_measurement(then, now),
        (None, None) => repeated.then.outcome == repeated.now.outcome,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

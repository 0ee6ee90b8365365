//! `lyceum workflow show`: a run, or the result of one of its steps.

use lyceum_agents::{
    Fold as _,
    workflow::{self, State, Step, StepEnd},
};

use super::{named, words as told};
use crate::{
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// Most characters of an item or a reason in one line.
const LINE_CHARACTERS_MAX: usize = 90;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The run [default: the only one]
    run: Option<String>,
    /// Print the result of one step, as `read/3`
    #[arg(long, value_name = "PHASE/NUMBER")]
    step: Option<String>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, arguments.run.as_deref())?;
    let state = workflow::State::load(&reader, &name)?;
    if let Some(place) = &arguments.step {
        return one(&state, place, json);
    }
    if json {
        let object = told::object(&name, &state, true);
        println!("{}", view::visible(&object.to_string()));
        return Ok(Exit::Done);
    }
    let (status, why) = told::status(&state);
    let why = if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    };
    println!(
        "{}",
        words::clean(&format!("{name}: {status}{why}; {}", told::used(&state)))
    );
    for phase in &state.phases {
        println!("{}", words::clean(&told::phase(phase)));
        for (step, number) in phase.steps.iter().zip(1..) {
            println!("  {}", words::clean(&line(step, number)));
        }
    }
    Ok(Exit::Done)
}

fn line(step: &Step, number: u32) -> String {
    let item = short(&step.item.text.replace('\n', " "));
    let state = match &step.end {
        Some(StepEnd::Done {
            reused: Some(from), ..
        }) => {
            format!("done before, as {} {}/{}", from.run, from.phase, from.step)
        }
        Some(StepEnd::Done { citations, .. }) if *citations > 0 => {
            format!("done, {citations} citations found right")
        }
        Some(StepEnd::Done { .. }) => "done".to_owned(),
        Some(StepEnd::Failed { why }) => format!("failed: {}", short(&why.replace('\n', " "))),
        _ if step.open.is_some() => "at work".to_owned(),
        _ => "waits".to_owned(),
    };
    format!("{number} {item}: {state}")
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(LINE_CHARACTERS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// Prints one step's result.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn one(state: &State, place: &str, json: bool) -> Result<Exit, Failure> {
    let found = place.split_once('/').and_then(|(phase, number)| {
        let number: usize = number.parse().ok()?;
        state.phase(phase)?.steps.get(number.checked_sub(1)?)
    });
    let step = found.ok_or_else(|| {
        Failure::bad_input(format!("the run has no step `{place}`"))
            .hint("steps are named as in `read/3`")
    })?;
    if json {
        println!("{}", view::visible(&serde_json::to_string(&step.end)?));
        return Ok(Exit::Done);
    }
    match &step.end {
        Some(StepEnd::Done { result, .. }) => {
            for line in result.lines() {
                println!("{}", words::clean(line));
            }
            Ok(Exit::Done)
        }
        Some(StepEnd::Failed { why }) => {
            Err(Failure::bad_input(format!("step `{place}` failed: {why}")))
        }
        _ => Err(Failure::bad_input(format!(
            "step `{place}` has no result yet"
        ))),
    }
}

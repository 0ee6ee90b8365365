//! `lyceum status`: the lab's studies and how far they are.

use lyceum_study::{engine::State, lab};
use lyceum_types::ExperimentId;

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::{summary, words},
};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let mut rows = Vec::new();
    for name in lab::studies(&reader)? {
        let known = known(&reader, Some(&name))?;
        let state = &known.state;
        if json {
            rows.push(serde_json::json!({
                "study": name,
                "stage": stage(state),
                "experiments": state.proposals,
                "experiments_most": known.protocol.budget.experiments,
                "runs": state.runs.len(),
                "start": words::value(state, ExperimentId(0)),
                "best": words::value(state, state.best),
                "best_experiment": state.best.to_string(),
                "confirmed": state.claimed.as_ref().map(|claimed| claimed.finding.confirmed),
                "satisfied": state.finished.as_ref().map(|finished| finished.satisfied),
                "cpu_ms": state.cpu_ms,
            }));
            continue;
        }
        println!("{name}  {}", stage(state));
        println!(
            "  {} of {} experiments, {} runs, {} CPU",
            state.proposals,
            known.protocol.budget.experiments,
            state.runs.len(),
            words::duration(state.cpu_ms)
        );
        println!("  {}", words::clean(&summary::verdict(state)));
    }
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    }
    Ok(Exit::Done)
}

fn stage(state: &State) -> &'static str {
    match (&state.finished, state.sessions.last()) {
        (Some(finished), _) if finished.satisfied => "finished, rubric satisfied",
        (Some(finished), _) if finished.cut_short => "finished, budget spent",
        (Some(_), _) => "finished, rubric not satisfied",
        (None, Some(session)) if session.ended.is_some() => "stopped; `lyceum run` goes on",
        (None, _) => "running, or cut off; `lyceum run` goes on",
    }
}

//! `lyceum outcome`: how a study's rubric was judged. Execution, claim and verified result are three things.

use lyceum_study::engine::{Evaluation, State, iterations_used};
use lyceum_types::{CriterionGrade, EvaluationEnded, Execution, Grade, Graded, OutcomeResult};
use serde_json::{Value, json};

use crate::{
    context::{Known, LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

/// Digits of a hash that people are shown.
const HASH_SHOWN: usize = 16;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the verified result is `satisfied`; 1 it is another, or there is none yet"
)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let known = known(&reader, arguments.study.as_deref())?;
    let state = &known.state;
    if json {
        println!("{}", serde_json::to_string(&as_json(&known))?);
    } else {
        show(&known);
    }
    Ok(if verified(state) == Some(OutcomeResult::Satisfied) {
        Exit::Done
    } else {
        Exit::Unsatisfied
    })
}

fn ended(state: &State) -> impl DoubleEndedIterator<Item = &EvaluationEnded> {
    state
        .evaluations
        .iter()
        .filter_map(|one| one.ended.as_ref())
}

/// Returns the verified result; `None` before the study's end.
fn verified(state: &State) -> Option<OutcomeResult> {
    let finished = state.finished.as_ref()?;
    let last = ended(state).next_back().map(|ended| ended.result);
    Some(last.unwrap_or(if finished.satisfied {
        OutcomeResult::Satisfied
    } else {
        OutcomeResult::MaxIterationsReached
    }))
}

/// Returns how far the judging is.
fn status(state: &State) -> String {
    match (verified(state), state.evaluations.last()) {
        (Some(result), _) => result.to_string(),
        (None, Some(evaluation)) if evaluation.ended.is_none() => "evaluating".into(),
        (None, Some(_)) => "running".into(),
        (None, None) => "pending".into(),
    }
}

fn execution(state: &State) -> String {
    match (&state.finished, ended(state).next_back()) {
        (None, _) => Execution::Running.to_string(),
        (Some(_), Some(last)) => last.execution.to_string(),
        (Some(finished), None) if finished.cut_short => Execution::BudgetReached.to_string(),
        (Some(_), None) => Execution::Completed.to_string(),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn show(known: &Known) {
    let state = &known.state;
    println!("{}: {}", known.name, status(state));
    println!("  {:<10} {}", "execution", execution(state));
    match state.handed_in.last() {
        Some(handed) => println!(
            "  {:<10} {}, which is its word alone: {}",
            "claim",
            words::clean(&handed.by),
            words::clean(&handed.claim)
        ),
        None => println!("  {:<10} none", "claim"),
    }
    let result = verified(state);
    let result = result.map_or_else(|| "not yet".to_owned(), |result| result.to_string());
    println!("  {:<10} {result}", "verified");
    let Some(defined) = &state.outcome else {
        println!(
            "  {:<10} decided by the study's own measurements, without graders",
            "rubric"
        );
        for graded in &state.graded {
            println!("    {}", measured(graded));
        }
        return;
    };
    println!(
        "  {:<10} hash {}, {} of {} evaluations",
        "rubric",
        words::clean(defined.rubric.get(..HASH_SHOWN).unwrap_or_default()),
        iterations_used(state),
        defined.iterations_max
    );
    for evaluation in &state.evaluations {
        show_evaluation(evaluation);
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn show_evaluation(evaluation: &Evaluation) {
    let started = &evaluation.started;
    let (number, experiment) = (started.iteration, started.experiment);
    let Some(ended) = &evaluation.ended else {
        println!(
            "evaluation {number} of {experiment}: under way, {} criteria checked",
            evaluation.checked.len()
        );
        for (criterion, faults) in &evaluation.faults {
            let why = evaluation.checked.get(criterion).map_or("", |one| &one.why);
            println!(
                "    ! criterion {}: the lab could not check it, {faults} times: {}",
                criterion + 1,
                words::clean(why)
            );
        }
        return;
    };
    println!(
        "evaluation {number} of {experiment}: {}; {}",
        ended.result,
        words::clean(&ended.explanation)
    );
    for grade in &ended.grades {
        println!("    {}", graded(grade));
    }
}

fn sign(grade: Grade) -> char {
    match grade {
        Grade::Met => '✓',
        Grade::Unmet => '✗',
        Grade::Open => '…',
    }
}

fn graded(one: &CriterionGrade) -> String {
    let must = if one.must { "" } else { " (not a must)" };
    format!(
        "{} {}{must}: {}: {} [{}]",
        sign(one.grade),
        words::clean(&one.text),
        one.grade,
        words::clean(&one.why),
        one.witness
    )
}

fn measured(one: &Graded) -> String {
    let grade = if one.satisfied {
        Grade::Met
    } else {
        Grade::Unmet
    };
    let (text, why) = (words::clean(&one.text), words::clean(&one.why));
    format!("{} {text}: {grade}: {why}", sign(grade))
}

fn as_json(known: &Known) -> Value {
    let state = &known.state;
    let evaluations = state.evaluations.iter().map(|one| {
        let faults = one.faults.iter().map(|(criterion, times)| {
            let why = one
                .checked
                .get(criterion)
                .map(|checked| checked.why.clone());
            json!({ "criterion": criterion, "times": times, "why": why })
        });
        json!({
            "iteration": one.started.iteration,
            "experiment": one.started.experiment.to_string(),
            "call": one.started.call,
            "infrastructure_errors": faults.collect::<Vec<_>>(),
            "end": one.ended,
        })
    });
    let claim = state.handed_in.last();
    json!({
        "study": known.name,
        "status": status(state),
        "execution": execution(state),
        "claim": claim.map(|handed| json!({ "by": handed.by, "text": handed.claim })),
        "verified": verified(state),
        "rubric": state.outcome.as_ref().map(|defined| json!({
            "hash": defined.rubric,
            "criteria": defined.criteria,
            "iterations_used": iterations_used(state),
            "iterations_max": defined.iterations_max,
        })),
        "evaluations": evaluations.collect::<Vec<_>>(),
        "graded": state.graded,
    })
}

//! Grading the rubric from the measurements of the ending. Pure.

use lyceum_stats::{floor, mean, t_interval, t_interval_of};
use lyceum_types::{ExperimentId, Graded, Measured, RunId, Trust};

use super::{
    judge, oversight,
    protocol::{Criterion, Protocol},
    state::{Run, State},
};

/// Grades one criterion.
pub(super) fn grade(state: &State, protocol: &Protocol, index: usize) -> Graded {
    let criterion = &protocol.rubric[index];
    let unit = state
        .opened
        .as_ref()
        .map_or("", |opened| opened.unit.as_str());
    let mut graded = Graded {
        criterion: index as u32,
        text: protocol.criterion_text(index, unit),
        satisfied: false,
        value: None,
        interval: None,
        why: String::new(),
        runs: vec![],
    };
    if let Some(why) = oversight::blocked(state, state.best) {
        graded.why = format!("void: {why}");
        return graded;
    }
    match criterion {
        Criterion::Metric {
            at_most,
            at_least,
            trust,
            confidence,
        } => {
            grade_metric(
                state,
                protocol,
                (*at_most, *at_least),
                *trust,
                *confidence,
                &mut graded,
            );
        }
        Criterion::Improvement {
            at_least,
            confidence,
        } => {
            grade_improvement(state, protocol, *at_least, *confidence, &mut graded);
        }
        Criterion::Command { .. }
        | Criterion::File { .. }
        | Criterion::Diff { .. }
        | Criterion::Finding { .. }
        | Criterion::Replication { .. }
        | Criterion::Judgement { .. } => return judge::graded(state, protocol, index),
    }
    graded
}

/// Returns the runs whose values speak for the winner at this trust level.
fn winner_runs(state: &State, trust: Trust) -> Vec<RunId> {
    match (trust, &state.sealed, &state.claimed) {
        (Trust::Sealed, Some(opened), _) if !opened.winner.is_empty() => opened.winner.clone(),
        (Trust::Sealed, Some(opened), _) => opened.start.clone(),
        (Trust::Sealed, None, _) => vec![],
        (_, _, Some(claimed)) => claimed.pairs.iter().map(|pair| pair.other_run).collect(),
        (_, _, None) => state
            .runs_of(ExperimentId(0))
            .filter(|run| run.is_look())
            .map(|run| run.id)
            .collect(),
    }
}

fn grade_metric(
    state: &State,
    protocol: &Protocol,
    bounds: (Option<f64>, Option<f64>),
    trust: Trust,
    confidence: f64,
    graded: &mut Graded,
) {
    graded.runs = winner_runs(state, trust);
    let runs: Vec<&Run> = graded.runs.iter().filter_map(|id| state.run(*id)).collect();
    let pick = |run: &&Run| match trust {
        Trust::Sealed => run.sealed_value(&protocol.metric),
        Trust::Measured | Trust::SelfReported => run.value(&protocol.metric),
    };
    let values: Vec<f64> = runs.iter().filter_map(pick).collect();
    let enough = runs.iter().all(|run| trust_of(run, trust) >= Some(trust));
    if let (Trust::Sealed, None, Some(looks)) = (trust, &state.sealed, protocol.looks)
        && !looks.left()
    {
        graded.why = format!(
            "earlier attempts made all {} looks at the sealed data, which were not opened again",
            looks.most
        );
        return;
    }
    if values.is_empty() || values.len() < runs.len() {
        graded.why = format!(
            "{} of {} runs gave a {trust} value",
            values.len(),
            runs.len()
        );
        return;
    }
    if !enough {
        graded.why = format!("the numbers are not {trust}");
        return;
    }
    graded.value = mean(&values);
    graded.interval = interval(state, protocol, &values, 1, confidence);
    let Some((low, high)) = graded.interval else {
        graded.why = "one value has no interval".into();
        return;
    };
    let below = bounds.0.is_none_or(|most| high <= most);
    let above = bounds.1.is_none_or(|least| low >= least);
    graded.satisfied = below && above;
    graded.why = format!(
        "the interval [{low:.5}, {high:.5}] of {} runs is {} the bound",
        values.len(),
        if graded.satisfied {
            "within"
        } else {
            "not within"
        }
    );
}

/// Returns the interval of a mean of values, or of their differences where `sides` is 2.
///
/// Values that are all equal have no spread of their own: they are exact where the noise floor says that the metric never
/// varies, and have the floor's spread elsewhere.
pub(super) fn interval(
    state: &State,
    protocol: &Protocol,
    values: &[f64],
    sides: u32,
    confidence: f64,
) -> Option<(f64, f64)> {
    let (first, rest) = values.split_first()?;
    if rest
        .iter()
        .any(|one| protocol.goal.gain(*first, *one) != 0.0)
    {
        return t_interval(values, confidence);
    }
    let looks = state.looks(ExperimentId(0), &protocol.metric);
    let looks: Vec<f64> = looks.iter().map(|(_, value)| *value).collect();
    let floor = floor(&looks)?;
    let sd = if floor.deterministic { 0.0 } else { floor.sd };
    t_interval_of(
        *first,
        sd * f64::from(sides).sqrt(),
        values.len(),
        confidence,
    )
}

fn trust_of(run: &Run, trust: Trust) -> Option<Trust> {
    let measured = if trust == Trust::Sealed {
        &run.sealed
    } else {
        &run.searched
    };
    measured
        .as_ref()
        .filter(|one| matches!(one.measured, Measured::Values { .. }))
        .map(|one| one.trust)
}

fn grade_improvement(
    state: &State,
    protocol: &Protocol,
    at_least: f64,
    confidence: f64,
    graded: &mut Graded,
) {
    let Some(claimed) = &state.claimed else {
        graded.why = "no experiment was kept: there is nothing to confirm".into();
        return;
    };
    graded.runs = claimed
        .pairs
        .iter()
        .flat_map(|pair| [pair.base_run, pair.other_run])
        .collect();
    graded.value = claimed.finding.gain;
    let gains: Vec<f64> = claimed
        .pairs
        .iter()
        .filter_map(|pair| Some(protocol.goal.gain(pair.base?, pair.other?)))
        .collect();
    graded.interval = interval(state, protocol, &gains, 2, confidence);
    let reaches = graded.interval.is_some_and(|(low, _)| low >= at_least);
    // An improvement at 99 % confidence needs evidence of 100 to 1, whatever level the claim was tested at.
    let enough = claimed.finding.e_value >= 1.0 / (1.0 - confidence) * (1.0 - 1e-9);
    graded.satisfied = claimed.finding.confirmed && enough && (at_least == 0.0 || reaches);
    graded.why = if claimed.finding.confirmed && !enough {
        let needed = 1.0 / (1.0 - confidence);
        format!(
            "E = {:.1}, and this confidence needs {needed:.0}",
            claimed.finding.e_value
        )
    } else if claimed.finding.confirmed && !graded.satisfied {
        format!("confirmed, but its interval does not exceed {at_least}")
    } else {
        claimed.finding.why.clone()
    };
}

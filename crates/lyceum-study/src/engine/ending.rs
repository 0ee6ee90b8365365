//! The end of a study: confirmation on fresh paired seeds, ablation, the sealed split, the rubric. Pure.

use lyceum_stats::{Confirmation, confirm, futile, mean, unbiased_gain};
use lyceum_types::{
    Ablated, Body, Claimed, ExperimentId, ExperimentProposed, Finding, OutcomeResult, Pair,
    Purpose, Role, RunId, SealedOpened, Seed, Settings, Side, Split, StudyFinished,
};

use super::{
    grade,
    outcome::{self, AtTheEnd},
    oversight,
    protocol::Protocol,
    sealed,
    settle::start_failure,
    state::{Run, State},
};

/// Something that must be run before the study can end.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// A run of the candidate.
    Run(ExperimentId, Seed, Purpose),
    /// A measurement of a finished run.
    Measure(RunId, Split),
}

/// Returns the next event of the ending that needs no run.
pub(super) fn settle_ending(state: &State, protocol: &Protocol, exhausted: bool) -> Option<Body> {
    if start_failure(state, protocol).is_none() {
        if state.claimed.is_none() && state.best != ExperimentId(0) {
            return settle_claim(state, protocol, exhausted).map(Body::from);
        }
        if let Some(body) = settle_ablation(state, protocol, exhausted) {
            return Some(body);
        }
        if ablation_open(state, protocol, exhausted) {
            return None;
        }
        let looks_left = protocol.looks.is_none_or(|looks| looks.left());
        if protocol.sealed && state.sealed.is_none() && looks_left {
            return Some(open_sealed(state, protocol).into());
        }
        // The sealed split is measured to its end once it is open, or until a budget is spent: what it costs was kept back.
        if sealed_wants(state).next().is_some() {
            return None;
        }
        if let Some(answer) = sealed::answer(state, protocol) {
            return Some(answer.into());
        }
    }
    if protocol.outcome.is_some() {
        match outcome::at_the_end(state, protocol, exhausted) {
            AtTheEnd::Event(body) => return Some(*body),
            AtTheEnd::Wait => return None,
            AtTheEnd::Grade | AtTheEnd::Known => {}
        }
    }
    if state.graded.len() < protocol.rubric.len() {
        return Some(grade::grade(state, protocol, state.graded.len()).into());
    }
    if protocol.outcome.is_some() && outcome::result(state).is_none() {
        return outcome::last_end(state, protocol, exhausted);
    }
    Some(finish(state, protocol, exhausted).into())
}

/// Returns all that the ending waits for now, in the order in which it should be started.
pub fn wants(state: &State, protocol: &Protocol) -> Vec<Want> {
    if state.finished.is_some() || start_failure(state, protocol).is_some() {
        return vec![];
    }
    if state.claimed.is_none() && state.best != ExperimentId(0) {
        return claim_wants(state, protocol);
    }
    let wants: Vec<Want> = if state.sealed.is_some() {
        sealed_wants(state).collect()
    } else {
        ablation_wants(state, protocol)
    };
    if wants.is_empty() {
        return outcome::wants(state, protocol);
    }
    wants
}

// --- confirmation ---

fn side_run(state: &State, id: ExperimentId, pair: u32, side: Side) -> Option<&Run> {
    state
        .runs_of(id)
        .find(|run| run.purpose == Purpose::Confirm { pair, side })
}

/// Returns the pairs of which both sides are done, without a gap.
pub fn claim_pairs(state: &State, protocol: &Protocol) -> Vec<Pair> {
    let metric = &protocol.metric;
    (0..protocol.confirm_pairs_max as u32)
        .map_while(|pair| {
            let start = side_run(state, ExperimentId(0), pair, Side::Start)?;
            let winner = side_run(state, state.best, pair, Side::Winner)?;
            (start.is_settled() && winner.is_settled()).then(|| Pair {
                seed: start.seed,
                base_run: start.id,
                other_run: winner.id,
                base: start.value(metric),
                other: winner.value(metric),
            })
        })
        .collect()
}

/// Returns what the test says about these pairs.
fn finding(protocol: &Protocol, pairs: &[Pair], cut: bool) -> Finding {
    let values: Vec<_> = pairs.iter().map(|pair| (pair.base, pair.other)).collect();
    let test = confirm(protocol.goal, &values, protocol.alpha);
    Finding {
        wins: test.wins as u32,
        pairs: test.pairs as u32,
        e_value: test.e_value,
        needed: test.needed,
        confirmed: test.confirmed,
        // Stopping at the first good moment overstates the plain mean of a claim that is made.
        gain: if test.confirmed {
            unbiased_gain(
                protocol.goal,
                &values,
                protocol.confirm_pairs_max as u64,
                protocol.alpha,
            )
        } else {
            test.mean_gain
        },
        interval: test.interval95,
        why: explain(&test, cut),
    }
}

/// Returns the gains of the pairs in which both sides gave a number.
fn gains(protocol: &Protocol, pairs: &[Pair]) -> Vec<f64> {
    let both = pairs.iter().filter_map(|pair| pair.base.zip(pair.other));
    both.map(|(base, other)| protocol.goal.gain(base, other))
        .collect()
}

fn explain(test: &Confirmation, cut: bool) -> String {
    let evidence = format!(
        "better in {} of {} fresh paired seeds: E = {:.1}, needed {:.0}",
        test.wins, test.pairs, test.e_value, test.needed
    );
    match (test.confirmed, cut) {
        (true, _) => format!("confirmed: {evidence}"),
        (false, true) => format!("unconfirmed, the budget ended the test: {evidence}"),
        (false, false) => format!("unconfirmed: {evidence}"),
    }
}

fn settle_claim(state: &State, protocol: &Protocol, exhausted: bool) -> Option<Claimed> {
    let pairs = claim_pairs(state, protocol);
    if let Some(why) = oversight::blocked(state, state.best) {
        let mut claimed = claim(state, protocol, &pairs, true);
        claimed.finding.confirmed = false;
        claimed.finding.why = format!("void: {why}");
        return Some(claimed);
    }
    // The first prefix that confirms is the claim: the e-value is valid at any stopping time.
    for end in 1..=pairs.len() {
        let values: Vec<_> = pairs[..end]
            .iter()
            .map(|pair| (pair.base, pair.other))
            .collect();
        let test = confirm(protocol.goal, &values, protocol.alpha);
        let most = protocol.confirm_pairs_max as u64;
        let hopeless = futile(test.wins, test.pairs, most, protocol.alpha);
        if test.confirmed || hopeless || end == protocol.confirm_pairs_max {
            return Some(claim(state, protocol, &pairs[..end], false));
        }
    }
    let waiting = state.runs.iter().any(|run| {
        matches!(run.purpose, Purpose::Confirm { .. }) && run.counts() && !run.is_settled()
    });
    (exhausted && !waiting).then(|| claim(state, protocol, &pairs, true))
}

fn claim(state: &State, protocol: &Protocol, pairs: &[Pair], cut: bool) -> Claimed {
    Claimed {
        winner: state.best,
        pairs: pairs.to_vec(),
        finding: finding(protocol, pairs, cut),
        grader: state.grader(),
    }
}

fn claim_wants(state: &State, protocol: &Protocol) -> Vec<Want> {
    let sides = [(ExperimentId(0), Side::Start), (state.best, Side::Winner)];
    let mut wants = Vec::new();
    for pair in 0..protocol.confirm_pairs_max as u32 {
        for (id, side) in sides {
            if side_run(state, id, pair, side).is_none() {
                let seed = protocol.confirm_seed(pair as usize);
                wants.push(Want::Run(id, seed, Purpose::Confirm { pair, side }));
            }
        }
    }
    wants
}

// --- ablation ---

/// Returns the winner's settings with one knob put back to its start value.
pub fn put_back(protocol: &Protocol, winner: &Settings, knob: &str) -> Settings {
    let mut all = protocol.start.clone();
    all.extend(
        winner
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    match protocol.start.get(knob) {
        Some(value) => all.insert(knob.to_owned(), value.clone()),
        None => all.remove(knob),
    };
    protocol.space.active_only(&all)
}

/// Returns the knobs by which the winner differs from the start, in the order of the study file.
pub fn changed_knobs(state: &State, protocol: &Protocol) -> Vec<String> {
    let (Some(start), Some(winner)) = (state.settings(ExperimentId(0)), state.settings(state.best))
    else {
        return vec![];
    };
    let names = protocol.space.knobs().iter().map(|knob| knob.name.clone());
    // A knob that only the winner's branch has follows from the knob that it depends on.
    names
        .filter(|name| start.contains_key(name) && start.get(name) != winner.get(name))
        .collect()
}

fn wants_ablation(state: &State, protocol: &Protocol) -> bool {
    protocol.ablation_pairs > 0
        && state
            .claimed
            .as_ref()
            .is_some_and(|claimed| claimed.finding.confirmed)
        && changed_knobs(state, protocol).len() > 1
}

fn ablation_of<'s>(state: &'s State, knob: &str) -> Option<(ExperimentId, &'s Settings)> {
    let role = Role::Ablation {
        knob: knob.to_owned(),
    };
    let found = state
        .experiments
        .iter()
        .rev()
        .find(|one| one.proposed.role == role)?;
    Some((found.proposed.experiment, &found.proposed.settings))
}

fn ablated(state: &State, knob: &str) -> bool {
    state.ablated.iter().any(|one| one.knob == knob)
}

fn ablation_open(state: &State, protocol: &Protocol, exhausted: bool) -> bool {
    wants_ablation(state, protocol)
        && !exhausted
        && changed_knobs(state, protocol)
            .iter()
            .any(|knob| !ablated(state, knob))
}

/// Returns the pairs of which the run with the knob put back is done.
fn ablation_pairs(state: &State, protocol: &Protocol, id: ExperimentId) -> Vec<Pair> {
    let metric = &protocol.metric;
    let confirmed = state.claimed.iter().flat_map(|claimed| &claimed.pairs);
    let pairs = confirmed.take(protocol.ablation_pairs).enumerate();
    pairs
        .filter_map(|(index, confirmed)| {
            let purpose = Purpose::Ablate { pair: index as u32 };
            let run = state.runs_of(id).find(|run| run.purpose == purpose)?;
            run.is_settled().then(|| Pair {
                seed: run.seed,
                base_run: run.id,
                other_run: confirmed.other_run,
                base: run.value(metric),
                other: confirmed.other,
            })
        })
        .collect()
}

/// Returns how many pairs an ablation has when it is complete.
fn ablation_pairs_whole(state: &State, protocol: &Protocol) -> usize {
    let confirmed = state
        .claimed
        .as_ref()
        .map_or(0, |claimed| claimed.pairs.len());
    protocol.ablation_pairs.min(confirmed)
}

fn settle_ablation(state: &State, protocol: &Protocol, exhausted: bool) -> Option<Body> {
    if !wants_ablation(state, protocol) {
        return None;
    }
    let winner = state.settings(state.best)?;
    for knob in changed_knobs(state, protocol) {
        let Some((id, _)) = ablation_of(state, &knob) else {
            if exhausted {
                continue;
            }
            return Some(ablation_proposal(state, protocol, winner, &knob).into());
        };
        if ablated(state, &knob) {
            continue;
        }
        let pairs = ablation_pairs(state, protocol, id);
        let whole = pairs.len() == ablation_pairs_whole(state, protocol);
        if whole || (exhausted && !pairs.is_empty()) {
            return Some(ablation(protocol, id, knob, pairs).into());
        }
    }
    None
}

/// Returns what a knob's change is worth.
fn ablation(protocol: &Protocol, id: ExperimentId, knob: String, pairs: Vec<Pair>) -> Ablated {
    let mut finding = finding(protocol, &pairs, false);
    // A handful of pairs estimates an effect; it is never a claim of its own, and nothing stopped it early.
    finding.confirmed = false;
    finding.gain = mean(&gains(protocol, &pairs));
    finding.why = match (finding.gain, finding.interval) {
        (Some(gain), Some((low, high))) if low > 0.0 || high < 0.0 => {
            format!("worth {gain:.4} [{low:.4}, {high:.4}]")
        }
        (Some(gain), Some((low, high))) => {
            format!("worth {gain:.4} [{low:.4}, {high:.4}]: not told apart from nothing")
        }
        (Some(gain), None) => format!("worth {gain:.4} on one pair"),
        (None, _) => "without it the run fails".into(),
    };
    Ablated {
        experiment: id,
        knob,
        pairs,
        finding,
    }
}

fn ablation_proposal(
    state: &State,
    protocol: &Protocol,
    winner: &Settings,
    knob: &str,
) -> ExperimentProposed {
    let show = |settings: &Settings| {
        settings
            .get(knob)
            .map_or_else(|| "unset".to_owned(), ToString::to_string)
    };
    ExperimentProposed {
        experiment: ExperimentId(state.experiments.len() as u32),
        role: Role::Ablation {
            knob: knob.to_owned(),
        },
        settings: put_back(protocol, winner, knob),
        hypothesis: format!(
            "the winner {} with {knob} put back from {} to {}: what is that change worth?",
            state.best,
            show(winner),
            show(&protocol.start)
        ),
        researcher: "lab".into(),
        prediction: None,
        evidence: vec![state.best],
        seen: state.last_seq,
        files: state.files(state.best).to_vec(),
        call: None,
        cpu_ms: 0,
    }
}

fn ablation_wants(state: &State, protocol: &Protocol) -> Vec<Want> {
    if !wants_ablation(state, protocol) {
        return vec![];
    }
    let mut wants = Vec::new();
    for pair in 0..ablation_pairs_whole(state, protocol) as u32 {
        for knob in changed_knobs(state, protocol) {
            let Some((id, _)) = ablation_of(state, &knob) else {
                continue;
            };
            let purpose = Purpose::Ablate { pair };
            if !state.runs_of(id).any(|run| run.purpose == purpose) {
                wants.push(Want::Run(id, protocol.confirm_seed(pair as usize), purpose));
            }
        }
    }
    wants
}

// --- the sealed split ---

fn open_sealed(state: &State, protocol: &Protocol) -> SealedOpened {
    let look = protocol.looks.map_or(0, |looks| looks.before + 1);
    let completed = |id: &RunId| state.run(*id).is_some_and(Run::value_is_there);
    if let Some(claimed) = &state.claimed {
        let side = |pick: fn(&Pair) -> RunId| {
            claimed
                .pairs
                .iter()
                .map(pick)
                .filter(completed)
                .collect::<Vec<_>>()
        };
        return SealedOpened {
            start: side(|pair| pair.base_run),
            winner: side(|pair| pair.other_run),
            look,
        };
    }
    let start = state
        .runs_of(ExperimentId(0))
        .map(|run| run.id)
        .filter(completed)
        .collect();
    SealedOpened {
        start,
        winner: vec![],
        look,
    }
}

fn sealed_wants(state: &State) -> impl Iterator<Item = Want> {
    let opened = state.sealed.iter();
    opened
        .flat_map(|opened| opened.start.iter().chain(&opened.winner))
        .filter(|id| {
            let run = state.run(**id);
            run.is_some_and(|run| run.sealed.is_none() && run.unsealed.is_none())
        })
        .map(|id| Want::Measure(*id, Split::Sealed))
}

// --- the end ---

fn finish(state: &State, protocol: &Protocol, exhausted: bool) -> StudyFinished {
    let all = !protocol.rubric.is_empty() && state.graded.iter().all(|one| one.satisfied);
    let satisfied = match outcome::result(state) {
        Some(result) => result == OutcomeResult::Satisfied,
        None => all,
    };
    let cut_short = (exhausted || state.search_spent) && !satisfied;
    let why = if let Some(failure) = start_failure(state, protocol) {
        format!("the unchanged workspace gives no measurement: {failure}")
    } else if satisfied && all {
        "every criterion of the rubric is satisfied".into()
    } else if satisfied {
        "all that must hold of the rubric is satisfied".into()
    } else if cut_short {
        "the budget is spent before the study could end as planned".into()
    } else if protocol.rubric.is_empty() {
        "the study is done; it has no rubric".into()
    } else {
        let open = state.graded.iter().filter(|one| !one.satisfied).count();
        format!(
            "{open} of {} criteria of the rubric not satisfied",
            protocol.rubric.len()
        )
    };
    StudyFinished {
        satisfied,
        cut_short,
        why,
    }
}

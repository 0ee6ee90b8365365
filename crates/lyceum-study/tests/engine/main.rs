//! The loop over a simulated machine: the journal is memory and a run is a formula, so that thousands of studies and a
//! crash after every event can be played through.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budgets;
mod decisions;
mod halving;
mod outcome;
mod oversight;
mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use lyceum_search::Random;
use lyceum_study::engine::{
    Criterion, Driver, End, Journal as _, Live, MemoryJournal, Observer, SinceMade, State,
};
use lyceum_types::{Body, Knob, KnobKind, RunId, Scale, Setting, Settings, Space, Trust, Verdict};

use crate::support::{Machine, World, fold, opened, protocol, session, started, whole};

#[test]
fn a_real_effect_is_found_confirmed_ablated_and_graded() {
    for slots in [1, 2] {
        let (state, _) = whole(World::Slope, &protocol(1, 12), slots);
        let claim = state.claimed.as_ref().unwrap();
        assert!(claim.finding.confirmed, "{}", claim.finding.why);
        assert!(claim.finding.gain.unwrap() > 0.3);
        let worth = |knob: &str| {
            state
                .ablated
                .iter()
                .find(|one| one.knob == knob)
                .unwrap()
                .finding
                .gain
                .unwrap()
        };
        assert!(
            worth("x") > 0.3 && worth("y").abs() < 0.05,
            "x {} y {}",
            worth("x"),
            worth("y")
        );
        let sealed = state.sealed.as_ref().unwrap();
        assert_eq!((sealed.start.len(), sealed.winner.len()), (7, 7));
        for run in sealed.start.iter().chain(&sealed.winner) {
            assert!(state.run(*run).unwrap().sealed_value("loss").is_some());
        }
        assert!(state.graded[0].satisfied && state.finished.as_ref().unwrap().satisfied);
        assert_eq!(state.proposals, 12);
    }
}

#[test]
fn confirmation_seeds_are_never_seen_by_the_search() {
    let (state, _) = whole(World::Slope, &protocol(3, 8), 2);
    let look: Vec<_> = state
        .runs
        .iter()
        .filter(|run| run.is_look())
        .map(|run| run.seed)
        .collect();
    let fresh: Vec<_> = state.runs.iter().filter(|run| !run.is_look()).collect();
    assert!(!fresh.is_empty());
    assert!(fresh.iter().all(|run| !look.contains(&run.seed)));
}

#[test]
fn where_nothing_works_almost_nothing_is_claimed() {
    let studies = 2_000;
    let mut claims = 0_u32;
    for seed in 0..studies {
        let (state, _) = whole(World::Null, &protocol(seed, 12), 1);
        claims += u32::from(state.claimed.is_some_and(|claim| claim.finding.confirmed));
        assert_eq!(state.finished.unwrap().satisfied, state.graded[0].satisfied);
    }
    // The e-value bounds the rate at 5 %; the sign test's steps keep it well below.
    assert!(
        f64::from(claims) <= 0.05 * studies as f64,
        "{claims} false claims of {studies}"
    );
}

#[test]
fn a_dead_start_ends_the_study_with_its_reason() {
    let (state, _) = whole(World::Dead, &protocol(1, 12), 2);
    let finished = state.finished.unwrap();
    assert!(!finished.satisfied);
    assert!(finished.why.contains("exit status 1"), "{}", finished.why);
    assert_eq!(state.proposals, 0);
}

#[test]
fn failures_are_states_and_never_win() {
    for world in [World::Cliff, World::Nan] {
        let (state, _) = whole(world, &protocol(2, 25), 2);
        let failed: Vec<_> = state
            .searched()
            .filter(|one| one.decided.as_ref().unwrap().verdict == Verdict::Failed)
            .collect();
        assert!(!failed.is_empty());
        for one in failed {
            assert_eq!(one.decided.as_ref().unwrap().gain, None);
            assert_ne!(one.proposed.experiment, state.best);
        }
    }
}

#[test]
fn equal_values_are_exact_only_where_the_metric_never_varies() {
    let bound = |world: World, at_most: f64| {
        let mut protocol = protocol(4, 12);
        protocol.rubric = vec![Criterion::Metric {
            at_most: Some(at_most),
            at_least: None,
            trust: Trust::Measured,
            confidence: 0.95,
        }];
        let (state, _) = whole(world, &protocol, 1);
        let pairs = &state.claimed.as_ref().unwrap().pairs;
        assert!(pairs.iter().all(|pair| pair.other == Some(0.5)));
        let (low, high) = state.graded[0].interval.unwrap();
        (state.graded[0].satisfied, high - low)
    };
    assert_eq!(bound(World::Exact, 0.5), (true, 0.0));
    let (satisfied, width) = bound(World::Saturated, 0.5);
    assert!(!satisfied && width > 0.005, "{width}");
    assert!(bound(World::Saturated, 0.6).0);
}

#[test]
fn a_crash_after_any_event_ends_in_the_same_verdicts() {
    let protocol = protocol(7, 6);
    let (calm, journal) = whole(World::Slope, &protocol, 1);
    let verdicts = |state: &State| -> Vec<_> {
        let all = state.experiments.iter();
        all.map(|one| {
            (
                one.proposed.settings.clone(),
                one.decided.as_ref().map(|d| d.verdict),
            )
        })
        .collect()
    };
    for crash in 0..journal.events.len() {
        let mut journal = MemoryJournal::default();
        let crashed = session(World::Slope, &protocol, &mut journal, 1, Some(crash), false);
        assert!(
            crashed.is_none(),
            "the crash after {crash} events did not happen"
        );
        let (end, state) = session(World::Slope, &protocol, &mut journal, 1, None, false).unwrap();
        assert_eq!(end, End::Finished);
        assert_eq!(
            verdicts(&state),
            verdicts(&calm),
            "after a crash at event {crash}"
        );
        assert_eq!(
            state.claimed.as_ref().unwrap().finding,
            calm.claimed.as_ref().unwrap().finding
        );
        assert!(state.runs.iter().filter(|run| run.voided.is_some()).count() <= 1);
    }
}

#[test]
fn a_stop_ends_in_order_and_the_next_session_goes_on() {
    let protocol = protocol(5, 6);
    let mut journal = MemoryJournal::default();
    let (end, _) = session(World::Slope, &protocol, &mut journal, 2, None, true).unwrap();
    assert_eq!(end, End::Interrupted);
    assert!(matches!(
        journal.events.last().unwrap().2,
        Body::SessionEnded(_)
    ));
    let (end, state) = session(World::Slope, &protocol, &mut journal, 2, None, false).unwrap();
    assert_eq!(end, End::Finished);
    assert_eq!(state.sessions.len(), 2);
}

#[test]
fn a_budget_keeps_back_what_the_confirmation_needs() {
    let mut protocol = protocol(1, 10_000);
    protocol.budget.cpu = Some(std::time::Duration::from_millis(1_100));
    let (state, _) = whole(World::Slope, &protocol, 2);
    assert!(state.cpu_ms <= 1_100, "{} ms spent", state.cpu_ms);
    assert!(state.claimed.as_ref().unwrap().finding.confirmed);
    assert!(state.search_ended.as_ref().unwrap().contains("cpu budget"));
}

#[test]
fn a_budget_too_small_for_anything_ends_the_study_cut_short() {
    let mut protocol = protocol(1, 10);
    protocol.budget.cpu = Some(std::time::Duration::from_millis(35));
    let (state, _) = whole(World::Slope, &protocol, 1);
    let finished = state.finished.unwrap();
    assert!(
        finished.cut_short && !finished.satisfied,
        "{}",
        finished.why
    );
    assert!(state.runs.len() <= 3);
}

#[test]
fn a_finished_space_ends_the_search() {
    let mut protocol = protocol(1, 50);
    protocol.space = Space::new(vec![Knob {
        name: "x".into(),
        kind: KnobKind::Integer {
            low: 0,
            high: 3,
            scale: Scale::Linear,
        },
        condition: None,
    }])
    .unwrap();
    protocol.start = Settings::from([("x".into(), Setting::Integer(3))]);
    let (state, _) = whole(World::Slope, &protocol, 2);
    assert_eq!(state.proposals, 3);
    assert!(
        state
            .search_ended
            .as_ref()
            .unwrap()
            .contains("every setting")
    );
    let best = state.settings(state.best).unwrap();
    assert_eq!(best["x"], Setting::Integer(0));
}

#[test]
fn two_receipts_for_one_run_are_refused() {
    let (_, mut journal) = whole(World::Slope, &protocol(1, 3), 1);
    let receipt = journal.events.iter().find_map(|(_, _, body)| match body {
        Body::RunFinished(finished) if finished.run == RunId(2) => Some(body.clone()),
        _ => None,
    });
    let next = journal.events.len() as u64 + 1;
    journal.append(vec![receipt.unwrap()]).unwrap();
    let mut state = State::default();
    let fault = journal
        .events
        .iter()
        .find_map(|(seq, at, body)| state.apply(*seq, *at, body.clone()).err())
        .unwrap();
    assert_eq!(fault.seq, next);
    assert!(fault.problem.contains("r2 has two receipts"));
}

#[test]
fn the_stop_flag_is_seen_while_the_study_runs() {
    struct StopAfter(u32, Arc<AtomicBool>);
    impl Observer for StopAfter {
        fn event(&mut self, state: &State, _: u64, _: i64, _: &Body) {
            if state.proposals >= self.0 {
                self.1.store(true, Ordering::Relaxed);
            }
        }
        fn tick(&mut self, _: &State, _: &Live) {}
    }
    let protocol = protocol(1, 50);
    let stop = Arc::new(AtomicBool::new(false));
    let mut journal = MemoryJournal::default();
    journal
        .append(vec![opened(&protocol).into(), started(2).into()])
        .unwrap();
    let driver = Driver {
        state: fold(&journal),
        journal: &mut journal,
        protocol: &protocol,
        researcher: &Random,
        agent: None,
        executor: Arc::new(Machine(World::Slope)),
        slots: vec![vec![0], vec![1]],
        threads: 1,
        stop: Arc::clone(&stop),
        time: &SinceMade::default(),
        observer: &mut StopAfter(5, stop),
    };
    let (end, state) = driver.drive().unwrap();
    assert_eq!(end, End::Interrupted);
    assert!((5..50).contains(&state.proposals));
    assert!(
        state.runs.iter().all(|run| run.finished.is_some()),
        "a run has no receipt"
    );
}

#[test]
fn a_researcher_sees_every_measured_experiment() {
    let protocol = protocol(1, 6);
    let (state, _) = whole(World::Slope, &protocol, 1);
    let history = lyceum_study::engine::history(&state, &protocol);
    assert_eq!(
        history.len(),
        7,
        "the start and six proposals, one look each or more"
    );
}

#[test]
fn the_sealed_split_is_measured_even_when_the_budget_ends_the_ablation() {
    let mut cut = 0;
    for cpu in (400..1_200).step_by(40) {
        let mut protocol = protocol(1, 10);
        protocol.ablation_pairs = 5;
        protocol.budget.cpu = Some(std::time::Duration::from_millis(cpu));
        let (state, _) = whole(World::Slope, &protocol, 2);
        assert!(state.cpu_ms <= cpu, "{} of {cpu} ms spent", state.cpu_ms);
        if state
            .claimed
            .as_ref()
            .is_some_and(|claim| claim.finding.confirmed)
        {
            let sealed = state.sealed.as_ref().unwrap();
            let measured = |run: &RunId| state.run(*run).unwrap().sealed_value("loss").is_some();
            assert!(
                sealed.start.iter().chain(&sealed.winner).all(measured),
                "at {cpu} ms"
            );
            cut += u32::from(state.ablated.iter().any(|one| one.pairs.len() < 5));
        }
    }
    assert!(
        cut > 0,
        "no budget ended an ablation: the test shows nothing"
    );
}

#[test]
fn a_study_without_knobs_measures_its_floor_and_says_why_it_ends() {
    let mut protocol = protocol(1, 6);
    protocol.space = Space::default();
    protocol.start = Settings::new();
    let (state, _) = whole(World::Slope, &protocol, 2);
    assert!(state.search_ended.as_ref().unwrap().contains("no knobs"));
    assert_eq!(state.proposals, 0);
    assert!(!state.finished.unwrap().satisfied);
}

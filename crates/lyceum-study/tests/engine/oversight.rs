//! What oversight changes in the loop: a blocked run decides nothing, and acceptance halts when nobody follows.

use std::sync::{Arc, atomic::AtomicBool};

use lyceum_search::Random;
use lyceum_study::engine::{
    Broken, Cut, Driver, End, Executor, Journal as _, MeasureEnd, MeasureTask, MemoryJournal,
    Protocol, RunTask, SinceMade, State, Tell,
};
use lyceum_types::{
    AutonomyLent, Body, Class, Detector, ExperimentId, Explained, Level, Observed, OversightBegan,
    RunFinished, Seed, Verdict,
};

use crate::support::{Machine, Silent, World, fold, opened, protocol, session, started};

fn began(debt_max: u32) -> Body {
    let body = OversightBegan {
        rules: 1,
        fired: vec![],
        silent: vec![],
        debt_max,
        autonomy: None,
    };
    body.into()
}

/// Begins a session at this level of autonomy.
fn begins_at(level: Level) -> Body {
    let body = OversightBegan {
        rules: 1,
        fired: vec![],
        silent: vec![],
        debt_max: 20,
        autonomy: Some(level),
    };
    body.into()
}

fn lent() -> Body {
    AutonomyLent { why: String::new() }.into()
}

#[test]
fn at_the_lowest_level_it_proposes_and_runs_what_a_person_lets_it_run() {
    let protocol = protocol(1, 4);
    let mut journal = MemoryJournal::default();
    let first = vec![opened(&protocol).into(), begins_at(Level::L0)];
    journal.append(first).unwrap();
    for experiments in 1..=4 {
        let (end, state) = session(World::Slope, &protocol, &mut journal, 2, None, false).unwrap();
        assert_eq!(end, End::Held);
        assert_eq!(state.experiments.len(), experiments, "one proposal waits");
        let waiting = state.experiments.last().unwrap();
        assert!(waiting.runs.is_empty(), "and has not run");
        let before = &state.experiments[..experiments - 1];
        assert!(before.iter().all(|one| !one.runs.is_empty()));
        assert!(!state.waits_for_a_person(), "it may propose");
        journal.append(vec![lent()]).unwrap();
    }
}

#[test]
fn at_the_first_level_it_runs_and_accepts_nothing() {
    let protocol = protocol(1, 12);
    let mut journal = MemoryJournal::default();
    let first = vec![opened(&protocol).into(), begins_at(Level::L1)];
    journal.append(first).unwrap();
    let (end, state) = session(World::Slope, &protocol, &mut journal, 1, None, false).unwrap();
    assert_eq!(
        (end, state.proposals, state.best),
        (End::Finished, 12, ExperimentId(0))
    );
    let mut decided = state.searched().filter_map(|one| one.decided.as_ref());
    let held = decided
        .find(|one| one.verdict == Verdict::Inconclusive)
        .unwrap();
    assert!(
        held.why
            .contains("at autonomy level L1 nothing is accepted"),
        "{}",
        held.why
    );
}

#[test]
fn up_to_the_second_level_each_further_session_is_lent_by_a_person() {
    let waits = |level, bodies: Vec<Body>| {
        let mut journal = MemoryJournal::default();
        let first = vec![
            opened(&protocol(1, 2)).into(),
            started(1).into(),
            begins_at(level),
        ];
        journal.append([first, bodies].concat()).unwrap();
        fold(&journal).waits_for_a_person()
    };
    let expected = [
        (Level::L1, true),
        (Level::L2, true),
        (Level::L3, false),
        (Level::L4, false),
    ];
    for (level, waiting) in expected {
        assert_eq!(waits(level, vec![]), waiting, "{level}");
        assert!(!waits(level, vec![lent()]));
    }
    assert!(
        waits(Level::L2, vec![lent(), started(1).into()]),
        "a word is for one session"
    );
    assert!(!waits(Level::L0, vec![]), "there it may propose");
}

/// A machine whose proposals open a decoy on some seeds.
struct Peeking {
    machine: Machine,
    seeds: Vec<Seed>,
}

impl Executor for Peeking {
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        let mut finished = self.machine.run(task, cut, tell)?;
        let mut observed = Observed::default();
        if task.experiment != ExperimentId(0) && self.seeds.contains(&task.seed) {
            observed.decoys_opened = vec!["/private/answers.json".into()];
        }
        finished.observed = Some(Box::new(observed));
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        self.machine.measure(task, cut)
    }
}

fn peeking(protocol: &Protocol, seeds: Vec<Seed>) -> State {
    let mut journal = MemoryJournal::default();
    let first = vec![opened(protocol).into(), started(1).into()];
    journal.append(first).unwrap();
    let machine = Machine(World::Slope);
    let driver = Driver {
        state: fold(&journal),
        journal: &mut journal,
        protocol,
        researcher: &Random,
        agent: None,
        executor: Arc::new(Peeking { machine, seeds }),
        slots: vec![vec![0]],
        threads: 1,
        stop: Arc::new(AtomicBool::new(false)),
        time: &SinceMade::default(),
        observer: &mut Silent,
    };
    let (end, state) = driver.drive().unwrap();
    assert_eq!(end, End::Finished);
    assert!(state.to_raise.is_empty(), "all that follows was written");
    state
}

#[test]
fn no_claim_stands_on_a_winner_that_was_blocked() {
    let protocol = protocol(1, 12);
    let seeds = vec![protocol.confirm_seed(0)];
    let state = peeking(&protocol, seeds);
    let claim = state.claimed.as_ref().unwrap();
    assert!(!claim.finding.confirmed && claim.finding.why.starts_with("void: D02"));
    assert!(!state.graded[0].satisfied && state.graded[0].why.starts_with("void: D02"));
    assert!(!state.finished.as_ref().unwrap().satisfied);
    assert_eq!(state.level, Level::L2, "it falls by itself");
    let (_, raised) = &state.incidents[0];
    assert_eq!(
        (raised.detector, raised.class),
        (Detector::AccessTripwire, Class::Block)
    );
}

#[test]
fn a_blocked_look_is_void_and_never_a_value() {
    let protocol = protocol(2, 6);
    let state = peeking(&protocol, vec![protocol.look_seed(0)]);
    for one in state.searched() {
        let decided = one.decided.as_ref().unwrap();
        assert_eq!((decided.verdict, decided.gain), (Verdict::Void, None));
        assert!(state.looks(decided.experiment, "loss").is_empty());
    }
    assert_eq!((state.best, state.claimed), (ExperimentId(0), None));
    assert_eq!(state.level, Level::L0);
}

#[test]
fn acceptance_halts_while_experiments_go_on_until_somebody_explains() {
    let protocol = protocol(1, 12);
    let mut journal = MemoryJournal::default();
    let first = vec![opened(&protocol).into(), began(1)];
    journal.append(first).unwrap();
    let (_, state) = session(World::Slope, &protocol, &mut journal, 1, None, false).unwrap();
    let verdict = |wanted| {
        let mut decided = state.searched().filter_map(|one| one.decided.as_ref());
        decided.find(|one| one.verdict == wanted)
    };
    let kept = state.searched().filter(|one| {
        one.decided
            .as_ref()
            .is_some_and(|one| one.verdict == Verdict::Kept)
    });
    assert_eq!((kept.count(), state.debt), (1, 1));
    assert_eq!(state.proposals, 12, "experiments go on");
    let halted = verdict(Verdict::Inconclusive).unwrap();
    assert!(
        halted.why.contains("wait to be explained back"),
        "{}",
        halted.why
    );
    let mut state = fold(&journal);
    assert_eq!(state.acceptance_halts(), Some(1));
    let explained = |passed| Explained {
        tries: 0,
        answers: vec![],
        right: 0,
        passed,
    };
    for (passed, halts) in [(false, Some(1)), (true, None)] {
        let seq = state.last_seq + 1;
        state.apply(seq, 0, explained(passed).into()).unwrap();
        assert_eq!(state.acceptance_halts(), halts);
    }
}

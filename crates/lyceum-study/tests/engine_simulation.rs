//! The loop over a simulated machine: the journal is memory and a run is a formula, so that thousands of studies and a
//! crash after every event can be played through.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lyceum_search::{Random, Researcher};
use lyceum_stats::Rule;
use lyceum_study::engine::{
    Broken, Budget, Criterion, Cut, Driver, End, Executor, Journal, JournalError, Live, MeasureEnd,
    MeasureTask, MemoryJournal, Observer, Protocol, RunTask, State,
};
use lyceum_types::{
    Body, FailureReason, Goal, Knob, KnobKind, MachineFacts, Measured, Outcome, Output,
    RunFinished, RunId, RunMeasured, RunVoided, Scale, Seed, SessionStarted, Setting, Settings,
    Space, Split, StudyOpened, Trust, Usage, Verdict,
};

/// What the simulated candidate's metric is.
#[derive(Clone, Copy)]
enum World {
    /// Pure noise: no setting matters.
    Null,
    /// Lower `x` is better by far more than the noise; `y` does nothing.
    Slope,
    /// The unchanged workspace fails.
    Dead,
    /// Settings with `x` above one half fail.
    Cliff,
    /// As `Slope`, and the evaluator answers with no finite number when `y` is above one half.
    Nan,
}

struct Machine(World);

fn noise(seed: Seed, settings: &Settings) -> f64 {
    let mut key = seed;
    for (name, value) in settings {
        key = key.derive(name, value.number().unwrap_or(0.0).to_bits());
    }
    // Irwin–Hall: the sum of twelve uniforms has variance 1.
    (0..12)
        .map(|i| key.derive("n", i).0 as f64 / (1_u64 << 53) as f64)
        .sum::<f64>()
        - 6.0
}

fn number(settings: &Settings, name: &str) -> f64 {
    settings.get(name).and_then(Setting::number).unwrap_or(0.0)
}

impl Executor for Machine {
    fn run(&self, task: &RunTask, cut: &Cut) -> Result<RunFinished, Broken> {
        let (x, y) = (number(&task.settings, "x"), number(&task.settings, "y"));
        let value = match self.0 {
            World::Null => 5.0 + noise(task.seed, &task.settings),
            _ => x + 0.01 * noise(task.seed, &task.settings),
        };
        let fails = match self.0 {
            World::Dead => true,
            World::Cliff => x > 0.5 && x < 0.9,
            World::Null | World::Slope | World::Nan => false,
        };
        let outcome = match cut.cause() {
            Some(cause) => Outcome::Cut { cause },
            None if fails => Outcome::Failed(FailureReason::Exit { code: 1 }),
            None => Outcome::Completed,
        };
        let shown = if matches!(self.0, World::Nan) && y > 0.5 {
            f64::NAN
        } else {
            value
        };
        Ok(RunFinished {
            run: task.run,
            outcome,
            usage: Usage {
                wall_ms: 10,
                cpu_ms: 10,
                peak_memory_bytes: 1,
                printed_bytes: 0,
            },
            outputs: vec![Output {
                name: shown.to_bits().to_string(),
                blob: String::new(),
                bytes: 1,
                executable: false,
            }],
            reported: BTreeMap::new(),
            log: String::new(),
            policy: String::new(),
        })
    }

    fn measure(&self, task: &MeasureTask, _: &Cut) -> Result<MeasureEnd, Broken> {
        let value = f64::from_bits(task.finished.outputs[0].name.parse().unwrap());
        let measured = if value.is_finite() {
            Measured::Values {
                values: BTreeMap::from([("loss".to_owned(), value)]),
            }
        } else {
            Measured::Failed(FailureReason::NotFinite {
                metric: "loss".into(),
                found: "nan".into(),
            })
        };
        Ok(MeasureEnd::Measured(RunMeasured {
            run: task.finished.run,
            split: task.split,
            trust: if task.split == Split::Sealed {
                Trust::Sealed
            } else {
                Trust::Measured
            },
            measured,
            fresh: None,
            usage: Usage {
                wall_ms: 1,
                cpu_ms: 1,
                peak_memory_bytes: 1,
                printed_bytes: 0,
            },
            log: String::new(),
        }))
    }
}

fn protocol(seed: u64, experiments: u32) -> Protocol {
    let knob = |name: &str| Knob {
        name: name.into(),
        kind: KnobKind::Float {
            low: 0.0,
            high: 1.0,
            scale: Scale::Linear,
        },
        condition: None,
    };
    Protocol {
        metric: "loss".into(),
        goal: Goal::Minimize,
        trust: Trust::Measured,
        space: Space::new(vec![knob("x"), knob("y")]).unwrap(),
        start: Settings::from([
            ("x".into(), Setting::Float(0.95)),
            ("y".into(), Setting::Float(0.25)),
        ]),
        seed: Seed(seed),
        rule: Rule::Adaptive,
        floor_runs_max: 5,
        repeats_max: 3,
        confirm_pairs_max: 10,
        alpha: 0.05,
        ablation_pairs: 3,
        sealed: true,
        budget: Budget {
            experiments,
            wall: None,
            cpu: None,
            disk: None,
        },
        rubric: vec![Criterion::Improvement {
            at_least: 0.0,
            confidence: 0.95,
        }],
    }
}

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &State, _: u64, _: i64, _: &Body) {}
    fn tick(&mut self, _: &State, _: &Live) {}
}

/// A journal that refuses to write after a number of events: the crash.
struct Crashing<'a> {
    inner: &'a mut MemoryJournal,
    left: usize,
}

impl Journal for Crashing<'_> {
    fn append(&mut self, bodies: Vec<Body>) -> Result<Vec<(u64, i64, Body)>, JournalError> {
        if self.left < bodies.len() {
            return Err(JournalError::Encode(
                serde_json::from_str::<u8>("crash").unwrap_err(),
            ));
        }
        self.left -= bodies.len();
        self.inner.append(bodies)
    }
}

fn opened(protocol: &Protocol) -> StudyOpened {
    StudyOpened {
        study: "simulated".into(),
        question: "?".into(),
        directory: String::new(),
        definition: String::new(),
        workspace: String::new(),
        workspace_files: 0,
        evaluator: String::new(),
        metric: protocol.metric.clone(),
        goal: protocol.goal,
        unit: String::new(),
        trust: protocol.trust,
        seed: protocol.seed,
        researcher: "random".into(),
        rule: "adaptive".into(),
        start: protocol.start.clone(),
        lyceum: String::new(),
    }
}

fn started(slots: u32) -> SessionStarted {
    SessionStarted {
        pid: 1,
        slots,
        sandbox: String::new(),
        machine: MachineFacts::default(),
        binary: String::new(),
        lyceum: String::new(),
    }
}

fn fold(journal: &MemoryJournal) -> State {
    let mut state = State::default();
    for (seq, at, body) in &journal.events {
        state.apply(*seq, *at, body.clone()).unwrap();
    }
    state
}

/// One process of the lab: opens or goes on, voids what has no receipt, drives until the end or the crash.
fn session(
    world: World,
    protocol: &Protocol,
    journal: &mut MemoryJournal,
    slots: usize,
    crash_after: Option<usize>,
    stop: bool,
) -> Option<(End, State)> {
    let mut writer = Crashing {
        inner: journal,
        left: crash_after.unwrap_or(usize::MAX),
    };
    let state = fold(writer.inner);
    let mut first: Vec<Body> = Vec::new();
    if state.opened.is_none() {
        first.push(opened(protocol).into());
    }
    first.push(started(slots as u32).into());
    for run in state
        .runs
        .iter()
        .filter(|run| run.finished.is_none() && run.voided.is_none())
    {
        first.push(
            RunVoided {
                run: run.id,
                why: "crash".into(),
            }
            .into(),
        );
    }
    writer.append(first).ok()?;
    let state = fold(writer.inner);
    let driver = Driver {
        journal: &mut writer,
        state,
        protocol,
        researcher: &Random as &dyn Researcher,
        executor: Arc::new(Machine(world)),
        slots: (0..slots).map(|slot| vec![slot]).collect(),
        threads: 1,
        stop: Arc::new(AtomicBool::new(stop)),
        observer: &mut Silent,
    };
    match driver.drive() {
        Ok(done) => Some(done),
        Err(error) => {
            assert!(error.to_string().contains("JSON"), "{error}");
            None
        }
    }
}

fn whole(world: World, protocol: &Protocol, slots: usize) -> (State, MemoryJournal) {
    let mut journal = MemoryJournal::default();
    let (end, state) = session(world, protocol, &mut journal, slots, None, false).unwrap();
    assert_eq!(end, End::Finished);
    (state, journal)
}

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
        executor: Arc::new(Machine(World::Slope)),
        slots: vec![vec![0], vec![1]],
        threads: 1,
        stop: Arc::clone(&stop),
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

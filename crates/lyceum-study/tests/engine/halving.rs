//! Runs that report as they go, and are stopped early.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use lyceum_search::by_name;
use lyceum_study::engine::{
    Broken, Cut, Driver, End, Executor, Halving, MeasureEnd, MeasureTask, MemoryJournal, Protocol,
    Report, RunTask, STOPPED_EARLY, SinceMade, State, Tell, history, judge,
};
use lyceum_types::{
    Body, ExperimentId, Goal, Outcome, Purpose, RunFinished, RunId, RunReported, RunVoided, Verdict,
};

use crate::support::{Machine, Silent, World, fold, opened, protocol, session, started, whole};

fn halved(seed: u64, experiments: u32) -> Protocol {
    Protocol {
        halving: Some(Halving {
            reduction: 3,
            min: 1,
            max: 27,
            unit: "steps".into(),
        }),
        ..protocol(seed, experiments)
    }
}

fn reports(journal: &MemoryJournal) -> Vec<RunReported> {
    let bodies = journal.events.iter();
    let reported = bodies.filter_map(|(_, _, body)| match body {
        Body::RunReported(reported) => Some(reported.clone()),
        _ => None,
    });
    reported.collect()
}

fn verdict(state: &State, id: u32) -> Verdict {
    let decided = state.experiments[id as usize].decided.as_ref();
    decided.unwrap().verdict
}

#[test]
fn what_falls_behind_is_stopped_and_is_neither_a_failure_nor_a_score() {
    for slots in [1, 2] {
        let (state, journal) = whole(World::Slope, &halved(1, 20), slots);
        let stopped: Vec<_> = state
            .searched()
            .filter(|one| one.decided.as_ref().unwrap().verdict == Verdict::StoppedEarly)
            .collect();
        assert!((5..20).contains(&stopped.len()), "{} of 20", stopped.len());
        for one in stopped {
            let (id, decided) = (one.proposed.experiment, one.decided.as_ref().unwrap());
            assert_eq!((decided.gain, one.runs.len()), (None, 1));
            assert!(state.looks(id, "loss").is_empty(), "{id} has a value");
            let run = state.run(one.runs[0]).unwrap();
            assert_eq!((run.failure(), run.needs_measure()), (None, false));
            let reported = run.stopped().unwrap();
            assert!(reported.place > (reported.among / 3).max(1), "{reported:?}");
            assert_eq!(decided.why, reported.why);
            assert!(
                decided.why.starts_with("stopped early at "),
                "{}",
                decided.why
            );
        }
        let all = reports(&journal);
        assert!(all.iter().all(|one| [1, 3, 9].contains(&one.step)));
        let compared = |one: &RunReported| {
            let run = state.run(one.run).unwrap();
            run.purpose == Purpose::Search || run.id == RunId(1)
        };
        assert!(all.iter().all(compared), "only first looks are compared");
        assert!(
            !all.iter().any(|one| one.stopped && one.run == RunId(1)),
            "the start always runs to its end"
        );
        let claim = state.claimed.as_ref().unwrap();
        assert!(claim.finding.confirmed, "{}", claim.finding.why);
        let sides = claim
            .pairs
            .iter()
            .flat_map(|pair| [pair.base_run, pair.other_run]);
        for run in sides {
            assert!(
                state.run(run).unwrap().reports.is_empty(),
                "a pair was compared"
            );
        }
    }
}

#[test]
fn the_search_sees_a_stopped_run_as_what_it_is() {
    let protocol = halved(1, 20);
    let (state, _) = whole(World::Slope, &protocol, 1);
    for trial in history(&state, &protocol) {
        let stopped = trial.experiment != ExperimentId(0)
            && verdict(&state, trial.experiment.0) == Verdict::StoppedEarly;
        let shown = matches!(
            trial.result,
            lyceum_search::TrialResult::StoppedEarly {
                reported: Some(_),
                ..
            }
        );
        assert_eq!(shown, stopped, "{}", trial.experiment);
    }
}

#[test]
fn equals_all_go_on_and_what_is_no_number_goes_no_further() {
    let (state, journal) = whole(World::Exact, &halved(3, 12), 1);
    let said = reports(&journal);
    assert!(said.iter().all(|one| one.value.is_some()));
    let tied = said.iter().filter(|one| one.place == 1).count();
    assert!(tied > 3 && state.searched().count() == 12);
    let (state, journal) = whole(World::Nan, &halved(2, 8), 1);
    for one in reports(&journal) {
        assert_eq!((one.value, one.stopped), (None, one.run != RunId(1)));
    }
    assert!((1..=8).all(|id| verdict(&state, id) == Verdict::StoppedEarly));
    assert_eq!(state.best, ExperimentId(0));
}

#[test]
fn without_halving_nothing_is_listened_to_and_nothing_stopped() {
    let (state, journal) = whole(World::Slope, &protocol(1, 12), 1);
    assert!(reports(&journal).is_empty());
    assert!(state.runs.iter().all(|run| run.stopped().is_none()));
}

#[test]
fn a_crash_after_any_event_ends_in_the_same_stops() {
    let protocol = halved(7, 6);
    let (calm, journal) = whole(World::Slope, &protocol, 1);
    let known = |state: &State| -> Vec<_> {
        let all = state.experiments.iter();
        all.map(|one| {
            let decided = one.decided.as_ref();
            let settings = one.proposed.settings.clone();
            (settings, decided.map(|one| (one.verdict, one.why.clone())))
        })
        .collect()
    };
    let expected = known(&calm);
    let stopped = expected.iter().flat_map(|(_, one)| one);
    assert!(
        stopped
            .clone()
            .any(|(one, _)| *one == Verdict::StoppedEarly)
    );
    for crash in 0..journal.events.len() {
        let mut journal = MemoryJournal::default();
        let crashed = session(World::Slope, &protocol, &mut journal, 1, Some(crash), false);
        assert!(crashed.is_none(), "no crash after {crash} events");
        let (end, state) = session(World::Slope, &protocol, &mut journal, 1, None, false).unwrap();
        assert_eq!(end, End::Finished);
        assert_eq!(known(&state), expected, "after {crash} events");
    }
}

/// Says what it is told to, and notes why it was cut.
struct Saying {
    reports: Vec<Report>,
    causes: Mutex<Vec<Option<String>>>,
}

impl Executor for Saying {
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        if task.experiment == ExperimentId(0) {
            return Machine(World::Slope).run(task, cut, tell);
        }
        self.reports.iter().for_each(|report| tell(*report));
        // A run is cut while it goes on: waits for the lab's word as a real one would.
        while cut.cause().is_none() {
            std::thread::yield_now();
        }
        self.causes.lock().unwrap().push(cut.cause());
        Machine(World::Slope).run(task, cut, &|_| ())
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        Machine(World::Slope).measure(task, cut)
    }
}

fn report(step: u64, value: f64) -> Report {
    Report { step, value }
}

#[test]
fn a_run_that_is_stopped_is_ended_at_once_and_says_nothing_more() {
    let reports = vec![report(3, 1e9), report(9, -1e9), report(26, -1e9)];
    let executor = Arc::new(Saying {
        reports,
        causes: Mutex::default(),
    });
    let protocol = halved(4, 3);
    let mut journal = MemoryJournal::default();
    let first = vec![opened(&protocol).into(), started(1).into()];
    lyceum_study::engine::Journal::append(&mut journal, first).unwrap();
    let state = fold(&journal);
    let researcher = by_name("asha:gp").unwrap();
    let driver = Driver {
        journal: &mut journal,
        state,
        protocol: &protocol,
        researcher: researcher.as_ref(),
        agent: None,
        executor: Arc::clone(&executor) as Arc<dyn Executor>,
        slots: vec![vec![0]],
        threads: 1,
        stop: Arc::new(AtomicBool::new(false)),
        time: &SinceMade::default(),
        observer: &mut Silent,
    };
    let (_, state) = driver.drive().unwrap();
    let causes = executor.causes.lock().unwrap();
    assert_eq!(*causes, vec![Some(STOPPED_EARLY.to_owned()); 3]);
    for run in state
        .runs
        .iter()
        .filter(|run| run.purpose == Purpose::Search)
    {
        assert_eq!(run.reports.len(), 1);
        let outcome = &run.finished.as_ref().unwrap().outcome;
        assert!(matches!(outcome, Outcome::Cut { cause } if cause == STOPPED_EARLY));
    }
    assert!((1..=3).all(|id| verdict(&state, id) == Verdict::StoppedEarly));
}

/// Returns the state just after the start of a run of this experiment, with the calm study before it.
fn just_started(protocol: &Protocol, id: u32) -> (State, RunId) {
    let (_, journal) = whole(World::Slope, protocol, 1);
    let mut state = State::default();
    for (seq, at, body) in journal.events {
        let found = match &body {
            Body::RunStarted(one) if one.experiment.0 == id => Some(one.run),
            _ => None,
        };
        state.apply(seq, at, body).unwrap();
        if let Some(run) = found {
            return (state, run);
        }
    }
    panic!("no run of e{id}");
}

#[test]
fn a_report_that_does_not_follow_is_not_heard() {
    let protocol = halved(1, 6);
    let (mut state, run) = just_started(&protocol, 4);
    let heard = |state: &State, run, step, value| judge(state, &protocol, run, report(step, value));
    for step in [0, 27, 28, u64::MAX] {
        assert_eq!(heard(&state, run, step, -1.0), None, "step {step}");
    }
    assert_eq!(heard(&state, RunId(99), 3, -1.0), None, "no such run");
    assert_eq!(heard(&state, RunId(0), 3, -1.0), None, "no such run");
    assert_eq!(heard(&state, RunId(1), 3, -1.0), None, "it has ended");
    let said = heard(&state, run, 5, -1.0).unwrap();
    assert_eq!(
        (said.rung, said.step, said.place, said.stopped),
        (1, 5, 1, false)
    );
    let seq = state.last_seq + 1;
    state.apply(seq, 0, said.clone().into()).unwrap();
    assert_eq!(heard(&state, run, 8, -9.0), None, "it has passed that rung");
    assert_eq!(heard(&state, run, 1, -9.0), None, "a run does not go back");
    assert!(state.clone().apply(seq + 1, 0, said.into()).is_err());
    let stop = heard(&state, run, 9, f64::INFINITY).unwrap();
    assert!(stop.stopped && stop.value.is_none(), "{stop:?}");
    state.apply(seq + 1, 0, stop.into()).unwrap();
    assert_eq!(heard(&state, run, 26, -9.0), None, "it was stopped");
    let voided = RunVoided {
        run,
        why: "crash".into(),
        cpu_ms: 5,
    };
    let cpu = state.cpu_ms;
    state.apply(seq + 2, 0, voided.into()).unwrap();
    assert_eq!(state.cpu_ms, cpu + 5, "what it used is counted");
    let run = state.run(run).unwrap();
    assert!(
        run.counts() && run.is_settled(),
        "the stop stands, however the run ended"
    );
}

#[test]
fn the_better_direction_is_the_metrics_own() {
    let mut protocol = halved(1, 6);
    let (state, run) = just_started(&protocol, 4);
    let least = judge(&state, &protocol, run, report(1, -1e6)).unwrap();
    protocol.goal = Goal::Maximize;
    let most = judge(&state, &protocol, run, report(1, -1e6)).unwrap();
    assert_eq!((least.place, least.stopped), (1, false));
    assert_eq!((most.place, most.stopped), (most.among, true));
}

//! Budgets in flight: no task uses more than it was allowed, what was cut decides nothing, and the study always ends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use lyceum_search::Random;
use lyceum_study::engine::{
    Allowance, Broken, Cut, Driver, End, Executor, Journal as _, MeasureEnd, MeasureTask,
    MemoryJournal, Protocol, Resource, RunTask, SinceMade, State, Tell, settle,
};
use lyceum_types::{
    Body, MeasureCut, Measured, Outcome, OutcomeResult, Role, RunFinished, RunMeasured, Split,
    Trust, Usage,
};

use crate::support::{Machine, Silent, World, fold, opened, protocol, started};

/// Runs as the simulated machine does, for a CPU time that depends on the seed, and is cut by its allowance.
struct Metered {
    /// Mean CPU time of a run and of a measurement, in milliseconds.
    run_ms: u64,
    measure_ms: u64,
    /// What the tasks in flight were allowed together, and the most that ever was.
    held: AtomicU64,
    held_most: AtomicU64,
}

impl Metered {
    /// Holds the allowance while the task runs; returns what the task used and whether it was cut.
    fn work(&self, need: u64, allowance: &Allowance) -> (Usage, bool) {
        let allowed = allowance.cpu.map(|all| all.as_millis() as u64);
        let held = allowed.unwrap_or(0);
        let now = self.held.fetch_add(held, Ordering::SeqCst) + held;
        self.held_most.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(200));
        self.held.fetch_sub(held, Ordering::SeqCst);
        let cut = allowed.is_some_and(|allowed| need > allowed);
        let cpu_ms = allowed.map_or(need, |allowed| need.min(allowed));
        let usage = Usage {
            cpu_ms,
            ..Usage::default()
        };
        (usage, cut)
    }
}

impl Executor for Metered {
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        let mut finished = Machine(World::Slope).run(task, cut, tell)?;
        // One in eight takes four times as long.
        let factor = if task.seed.derive("slow", 0).0.is_multiple_of(8) {
            4
        } else {
            1
        };
        let (usage, spent) = self.work(self.run_ms * factor, &task.allowance);
        finished.usage = usage;
        if spent {
            finished.outputs.clear();
            let cause = Resource::Cpu.cause().to_owned();
            finished.outcome = Outcome::Cut { cause };
        }
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, _: &Cut) -> Result<MeasureEnd, Broken> {
        let (usage, spent) = self.work(self.measure_ms, &task.allowance);
        if spent {
            return Ok(MeasureEnd::Cut(MeasureCut {
                run: task.finished.run,
                split: task.split,
                cause: Resource::Cpu.cause().to_owned(),
                usage,
            }));
        }
        let value = task.finished.outputs[0].name.parse().map(f64::from_bits);
        Ok(MeasureEnd::Measured(RunMeasured {
            run: task.finished.run,
            split: task.split,
            trust: if task.split == Split::Sealed {
                Trust::Sealed
            } else {
                Trust::Measured
            },
            measured: Measured::Values {
                values: BTreeMap::from([("loss".to_owned(), value.unwrap())]),
            },
            fresh: None,
            usage,
            log: String::new(),
        }))
    }
}

/// Plays one study through; returns its end and the most that its tasks held at once.
fn play(protocol: &Protocol, slots: usize, run_ms: u64, measure_ms: u64) -> (MemoryJournal, u64) {
    let mut journal = MemoryJournal::default();
    let first = vec![opened(protocol).into(), started(slots as u32).into()];
    journal.append(first).unwrap();
    let executor = Arc::new(Metered {
        run_ms,
        measure_ms,
        held: AtomicU64::new(0),
        held_most: AtomicU64::new(0),
    });
    let driver = Driver {
        state: fold(&journal),
        journal: &mut journal,
        protocol,
        researcher: &Random,
        agent: None,
        executor: Arc::clone(&executor) as Arc<dyn Executor>,
        slots: (0..slots).map(|slot| vec![slot]).collect(),
        threads: 1,
        stop: Arc::new(AtomicBool::new(false)),
        time: &SinceMade::default(),
        observer: &mut Silent,
    };
    let (end, _) = driver.drive().unwrap();
    assert_eq!(end, End::Finished);
    (journal, executor.held_most.load(Ordering::SeqCst))
}

/// Every event that the lab derives follows from those before it, cuts or not.
pub(crate) fn assert_derived(journal: &MemoryJournal, protocol: &Protocol) {
    let mut state = State::default();
    for (seq, at, body) in &journal.events {
        let derived = match body {
            Body::ExperimentProposed(proposed) => proposed.role != Role::Search,
            Body::EvaluationEnded(ended) => ended.result != OutcomeResult::Interrupted,
            Body::Decided(_)
            | Body::Claimed(_)
            | Body::Ablated(_)
            | Body::SealedOpened(_)
            | Body::SealedAnswered(_)
            | Body::Graded(_)
            | Body::EvaluationStarted(_)
            | Body::StudyFinished(_) => true,
            _ => false,
        };
        if derived {
            let again = [false, true].map(|exhausted| settle(&state, protocol, exhausted));
            assert!(again.contains(&Some(body.clone())), "event {seq}: {body:?}");
        }
        state.apply(*seq, *at, body.clone()).unwrap();
    }
}

#[test]
fn a_cpu_budget_of_any_size_is_never_overspent_and_the_study_ends() {
    let (mut cut_runs, mut cut_measures, mut confirmed) = (0, 0, 0);
    for (slots, run_ms, measure_ms) in [(1, 10, 3), (2, 10, 3), (3, 7, 20), (2, 3, 40)] {
        for cpu in (1..1_600).step_by(23) {
            let mut protocol = protocol(cpu, 12);
            protocol.budget.cpu = Some(Duration::from_millis(cpu));
            let (journal, held_most) = play(&protocol, slots, run_ms, measure_ms);
            let state = fold(&journal);
            let budget = format!("{cpu} ms on {slots} slots");
            assert!(state.cpu_ms <= cpu, "{} ms spent of {budget}", state.cpu_ms);
            assert!(
                held_most <= cpu,
                "{held_most} ms allowed at once of {budget}"
            );
            assert!(state.finished.is_some(), "{budget}");
            assert_derived(&journal, &protocol);
            let cut = |body: &Body| matches!(body, Body::MeasureCut(_));
            cut_measures += journal
                .events
                .iter()
                .filter(|(_, _, body)| cut(body))
                .count();
            cut_runs += state.runs.iter().filter(|run| !run.counts()).count();
            confirmed += u32::from(state.claimed.is_some_and(|claim| claim.finding.confirmed));
        }
    }
    assert!(
        cut_runs > 20 && cut_measures > 20,
        "{cut_runs} and {cut_measures}: nothing was tested"
    );
    assert!(
        confirmed > 20,
        "{confirmed} studies could confirm: the budgets were all too small"
    );
}

#[test]
fn a_run_whose_measurement_a_budget_cut_does_not_count_and_is_not_run_again() {
    let mut protocol = protocol(1, 12);
    protocol.budget.cpu = Some(Duration::from_millis(60));
    let (journal, _) = play(&protocol, 1, 10, 60);
    let state = fold(&journal);
    let cut: Vec<_> = state
        .runs
        .iter()
        .filter(|run| run.unmeasured.is_some())
        .collect();
    assert_eq!(cut.len(), 1, "one measurement finds the budget spent");
    assert_eq!(
        cut[0].failure().unwrap(),
        "measurement cut short: the cpu budget is spent"
    );
    assert!(!cut[0].counts() && cut[0].is_settled());
    assert_eq!(state.spent, Some(Resource::Cpu));
    assert_eq!(
        state.runs.last().unwrap().id,
        cut[0].id,
        "nothing was started after it"
    );
    let finished = state.finished.unwrap();
    assert!(
        finished.cut_short && !finished.satisfied,
        "{}",
        finished.why
    );
}

#[test]
fn records_data_and_logs_count_towards_the_disk_budget() {
    let mut protocol = protocol(1, 10_000);
    protocol.budget.disk = Some(100_000);
    let (journal, _) = play(&protocol, 2, 1, 1);
    let state = fold(&journal);
    // Each output here is one byte: what fills this budget is records.
    assert!(state.proposals > 10, "{}", state.proposals);
    assert!(state.search_ended.unwrap().contains("disk budget"));
    let texts = journal
        .events
        .iter()
        .map(|(_, _, body)| body.encode().unwrap().len());
    let written: usize = texts.sum();
    let ratio = state.disk_bytes as f64 / written as f64;
    assert!(
        (0.5..4.0).contains(&ratio),
        "{} counted for {written} written",
        state.disk_bytes
    );
}

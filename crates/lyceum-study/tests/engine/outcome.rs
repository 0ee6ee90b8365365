//! Outcomes: who is judged when, what follows, and that neither a crash nor the lab's own faults change it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use lyceum_search::Random;
use lyceum_study::engine::{
    Agent, Broken, Change, CheckTask, Clause, Criterion, Cut, Driver, End, Error, Executor, HandIn,
    Journal as _, Live, MeasureEnd, MeasureTask, MemoryJournal, NoChange, Observer, OutcomeRules,
    Protocol, Question, RunTask, SinceMade, State, Tell,
};
use lyceum_types::{
    Body, CheckFound, Cited, EvaluationChecked, EvaluationEnded, Execution, ExperimentId, Grade,
    OutcomeDefined, OutcomeResult, RunFinished, RunVoided, Setting, Usage,
};

use crate::{
    budgets::assert_derived,
    support::{Crashing, Machine, World, fold, opened, protocol, started},
};

/// Grades `x` below one half as good; of its checks, those that `fails` names fail for the lab's reasons.
struct Graders {
    world: World,
    fails: fn(u32) -> bool,
    tells: fn(&CheckTask) -> Option<CheckFound>,
    checks: AtomicU32,
}

impl Graders {
    fn of(world: World, fails: fn(u32) -> bool) -> Arc<Graders> {
        Arc::new(Graders {
            world,
            fails,
            tells: |_| None,
            checks: AtomicU32::new(0),
        })
    }

    /// Graders that find this.
    fn that_tell(tells: fn(&CheckTask) -> Option<CheckFound>) -> Arc<Graders> {
        Arc::new(Graders {
            world: World::Slope,
            fails: never,
            tells,
            checks: AtomicU32::new(0),
        })
    }
}

impl Executor for Graders {
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        Machine(self.world).run(task, cut, tell)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        Machine(self.world).measure(task, cut)
    }

    fn check(&self, task: &CheckTask, _: &Cut) -> Result<EvaluationChecked, Broken> {
        let number = self.checks.fetch_add(1, Ordering::Relaxed);
        if (self.fails)(number) {
            return Err(Broken::while_doing("checking")(std::io::Error::other(
                "no space",
            )));
        }
        let x = task.settings.get("x").and_then(Setting::number).unwrap();
        let by_x = || {
            if x < 0.5 {
                CheckFound::Met
            } else {
                CheckFound::Unmet
            }
        };
        let found = (self.tells)(task).unwrap_or_else(by_x);
        Ok(EvaluationChecked {
            iteration: task.iteration,
            criterion: task.criterion,
            found,
            why: format!("x is {x}"),
            runs: task.finished.iter().map(|one| one.run).collect(),
            usage: Usage {
                cpu_ms: 5,
                ..Usage::default()
            },
        })
    }
}

/// Lowers `x` step by step, and hands in after the first and after the third proposal.
struct Worker;

impl Agent for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn propose(&self, question: &Question) -> Result<Change, NoChange> {
        let state = &question.state;
        let (made, handed) = (state.proposals, state.handed_in.len());
        if (made, handed) == (1, 0) || (made, handed) == (3, 1) {
            return Err(NoChange::HandsIn(HandIn {
                claim: format!("good after {made}"),
                call: format!("s#h{handed}"),
                cpu_ms: 7,
            }));
        }
        let mut settings = state
            .settings(lyceum_types::ExperimentId(0))
            .cloned()
            .unwrap();
        settings.insert("x".into(), Setting::Float(0.7 - 0.2 * f64::from(made)));
        Ok(Change {
            settings,
            files: vec![],
            hypothesis: "lower".into(),
            evidence: vec![],
            call: format!("s#p{made}"),
            cpu_ms: 0,
        })
    }

    fn cancel(&self) {}

    fn conclude(&self, _: &State) -> Result<(), Broken> {
        Ok(())
    }
}

fn judged(seed: u64, criteria: Vec<(Criterion, bool, f64)>, at_least: f64) -> Protocol {
    let mut protocol = protocol(seed, 12);
    protocol.sealed = false;
    let clause = |(_, must, weight): &(Criterion, bool, f64)| Clause {
        description: None,
        must: *must,
        weight: *weight,
    };
    protocol.outcome = Some(OutcomeRules {
        iterations_max: 3,
        at_least,
        clauses: criteria.iter().map(clause).collect(),
    });
    protocol.rubric = criteria.into_iter().map(|(one, _, _)| one).collect();
    protocol
}

fn improvement() -> Criterion {
    Criterion::Improvement {
        at_least: 0.0,
        confidence: 0.95,
    }
}

fn command() -> Criterion {
    Criterion::Command {
        words: vec!["check".into()],
        timeout_ms: 1000,
        memory_bytes: 1 << 20,
    }
}

fn all_kinds(seed: u64) -> Protocol {
    let must = |one: Criterion| (one, true, 1.0);
    let replication = Criterion::Replication {
        runs: 2,
        confidence: 0.999,
    };
    judged(
        seed,
        vec![must(improvement()), must(command()), must(replication)],
        0.0,
    )
}

/// Stops the lab when a check begins.
struct StopsAtChecks<'a>(Option<&'a AtomicBool>);

impl Observer for StopsAtChecks<'_> {
    fn event(&mut self, _: &State, _: u64, _: i64, body: &Body) {
        if let (Some(stop), Body::EvaluationOngoing(_)) = (self.0, body) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {}
}

/// One process of the lab, as in `support`, with graders and perhaps a worker.
fn session(
    protocol: &Protocol,
    journal: &mut MemoryJournal,
    graders: &Arc<Graders>,
    agent: Option<&dyn Agent>,
    crash_after: usize,
    stops: bool,
) -> Result<(End, State), Error> {
    let mut writer = Crashing {
        inner: journal,
        left: crash_after,
    };
    let state = fold(writer.inner);
    let mut first: Vec<Body> = Vec::new();
    if state.opened.is_none() {
        first.push(opened(protocol).into());
        let defined = OutcomeDefined {
            rubric: "00".into(),
            criteria: vec![],
            iterations_max: 3,
            experiments: 12,
            private: vec![],
        };
        first.push(defined.into());
    }
    first.push(started(1).into());
    let open = state.runs.iter();
    let open = open.filter(|run| run.finished.is_none() && run.voided.is_none());
    first.extend(open.map(|run| {
        let voided = RunVoided {
            run: run.id,
            why: "crash".into(),
            cpu_ms: 0,
        };
        Body::from(voided)
    }));
    writer.append(first)?;
    let state = fold(writer.inner);
    let stop = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&stop);
    let driver = Driver {
        journal: &mut writer,
        state,
        protocol,
        researcher: &Random,
        agent,
        executor: Arc::clone(graders) as Arc<dyn Executor>,
        slots: vec![vec![0]],
        threads: 1,
        stop,
        time: &SinceMade::default(),
        observer: &mut StopsAtChecks(stops.then_some(&*watched)),
    };
    driver.drive()
}

fn whole(protocol: &Protocol, graders: &Arc<Graders>, agent: Option<&dyn Agent>) -> State {
    let mut journal = MemoryJournal::default();
    let done = session(protocol, &mut journal, graders, agent, usize::MAX, false);
    let (end, state) = done.unwrap();
    assert_eq!(end, End::Finished);
    assert_derived(&journal, protocol);
    state
}

fn ends(state: &State) -> Vec<&EvaluationEnded> {
    let ended = state
        .evaluations
        .iter()
        .filter_map(|one| one.ended.as_ref());
    ended
        .filter(|one| one.result != OutcomeResult::Interrupted)
        .collect()
}

/// What must not depend on how often the lab died: all but the names of runs.
fn result(state: &State) -> String {
    let each = ends(state).into_iter().map(|one| {
        let grades: Vec<Grade> = one.grades.iter().map(|grade| grade.grade).collect();
        format!(
            "{} {} {} {:?} {grades:?}",
            one.iteration, one.result, one.execution, one.claim
        )
    });
    let finished = state.finished.as_ref().unwrap();
    let each: Vec<String> = each.collect();
    format!("{} {each:?} {}", state.proposals, finished.why)
}

fn never(_: u32) -> bool {
    false
}

#[test]
fn what_is_handed_in_too_early_is_revised_and_then_confirmed() {
    let protocol = all_kinds(1);
    let state = whole(&protocol, &Graders::of(World::Slope, never), Some(&Worker));
    let ends = ends(&state);
    let results: Vec<OutcomeResult> = ends.iter().map(|one| one.result).collect();
    assert_eq!(
        results,
        [OutcomeResult::NeedsRevision, OutcomeResult::Satisfied]
    );
    // The first was found wanting by its grader alone; what only the end can tell is open.
    let grades: Vec<Grade> = ends[0].grades.iter().map(|one| one.grade).collect();
    assert_eq!(grades, [Grade::Open, Grade::Unmet, Grade::Open]);
    assert_eq!(ends[0].execution, Execution::Running);
    assert_eq!(ends[1].execution, Execution::Completed);
    assert_eq!(ends[1].claim.as_deref(), Some("good after 3"));
    assert!(ends[1].grades.iter().all(|one| one.grade == Grade::Met));
    // It ended the search, and only because nothing spoke against it.
    assert_eq!(state.proposals, 3);
    assert!(state.claimed.as_ref().unwrap().finding.confirmed);
    assert!(state.finished.as_ref().unwrap().satisfied);
    // Every evaluation checked everything anew, and what workers and graders used is charged.
    let checks = state.evaluations.iter().map(|one| one.checked.len());
    assert_eq!(checks.collect::<Vec<_>>(), [1, 1]);
    let runs: u64 = state.runs.len() as u64 * 11;
    assert_eq!(state.cpu_ms, runs + 2 * 7 + 2 * 5);
}

#[test]
fn killed_after_any_event_it_ends_in_the_same_verified_result() {
    let protocol = all_kinds(1);
    let graders = Graders::of(World::Slope, never);
    let expected = result(&whole(&protocol, &graders, Some(&Worker)));
    let mut crash_after = 1;
    loop {
        let mut journal = MemoryJournal::default();
        let first = session(
            &protocol,
            &mut journal,
            &graders,
            Some(&Worker),
            crash_after,
            false,
        );
        if first.is_ok() {
            break;
        }
        let again = session(
            &protocol,
            &mut journal,
            &graders,
            Some(&Worker),
            usize::MAX,
            false,
        );
        let (_, state) = again.unwrap();
        assert_eq!(result(&state), expected, "after {crash_after} events");
        assert_derived(&journal, &protocol);
        crash_after += 1;
    }
    assert!(crash_after > 60, "{crash_after}");
}

#[test]
fn stopped_by_a_person_an_evaluation_is_interrupted_and_begun_again() {
    let protocol = all_kinds(1);
    let graders = Graders::of(World::Slope, never);
    let expected = result(&whole(&protocol, &graders, Some(&Worker)));
    let mut journal = MemoryJournal::default();
    let stopped = session(
        &protocol,
        &mut journal,
        &graders,
        Some(&Worker),
        usize::MAX,
        true,
    );
    let (end, state) = stopped.unwrap();
    assert_eq!(end, End::Interrupted);
    let ended = state.evaluations[0].ended.as_ref().unwrap();
    assert_eq!(
        (ended.result, ended.iteration),
        (OutcomeResult::Interrupted, 1)
    );
    let done = session(
        &protocol,
        &mut journal,
        &graders,
        Some(&Worker),
        usize::MAX,
        false,
    );
    assert_eq!(result(&done.unwrap().1), expected);
    assert_derived(&journal, &protocol);
}

#[test]
fn what_the_lab_itself_fails_is_tried_again_and_then_said_never_graded() {
    let protocol = all_kinds(1);
    let expected = result(&whole(
        &protocol,
        &Graders::of(World::Slope, never),
        Some(&Worker),
    ));
    // Two faults in a row are got over.
    let twice = Graders::of(World::Slope, |check| check % 3 != 2);
    assert_eq!(result(&whole(&protocol, &twice, Some(&Worker))), expected);
    // A lab that cannot check stops and says so; nothing is graded meanwhile.
    let mut journal = MemoryJournal::default();
    let broken = Graders::of(World::Slope, |_| true);
    for session_number in 1..3 {
        let failed = session(
            &protocol,
            &mut journal,
            &broken,
            Some(&Worker),
            usize::MAX,
            false,
        );
        let Err(Error::Grader {
            criterion, problem, ..
        }) = failed
        else {
            panic!("it went on");
        };
        assert_eq!(
            (criterion, problem.as_str()),
            (2, "checking failed: no space")
        );
        let state = fold(&journal);
        assert!(state.evaluations[0].ended.is_none());
        assert_eq!(broken.checks.load(Ordering::Relaxed), 3 * session_number);
    }
    // The same command goes on when the lab is well again.
    let well = Graders::of(World::Slope, never);
    let done = session(
        &protocol,
        &mut journal,
        &well,
        Some(&Worker),
        usize::MAX,
        false,
    );
    assert_eq!(result(&done.unwrap().1), expected);
    assert_derived(&journal, &protocol);
}

#[test]
fn a_sampler_is_judged_at_checkpoints_and_ends_early_only_when_all_is_met() {
    let must = |one: Criterion| (one, true, 1.0);
    let early = judged(2, vec![must(command())], 0.0);
    let state = whole(&early, &Graders::of(World::Slope, never), None);
    assert!(state.proposals < 12, "{}", state.proposals);
    assert_eq!(
        ends(&state).last().unwrap().result,
        OutcomeResult::Satisfied
    );
    assert_eq!(ends(&state)[0].claim, None);
    // With something that only the end can tell, it searches on.
    let open = judged(2, vec![must(command()), must(improvement())], 0.0);
    let state = whole(&open, &Graders::of(World::Slope, never), None);
    assert_eq!(state.proposals, 12);
    let iterations: Vec<u32> = ends(&state).iter().map(|one| one.iteration).collect();
    assert_eq!(iterations, [1, 2, 3]);
    assert_eq!(ends(&state)[2].result, OutcomeResult::Satisfied);
}

/// The winner against the start, told once in each direction.
fn both_ways(task: &CheckTask) -> CheckFound {
    let (start, winner) = (ExperimentId(0), task.experiment);
    let cite = |finding, experiment, against| Cited {
        seq: u64::from(finding),
        finding,
        experiment,
        against,
        runs: task.finished.iter().map(|one| one.run).collect(),
    };
    CheckFound::Findings {
        cited: vec![cite(1, winner, start), cite(2, start, winner)],
    }
}

#[test]
fn a_difference_told_in_both_directions_is_one_finding() {
    for (least, expected) in [
        (1, OutcomeResult::Satisfied),
        (2, OutcomeResult::MaxIterationsReached),
    ] {
        let confidence = 0.95;
        let finding = Criterion::Finding { least, confidence };
        let protocol = judged(1, vec![(finding, true, 1.0)], 0.0);
        let graders = Graders::that_tell(|task| Some(both_ways(task)));
        let state = whole(&protocol, &graders, None);
        let last = (*ends(&state).last().unwrap()).clone();
        assert_eq!(last.result, expected, "{}", last.grades[0].why);
    }
}

#[test]
fn a_check_that_a_budget_cut_says_nothing_and_the_execution_says_why() {
    let protocol = judged(1, vec![(command(), true, 1.0)], 0.0);
    let state = whole(
        &protocol,
        &Graders::that_tell(|_| Some(CheckFound::Cut)),
        None,
    );
    let last = (*ends(&state).last().unwrap()).clone();
    assert_eq!(last.grades[0].grade, Grade::Open, "{}", last.grades[0].why);
    assert_eq!(last.execution, Execution::BudgetReached);
    assert_eq!(last.result, OutcomeResult::MaxIterationsReached);
}

#[test]
fn weights_and_musts_decide_and_a_dead_start_has_nothing_to_judge() {
    let world = World::Null;
    let graded = |criteria: Vec<(Criterion, bool, f64)>, at_least: f64, world: World| {
        let state = whole(
            &judged(5, criteria, at_least),
            &Graders::of(world, never),
            None,
        );
        let last = (*ends(&state).last().unwrap()).clone();
        assert_eq!(
            state.finished.unwrap().satisfied,
            last.result == OutcomeResult::Satisfied
        );
        last
    };
    let diff = || Criterion::Diff {
        allow: vec!["settings.toml".into()],
        knob_files: [("x".to_owned(), "settings.toml".to_owned())].into(),
    };
    let impossible = || Criterion::Improvement {
        at_least: 1e6,
        confidence: 0.95,
    };
    let may = vec![(impossible(), false, 1.0), (diff(), true, 3.0)];
    let last = graded(may.clone(), 0.75, world);
    assert_eq!(last.result, OutcomeResult::Satisfied, "{last:?}");
    assert_eq!(last.grades[0].grade, Grade::Unmet);
    let last = graded(may, 0.76, world);
    assert_eq!(last.result, OutcomeResult::MaxIterationsReached);
    let must = vec![(impossible(), true, 1.0), (diff(), true, 3.0)];
    let last = graded(must.clone(), 0.0, world);
    assert_eq!(last.result, OutcomeResult::MaxIterationsReached);
    let last = graded(must, 0.0, World::Dead);
    assert_eq!(last.result, OutcomeResult::Failed);
    assert_eq!(last.execution, Execution::StartFailed);
    assert!(last.grades.iter().all(|one| one.grade == Grade::Unmet));
}

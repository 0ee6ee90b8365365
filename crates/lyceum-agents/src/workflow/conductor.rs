//! Conducting a run: what follows from its events, one step after the other, several at a time.
//!
//! The conductor alone writes. Workers carry out what it gives them and say what came of it. It holds nothing that is not
//! in the journal, so going on after a crash and starting are the same.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use lyceum_study::engine::{Broken, Cut, JournalError};

use super::{
    allowance,
    event::{
        Body, Idle, Item, PhaseEnded, PhaseStarted, Reserved, Reused, RunEnded, RunResult, Running,
        Spent, StepEnd, StepEnded, StepStarted, StopReason,
    },
    format::{Phase, Work, Workflow},
    journal::Journal,
    state::{State, Step},
};
use crate::guarded::guarded;

/// How often a wish to stop is looked for while steps work.
const POLL: Duration = Duration::from_millis(100);
/// Times that the lab may die during one step: then it is likely the step that kills it.
const UNKNOWN_MAX: u32 = 3;
/// Times that the lab may fail at one step before the run waits.
const FAULTS_MAX: u32 = 3;

/// What carries out steps.
pub trait Crew: Sync {
    /// What a worker is given.
    type Task: Send;

    /// Returns what a phase goes over.
    fn items(&self, phase: &Phase, state: &State) -> Result<Vec<Item>, Refusal>;

    /// Makes a step ready, and says all that it is made of. Does nothing yet.
    fn prepare(
        &self,
        phase: &Phase,
        number: u32,
        step: &Step,
        state: &State,
    ) -> Result<Prepared<Self::Task>, Refusal>;

    /// Carries out a step whose intent is written. `cut` ends it from another thread.
    fn carry_out(&self, task: Self::Task, cut: &Cut) -> Result<Came, Broken>;
}

/// A step that is ready.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// BLAKE3 of all that decides its result.
    pub key: String,
    /// The most that it may use.
    pub reserved: Reserved,
    /// What a worker is given.
    pub task: T,
}

/// Why nothing can be made ready.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It lies in what is asked for.
    #[error("{0}")]
    Step(String),
    /// The lab failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    /// How it ended; or why the run waits.
    pub end: Result<StepEnd, StopReason>,
    /// What is charged.
    pub spent: Spent,
}

/// Sees what happens.
pub trait Watcher {
    /// Is told of each event once it is on record and in the state.
    fn event(&mut self, state: &State, body: &Body);
}

/// Why a run cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// Its record cannot be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A person's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The run is to be over.
    Stop(String),
    /// Nothing is to work in the lab for now.
    Pause(String),
}

/// Conducts one run.
pub struct Conductor<'a, C: Crew> {
    /// The run.
    pub journal: &'a mut Journal,
    /// What is to be done.
    pub workflow: &'a Workflow,
    /// Who does it.
    pub crew: &'a C,
    /// What was done before, by its key.
    pub known: HashMap<String, (Reused, StepEnd)>,
    /// Set when a person interrupts the process.
    pub halt: Arc<AtomicBool>,
    /// Returns what a person wants, if anything.
    pub asked: &'a (dyn Fn() -> Option<Asked> + Sync),
    /// Who looks on.
    pub watcher: &'a mut dyn Watcher,
}

/// Why the work on a phase ends before its steps have.
enum Wish {
    Pause(StopReason),
    Stop(String),
}

/// A step that a worker has.
struct Flight {
    step: u32,
    attempt: u32,
    key: String,
    reserved: Reserved,
    cut: Cut,
}

/// What a worker says; words where it panicked.
type Said = (u32, Result<Result<Came, Broken>, String>);

/// Returns the first step that is done and would be another now: its files, its model or the lab changed since.
pub fn differing<C: Crew>(workflow: &Workflow, crew: &C, state: &State) -> Option<String> {
    for phase in &workflow.phases {
        let steps = state.phase(&phase.name).into_iter();
        for (step, number) in steps.flat_map(|one| one.steps.iter().zip(1..)) {
            let now = || crew.prepare(phase, number, step, state);
            if matches!(step.end, Some(StepEnd::Done { .. }))
                && now().map_or(true, |now| now.key != step.key)
            {
                return Some(format!("{}/{number}", phase.name));
            }
        }
    }
    None
}

impl<C: Crew> Conductor<'_, C> {
    /// Works until the run is over or waits; the state says which.
    pub fn conduct(&mut self) -> Result<(), End> {
        if self.journal.state().is_over() {
            return Ok(());
        }
        let mut first = vec![Body::Running(Running {
            pid: std::process::id(),
        })];
        first.extend(unknown(self.journal.state()));
        self.write(&first)?;
        let workflow = self.workflow;
        for phase in &workflow.phases {
            if self
                .journal
                .state()
                .phase(&phase.name)
                .is_some_and(|one| one.ended)
            {
                continue;
            }
            if let Some(end) = self.begin(phase)? {
                return self.write(&[end]);
            }
            if let Some(wish) = self.work(phase)? {
                return self.write(&[wish.body()]);
            }
            if let Some(end) = self.close(phase)? {
                return self.write(&[end]);
            }
        }
        let result = RunResult::Completed;
        self.write(&[Body::Ended(RunEnded { result })])
    }

    fn write(&mut self, bodies: &[Body]) -> Result<(), End> {
        self.journal.write(bodies.to_vec())?;
        for body in bodies {
            if let Body::StepEnded(ended) = body
                && let StepEnd::Done { reused: None, .. } = &ended.end
                && let Some(created) = &self.journal.state().created
            {
                let from = Reused {
                    run: created.run.clone(),
                    phase: ended.phase.clone(),
                    step: ended.step,
                };
                self.known
                    .insert(ended.key.clone(), (from, ended.end.clone()));
            }
            self.watcher.event(self.journal.state(), body);
        }
        Ok(())
    }

    /// Fixes what a phase goes over. Returns the end of the run where that cannot be told.
    fn begin(&mut self, phase: &Phase) -> Result<Option<Body>, End> {
        if self.journal.state().phase(&phase.name).is_some() {
            return Ok(None);
        }
        match self.crew.items(phase, self.journal.state()) {
            Ok(items) => {
                let phase = phase.name.clone();
                self.write(&[Body::PhaseStarted(PhaseStarted { phase, items })])?;
                Ok(None)
            }
            Err(Refusal::Step(why)) => Ok(Some(failed(&phase.name, &why))),
            Err(Refusal::Broken(broken)) => Ok(Some(Wish::fault(&broken).body())),
        }
    }

    /// Ends a phase. Returns the end of the run where it gave nothing to go on with.
    fn close(&mut self, phase: &Phase) -> Result<Option<Body>, End> {
        let Some(state) = self.journal.state().phase(&phase.name) else {
            return Ok(None);
        };
        let (done, failures) = state.counts();
        let first = state.steps.iter().find_map(|step| match &step.end {
            Some(StepEnd::Failed { why }) => Some(why.clone()),
            _ => None,
        });
        let name = phase.name.clone();
        self.write(&[Body::PhaseEnded(PhaseEnded {
            phase: name,
            done,
            failed: failures,
        })])?;
        Ok(first.filter(|_| done == 0).map(|why| {
            let why = format!("all {failures} steps failed, the first because {why}");
            failed(&phase.name, &why)
        }))
    }

    /// Works on a phase until each of its steps has an end. Returns why it stops before.
    fn work(&mut self, phase: &Phase) -> Result<Option<Wish>, End> {
        let (sender, said) = mpsc::channel::<Said>();
        thread::scope(|scope| {
            let mut flights: Vec<Flight> = Vec::new();
            let crew = self.crew;
            let mut launch = |step: u32, task: C::Task, cut: Cut| {
                let sender = sender.clone();
                scope.spawn(move || {
                    // The conductor waits for every worker that it has.
                    let came = guarded(|| crew.carry_out(task, &cut));
                    drop(sender.send((step, came)));
                });
            };
            let worked = self.keep_going(phase, &mut flights, &mut launch, &said);
            for flight in &flights {
                flight.cut.now("the lab failed");
            }
            worked
        })
    }

    fn keep_going(
        &mut self,
        phase: &Phase,
        flights: &mut Vec<Flight>,
        launch: &mut dyn FnMut(u32, C::Task, Cut),
        said: &mpsc::Receiver<Said>,
    ) -> Result<Option<Wish>, End> {
        let mut queue = self.pending(phase);
        let mut wish: Option<Wish> = None;
        let mut panicked: Option<String> = None;
        loop {
            if let Some(new) = self.wished(wish.as_ref()) {
                for flight in flights.iter() {
                    flight.cut.now("a person stopped the run");
                }
                wish = Some(new);
            }
            if wish.is_none() {
                wish = self.fill(phase, &mut queue, flights, launch)?;
            }
            if flights.is_empty() {
                let waits = |error| Wish::Pause(StopReason::LabFailed { error });
                let left = panicked.filter(|_| self.is_open(phase));
                return Ok(wish.or_else(|| left.map(waits)));
            }
            let Ok((step, came)) = said.recv_timeout(POLL) else {
                continue;
            };
            let Some(at) = flights.iter().position(|flight| flight.step == step) else {
                continue;
            };
            let flight = flights.remove(at);
            match came {
                Ok(came) => {
                    if let Some(new) = self.land(phase, flight, came)? {
                        wish.get_or_insert(new);
                    }
                }
                Err(why) => {
                    panicked.get_or_insert(why.clone());
                    self.lose(phase, flight, why)?;
                }
            }
            // What waited for this one, or has another try, comes next.
            queue = self.pending(phase);
            queue.retain(|step| flights.iter().all(|flight| flight.step != *step));
        }
    }

    /// Returns a person's wish that goes beyond the one that is known.
    fn wished(&self, known: Option<&Wish>) -> Option<Wish> {
        let stopped = match known {
            Some(Wish::Stop(_)) => return None,
            Some(Wish::Pause(StopReason::Interrupted | StopReason::LabStopped { .. })) => true,
            Some(Wish::Pause(_)) | None => false,
        };
        match (self.asked)() {
            Some(Asked::Stop(why)) => return Some(Wish::Stop(why)),
            Some(Asked::Pause(why)) if !stopped => {
                return Some(Wish::Pause(StopReason::LabStopped { why }));
            }
            Some(Asked::Pause(_)) | None => {}
        }
        let halted = self.halt.load(Ordering::Relaxed) && !stopped;
        halted.then_some(Wish::Pause(StopReason::Interrupted))
    }

    /// Returns the steps without an end that are not begun, in order. One whose worker panics again and again waits for
    /// the next process.
    fn pending(&self, phase: &Phase) -> VecDeque<u32> {
        let state = self.journal.state().phase(&phase.name);
        let steps = state.into_iter().flat_map(|one| one.steps.iter().zip(1..));
        let open = steps.filter(|(step, _)| {
            step.end.is_none() && step.open.is_none() && step.faults < FAULTS_MAX
        });
        open.map(|(_, number)| number).collect()
    }

    /// Gives workers what they can take. Returns why the run waits, where nothing can be begun and nothing is.
    fn fill(
        &mut self,
        phase: &Phase,
        queue: &mut VecDeque<u32>,
        flights: &mut Vec<Flight>,
        launch: &mut dyn FnMut(u32, C::Task, Cut),
    ) -> Result<Option<Wish>, End> {
        while flights.len() < phase.parallel as usize {
            let Some(number) = queue.pop_front() else {
                return Ok(None);
            };
            let Some(step) = self.step(phase, number).cloned() else {
                continue;
            };
            if let Some(why) = given_up(phase, &step) {
                self.write(&[ended(phase, number, &step.key, StepEnd::Failed { why })])?;
                continue;
            }
            let prepared = match self
                .crew
                .prepare(phase, number, &step, self.journal.state())
            {
                Ok(prepared) => prepared,
                Err(Refusal::Broken(broken)) => return Ok(Some(Wish::fault(&broken))),
                Err(Refusal::Step(why)) => {
                    self.write(&[ended(phase, number, "", StepEnd::Failed { why })])?;
                    continue;
                }
            };
            if let Some(end) = self.reused(&prepared.key) {
                self.write(&[ended(phase, number, &prepared.key, end)])?;
                continue;
            }
            if flights.iter().any(|flight| flight.key == prepared.key) {
                // The same step is under way: its result will be this one's too.
                continue;
            }
            if let Some(reason) = self.too_dear(phase, prepared.reserved) {
                // What is under way may use less than is reserved for it.
                return Ok(flights.is_empty().then_some(Wish::Pause(reason)));
            }
            let attempt = step.attempts + 1;
            let started = StepStarted {
                phase: phase.name.clone(),
                step: number,
                attempt,
                key: prepared.key.clone(),
                reserved: prepared.reserved,
            };
            self.write(&[Body::StepStarted(started)])?;
            let cut = Cut::default();
            flights.push(Flight {
                step: number,
                attempt,
                key: prepared.key,
                reserved: prepared.reserved,
                cut: cut.clone(),
            });
            launch(number, prepared.task, cut);
        }
        Ok(None)
    }

    /// Whether a step of a phase has no end.
    fn is_open(&self, phase: &Phase) -> bool {
        let state = self.journal.state().phase(&phase.name);
        let mut steps = state.into_iter().flat_map(|one| &one.steps);
        steps.any(|step| step.end.is_none())
    }

    /// Writes down that the worker that had a step panicked. Nobody knows what it used, so all that was reserved is charged.
    fn lose(&mut self, phase: &Phase, flight: Flight, why: String) -> Result<(), End> {
        self.write(&[Body::StepEnded(StepEnded {
            phase: phase.name.clone(),
            step: flight.step,
            attempt: flight.attempt,
            key: flight.key,
            end: StepEnd::Fault { why },
            spent: all_of(flight.reserved),
        })])
    }

    fn step(&self, phase: &Phase, number: u32) -> Option<&Step> {
        let state = self.journal.state().phase(&phase.name)?;
        state.steps.get(number as usize - 1)
    }

    /// Returns the end of the same step, where it was done before.
    fn reused(&self, key: &str) -> Option<StepEnd> {
        let (from, end) = self.known.get(key)?;
        let StepEnd::Done {
            result, citations, ..
        } = end
        else {
            return None;
        };
        Some(StepEnd::Done {
            result: result.clone(),
            citations: *citations,
            reused: Some(from.clone()),
        })
    }

    fn too_dear(&self, phase: &Phase, need: Reserved) -> Option<StopReason> {
        let state = self.journal.state();
        let since = self.journal.now().saturating_sub(state.last_at);
        let since = u64::try_from(since).unwrap_or(0);
        let mut of_run = state.used;
        let mut of_phase = state.phase(&phase.name)?.used;
        of_run.wall_ms += since;
        of_phase.wall_ms += since;
        let run = (&state.budget, &of_run);
        allowance::holds(run, (&phase.name, &phase.budget, &of_phase), need)
    }

    /// Writes down what came of a step. Returns why the run waits, if it does.
    fn land(
        &mut self,
        phase: &Phase,
        flight: Flight,
        came: Result<Came, Broken>,
    ) -> Result<Option<Wish>, End> {
        let (end, spent) = match came {
            Ok(came) => (came.end, came.spent),
            Err(broken) => {
                let why = chain(&broken);
                (Ok(StepEnd::Fault { why }), Spent::default())
            }
        };
        let (end, wish) = match end {
            // What nobody ended would be begun again for ever.
            Ok(StepEnd::Cut { why }) if flight.cut.cause().is_none() => {
                (StepEnd::Fault { why }, None)
            }
            Ok(end) => (end, None),
            Err(reason) => {
                let why = reason.to_string();
                (StepEnd::Cut { why }, Some(Wish::Pause(reason)))
            }
        };
        let fault = match &end {
            StepEnd::Fault { why } => Some(why.clone()),
            _ => None,
        };
        self.write(&[Body::StepEnded(StepEnded {
            phase: phase.name.clone(),
            step: flight.step,
            attempt: flight.attempt,
            key: flight.key,
            end,
            spent,
        })])?;
        let failing = self.step(phase, flight.step);
        let failing = failing.is_some_and(|step| step.faults >= FAULTS_MAX);
        let waits = |error| failing.then_some(Wish::Pause(StopReason::LabFailed { error }));
        Ok(wish.or_else(|| fault.and_then(waits)))
    }
}

impl Wish {
    fn fault(broken: &Broken) -> Wish {
        let error = chain(broken);
        Wish::Pause(StopReason::LabFailed { error })
    }

    fn body(self) -> Body {
        match self {
            Wish::Pause(stop_reason) => Body::Idle(Idle { stop_reason }),
            Wish::Stop(why) => Body::Ended(RunEnded {
                result: RunResult::Stopped { why },
            }),
        }
    }
}

/// Returns why a step is begun no more.
fn given_up(phase: &Phase, step: &Step) -> Option<String> {
    // A study or a session goes on where it stopped, however often that was.
    let anew = matches!(phase.work, Work::Command(_) | Work::Model(_));
    if anew && step.unknown >= UNKNOWN_MAX {
        return Some(format!(
            "the lab died {} times while it was at work; a new run tries it again",
            step.unknown
        ));
    }
    let (_, why) = step.refused.last()?;
    let times = step.refused.len();
    (times >= phase.tries as usize)
        .then(|| format!("its answer was refused {times} times, at last because {why}"))
}

/// Returns an error with all that led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        text = format!("{text}: {deeper}");
        source = deeper.source();
    }
    text
}

fn failed(phase: &str, why: &str) -> Body {
    let why = format!("phase `{phase}`: {why}");
    let result = RunResult::Failed { why };
    Body::Ended(RunEnded { result })
}

/// Returns the end of a step for which nothing was begun.
fn ended(phase: &Phase, step: u32, key: &str, end: StepEnd) -> Body {
    Body::StepEnded(StepEnded {
        phase: phase.name.clone(),
        step,
        attempt: 0,
        key: key.to_owned(),
        end,
        spent: Spent::default(),
    })
}

/// Returns the ends of attempts during which an earlier process died: all that was reserved for them is charged.
fn unknown(state: &State) -> Vec<Body> {
    let mut bodies = Vec::new();
    for phase in &state.phases {
        for (step, number) in phase.steps.iter().zip(1..) {
            let Some(open) = &step.open else {
                continue;
            };
            bodies.push(Body::StepEnded(StepEnded {
                phase: phase.name.clone(),
                step: number,
                attempt: open.attempt,
                key: open.key.clone(),
                end: StepEnd::Unknown,
                spent: all_of(open.reserved),
            }));
        }
    }
    bodies
}

/// Returns what is charged where nobody knows what was used.
fn all_of(reserved: Reserved) -> Spent {
    Spent {
        tokens: reserved.tokens,
        money: reserved.money.unwrap_or(0),
        unpriced: reserved.tokens > 0 && reserved.money.is_none(),
        cpu_ms: reserved.cpu_ms,
    }
}

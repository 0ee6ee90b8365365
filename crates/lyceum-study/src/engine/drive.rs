//! The loop: settle what follows from the events, start what is wanted, wait, write down.
//!
//! One thread owns the state and the journal; workers run tasks and send back receipts. Restart is the only start: the
//! loop looks at the state alone and never remembers where it was.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use lyceum_search::Researcher;
use lyceum_types::{
    Body, EndReason, EvaluationChecked, EvaluationOngoing, ExperimentId, ExperimentProposed,
    HandedIn, PersonAwaited, Purpose, Role, RunId, RunStarted, SearchEnded, Seed, SessionEnded,
    Split,
};

use super::{
    agent::{Agent, Change, HandIn, NoChange, Question},
    ask,
    budget::{self, Left, Spent},
    ending::{self, Want},
    execute::{Allowance, Broken, Cut, Executor, MeasureEnd, MeasureTask, RunTask},
    halving::{self, Report},
    journal::{Journal, JournalError},
    outcome,
    protocol::Protocol,
    settle::{self, LookStep},
    state::State,
    steady::Steady,
    turn,
    work::{self, Done, Work},
};

/// How often the loop looks at the clock and at the wish to stop.
const TICK: Duration = Duration::from_millis(100);

/// Why the loop could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record could not be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lab could not run a command.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The researcher proposed something outside the space.
    #[error("researcher `{name}` proposed settings outside the space")]
    Proposal {
        /// Who.
        name: String,
        /// What is wrong.
        #[source]
        source: lyceum_types::SpaceError,
    },
    /// Nothing runs, nothing can be started, nothing follows: a fault of the lab.
    #[error("the loop has nothing to do and is not finished; please report this with the ledger")]
    Stuck,
    /// A criterion of the rubric could not be checked, for reasons that say nothing about the work.
    #[error(
        "criterion {criterion} of the rubric could not be checked after {tries} tries, which says nothing about the work: {problem}"
    )]
    Grader {
        /// Its number in the rubric, from 1.
        criterion: u32,
        /// How often it was tried in this session.
        tries: u32,
        /// What failed, escaped.
        problem: String,
    },
    /// A worker thread ended.
    #[error("a worker of the lab ended unexpectedly")]
    Worker,
}

/// What the faces see while the loop works.
pub trait Observer {
    /// An event was written.
    fn event(&mut self, state: &State, seq: u64, at: i64, body: &Body);
    /// Time went by.
    fn tick(&mut self, state: &State, live: &Live);
}

/// What is going on right now.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Runs and measurements in flight, with the milliseconds that they have taken.
    pub running: Vec<(RunId, u64)>,
    /// What has been spent.
    pub spent: Spent,
    /// What is left of the budgets.
    pub left: Left,
    /// Most experiments.
    pub experiments_max: u32,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The study is finished.
    Finished,
    /// A person stopped it; the same command goes on.
    Interrupted,
    /// The level of autonomy holds back what comes next: a person is waited for.
    Held,
}

/// All that the loop needs.
pub struct Driver<'a> {
    /// The record.
    pub journal: &'a mut dyn Journal,
    /// What is known.
    pub state: State,
    /// The rules.
    pub protocol: &'a Protocol,
    /// The sampler that proposes; where there is an agent, the one in its place when it has nothing to propose.
    pub researcher: &'a dyn Researcher,
    /// The agent that proposes.
    pub agent: Option<&'a dyn Agent>,
    /// Who runs.
    pub executor: Arc<dyn Executor>,
    /// Processors of each slot; its length is the number of tasks side by side.
    pub slots: Vec<Vec<usize>>,
    /// Threads that each run is told to use.
    pub threads: u32,
    /// Set by a person's wish to stop.
    pub stop: Arc<AtomicBool>,
    /// How long things take.
    pub time: &'a dyn Steady,
    /// Who looks on.
    pub observer: &'a mut dyn Observer,
}

struct Flight {
    cut: Cut,
    /// When it began, by the driver's time.
    since: Duration,
    allowance: Allowance,
}

impl Flight {
    fn new(allowance: Allowance, since: Duration) -> Flight {
        Flight {
            cut: Cut::default(),
            since,
            allowance,
        }
    }
}

struct Drive<'d, 'a> {
    driver: &'d mut Driver<'a>,
    began: Duration,
    session: usize,
    free: Vec<usize>,
    flights: BTreeMap<(RunId, Option<Split>), (usize, Flight)>,
    /// The check of a criterion that is in flight.
    checking: Option<(usize, Flight, EvaluationOngoing)>,
    exhausted: bool,
    /// Whether a run was wanted that the level of autonomy holds back.
    held: bool,
    /// Takes questions to the agent's thread.
    questions: Option<mpsc::Sender<Question>>,
    /// Whether the agent has not answered yet.
    asking: bool,
    /// Since when a person has been waited for, by the driver's time, where nothing else goes on.
    awaiting: Option<Duration>,
    /// How long that took before.
    awaited: Duration,
}

impl Driver<'_> {
    /// Works until the study is finished or a person stops it.
    ///
    /// The session's first event must have been written. Returns the state at the end.
    pub fn drive(mut self) -> Result<(End, State), Error> {
        let executor = Arc::clone(&self.executor);
        let slots = self.slots.len().max(1);
        let agent = self.agent;
        std::thread::scope(|scope| {
            let (done_in, done) = mpsc::channel();
            let workers: Vec<mpsc::Sender<Work>> = (0..slots)
                .map(|slot| work::start(scope, slot, &executor, &done_in))
                .collect();
            let mut drive = Drive {
                began: self.time.elapsed(),
                session: self.state.sessions.len().saturating_sub(1),
                free: (0..slots).rev().collect(),
                flights: BTreeMap::new(),
                checking: None,
                exhausted: false,
                held: false,
                questions: agent.map(|agent| work::start_agent(scope, agent, &done_in)),
                asking: false,
                awaiting: None,
                awaited: Duration::ZERO,
                driver: &mut self,
            };
            let end = drive.work(&workers, &done);
            if end.is_err() {
                drive.cut_all("the lab stopped on an error");
                drive.cancel();
            }
            drop(drive);
            drop(workers);
            end
        })
        .map(|end| (end, self.state))
    }
}

impl Drive<'_, '_> {
    fn work(
        &mut self,
        workers: &[mpsc::Sender<Work>],
        done: &mpsc::Receiver<Done>,
    ) -> Result<End, Error> {
        loop {
            self.settle()?;
            if self.driver.state.finished.is_some() {
                // What is still in flight can decide nothing any more.
                self.cut_all("the study is finished");
            }
            if self.driver.state.search_ended.is_some() {
                self.cancel();
            }
            if self.driver.state.finished.is_some() && self.idle() {
                self.end_session(EndReason::Finished)?;
                return Ok(End::Finished);
            }
            if self.driver.stop.load(Ordering::Relaxed) {
                self.wind_down(done)?;
                self.end_session(EndReason::Interrupted)?;
                return Ok(End::Interrupted);
            }
            self.held = false;
            if self.fill(workers)? {
                continue;
            }
            if self.idle() && self.held {
                self.end_session(EndReason::Held)?;
                return Ok(End::Held);
            }
            if self.idle() && self.driver.state.finished.is_none() {
                // Nothing runs and nothing could be started: no budget is left for what is wanted.
                if std::mem::replace(&mut self.exhausted, true) {
                    return Err(Error::Stuck);
                }
                self.end_search("the budget is spent", true)?;
                continue;
            }
            self.wait(done)?;
        }
    }

    /// Writes all events that follow from what is known.
    fn settle(&mut self) -> Result<(), Error> {
        while let Some(body) =
            settle::settle(&self.driver.state, self.driver.protocol, self.exhausted)
        {
            self.write(vec![body])?;
            if self.driver.state.finished.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, bodies: Vec<Body>) -> Result<(), Error> {
        write(self.driver, bodies)
    }

    fn spent(&self) -> Spent {
        let state = &self.driver.state;
        let before = state.wall_ms_before(Some(self.session));
        Spent {
            wall_ms: before + self.worked(),
            cpu_ms: state.cpu_ms,
            disk_bytes: state.disk_bytes,
        }
    }

    /// Milliseconds since `began`.
    fn took(&self, began: Duration) -> u64 {
        let now = self.driver.time.elapsed();
        now.saturating_sub(began).as_millis() as u64
    }

    /// Milliseconds of this session, less those in which a person was waited for.
    fn worked(&self) -> u64 {
        let open = self.awaiting.map_or(0, |since| self.took(since));
        let awaited = u64::try_from(self.awaited.as_millis()).unwrap_or(u64::MAX);
        self.took(self.began)
            .saturating_sub(awaited.saturating_add(open))
    }

    /// Notices when waiting for a person begins and ends. Only time in which nothing else goes on is waiting.
    fn watch_awaiting(&mut self) -> Result<(), Error> {
        let alone = self.asking && self.flights.is_empty() && self.checking.is_none();
        let awaits = alone && self.driver.agent.is_some_and(Agent::awaits_person);
        let now = self.driver.time.elapsed();
        match self.awaiting {
            None if awaits => self.awaiting = Some(now),
            Some(since) if !awaits => {
                self.awaiting = None;
                let took = now.saturating_sub(since);
                self.awaited += took;
                let wall_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.write(vec![PersonAwaited { wall_ms }.into()])?;
            }
            None | Some(_) => {}
        }
        Ok(())
    }

    fn left(&self) -> Left {
        let out_of = self.driver.state.spent;
        budget::left(self.driver.protocol, &self.spent(), out_of)
    }

    /// Returns what the next task may use; its slot is taken from the free ones already.
    fn allow(&self, left: &Left) -> Allowance {
        let flights = self.flights.values().map(|(_, flight)| flight);
        let flights = flights.chain(self.checking.iter().map(|(_, flight, _)| flight));
        let held: Vec<Allowance> = flights.map(|flight| flight.allowance).collect();
        let cost = budget::run_cost(&self.driver.state);
        budget::allow(left, &held, self.free.len() as u64 + 1, cost)
    }

    fn end_search(&mut self, why: &str, spent: bool) -> Result<(), Error> {
        if self.driver.state.search_ended.is_none() {
            let why = why.to_owned();
            self.write(vec![SearchEnded { why, spent }.into()])?;
        }
        Ok(())
    }

    /// Starts one task where a slot is free. Returns whether the state changed or a task was started.
    fn fill(&mut self, workers: &[mpsc::Sender<Work>]) -> Result<bool, Error> {
        if self.free.is_empty() || self.driver.state.finished.is_some() {
            return Ok(false);
        }
        if let Some(run) = self.unmeasured() {
            return self.start_measure(run, Split::Search, workers);
        }
        if let (Some(criterion), None) = (self.check_wanted(), &self.checking) {
            return self.start_check(criterion, workers);
        }
        let left = self.left();
        let cost = budget::run_cost(&self.driver.state);
        let in_flight = self.flights.len() as u64;
        if self.driver.state.search_ended.is_some() {
            let open = !settle::undecided(&self.driver.state).is_empty();
            return if open {
                Ok(false)
            } else {
                self.ending(&left, workers)
            };
        }
        if let Some(index) = settle::floor_look(&self.driver.state, self.driver.protocol) {
            if budget::short_of(&left, cost, in_flight).is_some() {
                return Ok(false);
            }
            let seed = self.driver.protocol.look_seed(index);
            return self.start_run(ExperimentId(0), seed, Purpose::Floor, &left, workers);
        }
        if !settle::floor_done(&self.driver.state, self.driver.protocol) {
            return Ok(false);
        }
        self.search(&left, workers)
    }

    fn search(&mut self, left: &Left, workers: &[mpsc::Sender<Work>]) -> Result<bool, Error> {
        let (state, protocol) = (&self.driver.state, self.driver.protocol);
        let slots = self.driver.slots.len() as u64;
        let in_flight = self.flights.len() as u64;
        if let Some(why) = budget::search_must_end(state, protocol, left, slots, in_flight) {
            self.end_search(&why, true)?;
            return Ok(true);
        }
        for id in settle::undecided(state) {
            if let LookStep::Run(experiment, seed) = settle::next_look(state, protocol, id) {
                let first = state.runs_of(experiment).next().is_none();
                let purpose = if first {
                    Purpose::Search
                } else {
                    Purpose::Repeat
                };
                return self.start_run(experiment, seed, purpose, left, workers);
            }
        }
        if outcome::holds(state, protocol) {
            return Ok(false);
        }
        if state.proposals >= protocol.budget.experiments {
            if settle::undecided(state).is_empty() {
                self.end_search("all experiments of the budget were made", false)?;
                return Ok(true);
            }
            return Ok(false);
        }
        if !self.is_agents_turn()? {
            return self.ask_sampler();
        }
        let state = &self.driver.state;
        if let Some(questions) = &self.questions {
            // One question at a time, and with all that is known: an agent learns from each result.
            if self.asking || !settle::undecided(state).is_empty() {
                return Ok(false);
            }
            let (state, left) = (state.clone(), *left);
            let asked = questions.send(Question { state, left });
            asked.map_err(|_| Error::Worker)?;
            self.asking = true;
            return Ok(true);
        }
        self.ask_sampler()
    }

    /// Tells whether the agent proposes next; gives the turn where several share the study.
    fn is_agents_turn(&mut self) -> Result<bool, Error> {
        if self.questions.is_none() {
            return Ok(false);
        }
        if self.driver.state.turn.is_none() {
            let driver = &self.driver;
            match turn::turn(&driver.state, driver.protocol, driver.researcher) {
                Some(given) => self.write(vec![given.into()])?,
                None => return Ok(true),
            }
        }
        Ok((self.driver.state.turn.as_ref()).is_some_and(|turn| turn.to_agent))
    }

    fn ask_sampler(&mut self) -> Result<bool, Error> {
        let (state, protocol) = (&self.driver.state, self.driver.protocol);
        let proposed = ask::ask(state, protocol, self.driver.researcher);
        match proposed {
            Ok(proposal) => self.write(vec![proposal.into()])?,
            Err(ask::AskError::Exhausted(why))
                if settle::undecided(&self.driver.state).is_empty() =>
            {
                self.end_search(why, false)?;
            }
            Err(ask::AskError::Exhausted(_)) => return Ok(false),
            Err(ask::AskError::Failed(error)) => return Err(error),
        }
        Ok(true)
    }

    /// Takes the agent's answer, or has the sampler propose in its place.
    fn take_answer(&mut self, answer: Result<Change, NoChange>) -> Result<(), Error> {
        self.asking = false;
        let open = self.driver.state.search_ended.is_none();
        match answer {
            Ok(change) if open => self.take_change(change),
            Err(NoChange::Pass(_)) if open => self.ask_sampler().map(drop),
            Err(NoChange::HandsIn(handed)) if open => self.take_hand_in(handed),
            Err(NoChange::Broken(broken)) => Err(broken.into()),
            Ok(_) | Err(NoChange::Pass(_) | NoChange::HandsIn(_) | NoChange::Cancelled) => Ok(()),
        }
    }

    fn take_change(&mut self, change: Change) -> Result<(), Error> {
        let state = &self.driver.state;
        let name = self.driver.agent.map_or("", Agent::name).to_owned();
        if let Err(source) = self.driver.protocol.space.check(&change.settings) {
            return Err(Error::Proposal { name, source });
        }
        let proposed = ExperimentProposed {
            experiment: ExperimentId(state.experiments.len() as u32),
            role: Role::Search,
            settings: change.settings,
            hypothesis: change.hypothesis,
            researcher: name,
            prediction: None,
            evidence: change.evidence,
            seen: state.last_seq,
            files: change.files,
            call: Some(change.call),
            cpu_ms: change.cpu_ms,
        };
        self.write(vec![proposed.into()])
    }

    fn take_hand_in(&mut self, handed: HandIn) -> Result<(), Error> {
        let handed = HandedIn {
            by: self.driver.agent.map_or("", Agent::name).to_owned(),
            claim: handed.claim,
            call: handed.call,
            cpu_ms: handed.cpu_ms,
        };
        self.write(vec![handed.into()])
    }

    /// Returns the criterion that a grader has to check next.
    fn check_wanted(&self) -> Option<u32> {
        outcome::check_wanted(&self.driver.state, self.driver.protocol)
    }

    /// Tells the agent to stop thinking.
    fn cancel(&self) {
        if let Some(agent) = self.driver.agent.filter(|_| self.asking) {
            agent.cancel();
        }
    }

    /// Whether nobody works on anything.
    fn idle(&self) -> bool {
        self.flights.is_empty() && !self.asking && self.checking.is_none()
    }

    fn ending(&mut self, left: &Left, workers: &[mpsc::Sender<Work>]) -> Result<bool, Error> {
        let wants = ending::wants(&self.driver.state, self.driver.protocol);
        let cost = budget::run_cost(&self.driver.state);
        let slots = self.driver.slots.len() as u64;
        let after = budget::after_sealed(&self.driver.state, self.driver.protocol, *left, slots);
        for want in wants {
            match want {
                Want::Run(id, seed, purpose) => {
                    if budget::short_of(&after, cost, self.flights.len() as u64).is_some() {
                        return Ok(false);
                    }
                    return self.start_run(id, seed, purpose, &after, workers);
                }
                Want::Measure(run, split) if !self.flights.contains_key(&(run, Some(split))) => {
                    return self.start_measure(run, split, workers);
                }
                Want::Measure(..) => {}
            }
        }
        Ok(false)
    }

    /// Returns a run that completed and whose measurement is not on its way.
    fn unmeasured(&self) -> Option<RunId> {
        // Only the newest runs can be open: one for each slot, and those of one crash.
        let newest = self.driver.state.runs.iter().rev().take(settle::MAX_OPEN);
        let mut open = newest.filter(|run| run.needs_measure()).map(|run| run.id);
        open.find(|run| !self.flights.contains_key(&(*run, Some(Split::Search))))
    }

    fn start_run(
        &mut self,
        experiment: ExperimentId,
        seed: Seed,
        purpose: Purpose,
        left: &Left,
        workers: &[mpsc::Sender<Work>],
    ) -> Result<bool, Error> {
        self.held = !self.driver.state.may_run(experiment);
        if self.held {
            return Ok(false);
        }
        let Some(slot) = self.free.pop() else {
            return Ok(false);
        };
        let allowance = self.allow(left);
        let state = &self.driver.state;
        let run = RunId(state.runs.len() as u32 + 1);
        let cpus = self.driver.slots.get(slot).cloned().unwrap_or_default();
        let settings = state.settings(experiment).cloned().unwrap_or_default();
        let files = state.files(experiment).to_vec();
        let threads = self.driver.threads;
        let reports = halving::is_compared(self.driver.protocol, &purpose, seed);
        let intent = RunStarted {
            run,
            experiment,
            seed,
            purpose,
            cpus: cpus.clone(),
            threads,
        };
        self.write(vec![intent.into()])?;
        let task = RunTask {
            run,
            experiment,
            settings,
            files,
            seed,
            cpus,
            allowance,
            replay: None,
            reports,
        };
        let flight = Flight::new(allowance, self.driver.time.elapsed());
        let cut = flight.cut.clone();
        self.launch((run, None), slot, flight, Work::Run(task, cut), workers)
    }

    fn start_measure(
        &mut self,
        run: RunId,
        split: Split,
        workers: &[mpsc::Sender<Work>],
    ) -> Result<bool, Error> {
        let Some(slot) = self.free.pop() else {
            return Ok(false);
        };
        let state = &self.driver.state;
        let Some((seed, finished)) = state
            .run(run)
            .and_then(|one| Some((one.seed, one.finished.clone()?)))
        else {
            self.free.push(slot);
            return Ok(false);
        };
        // With nothing left it is cut at once, and is not asked for again.
        let allowance = self.allow(&self.left());
        let baseline = state.runs_of(ExperimentId(0)).find(|one| one.completed());
        let baseline = baseline.and_then(|one| one.finished.as_ref());
        let task = MeasureTask {
            baseline: baseline.map(|one| one.outputs.clone()).unwrap_or_default(),
            finished,
            seed,
            split,
            cpus: self.driver.slots.get(slot).cloned().unwrap_or_default(),
            allowance,
        };
        let flight = Flight::new(allowance, self.driver.time.elapsed());
        let cut = flight.cut.clone();
        let key = (run, Some(split));
        self.launch(key, slot, flight, Work::Measure(task, cut), workers)
    }

    /// Sends a grader, after its intent is written.
    fn start_check(
        &mut self,
        criterion: u32,
        workers: &[mpsc::Sender<Work>],
    ) -> Result<bool, Error> {
        let state = &self.driver.state;
        let (Some(evaluation), Some(slot)) = (outcome::open(state), self.free.pop()) else {
            return Ok(false);
        };
        let ongoing = EvaluationOngoing {
            iteration: evaluation.started.iteration,
            criterion,
            attempt: evaluation
                .attempts
                .get(&criterion)
                .map_or(1, |last| last + 1),
        };
        let allowance = self.allow(&self.left());
        let cpus = self.driver.slots.get(slot).cloned().unwrap_or_default();
        let task = outcome::task(state, self.driver.protocol, &ongoing, cpus, allowance);
        self.write(vec![ongoing.into()])?;
        let flight = Flight::new(allowance, self.driver.time.elapsed());
        let cut = flight.cut.clone();
        self.checking = Some((slot, flight, ongoing));
        let sent = workers[slot].send(Work::Check(Box::new(task), cut));
        sent.map_err(|_| Error::Worker)?;
        Ok(true)
    }

    /// Writes what a grader found. What the lab itself failed is written as that, and tried again.
    fn take_check(&mut self, came: Result<EvaluationChecked, Broken>) -> Result<(), Error> {
        let Some((slot, flight, ongoing)) = self.checking.take() else {
            return Ok(());
        };
        self.free.push(slot);
        if flight.cut.cause().is_some() {
            // The lab ended it: the evaluation is begun again, and this check with it.
            return Ok(());
        }
        let checked = came.unwrap_or_else(|broken| outcome::failed(&ongoing, &broken));
        let problem = checked.why.clone();
        self.write(vec![checked.into()])?;
        let faults = outcome::open(&self.driver.state)
            .and_then(|one| one.faults.get(&ongoing.criterion).copied());
        match faults {
            Some(tries) if tries >= outcome::FAULTS_MAX => Err(Error::Grader {
                criterion: ongoing.criterion + 1,
                tries,
                problem,
            }),
            _ => Ok(()),
        }
    }

    fn launch(
        &mut self,
        key: (RunId, Option<Split>),
        slot: usize,
        flight: Flight,
        work: Work,
        workers: &[mpsc::Sender<Work>],
    ) -> Result<bool, Error> {
        self.flights.insert(key, (slot, flight));
        workers[slot].send(work).map_err(|_| Error::Worker)?;
        Ok(true)
    }

    fn wait(&mut self, done: &mpsc::Receiver<Done>) -> Result<(), Error> {
        let message = match done.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::Worker),
        };
        self.watch_awaiting()?;
        if let Some(message) = message {
            self.take(message)?;
        }
        let live = Live {
            running: self.running(),
            spent: self.spent(),
            left: self.left(),
            experiments_max: self.driver.protocol.budget.experiments,
        };
        self.driver.observer.tick(&self.driver.state, &live);
        Ok(())
    }

    fn running(&self) -> Vec<(RunId, u64)> {
        let flights = self.flights.iter();
        let mut running: Vec<_> = flights
            .map(|((run, _), (_, flight))| (*run, self.took(flight.since)))
            .collect();
        running.sort_unstable();
        running
    }

    /// Writes the receipt of a task and frees its slot.
    fn take(&mut self, message: Done) -> Result<(), Error> {
        if let Some((slot, _)) = message.key().and_then(|key| self.flights.remove(&key)) {
            self.free.push(slot);
        }
        match message {
            Done::Answered(answer) => self.take_answer(*answer),
            Done::Check(came) => self.take_check(*came),
            Done::Reported(run, report) => self.take_report(run, report),
            Done::Run(_, finished) => self.write(vec![finished?.into()]),
            Done::Measure(_, _, end) => match end? {
                MeasureEnd::Measured(measured) => self.write(vec![measured.into()]),
                MeasureEnd::Cut(cut) => self.write(vec![cut.into()]),
            },
        }
    }

    /// Writes a report with what follows from it, and ends the run where it is stopped.
    fn take_report(&mut self, run: RunId, report: Report) -> Result<(), Error> {
        let (state, protocol) = (&self.driver.state, self.driver.protocol);
        let Some(reported) = halving::judge(state, protocol, run, report) else {
            return Ok(());
        };
        let stopped = reported.stopped;
        self.write(vec![reported.into()])?;
        if let Some((_, flight)) = self.flights.get(&(run, None)).filter(|_| stopped) {
            flight.cut.now(halving::CAUSE);
        }
        Ok(())
    }

    fn cut_all(&mut self, cause: &str) {
        for (_, flight) in self.flights.values() {
            flight.cut.now(cause);
        }
        if let Some((_, flight, _)) = &self.checking {
            flight.cut.now(cause);
        }
    }

    /// Ends all that is in flight and writes its receipts.
    fn wind_down(&mut self, done: &mpsc::Receiver<Done>) -> Result<(), Error> {
        self.cut_all("stopped by a person");
        self.cancel();
        while !self.idle() {
            let message = done.recv().map_err(|_| Error::Worker)?;
            self.watch_awaiting()?;
            self.take(message)?;
        }
        match outcome::interrupted(&self.driver.state) {
            Some(body) => self.write(vec![body]),
            None => Ok(()),
        }
    }

    fn end_session(&mut self, reason: EndReason) -> Result<(), Error> {
        let wall_ms = self.worked();
        self.write(vec![SessionEnded { reason, wall_ms }.into()])
    }
}

/// Writes events, folds them into the state and shows them.
fn write(driver: &mut Driver<'_>, bodies: Vec<Body>) -> Result<(), Error> {
    for (seq, at, body) in driver.journal.append(bodies)? {
        driver
            .state
            .apply(seq, at, body.clone())
            .map_err(JournalError::Fold)?;
        driver.observer.event(&driver.state, seq, at, &body);
    }
    Ok(())
}

//! One simulated lab: sessions that crash, what they truly did, and what the record must say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lyceum_ledger::{Clock, LabId, Ledger, Options, Timestamp};
use lyceum_search::Random;
use lyceum_study::engine::{
    Allowance, Broken, Cut, Driver, End, Executor, Journal as _, MeasureEnd, MeasureTask, Protocol,
    Resource, RunTask, State,
};
use lyceum_study::lab::{self, Lab, StudyJournal};
use lyceum_types::{
    Body, MeasureCut, Outcome, Output, RunFinished, RunId, RunVoided, SessionStarted, Split, Usage,
};
use tempfile::TempDir;

use crate::disk::{Dice, Disk, Plan};
use crate::processes::Table;
use crate::store::{self, Shared};
use crate::support::{Machine, Silent, World, opened, started};

const STUDY: &str = "simulated";

/// CPU milliseconds of a simulated run and of a simulated measurement.
const RUN_CPU_MS: u64 = 10;
const MEASURE_CPU_MS: u64 = 1;

/// A clock that jumps by hours, also back, whenever it is read.
#[derive(Debug)]
struct Jumping(AtomicI64, Mutex<Dice>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let mut dice = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let hours = if dice.one_in(20) {
            dice.below(48) as i64 - 24
        } else {
            0
        };
        let step = hours * 3_600_000 + dice.below(50) as i64;
        Timestamp::from_unix_ms(self.0.fetch_add(step, Ordering::Relaxed) + step)
    }
}

/// What truly happened, which no crash undoes.
#[derive(Debug, Default)]
struct Truth {
    runs: BTreeSet<RunId>,
    cpu_ms: u64,
}

/// Runs formulas, keeps their outputs as blobs, and remembers that it did.
struct Remembering {
    machine: Machine,
    ledger: Ledger,
    truth: Arc<Mutex<Truth>>,
    place: Lab,
    processes: Table,
}

impl Remembering {
    fn truth(&self) -> std::sync::MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the ledger has the intent of a run.
    fn is_intended(&self, run: RunId) -> bool {
        let state = self
            .ledger
            .reader()
            .ok()
            .and_then(|reader| lab::load(&reader, STUDY).ok());
        // A reader that fails says nothing: the machine may have stopped.
        state.is_none_or(|state| state.run(run).is_some())
    }
}

impl Executor for Remembering {
    fn run(&self, task: &RunTask, cut: &Cut) -> Result<RunFinished, Broken> {
        assert!(
            self.is_intended(task.run),
            "{} began without an intent",
            task.run
        );
        let fresh = self.truth().runs.insert(task.run);
        assert!(fresh, "{} was run twice", task.run);
        let used = within(task.allowance, RUN_CPU_MS);
        self.truth().cpu_ms += used;
        let process = self.processes.start(&self.place, STUDY, task.run);
        let mut finished = self.machine.run(task, cut)?;
        finished.usage.cpu_ms = used;
        if used < RUN_CPU_MS {
            let cause = Resource::Cpu.cause().to_owned();
            finished.outcome = Outcome::Cut { cause };
        }
        for output in &mut finished.outputs {
            let doing = Broken::while_doing("keeping an output");
            let id = self
                .ledger
                .put_blob(output.name.as_bytes())
                .map_err(doing)?;
            *output = Output {
                blob: id.to_string(),
                ..output.clone()
            };
        }
        // Not where keeping an output failed: that run's process is left for the next session.
        self.processes.ended(&self.place, STUDY, task.run, process);
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        let used = within(task.allowance, MEASURE_CPU_MS);
        self.truth().cpu_ms += used;
        if used < MEASURE_CPU_MS {
            let cause = Resource::Cpu.cause();
            return Ok(MeasureEnd::Cut(measure_cut(
                task.finished.run,
                task.split,
                cause,
                used,
            )));
        }
        self.machine.measure(task, cut)
    }
}

/// Returns the CPU time that a task gets: what it wants, until it is ended.
fn within(allowance: Allowance, wanted: u64) -> u64 {
    let allowed = allowance.cpu.map(|allowed| allowed.as_millis() as u64);
    allowed.map_or(wanted, |allowed| allowed.min(wanted))
}

fn measure_cut(run: RunId, split: Split, cause: &str, cpu_ms: u64) -> MeasureCut {
    MeasureCut {
        run,
        split,
        cause: cause.into(),
        usage: Usage {
            cpu_ms,
            ..Usage::default()
        },
    }
}

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Finished(Box<State>),
    Crashed,
}

pub(crate) struct Simulated {
    directory: TempDir,
    disk: Shared,
    clock: Arc<Jumping>,
    pub(crate) dice: Dice,
    protocol: Protocol,
    truth: Arc<Mutex<Truth>>,
    slots: usize,
    /// Scratch space of runs, on a disk that is not simulated.
    place: Lab,
    processes: Table,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        store::unmount(self.directory.path());
    }
}

impl Simulated {
    pub(crate) fn new(seed: u64, protocol: Protocol, slots: usize) -> Simulated {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let directory = directory.unwrap();
        let disk = store::mount(directory.path(), Disk::new(seed ^ 0xD15C));
        Simulated {
            disk,
            place: Lab::at(directory.path().join("machine")),
            processes: Table::default(),
            directory,
            clock: Arc::new(Jumping(AtomicI64::new(0), Mutex::new(Dice(seed ^ 0xC10C)))),
            dice: Dice(seed),
            protocol,
            truth: Arc::default(),
            slots,
        }
    }

    fn open(&self) -> Result<Ledger, lyceum_ledger::Error> {
        let options = Options {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            command: "simulation".into(),
            lab: Some(LabId::from_bytes([9; 16])),
            ..Options::default()
        };
        let ledger = Ledger::open(self.directory.path(), options)?;
        store::lock(&self.disk).names_synced();
        Ok(ledger)
    }

    /// Starts the lab, as it is always started, and lets it work until the end or the fault.
    pub(crate) fn session(&self, plan: Plan) -> Ended {
        store::lock(&self.disk).plan(plan);
        let Ok(ledger) = self.open() else {
            return Ended::Crashed;
        };
        let strangers = self.processes.strangers();
        lab::clean_up_among(&self.place, &self.processes).unwrap();
        assert!(
            self.processes.is_clean(&self.place),
            "something of an earlier session is left"
        );
        assert_eq!(
            self.processes.strangers(),
            strangers,
            "a process of somebody else was ended"
        );
        let Some(state) = self.first(&ledger) else {
            return Ended::Crashed;
        };
        let executor = Remembering {
            machine: Machine(World::Slope),
            ledger: ledger.clone(),
            truth: Arc::clone(&self.truth),
            place: self.place.clone(),
            processes: self.processes.clone(),
        };
        let mut journal = StudyJournal::new(ledger, STUDY);
        let driver = Driver {
            journal: &mut journal,
            state,
            protocol: &self.protocol,
            researcher: &Random,
            executor: Arc::new(executor),
            slots: (0..self.slots).map(|slot| vec![slot]).collect(),
            threads: 1,
            stop: Arc::new(AtomicBool::new(false)),
            observer: &mut Silent,
        };
        match driver.drive() {
            Ok((End::Finished, state)) => Ended::Finished(Box::new(state)),
            Ok((End::Interrupted, _)) | Err(_) => Ended::Crashed,
        }
    }

    /// Writes what a session begins with: what a crash left open is resolved.
    fn first(&self, ledger: &Ledger) -> Option<State> {
        let reader = ledger.reader().ok()?;
        let mut state = lab::load(&reader, STUDY).ok()?;
        let mut first: Vec<Body> = Vec::new();
        if state.opened.is_none() {
            first.push(opened(&self.protocol).into());
        }
        first.push(SessionStarted::into(started(self.slots as u32)));
        // No task could use more than what was left, all together.
        let budget = self.protocol.budget.cpu;
        let mut left = budget.map(|all| all.saturating_sub(Duration::from_millis(state.cpu_ms)));
        let mut charge = |most: u64| {
            let allowance = Allowance {
                cpu: left,
                ..Allowance::default()
            };
            let charged = within(allowance, most);
            left = left.map(|left| left.saturating_sub(Duration::from_millis(charged)));
            charged
        };
        let runs = state.runs.iter();
        let open = runs.filter(|run| run.finished.is_none() && run.voided.is_none());
        first.extend(open.map(|run| {
            Body::from(RunVoided {
                run: run.id,
                why: "crash".into(),
                cpu_ms: charge(RUN_CPU_MS),
            })
        }));
        let crashed = state.sessions.last().is_some_and(|one| one.ended.is_none());
        if crashed {
            let open = self.unmeasured(&state).into_iter();
            first.extend(open.map(|(run, split)| {
                Body::from(measure_cut(run, split, "crash", charge(MEASURE_CPU_MS)))
            }));
        }
        let mut journal = StudyJournal::new(ledger.clone(), STUDY);
        for (seq, at, body) in journal.append(first).ok()? {
            state.apply(seq, at, body).unwrap();
        }
        Some(state)
    }

    /// Returns the measurements that may have been under way.
    fn unmeasured(&self, state: &State) -> Vec<(RunId, Split)> {
        let search = state.runs.iter().filter(|run| run.needs_measure());
        let opened = state.sealed.iter();
        let sealed = opened.flat_map(|opened| opened.start.iter().chain(&opened.winner));
        let sealed = sealed
            .filter_map(|run| state.run(*run))
            .filter(|run| run.sealed.is_none() && run.unsealed.is_none());
        let all = search.map(|run| (run.id, Split::Search));
        let all = all.chain(sealed.map(|run| (run.id, Split::Sealed)));
        all.take(self.slots).collect()
    }

    /// Stops the machine; where the power went, the disk falls back to what it has.
    pub(crate) fn stop(&mut self, power: bool) {
        self.processes.stop(power, &mut self.dice);
        fs::write(self.directory.path().join("lock"), "killed").unwrap();
        if power {
            store::lock(&self.disk).lose_power();
            let _ = fs::remove_file(self.directory.path().join("ledger.db-shm"));
        }
    }

    /// Opens the lab on a disk that works and holds its record to the truth. Returns what the record says.
    pub(crate) fn settle(&self) -> State {
        store::lock(&self.disk).plan(Plan::Calm);
        let ledger = self.open().unwrap();
        let reader = ledger.reader().unwrap();
        assert_eq!(reader.verify().unwrap().fault, None);
        // The fold refuses gaps, receipts without intents, second receipts, measurements and verdicts.
        let state = lab::load(&reader, STUDY).unwrap();
        // Every verdict follows from the events before it, so its measurements are there.
        let checked = lab::check(&reader, STUDY, &self.protocol).unwrap();
        assert_eq!(checked.differences, []);
        let truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        for run in &truth.runs {
            assert!(
                state.run(*run).is_some(),
                "{run} ran and no intent of it is there"
            );
        }
        for run in state.runs.iter().filter(|run| run.finished.is_some()) {
            assert!(
                truth.runs.contains(&run.id),
                "{} has a receipt and never ran",
                run.id
            );
        }
        state
    }

    /// Holds what a finished lab was charged to what it used.
    pub(crate) fn assert_paid(&self, state: &State) {
        let truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            truth.cpu_ms <= state.cpu_ms,
            "{} ms were used and {} are in the record",
            truth.cpu_ms,
            state.cpu_ms
        );
        if let Some(budget) = self.protocol.budget.cpu {
            let budget = budget.as_millis() as u64;
            assert!(
                truth.cpu_ms <= budget,
                "{} of {budget} ms used",
                truth.cpu_ms
            );
        }
        assert!(state.proposals <= self.protocol.budget.experiments);
    }

    /// Returns the record's events as kind, version and text.
    pub(crate) fn record(&self) -> Vec<(String, u32, String)> {
        let ledger = self.open().unwrap();
        let events = ledger.reader().unwrap().read_all(0, usize::MAX).unwrap();
        let events = events.into_iter();
        events
            .map(|one| (one.kind, one.version, one.body))
            .collect()
    }
}

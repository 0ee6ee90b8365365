//! One simulated lab: sessions that crash, what they truly did, and what the record must say.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lyceum_ledger::{Clock, LabId, Ledger, Options, Timestamp};
use lyceum_search::Random;
use lyceum_study::engine::{
    Allowance, Broken, Cut, Driver, End, Executor, Journal as _, MeasureEnd, MeasureTask, Protocol,
    Resource, RunTask, State, Steady, Tell,
};
use lyceum_study::format::{self, Study};
use lyceum_study::lab::{self, Lab, Left, Looked, Receipts, StudyJournal};
use lyceum_types::{
    Body, MeasureCut, Outcome, Output, RunFinished, RunId, SessionStarted, Split, Usage,
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

/// The study as a person wrote it. What died is charged at most with its limits, which are no less than what is used.
fn definition() -> Study {
    const TEXT: &str = r#"
question = "?"
[metric]
name = "loss"
goal = "minimize"
[workspace]
editable = ["settings.toml"]
[run]
command = ["sh", "train.sh"]
outputs = ["out.txt"]
timeout = "10ms"
[measure]
command = ["sh", "{private}/evaluate.sh", "{outputs}/out.txt"]
private = ["evaluate.sh"]
timeout = "10ms"
[knobs.x]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "x"
"#;
    format::parse(TEXT, "study.toml", STUDY).unwrap()
}

/// A wall clock that jumps by hours, also back, whenever it is read; what was worked goes by on it as well.
#[derive(Debug)]
struct Jumping {
    now: AtomicI64,
    worked_ms: AtomicU64,
    dice: Mutex<Dice>,
}

impl Jumping {
    fn new(seed: u64) -> Jumping {
        Jumping {
            now: AtomicI64::new(0),
            worked_ms: AtomicU64::new(0),
            dice: Mutex::new(Dice(seed)),
        }
    }

    fn work(&self, milliseconds: u64) {
        self.worked_ms.fetch_add(milliseconds, Ordering::Relaxed);
        self.now.fetch_add(milliseconds as i64, Ordering::Relaxed);
    }
}

/// The time that was worked, which never runs backwards.
#[derive(Debug)]
struct Worked(Arc<Jumping>);

impl Steady for Worked {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.worked_ms.load(Ordering::Relaxed))
    }
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let hours = if dice.one_in(20) {
            dice.below(48) as i64 - 24
        } else {
            0
        };
        let step = hours * 3_600_000 + dice.below(50) as i64;
        Timestamp::from_unix_ms(self.now.fetch_add(step, Ordering::Relaxed) + step)
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
    clock: Arc<Jumping>,
    receipts: Receipts,
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
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        assert!(
            self.is_intended(task.run),
            "{} began without an intent",
            task.run
        );
        let fresh = self.truth().runs.insert(task.run);
        assert!(fresh, "{} was run twice", task.run);
        let used = within(task.allowance, RUN_CPU_MS);
        self.truth().cpu_ms += used;
        self.clock.work(used);
        let process = self.processes.start(&self.place, STUDY, task.run);
        let mut finished = self.machine.run(task, cut, tell)?;
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
        self.receipts.keep(&finished);
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        let used = within(task.allowance, MEASURE_CPU_MS);
        self.truth().cpu_ms += used;
        self.clock.work(used);
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
    /// Open runs that were found done, and those that were void.
    pub(crate) resolved: Cell<[u64; 2]>,
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
            resolved: Cell::default(),
            directory,
            clock: Arc::new(Jumping::new(seed ^ 0xC10C)),
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
        let left = lab::clean_up_among(&self.place, &self.processes).unwrap();
        assert!(
            self.processes.is_clean(&self.place),
            "something of an earlier session is left"
        );
        assert_eq!(
            self.processes.strangers(),
            strangers,
            "a process of somebody else was ended"
        );
        let Some(state) = self.first(&ledger, &left) else {
            return Ended::Crashed;
        };
        let executor = Remembering {
            machine: Machine(World::Slope),
            ledger: ledger.clone(),
            truth: Arc::clone(&self.truth),
            place: self.place.clone(),
            processes: self.processes.clone(),
            clock: Arc::clone(&self.clock),
            receipts: self.receipts(),
        };
        let mut journal = StudyJournal::new(ledger, STUDY).with_receipts(self.receipts());
        let driver = Driver {
            journal: &mut journal,
            state,
            protocol: &self.protocol,
            researcher: &Random,
            agent: None,
            executor: Arc::new(executor),
            slots: (0..self.slots).map(|slot| vec![slot]).collect(),
            threads: 1,
            stop: Arc::new(AtomicBool::new(false)),
            time: &Worked(Arc::clone(&self.clock)),
            observer: &mut Silent,
        };
        match driver.drive() {
            Ok((End::Finished, state)) => Ended::Finished(Box::new(state)),
            Ok((End::Interrupted | End::Held, _)) | Err(_) => Ended::Crashed,
        }
    }

    /// Writes what a session begins with: what a crash left open is resolved.
    fn first(&self, ledger: &Ledger, left: &[Left]) -> Option<State> {
        let reader = ledger.reader().ok()?;
        let mut state = lab::load(&reader, STUDY).ok()?;
        let mut first: Vec<Body> = Vec::new();
        if state.opened.is_none() {
            first.push(opened(&self.protocol).into());
        }
        first.push(SessionStarted::into(started(self.slots as u32)));
        let receipts = self.receipts();
        let looked = Looked {
            name: STUDY,
            state: &state,
            study: &definition(),
            protocol: &self.protocol,
            reader: &reader,
            receipts: &receipts,
            left,
            now: ledger.now().unix_ms(),
            processors: 1,
        };
        let open = looked.resolve();
        let of = |wanted: fn(&Body) -> bool| open.iter().filter(|one| wanted(one)).count() as u64;
        let done = of(|one| matches!(one, Body::RunFinished(_)));
        let void = of(|one| matches!(one, Body::RunVoided(_)));
        let [done_before, void_before] = self.resolved.get();
        self.resolved.set([done_before + done, void_before + void]);
        first.extend(open);
        let mut journal = StudyJournal::new(ledger.clone(), STUDY);
        for (seq, at, body) in journal.append(first).ok()? {
            state.apply(seq, at, body).unwrap();
        }
        receipts.clear();
        Some(state)
    }

    fn receipts(&self) -> Receipts {
        Receipts::of(&self.place.receipts(), STUDY)
    }

    /// Stops the machine; where the power went, the disk falls back to what it has.
    pub(crate) fn stop(&mut self, power: bool) {
        self.processes.stop(power, &mut self.dice);
        fs::write(self.directory.path().join("lock"), "killed").unwrap();
        if power {
            store::lock(&self.disk).lose_power();
            self.tear_receipts();
            let _ = fs::remove_file(self.directory.path().join("ledger.db-shm"));
        }
    }

    /// Of each receipt that was on its way the disk has all, a part, or nothing: nobody waits for them to be synced.
    fn tear_receipts(&mut self) {
        let mut kept: Vec<_> = fs::read_dir(self.place.receipts().join(STUDY)).map_or_else(
            |_| vec![],
            |all| all.map(|one| one.unwrap().path()).collect(),
        );
        kept.sort();
        for path in kept {
            let text = fs::read(&path).unwrap();
            match self.dice.below(3) {
                0 => fs::remove_file(&path).unwrap(),
                1 => {
                    fs::write(&path, &text[..self.dice.below(text.len() as u64) as usize]).unwrap();
                }
                _ => {}
            }
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

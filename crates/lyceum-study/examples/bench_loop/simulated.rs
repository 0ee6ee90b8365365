//! A long study: begun for real, gone on with simulated runs whose events look like real ones.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lyceum_ledger::Ledger;
use lyceum_sandbox::Sandbox;
use lyceum_search::Random;
use lyceum_study::{
    engine::{
        Broken, Cut, Driver, End, Executor, Live, MeasureEnd, MeasureTask, Observer, RunTask,
        SinceMade, State, Tell,
    },
    format,
    lab::{self, StudyJournal, conduct},
};
use lyceum_types::{
    Body, MachineFacts, Measured, Outcome, Output, RunFinished, RunMeasured, Seed, SessionStarted,
    Setting, Settings, Split, Trust, Usage,
};

use crate::{
    Failure,
    place::{Place, STUDY},
};

/// The candidate's number in the part that runs for real: 0.500 to 0.510, by the seed.
pub(crate) const VALUE: &str = "0.50$LYCEUM_SEED";
/// Spread of the simulated numbers: about that of [`VALUE`].
const SPREAD: f64 = 0.003;
/// What a candidate prints, kept with its receipt: half of what the lab keeps at most.
const LOG: &str = "step 100 loss 2.31 rate 0.0030 tokens/s 81234\n";
const LOG_LINES: usize = 22;

/// Sets the wish to stop at an event.
pub(crate) struct StopAt<F> {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) reached: F,
}

impl<F: FnMut(&State, &Body) -> bool> Observer for StopAt<F> {
    fn event(&mut self, state: &State, _: u64, _: i64, body: &Body) {
        if (self.reached)(state, body) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {}
}

/// Begins the study in real sandboxes and stops it at its first proposal.
pub(crate) fn begin(place: &Place) -> Result<(), Failure> {
    let kit = place.kit(Sandbox::new()?, place.ledger()?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut observer = StopAt {
        stop: Arc::clone(&stop),
        reached: |state: &State, _: &Body| state.proposals > 0,
    };
    conduct(
        kit,
        &place.request(u32::MAX),
        Some(1),
        stop,
        &mut observer,
        |_| (),
    )?;
    Ok(())
}

/// Goes on with simulated runs until this many experiments have a verdict. Returns how long the loop took.
pub(crate) fn go_on(place: &Place, experiments: u32) -> Result<Duration, Failure> {
    let ledger = place.ledger()?;
    let state = lab::load(&ledger.reader()?, STUDY)?;
    let opened = state.opened.clone().ok_or("the study was not begun")?;
    let text = ledger.reader()?.blob(opened.definition.parse()?)?;
    let study = format::parse(&String::from_utf8(text)?, "study.toml", STUDY)
        .map_err(|problems| problems.to_string())?;
    let mut protocol = lab::protocol(&study, opened.start, opened.seed);
    protocol.budget.experiments = u32::MAX;
    let executor = Simulated::new(&ledger)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut observer = StopAt {
        stop: Arc::clone(&stop),
        reached: |state: &State, body: &Body| {
            matches!(body, Body::Decided(_)) && state.proposals >= experiments
        },
    };
    let mut journal = StudyJournal::new(ledger, STUDY);
    let mut driver = Driver {
        journal: &mut journal,
        state,
        protocol: &protocol,
        researcher: &Random,
        agent: None,
        executor: Arc::new(executor),
        slots: vec![vec![0]],
        threads: 1,
        stop,
        time: &SinceMade::default(),
        observer: &mut observer,
    };
    for (seq, at, body) in driver.journal.append(vec![session()])? {
        driver.state.apply(seq, at, body)?;
    }
    let begun = Instant::now();
    let (end, state) = driver.drive()?;
    if (end, state.proposals) != (End::Interrupted, experiments) {
        return Err(format!("{} experiments, {end:?}", state.proposals).into());
    }
    Ok(begun.elapsed())
}

fn session() -> Body {
    SessionStarted {
        pid: std::process::id(),
        slots: 1,
        sandbox: "none: simulated runs".into(),
        machine: MachineFacts::default(),
        binary: String::new(),
        lyceum: env!("CARGO_PKG_VERSION").into(),
    }
    .into()
}

/// Makes numbers up from the settings and the seed.
struct Simulated {
    blob: String,
}

impl Simulated {
    fn new(ledger: &Ledger) -> Result<Simulated, Failure> {
        let blob = ledger.put_blob(b"0.5\n")?.to_string();
        Ok(Simulated { blob })
    }
}

/// The sum of twelve uniform numbers less six: its spread is 1.
fn noise(seed: Seed, settings: &Settings) -> f64 {
    let mut key = seed;
    for (name, value) in settings {
        key = key.derive(name, value.number().unwrap_or(0.0).to_bits());
    }
    let uniform = |index| key.derive("noise", index).0 as f64 / (1_u64 << 53) as f64;
    (0..12).map(uniform).sum::<f64>() - 6.0
}

fn usage(wall_ms: u64) -> Usage {
    Usage {
        wall_ms,
        cpu_ms: wall_ms - 1,
        peak_memory_bytes: 34_603_008,
        printed_bytes: 1012,
    }
}

impl Executor for Simulated {
    fn run(&self, task: &RunTask, _: &Cut, _: &Tell<'_>) -> Result<RunFinished, Broken> {
        let x = task.settings.get("x").and_then(Setting::number);
        let value = x.unwrap_or(0.5) + SPREAD * noise(task.seed, &task.settings);
        Ok(RunFinished {
            run: task.run,
            outcome: Outcome::Completed,
            usage: usage(1523),
            outputs: vec![Output {
                name: "out".into(),
                blob: self.blob.clone(),
                bytes: 4,
                executable: false,
            }],
            reported: BTreeMap::from([("loss".into(), value)]),
            log: LOG.repeat(LOG_LINES),
            policy: self.blob.clone(),
            observed: None,
        })
    }

    fn measure(&self, task: &MeasureTask, _: &Cut) -> Result<MeasureEnd, Broken> {
        Ok(MeasureEnd::Measured(RunMeasured {
            run: task.finished.run,
            split: task.split,
            trust: match task.split {
                Split::Search => Trust::Measured,
                Split::Sealed => Trust::Sealed,
            },
            measured: Measured::Values {
                values: task.finished.reported.clone(),
            },
            fresh: None,
            usage: usage(87),
            log: String::new(),
        }))
    }
}

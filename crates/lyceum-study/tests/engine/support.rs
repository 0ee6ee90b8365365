//! The simulated machine, and sessions of the lab on it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use lyceum_search::{Random, Researcher};
use lyceum_stats::Rule;
use lyceum_study::engine::{
    Broken, Budget, Criterion, Cut, Driver, End, Executor, Journal, JournalError, Live, MeasureEnd,
    MeasureTask, MemoryJournal, Observer, Protocol, Report, RunTask, SinceMade, State, Tell,
};
use lyceum_types::{
    Body, FailureReason, Goal, Knob, KnobKind, MachineFacts, Measured, Outcome, Output,
    RunFinished, RunMeasured, RunVoided, Scale, Seed, SessionStarted, Setting, Settings, Space,
    Split, StudyOpened, Trust, Usage,
};

/// What the simulated candidate's metric is.
#[derive(Clone, Copy)]
pub(crate) enum World {
    /// Pure noise: no setting matters.
    Null,
    /// Lower `x` is better by far more than the noise; `y` does nothing.
    Slope,
    /// The unchanged workspace fails.
    Dead,
    /// Settings with `x` above one half fail.
    Cliff,
    /// As `Slope`, and nothing gets below one half, which half the settings reach exactly.
    Saturated,
    /// As `Saturated` without any noise.
    Exact,
    /// A ratio whose noise grows with it: higher is better, and lower `x` gives more.
    Ratio,
    /// As `Slope`, and what is good fails on three seeds of five.
    Flaky,
    /// As `Slope`, and the evaluator answers with no finite number when `y` is above one half.
    Nan,
}

impl World {
    /// What a run says of itself at a step: it comes down towards its value.
    fn said(self, value: f64, step: u64) -> f64 {
        match self {
            World::Nan => f64::NAN,
            _ => value + 10.0 / step as f64,
        }
    }
}

pub(crate) struct Machine(pub(crate) World);

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
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        let (x, y) = (number(&task.settings, "x"), number(&task.settings, "y"));
        let value = match self.0 {
            World::Null => 5.0 + noise(task.seed, &task.settings),
            World::Saturated | World::Exact if x <= 0.5 => 0.5,
            World::Exact => x,
            World::Ratio => (2.0 - x) * (0.02 * noise(task.seed, &task.settings)).exp(),
            _ => x + 0.01 * noise(task.seed, &task.settings),
        };
        let fails = match self.0 {
            World::Dead => true,
            World::Cliff => x > 0.5 && x < 0.9,
            World::Flaky => x < 0.9 && task.seed.0 % 5 < 3,
            World::Null
            | World::Slope
            | World::Saturated
            | World::Exact
            | World::Ratio
            | World::Nan => false,
        };
        for step in (1..=27).filter(|_| task.reports) {
            tell(Report {
                step,
                value: self.0.said(value, step),
            });
        }
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
            observed: None,
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

pub(crate) fn protocol(seed: u64, experiments: u32) -> Protocol {
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
        looks: None,
        halving: None,
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
        outcome: None,
    }
}

pub(crate) struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &State, _: u64, _: i64, _: &Body) {}
    fn tick(&mut self, _: &State, _: &Live) {}
}

/// A journal that refuses to write after a number of events: the crash.
pub(crate) struct Crashing<'a> {
    pub(crate) inner: &'a mut MemoryJournal,
    pub(crate) left: usize,
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

pub(crate) fn opened(protocol: &Protocol) -> StudyOpened {
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
        earlier: vec![],
        level: None,
        lyceum: String::new(),
    }
}

pub(crate) fn started(slots: u32) -> SessionStarted {
    SessionStarted {
        pid: 1,
        slots,
        sandbox: String::new(),
        machine: MachineFacts::default(),
        binary: String::new(),
        lyceum: String::new(),
    }
}

pub(crate) fn fold(journal: &MemoryJournal) -> State {
    let mut state = State::default();
    for (seq, at, body) in &journal.events {
        state.apply(*seq, *at, body.clone()).unwrap();
    }
    state
}

/// One process of the lab: opens or goes on, voids what has no receipt, drives until the end or the crash.
pub(crate) fn session(
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
                cpu_ms: 0,
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
        agent: None,
        executor: Arc::new(Machine(world)),
        slots: (0..slots).map(|slot| vec![slot]).collect(),
        threads: 1,
        stop: Arc::new(AtomicBool::new(stop)),
        time: &SinceMade::default(),
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

pub(crate) fn whole(world: World, protocol: &Protocol, slots: usize) -> (State, MemoryJournal) {
    let mut journal = MemoryJournal::default();
    let (end, state) = session(world, protocol, &mut journal, slots, None, false).unwrap();
    assert_eq!(end, End::Finished);
    (state, journal)
}

//! The studies.

#![expect(
    clippy::unwrap_used,
    clippy::unnecessary_wraps,
    reason = "made-up data of a fixed shape"
)]

use std::collections::BTreeMap;

use lyceum_report::{
    Report,
    fold::{BudgetLimits, Context, report},
    model::{Drawing, Head},
};
use lyceum_types::{
    Ablated, AutonomyLent, Body, Claimed, Class, Condition, DataDrawn, Detector, EndReason,
    Evidence, ExperimentId, FailureReason, Goal, Graded, IncidentRaised, Knob, KnobKind, Level,
    MachineFacts, Output, OversightBegan, Prediction, Purpose, Role, RunId, Scale, SealedOpened,
    SearchEnded, Seed, SessionEnded, SessionStarted, Setting, Settings, Side, Split, StudyFinished,
    StudyOpened, Trust, Verdict,
};

use super::journal::{Answer, Journal, normal, uniform};

/// A study as its events and what stands beside them.
pub struct Study {
    pub name: &'static str,
    pub events: Vec<(u64, i64, Body)>,
    pub context: Context,
}

impl Study {
    pub fn report(&self) -> Report {
        report(self.events.clone(), self.context.clone())
    }
}

pub fn all() -> Vec<Study> {
    vec![
        rich(),
        nothing(),
        running(),
        self_reported(),
        maximise(),
        unconfirmed(),
        empty(),
    ]
}

fn float(name: &str, low: f64, high: f64, scale: Scale) -> Knob {
    Knob {
        name: name.into(),
        kind: KnobKind::Float { low, high, scale },
        condition: None,
    }
}

fn integer(name: &str, low: i64, high: i64, scale: Scale) -> Knob {
    Knob {
        name: name.into(),
        kind: KnobKind::Integer { low, high, scale },
        condition: None,
    }
}

fn knobs() -> Vec<Knob> {
    let text = |text: &str| Setting::Text(text.into());
    vec![
        float("learning_rate", 1e-4, 1e-1, Scale::Log),
        integer("width", 16, 128, Scale::Log),
        integer("depth", 1, 4, Scale::Linear),
        float("warmup_share", 0.0, 0.3, Scale::Linear),
        float("weight_decay", 1e-4, 1.0, Scale::Log),
        Knob {
            name: "optimizer".into(),
            kind: KnobKind::Categorical {
                choices: vec![text("sgd"), text("adamw")],
            },
            condition: None,
        },
        Knob {
            name: "momentum".into(),
            kind: KnobKind::Float {
                low: 0.5,
                high: 0.99,
                scale: Scale::Linear,
            },
            condition: Some(Condition {
                knob: "optimizer".into(),
                is: vec![text("sgd")],
            }),
        },
        Knob {
            name: "tied_embeddings".into(),
            kind: KnobKind::Boolean,
            condition: None,
        },
    ]
}

fn start() -> Settings {
    Settings::from([
        ("learning_rate".into(), Setting::Float(3e-4)),
        ("width".into(), Setting::Integer(32)),
        ("depth".into(), Setting::Integer(1)),
        ("warmup_share".into(), Setting::Float(0.0)),
        ("weight_decay".into(), Setting::Float(0.1)),
        ("optimizer".into(), Setting::Text("sgd".into())),
        ("momentum".into(), Setting::Float(0.9)),
        ("tied_embeddings".into(), Setting::Boolean(false)),
    ])
}

fn number(settings: &Settings, name: &str) -> f64 {
    settings.get(name).and_then(Setting::number).unwrap_or(0.0)
}

/// A made-up loss surface with noise, divergence at high rates and a time limit for large networks.
fn language_model(settings: &Settings, seed: Seed) -> Answer {
    let adam = settings.get("optimizer") == Some(&Setting::Text("adamw".into()));
    let (rate, width, depth) = (
        number(settings, "learning_rate"),
        number(settings, "width"),
        number(settings, "depth"),
    );
    if rate > 0.04 {
        return Err(FailureReason::NotFinite {
            metric: "val_bpb".into(),
            found: "nan".into(),
        });
    }
    if width * depth > 330.0 {
        return Err(FailureReason::Timeout);
    }
    if width > 110.0 && depth > 2.0 {
        return Err(FailureReason::Exit { code: 137 });
    }
    let best_rate: f64 = if adam { 4e-3 } else { 1.6e-2 };
    let off = (rate / best_rate).log10();
    let size = (width * depth.sqrt() / 90.0).log2();
    let value = 1.78 + 0.21 * off * off + 0.035 * size * size - 0.12 * f64::from(u8::from(adam))
        + 1.2 * (number(settings, "warmup_share") - 0.1).powi(2)
        + 0.008 * (number(settings, "weight_decay") / 0.03).log10().powi(2)
        - 0.02
            * f64::from(u8::from(
                settings.get("tied_embeddings") == Some(&Setting::Boolean(true)),
            ))
        + if rate > 0.03 { 1.4 } else { 0.0 };
    Ok(value + 0.011 * normal(seed, &format!("{settings:?}")))
}

fn nothing_works(settings: &Settings, seed: Seed) -> Answer {
    Ok(0.5 + 0.02 * normal(seed, &format!("{settings:?}")))
}

fn proposal(seed: Seed, id: u32, best: &Settings) -> Settings {
    let u = |name: &str| uniform(seed, name, u64::from(id));
    let near = id > 12;
    let mut settings = Settings::new();
    for knob in knobs() {
        let value = match &knob.kind {
            KnobKind::Float { low, high, scale } => {
                let share = |value: f64| match scale {
                    Scale::Linear => (value - low) / (high - low),
                    Scale::Log => (value / low).ln() / (high / low).ln(),
                };
                let centre = best
                    .get(&knob.name)
                    .and_then(Setting::number)
                    .map_or(0.5, share);
                let at = if near {
                    (centre + 0.5 * (u(&knob.name) - 0.5)).clamp(0.0, 1.0)
                } else {
                    u(&knob.name)
                };
                let value = match scale {
                    Scale::Linear => low + at * (high - low),
                    Scale::Log => low * (high / low).powf(at),
                };
                Setting::Float(format!("{value:.2e}").parse().unwrap())
            }
            KnobKind::Integer { low, high, .. } => {
                Setting::Integer(low + (u(&knob.name) * (high - low + 1) as f64) as i64)
            }
            KnobKind::Categorical { choices } => {
                choices[(u(&knob.name) * choices.len() as f64) as usize].clone()
            }
            KnobKind::Boolean => Setting::Boolean(u(&knob.name) < 0.5),
        };
        settings.insert(knob.name.clone(), value);
    }
    if settings["optimizer"] == Setting::Text("adamw".into()) {
        settings.remove("momentum");
    }
    settings
}

fn open(
    journal: &mut Journal,
    study: &str,
    question: &str,
    unit: &str,
    start: Settings,
    limit: Option<f64>,
) {
    journal.push(StudyOpened {
        study: study.into(),
        question: question.into(),
        directory: "/tmp/studies".into(),
        definition: "5c".repeat(32),
        workspace: "9e".repeat(32),
        workspace_files: 4,
        evaluator: "d1".repeat(32),
        metric: journal.metric.into(),
        goal: journal.goal,
        unit: unit.into(),
        trust: journal.trust,
        seed: journal.seed,
        researcher: "gp-ei: Gaussian process, expected improvement".into(),
        rule: "careful: repeats near the floor".into(),
        start,
        earlier: vec![],
        level: None,
        lyceum: "0.1.0".into(),
    });
    journal.push(SessionStarted {
        pid: 4711,
        slots: 2,
        sandbox: "namespaces, overlay, seccomp, Landlock; no network".into(),
        machine: MachineFacts {
            system: "Linux 6.12.0".into(),
            processor: "AMD EPYC 7B13".into(),
            cores: 2,
            memory_bytes: 8 << 30,
        },
        binary: "77".repeat(32),
        lyceum: "0.1.0".into(),
    });
    let blob = |name: &str, byte: &str| {
        vec![Output {
            name: name.into(),
            blob: byte.repeat(32),
            bytes: 65_536,
            executable: false,
        }]
    };
    journal.push(DataDrawn {
        public: blob("train.txt", "a1"),
        private: blob("heldout.txt", "b2"),
        sealed: blob("sealed.txt", "c3"),
        limits: limit
            .map(|limit| (journal.metric.to_owned(), limit))
            .into_iter()
            .collect(),
        inputs: BTreeMap::new(),
    });
}

fn floor(journal: &mut Journal, settings: Settings) -> f64 {
    journal.propose(0, Role::Start, settings, "the unchanged workspace", None);
    let values: Vec<f64> = (0..6)
        .filter_map(|index| {
            journal
                .run(0, Purpose::Floor, journal.seed.derive("look", index))
                .1
        })
        .collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn hypothesis(id: u32) -> &'static str {
    match id % 4 {
        0 => "A higher learning rate with a short warm-up should use the ten seconds better.",
        1 => {
            "Width pays more than depth at this budget; move along the ridge that e-values suggest."
        }
        2 => "Far from everything tried: learn whether weight decay matters at all.",
        _ => {
            "Exploit: a small step from the best so far where the model expects the largest improvement."
        }
    }
}

/// A greedy search with repeats near the floor; returns the best experiment.
fn search(journal: &mut Journal, count: u32, sd: f64, start_value: f64) -> u32 {
    let (mut best, mut best_value) = (0, start_value);
    for id in 1..=count {
        let settings = proposal(
            journal.seed,
            id,
            &journal.settings[&ExperimentId(best)].clone(),
        );
        let truth = (journal.world)(&settings, Seed(99)).ok();
        let off = 0.05 * normal(journal.seed.derive("off", u64::from(id)), "off");
        let prediction = (id > 8).then(|| Prediction {
            mean: truth.unwrap_or(2.0) + off,
            sd: 0.03 + 0.04 * uniform(journal.seed, "sd", u64::from(id)),
        });
        journal.propose(id, Role::Search, settings, hypothesis(id), prediction);
        let (run, value) = journal.run(id, Purpose::Search, journal.seed.derive("look", 0));
        let Some(first) = value else {
            journal.decide(
                id,
                Verdict::Failed,
                best,
                None,
                "its run gave no number: see the run",
                vec![run],
            );
            continue;
        };
        let mut values = vec![first];
        let mut runs = vec![run];
        let gain = journal.goal.gain(best_value, first);
        if gain.abs() < 3.0 * sd {
            for look in 1..3 {
                let (run, value) =
                    journal.run(id, Purpose::Repeat, journal.seed.derive("look", look));
                values.extend(value);
                runs.push(run);
            }
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let gain = journal.goal.gain(best_value, mean);
        let verdict = if gain > 1.5 * sd {
            Verdict::Kept
        } else if gain > -0.5 * sd {
            Verdict::Inconclusive
        } else {
            Verdict::Discarded
        };
        let why = match verdict {
            Verdict::Kept => format!(
                "gain {gain:.3} over e{best} is above {:.3}, what the noise would give",
                1.5 * sd
            ),
            Verdict::Inconclusive => format!(
                "gain {gain:.3} over e{best} is within the noise after {} looks",
                values.len()
            ),
            _ => format!("worse than e{best} by {:.3}", -gain),
        };
        journal.decide(id, verdict, best, Some(gain), &why, runs);
        if verdict == Verdict::Kept {
            (best, best_value) = (id, mean);
        }
    }
    journal.push(SearchEnded {
        why: "the budget of experiments is spent".into(),
        spent: false,
    });
    best
}

fn confirm(journal: &mut Journal, winner: u32) {
    let (pairs, finding) = journal.compare(
        (0, |pair| Purpose::Confirm {
            pair,
            side: Side::Start,
        }),
        (winner, |pair| Purpose::Confirm {
            pair,
            side: Side::Winner,
        }),
        10,
        "confirm",
    );
    journal.push(Claimed {
        winner: ExperimentId(winner),
        pairs,
        finding,
        grader: String::new(),
    });
}

fn ablate(journal: &mut Journal, winner: u32, first_id: u32) {
    let (winner_settings, start) = (
        journal.settings[&ExperimentId(winner)].clone(),
        journal.settings[&ExperimentId(0)].clone(),
    );
    let changed: Vec<String> = winner_settings
        .keys()
        .filter(|knob| winner_settings.get(*knob) != start.get(*knob))
        .cloned()
        .collect();
    for (index, knob) in changed.into_iter().enumerate() {
        let id = first_id + index as u32;
        let mut settings = winner_settings.clone();
        if let Some(value) = start.get(&knob) {
            settings.insert(knob.clone(), value.clone());
        }
        journal.propose(
            id,
            Role::Ablation { knob: knob.clone() },
            settings,
            "the winner with one knob put back",
            None,
        );
        let (pairs, finding) = journal.compare(
            (id, |pair| Purpose::Ablate { pair }),
            (winner, |pair| Purpose::Ablate { pair }),
            8,
            "ablate",
        );
        journal.push(Ablated {
            experiment: ExperimentId(id),
            knob,
            pairs,
            finding,
        });
    }
}

/// Opens the sealed split for the runs of the confirmation.
fn open_sealed(journal: &mut Journal) -> Vec<RunId> {
    let claim = journal
        .events
        .iter()
        .rev()
        .find_map(|(_, _, body)| match body {
            Body::Claimed(claim) => Some(claim.clone()),
            _ => None,
        });
    let pairs = claim.unwrap().pairs;
    let (start, winner): (Vec<RunId>, Vec<RunId>) = pairs
        .iter()
        .map(|pair| (pair.base_run, pair.other_run))
        .unzip();
    journal.push(SealedOpened {
        start,
        winner: winner.clone(),
        look: 1,
    });
    for pair in pairs {
        for (run, value) in [(pair.base_run, pair.base), (pair.other_run, pair.other)] {
            journal.measure(run, Split::Sealed, Ok(value.unwrap() + 0.006));
        }
    }
    winner
}

fn grade(
    journal: &mut Journal,
    text: &str,
    satisfied: bool,
    value: Option<f64>,
    runs: Vec<RunId>,
    why: &str,
) {
    let criterion = journal
        .events
        .iter()
        .filter(|(_, _, body)| matches!(body, Body::Graded(_)))
        .count() as u32;
    let interval = value.map(|value| (value - 0.008, value + 0.008));
    journal.push(Graded {
        criterion,
        text: text.into(),
        satisfied,
        value,
        interval,
        why: why.into(),
        runs,
    });
}

/// What oversight saw, and a person's word about it.
fn oversee(journal: &mut Journal) {
    journal.push(OversightBegan {
        rules: 1,
        fired: vec![Detector::AccessTripwire, Detector::StaticRules],
        silent: vec![],
        debt_max: 20,
        autonomy: Some(Level::L3),
    });
    journal.push(IncidentRaised {
        detector: Detector::AccessTripwire,
        class: Class::Block,
        run: RunId(7),
        what: "opened the decoy `/private/answers.json`".into(),
        evidence: vec![Evidence::Event { seq: 9 }],
    });
    journal.push(AutonomyLent {
        why: "the decoy was opened by a backup; one more session".into(),
    });
}

fn finish(journal: &mut Journal, satisfied: bool, why: &str) {
    journal.push(StudyFinished {
        satisfied,
        cut_short: false,
        why: why.into(),
    });
    journal.push(SessionEnded {
        reason: EndReason::Finished,
        wall_ms: 374_000,
    });
}

fn close(journal: Journal, name: &'static str, context: Context) -> Study {
    let head = Head {
        position: journal.events.len() as u64,
        hash: "3fa9".repeat(16),
        at: "22 November 2026, 05:12 UTC".into(),
    };
    Study {
        name,
        events: journal.events,
        context: Context {
            study: format!("studies/{name}"),
            head,
            ..context
        },
    }
}

fn limits(experiments: u64) -> BudgetLimits {
    BudgetLimits {
        experiments: Some(experiments),
        wall_ms: Some(600_000),
        cpu_ms: Some(1_200_000),
        disk_bytes: Some(1 << 30),
    }
}

const LM_QUESTION: &str =
    "Which training recipe gives the lowest validation bits per byte in 10 s of CPU?";

/// A full study: 60 experiments, failures, a confirmed winner.
pub fn rich() -> Study {
    let mut journal = Journal::new("val_bpb", Goal::Minimize, Trust::Measured, language_model);
    open(
        &mut journal,
        "tiny-lm",
        LM_QUESTION,
        "bits/byte",
        start(),
        Some(1.583),
    );
    let value = floor(&mut journal, start());
    let winner = search(&mut journal, 60, 0.011, value);
    confirm(&mut journal, winner);
    ablate(&mut journal, winner, 61);
    let runs = open_sealed(&mut journal);
    grade(
        &mut journal,
        "sealed val_bpb at most 1.9 bits/byte at 95 % confidence",
        true,
        Some(1.702),
        runs.clone(),
        "the interval lies below 1.9",
    );
    grade(
        &mut journal,
        "a confirmed improvement of val_bpb by at least 0.5 bits/byte",
        false,
        Some(0.31),
        runs,
        "the interval does not lie above 0.5",
    );
    finish(&mut journal, false, "one of two criteria does not hold");
    close(
        journal,
        "tiny-lm",
        Context {
            knobs: knobs(),
            limits: limits(60),
            ..Context::default()
        },
    )
}

/// A study in which nothing can work.
pub fn nothing() -> Study {
    let mut journal = Journal::new("accuracy", Goal::Maximize, Trust::Measured, nothing_works);
    open(
        &mut journal,
        "null",
        "Does any of these knobs change the outcome of a fair coin?",
        "",
        start(),
        None,
    );
    let value = floor(&mut journal, start());
    let _ = search(&mut journal, 24, 0.03, value + 0.02);
    grade(
        &mut journal,
        "a confirmed improvement of accuracy",
        false,
        None,
        vec![],
        "nothing was kept, so there is nothing to confirm",
    );
    finish(&mut journal, false, "nothing beat the start");
    close(
        journal,
        "null",
        Context {
            knobs: knobs(),
            limits: limits(24),
            ..Context::default()
        },
    )
}

/// A study of which only the floor is done.
pub fn running() -> Study {
    let mut journal = Journal::new("val_bpb", Goal::Minimize, Trust::Measured, language_model);
    open(
        &mut journal,
        "tiny-lm",
        LM_QUESTION,
        "bits/byte",
        start(),
        Some(1.583),
    );
    floor(&mut journal, start());
    let rubric = vec!["sealed val_bpb at most 1.9 bits/byte at 95 % confidence".into()];
    close(
        journal,
        "running",
        Context {
            knobs: knobs(),
            limits: limits(40),
            rubric,
            ..Context::default()
        },
    )
}

/// A study whose numbers are printed by the candidate.
pub fn self_reported() -> Study {
    let mut journal = Journal::new(
        "val_bpb",
        Goal::Minimize,
        Trust::SelfReported,
        language_model,
    );
    open(
        &mut journal,
        "script",
        "What can ./train.sh reach by its own account?",
        "bits/byte",
        start(),
        None,
    );
    let value = floor(&mut journal, start());
    let winner = search(&mut journal, 14, 0.011, value);
    confirm(&mut journal, winner);
    finish(&mut journal, true, "no criteria");
    close(
        journal,
        "script",
        Context {
            knobs: knobs(),
            limits: limits(14),
            ..Context::default()
        },
    )
}

/// A study whose winner does not survive the confirmation.
pub fn unconfirmed() -> Study {
    let mut journal = Journal::new("accuracy", Goal::Maximize, Trust::Measured, nothing_works);
    open(
        &mut journal,
        "luck",
        "Does any of these knobs change the outcome of a fair coin?",
        "",
        start(),
        None,
    );
    let value = floor(&mut journal, start());
    let winner = search(&mut journal, 24, 0.004, value - 0.03);
    assert_ne!(winner, 0, "the sample is of a lucky winner");
    confirm(&mut journal, winner);
    oversee(&mut journal);
    finish(&mut journal, false, "the winner's gain is not confirmed");
    close(
        journal,
        "luck",
        Context {
            knobs: knobs(),
            limits: limits(24),
            ..Context::default()
        },
    )
}

fn packing_value(settings: &Settings, seed: Seed) -> Answer {
    let rate = number(settings, "learning_rate");
    let value = 2.6355 - 0.012 * (rate / 8e-3).log10().abs() - 0.006 * uniform(seed, "start", 0);
    Ok(value)
}

/// A study with the goal to maximise, a known limit and a picture.
pub fn maximise() -> Study {
    let mut journal = Journal::new(
        "sum_of_radii",
        Goal::Maximize,
        Trust::Measured,
        packing_value,
    );
    open(
        &mut journal,
        "circle-packing",
        "How large can the sum of radii of 26 circles in the unit square be?",
        "",
        start(),
        Some(2.635_98),
    );
    let value = floor(&mut journal, start());
    let winner = search(&mut journal, 30, 0.0018, value);
    confirm(&mut journal, winner);
    grade(
        &mut journal,
        "measured sum_of_radii at least 2.63 at 95 % confidence",
        true,
        Some(2.6349),
        vec![RunId(40)],
        "the interval lies above 2.63",
    );
    finish(&mut journal, true, "every criterion holds");
    let circles = (0..26).map(|i| {
        let (row, column) = (i / 5, i % 5);
        if i == 25 {
            (0.2, 0.2, 0.0414)
        } else {
            (
                0.1 + 0.2 * f64::from(column),
                0.1 + 0.2 * f64::from(row),
                0.1,
            )
        }
    });
    let drawing = Some(Drawing::Packing {
        circles: circles.collect(),
        run: RunId(40),
    });
    close(
        journal,
        "circle-packing",
        Context {
            knobs: knobs()[..2].to_vec(),
            limits: limits(30),
            drawing,
            ..Context::default()
        },
    )
}

/// A ledger without a single event.
pub fn empty() -> Study {
    Study {
        name: "empty",
        events: vec![],
        context: Context {
            study: "studies/empty".into(),
            ..Context::default()
        },
    }
}

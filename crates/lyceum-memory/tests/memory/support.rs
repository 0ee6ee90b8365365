//! A lab's ledger and memory, and studies as they would be remembered.

use std::path::PathBuf;

use lyceum_ledger::{Ledger, Options};
use lyceum_memory::{Actor, Note, PastStudy, PastTrial};
use lyceum_types::{ExperimentId, Goal, Knob, KnobKind, Scale, Setting, Settings};
use tempfile::TempDir;

use crate::numbers::numbers;

pub(crate) struct Lab {
    pub(crate) place: TempDir,
    pub(crate) ledger: Ledger,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let place = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&place.path().join("ledger"), Options::default()).unwrap();
        Lab { place, ledger }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place.path().join("memory")
    }
}

pub(crate) fn person() -> Actor {
    Actor::Person("ada".into())
}

pub(crate) fn note() -> Note {
    Note {
        actor: person(),
        cites: vec![],
        expires_at: None,
    }
}

fn knob(name: &str, kind: KnobKind) -> Knob {
    Knob {
        name: name.into(),
        kind,
        condition: None,
    }
}

/// Returns a study of 40 random trials whose loss is least at `rate` = 0.01 · 10^shift, with `kind` = "b" a little better
/// than the others and `idle` without effect.
pub(crate) fn study(name: &str, shift: f64, seed: u64) -> PastStudy {
    let choices = ["a", "b", "c"]
        .map(|one| Setting::Text(one.into()))
        .to_vec();
    let (low, high, scale) = (1e-4, 1.0, Scale::Log);
    let knobs = vec![
        knob(
            "idle",
            KnobKind::Float {
                low: 0.0,
                high: 1.0,
                scale: Scale::Linear,
            },
        ),
        knob("rate", KnobKind::Float { low, high, scale }),
        knob(
            "kind",
            KnobKind::Categorical {
                choices: choices.clone(),
            },
        ),
    ];
    let mut drawn = numbers(seed);
    let mut next = || drawn.next().unwrap();
    let trials = (0..40).map(|index| {
        let exponent = 4.0 * next() - 4.0;
        let kind = choices[(3.0 * next()) as usize].clone();
        let settings = Settings::from([
            ("idle".to_owned(), Setting::Float(next())),
            ("rate".to_owned(), Setting::Float(10_f64.powf(exponent))),
            ("kind".to_owned(), kind.clone()),
        ]);
        let worse = if kind == choices[1] { 0.0 } else { 0.3 };
        PastTrial {
            experiment: ExperimentId(index),
            seq: 10 + u64::from(index),
            settings,
            value: (index % 11 != 7).then(|| (exponent + 2.0 - shift).powi(2) + worse),
        }
    });
    PastStudy {
        name: name.into(),
        stream: format!("study/{name}"),
        metric: "loss".into(),
        goal: Goal::Minimize,
        trials: trials.collect(),
        knobs,
        start: Settings::from([
            ("idle".to_owned(), Setting::Float(0.5)),
            ("rate".to_owned(), Setting::Float(1.0)),
            ("kind".to_owned(), choices[0].clone()),
        ]),
    }
}

//! Planted controls: for each detector something that it must say. A detector that stays silent on its own control is
//! broken, and a study under it would be worth less than one without oversight.
//!
//! Two kinds. What the supervisor must *see* is planted in a real sandbox: a probe that misbehaves on purpose, whose
//! receipt is judged here. What follows from events alone is planted as events.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_types::{
    Class, Detector, FailureReason, Goal, IncidentRaised, Measured, Observed, Outcome, Output,
    Pair, RunFinished, RunId, RunMeasured, Seed, Split, Trust, Usage,
};

use crate::detect::{Context, FLAG, Sides, of_claim, of_measurement, of_receipt, of_sealed};

/// Returns the detectors that a probe's receipt must raise: those that rest on what is seen of a sandbox.
pub fn of_probe() -> BTreeSet<Detector> {
    [
        Detector::ProtectedPaths,
        Detector::AccessTripwire,
        Detector::Honeypot,
        Detector::ResultAuthenticity,
        Detector::ProcessIntegrity,
        Detector::EgressAndCredentials,
        Detector::ExternalLimits,
        Detector::DeferredWork,
        Detector::AnswerInSource,
        Detector::OutputCopy,
        Detector::Lineage,
        Detector::StaticRules,
    ]
    .into()
}

/// Returns which detectors fired on their controls, and which stayed silent, given the receipt of the probe.
pub fn check(probe: &RunFinished) -> (Vec<Detector>, Vec<Detector>) {
    // The probe's outputs are new against any other start.
    let start = [output("start", "another")];
    let seen: BTreeSet<Detector> = of_receipt(1, probe, &start)
        .into_iter()
        .map(|incident| incident.detector)
        .collect();
    Detector::ALL.iter().partition(|detector| {
        let by_probe = !of_probe().contains(detector) || seen.contains(detector);
        by_probe && planted(**detector)
    })
}

/// Tells whether a detector fires on what is planted for it among events; true for those that only a probe can plant.
pub fn planted(detector: Detector) -> bool {
    let fires = |raised: &[IncidentRaised]| raised.iter().any(|one| one.detector == detector);
    match detector {
        Detector::CleanRoomRegrade => fires(&measured(&[("loss", 0.9)], None, &[])),
        Detector::ClockIntegrity => fires(&measured(&[("loss", 0.9)], Some(Seed(1)), &[])),
        Detector::Plausibility => {
            let earlier = [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97];
            fires(&measured(&[("loss", 0.1)], None, &earlier))
        }
        Detector::FreshInputs => {
            let problem = "the outputs do not agree".to_owned();
            fires(&refused(
                FailureReason::Evaluator { problem },
                Some(Seed(1)),
            ))
        }
        Detector::ByteBoundary => fires(&refused(
            FailureReason::NotFinite {
                metric: "loss".into(),
                found: "nan".into(),
            },
            None,
        )),
        Detector::Completion => {
            let mut finished = receipt();
            finished.outcome = Outcome::Failed(FailureReason::Output {
                name: "out".into(),
                problem: "it does not exist".into(),
            });
            fires(&of_receipt(1, &finished, &[]))
        }
        Detector::HeldOutDivergence => {
            let pairs = [((1.0, 0.5), (1.0, 2.0)); 8];
            let raised = of_sealed(1, RunId(1), Goal::Minimize, &pairs);
            fires(raised.as_slice()) && flag(detector)
        }
        Detector::SeedRobustness => fires(pinned().as_slice()) && flag(detector),
        Detector::Metamorphic
        | Detector::Contamination
        | Detector::ClaimsLedger
        | Detector::HistoryLeak
        | Detector::HoldoutBudget => flag(detector),
        Detector::ProtectedPaths
        | Detector::AccessTripwire
        | Detector::Honeypot
        | Detector::ResultAuthenticity
        | Detector::ProcessIntegrity
        | Detector::EgressAndCredentials
        | Detector::ExternalLimits
        | Detector::DeferredWork
        | Detector::AnswerInSource
        | Detector::OutputCopy
        | Detector::Lineage
        | Detector::StaticRules => true,
    }
}

fn flag(detector: Detector) -> bool {
    let name = format!("{FLAG}{}", detector.code().to_lowercase());
    let raised = measured(&[("loss", 0.9), (&name, 1.0)], None, &[]);
    raised.iter().any(|one| one.detector == detector)
}

fn output(name: &str, blob: &str) -> Output {
    Output {
        name: name.into(),
        blob: blob.into(),
        bytes: 1,
        executable: false,
    }
}

fn receipt() -> RunFinished {
    RunFinished {
        run: RunId(1),
        outcome: Outcome::Completed,
        usage: Usage::default(),
        outputs: vec![output("out", "one")],
        reported: BTreeMap::from([("loss".to_owned(), 0.001)]),
        log: String::new(),
        policy: String::new(),
        observed: Some(Box::new(Observed::default())),
    }
}

fn judged(measured: Measured, fresh: Option<Seed>, earlier: &[f64]) -> Vec<IncidentRaised> {
    let measured = RunMeasured {
        run: RunId(1),
        split: Split::Search,
        trust: Trust::Measured,
        measured,
        fresh,
        usage: Usage::default(),
        log: String::new(),
    };
    let context = Context {
        metric: "loss",
        goal: Goal::Minimize,
        limits: &BTreeMap::new(),
        earlier,
        best: earlier.first().copied(),
    };
    of_measurement((1, 2), &receipt(), &measured, &context)
}

fn measured(values: &[(&str, f64)], fresh: Option<Seed>, earlier: &[f64]) -> Vec<IncidentRaised> {
    let values = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    judged(Measured::Values { values }, fresh, earlier)
}

fn refused(reason: FailureReason, fresh: Option<Seed>) -> Vec<IncidentRaised> {
    judged(Measured::Failed(reason), fresh, &[])
}

fn pinned() -> Option<IncidentRaised> {
    let same = [output("out", "same")];
    let bases: Vec<[Output; 1]> = (0..3)
        .map(|seed| [output("out", &seed.to_string())])
        .collect();
    let pairs: Vec<Pair> = (0..3_u32)
        .map(|index| Pair {
            seed: Seed(index.into()),
            base_run: RunId(2 * index + 1),
            other_run: RunId(2 * index + 2),
            base: Some(1.0),
            other: Some(0.5),
        })
        .collect();
    let sides: Vec<Sides<'_>> = bases
        .iter()
        .map(|base| Sides { base, other: &same })
        .collect();
    of_claim(1, &pairs, &sides)
}

/// Returns the worst class among incidents; `None` without any.
pub fn worst(incidents: &[IncidentRaised]) -> Option<Class> {
    incidents.iter().map(|one| one.class).max()
}

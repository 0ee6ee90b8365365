//! What the lab said it had written, held against what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::Place;

/// The events that the lab printed as written, by study and number.
#[derive(Default)]
pub(crate) struct Seen {
    lines: BTreeMap<String, BTreeMap<u64, String>>,
}

impl Seen {
    /// Takes in what a session printed before it was killed. The last line may have been cut.
    pub(crate) fn take(&mut self, study: &str, printed: &str) {
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let seq = event["seq"].as_u64().unwrap();
            let study = self.lines.entry(study.to_owned()).or_default();
            let before = study.insert(seq, line.to_owned());
            assert_eq!(before, None, "event {seq} was written twice");
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.lines.values().map(BTreeMap::len).sum()
    }

    /// Asserts that every event that was printed for this study is in the ledger as it was printed.
    #[track_caller]
    pub(crate) fn assert_kept(&self, place: &Place, study: &str) {
        let Some(printed) = self.lines.get(study) else {
            return;
        };
        let log = place.call(&["log", study, "--json"]).exits(0).out;
        let log: Vec<&str> = log.lines().collect();
        for (seq, line) in printed {
            let found = log.get(*seq as usize - 1);
            assert_eq!(
                found,
                Some(&line.as_str()),
                "event {seq} of {study} is lost"
            );
        }
    }
}

/// What a study's events add up to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: usize,
    pub(crate) runs: usize,
    pub(crate) voided: usize,
    pub(crate) sessions: usize,
}

/// Counts a study's events and asserts that none happened twice.
pub(crate) fn tally(place: &Place, study: &str) -> Tally {
    let events = place.events(study);
    let mut tally = Tally::default();
    let mut once: BTreeSet<String> = BTreeSet::new();
    for (event, seq) in events.iter().zip(1_u64..) {
        assert_eq!(event["seq"].as_u64(), Some(seq), "{study} has a gap");
        let (kind, body) = (event["kind"].as_str().unwrap(), &event["body"]);
        let about = match kind {
            // A run has one of the two, once.
            "run.finished" | "run.voided" => format!("receipt {}", body["run"]),
            "run.started" => format!("intent {}", body["run"]),
            "run.measured" => format!("measured {} {}", body["run"], body["split"]),
            "experiment.proposed" => format!("proposed {}", body["experiment"]),
            "experiment.decided" => format!("decided {}", body["experiment"]),
            "ablation.tested" => format!("ablated {}", body["knob"]),
            "rubric.graded" => format!("graded {}", body["criterion"]),
            "incident.raised" => format!("incident {body}"),
            // A measurement that a crash cut is made again; each session tries its detectors.
            "session.started" | "session.ended" | "run.measure_cut" | "oversight.began" => {
                format!("{kind} {seq}")
            }
            _ => kind.to_owned(),
        };
        assert!(once.insert(about.clone()), "{study}: {about} twice");
        tally.runs += usize::from(kind == "run.started");
        tally.voided += usize::from(kind == "run.voided");
        tally.sessions += usize::from(kind == "session.started");
    }
    tally.events = events.len();
    tally
}

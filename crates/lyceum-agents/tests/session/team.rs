//! A team whose members are functions: what comes of it when the lab itself fails at one of them.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lyceum_agents::{
    Fold as _, Meter, Mind, Options, Tapes,
    session::{
        self,
        event::{Body, FaultKind, StopReason},
    },
    team::{self, Staffed, Status, Team},
};
use lyceum_ledger::Ledger;
use lyceum_models::{Block, Price, Request, Spec};
use lyceum_sandbox::Sandbox;
use lyceum_study::lab::{Kit, Lab, Programs};
use serde_json::json;

use crate::world::{Script, call, words};

const FILE: &str = r#"
name = "t"
objective = "two words"

[lead]
specialists = ["one", "two"]

[[specialist]]
name = "one"

[[specialist]]
name = "two"
"#;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("team.toml"), FILE).unwrap();
        Place { directory }
    }

    fn ledger(&self) -> Ledger {
        let lab = Lab::at(self.directory.path().join("lab"));
        Ledger::open(&lab.ledger(), lyceum_ledger::Options::default()).unwrap()
    }

    /// Has the team work; `panics` says at whose request the worker panics.
    fn conduct(&self, panics: fn(&str) -> bool) -> team::State {
        let team = Team::open(&self.directory.path().join("team.toml")).unwrap();
        let programs = Programs {
            binary: "/bin/true".into(),
            names: vec![],
        };
        let lab = Lab::at(self.directory.path().join("lab"));
        let kit = Kit::new(Sandbox::new().unwrap(), self.ledger(), lab, &programs).unwrap();
        let model: Spec = "command:script".parse().unwrap();
        let record = team::open(&team, &kit, Some(&model)).unwrap().unwrap();
        let hire = |_: &Spec, _| {
            Ok(Mind {
                model: Box::new(Script(Box::new(move |request| answer(request, panics)))),
                price: Box::new(|_| Price::Unknown),
                meter: Arc::new(Meter::default()),
                reel: lyceum_agents::Reel::default(),
            })
        };
        let staffed = Staffed {
            hire: &hire,
            model: Some(model),
            options: Options::default(),
            tapes: Tapes::Live,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let conducted = team::conduct(&team, &kit, record, &staffed, &stop).unwrap();
        assert!(!stop.load(Ordering::Relaxed));
        conducted.state
    }
}

fn answer(request: &Request, panics: fn(&str) -> bool) -> Vec<Block> {
    let all = words(request);
    let now = &all[all.rfind("<lab>").unwrap()..];
    assert!(!panics(now), "a fault of the lab");
    let text = |text: &str| vec![Block::text(text)];
    if !now.contains("(lead)") {
        return text("a word");
    }
    for (thread, who) in [("thread 1 (one)", "one"), ("thread 2 (two)", "two")] {
        if !now.contains(thread) {
            return call("delegate", json!({ "specialist": who, "task": "a word" }));
        }
    }
    if now.contains("): at work") {
        return call("wait", json!({}));
    }
    text("both are known")
}

#[test]
fn a_specialist_whose_worker_panics_is_told_of_and_the_others_go_on() {
    let place = Place::new();
    let state = place.conduct(|now| now.contains("(one)") && !now.contains("(lead)"));
    assert_eq!(state.status, Status::Ended("both are known".into()));
    let why = "its worker panicked: a fault of the lab";
    let idle = |thread: usize| state.threads[thread].idle.clone().unwrap();
    assert_eq!(idle(1), (StopReason::LabFailed, why.into()));
    assert_eq!(idle(2), (StopReason::EndTurn, "a word".into()));
    // It stands in the thread's own log, and the request that it had open is charged.
    let reader = place.ledger().reader().unwrap();
    let mut faults = vec![];
    session::State::read(&reader, "t.1", 0, |_, _, body| {
        if let Body::Fault(fault) = body {
            faults.push((fault.error, fault.message));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(faults, [(FaultKind::UnknownError, why.to_owned())]);
    let session = session::State::load(&reader, "t.1").unwrap();
    assert!(session.asked.is_some() && session.tokens > 0);
}

#[test]
fn a_lead_whose_worker_panics_pauses_the_team_and_goes_on_next_time() {
    let place = Place::new();
    let state = place.conduct(|now| now.contains("(lead)") && now.contains("thread 2 (two)"));
    assert_eq!(state.status, Status::Idle(StopReason::LabFailed));
    // The specialists were not waited for in vain.
    assert!((0..3).all(|thread| !state.works(thread)), "{state:?}");
    let state = place.conduct(|_| false);
    assert_eq!(state.status, Status::Ended("both are known".into()));
    assert_eq!(state.threads.len(), 3);
}

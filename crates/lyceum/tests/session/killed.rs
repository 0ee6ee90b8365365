//! Killed at random instants, a session comes to the same verified result.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lyceum_ledger::Ledger;
use lyceum_models::scripted::{Received, Server};
use serde_json::Value;

use crate::{brain, place::Place};

/// Kills in one test; `LYCEUM_SESSION_KILLS` asks for more.
const KILLS: usize = 6;

fn kills() -> usize {
    let asked = std::env::var("LYCEUM_SESSION_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

#[test]
fn killed_at_random_instants_it_ends_in_the_same_verified_result() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let answer = move |received: &Received| {
        held.pass();
        brain::reviser(received)
    };
    let server = Server::answering(answer).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let whole = Place::judged();
    whole.call(&Place::words(&model)).exits(0);
    let (expected, events) = (whole.result(), position(&whole));

    let mut left = kills();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // How many kills fell after an event of this kind, the session's last one by then.
    let mut inside: BTreeMap<String, usize> = BTreeMap::new();
    while left > 0 {
        let place = Place::judged();
        // Where the kills fall is chance, and the result may not depend on it.
        while left > 0 {
            // Some surely fall inside the session, while a model is asked.
            let asked = left.is_multiple_of(4);
            if asked {
                gate.close();
            }
            let mut command = place.command(&Place::words(&model));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let written = position(&place);
            let mut running = command.spawn().unwrap();
            if asked {
                gate.wait_for_somebody(|| running.try_wait().unwrap().is_some());
            } else {
                // After any of the events of an undisturbed run, however long it took to get there.
                let after = written + dice.below(events);
                wait_for(&place, after, || running.try_wait().unwrap().is_some());
                std::thread::sleep(Duration::from_micros(dice.below(2_000)));
            }
            let over = running.try_wait().unwrap().is_some();
            running.kill().unwrap();
            running.wait().unwrap();
            gate.open();
            if over {
                break;
            }
            left -= 1;
            if let Some(last) = last_inside(&place) {
                *inside.entry(last).or_default() += 1;
            }
        }
        place.call(&Place::words(&model)).exits(0);
        assert_eq!(place.result(), expected);
        assert_nothing_twice(&place);
        place.call(&["verify"]).exits(0);
    }
    let count: usize = inside.values().sum();
    eprintln!(
        "{count} of {} kills fell inside the session, after:",
        kills()
    );
    for (kind, count) in &inside {
        eprintln!("  {count:4}  {kind}");
    }
    assert!(count > 0, "no kill fell inside the session");
}

/// A small generator, so that each run of the test draws the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Returns how many events a lab has written.
fn position(place: &Place) -> u64 {
    let reader = Ledger::open_read_only(&place.path().join("lab/ledger"));
    reader.map_or(0, |reader| reader.head().unwrap().position)
}

/// Waits until a lab has written so many events, or is over.
fn wait_for(place: &Place, events: u64, mut over: impl FnMut() -> bool) {
    while position(place) < events && !over() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the kind of the session's last event, if the session had begun and was not over.
fn last_inside(place: &Place) -> Option<String> {
    let log = place.call(&["session", "log", "parabola", "--json"]);
    let events = log
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kinds: Vec<String> = events
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    let has = |kind: &str| kinds.iter().any(|one| one == kind);
    let is_inside =
        log.code == Some(0) && has("session.status_running") && !has("session.status_terminated");
    kinds.last().filter(|_| is_inside).cloned()
}

/// Holds the answers of a server back while it is closed.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    waiting: AtomicBool,
    moved: Condvar,
}

impl Gate {
    fn close(&self) {
        self.waiting.store(false, Ordering::Relaxed);
        *self.closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock().unwrap();
        self.waiting.store(*closed, Ordering::Relaxed);
        while *closed {
            closed = self.moved.wait(closed).unwrap();
        }
    }

    /// Waits until an answer is held back, or nobody will ask any more.
    fn wait_for_somebody(&self, mut over: impl FnMut() -> bool) {
        while !self.waiting.load(Ordering::Relaxed) && !over() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// No call is answered twice, by an experiment or by a result; each request ends once.
fn assert_nothing_twice(place: &Place) {
    for (events, key) in [
        (place.study("experiment.proposed"), "call"),
        (place.session("agent.tool_result"), "call"),
        (place.session("agent.tool_started"), "call"),
        (place.session("span.model_request_end"), "request"),
    ] {
        let named = events.iter().filter(|one| !one[key].is_null());
        let names: Vec<String> = named.map(|one| one[key].to_string()).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{key}: {names:?}");
    }
}

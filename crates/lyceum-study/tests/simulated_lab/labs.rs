//! Many labs, each with crashes of its own.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use lyceum_study::engine::{Protocol, State};
use lyceum_types::{Settings, Verdict};

use crate::disk::{Dice, Plan};
use crate::lab::{Ended, Simulated};
use crate::support::protocol;

/// Sessions after which a lab is left in peace, so that every history ends.
const FAULTS_MAX: u64 = 6;

/// Operations on the disk among which a session's fault is chosen; a whole study takes some two hundred and fifty.
const OPERATIONS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn draw(dice: &mut Dice) -> Plan {
    let at = 1 + dice.below(OPERATIONS);
    match dice.below(8) {
        0 => Plan::WriteFails { at },
        1 => Plan::SyncFails { at },
        2 => Plan::Full {
            from: at,
            to: at + dice.below(40),
        },
        _ => Plan::Crash { at },
    }
}

/// What a study came to.
fn found(state: &State) -> Vec<(Settings, Option<Verdict>)> {
    let all = state.experiments.iter();
    all.map(|one| {
        let verdict = one.decided.as_ref().map(|decided| decided.verdict);
        (one.proposed.settings.clone(), verdict)
    })
    .collect()
}

/// What went wrong in a history, and what became of the runs that it left open.
#[derive(Default)]
struct Disturbed {
    faults: u64,
    /// Found done: the receipt was there.
    done: u64,
    void: u64,
}

/// Lets a lab work through its faults to the end. Returns its record and how often it stopped.
fn history(seed: u64, protocol: &Protocol, slots: usize) -> (State, Disturbed) {
    let mut lab = Simulated::new(seed, protocol.clone(), slots);
    let mut faults = 0;
    loop {
        let plan = if faults < FAULTS_MAX {
            draw(&mut lab.dice)
        } else {
            Plan::Calm
        };
        match lab.session(plan) {
            Ended::Crashed => {
                assert!(faults < FAULTS_MAX, "a lab in peace did not finish");
                faults += 1;
                let power = lab.dice.below(4) > 0;
                lab.stop(power);
                lab.settle();
            }
            Ended::Finished(told) => {
                let state = lab.settle();
                assert_eq!(
                    format!("{told:?}"),
                    format!("{state:?}"),
                    "what the session knew is not what the record says"
                );
                lab.assert_paid(&state);
                let [done, void] = lab.resolved.get();
                return (state, Disturbed { faults, done, void });
            }
        }
    }
}

/// Runs a history and, if it fails, tells how to repeat it.
#[expect(clippy::print_stdout, reason = "the output of a failed test")]
fn told<T>(seed: u64, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        println!("this failed: LYCEUM_SIMULATION_SEED={seed}");
        resume_unwind(cause)
    })
}

fn seeds() -> std::ops::Range<u64> {
    match number("LYCEUM_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LYCEUM_SIMULATION_SEEDS").unwrap_or(40),
    }
}

#[test]
fn a_lab_that_crashes_comes_to_what_an_undisturbed_one_does() {
    let (mut all, mut labs) = (Disturbed::default(), 0);
    for seed in seeds() {
        // A few studies, each undisturbed once and disturbed many times.
        let protocol = protocol(seed % 4, 4);
        told(seed, || {
            let (state, stopped) = history(seed, &protocol, 1);
            let (calm, _) = calm(&protocol);
            assert_eq!(found(&state), found(&calm));
            let finding = |state: &State| state.claimed.as_ref().map(|one| one.finding.clone());
            assert_eq!(finding(&state), finding(&calm));
            all.faults += stopped.faults;
            all.done += stopped.done;
            all.void += stopped.void;
            labs += 1;
        });
    }
    let Disturbed { faults, done, void } = all;
    println!(
        "{labs} labs, {faults} crashes and faults, {done} open runs found done and {void} void; every lab found what an \
         undisturbed one finds"
    );
    assert!(faults > labs, "too little went wrong");
    assert!(
        labs == 1 || (done > 0 && void > 0),
        "not every way was taken"
    );
}

fn calm(protocol: &Protocol) -> (State, Simulated) {
    let lab = Simulated::new(0, protocol.clone(), 1);
    let Ended::Finished(state) = lab.session(Plan::Calm) else {
        panic!("a lab in peace did not finish");
    };
    (*state, lab)
}

#[test]
fn a_budget_holds_through_crashes() {
    for seed in seeds() {
        let mut protocol = protocol(seed % 4, 40);
        protocol.budget.cpu = Some(Duration::from_millis(500));
        // Side by side, where the order of events is the scheduler's: the invariants hold all the same.
        let slots = 1 + (seed % 2) as usize;
        told(seed, || history(seed, &protocol, slots));
    }
}

/// Returns the record of an undisturbed lab.
pub(crate) fn record() -> Vec<(String, u32, String)> {
    calm(&protocol(1, 6)).1.record()
}

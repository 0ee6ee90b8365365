//! Histories: what is done, what goes wrong, and what must hold afterwards.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::disk::{Dice, Plan};
use crate::store;
use crate::world::World;

/// Processes that each history sees one after the other.
const LIVES: u64 = 5;

/// Steps of one process.
const STEPS_MAX: u64 = 12;

/// Disks that are built after each crash of the script.
const IMAGES: u64 = 2;

/// Operations on the disk among which the one that goes wrong is chosen: an opening alone takes some fifteen.
const OPERATIONS: u64 = 35;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What goes wrong in one life.
fn draw(dice: &mut Dice) -> Plan {
    let at = 1 + dice.below(OPERATIONS);
    match dice.below(10) {
        0..5 => Plan::Crash { at },
        5 => Plan::WriteFails { at },
        6 => Plan::SyncFails { at },
        7 => Plan::Full {
            from: at,
            to: at + dice.below(20),
        },
        _ => Plan::Calm,
    }
}

fn step(world: &mut World) {
    match world.dice.below(8) {
        0 => world.put_blob(),
        1 => world.jump(),
        _ => world.append(),
    }
}

/// One history: several processes, each with its own fault.
fn history(seed: u64, lies: bool) -> usize {
    let mut world = World::new(seed);
    store::lock(&world.disk).lies = lies;
    for _ in 0..LIVES {
        let plan = draw(&mut world.dice);
        world.plan(plan);
        if world.open().is_ok() {
            let steps = world.dice.below(STEPS_MAX);
            for _ in 0..steps {
                if world.is_over() {
                    break;
                }
                step(&mut world);
            }
        }
        // A failed sync is worst when the power goes right after it.
        let power = match plan {
            Plan::Crash { .. } => world.dice.below(4) > 0,
            _ => world.dice.one_in(3),
        };
        world.end(power);
        world.settle();
        world.end(false);
    }
    world.settle();
    world.owed()
}

/// Runs a history and, if it fails, tells how to repeat it.
#[expect(clippy::print_stdout, reason = "the output of a failed test")]
fn told<T>(what: &str, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        println!("this failed: {what}");
        resume_unwind(cause)
    })
}

#[test]
fn whatever_goes_wrong_nothing_acknowledged_is_lost() {
    let seeds = match number("LYCEUM_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LYCEUM_SIMULATION_SEEDS").unwrap_or(60),
    };
    let count = seeds.end - seeds.start;
    let mut events = 0;
    for seed in seeds {
        events += told(&format!("LYCEUM_SIMULATION_SEED={seed}"), || {
            history(seed, false)
        });
    }
    println!("{count} histories of {LIVES} processes, {events} events kept, 0 faults");
    assert!(events as u64 > count * 5, "the histories write too little");
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_noticed() {
    let noticed = |seed| catch_unwind(|| history(seed, true)).is_err();
    assert!(
        (0..20).any(noticed),
        "the simulation does not notice what it is there for"
    );
}

/// A history without chance: the same operations on the disk every time.
fn script(world: &mut World) {
    if world.open().is_err() {
        return;
    }
    for number in 0..10 {
        if world.is_over() {
            return;
        }
        if number % 4 == 1 {
            world.put_blob();
        } else {
            world.append();
        }
    }
    // In order, so that the log is moved into the file and removed.
    world.end(false);
}

#[test]
fn a_crash_at_every_single_operation_loses_nothing() {
    let mut calm = World::new(1);
    calm.plan(Plan::Calm);
    script(&mut calm);
    let operations = calm.operations();
    assert!(operations > 40, "only {operations} operations");
    for at in 1..=operations {
        for image in 0..IMAGES {
            told(&format!("a crash at operation {at}, image {image}"), || {
                let mut world = World::new(1);
                world.plan(Plan::Crash { at });
                script(&mut world);
                world.dice = Dice(image);
                world.end(true);
                world.settle();
                // What was recovered is as good as new.
                world.append();
                world.end(false);
                world.settle();
            });
        }
    }
    println!("{operations} operations, a crash at each, {IMAGES} images of the disk after each");
}

#[test]
fn a_seed_repeats_its_history() {
    let operations = |seed| {
        let mut world = World::new(seed);
        world.plan(Plan::Calm);
        script(&mut world);
        (world.operations(), world.owed())
    };
    assert_eq!(operations(5), operations(5));
    assert_ne!(operations(5), operations(6));
}

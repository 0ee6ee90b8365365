//! Compares the researchers on three sets of tasks.
//!
//! ```text
//! cargo run --release -p lyceum-search --example bench_researchers -- tasks > tasks.json
//! cargo run --release -p lyceum-search --example bench_researchers -- run gp tpe random > lyceum.tsv
//! cargo run --release -p lyceum-search --example bench_researchers -- table lyceum.tsv peers.tsv
//! cargo run --release -p lyceum-search --example bench_researchers -- noise gp tpe cma
//! cargo run --release -p lyceum-search --example bench_researchers -- early gp random
//! cargo run --release -p lyceum-search --example bench_researchers -- time
//! ```
//!
//! `tasks` prints every task with what its seed moves and with check values, so that other programs can run the same
//! ones; `run` prints one line per task, seed, researcher and evaluation, `run --set held-out` of that set alone;
//! `table` compares any number of such files; `noise` compares researchers on noisy copies of `development`, `early` each
//! with itself where runs that fall behind are stopped; `time` prints the CPU time of one proposal.

#![expect(clippy::expect_used, reason = "a bench ends at the first surprise")]

#[path = "bench_researchers/early.rs"]
mod early;
#[path = "bench_researchers/functions.rs"]
mod functions;
#[path = "bench_researchers/held_out.rs"]
mod held_out;
#[path = "bench_researchers/noisy.rs"]
mod noisy;
#[path = "bench_researchers/reach.rs"]
mod reach;
#[path = "bench_researchers/results.rs"]
mod results;
#[path = "bench_researchers/study.rs"]
mod study;
#[path = "bench_researchers/table.rs"]
mod table;
#[path = "bench_researchers/tables.rs"]
mod tables;
#[path = "bench_researchers/task.rs"]
mod task;

use std::time::Duration;

use lyceum_search::{Ask, Trial, TrialResult, by_name};
use lyceum_types::{ExperimentId, Goal, Seed, Settings};
use study::{Terms, cpu, study};
use task::{EVALUATIONS, SEEDS, SETS, Set};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["tasks"] => println!("{}", task::as_json(&SETS.map(|(set, _)| set))),
        ["tasks", "--set", set] => match set_named(set) {
            Some(set) => println!("{}", task::as_json(&[set])),
            None => return no_set(set),
        },
        ["run", "--set", set, names @ ..] if !names.is_empty() => {
            let Some(found) = set_named(set) else {
                return no_set(set);
            };
            for name in names {
                run(name, &[found]);
            }
        }
        ["run", names @ ..] if !names.is_empty() => {
            for name in names {
                run(name, &SETS.map(|(set, _)| set));
            }
        }
        ["table", files @ ..] if !files.is_empty() => match table::print(files) {
            Ok(text) => print!("{text}"),
            Err(problem) => {
                eprintln!("error: {problem}");
                return std::process::ExitCode::FAILURE;
            }
        },
        ["noise", names @ ..] if !names.is_empty() => print!("{}", noisy::compare(names)),
        ["early", "--late", names @ ..] if !names.is_empty() => {
            print!("{}", early::compare(names, early::RUNGS.len() - 1));
        }
        ["early", names @ ..] if !names.is_empty() => print!("{}", early::compare(names, 0)),
        ["time"] => {
            for knobs in [2, 6, 20] {
                for experiments in [40, 100, 200] {
                    print_time("gp", knobs, experiments);
                }
            }
            print_time("gp", 8, 1000);
            for name in ["cma", "tpe", "evolution"] {
                print_time(name, 20, 20_000);
            }
        }
        _ => {
            eprintln!(
                "usage: bench_researchers tasks [--set SET] | run [--set SET] NAME... | table FILE... | noise NAME... | \
                 early [--late] NAME... | time"
            );
            return std::process::ExitCode::FAILURE;
        }
    }
    std::process::ExitCode::SUCCESS
}

fn set_named(name: &str) -> Option<Set> {
    let found = SETS.iter().find(|(_, other)| *other == name);
    found.map(|(set, _)| *set)
}

#[expect(clippy::print_stderr, reason = "a command-line program")]
fn no_set(name: &str) -> std::process::ExitCode {
    let names = SETS.map(|(_, name)| name).join(", ");
    eprintln!("error: no set `{name}`, expected one of {names}");
    std::process::ExitCode::FAILURE
}

/// Runs one researcher on every task and seed of these sets.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]
fn run(name: &str, sets: &[Set]) {
    let mut spent = (Duration::ZERO, 0_u32);
    for &set in sets {
        for seed in 0..SEEDS {
            for task in task::tasks(set, seed) {
                let found = study(
                    &Terms {
                        name,
                        evaluations: EVALUATIONS,
                        noise_told: false,
                        curves: None,
                        first_rung: 0,
                        parts_max: u64::MAX,
                    },
                    &task,
                );
                spent = (spent.0 + found.spent, spent.1 + EVALUATIONS);
                for (index, best) in found.regrets.iter().enumerate() {
                    println!("{}\t{seed}\t{name}\t{}\t{best:e}", task.name, index + 1);
                }
            }
        }
    }
    let each = spent.0.as_secs_f64() * 1e3 / f64::from(spent.1);
    eprintln!("{name}: {each:.2} ms of CPU per proposal on average");
}

#[expect(clippy::print_stdout, reason = "a command-line program")]
fn print_time(name: &str, knobs: usize, experiments: u32) {
    let each = proposal_time(name, knobs, experiments).as_secs_f64() * 1e3;
    println!("{name}, {knobs} knobs, {experiments} experiments: {each:.1} ms");
}

/// Returns the CPU time of one proposal, the mean of twenty, after experiments at random settings.
fn proposal_time(name: &str, knobs: usize, experiments: u32) -> Duration {
    let task = functions::levy_of(knobs);
    let (random, process) = (by_name("random"), by_name(name));
    let (random, process) = (
        random.expect("random"),
        process.expect("a researcher of this name"),
    );
    let start = Settings::new();
    let mut ask = Ask {
        space: &task.space,
        goal: Goal::Minimize,
        start: &start,
        history: &[],
        pending: &[],
        noise_sd: None,
        priors: &[],
        rungs: 0,
        seed: Seed(1),
        number: 0,
        budget: 2 * experiments,
    };
    let history: Vec<Trial> = (0..experiments)
        .map(|index| {
            ask.number = u64::from(index);
            let settings = random.propose(&ask).expect("a proposal").settings;
            let mean = (task.value)(&settings).expect("a value");
            let result = TrialResult::Measured {
                mean,
                sd: None,
                repeats: 1,
            };
            Trial {
                experiment: ExperimentId(index),
                settings,
                researcher: "random".to_owned(),
                prediction: None,
                result,
            }
        })
        .collect();
    ask.history = &history;
    let before = cpu();
    for number in 0..20 {
        ask.number = number;
        process.propose(&ask).expect("a proposal");
    }
    cpu().saturating_sub(before) / 20
}

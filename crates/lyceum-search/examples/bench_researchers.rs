//! Compares the researchers on three sets of tasks.
//!
//! ```text
//! cargo run --release -p lyceum-search --example bench_researchers -- tasks > tasks.json
//! cargo run --release -p lyceum-search --example bench_researchers -- run gp tpe random > lyceum.tsv
//! cargo run --release -p lyceum-search --example bench_researchers -- table lyceum.tsv peers.tsv
//! cargo run --release -p lyceum-search --example bench_researchers -- time
//! ```
//!
//! `tasks` prints every task with what its seed moves and with check values, so that other programs can run the same
//! ones; `run` prints one line per task, seed, researcher and evaluation, `run --set held-out` of that set alone;
//! `table` compares any number of such files; `time` prints the CPU time of one proposal.

#![expect(clippy::expect_used, reason = "a bench ends at the first surprise")]

#[path = "bench_researchers/functions.rs"]
mod functions;
#[path = "bench_researchers/held_out.rs"]
mod held_out;
#[path = "bench_researchers/reach.rs"]
mod reach;
#[path = "bench_researchers/results.rs"]
mod results;
#[path = "bench_researchers/table.rs"]
mod table;
#[path = "bench_researchers/tables.rs"]
mod tables;
#[path = "bench_researchers/task.rs"]
mod task;

use std::time::Duration;

use lyceum_search::{Ask, NetworkResearcher, Researcher, Trial, TrialResult, by_name};
use lyceum_train::prior_fitted::{Config, Network, Trained};
use lyceum_types::{ExperimentId, Goal, Seed, Settings};
use task::{EVALUATIONS, SEEDS, SETS, Set, Task};

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
        ["time"] => {
            for (knobs, experiments) in [(4, 20), (8, 40), (8, 100), (20, 40), (20, 200), (8, 1000)]
            {
                let each = proposal_time("gp", knobs, experiments).as_secs_f64() * 1e3;
                println!("gp, {knobs} knobs, {experiments} experiments: {each:.1} ms");
            }
            for name in ["cma", "tpe", "evolution"] {
                let each = proposal_time(name, 20, 20_000).as_secs_f64() * 1e3;
                println!("{name}, 20 knobs, 20000 experiments: {each:.1} ms");
            }
        }
        _ => {
            eprintln!(
                "usage: bench_researchers tasks [--set SET] | run [--set SET] NAME... | table FILE... | time"
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
                let (bests, time) = study(name, &task);
                spent = (spent.0 + time, spent.1 + EVALUATIONS);
                for (index, best) in bests.iter().enumerate() {
                    println!("{}\t{seed}\t{name}\t{}\t{best:e}", task.name, index + 1);
                }
            }
        }
    }
    let each = spent.0.as_secs_f64() * 1e3 / f64::from(spent.1);
    eprintln!("{name}: {each:.2} ms of CPU per proposal on average");
}

/// Returns the researcher of this name; `network:FILE` asks the network in this file, `network:untrained` one that has
/// learnt nothing.
fn researcher(name: &str) -> Box<dyn Researcher> {
    let Some(file) = name.strip_prefix("network:") else {
        return by_name(name).expect("a researcher of this name");
    };
    let (network, parameters) = if file == "untrained" {
        let network = Network::new(Config::default()).expect("the usual sizes");
        let parameters = network.initialise(1);
        (network, parameters)
    } else {
        let bytes = std::fs::read(file).expect("a file of weights");
        let trained = Trained::read(&bytes).expect("a network");
        (trained.network, trained.parameters)
    };
    Box::new(NetworkResearcher::new("network", network, parameters))
}

/// Runs one study; returns after each evaluation the regret, without noise, of the settings with the best observation so
/// far (infinite while all have crashed), and the CPU time of all proposals.
fn study(name: &str, task: &Task) -> (Vec<f64>, Duration) {
    let researcher = researcher(name);
    let mut history: Vec<Trial> = Vec::new();
    let mut best = (f64::INFINITY, f64::INFINITY);
    let mut bests = Vec::new();
    let mut spent = Duration::ZERO;
    for number in 0..EVALUATIONS {
        let before = cpu();
        let proposal = researcher
            .propose(&Ask {
                space: &task.space,
                goal: Goal::Minimize,
                start: &Settings::new(),
                history: &history,
                pending: &[],
                noise_sd: None,
                seed: Seed(task.seed).derive(task.name, 0),
                number: u64::from(number),
                budget: EVALUATIONS,
            })
            .expect("a proposal");
        spent += cpu().saturating_sub(before);
        let observed = task.observe(&proposal.settings, u64::from(number));
        if let Some(observed) = observed.filter(|observed| *observed < best.0) {
            let value = (task.value)(&proposal.settings).expect("it was observed");
            best = (observed, (value - task.least).max(0.0));
        }
        bests.push(best.1);
        let result = observed.map_or(TrialResult::Failed, |mean| TrialResult::Measured {
            mean,
            sd: None,
            repeats: 1,
        });
        history.push(Trial {
            experiment: ExperimentId(number),
            settings: proposal.settings,
            researcher: proposal.member.unwrap_or(name).to_owned(),
            prediction: proposal.prediction,
            result,
        });
    }
    (bests, spent)
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

/// Returns the CPU time of this thread, from the scheduler's own record; wall time where there is none.
fn cpu() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let record = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match record
        .split(' ')
        .next()
        .and_then(|nanoseconds| nanoseconds.parse().ok())
    {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => START.get_or_init(std::time::Instant::now).elapsed(),
    }
}

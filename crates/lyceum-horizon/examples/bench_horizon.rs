//! Resamples per CPU second on METR's runs, and what a thousand agents cost. `bench/horizon/README.md` says how to run it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use lyceum_horizon::{Resampling, Runs, Scoring, Settings, Weighting, bootstrap, read, summarise};
use lyceum_types::Seed;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("resample") => resample(Path::new(&arguments[2])),
        Some("write") => write(
            Path::new(&arguments[2]),
            number(&arguments[3]),
            number(&arguments[4]),
            number(&arguments[5]),
        ),
        Some("whole") => whole(Path::new(&arguments[2]), number(&arguments[3])),
        _ => println!(
            "bench_horizon resample RUNS | write FILE AGENTS TASKS RUNS | whole FILE RESAMPLES"
        ),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

/// CPU seconds of this process in user mode and in the kernel (`/proc/self/stat`, fields 14 and 15, in hundredths).
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = text.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Most memory that this process held, in MiB.
fn memory() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}

fn runs_of(path: &Path) -> Runs {
    let options = read::Options {
        form: None,
        scoring: Scoring::Binary,
        lenient: false,
    };
    lyceum_horizon::read(path, &options, &mut |_| ()).unwrap()
}

fn resampling(iterations: usize, threads: usize) -> Resampling {
    Resampling {
        iterations,
        seed: Seed(1),
        threads,
        weighting: Weighting::RootOfFamily,
        regularisation: 1e-5,
    }
}

fn resample(path: &Path) {
    let runs = runs_of(path);
    for threads in [1, 2] {
        let (began, at) = (cpu(), Instant::now());
        let iterations = 100_000;
        let draws = bootstrap(&runs, &resampling(iterations, threads), &|_| ()).unwrap();
        let (cpu, wall) = (cpu() - began, at.elapsed().as_secs_f64());
        assert_eq!(draws.iterations(), iterations);
        let each = cpu / iterations as f64;
        println!(
            "{threads} thread(s): {iterations} resamples of {} agents in {cpu:.2} CPU s, {wall:.2} s: {:.1} µs each, {:.0} a CPU second",
            runs.agents.len(),
            each * 1e6,
            1.0 / each
        );
    }
}

/// Writes attempts of made-up agents.
fn write(path: &Path, agents: usize, tasks: usize, runs: usize) {
    let mut out = BufWriter::new(fs::File::create(PathBuf::from(path)).unwrap());
    let mut state = 1_u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let minutes: Vec<f64> = (0..tasks)
        .map(|_| 2.0_f64.powf(uniform() * 16.0 - 5.0))
        .collect();
    for agent in 0..agents {
        let level = agent as f64 / agents as f64 * 8.0 - 1.0;
        for (task, minutes) in minutes.iter().enumerate() {
            let p = 1.0 / (1.0 + (0.6 * minutes.log2() - level).exp());
            for run in 0..runs {
                let success = uniform() < p;
                writeln!(
                    out,
                    "{{\"attempt\":\"{agent}-{task}-{run}\",\"agent\":\"agent-{agent}\",\"task\":\"family-{}/task-{task}\",\
                     \"human_minutes\":{minutes:.3},\"success\":{success}}}",
                    task / 3
                )
                .unwrap();
            }
        }
    }
}

fn whole(path: &Path, iterations: usize) {
    let stage = |name: &str, began: f64, at: Instant| {
        println!(
            "{name}: {:.2} CPU s, {:.2} s, peak {:.0} MiB",
            cpu() - began,
            at.elapsed().as_secs_f64(),
            memory()
        );
    };
    let (began, at) = (cpu(), Instant::now());
    let runs = runs_of(path);
    stage(&format!("read {} runs", runs.count()), began, at);
    let (began, at) = (cpu(), Instant::now());
    let draws = bootstrap(&runs, &resampling(iterations, 2), &|_| ()).unwrap();
    stage(
        &format!("{iterations} resamples of {} agents", runs.agents.len()),
        began,
        at,
    );
    let (began, at) = (cpu(), Instant::now());
    let settings = Settings {
        weighting: Weighting::RootOfFamily,
        regularisation: 1e-5,
        quantiles: vec![0.5, 0.8],
        confidence: 0.95,
    };
    let summaries = summarise(&runs, &settings, Some(&draws)).unwrap();
    stage(&format!("{} summaries", summaries.len()), began, at);
}

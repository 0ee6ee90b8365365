//! What the lab itself costs: time per experiment beyond the sandbox, resuming and checking a long study.
//!
//! ```text
//! cargo run --release -p lyceum-study --example bench_loop [-- EXPERIMENTS LONG]
//! ```
//!
//! `EXPERIMENTS` (300) run for real, in sandboxes, with a ledger on the disk of `TMPDIR`. `LONG` (10000) is the length of
//! the study that is resumed and checked; its runs are simulated, its events are written durably like any others.
//! Every figure that has a limit is printed as a ratio to it.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "bench_loop/long.rs"]
mod long;
#[path = "bench_loop/overhead.rs"]
mod overhead;
#[path = "bench_loop/place.rs"]
mod place;
#[path = "bench_loop/resume.rs"]
mod resume;
#[path = "bench_loop/simulated.rs"]
mod simulated;

use std::{error::Error, path::Path};

/// Any failure ends the bench.
type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    // The sandbox runs this program again as its helper.
    lyceum_sandbox::run_helper_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // Measured in a process of their own: started by `long::run`.
        ["resume", base] => resume::resume(Path::new(base)),
        ["check", base] => resume::check(Path::new(base)),
        [] => all(300, 10_000),
        [experiments, long] => all(experiments.parse()?, long.parse()?),
        _ => Err("expected no arguments, or EXPERIMENTS LONG".into()),
    }
}

fn all(experiments: u32, long: u32) -> Result<(), Failure> {
    println!("load average at the start: {}", load()?);
    overhead::run(experiments)?;
    long::run(long)?;
    println!("\nload average at the end: {}", load()?);
    Ok(())
}

fn load() -> Result<String, Failure> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    let averages: Vec<&str> = text.split(' ').take(3).collect();
    Ok(averages.join(" "))
}

/// Returns the value in the middle; the mean of both where there are two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

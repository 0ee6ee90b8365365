//! Five searches with the default settings; prints each sum of radii and the median.
//!
//! `cargo run --release -p lyceum-programs --example packing_bench [CPU_SECONDS]`, 60 by default.

#![expect(clippy::print_stdout, reason = "the figures are its output")]

use std::time::Duration;

use lyceum_programs::packing::exact::Packing;
use lyceum_programs::packing::search::{Limit, cpu_time, search};
use lyceum_programs::packing::settings::Settings;

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

fn main() -> anyhow::Result<()> {
    let seconds: f64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 60.0,
    };
    println!("seed  sum of radii         CPU s  to the best  starts    hops");
    let mut sums = Vec::new();
    for seed in SEEDS {
        let began = cpu_time();
        let limit = Limit::CpuTime(Duration::from_secs_f64(seconds));
        let found = search(&Settings::default(), limit, seed);
        let spent = cpu_time().saturating_sub(began).as_secs_f64();
        // What the evaluator sees: the text, read again and verified exactly.
        let sum = Packing::parse(found.best.to_string().as_bytes())?.sum_rounded_down();
        let to_best = spent * found.evaluations_to_best as f64 / found.evaluations as f64;
        let (starts, hops) = (found.starts, found.hops);
        println!("{seed:4}  {sum:.16} {spent:6.1} {to_best:12.2} {starts:7} {hops:7}");
        sums.push(sum);
    }
    sums.sort_by(f64::total_cmp);
    let median = sums[SEEDS.len() / 2];
    println!("median {median:.10} (bar 2.630, best published 2.63598)");
    Ok(())
}

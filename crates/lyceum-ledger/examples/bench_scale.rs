//! How writing, reading, checking and opening grow with the number of events, in time and memory.
//!
//! `cargo run --release -p lyceum-ledger --example bench_scale -- DIRECTORY [EVENTS...]`
//!
//! Each step is a process of its own, so that its peak memory (`VmHWM`) is that of the step alone.
//! Events have bodies of 600 bytes.

#![expect(clippy::print_stdout, reason = "prints its result")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use lyceum_ledger::{Ledger, NewEvent, Options};

const BODY_BYTES: usize = 600;
const EVENTS_PER_APPEND: u64 = 1000;
const STEPS: [&str; 5] = ["write", "open", "head", "read", "verify"];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments
        .next()
        .ok_or("name a directory on the disk to test")?;
    if let Some(step) = first.strip_prefix("step:") {
        let path = PathBuf::from(arguments.next().ok_or("no directory")?);
        let events: u64 = arguments.next().ok_or("no number")?.parse()?;
        let seconds = run(step, &path, events)?;
        println!("{seconds} {}", peak_memory_kib()?);
        return Ok(());
    }
    let mut sizes: Vec<u64> = arguments
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    println!("| events | step | seconds | per event, µs | peak memory, MiB |");
    println!("|---|---|---|---|---|");
    for events in sizes {
        let path = Path::new(&first).join("bench-scale");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        for step in STEPS {
            let output = Command::new(std::env::current_exe()?)
                .arg(format!("step:{step}"))
                .arg(&path)
                .arg(events.to_string())
                .output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
            let text = String::from_utf8(output.stdout)?;
            let (seconds, kib) = text.trim().split_once(' ').ok_or("no result")?;
            let (seconds, kib): (f64, f64) = (seconds.parse()?, kib.parse()?);
            println!(
                "| {events} | {step} | {seconds:.3} | {:.2} | {:.0} |",
                seconds * 1e6 / events as f64,
                kib / 1024.0
            );
        }
        fs::remove_dir_all(&path)?;
    }
    Ok(())
}

/// Does one step and returns how many seconds it took.
fn run(step: &str, path: &Path, events: u64) -> Outcome<f64> {
    let start = Instant::now();
    match step {
        "write" => {
            let ledger = Ledger::open(path, Options::default())?;
            for first in (0..events).step_by(EVENTS_PER_APPEND as usize) {
                let numbers = first..(first + EVENTS_PER_APPEND).min(events);
                let batch = numbers.map(|number| NewEvent::new("bench", 1, body(number)));
                ledger.append("stream", batch.collect())?;
            }
        }
        // Opening for writing, one event, and closing.
        "open" => {
            let ledger = Ledger::open(path, Options::default())?;
            ledger.append("other", vec![NewEvent::new("bench", 1, "null")])?;
        }
        "head" => {
            let head = Ledger::open_read_only(path)?.tree_head()?;
            assert_eq!(head.size, events + 1);
        }
        "read" => {
            let reader = Ledger::open_read_only(path)?;
            let mut seen = 0;
            loop {
                let page = reader.read("stream", seen, 4096)?;
                let Some(last) = page.last() else { break };
                seen = last.seq;
            }
            assert_eq!(seen, events);
        }
        "verify" => {
            let found = Ledger::open_read_only(path)?.verify()?;
            assert!(found.is_intact() && found.events_signed == events + 1);
        }
        other => return Err(format!("no step `{other}`").into()),
    }
    Ok(start.elapsed().as_secs_f64())
}

fn body(number: u64) -> String {
    let mut body = format!("{{\"number\":{number},\"text\":\"");
    while body.len() + 2 < BODY_BYTES {
        body.push(char::from(b'a' + (body.len() % 26) as u8));
    }
    body + "\"}"
}

fn peak_memory_kib() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

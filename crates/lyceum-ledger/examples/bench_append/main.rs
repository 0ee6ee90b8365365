//! Durable appends against raw append + `fdatasync` with the same batching, in one run; then
//! replay and verification.
//!
//! `cargo run --release -p lyceum-ledger --example bench_append -- DIRECTORY [SECONDS [ROUNDS [CELL]]]`
//!
//! Each cell opens a file for each side once and lets them write in turn, `ROUNDS` times for `SECONDS`
//! each; it prints medians, and the median and quartiles of the ratios of the rounds. Events are 1 KiB
//! of JSON. `raw` appends one line per event to a plain file; with several writers one thread gathers
//! what is waiting, writes it and syncs once, as the ledger does. `in place` writes the same number of
//! bytes over pages that the file has, in one call, and syncs: the disk's own limit, for one writer.
//! `plain SQLite` is a table with a unique stream and number, its log synced at each commit, without
//! hashes, signatures or checks: what the ledger itself adds is the difference to it.

#![expect(clippy::print_stdout, reason = "prints its result")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lyceum_ledger::{Ledger, NewEvent, Options};

use crate::sides::{PlainSqlite, RawFile};

mod sides;

const EVENT_BYTES: usize = 1024;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(
        arguments
            .next()
            .ok_or("name a directory on the disk to test")?,
    );
    let seconds: f64 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let repeats: usize = arguments.next().as_deref().unwrap_or("5").parse()?;
    // For example `100x1`: only that many events per append and writers, and no replay.
    let only = arguments.next();
    let duration = Duration::from_secs_f64(seconds);
    fs::create_dir_all(&directory)?;
    println!(
        "| events per append | writers | in place, events/s | raw, events/s | plain SQLite, events/s | ledger, events/s | plain SQLite / raw | ledger / raw | quartiles | ledger / plain SQLite |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (batch, writers) in [(1, 1), (10, 1), (100, 1), (1, 8), (1, 64)] {
        let name = format!("{batch}x{writers}");
        if only.as_ref().is_none_or(|only| *only == name) {
            in_fresh(&directory, |path| {
                cell(path, (batch, writers), duration, repeats)
            })?;
        }
    }
    if only.is_some() {
        return Ok(());
    }
    println!();
    in_fresh(&directory, |path| replay(path, 40_000, 600))?;
    in_fresh(&directory, |path| replay(path, 1_000_000, 600))?;
    Ok(())
}

fn in_fresh<T>(directory: &Path, measure: impl FnOnce(&Path) -> Outcome<T>) -> Outcome<T> {
    let path = directory.join("bench-append");
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir(&path)?;
    let measured = measure(&path);
    fs::remove_dir_all(&path)?;
    measured
}

/// Returns the lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Measures one cell and prints its row.
fn cell(
    path: &Path,
    (batch, writers): (usize, usize),
    duration: Duration,
    rounds: usize,
) -> Outcome<()> {
    let raw = Mutex::new(RawFile::new(path)?);
    let sqlite = Mutex::new(PlainSqlite::new(path)?);
    let place = InPlace::new(path)?;
    let ledger = Ledger::open(&path.join("ledger"), Options::default())?;
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds.max(1) {
        rates[1].push(sides::measure(&raw, batch, writers, duration)?);
        rates[3].push(measure_ledger(&ledger, batch, writers, duration)?);
        rates[2].push(sides::measure(&sqlite, batch, writers, duration)?);
        if writers == 1 {
            rates[0].push(place.measure(batch, duration)?);
        }
    }
    let ratios = |over: usize, under: usize| {
        let pairs = rates[over].iter().zip(&rates[under]);
        quartiles(pairs.map(|(over, under)| over / under).collect())
    };
    let [_, plain, _] = ratios(2, 1);
    let [low, ratio, high] = ratios(3, 1);
    let [_, beside, _] = ratios(3, 2);
    let [in_place, raw, sqlite, ledger] = rates.map(|rates| {
        if rates.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.0}", quartiles(rates)[1])
        }
    });
    println!(
        "| {batch} | {writers} | {in_place} | {raw} | {sqlite} | {ledger} | {plain:.2} | {ratio:.2} | {low:.2} to {high:.2} | {beside:.2} |"
    );
    Ok(())
}

/// A file that has all its pages.
struct InPlace(File);

impl InPlace {
    const BYTES: u64 = 6 << 20;
    const PAGE: u64 = 4096;

    fn new(path: &Path) -> Outcome<Self> {
        let mut file = File::options()
            .create_new(true)
            .write(true)
            .open(path.join("in-place"))?;
        file.write_all(&vec![0; Self::BYTES as usize])?;
        file.sync_all()?;
        Ok(Self(file))
    }

    fn measure(&self, batch: usize, duration: Duration) -> Outcome<f64> {
        let step = ((batch * EVENT_BYTES) as u64).next_multiple_of(Self::PAGE);
        rate(1, duration, || {
            move |number| {
                let at = number * step % (Self::BYTES / step * step);
                self.0.write_all_at(&lines(batch, number), at)?;
                self.0.sync_data()?;
                Ok(batch)
            }
        })
    }
}

/// Returns JSON of exactly `bytes` bytes in which `number` stands.
fn body(bytes: usize, number: u64) -> String {
    const PADDING: &str =
        "{\"metric\":\"val_bpb\",\"value\":1.9182736455463728,\"unit\":\"bits\"}, ";
    let mut body = String::with_capacity(bytes);
    body.push_str("{\"number\":");
    body.push_str(&number.to_string());
    body.push_str(",\"rows\":[");
    while body.len() + PADDING.len() + 16 < bytes {
        body.push_str(PADDING);
    }
    body.push_str("null]");
    while body.len() + 1 < bytes {
        body.push(' ');
    }
    body.push('}');
    body
}

/// Runs `append` on as many threads as there are writers and returns appended events per second.
fn rate<A>(writers: usize, duration: Duration, appender: impl Fn() -> A) -> Outcome<f64>
where
    A: FnMut(u64) -> Outcome<usize> + Send,
{
    let stop = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| -> Outcome<()> {
        let threads: Vec<_> = (0..writers)
            .map(|_| {
                let mut append = appender();
                let (stop, written) = (&stop, &written);
                scope.spawn(move || -> Outcome<()> {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        written.fetch_add(append(number)? as u64, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a writer panicked")??;
        }
        Ok(())
    })?;
    Ok(written.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

fn measure_ledger(
    ledger: &Ledger,
    batch: usize,
    writers: usize,
    duration: Duration,
) -> Outcome<f64> {
    rate(writers, duration, || {
        let ledger = ledger.clone();
        move |number| {
            let events = (0..batch).map(|_| NewEvent::new("bench", 1, body(EVENT_BYTES, number)));
            Ok(ledger.append("stream", events.collect())?.len())
        }
    })
}

fn lines(batch: usize, number: u64) -> Vec<u8> {
    let mut lines = Vec::with_capacity(batch * EVENT_BYTES);
    for _ in 0..batch {
        lines.extend(body(EVENT_BYTES - 1, number).into_bytes());
        lines.push(b'\n');
    }
    lines
}

fn replay(path: &Path, events: u64, bytes: usize) -> Outcome<()> {
    let ledger = Ledger::open(path, Options::default())?;
    for start in (0..events).step_by(1000) {
        let batch =
            (start..start + 1000).map(|number| NewEvent::new("bench", 1, body(bytes, number)));
        ledger.append("stream", batch.collect())?;
    }
    drop(ledger);
    let start = Instant::now();
    let reader = Ledger::open_read_only(path)?;
    let (mut seen, mut total) = (0, 0);
    loop {
        let page = reader.read("stream", seen, 10_000)?;
        let Some(last) = page.last() else { break };
        seen = last.seq;
        total += page.iter().map(|event| event.body.len()).sum::<usize>();
    }
    let read = start.elapsed();
    let start = Instant::now();
    let verification = reader.verify()?;
    let verified = start.elapsed();
    if seen != events || total != events as usize * bytes || !verification.is_intact() {
        return Err("what was read is not what was written".into());
    }
    println!(
        "{events} events of {bytes} B: open and read one stream {:.3} s, verify {:.2} s, {:.2} bytes on disk per byte of body, peak memory {} MiB",
        read.as_secs_f64(),
        verified.as_secs_f64(),
        reader.size_on_disk()?.events_bytes as f64 / total as f64,
        peak_memory_mib()?,
    );
    Ok(())
}

fn peak_memory_mib() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

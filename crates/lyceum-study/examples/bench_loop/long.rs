//! A study of ten thousand experiments: built in stages, resumed and checked at each.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    Failure, median,
    place::Place,
    simulated::{self, VALUE},
};

/// Seconds that resuming may take at the full length.
const LIMIT_S: f64 = 0.5;
/// Fresh processes of each figure.
const TIMES: usize = 5;
/// Parts of the full length at which is measured.
const PARTS: [u32; 3] = [4, 2, 1];

/// Figures by name: the median of each over fresh processes.
type Figures = BTreeMap<String, f64>;

struct Stage {
    experiments: u32,
    loop_ms: f64,
    ledger_mib: f64,
    resumed: Figures,
    checked: Figures,
}

/// Builds the study and prints what resuming and checking take.
pub(crate) fn run(experiments: u32) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let place = Place::create(directory.path(), VALUE)?;
    simulated::begin(&place)?;
    let mut stages: Vec<Stage> = Vec::new();
    for part in PARTS {
        let before = stages.last().map_or(0, |stage| stage.experiments);
        let length = experiments / part;
        let took = simulated::go_on(&place, length)?;
        stages.push(Stage {
            experiments: length,
            loop_ms: took.as_secs_f64() * 1e3 / f64::from(length - before),
            ledger_mib: size_mib(&place.lab().ledger())?,
            resumed: medians(|| in_a_copy(&place))?,
            checked: medians(|| fresh("check", place.base()))?,
        });
    }
    print_resume(&stages);
    print_check(&stages);
    Ok(())
}

fn print_resume(stages: &[Stage]) {
    println!(
        "\n## Resuming: a fresh process that puts its first proposal on the disk, start to exit, median of {TIMES}\n"
    );
    println!(
        "| experiments | events | ledger, MiB | s | limit | ratio | peak memory, MiB | of this, ms: sandbox self-test | \
         open ledger | copy of the program | read and fold | plan and write | the loop while building, ms per experiment |"
    );
    println!("|{}", "---|".repeat(13));
    for stage in stages {
        let figure = |name: &str| stage.resumed.get(name).copied().unwrap_or(f64::NAN);
        let seconds = figure("process") / 1e3;
        println!(
            "| {} | {} | {:.0} | {seconds:.3} | {LIMIT_S} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} |",
            stage.experiments,
            figure("events"),
            stage.ledger_mib,
            seconds / LIMIT_S,
            figure("peak_kib") / 1024.0,
            figure("sandbox"),
            figure("ledger"),
            figure("program"),
            figure("load"),
            figure("plan"),
            stage.loop_ms,
        );
    }
}

fn print_check(stages: &[Stage]) {
    println!("\n## Checking: every verdict again, median of {TIMES}\n");
    println!(
        "| experiments | verdicts, s | s per 10,000 experiments | chain and blobs, s | peak memory, MiB |"
    );
    println!("|---|---|---|---|---|");
    for stage in stages {
        let figure = |name: &str| stage.checked.get(name).copied().unwrap_or(f64::NAN);
        let seconds = figure("verdicts") / 1e3;
        println!(
            "| {} | {seconds:.3} | {:.3} | {:.3} | {:.0} |",
            stage.experiments,
            seconds * 1e4 / f64::from(stage.experiments),
            figure("chain") / 1e3,
            figure("peak_kib") / 1024.0,
        );
    }
    if let [first, .., last] = stages {
        let per = |stage: &Stage| stage.checked["verdicts"] / f64::from(stage.experiments);
        println!(
            "\ntime per experiment at {} over that at {}: {:.2} (1 is linear, {} is quadratic)",
            last.experiments,
            first.experiments,
            per(last) / per(first),
            last.experiments / first.experiments
        );
    }
}

fn medians(mut once: impl FnMut() -> Result<Figures, Failure>) -> Result<Figures, Failure> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..TIMES {
        for (name, value) in once()? {
            all.entry(name).or_default().push(value);
        }
    }
    Ok(all
        .into_iter()
        .map(|(name, values)| (name, median(&values)))
        .collect())
}

/// Resumes a copy of the lab: going on writes to it.
fn in_a_copy(place: &Place) -> Result<Figures, Failure> {
    let copy = tempfile::tempdir()?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(place.base().join("."))
        .arg(copy.path())
        .status()?;
    if !copied.success() {
        return Err("cp failed".into());
    }
    fresh("resume", copy.path())
}

/// Runs this program again for one figure; `process` is the time from its start to its end as seen from here.
fn fresh(what: &str, base: &Path) -> Result<Figures, Failure> {
    let begun = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .arg(what)
        .arg(base)
        .stderr(Stdio::inherit())
        .output()?;
    let process = begun.elapsed().as_secs_f64() * 1e3;
    if !output.status.success() {
        return Err(format!("`{what}` ended with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut figures = Figures::from([("process".to_owned(), process)]);
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').ok_or("expected name=value")?;
        figures.insert(name.to_owned(), value.parse()?);
    }
    Ok(figures)
}

fn size_mib(directory: &Path) -> Result<f64, Failure> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_file() {
            entry.metadata()?.len()
        } else {
            0
        };
    }
    Ok(bytes as f64 / f64::from(1 << 20))
}

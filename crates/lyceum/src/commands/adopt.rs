//! `lyceum adopt`: which kept changes of somebody else's log stand out from its noise.

mod log;

use std::path::PathBuf;

use lyceum_stats::{Floor, Look, first_gap};
use lyceum_types::{Goal, Seed};

use self::log::{Log, Row, Status};
use crate::{exit::Exit, failure::Failure, view::words};

/// A kept change is supported when its gain is at least this many standard errors: noise alone makes one this large in
/// 2.3 % of single looks.
const SUPPORTED: f64 = 2.0;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Log of an autoresearch session: a table with tabs, columns `commit`, METRIC, …, `status`, `description`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Column of the metric [default: the second]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Whether a larger metric is better
    #[arg(long)]
    maximize: bool,
    /// Standard deviation of one measurement [default: from the log's rows that change nothing but the seed]
    #[arg(long, value_name = "SD")]
    sd: Option<f64>,
}

/// One kept change against the best before it.
#[derive(Debug)]
struct Kept<'a> {
    row: &'a Row,
    value: f64,
    gain: f64,
    /// The gain in standard errors.
    gap: f64,
}

/// The noise of one measurement and how it is known.
struct Noise {
    sd: f64,
    source: String,
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let log = log::read(&arguments.file, arguments.metric.as_deref())?;
    let goal = if arguments.maximize {
        Goal::Maximize
    } else {
        Goal::Minimize
    };
    let noise = noise(&log, goal, arguments)?;
    let kept = kept(&log, goal, noise.sd);
    if json {
        print_json(&log, &noise, goal, &kept);
    } else {
        print(&log, &noise, goal, &kept);
    }
    Ok(Exit::Done)
}

/// Returns each row with a value and the best value before it, in order.
fn incumbents(log: &Log) -> impl Iterator<Item = (&Row, f64, Option<f64>)> {
    let mut best = None;
    log.rows.iter().filter_map(move |row| {
        let value = row.value?;
        let before = best;
        if row.status == Status::Keep {
            best = Some(value);
        }
        Some((row, value, before))
    })
}

/// Returns the standard deviation of one measurement: given, or from the rows that change nothing but the seed. Two runs
/// of one program differ with √2 times the deviation of one, so each such row gives d²/2, and their mean is the variance.
fn noise(log: &Log, goal: Goal, arguments: &Arguments) -> Result<Noise, Failure> {
    if let Some(sd) = arguments.sd {
        if !(sd.is_finite() && sd > 0.0) {
            let problem = format!("`--sd` is {sd}; expected a number above 0");
            return Err(Failure::bad_input(problem));
        }
        let source = "given".to_owned();
        return Ok(Noise { sd, source });
    }
    let changes = incumbents(log).filter(|(row, ..)| row.changes_the_seed());
    let squares: Vec<f64> = changes
        .filter_map(|(_, value, before)| Some(goal.gain(before?, value).powi(2) / 2.0))
        .collect();
    let variance = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
    if variance <= 0.0 {
        return Err(Failure::bad_input(format!(
            "`{}` does not tell how much the metric varies: no row changes nothing but the seed",
            arguments.file.display()
        ))
        .hint("measure the same program with several seeds and give the standard deviation with `--sd`"));
    }
    let (count, rows) = (
        squares.len(),
        if squares.len() == 1 { "row" } else { "rows" },
    );
    let weak = if squares.len() < 5 {
        ", a weak estimate: `--sd` takes a better one"
    } else {
        ""
    };
    Ok(Noise {
        sd: variance.sqrt(),
        source: format!("from {count} {rows} of the log that change nothing but the seed{weak}"),
    })
}

fn kept(log: &Log, goal: Goal, sd: f64) -> Vec<Kept<'_>> {
    let floor = Floor {
        n: 2,
        mean: 0.0,
        sd,
        sd_upper: sd,
        deterministic: false,
    };
    let keeps = incumbents(log).filter(|(row, ..)| row.status == Status::Keep);
    keeps
        .filter_map(|(row, value, before)| {
            let before = before?;
            let gap = first_gap(&Look {
                goal,
                floor: Some(&floor),
                incumbent: &[(Seed(0), before)],
                candidate: &[(Seed(0), value)],
                most_repeats: 0,
            })?;
            Some(Kept {
                row,
                value,
                gain: goal.gain(before, value),
                gap,
            })
        })
        .collect()
}

/// Returns the start's value, the last kept one, and the gain between them in standard errors.
fn whole(log: &Log, goal: Goal, sd: f64) -> Option<(f64, f64, f64)> {
    let mut keeps = incumbents(log).filter(|(row, ..)| row.status == Status::Keep);
    let (_, first, _) = keeps.next()?;
    let last = keeps.last().map_or(first, |(_, value, _)| value);
    Some((first, last, goal.gain(first, last) / (sd * 2_f64.sqrt())))
}

/// Returns how many changes a greedy rule keeps on average of this many measurements of nothing but noise: the records
/// of a random sequence after its first, 1/2 + … + 1/n (Rényi, 1962).
fn kept_by_chance(measured: usize) -> f64 {
    (2..=measured).map(|n| 1.0 / n as f64).sum()
}

fn counts(log: &Log) -> (usize, usize, usize) {
    let of = |status: Status| log.rows.iter().filter(|row| row.status == status).count();
    (of(Status::Keep), of(Status::Discard), of(Status::Crash))
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(log: &Log, noise: &Noise, goal: Goal, kept: &[Kept<'_>]) {
    println!(
        "{:>4}  {:<8} {:>10} {:>10} {:>6}  verdict        change",
        "line", "commit", log.metric, "gain", "gap"
    );
    for one in kept {
        let verdict = if one.gap >= SUPPORTED {
            "● supported"
        } else if one.gain > 0.0 {
            "○ within noise"
        } else {
            "✗ not better"
        };
        println!(
            "{:>4}  {:<8} {:>10.6} {:>+10.6} {:>6.1}  {verdict:<14} {}",
            one.row.line,
            words::clean(&one.row.commit),
            one.value,
            one.gain,
            one.gap,
            words::clean(&one.row.description)
        );
    }
    let supported = kept.iter().filter(|one| one.gap >= SUPPORTED).count();
    let (keeps, discards, crashes) = counts(log);
    println!();
    println!(
        "{} rows: {keeps} kept, {discards} discarded, {crashes} crashed",
        log.rows.len()
    );
    println!(
        "{supported} of {} kept changes are supported: a gain of at least {SUPPORTED} standard errors",
        kept.len()
    );
    if let Some((first, last, gap)) = whole(log, goal, noise.sd) {
        let together = if gap >= SUPPORTED {
            "supported"
        } else {
            "not supported"
        };
        println!(
            "all of them together: {first:.6} → {last:.6}, {gap:.1} standard errors: {together}"
        );
    }
    println!(
        "noise alone would have given a greedy rule {:.1} kept changes",
        kept_by_chance(keeps + discards)
    );
    println!();
    println!(
        "assumed: each value is one run, and varies with a standard deviation of {} ({}); two runs differ\nwith √2 times that. The numbers are the log's own word: nothing was measured again.",
        words::number(noise.sd),
        noise.source
    );
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_json(log: &Log, noise: &Noise, goal: Goal, kept: &[Kept<'_>]) {
    let (keeps, discards, crashes) = counts(log);
    let rows: Vec<_> = kept
        .iter()
        .map(|one| {
            serde_json::json!({
                "line": one.row.line,
                "commit": one.row.commit,
                "value": one.value,
                "gain": one.gain,
                "standard_errors": one.gap,
                "supported": one.gap >= SUPPORTED,
                "description": one.row.description,
            })
        })
        .collect();
    let whole = whole(log, goal, noise.sd);
    println!(
        "{}",
        serde_json::json!({
            "metric": log.metric,
            "rows": log.rows.len(),
            "kept": keeps,
            "discarded": discards,
            "crashed": crashes,
            "sd": noise.sd,
            "sd_source": noise.source,
            "kept_by_chance": kept_by_chance(keeps + discards),
            "first": whole.map(|(first, ..)| first),
            "last": whole.map(|(_, last, _)| last),
            "standard_errors": whole.map(|(.., gap)| gap),
            "changes": rows,
        })
    );
}

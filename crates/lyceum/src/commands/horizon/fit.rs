//! `lyceum horizon fit`: from runs to horizons, their intervals, their trend, and published values beside them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

use jiff::civil::Date;
use lyceum_horizon::{
    Comparison, Draws, Point, Published, Resampling, Runs, Scoring, Settings, Summary, Trend,
    Verdict, bootstrap, caveats, compare, compare::not_compared, published::read_table, read,
    summarise, trend,
};
use lyceum_types::Seed;

use super::{
    Progress, apart,
    arguments::{Dates, FormName, Regularisation, Trending, WeightsName, percent},
    output, picture, short,
    table::{self, Entry, Role},
    unknown, unreadable, unreadable_beside, unweighable, words, write_file,
};
use crate::{exit::Exit, failure::Failure, view::words::clean};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// METR's runs (`runs.jsonl`), METR's counts (`task_results_*.yaml`), or the lab's attempts; `-` for standard input
    pub(super) runs: PathBuf,
    /// Form of the runs [default: told from the file]
    #[arg(long, value_enum)]
    form: Option<FormName>,
    /// Leave lines with a fault out and count them, instead of ending with the first
    #[arg(long)]
    lenient: bool,
    /// Strength of the penalty on the slope: `metr-2026` (1e-5), `metr-2025` (0.1), or a number
    #[arg(long, alias = "regularization", value_name = "PRESET|NUMBER", default_value = "metr-2026", value_parser = Regularisation::parse)]
    pub(super) regularisation: Regularisation,
    /// How much each run counts
    #[arg(long, value_enum, default_value_t = WeightsName::RootOfFamily)]
    pub(super) weights: WeightsName,
    /// Take scores between 0 and 1 as parts of a success
    #[arg(long)]
    pub(super) partial: bool,
    /// Probabilities of success whose horizons are wanted, in percent
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "50,80", value_parser = percent)]
    success: Vec<f64>,
    /// Resamples for the intervals; 0 for none
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(super) resamples: u32,
    /// What the random numbers follow from
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Threads; the numbers do not depend on it [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Coverage of the intervals, in percent
    #[arg(long, value_name = "PERCENT", default_value = "95", value_parser = percent)]
    pub(super) confidence: f64,
    #[command(flatten)]
    dates: Dates,
    /// An agent that is no model: it needs no release date and takes no part in the trend
    #[arg(long, value_name = "AGENT", default_value = "human")]
    baseline: Vec<String>,
    /// Show only this agent; may be given often
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Mark this agent as ours; may be given often
    #[arg(long, value_name = "AGENT")]
    ours: Vec<String>,
    /// Show the agents of this published table too; the trend is theirs, and the agents of the runs are ours
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    #[command(flatten)]
    trending: Trending,
    /// Print the values of this published table beside ours; exit code 1 if one differs
    #[arg(long, value_name = "FILE")]
    pub(super) against: Option<PathBuf>,
    /// Resamples that the published intervals rest on
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    against_resamples: u32,
    /// Write the table as CSV, in the columns of METR's fits
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the figure of horizons over release dates as SVG
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
    /// Write the figure of each agent's curve as SVG
    #[arg(long, value_name = "FILE")]
    curves: Option<PathBuf>,
}

impl Arguments {
    /// Tells whether an agent is to be shown.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.agent.is_empty() || self.agent.iter().any(|agent| agent == name)
    }
}

/// Everything that the command found.
pub(super) struct Found {
    pub(super) runs: Runs,
    /// Of the agents that are shown.
    pub(super) summaries: Vec<Summary>,
    pub(super) entries: Vec<Entry>,
    pub(super) trends: Vec<Trend>,
    pub(super) comparisons: Vec<Comparison>,
    /// Agents that are shown and that the published table lacks.
    pub(super) not_compared: Vec<String>,
    pub(super) caveats: Vec<lyceum_horizon::Caveat>,
    /// Agents without a release date that were left out of the trend.
    pub(super) undated: Vec<String>,
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let inputs = [
        Some(&arguments.runs),
        arguments.dates.dates.as_ref(),
        arguments.with.as_ref(),
        arguments.against.as_ref(),
    ];
    let outputs = [&arguments.csv, &arguments.figure, &arguments.curves];
    apart(
        inputs.into_iter().flatten(),
        outputs.into_iter().filter_map(Option::as_ref),
    )?;
    let found = find(arguments)?;
    if let Some(path) = &arguments.csv {
        write_file(path, &output::csv(&found, arguments.confidence))?;
    }
    figures(arguments, &found)?;
    if json {
        output::print_json(arguments, &found)?;
    } else {
        output::print(arguments, &found)?;
    }
    let differs = found
        .comparisons
        .iter()
        .any(|one| one.verdict == Verdict::Differs);
    Ok(if differs {
        Exit::Unsatisfied
    } else {
        Exit::Done
    })
}

fn find(arguments: &Arguments) -> Result<Found, Failure> {
    let mut runs = read_runs(arguments)?;
    let void = runs.unmeasured.iter().map(|one| one.name.as_str());
    let known: Vec<&str> = runs
        .agents
        .iter()
        .map(|agent| agent.name.as_str())
        .chain(void)
        .collect();
    for (what, names) in [("agent", &arguments.agent), ("agent", &arguments.ours)] {
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(unknown(
                what,
                name,
                &format!("`{}`", arguments.runs.display()),
                &known,
            ));
        }
    }
    let undated = give_dates(arguments, &mut runs)?;
    let settings = Settings {
        weighting: arguments.weights.into(),
        regularisation: arguments.regularisation.0,
        quantiles: quantiles(arguments),
        confidence: arguments.confidence,
    };
    let draws = resample(arguments, &runs)?;
    let all = summarise(&runs, &settings, draws.as_ref()).map_err(|error| unweighable(&error))?;
    let (mut comparisons, mut not_compared) = match &arguments.against {
        Some(path) => compared(arguments, path, &runs, &all, draws.as_ref())?,
        None => (vec![], vec![]),
    };
    let mut entries = entries(arguments, &runs, &all);
    let mut published = vec![];
    if let Some(path) = &arguments.with {
        published = read_table(path)
            .map_err(|error| unreadable_beside(&error))?
            .rows;
        entries.extend(published.iter().map(|row| entry_of(row, 0.5)));
    }
    table::mark_frontier(&mut entries);
    let trends = if published.is_empty() {
        own_trends(arguments, &runs, &all, draws.as_ref())
    } else {
        let points: Vec<Point> = published
            .iter()
            .filter_map(|row| table::point(&entry_of(row, 0.5)))
            .collect();
        arguments
            .trending
            .windows()
            .iter()
            .filter_map(|window| trend(&points, window, &[], 0.95))
            .collect()
    };
    // Who is not shown is left out only now: what is shown stands as it does among all.
    let shown = |name: &str| arguments.shows(name);
    let ours = all.len();
    let keep: Vec<bool> = entries.iter().map(|entry| shown(&entry.name)).collect();
    let mut index = 0..;
    entries.retain(|_| {
        index
            .next()
            .is_some_and(|index| index >= ours || keep[index])
    });
    comparisons.retain(|one| shown(&one.agent));
    not_compared.retain(|name| shown(name));
    let summaries: Vec<Summary> = all
        .into_iter()
        .filter(|summary| shown(&runs.agents[summary.agent].name))
        .collect();
    let caveats = caveats(&runs, &summaries, &settings, arguments.resamples as usize);
    Ok(Found {
        runs,
        summaries,
        entries,
        trends,
        comparisons,
        not_compared,
        caveats,
        undated,
    })
}

/// The wanted probabilities, each once; the half is always there, since the trend is about it.
fn quantiles(arguments: &Arguments) -> Vec<f64> {
    let mut all: Vec<f64> = vec![];
    for quantile in arguments.success.iter().copied().chain([0.5]) {
        if !all.iter().any(|known| (known - quantile).abs() < 1e-9) {
            all.push(quantile);
        }
    }
    all
}

fn read_runs(arguments: &Arguments) -> Result<Runs, Failure> {
    let options = read::Options {
        form: arguments.form.map(Into::into),
        scoring: if arguments.partial {
            Scoring::Partial
        } else {
            Scoring::Binary
        },
        lenient: arguments.lenient,
    };
    let mut progress = Progress::new();
    let mut tell = |lines: u64| progress.say(|| format!("{lines} lines read"));
    lyceum_horizon::read(&arguments.runs, &options, &mut tell).map_err(|error| unreadable(&error))
}

/// Gives agents their release dates; an agent without one is an error where dates were given, unless lenient.
fn give_dates(arguments: &Arguments, runs: &mut Runs) -> Result<Vec<String>, Failure> {
    let mut dates: BTreeMap<String, Date> = BTreeMap::new();
    if let Some(path) = &arguments.dates.dates {
        dates = read::read_dates(path).map_err(|error| unreadable_beside(&error))?;
    }
    for (name, day) in &arguments.dates.date {
        if !runs.agents.iter().any(|agent| agent.name == *name) {
            let known: Vec<&str> = runs
                .agents
                .iter()
                .map(|agent| agent.name.as_str())
                .collect();
            return Err(unknown(
                "agent",
                name,
                &format!("`{}`", arguments.runs.display()),
                &known,
            ));
        }
        dates.insert(name.clone(), *day);
    }
    let mut undated = vec![];
    for agent in &mut runs.agents {
        agent.released = dates.get(&agent.name).copied().or(agent.released);
        let needs = arguments.dates.dates.is_some() && !arguments.baseline.contains(&agent.name);
        if agent.released.is_none() && needs {
            if !arguments.lenient {
                return Err(no_date(&arguments.runs, agent.line, &agent.name));
            }
            undated.push(agent.name.clone());
        }
    }
    Ok(undated)
}

fn no_date(path: &Path, line: u64, name: &str) -> Failure {
    let name = words::name(name);
    Failure::bad_input(format!("`{}`, line {line}: agent `{name}` has no release date", path.display())).hint(format!(
        "`--date '{name}=2026-02-05'` gives it one, `--baseline '{name}'` says that it is no model, \
         `--lenient` leaves it out of the trend"
    ))
}

fn resample(arguments: &Arguments, runs: &Runs) -> Result<Option<Draws>, Failure> {
    if arguments.resamples == 0 {
        return Ok(None);
    }
    let threads = arguments.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, Into::into),
        usize::from,
    );
    let resampling = Resampling {
        iterations: arguments.resamples as usize,
        seed: Seed(arguments.seed),
        threads,
        weighting: arguments.weights.into(),
        regularisation: arguments.regularisation.0,
    };
    let progress = Mutex::new(Progress::new());
    let done = |count: u64| {
        // Whoever finds it taken has nothing to add.
        if let Ok(mut progress) = progress.try_lock() {
            progress.say(|| format!("{count} of {} resamples", arguments.resamples));
        }
    };
    bootstrap(runs, &resampling, &done)
        .map(Some)
        .map_err(|error| unweighable(&error))
}

fn compared(
    arguments: &Arguments,
    path: &Path,
    runs: &Runs,
    summaries: &[Summary],
    draws: Option<&Draws>,
) -> Result<(Vec<Comparison>, Vec<String>), Failure> {
    let table = read_table(path).map_err(|error| unreadable_beside(&error))?;
    let resamples = arguments.against_resamples as usize;
    let found = compare(runs, summaries, draws, &table.rows, resamples);
    if found.is_empty() {
        let known: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
        let first = &runs.agents[0].name;
        return Err(unknown(
            "no agent of the runs, such as",
            first,
            &format!("`{}`", path.display()),
            &known,
        ));
    }
    let without = not_compared(runs, &table.rows);
    Ok((found, without.into_iter().map(str::to_owned).collect()))
}

fn entries(arguments: &Arguments, runs: &Runs, summaries: &[Summary]) -> Vec<Entry> {
    let entry = |summary: &Summary| {
        let agent = &runs.agents[summary.agent];
        let half = summary.horizon(0.5);
        let ours = arguments.with.is_some() && arguments.ours.is_empty()
            || arguments.ours.contains(&agent.name);
        let baseline = arguments.baseline.contains(&agent.name);
        Entry {
            name: agent.name.clone(),
            released: agent.released.filter(|_| !baseline),
            minutes: half.and_then(|half| half.minutes),
            interval: half.and_then(|half| half.interval),
            role: match agent.released {
                _ if baseline => Role::Undated,
                _ if ours => Role::Ours,
                Some(_) => Role::Other,
                None => Role::Undated,
            },
        }
    };
    summaries.iter().map(entry).collect()
}

/// An agent of a published table.
pub(super) fn entry_of(row: &Published, quantile: f64) -> Entry {
    let horizon = row.horizon(quantile);
    Entry {
        name: row.name.clone(),
        released: row.released,
        minutes: horizon.map(|found| found.value),
        interval: horizon.and_then(|found| found.interval),
        role: if row.released.is_some() {
            Role::Other
        } else {
            Role::Undated
        },
    }
}

fn own_trends(
    arguments: &Arguments,
    runs: &Runs,
    summaries: &[Summary],
    draws: Option<&Draws>,
) -> Vec<Trend> {
    let dated: Vec<(usize, Point)> = summaries
        .iter()
        .filter_map(|summary| {
            let agent = &runs.agents[summary.agent];
            let released = agent
                .released
                .filter(|_| !arguments.baseline.contains(&agent.name))?;
            let minutes = summary.horizon(0.5)?.minutes?;
            Some((
                summary.agent,
                Point {
                    name: agent.name.clone(),
                    released,
                    minutes,
                },
            ))
        })
        .collect();
    let mut drawn: Vec<Vec<Option<f64>>> = vec![vec![]; draws.map_or(0, Draws::iterations)];
    for (agent, _) in &dated {
        let curves = draws.into_iter().flat_map(|draws| draws.of(*agent));
        for (row, curve) in drawn.iter_mut().zip(curves) {
            row.push(curve.and_then(|curve| curve.horizon(0.5)));
        }
    }
    let points: Vec<Point> = dated.into_iter().map(|(_, point)| point).collect();
    let windows = arguments.trending.windows();
    windows
        .iter()
        .filter_map(|window| trend(&points, window, &drawn, arguments.confidence))
        .collect()
}

fn figures(arguments: &Arguments, found: &Found) -> Result<(), Failure> {
    let notes: Vec<String> = found
        .caveats
        .iter()
        .map(|caveat| format!("· {}", caveat.text))
        .collect();
    let about = output::about(arguments, &found.runs);
    if let Some(path) = &arguments.figure {
        if !found
            .entries
            .iter()
            .any(|entry| entry.released.is_some() && entry.minutes.is_some())
        {
            return Err(Failure::bad_input("no agent has both a release date and a horizon, so there is nothing to draw")
                .hint("`--dates FILE` or `--date 'AGENT=2026-02-05'` gives release dates; `--curves FILE` needs none"));
        }
        let beside = found.entries.len() - found.summaries.len();
        let about = match &arguments.with {
            Some(path) => format!("{about}; beside them {beside} agents of {}", short(path)),
            None => about.clone(),
        };
        let svg = picture::timeline(
            &found.entries,
            found.trends.last(),
            0.5,
            arguments.confidence,
            &about,
            notes.clone(),
        );
        write_file(path, &svg)?;
    }
    if let Some(path) = &arguments.curves {
        let summaries: Vec<&Summary> = found.summaries.iter().collect();
        write_file(
            path,
            &picture::curves(&found.runs, &summaries, &clean(&about), &notes),
        )?;
    }
    Ok(())
}

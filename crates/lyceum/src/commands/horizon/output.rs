//! What `lyceum horizon fit` prints: a table for people, JSON for programs, CSV in METR's columns.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Write as _},
};

use clap::ValueEnum as _;
use lyceum_horizon::{
    BUCKETS, Comparison, Form, Horizon, Runs, Standing, Summary, Trend, Unmeasured, Verdict,
    compare::percent,
};
use serde_json::{Value, json};

use super::{
    fit::{Arguments, Found},
    table::{self, Role},
    words::{columns, name, three, with_interval},
};
use crate::{failure::Failure, view::visible};

/// What the numbers rest on, in a line.
pub(super) fn about(arguments: &Arguments, runs: &Runs) -> String {
    format!(
        "{} runs of {} tasks in {} families by {} agents, regularisation {}",
        runs.count(),
        runs.tasks.len(),
        runs.families.len(),
        runs.agents.len(),
        arguments.regularisation,
    )
}

pub(super) fn print(arguments: &Arguments, found: &Found) -> Result<(), Failure> {
    let mut lines = vec![about(arguments, &found.runs)];
    let dropped = &found.runs.dropped;
    if dropped.count() > 0 {
        lines.push(format!("left out: {} lines: {dropped}", dropped.count()));
    }
    if found.runs.void > 0 {
        lines.push(format!(
            "void, and no failures: {} attempts",
            found.runs.void
        ));
    }
    if !found.undated.is_empty() {
        lines.push(format!(
            "left out of the trend, without a release date: {}",
            found.undated.join(", ")
        ));
    }
    lines.push(String::new());
    lines.extend(agents(arguments, found));
    lines.push(String::new());
    lines.push(table::key(&found.entries));
    lines.push(String::new());
    lines.push("mean score by task length in minutes".into());
    lines.extend(buckets(found));
    if !found.trends.is_empty() {
        lines.push(String::new());
        lines.push("trend of the state of the art".into());
        lines.extend(table::trends(&found.trends, arguments.confidence));
        let longest = found.trends[0].window.longest;
        lines.extend(table::too_long(&found.entries, longest));
    }
    if let Some(path) = &arguments.against {
        lines.push(String::new());
        lines.extend(comparison(&found.comparisons, &path.display().to_string()));
        if !found.not_compared.is_empty() {
            lines.push(format!(
                "not compared, because the table lacks them: {}",
                found.not_compared.join(", ")
            ));
        }
    }
    lines.push(String::new());
    lines.push("to be read with the numbers".into());
    lines.extend(
        found
            .caveats
            .iter()
            .map(|caveat| format!("· {}", caveat.text)),
    );
    tell(&lines)
}

/// Prints the result, each line on one line; a reader that went away is an ordinary end.
pub(super) fn tell(lines: &[String]) -> Result<(), Failure> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&name(line));
        text.push('\n');
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::bad_input(format!(
            "cannot write the result: {error}"
        ))),
        _ => Ok(()),
    }
}

fn agents(arguments: &Arguments, found: &Found) -> Vec<String> {
    let quantiles: Vec<f64> = found.summaries.first().map_or(vec![], |one| {
        one.horizons.iter().map(|one| one.quantile).collect()
    });
    let mut head = vec!["  agent".to_owned(), "released".into()];
    let confidence = arguments.confidence * 100.0;
    for quantile in &quantiles {
        let interval = if arguments.resamples > 0 {
            format!(" [{confidence:.0} %]")
        } else {
            String::new()
        };
        head.push(format!("{}{interval}", percent(*quantile)));
    }
    head.extend(["mean".into(), "runs".into()]);
    let mut rows = vec![head];
    let mut order: Vec<usize> = (0..found.entries.len()).collect();
    order.sort_by_key(|index| {
        (
            found.entries[*index].released.is_none(),
            found.entries[*index].released,
        )
    });
    for index in order {
        let entry = &found.entries[index];
        let mut row = vec![
            format!("{} {}", entry.role.sign(), name(&entry.name)),
            entry.released.map_or("—".into(), |day| day.to_string()),
        ];
        if let Some(summary) = found.summaries.get(index) {
            row.extend(
                summary
                    .horizons
                    .iter()
                    .map(|horizon| cell(summary, horizon)),
            );
            row.push(three(summary.average));
            row.push(found.runs.agents[summary.agent].count().to_string());
        } else {
            // An agent of a published table.
            row.extend(quantiles.iter().map(|quantile| {
                if (quantile - 0.5).abs() < 1e-9 {
                    with_interval(entry.minutes, entry.interval)
                } else {
                    "—".into()
                }
            }));
            row.extend(["—".into(), "published".into()]);
        }
        rows.push(row);
    }
    for one in unmeasured(arguments, &found.runs) {
        let mut row = vec![
            format!("{} {}", Role::Undated.sign(), name(&one.name)),
            one.released.map_or("—".into(), |day| day.to_string()),
        ];
        row.extend(quantiles.iter().map(|_| "nothing measured".to_owned()));
        row.extend(["—".into(), "0".into()]);
        rows.push(row);
    }
    columns(&rows)
}

/// The agents that are to be shown and whose attempts were all voided.
fn unmeasured<'a>(
    arguments: &'a Arguments,
    runs: &'a Runs,
) -> impl Iterator<Item = &'a Unmeasured> {
    let shown = |one: &&Unmeasured| arguments.shows(&one.name);
    runs.unmeasured.iter().filter(shown)
}

fn cell(summary: &Summary, horizon: &Horizon) -> String {
    match summary.standing {
        Standing::NeverSucceeds => "never succeeds".into(),
        Standing::AlwaysSucceeds => "always succeeds".into(),
        Standing::NoHorizon(_) => "none: does not fall".into(),
        Standing::Measured(_) => with_interval(horizon.minutes, horizon.interval),
    }
}

fn buckets(found: &Found) -> Vec<String> {
    let head = BUCKETS
        .windows(2)
        .map(|ends| format!("{}–{}", ends[0], ends[1]));
    let mut rows = vec![
        std::iter::once("  agent".to_owned())
            .chain(head)
            .collect::<Vec<_>>(),
    ];
    for (summary, entry) in found.summaries.iter().zip(&found.entries) {
        let scores = summary.buckets.iter().zip(summary.bucket_tasks);
        let scores = scores.map(|(score, tasks)| {
            score.map_or("—".into(), |score| format!("{} ({tasks})", three(score)))
        });
        rows.push(
            std::iter::once(format!("{} {}", entry.role.sign(), name(&entry.name)))
                .chain(scores)
                .collect(),
        );
    }
    let mut lines = columns(&rows);
    lines.push("in brackets: tasks".into());
    lines
}

/// A relative difference; of numbers that are next to nothing there is none.
fn difference(relative: f64) -> String {
    if relative.abs() < 1e3 {
        format!("{relative:+.1e}")
    } else {
        "—".into()
    }
}

/// The published values beside ours.
pub(super) fn comparison(all: &[Comparison], path: &str) -> Vec<String> {
    let count = |verdict| all.iter().filter(|one| one.verdict == verdict).count();
    let (agrees, early, differs) = (
        count(Verdict::Agrees),
        count(Verdict::EarlyStop),
        count(Verdict::Differs),
    );
    let mut lines = vec![format!(
        "against `{path}`: {} numbers, {agrees} agree, {early} differ by as much as the published fit stopped early, {differs} differ",
        all.len()
    )];
    let mut rows = vec![
        [
            "agent",
            "number",
            "ours",
            "published",
            "difference",
            "verdict",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let number = |value: Option<f64>| value.map_or("—".into(), |value| format!("{value:.6}"));
    for one in all {
        let verdict = match (one.verdict, one.allowed) {
            (Verdict::Agrees, None) => "agrees".into(),
            (Verdict::Agrees, Some((low, high))) => format!("within noise, {low:.4} to {high:.4}"),
            (Verdict::EarlyStop, _) => "published fit stopped early".into(),
            (Verdict::Differs, Some((low, high))) => {
                format!("DIFFERS, expected {low:.4} to {high:.4}")
            }
            (Verdict::Differs, None) => "DIFFERS".into(),
        };
        let relative = one.relative.map_or("—".into(), difference);
        rows.push(vec![
            name(&one.agent),
            one.what.clone(),
            number(one.ours),
            number(one.published),
            relative,
            verdict,
        ]);
    }
    lines.extend(columns(&rows));
    lines
}

pub(super) fn print_json(arguments: &Arguments, found: &Found) -> Result<(), Failure> {
    let runs = &found.runs;
    let dropped =
        runs.dropped.kinds().iter().map(
            |(kind, count, first)| json!({ "kind": kind, "count": count, "first_line": first }),
        );
    let shown = json!({
        "runs": {
            "file": arguments.runs, "form": form(runs.form), "count": runs.count(), "tasks": runs.tasks.len(),
            "families": runs.families.len(), "agents": runs.agents.len(), "void": runs.void, "left_out": dropped.collect::<Vec<_>>(),
            "undated": found.undated,
        },
        "settings": {
            "weights": arguments.weights.to_possible_value().map(|one| one.get_name().to_owned()), "regularisation": arguments.regularisation.0, "partial": arguments.partial,
            "resamples": arguments.resamples, "seed": arguments.seed, "confidence": arguments.confidence,
        },
        "agents": found.summaries.iter().zip(&found.entries).map(|(summary, entry)| agent(runs, summary, entry.role)).collect::<Vec<_>>(),
        "nothing_measured": unmeasured(arguments, runs)
            .map(|one| json!({ "name": one.name, "released": one.released.map(|day| day.to_string()), "void": one.void }))
            .collect::<Vec<_>>(),
        "trends": found.trends.iter().map(trend).collect::<Vec<_>>(),
        "comparison": found.comparisons.iter().map(compared).collect::<Vec<_>>(), "not_compared": found.not_compared,
        "caveats": found.caveats.iter().map(|one| json!({ "key": one.key, "text": one.text })).collect::<Vec<_>>(),
    });
    tell(&[visible(&shown.to_string())])
}

fn form(form: Form) -> &'static str {
    match form {
        Form::MetrRuns => "metr-runs",
        Form::MetrCounts => "metr-counts",
        Form::Attempts => "attempts",
    }
}

fn standing(summary: &Summary) -> &'static str {
    match summary.standing {
        Standing::Measured(_) => "measured",
        Standing::NoHorizon(_) => "no horizon",
        Standing::NeverSucceeds => "never succeeds",
        Standing::AlwaysSucceeds => "always succeeds",
    }
}

fn agent(runs: &Runs, summary: &Summary, role: Role) -> Value {
    let agent = &runs.agents[summary.agent];
    let horizons = summary.horizons.iter().map(|one| {
        json!({
            "success": one.quantile, "minutes": one.minutes, "low": one.interval.map(|ends| ends.0),
            "high": one.interval.map(|ends| ends.1), "resamples_without": one.left_out,
        })
    });
    let buckets = BUCKETS.windows(2).enumerate().map(|(at, ends)| {
        json!({ "from": ends[0], "to": ends[1], "score": summary.buckets[at], "tasks": summary.bucket_tasks[at] })
    });
    json!({
        "name": agent.name, "released": agent.released.map(|day| day.to_string()), "role": role.word(), "standing": standing(summary),
        "slope": summary.curve().map(|curve| curve.slope), "intercept": summary.curve().map(|curve| curve.intercept),
        "mean": summary.average, "loss": summary.loss, "runs": agent.count(), "tasks": agent.cells.len(),
        "horizons": horizons.collect::<Vec<_>>(), "buckets": buckets.collect::<Vec<_>>(),
    })
}

/// A trend for programs.
pub(super) fn trend(trend: &Trend) -> Value {
    json!({
        "since": trend.window.since.to_string(), "until": trend.window.until.map(|day| day.to_string()),
        "longest": trend.window.longest.is_finite().then_some(trend.window.longest), "members": trend.members,
        "doubling_days": trend.doubling_days.is_finite().then_some(trend.doubling_days),
        "low": trend.interval.map(|(ends, _)| ends.0), "high": trend.interval.map(|(ends, _)| ends.1),
        "resamples": trend.interval.map(|(_, count)| count), "r_squared": trend.r_squared,
    })
}

fn compared(one: &Comparison) -> Value {
    let verdict = match one.verdict {
        Verdict::Agrees => "agrees",
        Verdict::EarlyStop => "early stop",
        Verdict::Differs => "differs",
    };
    json!({
        "agent": one.agent, "number": one.what, "ours": one.ours, "published": one.published, "relative": one.relative,
        "allowed": one.allowed, "verdict": verdict,
    })
}

/// The table in METR's columns, with the standing at the end; what there is not is empty.
pub(super) fn csv(found: &Found, confidence: f64) -> String {
    let tail = (1.0 - confidence) / 2.0;
    let mut text = "agent,coefficient,intercept,bce_loss,average".to_owned();
    let quantiles: Vec<f64> = found.summaries.first().map_or(vec![], |one| {
        one.horizons.iter().map(|one| one.quantile).collect()
    });
    for quantile in quantiles {
        let name = percent(quantile);
        let _ = write!(text, ",{name},{name}q{tail:.3},{name}q{:.3}", 1.0 - tail);
    }
    for ends in BUCKETS.windows(2) {
        let _ = write!(text, ",{}-{} min", ends[0], ends[1]);
    }
    text.push_str(",release_date,standing\n");
    for summary in &found.summaries {
        text.push_str(&row(&found.runs, summary));
    }
    text
}

fn row(runs: &Runs, summary: &Summary) -> String {
    let agent = &runs.agents[summary.agent];
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut cells = vec![
        quoted(&agent.name),
        number(summary.curve().map(|curve| curve.slope)),
        number(summary.curve().map(|curve| curve.intercept)),
        number(summary.loss),
        number(Some(summary.average)),
    ];
    for horizon in &summary.horizons {
        let ends = horizon.interval;
        cells.extend([
            number(horizon.minutes),
            number(ends.map(|ends| ends.0)),
            number(ends.map(|ends| ends.1)),
        ]);
    }
    cells.extend(summary.buckets.iter().map(|score| number(*score)));
    cells.push(agent.released.map_or(String::new(), |day| day.to_string()));
    cells.push(standing(summary).to_owned());
    cells.join(",") + "\n"
}

fn quoted(text: &str) -> String {
    // A leading sign would make a formula of a name in a spreadsheet.
    let text = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

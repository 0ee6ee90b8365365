//! What each budget went to.

use std::collections::BTreeMap;

use lyceum_types::{Purpose, Role, RunReported, Verdict};

use super::{
    assemble::BudgetLimits,
    record::{At, Record, RunRecord},
};
use crate::{
    Evidence, Form, Number, Source,
    model::{Budget, Halved, Spent},
};

/// Amounts by what they went to, each with the runs or events behind it.
type Parts = BTreeMap<Spent, (f64, Vec<Source>)>;

/// Returns the budgets of a study: experiments, wall-clock time, CPU time, disk.
pub(super) fn budgets(record: &Record, limits: BudgetLimits) -> Vec<Budget> {
    let Some(opened) = &record.opened else {
        return Vec::new();
    };
    let budget = |name: &str, limit: Option<u64>, form, parts: Parts| Budget {
        name: name.to_owned(),
        limit: limit
            .and_then(|limit| Number::new(limit as f64, form, Evidence::event(opened.seq)).ok()),
        parts: parts
            .into_iter()
            .filter(|(_, (amount, _))| *amount > 0.0)
            .filter_map(|(spent, (amount, sources))| {
                Some((
                    spent,
                    Number::new(amount, form, Evidence::of(sources).ok()?).ok()?,
                ))
            })
            .collect(),
    };
    let usage = |run: &RunRecord| run.finished.as_ref().map(|one| one.body.usage);
    let cpu = by_run(
        record,
        |run| {
            let charged = run.voided.as_ref().map_or(0, |one| one.body.cpu_ms);
            charged + usage(run).map_or(0, |usage| usage.cpu_ms)
        },
        |used| used.cpu_ms,
    );
    let mut disk = by_run(
        record,
        |run| {
            run.finished
                .iter()
                .flat_map(|one| &one.body.outputs)
                .map(|output| output.bytes)
                .sum()
        },
        |_| 0,
    );
    let records = disk.entry(Spent::Records).or_default();
    records.0 += record.bytes_kept as f64;
    records.1.push(Source::Event(opened.seq));
    vec![
        budget(
            "experiments",
            limits.experiments,
            Form::Count,
            experiments(record),
        ),
        budget("wall", limits.wall_ms, Form::Milliseconds, wall(record)),
        budget("CPU", limits.cpu_ms, Form::Milliseconds, cpu),
        budget("disk", limits.disk_bytes, Form::Bytes, disk),
    ]
}

/// Returns what stopping runs early saved.
pub(super) fn halved(record: &Record) -> Option<Halved> {
    let stopped: Vec<_> = record
        .runs
        .values()
        .filter_map(RunRecord::stopped)
        .collect();
    let evidence = || Evidence::of(stopped.iter().map(|one| Source::Event(one.seq))).ok();
    let left = |one: &&At<RunReported>| {
        let (step, end) = (one.body.step as f64, one.body.end as f64);
        1.0 - step / end.max(1.0)
    };
    let saved: f64 = stopped.iter().map(left).sum();
    Some(Halved {
        stopped: Number::new(stopped.len() as f64, Form::Count, evidence()?).ok()?,
        saved: Number::new(saved, Form::Decimals(1), evidence()?).ok()?,
    })
}

fn experiments(record: &Record) -> Parts {
    let mut parts = Parts::new();
    for proposed in record
        .proposed
        .values()
        .filter(|one| one.body.role == Role::Search)
    {
        let decided = record.decided.get(&proposed.body.experiment);
        let failed = decided.is_some_and(|one| one.body.verdict == Verdict::Failed);
        let part = parts
            .entry(if failed { Spent::Failed } else { Spent::Search })
            .or_default();
        part.0 += 1.0;
        part.1.push(Source::Event(proposed.seq));
    }
    parts
}

fn by_run(
    record: &Record,
    own: impl Fn(&RunRecord) -> u64,
    judging: impl Fn(&lyceum_types::Usage) -> u64,
) -> Parts {
    let mut parts = Parts::new();
    let mut add = |spent, amount: u64, run: &RunRecord| {
        if amount > 0 {
            let part = parts.entry(spent).or_default();
            part.0 += amount as f64;
            part.1.push(Source::Run(run.id()));
        }
    };
    for run in record.runs.values() {
        add(kind(run), own(run), run);
        add(Spent::Evaluation, run.judged().map(&judging).sum(), run);
    }
    parts
}

/// Runs side by side share the clock: the sessions' time is divided in proportion to the runs' own time.
fn wall(record: &Record) -> Parts {
    let mut parts = by_run(
        record,
        |run| {
            run.finished
                .as_ref()
                .map_or(0, |one| one.body.usage.wall_ms)
        },
        |used| used.wall_ms,
    );
    let total: f64 = record
        .sessions
        .iter()
        .map(|session| match &session.ended {
            Some(ended) => ended.body.wall_ms as f64,
            None => (session.last_at - session.started_at).max(0) as f64,
        })
        .sum();
    let own: f64 = parts.values().map(|(amount, _)| amount).sum();
    let sessions = record.sessions.iter().map(|session| {
        Source::Event(
            session
                .ended
                .as_ref()
                .map_or(session.started.seq, |ended| ended.seq),
        )
    });
    let sessions: Vec<Source> = sessions.collect();
    for (amount, sources) in parts.values_mut() {
        *amount *= if own > 0.0 { total / own } else { 0.0 };
        sources.extend(&sessions);
    }
    parts
}

fn kind(run: &RunRecord) -> Spent {
    if run.failed() {
        return Spent::Failed;
    }
    match run.started.body.purpose {
        Purpose::Floor => Spent::Floor,
        Purpose::Search => Spent::Search,
        Purpose::Repeat => Spent::Repeat,
        Purpose::Confirm { .. } | Purpose::Replicate { .. } => Spent::Confirm,
        Purpose::Ablate { .. } => Spent::Ablation,
    }
}

//! The real loop with real sandboxes: what an experiment costs beside them.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use lyceum_ledger::Ledger;
use lyceum_sandbox::Sandbox;
use lyceum_study::{
    engine::{Journal as _, Live, Observer, State},
    lab::{StudyJournal, conduct, read_events},
};
use lyceum_types::{Body, Role};

use crate::{
    Failure, median,
    place::{Place, STUDY},
};

/// Milliseconds that the lab may cost per experiment.
const LIMIT_MS: f64 = 5.0;
/// A recorded time is in whole milliseconds, rounded down: on average this much of it is missing.
const ROUNDING_MS: f64 = 0.5;

/// The search as it is seen from outside the loop.
#[derive(Default)]
struct Watch {
    /// The last event before the search.
    before: Option<Instant>,
    /// When each experiment's verdict was written.
    verdicts: Vec<Instant>,
    /// Milliseconds in sandboxes for each experiment, as recorded.
    sandboxed_ms: Vec<f64>,
    /// Milliseconds since the last verdict.
    open_ms: u64,
    executions: usize,
    events: usize,
    over: bool,
}

impl Observer for Watch {
    fn event(&mut self, _: &State, _: u64, _: i64, body: &Body) {
        let begins = matches!(body, Body::ExperimentProposed(one) if one.role == Role::Search);
        if self.over {
            return;
        }
        if self.events == 0 && !begins {
            self.before = Some(Instant::now());
            return;
        }
        self.events += 1;
        match body {
            Body::RunFinished(finished) => self.execution(finished.usage.wall_ms),
            Body::RunMeasured(measured) => self.execution(measured.usage.wall_ms),
            Body::Decided(_) => {
                self.verdicts.push(Instant::now());
                self.sandboxed_ms.push(self.open_ms as f64);
                self.open_ms = 0;
            }
            Body::SearchEnded(_) => self.over = true,
            _ => {}
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {}
}

impl Watch {
    fn execution(&mut self, wall_ms: u64) {
        self.open_ms += wall_ms;
        self.executions += 1;
    }

    /// Returns the milliseconds beside the sandbox for each experiment: from the verdict before to its own.
    fn beside_ms(&self) -> Result<Vec<f64>, Failure> {
        let first = self.before.ok_or("the search never began")?;
        let ends = &self.verdicts;
        let starts = std::iter::once(&first).chain(ends);
        Ok(starts
            .zip(ends)
            .zip(&self.sandboxed_ms)
            .map(|((start, end), sandboxed)| {
                end.duration_since(*start).as_secs_f64() * 1e3 - sandboxed
            })
            .collect())
    }
}

/// Conducts the study and prints what the lab took.
pub(crate) fn run(experiments: u32) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let place = Place::create(directory.path(), "1")?;
    let ledger = place.ledger()?;
    let kit = place.kit(Sandbox::new()?, ledger.clone())?;
    let mut watch = Watch::default();
    let conducted = conduct(
        kit,
        &place.request(experiments),
        Some(1),
        Arc::new(AtomicBool::new(false)),
        &mut watch,
        |_| (),
    )?;
    let mut looks = conducted.state.runs.iter().filter(|run| run.is_look());
    let good = looks.all(|run| run.value("loss") == Some(1.0));
    let made = watch.verdicts.len();
    if !good || made != experiments as usize {
        return Err(format!(
            "expected {experiments} measured experiments, found {made}, all measured: {good}"
        )
        .into());
    }
    report(&watch, &ledger)
}

fn report(watch: &Watch, ledger: &Ledger) -> Result<(), Failure> {
    let beside = watch.beside_ms()?;
    let count = beside.len() as f64;
    let mean = beside.iter().sum::<f64>() / count;
    let sandboxed = watch.sandboxed_ms.iter().sum::<f64>() / count;
    let executions = watch.executions as f64 / count;
    println!(
        "\n## The lab's own time per experiment\n\n{} experiments, {executions:.2} sandboxes and {:.2} events each; \
         one slot, researcher `random`\n",
        beside.len(),
        watch.events as f64 / count
    );
    println!("| per experiment | ms | limit | ratio |\n|---|---|---|---|");
    println!(
        "| beside the sandboxes, mean | {mean:.2} | {LIMIT_MS} | {:.2} |",
        mean / LIMIT_MS
    );
    println!(
        "| beside the sandboxes, median | {:.2} | {LIMIT_MS} | {:.2} |",
        median(&beside),
        median(&beside) / LIMIT_MS
    );
    println!(
        "| of this, rounding of the recorded times | {:.2} | | |",
        executions * ROUNDING_MS
    );
    println!(
        "| of this, the same events written once more | {:.2} | | |",
        write_again(ledger)? / count
    );
    println!("| inside the sandboxes, start to exit | {sandboxed:.2} | | |");
    Ok(())
}

/// Writes the search's events to another stream, one by one as the loop does; returns the milliseconds.
fn write_again(ledger: &Ledger) -> Result<f64, Failure> {
    let mut search = Vec::new();
    let mut over = false;
    read_events(&ledger.reader()?, STUDY, 0, |_, _, body| {
        let begins = matches!(&body, Body::ExperimentProposed(one) if one.role == Role::Search);
        if !over && (begins || !search.is_empty()) {
            over = matches!(body, Body::SearchEnded(_));
            search.push(body);
        }
        Ok(())
    })?;
    let mut journal = StudyJournal::new(ledger.clone(), "again");
    let begun = Instant::now();
    for body in search {
        journal.append(vec![body])?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

//! A study as a step: with a lab of its own below the lab, named by the step's key. A study goes on where it stopped, so an
//! attempt that died is taken up and nothing of it is repeated.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lyceum_ledger::Ledger;
use lyceum_study::{
    engine::{Broken, Cut, End, Live, Observer, State},
    lab::{ConductError, Conducted, Kit, Lab, Request, conduct},
};
use lyceum_types::Body;
use serde_json::json;

use super::{
    super::{
        conductor::{Came, Prepared, Refusal},
        event::{Reserved, Spent, StepEnd},
        format::{Study, Workflow},
    },
    Scene, Task as Any, files, key,
};

/// A study that is ready.
pub struct Task {
    key: String,
    directory: PathBuf,
    researcher: String,
    experiments: Option<u32>,
    seed: u64,
}

pub(super) fn prepare(
    workflow: &Workflow,
    scene: &Scene<'_>,
    study: &Study,
) -> Result<Prepared<Any>, Refusal> {
    let path = study.path.fill(|place| scene.value(place));
    let researcher = study.researcher.fill(|place| scene.value(place));
    let inside = lyceum_study::lab::is_plain_path(&path);
    if !inside {
        return Err(Refusal::Step(format!(
            "`{path}` is no plain path below the workflow"
        )));
    }
    if lyceum_study::lab::names_an_agent(&researcher)
        || lyceum_search::by_name(&researcher).is_none()
    {
        return Err(Refusal::Step(format!(
            "`{researcher}` is no sampler; there are: {}",
            lyceum_search::NAMES.join(", ")
        )));
    }
    let directory = workflow.directory.join(&path);
    let opened = lyceum_study::format::open(&directory);
    opened.map_err(|error| Refusal::Step(error.to_string()))?;
    let seen = files::see(&directory, &["**".to_owned()], &[]).map_err(Refusal::Step)?;
    let made_of = json!({
        "study": seen.hashes(),
        "name": path,
        "researcher": researcher,
        "experiments": study.experiments,
        "seed": study.seed,
        "lyceum": env!("CARGO_PKG_VERSION"),
    });
    let key = key("study", &made_of);
    Ok(Prepared {
        key: key.clone(),
        // Its own budgets hold it.
        reserved: Reserved::default(),
        task: Any::Study(Box::new(Task {
            key,
            directory,
            researcher,
            experiments: study.experiments,
            seed: study.seed,
        })),
    })
}

pub(super) fn carry_out(kit: &Kit, task: &Task, cut: &Cut) -> Result<Came, Broken> {
    let lab = Lab::at(kit.lab().root().join("workflows/labs").join(&task.key));
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    cut.on_cut(Box::new(move |_| stopping.store(true, Ordering::Relaxed)));
    let request = Request {
        directory: task.directory.clone(),
        researcher: Some(task.researcher.clone()),
        seed: Some(task.seed),
        experiments: task.experiments,
        ..Request::default()
    };
    let ledger = lab.ledger();
    let conducted = conduct(
        kit.beside(lab)?,
        &request,
        Some(1),
        stop,
        &mut Silent,
        |_| (),
    );
    cut.on_cut(Box::new(|_| ()));
    let (end, cpu_ms) = match conducted {
        Ok(conducted) => (end(&conducted, &ledger, cut)?, conducted.state.cpu_ms),
        Err(ConductError::Open(error)) => (
            StepEnd::Failed {
                why: error.to_string(),
            },
            0,
        ),
        Err(error) => return Err(Broken::while_doing("conducting a study as a step")(error)),
    };
    Ok(Came {
        end: Ok(end),
        spent: Spent {
            cpu_ms,
            ..Spent::default()
        },
    })
}

fn end(conducted: &Conducted, ledger: &std::path::Path, cut: &Cut) -> Result<StepEnd, Broken> {
    let state = &conducted.state;
    let Some(finished) = state
        .finished
        .as_ref()
        .filter(|_| conducted.end == End::Finished)
    else {
        let why = cut.cause().unwrap_or_else(|| "it was stopped".into());
        return Ok(StepEnd::Cut { why });
    };
    let doing = || "reading the end of a study's ledger";
    let reader = Ledger::open_read_only(ledger).map_err(Broken::while_doing(doing()))?;
    let head = reader.head().map_err(Broken::while_doing(doing()))?;
    let best = state.experiment(state.best);
    let claim = state.claimed.as_ref().map(|claimed| &claimed.finding);
    let result = json!({
        "study": conducted.study,
        "researcher": state.opened.as_ref().map(|opened| &opened.researcher),
        "experiments": state.proposals,
        "best": state.best.to_string(),
        "settings": best.map(|one| &one.proposed.settings),
        "gain": claim.and_then(|finding| finding.gain),
        "confirmed": claim.is_some_and(|finding| finding.confirmed),
        "claim": claim.map(|finding| &finding.why),
        "satisfied": finished.satisfied,
        "cut_short": finished.cut_short,
        "events": head.position,
        "head": head.hash.to_string(),
    });
    Ok(StepEnd::Done {
        result: result.to_string(),
        citations: 0,
        reused: None,
    })
}

/// The study's own ledger tells all of it.
struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &State, _: u64, _: i64, _: &Body) {}
    fn tick(&mut self, _: &State, _: &Live) {}
}

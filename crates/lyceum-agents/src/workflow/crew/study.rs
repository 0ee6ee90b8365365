//! A study as a step: with a lab of its own below the lab, named by the step's key. A study goes on where it stopped, so an
//! attempt that died is taken up and nothing of it is repeated.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lyceum_ledger::Ledger;
use lyceum_study::{
    engine::{Broken, Cut, End, Live, Observer, State},
    format::Opened,
    lab::{ConductError, Conducted, Kit, Lab, OpenError, Request, conduct, conduct_with},
    workspace,
};
use lyceum_types::{Body, Split};
use serde_json::{Value, json};

use super::{
    super::{
        conductor::{Came, Prepared, Refusal},
        event::{Reserved, Spent, StepEnd, StopReason},
        format::Study,
    },
    Floor, Scene, Task as Any, files, key,
};
use crate::{agent::Brief, staff::Agency, tapes::Tapes};

/// A study that is ready.
pub struct Task {
    /// Name of its lab.
    lab: String,
    directory: PathBuf,
    researcher: String,
    experiments: Option<u32>,
    seed: u64,
    /// CPU milliseconds that were charged for it, where an attempt died of which nothing was.
    charged: Option<u64>,
}

pub(super) fn prepare(
    floor: &Floor<'_>,
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
    let directory = floor.workflow.directory.join(&path);
    let opened = lyceum_study::format::open(&directory);
    let opened = opened.map_err(|error| Refusal::Step(error.to_string()))?;
    let made_of = json!({
        "study": contents(&opened).map_err(Refusal::Step)?,
        "name": path,
        "researcher": researcher,
        "experiments": study.experiments,
        "seed": study.seed,
        "lyceum": floor.kit.own_hash(),
    });
    let key = key("study", &made_of);
    let lab = match &scene.state.created {
        // What an earlier run came to in the lab of this name is not taken.
        Some(created) if created.fresh => format!("{key}~{}", created.run),
        _ => key.clone(),
    };
    Ok(Prepared {
        key,
        // Its own budgets hold it.
        reserved: Reserved::default(),
        task: Any::Study(Box::new(Task {
            lab,
            directory,
            researcher,
            experiments: study.experiments,
            seed: study.seed,
            charged: (scene.step.unknown > 0).then_some(scene.step.charged.cpu_ms),
        })),
    })
}

/// Returns what a study is made of: every file of its directory, its definition, its workspace, which may be a link, and
/// what evaluator and graders alone see, with the targets of links.
fn contents(opened: &Opened) -> Result<Value, String> {
    let seen = files::see(&opened.directory, &["**".to_owned()], &[])?;
    let of = |error: workspace::Error| error.to_string();
    let place = std::fs::canonicalize(opened.workspace()).map_err(|error| error.to_string())?;
    let workspace = workspace::scan(&place, workspace::Limits::default()).map_err(of)?;
    let private = [Split::Search, Split::Sealed].map(|split| opened.private_files(split));
    let [search, sealed] = private.map(|files| files.map_err(of));
    let graders = opened.grader_files().map_err(of)?;
    let digest = |manifest: &workspace::Manifest| manifest.digest.to_hex().to_string();
    Ok(json!({
        "files": seen.hashes(),
        "links": files::links(&opened.directory)?,
        "definition": opened.definition,
        "workspace": digest(&workspace),
        "evaluator": [digest(&search?), digest(&sealed?)],
        "graders": digest(&graders),
    }))
}

pub(super) fn carry_out(floor: &Floor<'_>, task: &Task, cut: &Cut) -> Result<Came, Broken> {
    let withheld = lyceum_study::lab::withheld(floor.kit, &task.directory, task.experiments);
    let withheld = withheld.map_err(Broken::while_doing("looking what holds a study back"))?;
    if let Some(action) = withheld {
        return Ok(Came {
            end: Err(StopReason::RequiresAction { action }),
            spent: Spent::default(),
        });
    }
    let root = floor.kit.lab().root().join("workflows/labs");
    let lab = Lab::at(root.join(&task.lab));
    let before = match task.charged {
        Some(charged) => charged,
        None => used(&lab)?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    cut.on_cut(Box::new(move |_| stopping.store(true, Ordering::Relaxed)));
    let conducted = conduct_in(floor, floor.kit.beside(lab.clone())?, task, stop);
    cut.on_cut(Box::new(|_| ()));
    let end = match conducted {
        Ok(conducted) => end(&conducted, &lab, cut),
        Err(error) => refused(error, &lab),
    };
    Ok(Came {
        end: end?,
        spent: Spent {
            cpu_ms: used(&lab)?.saturating_sub(before),
            ..Spent::default()
        },
    })
}

fn conduct_in(
    floor: &Floor<'_>,
    kit: Kit,
    task: &Task,
    stop: Arc<AtomicBool>,
) -> Result<Conducted, ConductError> {
    let request = Request {
        directory: task.directory.clone(),
        researcher: Some(task.researcher.clone()),
        seed: Some(task.seed),
        experiments: task.experiments,
        ..Request::default()
    };
    if matches!(floor.hired.tapes, Tapes::Replay(..)) {
        // Whoever replays asks nobody.
        return conduct(kit, &request, Some(1), stop, &mut Silent, |_| ());
    }
    let agency = Agency {
        brief: Brief {
            // The lab of a step is its own, and nobody watches it.
            person: Some(false),
            ..Brief::default()
        },
        environment: floor.hired.environment,
        // What a study of its own asks is in no recording of the workflow.
        tapes: Tapes::Live,
        tell: || Arc::new(|_| ()),
    };
    conduct_with(kit, &request, Some(1), stop, &mut Silent, |_| (), &agency)
}

/// Returns the CPU milliseconds that all studies of a lab used so far.
fn used(lab: &Lab) -> Result<u64, Broken> {
    let doing = || "reading a study's ledger";
    if !lab.ledger().exists() {
        return Ok(0);
    }
    let reader = Ledger::open_read_only(&lab.ledger()).map_err(Broken::while_doing(doing()))?;
    let mut sum = 0;
    for study in lyceum_study::lab::studies(&reader).map_err(Broken::while_doing(doing()))? {
        let state = lyceum_study::lab::load(&reader, &study);
        sum += state.map_err(Broken::while_doing(doing()))?.cpu_ms;
    }
    Ok(sum)
}

/// Says what it means that a study could not be worked on.
fn refused(error: ConductError, lab: &Lab) -> Result<Result<StepEnd, StopReason>, Broken> {
    let root = lab.root().display();
    let waits = |action| Ok(Err(StopReason::RequiresAction { action }));
    match error {
        ConductError::Open(OpenError::Broken(broken)) => Err(broken),
        ConductError::Open(error @ OpenError::Journal(_)) => {
            Err(Broken::while_doing("opening a study as a step")(error))
        }
        ConductError::Open(error) => Ok(Ok(StepEnd::Failed {
            why: error.to_string(),
        })),
        ConductError::Waits { ref study, .. } => waits(format!("{error}; {}", lend(lab, study))),
        ConductError::Stopped { ref study, .. } => waits(format!(
            "{error}; `lyceum --lab {root} stop {study} --lift` lets it go on"
        )),
        ConductError::Unapproved(error) => waits(format!(
            "{error}; each approver signs with `lyceum --lab {root} approve`"
        )),
        error @ (ConductError::Drive(_) | ConductError::Silent { .. }) => {
            Err(Broken::while_doing("conducting a study as a step")(error))
        }
    }
}

fn lend(lab: &Lab, study: &str) -> String {
    format!(
        "`lyceum --lab {} autonomy {study} --lend --why TEXT` lets it go on",
        lab.root().display()
    )
}

/// Says what a session came to.
fn end(conducted: &Conducted, lab: &Lab, cut: &Cut) -> Result<Result<StepEnd, StopReason>, Broken> {
    let (study, state) = (&conducted.study, &conducted.state);
    let waits = |action| Ok(Err(StopReason::RequiresAction { action }));
    match (conducted.end, cut.cause()) {
        (End::Finished, _) => done(conducted, &lab.ledger()).map(Ok),
        (End::Held, _) => waits(format!(
            "study `{study}` is held at autonomy level {}; {}",
            state.level,
            lend(lab, study)
        )),
        (End::Interrupted, Some(why)) => Ok(Ok(StepEnd::Cut { why })),
        (End::Interrupted, None) => waits(format!(
            "study `{study}` was stopped by a person; `lyceum --lab {} stop {study} --lift` lets it go on",
            lab.root().display()
        )),
    }
}

fn done(conducted: &Conducted, ledger: &Path) -> Result<StepEnd, Broken> {
    let state = &conducted.state;
    let doing = || "reading the end of a study's ledger";
    let reader = Ledger::open_read_only(ledger).map_err(Broken::while_doing(doing()))?;
    let head = reader.head().map_err(Broken::while_doing(doing()))?;
    let finished = state.finished.as_ref();
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
        "satisfied": finished.is_some_and(|one| one.satisfied),
        "cut_short": finished.is_some_and(|one| one.cut_short),
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

//! One session of a lab on a study: open, void what a crash left, drive, end.

use std::{
    io,
    sync::{Arc, PoisonError, atomic::AtomicBool},
};

use lyceum_sandbox::{Policy, scratch::Scratch};
use lyceum_search::Researcher;
use lyceum_types::{
    Body, Detector, EndReason, EvaluationChecked, Level, Output, RunFinished, SessionEnded,
    SessionStarted,
};

use super::{
    agent::{Desk, Judge, Staff},
    approve::{self, Unapproved},
    candidate, control, evaluator, grader,
    kit::{self, Kit},
    left::{Left, Looked},
    machine, memory,
    receipts::Receipts,
    record::{self, StudyJournal},
    researchers,
    stop::{self, Watcher},
    study::{self, OpenError, OpenStudy, Opening, Request},
};
use crate::engine::{
    Agent, Broken, CheckTask, Cut, Driver, End, Error, Executor, Journal, JournalError, MeasureEnd,
    MeasureTask, Observer, RunTask, SinceMade, State, Tell,
};

/// The sampler that proposes where an agent has nothing to propose: the dependable one.
const IN_PLACE_OF_AN_AGENT: &str = "gp";

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum ConductError {
    /// The study could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The loop could not go on.
    #[error(transparent)]
    Drive(#[from] Error),
    /// Something needs signatures that are not there.
    #[error(transparent)]
    Unapproved(#[from] Unapproved),
    /// A person stopped it, and nobody has said that it may go on.
    #[error("study `{study}` was stopped by a person: {why}")]
    Stopped {
        /// The study.
        study: String,
        /// Why.
        why: String,
    },
    /// The level of autonomy lets no further session begin.
    #[error(
        "study `{study}` is at autonomy level {level}, at which another session begins only by a person's word"
    )]
    Waits {
        /// The study.
        study: String,
        /// Its level.
        level: Level,
    },
    /// Detectors did not fire on what was planted for them.
    #[error("oversight is blind: {} did not fire on the planted control", codes(.detectors))]
    Silent {
        /// Which.
        detectors: Vec<Detector>,
    },
}

fn codes(detectors: &[Detector]) -> String {
    let codes: Vec<&str> = detectors.iter().map(|one| one.code()).collect();
    codes.join(", ")
}

/// What came of a session.
#[derive(Debug)]
pub struct Conducted {
    /// The study's name in the lab.
    pub study: String,
    /// How the session ended.
    pub end: End,
    /// What is known.
    pub state: State,
}

/// Runs commands in the sandbox.
pub struct SandboxExecutor {
    kit: Kit,
    open: OpenStudy,
    receipts: Receipts,
    judge: Option<Arc<dyn Judge>>,
}

impl SandboxExecutor {
    /// Returns the executor of an open study.
    pub fn new(kit: Kit, open: OpenStudy) -> SandboxExecutor {
        let receipts = Receipts::of(&kit.lab.receipts(), &open.name);
        SandboxExecutor {
            kit,
            open,
            receipts,
            judge: None,
        }
    }

    /// Lets it ask language models for judgements.
    #[must_use]
    pub fn with_judge(self, judge: Option<Arc<dyn Judge>>) -> SandboxExecutor {
        SandboxExecutor { judge, ..self }
    }

    /// Returns what its commands have in common.
    pub fn kit(&self) -> &Kit {
        &self.kit
    }

    /// Returns the open study.
    pub fn study(&self) -> &OpenStudy {
        &self.open
    }

    /// Returns a policy that sees what a candidate sees, with its overlay in this scratch directory: for an agent's own
    /// commands.
    pub fn view(&self, scratch: &Scratch) -> Result<Policy, Broken> {
        candidate::view(&self.kit, &self.open, &[], scratch)
    }

    /// Keeps bytes as an output of this name, so that an evaluator can be given what no run wrote.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<Output, Broken> {
        let failed = Broken::while_doing(format!("keeping output `{name}`"));
        let blob = self.kit.ledger.put_blob(bytes).map_err(failed)?;
        Ok(Output {
            name: name.to_owned(),
            blob: blob.to_string(),
            bytes: bytes.len() as u64,
            executable: false,
        })
    }

    /// Returns the bytes of an output that is kept.
    pub fn fetch(&self, output: &Output) -> Result<Vec<u8>, Broken> {
        let doing = || format!("reading output `{}`", output.name);
        let id = output.blob.parse().map_err(Broken::while_doing(doing()))?;
        let reader = self
            .kit
            .ledger
            .reader()
            .map_err(Broken::while_doing(doing()))?;
        reader.blob(id).map_err(Broken::while_doing(doing()))
    }

    /// A run on a workspace that somebody changed meanwhile gets no receipt.
    fn check_workspace(&self) -> Result<(), Broken> {
        let doing = || format!("checking the workspace `{}`", self.open.workspace.display());
        let mut watch = self
            .open
            .watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match watch.look().map_err(Broken::while_doing(doing()))? {
            None => Ok(()),
            Some(changed) => Err(Broken::while_doing(doing())(changed)),
        }
    }
}

impl Executor for SandboxExecutor {
    fn run(&self, task: &RunTask, cut: &Cut, tell: &Tell<'_>) -> Result<RunFinished, Broken> {
        let finished = candidate::run(&self.kit, &self.open, task, cut, tell)?;
        self.check_workspace()?;
        self.receipts.keep(&finished);
        Ok(finished)
    }

    fn measure(&self, task: &MeasureTask, cut: &Cut) -> Result<MeasureEnd, Broken> {
        evaluator::measure(&self.kit, &self.open, task, cut)
    }

    fn check(&self, task: &CheckTask, cut: &Cut) -> Result<EvaluationChecked, Broken> {
        grader::check(&self.kit, &self.open, self.judge.as_deref(), task, cut)
    }
}

/// Works on a study until it is finished or a person stops it. The same call goes on where the last one stopped, however
/// it stopped.
///
/// `slots_max` bounds the experiments side by side; `ready` is called once the study is open.
pub fn conduct(
    kit: Kit,
    request: &Request,
    slots_max: Option<usize>,
    stop: Arc<AtomicBool>,
    observer: &mut dyn Observer,
    ready: impl FnOnce(&Opening),
) -> Result<Conducted, ConductError> {
    conduct_with(kit, request, slots_max, stop, observer, ready, &Nobody)
}

/// Hires nobody: studies with samplers alone.
struct Nobody;

impl Staff for Nobody {
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn hire(&self, name: &str, _: &Desk<'_>) -> Result<Box<dyn Agent>, Broken> {
        let nobody = io::Error::other("no agents here");
        Err(Broken::while_doing(format!("hiring `{name}`"))(nobody))
    }
}

/// Does the same with agents for the studies whose researcher is no sampler.
pub fn conduct_with(
    mut kit: Kit,
    request: &Request,
    slots_max: Option<usize>,
    stop: Arc<AtomicBool>,
    observer: &mut dyn Observer,
    ready: impl FnOnce(&Opening),
    staff: &dyn Staff,
) -> Result<Conducted, ConductError> {
    let left = kit::clean_up(&kit.lab).map_err(OpenError::from)?;
    let mut opening = study::open(&mut kit, request)?;
    ready(&opening);
    let name = opening.open.name.clone();
    // A finished study needs no weights any more.
    let finished = opening.state.finished.is_some();
    if finished && researchers::is_sampler(&opening.researcher) {
        return already_finished(kit, opening, &stop, staff);
    }
    let sampler = sampler(&opening.researcher, request, staff)?;
    if finished {
        return already_finished(kit, opening, &stop, staff);
    }
    let watcher = Watcher::start(&kit.lab, Arc::clone(&stop));
    may_begin(&kit, &opening, &watcher)?;
    let approved = approve::demands(&kit, &opening)??;
    let threads = opening.open.study.run.threads;
    let slots = machine::slots(&machine::processors(), threads as usize, slots_max);
    let receipts = Receipts::of(&kit.lab.receipts(), &name);
    let mut first = first_events(&kit, &mut opening, slots.len());
    first.extend(approved.into_iter().map(Body::from));
    first.extend(resolve(&kit, &opening, &receipts, &left)?);
    let (silent, began) = oversight(&kit, &opening)?;
    first.extend(began);
    let mut journal = StudyJournal::new(kit.ledger.clone(), &name).with_receipts(receipts.clone());
    let mut state = opening.state;
    for (seq, at, body) in journal.append(first).map_err(OpenError::from)? {
        let applied = state.apply(seq, at, body.clone());
        applied.map_err(|error| OpenError::from(JournalError::Fold(error)))?;
        observer.event(&state, seq, at, &body);
    }
    receipts.clear();
    if !silent.is_empty() {
        return Err(ConductError::Silent { detectors: silent });
    }
    let (ledger, lab) = (kit.ledger.clone(), kit.lab.clone());
    let executor = Arc::new(SandboxExecutor::new(kit, opening.open).with_judge(staff.judge()));
    let desk = Desk {
        study: &name,
        opened: state.opened.as_ref().ok_or_else(not_opened)?,
        protocol: &opening.protocol,
        executor: Arc::clone(&executor),
        stop: Arc::clone(&stop),
    };
    let agent = hire(&opening.researcher, staff, &desk)?;
    let sampler = memory::begins_with(state.recalled.as_ref(), sampler);
    let driver = Driver {
        journal: &mut journal,
        state,
        protocol: &opening.protocol,
        researcher: sampler.as_ref(),
        agent: agent.as_deref(),
        executor,
        slots,
        threads,
        stop,
        time: &SinceMade::default(),
        observer,
    };
    let (end, state) = driver.drive()?;
    if let (End::Interrupted, Some(why)) = (end, watcher.asked()) {
        stop::mark(&ledger, &lab, &name, &why).map_err(OpenError::from)?;
    }
    if let (End::Finished, Some(agent)) = (end, &agent) {
        staff
            .conclude(agent.as_ref(), &state)
            .map_err(Error::from)?;
    }
    Ok(Conducted {
        study: name,
        end,
        state,
    })
}

/// Plants the controls and returns which detectors stayed silent, with the events that begin oversight.
fn oversight(kit: &Kit, opening: &Opening) -> Result<(Vec<Detector>, Vec<Body>), OpenError> {
    let level = level_now(kit, opening)?;
    let mut began = control::check(kit)?;
    began.autonomy = Some(level);
    let silent = began.silent.clone();
    let mut events = vec![began.into()];
    if !silent.is_empty() {
        let (reason, wall_ms) = (EndReason::Broken, 0);
        events.push(SessionEnded { reason, wall_ms }.into());
    }
    Ok((silent, events))
}

/// Refuses a session that a person has to let begin. A new attempt is another session of the one before.
fn may_begin(kit: &Kit, opening: &Opening, watcher: &Watcher) -> Result<(), ConductError> {
    let (study, state) = (opening.open.name.clone(), &opening.state);
    if let Some(why) = state.stopped.clone().or_else(|| watcher.asked()) {
        return Err(ConductError::Stopped { study, why });
    }
    if state.waits_for_a_person() {
        let level = state.level;
        return Err(ConductError::Waits { study, level });
    }
    match attempt_before(kit, opening)? {
        Some((study, before)) if before.another_waits() => {
            let level = before.level;
            Err(ConductError::Waits { study, level })
        }
        _ => Ok(()),
    }
}

/// Returns the level of autonomy at which a session begins: the study's own, for a new attempt that of the attempt before.
fn level_now(kit: &Kit, opening: &Opening) -> Result<Level, OpenError> {
    let before = attempt_before(kit, opening)?;
    Ok(before.map_or(opening.state.level, |(_, before)| before.level))
}

/// Returns the last attempt that this lab itself made, for a new one.
fn attempt_before(kit: &Kit, opening: &Opening) -> Result<Option<(String, State)>, OpenError> {
    if !opening.state.sessions.is_empty() {
        return Ok(None);
    }
    let reader = kit.ledger.reader().map_err(JournalError::from)?;
    let imported = reader.imported().map_err(JournalError::from)?;
    let names = opening.earlier.iter().map(|one| &one.study);
    let mut own = names.filter(|name| !imported.contains(&record::stream_of(name)));
    let Some(name) = own.next_back() else {
        return Ok(None);
    };
    Ok(Some((name.clone(), record::load(&reader, name)?)))
}

/// Gives the agent of a finished study its last word, if it died before that.
fn already_finished(
    kit: Kit,
    opening: Opening,
    stop: &Arc<AtomicBool>,
    staff: &dyn Staff,
) -> Result<Conducted, ConductError> {
    let (study, state) = (opening.open.name.clone(), opening.state);
    let desk = Desk {
        study: &study,
        opened: state.opened.as_ref().ok_or_else(not_opened)?,
        protocol: &opening.protocol,
        executor: Arc::new(SandboxExecutor::new(kit, opening.open)),
        stop: Arc::clone(stop),
    };
    if let Some(agent) = hire(&opening.researcher, staff, &desk)? {
        staff
            .conclude(agent.as_ref(), &state)
            .map_err(Error::from)?;
    }
    Ok(Conducted {
        study,
        end: End::Finished,
        state,
    })
}

fn not_opened() -> OpenError {
    let absent = io::Error::other("it has no first event");
    OpenError::Broken(Broken::while_doing("opening the study")(absent))
}

/// Returns the sampler of this name; for an agent, the one that proposes in its place.
fn sampler(
    name: &str,
    request: &Request,
    staff: &dyn Staff,
) -> Result<Box<dyn Researcher>, OpenError> {
    if researchers::is_sampler(name) {
        return researchers::open(name, request.researcher.as_deref());
    }
    let knows = researchers::agent_in(name).is_some_and(|agent| staff.knows(agent));
    let mixed =
        || lyceum_search::Mixed::named(name).map(|mixed| Box::new(mixed) as Box<dyn Researcher>);
    let alone = || lyceum_search::by_name(IN_PLACE_OF_AN_AGENT);
    let found = knows.then(|| mixed().or_else(alone));
    found.flatten().ok_or_else(|| OpenError::Researcher {
        found: name.to_owned(),
        expected: lyceum_search::NAMES.join(", "),
    })
}

fn hire(
    name: &str,
    staff: &dyn Staff,
    desk: &Desk<'_>,
) -> Result<Option<Box<dyn Agent>>, ConductError> {
    if researchers::is_sampler(name) {
        return Ok(None);
    }
    let agent = researchers::agent_in(name).unwrap_or(name);
    Ok(Some(staff.hire(agent, desk).map_err(Error::from)?))
}

/// Returns the events with which a session begins.
fn first_events(kit: &Kit, opening: &mut Opening, slots: usize) -> Vec<Body> {
    let mut first: Vec<Body> = Vec::new();
    if let Some((opened, drawn)) = opening.first.take() {
        first.push(opened.into());
        first.push(drawn.into());
        first.extend(opening.defined.take().map(Body::from));
        first.extend(opening.recalled.take().map(Body::from));
    }
    let capabilities = kit.sandbox.capabilities();
    first.push(
        SessionStarted {
            pid: std::process::id(),
            slots: slots as u32,
            sandbox: serde_json::to_string(capabilities).unwrap_or_default(),
            machine: machine::facts(),
            binary: kit.own_hash.clone(),
            lyceum: env!("CARGO_PKG_VERSION").to_owned(),
        }
        .into(),
    );
    first
}

/// Returns the events that resolve what a session that died left open.
fn resolve(
    kit: &Kit,
    opening: &Opening,
    receipts: &Receipts,
    left: &[Left],
) -> Result<Vec<Body>, OpenError> {
    let reader = kit.ledger.reader().map_err(JournalError::from)?;
    let looked = Looked {
        name: &opening.open.name,
        state: &opening.state,
        study: &opening.open.study,
        protocol: &opening.protocol,
        reader: &reader,
        receipts,
        left,
        now: kit.ledger.now().unix_ms(),
        processors: machine::processors().len() as u64,
    };
    Ok(looked.resolve())
}

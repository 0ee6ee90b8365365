//! A language model as the researcher of a study: the loop asks it, and a session answers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use lyceum_study::{
    engine::{
        Agent, Broken, Change, HandIn, JournalError, Left, NoChange, Protocol, Question,
        State as Study, left_of,
    },
    format::AskedTool,
    lab::Desk,
};

use crate::{
    harness::{Advance, Error, Halt, Harness, Options, TURNS_MAX},
    judgement,
    mind::Mind,
    people::People,
    session::{
        Item, Log, Said, Status,
        event::{
            Body, Created, Idle, LabSaid, Limits, Mount, Policy, Running, StopReason, Terminated,
        },
    },
    tool::{StudyTools, Workbench, charged, in_its_place},
};

/// Times that an agent which stops without a proposal is asked again for the same experiment.
const NUDGES_MAX: u32 = 3;
/// Times in a row that the sampler takes its place before the agent is asked no more in this process.
const PASSES_MAX: u32 = 3;
/// Requests for its last words on a finished study.
const LAST_TURNS_MAX: u32 = 8;

/// Longest time for them: the study is finished, and its person waits.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_mins(10);

/// What a session is to be made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// What holds meanwhile, in a person's words.
    pub constraints: Vec<String>,
    /// What the session may spend.
    pub limits: Limits,
    /// How the model is used.
    pub options: Options,
    /// Tools of which each call needs a person's word, beside what the study asks for.
    pub ask: BTreeSet<AskedTool>,
    /// Memory stores that a new session sees.
    pub mounts: Vec<Mount>,
    /// Whether a person is there to be asked; `None` where the study says.
    pub person: Option<bool>,
    /// Whether one is where nobody says so: the lab has a terminal.
    pub terminal: bool,
}

/// Tells a person what is no event of the study.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What came of a stretch of work.
enum Worked {
    Proposed(Change),
    HandedIn(HandIn),
    Stopped(StopReason),
}

/// The agent of one study.
pub struct StudyAgent {
    name: String,
    session: String,
    mind: Mind,
    options: Options,
    protocol: Protocol,
    bench: Arc<Workbench>,
    log: Mutex<Log>,
    halt: Halt,
    people: People,
    mounts: Vec<Mount>,
    tell: Tell,
}

impl StudyAgent {
    /// Opens the study's session, or goes on with it, and says in its log that this process drives it.
    pub fn open(
        name: &str,
        desk: &Desk<'_>,
        mind: Mind,
        brief: &Brief,
        tell: Tell,
    ) -> Result<StudyAgent, Error> {
        let ledger = desk.executor.kit().ledger().clone();
        let mut log = Log::open(ledger, desk.study)?;
        let mut first = Vec::new();
        if let Some(created) = &log.state().created {
            let session = created.session.clone();
            if created.study != desk.study {
                return Err(Error::Foreign { session });
            }
            if let Some(what) = not_begun_with(created, brief) {
                return Err(Error::Begun { session, what });
            }
        } else {
            first.push(Body::Created(Created {
                session: desk.study.to_owned(),
                objective: desk.opened.question.clone(),
                constraints: constraints(desk, brief),
                study: desk.study.to_owned(),
                model: name.to_owned(),
                limits: limits(desk, brief),
                policy: policy(desk, brief),
                mounts: brief.mounts.clone(),
                lyceum: env!("CARGO_PKG_VERSION").to_owned(),
            }));
        }
        mind.reel
            .go_on(&log.state().on_tape(Some(desk.opened.seed.0)))?;
        if !matches!(log.state().status, Status::Terminated(_)) {
            let pid = std::process::id();
            first.push(Body::Running(Running { pid }));
        }
        log.write(first)?;
        let people = people(desk, brief, &log, &tell);
        let created = log.state().created.as_ref();
        let mounts = created.map_or(vec![], |created| created.mounts.clone());
        Ok(StudyAgent {
            name: name.to_owned(),
            session: desk.study.to_owned(),
            mind,
            options: brief.options,
            protocol: desk.protocol.clone(),
            bench: Arc::new(Workbench::new(Arc::clone(&desk.executor))),
            log: Mutex::new(log),
            halt: Halt {
                stop: Arc::clone(&desk.stop),
                now: Arc::new(AtomicBool::new(false)),
            },
            people,
            mounts,
            tell,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tools<'a>(&'a self, study: &'a Study, left: Left) -> Result<StudyTools<'a>, Error> {
        let executor = self.bench.executor();
        let reader = executor.kit().ledger().reader();
        let reader = reader.map_err(JournalError::from)?;
        let definition = &executor.study().study;
        let over = study.finished.is_some();
        let allowed = judgement::left_for_session(&reader, &self.session, definition, over)?;
        Ok(StudyTools {
            bench: Arc::clone(&self.bench),
            protocol: &self.protocol,
            study,
            left,
            session: &self.session,
            mounts: &self.mounts,
            charged_cpu_ms: charged(study, &self.session),
            allowed,
        })
    }

    fn harness<'a>(
        &'a self,
        log: &'a mut Log,
        tools: &'a StudyTools<'a>,
        turns_max: u32,
    ) -> Harness<'a> {
        Harness {
            log,
            mind: &self.mind,
            toolbox: tools,
            options: self.options,
            turns_max,
            mail: Some((self.bench.executor().kit().lab(), &self.session)),
            halt: self.halt.clone(),
            people: self.people.clone(),
        }
    }

    /// Works until there is a change, or none to be had for now.
    fn work(&self, log: &mut Log, tools: &StudyTools<'_>) -> Result<Worked, Error> {
        loop {
            match self.harness(log, tools, TURNS_MAX).advance()? {
                Advance::Proposed(change) => {
                    rest(log, StopReason::AwaitsExperiment)?;
                    return Ok(Worked::Proposed(change));
                }
                Advance::HandedIn(handed) => {
                    rest(log, StopReason::AwaitsOutcome)?;
                    return Ok(Worked::HandedIn(handed));
                }
                Advance::Stopped(StopReason::EndTurn) => {
                    if log.state().nudges >= NUDGES_MAX {
                        rest(log, StopReason::NoProgress)?;
                        return Ok(Worked::Stopped(StopReason::NoProgress));
                    }
                    log.write(vec![Body::LabSaid(LabSaid {
                        text: GO_ON.to_owned(),
                    })])?;
                }
                Advance::Stopped(why) => {
                    rest(log, why.clone())?;
                    return Ok(Worked::Stopped(why));
                }
            }
        }
    }

    /// Says to the model what happened while it was passed over.
    fn catch_up(&self, log: &mut Log, study: &Study) -> Result<(), Error> {
        let state = log.state();
        let passed = state.passes > 0 && state.calls.is_empty() && state.turns == 0;
        if let (true, Some(id)) = (passed, in_its_place(study, &self.session)) {
            let text = format!("a sampler proposed {id} in your place. {GO_ON}");
            log.write(vec![Body::LabSaid(LabSaid { text })])?;
        }
        Ok(())
    }

    fn answer(&self, question: &Question) -> Result<Change, NoChange> {
        let mut log = self.lock();
        if let Status::Terminated(why) = &log.state().status {
            return Err(NoChange::Pass(why.clone()));
        }
        if log.state().passes >= PASSES_MAX {
            return Err(NoChange::Pass(
                "it was passed over too often in a row".into(),
            ));
        }
        let tools = self.tools(&question.state, question.left).map_err(broken)?;
        self.catch_up(&mut log, &question.state).map_err(broken)?;
        let why = match self.work(&mut log, &tools).map_err(broken)? {
            Worked::Proposed(change) => return Ok(change),
            Worked::HandedIn(handed) => return Err(NoChange::HandsIn(handed)),
            Worked::Stopped(why) => why,
        };
        if why == StopReason::Interrupted && self.halt.is_set() {
            return Err(NoChange::Cancelled);
        }
        let why = words(&why);
        (self.tell)(&format!(
            "the agent proposes nothing now: {why}; a sampler takes its place for one experiment"
        ));
        Err(NoChange::Pass(why))
    }

    /// Does something within the time for last words; tells whether that ran out.
    fn in_time<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        let (over, late) = (AtomicBool::new(false), AtomicBool::new(false));
        let done = thread::scope(|scope| {
            let clock = scope.spawn(|| {
                let until = Instant::now() + LAST_WORDS_TIME_MAX;
                while !over.load(Ordering::Relaxed) {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        late.store(true, Ordering::Relaxed);
                        self.halt.now.store(true, Ordering::Relaxed);
                        return;
                    }
                    thread::park_timeout(left);
                }
            });
            let done = work();
            over.store(true, Ordering::Relaxed);
            clock.thread().unpark();
            done
        });
        (done, late.into_inner())
    }

    /// Lets the agent record what it has learnt.
    fn last_words(&self, study: &Study) -> Result<(), Error> {
        let mut log = self.lock();
        if matches!(log.state().status, Status::Terminated(_)) {
            return Ok(());
        }
        self.halt.now.store(false, Ordering::Relaxed);
        if log.state().passes < PASSES_MAX {
            let told = |item: &Item| matches!(&item.said, Said::Lab(text) if text == THE_END);
            if !log.state().conversation.iter().any(told) {
                let text = THE_END.to_owned();
                log.write(vec![Body::LabSaid(LabSaid { text })])?;
            }
            let tools = self.tools(study, left_of(&self.protocol, study))?;
            let (advance, late) = self.in_time(|| {
                let mut harness = self.harness(&mut log, &tools, LAST_TURNS_MAX);
                // The study is finished, and nobody is kept waiting.
                harness.people.there = false;
                harness.advance()
            });
            let why = match advance? {
                Advance::Stopped(why) => why,
                // Neither is taken any more: the search is over.
                Advance::Proposed(_) | Advance::HandedIn(_) => StopReason::EndTurn,
            };
            let by_person = why == StopReason::Interrupted && self.halt.is_set() && !late;
            rest(&mut log, why)?;
            if by_person {
                return Ok(());
            }
        }
        let why = "the study is finished".to_owned();
        Ok(log.write(vec![Body::Terminated(Terminated { why })])?)
    }
}

impl Agent for StudyAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn propose(&self, question: &Question) -> Result<Change, NoChange> {
        // A wish to stop is not cleared here: it may have come while the question was on its way, and after one no other
        // question comes.
        self.answer(question)
    }

    fn awaits_person(&self) -> bool {
        self.people.awaited.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        self.halt.now.store(true, Ordering::Relaxed);
    }

    fn conclude(&self, state: &Study) -> Result<(), Broken> {
        self.last_words(state).map_err(broken_lab)
    }
}

/// What an agent is told that stopped without a proposal.
const GO_ON: &str = "the study goes on: propose the next experiment with run_experiment. Words alone change nothing";
/// What an agent is told at the end.
const THE_END: &str = "the search is over and the study is finished: the statement below holds its result. Record with record_finding what was learnt; no more experiments are run";

fn rest(log: &mut Log, stop_reason: StopReason) -> Result<(), Error> {
    Ok(log.write(vec![Body::Idle(Idle { stop_reason })])?)
}

/// Returns what a person asks for, and what the study's own rules say to one who may change files.
fn constraints(desk: &Desk<'_>, brief: &Brief) -> Vec<String> {
    let rules = &desk.executor.study().study.workspace;
    let mut all = brief.constraints.clone();
    let list = |patterns: &[String]| patterns.join(", ");
    all.push(format!(
        "only these files of the workspace may be changed: {}",
        list(rules.editable.patterns())
    ));
    if !rules.protected.patterns().is_empty() {
        all.push(format!(
            "these must stay as they are: {}",
            list(rules.protected.patterns())
        ));
    }
    all
}

/// Returns what the session may spend: the least of what its person and the study allow.
fn limits(desk: &Desk<'_>, brief: &Brief) -> Limits {
    let of_study = &desk.executor.study().study.budget;
    let least = |own: Option<u64>, of_study: Option<u64>| own.into_iter().chain(of_study).min();
    Limits {
        tokens: least(brief.limits.tokens, of_study.tokens),
        money: least(brief.limits.money, of_study.money.map(|money| money.0)),
    }
}

/// Returns what a person asks for that the session was not begun with: nobody is to believe in a bound that is none.
fn not_begun_with(created: &Created, brief: &Brief) -> Option<String> {
    let looser = |has: Option<u64>, wanted: Option<u64>| {
        wanted.filter(|wanted| has.is_none_or(|has| has > *wanted))
    };
    let tools = &created.policy.tools;
    let mut asks = brief.ask.iter().map(|tool| tool.name());
    let ask = asks.find(|tool| !tools.iter().any(|one| one == tool));
    let mut said = brief.constraints.iter();
    let mut mounts = brief.mounts.iter();
    let limits = (created.limits, brief.limits);
    let found = [
        ask.map(|tool| format!("`--ask {tool}`")),
        looser(limits.0.tokens, limits.1.tokens).map(|tokens| format!("`--tokens {tokens}`")),
        looser(limits.0.money, limits.1.money).map(|_| "this `--money`".to_owned()),
        said.find(|one| !created.constraints.contains(one))
            .map(|_| "one of these `--constraint`s".to_owned()),
        mounts
            .find(|one| !created.mounts.contains(one))
            .map(|_| "one of these `--mount`s".to_owned()),
    ];
    found.into_iter().flatten().next()
}

/// Returns what the session may not do without a person's word.
fn policy(desk: &Desk<'_>, brief: &Brief) -> Policy {
    let rules = &desk.executor.study().study.session;
    let tools: BTreeSet<AskedTool> = rules.ask.union(&brief.ask).copied().collect();
    let outside = rules.ask_outside.as_ref();
    Policy {
        tools: tools.iter().map(|tool| tool.name().to_owned()).collect(),
        outside: outside.map(|globs| globs.patterns().to_vec()),
        after: rules.ask_after,
    }
}

/// Returns who can be asked: by the command's word, else the study's, else where a word is asked for or a terminal is there.
fn people(desk: &Desk<'_>, brief: &Brief, log: &Log, tell: &Tell) -> People {
    let rules = &desk.executor.study().study.session;
    let created = log.state().created.as_ref();
    let asks = created.is_some_and(|created| !created.policy.is_empty());
    let there = brief.person.or(rules.person);
    People {
        there: there.unwrap_or(asks || brief.terminal),
        tell: Some(Arc::clone(tell)),
        ..People::default()
    }
}

fn words(why: &StopReason) -> String {
    match why {
        StopReason::EndTurn => "it has nothing more to say",
        StopReason::AwaitsExperiment => "it waits for an experiment",
        StopReason::AwaitsOutcome => "it waits for the grades",
        StopReason::RetriesExhausted => "its model gave no answer",
        StopReason::BudgetReached => "its budget is spent",
        StopReason::Refusal => "its model declined",
        StopReason::NoProgress => "it took many turns without a proposal",
        StopReason::Interrupted => "a person interrupted it",
        StopReason::RequiresAction { .. } => "it waits for a person's word",
        StopReason::LabFailed => "the lab failed",
    }
    .to_owned()
}

fn broken_lab(error: Error) -> Broken {
    match error {
        Error::Broken(broken) => broken,
        Error::Log(error) => Broken::while_doing("keeping the session's record")(error),
        Error::Tape(error) => Broken::while_doing("asking the model")(error),
        other @ (Error::Begun { .. } | Error::Foreign { .. }) => {
            Broken::while_doing("going on with the session")(other)
        }
    }
}

fn broken(error: Error) -> NoChange {
    NoChange::Broken(broken_lab(error))
}

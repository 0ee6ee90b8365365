//! A session without a study: an objective, a copy of a directory, and a model that works there until it has nothing more
//! to say.
//!
//! The directory is read once, when the session begins, and never written. What the model changes stays in the session's
//! record; a person sees and takes it from there.

use std::path::PathBuf;

use lyceum_ledger::Reader;
use lyceum_models::{Block, Tool};
use lyceum_study::{
    engine::{Broken, Cut, JournalError},
    lab::Kit,
};
use lyceum_types::Output;

use crate::{
    harness::{Advance, Error, Halt, Harness, Options},
    mind::Mind,
    people::People,
    session::{
        Log, Request, Said, State, Status,
        event::{
            Body, Created, Idle, Limited, Limits, Mount, Policy, Running, StopReason, Workspace,
        },
    },
    stream::Fold as _,
    team::bench::{self, Files, Seen},
    tool::{
        Done, OnFiles, Outcome, Toolbox, Wanted, alone_offers, memory, note, on_files,
        shelf::{self, Shelf},
        word,
    },
};

/// Requests in one stretch of work after which it stops: a person looks then, and lets it go on.
const TURNS_MAX: u32 = 1000;
/// What holds for every session without a study.
const RULES: &str = include_str!("alone.txt");
/// Tools that are carried out in the sandbox.
const IN_THE_SANDBOX: [&str; 6] = ["bash", "read", "write", "edit", "glob", "grep"];

/// What a session without a study is made of.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// Its name in the lab.
    pub name: String,
    /// What is to be reached.
    pub objective: String,
    /// What holds meanwhile.
    pub constraints: Vec<String>,
    /// The model, as a person names it.
    pub model: String,
    /// What it may spend.
    pub limits: Limits,
    /// Tools of which each call needs a person's word.
    pub ask: Vec<String>,
    /// Memory stores that it sees.
    pub mounts: Vec<Mount>,
    /// The directory of whose files it gets a copy; none where it begins with none.
    pub directory: Option<PathBuf>,
}

/// Why a session without a study cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The directory cannot be copied.
    #[error("the workspace: {0}")]
    Workspace(String),
    /// There is one of this name.
    #[error("the lab has a session `{0}` already")]
    Taken(String),
    /// The record cannot be written.
    #[error(transparent)]
    Session(#[from] Error),
}

/// Begins a session: its objective and its files are in the record when this returns.
pub fn begin(kit: &Kit, errand: &Errand) -> Result<(), BeginError> {
    let mut log = Log::open(kit.ledger().clone(), &errand.name).map_err(Error::from)?;
    if log.state().created.is_some() {
        return Err(BeginError::Taken(errand.name.clone()));
    }
    let (directory, files) = match &errand.directory {
        None => (None, vec![]),
        Some(directory) => {
            let files = bench::first_files(kit, directory).map_err(BeginError::Workspace)?;
            (Some(directory.display().to_string()), files)
        }
    };
    let created = Created {
        session: errand.name.clone(),
        objective: errand.objective.clone(),
        constraints: errand.constraints.clone(),
        study: String::new(),
        model: errand.model.clone(),
        limits: errand.limits,
        policy: Policy {
            tools: errand.ask.clone(),
            ..Policy::default()
        },
        mounts: errand.mounts.clone(),
        lyceum: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let workspace = Workspace { directory, files };
    let first = vec![Body::Created(created), Body::Workspace(workspace)];
    Ok(log.write(first).map_err(Error::from)?)
}

/// Has a model go on with a session until nothing follows any more. Returns why it stops.
///
/// `limits` takes the place of what it may spend, where a person says so.
pub fn work(
    kit: &Kit,
    name: &str,
    mind: &Mind,
    options: Options,
    (halt, people): (Halt, People),
    limits: Option<Limits>,
) -> Result<StopReason, Error> {
    let mut log = Log::open(kit.ledger().clone(), name)?;
    let Some(workspace) = log.state().workspace.clone() else {
        let what = "a workspace of its own".to_owned();
        let session = name.to_owned();
        return Err(Error::Begun { session, what });
    };
    mind.reel.go_on(&log.state().on_tape(None))?;
    let mut first = Vec::new();
    if let Some(limits) = limits.filter(|limits| Some(*limits) != log.state().limits()) {
        first.push(Body::Limited(Limited { limits }));
    }
    let pid = std::process::id();
    first.push(Body::Running(Running { pid }));
    log.write(first)?;
    let created = log.state().created.as_ref();
    let mounts = created.map_or(vec![], |created| created.mounts.clone());
    let tools = Tools {
        kit,
        session: name,
        start: &workspace.files,
        mounts: &mounts,
        shelf: Shelf::default(),
    };
    let advance = Harness {
        log: &mut log,
        mind,
        toolbox: &tools,
        options,
        turns_max: TURNS_MAX,
        mail: Some((kit.lab(), name)),
        halt,
        people,
    }
    .advance()?;
    let why = match advance {
        Advance::Stopped(why) => why,
        // No tool of these proposes or hands in.
        Advance::Proposed(_) | Advance::HandedIn(_) => StopReason::EndTurn,
    };
    let stop_reason = why.clone();
    log.write(vec![Body::Idle(Idle { stop_reason })])?;
    Ok(why)
}

/// Returns the session without a study that the process with this number works on, if it works on one; the lead's, where
/// that is a team's.
pub fn worked_on_by(reader: &Reader, pid: u32) -> Result<Option<String>, JournalError> {
    for name in State::names(reader)? {
        let state = State::load(reader, &name)?;
        let alone = state
            .created
            .as_ref()
            .is_some_and(|made| made.study.is_empty());
        if alone && state.status == Status::Running && state.pid == Some(pid) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns the model's last words, where the last thing in the conversation is its own.
pub fn last_words(state: &State) -> Option<String> {
    let Said::Agent(blocks) = &state.conversation.last()?.said else {
        return None;
    };
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Some(texts.collect::<Vec<_>>().join("\n"))
}

/// Tells whether a session has a workspace of its own, and is not over.
pub fn can_go_on(state: &State) -> bool {
    state.workspace.is_some() && !matches!(state.status, Status::Terminated(_))
}

/// Files by name, with their bytes and whether they may be executed.
pub type Contents = Vec<(String, Vec<u8>, bool)>;

/// Returns the files that a session began with, and those that it has now; nothing where it has no workspace of its own.
pub fn files(reader: &Reader, state: &State) -> Result<Option<(Contents, Contents)>, JournalError> {
    let Some(workspace) = &state.workspace else {
        return Ok(None);
    };
    let start: Files<'_> = by_name(&workspace.files);
    let now = bench::above(&start, &state.files);
    Ok(Some((contents(reader, &start)?, contents(reader, &now)?)))
}

fn by_name(files: &[Output]) -> Files<'_> {
    files
        .iter()
        .map(|file| (file.name.as_str(), file))
        .collect()
}

fn contents(reader: &Reader, files: &Files<'_>) -> Result<Contents, JournalError> {
    let read = files.iter().map(|(name, file)| {
        // A name that is no blob's names one that is missing.
        let blob = file
            .blob
            .parse()
            .unwrap_or_else(|_| lyceum_ledger::BlobId::of(&[]));
        let bytes = reader.blob(blob).map_err(JournalError::from)?;
        Ok(((*name).to_owned(), bytes, file.executable))
    });
    read.collect()
}

/// What a session without a study can do.
struct Tools<'a> {
    kit: &'a Kit,
    session: &'a str,
    start: &'a [Output],
    mounts: &'a [Mount],
    shelf: Shelf,
}

impl Tools<'_> {
    fn with_files(
        &self,
        session: &State,
        call: &Wanted,
        cut: &Cut,
    ) -> Result<Result<Done, String>, Broken> {
        let start = by_name(self.start);
        let seen = Seen {
            shared: &start,
            own: &session.files,
            mounts: self.mounts,
            shelf: &self.shelf,
        };
        match on_files(call) {
            Err(why) => Ok(Err(why)),
            Ok(OnFiles::Bash { script, timeout }) => {
                bench::bash(self.kit, &script, timeout, seen, cut).map(Ok)
            }
            Ok(OnFiles::Hands(request)) => bench::with_hands(self.kit, &request, seen, cut).map(Ok),
        }
    }
}

impl Toolbox for Tools<'_> {
    fn offers(&self) -> Vec<Tool> {
        alone_offers(!self.mounts.is_empty())
    }

    fn rules(&self) -> Option<&str> {
        Some(RULES)
    }

    fn brief(&self, session: &State) -> String {
        use std::fmt::Write as _;
        let mut text = format!("files at the beginning: {}\n", self.start.len());
        text.push_str(&shelf::brief(self.mounts));
        let names: Vec<&str> = session.files.iter().map(|one| one.name.as_str()).collect();
        let names = crate::line::one_line(&names.join(" "));
        let _ = writeln!(
            text,
            "files of yours that differ from the beginning: [{names}]"
        );
        crate::tool::cut_middle(text, BRIEF_BYTES_MAX)
    }

    fn needs_word(&self, session: &State, call: &Wanted) -> Result<Option<Request>, String> {
        if call.name == "ask_person" {
            return word::question(call).map(Some);
        }
        let policy = session.created.as_ref().map(|created| &created.policy);
        let why = policy.and_then(|policy| word::of_files(policy, call));
        Ok(why.map(|why| Request::Approval { why }))
    }

    fn call(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        let done = match call.name.as_str() {
            name if IN_THE_SANDBOX.contains(&name) => self.with_files(session, call, cut)?,
            name if memory::NAMES.contains(&name) && !self.mounts.is_empty() => memory::Desk {
                kit: self.kit,
                session: self.session,
                mounts: self.mounts,
                study: None,
            }
            .call(session, call)?,
            "note" => note(call),
            // Whoever drives the session asks, and waits for the answer.
            "ask_person" => Err("nobody was asked".into()),
            unknown => {
                let names: Vec<String> = self.offers().into_iter().map(|tool| tool.name).collect();
                let unknown = crate::line::one_line(unknown);
                Err(format!(
                    "no tool `{unknown}`; there are: {}",
                    names.join(", ")
                ))
            }
        };
        Ok(Outcome::Result(done.unwrap_or_else(Done::refused)))
    }

    fn look_up(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        if !IN_THE_SANDBOX.contains(&call.name.as_str()) {
            // Its effect and its result are written together, and there is neither; or the store tells what is made.
            return self.call(session, call, cut);
        }
        Ok(Outcome::Result(Done {
            is_error: true,
            unknown: true,
            ..Done::said(
                "the lab was stopped while this call was carried out. It is not repeated; the workspace is as it was before it",
            )
        }))
    }
}

/// Most bytes of the statement's part about the files.
const BRIEF_BYTES_MAX: usize = 8 << 10;

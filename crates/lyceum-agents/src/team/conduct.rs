//! Working with a team: a driver for each thread that has something to do.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use lyceum_models::{Block, Spec, Tape};
use lyceum_study::{
    engine::{Broken, JournalError},
    lab::Kit,
};
use lyceum_types::Output;

use super::{
    Record, bench,
    event::{Body, Created, Ended, Idle, Running, ThreadIdle},
    format::Team,
    purse::{Spending, member_name},
    room::{Broke, Room},
    session_of,
    state::{State, Status},
    tools::{Tools, line},
    turns::Turns,
};
use crate::{
    guarded::guarded,
    harness::{Advance, Halt, Harness, Options, TURNS_MAX},
    mind::Mind,
    people::People,
    session::{
        self, Log, Said,
        event::{
            Body as Told, Created as SessionCreated, Fault, FaultKind, Idle as SessionIdle,
            LabSaid, Limits, MessageReceived, Policy, RetryStatus, Running as SessionRunning,
            StopReason,
        },
    },
    stream::Fold as _,
    tapes::Tapes,
};

/// How often is looked whether threads have ended.
const POLL: Duration = Duration::from_millis(100);
/// Most bytes of last words that are passed on.
const REPORT_BYTES_MAX: usize = 16 << 10;

/// Who answers for the members of a team.
pub struct Staffed<'a> {
    /// Makes the model of this name ready.
    pub hire: &'a (dyn Fn(&Spec, Tape) -> Result<Mind, Broken> + Sync),
    /// The model of those for whom the file names none.
    pub model: Option<Spec>,
    /// How models are used.
    pub options: Options,
    /// Whether exchanges with models are recorded or replayed: then the order of the recording decides who goes on.
    pub tapes: Tapes,
}

/// What came of working with a team.
#[derive(Debug)]
pub struct Conducted {
    /// What is known.
    pub state: State,
    /// Tokens, and billionths of a US dollar, of all threads.
    pub spent: (u64, u64),
}

/// Opens a team, or begins it. Says in words what is wrong with its workspace.
pub fn open(team: &Team, kit: &Kit, model: Option<&Spec>) -> Result<Result<Record, String>, Broke> {
    let record = Record::open(kit.ledger().clone(), &team.name)?;
    if record.state().created.is_some() {
        return Ok(Ok(record));
    }
    let files = match team
        .workspace
        .as_deref()
        .map(|path| bench::first_files(kit, path))
    {
        None => vec![],
        Some(Ok(files)) => files,
        Some(Err(why)) => return Ok(Err(why)),
    };
    open_with(team, kit, model, files).map(Ok)
}

/// Opens a team, or begins it with these files.
pub(crate) fn open_with(
    team: &Team,
    kit: &Kit,
    model: Option<&Spec>,
    files: Vec<Output>,
) -> Result<Record, Broke> {
    let mut record = Record::open(kit.ledger().clone(), &team.name)?;
    if record.state().created.is_some() {
        return Ok(record);
    }
    record.write(vec![Body::Created(Created {
        team: team.name.clone(),
        objective: team.objective.clone(),
        definition: team.text.clone(),
        digest: team.digest.clone(),
        model: model.map(ToString::to_string),
        files,
        lyceum: env!("CARGO_PKG_VERSION").to_owned(),
    })])?;
    Ok(record)
}

/// Works with a team until the lead has nothing more to do, or everybody waits. The same call goes on where the last one
/// stopped, however it stopped.
pub fn conduct(
    team: &Team,
    kit: &Kit,
    mut record: Record,
    staffed: &Staffed<'_>,
    stop: &Arc<AtomicBool>,
) -> Result<Conducted, Broke> {
    if !matches!(record.state().status, Status::Ended(_)) {
        let pid = std::process::id();
        record.write(vec![Body::Running(Running { pid })])?;
    }
    let reader = kit.ledger().reader().map_err(JournalError::from)?;
    let threads = record.state().threads.len() as u32;
    let spent = (0..threads).map(|thread| {
        let session = session::State::load(&reader, &session_of(&team.name, thread))
            .map_err(crate::Error::from)?;
        Ok(Spending {
            tokens: session.tokens,
            money: session.money,
        })
    });
    let spent = spent.collect::<Result<Vec<_>, Broke>>()?;
    drop(reader);
    let over = matches!(record.state().status, Status::Ended(_));
    let (start, started) = mpsc::channel();
    let room = Room::new(team, kit, record, spent, start, Turns::new(&staffed.tapes));
    if !over {
        work(&room, staffed, stop, &started)?;
    }
    let state = room.state();
    Ok(Conducted {
        spent: room.spent(),
        state,
    })
}

fn work(
    room: &Room<'_>,
    staffed: &Staffed<'_>,
    stop: &Arc<AtomicBool>,
    started: &mpsc::Receiver<u32>,
) -> Result<(), Broke> {
    let fault: Mutex<Option<Broke>> = Mutex::new(None);
    let first = room.state();
    let all = 0..first.threads.len() as u32;
    all.filter(|number| first.works(*number))
        .for_each(|number| room.start(number));
    thread::scope(|scope| {
        let mut driven: Vec<(u32, thread::ScopedJoinHandle<'_, ()>)> = Vec::new();
        loop {
            driven.retain(|(_, handle)| !handle.is_finished());
            if fault
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
            {
                stop.store(true, Ordering::Relaxed);
            }
            match started.recv_timeout(POLL) {
                Ok(number) if driven.iter().any(|(one, _)| *one == number) => {
                    // It may be about to end: it is looked at again once it has.
                    room.start(number);
                    thread::sleep(POLL / 10);
                }
                Ok(number) => {
                    let fault = &fault;
                    let handle = scope.spawn(move || {
                        let driven = guarded(|| drive(room, number, staffed, stop));
                        let driven = driven.unwrap_or_else(|why| fail(room, number, &why));
                        if let Err(error) = driven {
                            *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        }
                    });
                    driven.push((number, handle));
                }
                Err(_) if driven.is_empty() => return,
                Err(_) => {}
            }
        }
    });
    if let Some(error) = fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let state = room.state();
    let end = match &state.threads[0].idle {
        Some((StopReason::EndTurn, report)) => Body::Ended(Ended {
            report: report.clone(),
        }),
        Some((why, _)) => Body::Idle(Idle {
            stop_reason: why.clone(),
        }),
        None => Body::Idle(Idle {
            stop_reason: StopReason::Interrupted,
        }),
    };
    Ok(room.write(end)?)
}

/// Drives one thread until it has nothing more to do.
fn drive(
    room: &Room<'_>,
    number: u32,
    staffed: &Staffed<'_>,
    stop: &Arc<AtomicBool>,
) -> Result<(), Broke> {
    let _turn = room.turns.begin(number);
    let state = room.state();
    if !state.works(number) {
        // It was started twice, and has done all.
        return Ok(());
    }
    let name = member_name(&state, number).unwrap_or_default();
    let Some(member) = room.team.member(name) else {
        return Ok(());
    };
    let spec = member.model.as_ref().or(staffed.model.as_ref());
    let Some(spec) = spec else {
        let none = std::io::Error::other("no model is named");
        return Err(Broken::while_doing(format!("hiring `{name}`"))(none).into());
    };
    let tapes = &staffed.tapes;
    let hire = |tape| (staffed.hire)(spec, tape);
    let mind = room.turns.hire(number, tapes, hire)?;
    let session = session_of(&room.team.name, number);
    let mut log = open_session(room, &state, number, &session, spec)?;
    let tools = Tools::new(room, number, member);
    let halt = Halt {
        stop: Arc::clone(stop),
        now: Arc::new(AtomicBool::new(false)),
    };
    loop {
        take_messages(room, number, &mut log)?;
        let advance = Harness {
            log: &mut log,
            mind: &mind,
            toolbox: &tools,
            options: staffed.options,
            turns_max: TURNS_MAX,
            mail: Some((room.kit.lab(), &session)),
            halt: halt.clone(),
            people: People::default(),
        }
        .advance()?;
        let why = match advance {
            Advance::Stopped(why) => why,
            // No tool of a team proposes a change to a study or hands in an outcome.
            Advance::Proposed(_) | Advance::HandedIn(_) => StopReason::NoProgress,
        };
        if halt.is_set() {
            // Nothing is over: the same thread goes on next time.
            return write(
                &mut log,
                Told::Idle(SessionIdle {
                    stop_reason: StopReason::Interrupted,
                }),
            );
        }
        if why == StopReason::EndTurn && wait_for_children(room, number, &halt, &mut log)? {
            continue;
        }
        if rest(room, number, &why, &mut log)? {
            return Ok(());
        }
    }
}

/// Writes down that the lab failed at a thread: it waits, and everybody else goes on. The next process takes it up again.
fn fail(room: &Room<'_>, number: u32, why: &str) -> Result<(), Broke> {
    let session = session_of(&room.team.name, number);
    let mut log = Log::open(room.kit.ledger().clone(), &session).map_err(crate::Error::from)?;
    // One that did not even begin has no log yet.
    if log.state().created.is_some() {
        let fault = Told::Fault(Fault {
            error: FaultKind::UnknownError,
            message: why.to_owned(),
            retry_status: RetryStatus::Exhausted,
        });
        let idle = Told::Idle(SessionIdle {
            stop_reason: StopReason::LabFailed,
        });
        log.write(vec![fault, idle]).map_err(crate::Error::from)?;
    }
    Ok(room.write(Body::ThreadIdle(ThreadIdle {
        thread: number,
        stop_reason: StopReason::LabFailed,
        report: why.to_owned(),
    }))?)
}

fn write(log: &mut Log, body: Told) -> Result<(), Broke> {
    Ok(log.write(vec![body]).map_err(crate::Error::from)?)
}

fn open_session(
    room: &Room<'_>,
    state: &State,
    number: u32,
    session: &str,
    spec: &Spec,
) -> Result<Log, Broke> {
    let ledger = room.kit.ledger().clone();
    let mut log = Log::open(ledger, session).map_err(crate::Error::from)?;
    let found = state.threads.get(number as usize);
    let task = found
        .and_then(|one| one.delegated.as_ref())
        .map(|one| one.task.clone());
    let objective = task.unwrap_or_else(|| room.team.objective.clone());
    if let Some(created) = &log.state().created {
        // What another began under this name is not this thread's work.
        if !created.study.is_empty() || created.objective != objective {
            let session = session.to_owned();
            return Err(crate::Error::Foreign { session }.into());
        }
    } else {
        write(
            &mut log,
            Told::Created(SessionCreated {
                session: session.to_owned(),
                objective,
                constraints: room.team.constraints.clone(),
                study: String::new(),
                model: spec.to_string(),
                limits: Limits::default(),
                policy: Policy::default(),
                mounts: vec![],
                lyceum: env!("CARGO_PKG_VERSION").to_owned(),
            }),
        )?;
    }
    let pid = std::process::id();
    write(&mut log, Told::Running(SessionRunning { pid }))?;
    Ok(log)
}

/// Puts into a thread's session what others said to it, each message once.
fn take_messages(room: &Room<'_>, number: u32, log: &mut Log) -> Result<(), Broke> {
    for sent in room.state().messages.iter().filter(|one| one.to == number) {
        let message = MessageReceived {
            message: sent.message,
            from: sent.from,
            text: sent.text.clone(),
        };
        if !log.state().letters.contains(&message.letter()) {
            write(log, Told::MessageReceived(message))?;
        }
    }
    Ok(())
}

/// Waits for threads below one that has nothing more to say, and tells it what they came to. Returns whether any worked.
fn wait_for_children(
    room: &Room<'_>,
    number: u32,
    halt: &Halt,
    log: &mut Log,
) -> Result<bool, Broke> {
    let at_work = |state: &State| -> Vec<u32> {
        let children = state.children(number).into_iter();
        children.filter(|child| state.works(*child)).collect()
    };
    let waited = at_work(&room.state());
    if waited.is_empty() {
        return Ok(false);
    }
    room.turns.wait_for(number, waited.clone());
    while !at_work(&room.state()).is_empty() && !halt.is_set() {
        room.wait(POLL);
    }
    room.turns.go_on(number);
    let state = room.state();
    let lines: Vec<String> = waited.iter().map(|child| line(&state, *child)).collect();
    let text = format!(
        "you had nothing more to say while others worked for you. Now:\n{}",
        lines.join("\n")
    );
    write(log, Told::LabSaid(LabSaid { text }))?;
    Ok(true)
}

/// Writes down that a thread has nothing more to do. Returns whether that holds: somebody may have spoken to it meanwhile.
fn rest(room: &Room<'_>, number: u32, why: &StopReason, log: &mut Log) -> Result<bool, Broke> {
    write(
        log,
        Told::Idle(SessionIdle {
            stop_reason: why.clone(),
        }),
    )?;
    let report = last_words(log.state());
    let idle = ThreadIdle {
        thread: number,
        stop_reason: why.clone(),
        report,
    };
    let letters = &log.state().letters;
    let rests = room.decide(|state| {
        let mut to_it = state.messages.iter().filter(|one| one.to == number);
        let heard = to_it.all(|one| letters.contains(&MessageReceived::letter_of(one.message)));
        // One that cannot go on does not, whoever speaks to it.
        let rests = heard || *why != StopReason::EndTurn;
        (rests.then_some(Body::ThreadIdle(idle)), rests)
    })?;
    Ok(rests)
}

/// Returns what a session's model said last.
fn last_words(state: &session::State) -> String {
    let said = state
        .conversation
        .iter()
        .rev()
        .find_map(|item| match &item.said {
            Said::Agent(blocks) => Some(text(blocks)).filter(|text| !text.is_empty()),
            Said::Person(_) | Said::Lab(_) | Said::Result { .. } => None,
        });
    crate::tool::cut_middle(said.unwrap_or_default(), REPORT_BYTES_MAX)
}

fn text(blocks: &[Block]) -> String {
    let words = blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.as_str()),
        Block::Reasoning { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Opaque { .. } => None,
    });
    words.collect::<Vec<_>>().join("\n")
}

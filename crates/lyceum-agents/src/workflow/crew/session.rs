//! A session with tools as a step: a team of one, in the lab's own ledger, named by the run and the step's key. A session
//! goes on where it stopped, so an attempt that died is taken up and nothing of it is repeated.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use lyceum_ledger::Reader;
use lyceum_models::{Spec, Usage};
use lyceum_study::engine::{Broken, Cut};
use serde_json::{Value, json};

use super::{
    super::{
        conductor::{Came, Prepared, Refusal},
        event::{Reserved, Spent, StepEnd, StopReason},
        format::Session,
    },
    Floor, RESULT_BYTES_MAX, Scene, Task as Any, key,
};
use crate::{
    Options,
    session::{
        self,
        event::{Body, StopReason as Rest},
    },
    staff::mind_with,
    stream::Fold as _,
    team::{self, Allowed, Member, Staffed, Status, Team},
};

/// Characters of a hash in a session's name: enough that no two steps share one.
const KEY_SHOWN: usize = 16;

/// Most bytes of what a session is told at its start: they are part of each of its requests.
const PROMPT_BYTES_MAX: usize = 512 << 10;

/// A session that is ready.
pub struct Task {
    team: Team,
    spec: Spec,
    phase: String,
    /// The files that it begins with.
    files: Vec<(String, Vec<u8>, bool)>,
    /// The files that it is to leave.
    outputs: Vec<String>,
    priced: bool,
    /// What was charged for it so far.
    charged: Spent,
}

pub(super) fn prepare(
    floor: &Floor<'_>,
    scene: &Scene<'_>,
    session: &Session,
) -> Result<Prepared<Any>, Refusal> {
    let spec = session.spec.as_ref().or(floor.hired.model.as_ref());
    let spec = spec.ok_or_else(|| {
        Refusal::Step("no model is named; `--model` names one for the run".into())
    })?;
    let fill = |text: &super::super::template::Template| text.fill(|place| scene.value(place));
    let (prompt, system) = (fill(&session.prompt), session.system.as_ref().map(fill));
    let bytes = prompt.len() + system.as_ref().map_or(0, String::len);
    if bytes > PROMPT_BYTES_MAX {
        return Err(Refusal::Step(format!(
            "prompt and system have {bytes} bytes, expected at most {PROMPT_BYTES_MAX}; give the session files instead (`reads`)"
        )));
    }
    let made_of = json!({
        "model": spec.to_string(),
        "program": floor.program(spec),
        "tape": floor.hired.tapes.mark(),
        "prompt": prompt,
        "system": system,
        "tools": session.tools,
        "outputs": session.outputs,
        "files": scene.files.hashes(),
    });
    let key = key("session", &made_of);
    // What an earlier run came to is not taken: a session that ended is not begun again.
    let run = scene.state.created.as_ref().map(|created| &created.run);
    let of_run = blake3::hash(json!([key, run]).to_string().as_bytes()).to_hex();
    let name = format!("{}-{}", scene.phase.name, &of_run[..KEY_SHOWN]);
    let charged = scene.step.charged;
    let (reserved, allowed, priced) = allowance(floor, spec, session, charged)?;
    let files = scene.files.files.iter();
    Ok(Prepared {
        key: key.clone(),
        reserved,
        task: Any::Session(Box::new(Task {
            team: Team {
                name,
                objective: prompt,
                constraints: vec![],
                workspace: None,
                text: made_of.to_string(),
                digest: key,
                members: vec![Member {
                    name: "lead".into(),
                    model: Some(spec.clone()),
                    prompt: system.unwrap_or_default(),
                    tools: session.tools.clone(),
                    specialists: vec![],
                    allowed,
                }],
                alone: true,
            },
            spec: spec.clone(),
            phase: scene.phase.name.clone(),
            files: files
                .map(|(name, (bytes, executable))| (name.clone(), bytes.clone(), *executable))
                .collect(),
            outputs: session.outputs.clone(),
            priced,
            charged,
        })),
    })
}

/// Returns what is reserved, which is what the session may spend without what was charged for it, what it may spend in all,
/// and whether its model has a price.
fn allowance(
    floor: &Floor<'_>,
    spec: &Spec,
    session: &Session,
    charged: Spent,
) -> Result<(Reserved, Allowed, bool), Refusal> {
    let mind = mind_with(spec, &floor.hired.environment, floor.hired.tapes.tape())
        .map_err(|error| Refusal::Step(format!("{spec}: {error}")))?;
    let dearest = Usage {
        output_tokens: session.tokens,
        reported: true,
        ..Usage::default()
    };
    let listed = (mind.price)(&dearest).amount().map(|amount| amount.0);
    let money = session.money.map(|money| money.0);
    if money.is_some() && listed.is_none() {
        return Err(Refusal::Step(format!(
            "`money` needs a model whose price is known, and that of `{spec}` is not"
        )));
    }
    let reserved = Reserved {
        tokens: session.tokens.saturating_sub(charged.tokens),
        money: money
            .or(listed)
            .map(|money| money.saturating_sub(charged.money)),
        cpu_ms: 0,
    };
    let allowed = Allowed {
        tokens: Some(session.tokens),
        money,
    };
    Ok((reserved, allowed, listed.is_some()))
}

fn load(reader: &Reader, name: &str) -> Result<session::State, Broken> {
    let reading = Broken::while_doing("reading a session's record");
    session::State::load(reader, name).map_err(reading)
}

pub(super) fn carry_out(floor: &Floor<'_>, task: &Task, cut: &Cut) -> Result<Came, Broken> {
    let name = &task.team.name;
    let doing = || format!("working on session `{name}`");
    let reader = floor.kit.ledger().reader();
    let reader = reader.map_err(Broken::while_doing(doing()))?;
    let files = task.files.iter();
    let files =
        files.map(|(name, bytes, executable)| team::keep(floor.kit, name, bytes, *executable));
    let files = files.collect::<Result<Vec<_>, Broken>>()?;
    let record = team::open_with(&task.team, floor.kit, Some(&task.spec), files);
    let record = record.map_err(Broken::while_doing(doing()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    cut.on_cut(Box::new(move |_| stopping.store(true, Ordering::Relaxed)));
    let hire = |spec: &Spec, tape| {
        mind_with(spec, &floor.hired.environment, tape)
            .map_err(Broken::while_doing(format!("hiring `{spec}`")))
    };
    let staffed = Staffed {
        hire: &hire,
        model: Some(task.spec.clone()),
        options: Options::default(),
        tapes: floor.hired.tapes.clone(),
    };
    let conducted = team::conduct(&task.team, floor.kit, record, &staffed, &stop);
    cut.on_cut(Box::new(|_| ()));
    let state = conducted.map_err(Broken::while_doing(doing()))?.state;
    let after = load(&reader, name)?;
    let tokens = after.tokens.saturating_sub(task.charged.tokens);
    let money = after.money.saturating_sub(task.charged.money);
    Ok(Came {
        end: end(floor, task, &state, (&reader, &after), cut)?,
        spent: Spent {
            tokens,
            money: if task.priced { money } else { 0 },
            unpriced: tokens > 0 && !task.priced,
            cpu_ms: after.cpu_ms.saturating_sub(task.charged.cpu_ms),
        },
    })
}

/// Says what a session came to.
fn end(
    floor: &Floor<'_>,
    task: &Task,
    state: &team::State,
    (reader, session): (&Reader, &session::State),
    cut: &Cut,
) -> Result<Result<StepEnd, StopReason>, Broken> {
    let name = &task.team.name;
    let failed = |why: String| Ok(Ok(StepEnd::Failed { why }));
    let why = match &state.status {
        Status::Ended(report) => {
            return Ok(Ok(match result(floor, task, state, session, report)? {
                Ok(result) => StepEnd::Done {
                    result,
                    citations: 0,
                    reused: None,
                },
                Err(why) => StepEnd::Failed {
                    why: format!("session `{name}` {why}"),
                },
            }));
        }
        Status::Idle(why) => why,
        Status::Running => &Rest::Interrupted,
    };
    match (why, cut.cause()) {
        (Rest::Interrupted, Some(why)) => Ok(Ok(StepEnd::Cut { why })),
        (Rest::Interrupted, None) => Ok(Err(StopReason::Interrupted)),
        (Rest::BudgetReached, _) => Ok(Err(StopReason::BudgetReached {
            phase: Some(task.phase.clone()),
            budget: format!("what session `{name}` may spend"),
        })),
        (Rest::RetriesExhausted, _) => Ok(Err(StopReason::RetriesExhausted {
            error: last_fault(reader, name)?,
        })),
        (Rest::LabFailed, _) => Ok(Ok(StepEnd::Fault {
            why: last_fault(reader, name)?,
        })),
        (Rest::Refusal, _) => failed(format!("the model declined in session `{name}`")),
        (
            Rest::EndTurn
            | Rest::NoProgress
            | Rest::AwaitsExperiment
            | Rest::AwaitsOutcome
            | Rest::RequiresAction { .. },
            _,
        ) => failed(format!(
            "session `{name}` took many turns and came to no end"
        )),
    }
}

/// Returns what a session leaves: its last words, and with files that it is to leave an object of both.
fn result(
    floor: &Floor<'_>,
    task: &Task,
    state: &team::State,
    session: &session::State,
    report: &str,
) -> Result<Result<String, String>, Broken> {
    if task.outputs.is_empty() {
        return Ok(Ok(report.trim().to_owned()));
    }
    let shared = state.files(state.version());
    let all = team::above(&shared, &session.files);
    let mut files = serde_json::Map::new();
    for name in &task.outputs {
        let Some(file) = all.get(name.as_str()) else {
            return Ok(Err(format!("ended and left no `{name}`")));
        };
        if file.bytes > RESULT_BYTES_MAX as u64 {
            let found = file.bytes;
            return Ok(Err(format!(
                "left `{name}` with {found} bytes, expected at most {RESULT_BYTES_MAX}"
            )));
        }
        for edit in floor.kit.read_kept(&[(*file).clone()])? {
            match String::from_utf8(edit.bytes) {
                Ok(text) => files.insert(name.clone(), Value::String(text)),
                Err(_) => return Ok(Err(format!("left `{name}`, which is no UTF-8 text"))),
            };
        }
    }
    let result = json!({ "words": report.trim(), "files": files }).to_string();
    if result.len() > RESULT_BYTES_MAX {
        let found = result.len();
        return Ok(Err(format!(
            "left {found} bytes in all, expected at most {RESULT_BYTES_MAX}"
        )));
    }
    Ok(Ok(result))
}

/// Returns the last fault in a session's log.
fn last_fault(reader: &Reader, name: &str) -> Result<String, Broken> {
    let mut last = None;
    let read = session::State::read(reader, name, 0, |_, _, body| {
        if let Body::Fault(fault) = body {
            last = Some(fault.message);
        }
        Ok(())
    });
    read.map_err(Broken::while_doing("reading a session's record"))?;
    Ok(last.unwrap_or_else(|| "the model gave no answer".into()))
}

/// Takes the result of a session with files apart: its last words, and the files.
pub(super) fn apart(result: &str) -> Option<(String, Vec<(String, String)>)> {
    let value: Value = serde_json::from_str(result).ok()?;
    let words = value["words"].as_str()?.to_owned();
    let files = value["files"].as_object()?.iter();
    let files = files.map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
    Some((words, files.collect::<Option<_>>()?))
}

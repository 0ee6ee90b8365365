//! `lyceum session log`: the events of a session, followed by number.

use std::{io::Write as _, thread::sleep, time::Duration};

use lyceum_agents::{
    Fold as _,
    session::{
        State,
        event::{Body, Permission, RequestEnd, RetryStatus},
    },
};
use lyceum_ledger::{Holding, Ledger};
use lyceum_models::{Arguments as Called, Block, Money};

use super::{list::reason, named};
use crate::{
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{visible, words},
};

/// How often a follower looks for new events.
const POLL: Duration = Duration::from_millis(200);
/// Most characters of what is shown of one event to people; `--json` has all.
const SHOWN_CHARACTERS_MAX: usize = 240;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The session [default: the only one]
    session: Option<String>,
    /// Go on printing as events are written
    #[arg(long, short)]
    follow: bool,
    /// Only events after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, arguments.session.as_deref())?;
    let ledger = place.lab()?.ledger();
    let mut out = std::io::stdout().lock();
    let (mut last, mut over) = (arguments.after, false);
    loop {
        // Asked before reading: what was written until then is read below.
        let nobody = Ledger::holding(&ledger)? == Holding::Nobody;
        let mut lines = Vec::new();
        State::read(&reader, &name, last, |seq, at, body| {
            last = seq;
            over = matches!(body, Body::Terminated(_));
            lines.push(line(seq, at, &body, json));
            Ok(())
        })
        .map_err(|error| Failure::internal(&error))?;
        for line in lines {
            // A reader that went away (`| head`) is an ordinary end.
            if writeln!(out, "{line}").is_err() {
                return Ok(Exit::Done);
            }
        }
        if !arguments.follow || over || nobody {
            return Ok(Exit::Done);
        }
        out.flush()?;
        sleep(POLL);
    }
}

fn line(seq: u64, at: i64, body: &Body, json: bool) -> String {
    if json {
        let content = body.encode().unwrap_or_default();
        let content: serde_json::Value = serde_json::from_str(&content).unwrap_or_default();
        let event = serde_json::json!({
            "seq": seq, "at": at, "kind": body.kind(), "version": body.version(), "body": content,
        });
        return visible(&event.to_string());
    }
    let words: Vec<String> = said(body).split_whitespace().map(str::to_owned).collect();
    let shown: String = words.join(" ").chars().take(SHOWN_CHARACTERS_MAX).collect();
    let kind = body.kind();
    words::clean(&format!("{seq:>6} {} {kind}: {shown}", words::moment(at)))
}

/// Returns an event in words. What models, people and candidates wrote is escaped by the caller.
fn said(body: &Body) -> String {
    match body {
        Body::Created(created) if created.study.is_empty() => created.model.clone(),
        Body::Created(created) => format!("{} on {}", created.model, created.study),
        Body::Workspace(workspace) => {
            let from = workspace.directory.as_deref().unwrap_or("nowhere");
            format!("{} files from {from}", workspace.files.len())
        }
        Body::Limited(limited) => {
            let limits = limited.limits;
            let tokens = limits.tokens.map(|tokens| format!("{tokens} tokens"));
            let money = limits.money.map(|money| Money(money).to_string());
            let all: Vec<String> = tokens.into_iter().chain(money).collect();
            format!("may spend {}", all.join(" and "))
        }
        Body::Running(running) => format!("process {}", running.pid),
        Body::Idle(idle) => reason(&idle.stop_reason),
        Body::Terminated(over) => over.why.clone(),
        Body::PersonSaid(said) => said.text.clone(),
        Body::Interrupted(interrupted) => interrupted.why.clone(),
        Body::LabSaid(said) => said.text.clone(),
        Body::MessageReceived(said) => format!("from thread {}: {}", said.from, said.text),
        Body::Asked(asked) => format!(
            "{}, {} tokens reserved",
            asked.request, asked.reserved_tokens
        ),
        Body::Answered(answered) => {
            let (request, tokens) = (answered.request, answered.tokens);
            let end = match &answered.end {
                RequestEnd::Answer { blocks, .. } => text(blocks),
                RequestEnd::Failed { error } => format!("failed: {error}"),
                RequestEnd::Unknown => "unknown: the lab died meanwhile".into(),
            };
            format!("{request}, {tokens} tokens: {end}")
        }
        Body::Fault(fault) if fault.retry_status == RetryStatus::Retrying => {
            format!("{}; it is tried again", fault.message)
        }
        Body::Fault(fault) => fault.message.clone(),
        Body::ToolUsed(used) => {
            let arguments = match &used.arguments {
                Called::Object { value } => value.to_string(),
                Called::Malformed { text, .. } => format!("no JSON: {text}"),
            };
            format!("{} {} {arguments}", used.call, used.name)
        }
        Body::ApprovalRequested(asked) => format!("{}: {}", asked.call, asked.why),
        Body::Confirmed(said) => {
            let word = match said.result {
                Permission::Allow => "allowed",
                Permission::Deny => "denied",
            };
            let why = said
                .why
                .as_ref()
                .map_or(String::new(), |why| format!(": {why}"));
            format!("{} {word}{why}", said.call)
        }
        Body::PersonAnswered(said) => format!("{} {}", said.call, said.text),
        Body::ToolStarted(started) => started.call.clone(),
        Body::ToolResult(result) => {
            let failed = if result.is_error { "failed: " } else { "" };
            format!("{} {failed}{}", result.call, result.text)
        }
        Body::Found(found) => format!("{} on {}: {}", found.finding, found.experiment, found.claim),
        Body::Noted(noted) => noted.text.clone(),
        Body::PersonAsked(asked) => format!("{} {}", asked.call, asked.question),
        Body::Compacted(compacted) => format!(
            "{} to {} tokens",
            compacted.tokens_before, compacted.tokens_after
        ),
    }
}

fn text(blocks: &[Block]) -> String {
    let words = blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.as_str()),
        Block::Reasoning { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Opaque { .. } => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

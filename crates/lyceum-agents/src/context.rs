//! What is put before the model: rules, the conversation, and at its end, at every turn, what the ledger says.
//!
//! The standing part is made anew from the ledger for each request and is in no event: objective, constraints, the study
//! as it is, findings with the lab's evidence, notes, words of people. A summary is marked as one, and says nothing that
//! the standing part does not say better.

use std::fmt::Write as _;

use lyceum_models::{Block, Cache, Message, Request, Role, SystemBlock, ToolResult};

use crate::{
    line::one_line,
    session::{Item, Said, State, event::Created},
    tool::{Toolbox, book, cut_middle},
};

/// Most bytes of notes, and of people's words, in the standing part; the newest stand.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// Characters of what a provider finds a session's requests by: as many as `OpenAI` is known to take, and no two alike.
const CACHE_KEY_CHARACTERS: usize = 32;

/// What holds for every agent of the lab. The same bytes in each request, so that prefixes are found in caches.
const RULES: &str = include_str!("rules.txt");

/// Returns the request for the next turn; `times` is what the lab says of time in it, whole lines.
pub(crate) fn compose(
    state: &State,
    toolbox: &dyn Toolbox,
    times: &str,
    output_tokens_max: u32,
) -> Request {
    let system = SystemBlock {
        text: toolbox.rules().unwrap_or(RULES).to_owned(),
        cache: Some(Cache::Minutes),
    };
    let mut messages = messages(state);
    mark(&mut messages);
    let standing = standing(state, toolbox, times);
    match messages.last_mut() {
        Some(last) if last.role == Role::User => {
            last.blocks.push(Block::text(standing));
            last.passing = 1;
        }
        _ => messages.push(Message::user(standing)),
    }
    Request {
        system: vec![system],
        messages,
        tools: toolbox.offers(),
        output_tokens_max,
        cache_key: state.created.as_ref().map(cache_key),
        ..Request::default()
    }
}

/// Marks where the conversation ends, which only grows until it is shortened, and where it ended in the request before.
///
/// A provider looks for a prefix that it has kept at the marks, and a few blocks before them; an answer with many calls
/// adds more blocks than that ([Anthropic's documentation](https://docs.claude.com/en/docs/build-with-claude/prompt-caching)).
/// With the rules' mark these are three of the four that a request may have.
fn mark(messages: &mut [Message]) {
    let Some((last, before)) = messages.split_last_mut() else {
        return;
    };
    last.cache = Some(Cache::Minutes);
    let mut before = before.iter_mut().rev();
    if let Some(earlier) = before.find(|one| one.role == Role::User) {
        earlier.cache = Some(Cache::Minutes);
    }
}

/// Returns what all requests of a session have in common, also where it is replayed under another name. It tells nothing
/// of the session.
fn cache_key(created: &Created) -> String {
    let own = (&created.objective, &created.constraints);
    let json = serde_json::to_vec(&own).unwrap_or_default();
    blake3::hash(&json).to_hex()[..CACHE_KEY_CHARACTERS].to_owned()
}

/// Returns the conversation as messages that take turns and begin with the user's.
fn messages(state: &State) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    if let Some(summary) = &state.summary {
        push(
            &mut messages,
            Role::User,
            vec![Block::text(summary.clone())],
        );
    }
    for item in &state.conversation {
        match &item.said {
            // Servers refuse an answer without a block.
            Said::Agent(blocks) if blocks.is_empty() => {}
            Said::Agent(blocks) => push(&mut messages, Role::Assistant, blocks.clone()),
            Said::Person(text) => {
                let text = format!("A person says: {text}");
                push(&mut messages, Role::User, vec![Block::text(text)]);
            }
            Said::Lab(text) => {
                let text = format!("The lab says: {text}");
                push(&mut messages, Role::User, vec![Block::text(text)]);
            }
            Said::Result { id, text, is_error } => {
                let result = Block::ToolResult(ToolResult {
                    id: id.clone(),
                    text: text.clone(),
                    failed: *is_error,
                });
                push(&mut messages, Role::User, vec![result]);
            }
        }
    }
    for message in &mut messages {
        // Results come first, whatever a person said while a tool worked.
        message.blocks.sort_by_key(|block| {
            message.role == Role::User && !matches!(block, Block::ToolResult(_))
        });
    }
    if messages
        .first()
        .is_some_and(|first| first.role == Role::Assistant)
    {
        messages.insert(0, Message::user("The lab says: begin."));
    }
    messages
}

fn push(messages: &mut Vec<Message>, role: Role, blocks: Vec<Block>) {
    match messages.last_mut() {
        Some(last) if last.role == role => last.blocks.extend(blocks),
        _ => messages.push(Message {
            role,
            blocks,
            cache: None,
            passing: 0,
        }),
    }
}

/// Returns what is true now, within bounds. Each line is the lab's: words of others stand on one, escaped.
pub(crate) fn standing(state: &State, toolbox: &dyn Toolbox, times: &str) -> String {
    let mut text = "<lab>\n".to_owned();
    if let Some(created) = &state.created {
        let _ = writeln!(text, "objective: {}", one_line(&created.objective));
        for constraint in &created.constraints {
            let _ = writeln!(text, "constraint: {}", one_line(constraint));
        }
    }
    text.push_str(&toolbox.brief(state));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for (number, found) in &state.findings {
        let evidence = book::words(&found.evidence, found.against);
        let _ = writeln!(
            text,
            "finding {number} on {}: {} (the lab: {evidence})",
            found.experiment,
            one_line(&found.claim)
        );
    }
    newest(&mut text, "your note", &state.notes);
    newest(&mut text, "a person said", &state.people);
    if let Some(left) = state.tokens_left() {
        let _ = writeln!(text, "tokens left: {left}");
    }
    text.push_str(times);
    text.push_str("</lab>");
    text
}

/// Adds the newest words that there is room for, oldest of them first.
fn newest(text: &mut String, what: &str, all: &[String]) {
    let mut room = KEPT_BYTES_MAX;
    let mut first = all.len();
    let cut = |one: &String| cut_middle(one_line(one), KEPT_BYTES_MAX / 2).replace('\n', " ");
    for (at, one) in all.iter().enumerate().rev() {
        let Some(left) = room.checked_sub(cut(one).len()) else {
            break;
        };
        (room, first) = (left, at);
    }
    for one in &all[first..] {
        let _ = writeln!(text, "{what}: {}", cut(one));
    }
}

/// Returns about how many tokens a request has: a guess on the safe side for text and code.
pub(crate) fn tokens(request: &Request) -> u64 {
    const BYTES_PER_TOKEN: u64 = 3;
    let bytes = serde_json::to_vec(request).map_or(0, |bytes| bytes.len() as u64);
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Returns about how many tokens an item of the conversation has.
pub(crate) fn tokens_of(item: &Item) -> u64 {
    let bytes = match &item.said {
        Said::Agent(blocks) => serde_json::to_vec(blocks).map_or(0, |bytes| bytes.len()),
        Said::Person(text) | Said::Lab(text) | Said::Result { text, .. } => text.len() + 40,
    };
    (bytes as u64).div_ceil(3)
}

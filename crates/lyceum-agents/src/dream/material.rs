//! What one request holds: rules, the store as it is by then, and some of the sessions.

use std::collections::BTreeSet;

use lyceum_memory::{Draft, STREAM_PREFIX, Sources, Store};
use lyceum_models::{Block, Message, Request, SystemBlock};
use serde_json::{Value, json};

use super::{answer, transcript::Transcript};
use crate::tool::cut_middle;

/// Bytes of a request for each token of the model's context: on the safe side.
const BYTES_PER_TOKEN: u64 = 2;
/// Tokens for rules, schema and what a provider adds.
const FRAME_TOKENS: u64 = 4096;
/// Most tokens of an answer, where the context has room for them.
const OUTPUT_TOKENS_MAX: u64 = 16_384;
/// Share of the context that an answer may have at most, as a divisor.
const OUTPUT_SHARE: u64 = 4;
/// Longest entry that is shown.
const ENTRY_BYTES_MAX: usize = 16 << 10;
/// Most citations of an entry that are shown; all of them may be named again.
const CITES_SHOWN_MAX: usize = 20;
/// Most bytes of an answer that was not taken and is shown again.
const SHOWN_BYTES_MAX: usize = 8 << 10;

/// What a dreamer is told.
const RULES: &str = include_str!("rules.txt");

/// How a model's context is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes for the store.
    pub(super) store: usize,
    /// Bytes for transcripts.
    pub(super) sessions: usize,
    /// Tokens of the answer.
    pub(super) output_tokens: u32,
}

impl Room {
    pub(super) fn of(context_tokens: u64) -> Room {
        let output = OUTPUT_TOKENS_MAX.min(context_tokens / OUTPUT_SHARE);
        let left = context_tokens.saturating_sub(output + FRAME_TOKENS);
        let bytes = (left * BYTES_PER_TOKEN) as usize;
        Room {
            store: bytes / 3,
            sessions: bytes - bytes / 3,
            output_tokens: output as u32,
        }
    }
}

/// Packs transcripts into rounds, in their order, so that each round fits.
pub(super) fn rounds(transcripts: Vec<Transcript>, room: usize) -> Vec<Vec<Transcript>> {
    let mut rounds: Vec<Vec<Transcript>> = Vec::new();
    let mut left = 0;
    for one in transcripts {
        if rounds.is_empty() || one.bytes > left {
            rounds.push(vec![]);
            left = room;
        }
        left = left.saturating_sub(one.bytes);
        if let Some(round) = rounds.last_mut() {
            round.push(one);
        }
    }
    rounds
}

/// Returns the entries as they are shown, and says in the draft which are not.
pub(super) fn entries(
    draft: &mut Draft,
    before: &Store,
    room: usize,
    sources: &mut Sources,
) -> Vec<Value> {
    let stream = format!("{STREAM_PREFIX}{}", before.name());
    sources.last.insert(stream.clone(), before.seq());
    let mut left = room;
    let mut hidden = BTreeSet::new();
    let mut shown = Vec::new();
    for entry in draft.words() {
        let unchanged = before.entry(entry.path).ok();
        let unchanged =
            unchanged.filter(|_| before.read(entry.path).is_ok_and(|old| old == entry.text));
        let mut cites: Vec<Value> = unchanged
            .map(|old| json!({ "stream": stream, "events": [old.seq] }))
            .into_iter()
            .collect();
        let carried = entry.cites.iter().take(CITES_SHOWN_MAX);
        cites.extend(carried.map(|cite| json!({ "stream": cite.stream, "events": cite.seqs })));
        let value = json!({ "path": entry.path, "words": entry.text, "cites": cites });
        let bytes = value.to_string().len();
        if entry.text.len() > ENTRY_BYTES_MAX || bytes > left {
            hidden.insert(entry.path.to_owned());
            continue;
        }
        left -= bytes;
        if let Some(old) = unchanged {
            sources.show(&stream, old.seq);
        }
        shown.push(value);
    }
    draft.hide(hidden);
    shown
}

/// Returns the request of a round; `untaken` are answers to it that were not taken, with the reasons.
pub(super) fn request<'a>(
    instructions: &str,
    entries: &[Value],
    sessions: &[Value],
    output_tokens: u32,
    untaken: impl Iterator<Item = (&'a str, &'a str)>,
) -> Request {
    let data = json!({ "store": entries, "sessions": sessions });
    let mut text = String::new();
    if !instructions.is_empty() {
        text.push_str("The person who asked for this wants you to look at: ");
        text.push_str(instructions);
        text.push_str("\n\n");
    }
    text.push_str("<data>\n");
    // No tag can begin in what others wrote.
    text.push_str(&data.to_string().replace('<', "\\u003c"));
    text.push_str("\n</data>\n\nAnswer with the operations, as one JSON object and nothing else.");
    let mut messages = vec![Message::user(text)];
    for (said, why) in untaken {
        let said = cut_middle(said.to_owned(), SHOWN_BYTES_MAX);
        // Servers refuse a message without words.
        let said = if said.trim().is_empty() {
            "(nothing)".into()
        } else {
            said
        };
        messages.push(Message::assistant(vec![Block::text(said)]));
        messages.push(Message::user(format!(
            "That was not taken: {why}. Give the whole answer again, and nothing else."
        )));
    }
    Request {
        system: vec![SystemBlock::new(RULES)],
        messages,
        output_tokens_max: output_tokens,
        output_schema: Some(answer::schema()),
        ..Request::default()
    }
}

//! Shortening the conversation before a request would not fit.
//!
//! The harness decides, before each request and without the model: the older part gives way to a list of what was done,
//! one line each, made from the events. It is marked as a summary. What must not be lost is not in it but in the standing
//! part, which is made anew from the ledger for each request.

use std::fmt::Write as _;

use lyceum_models::Block;

use crate::{
    context::tokens_of,
    session::{Item, Said, State, event::Compacted},
};

/// Most bytes of a summary; its oldest lines give way.
const SUMMARY_BYTES_MAX: usize = 6 << 10;
/// Most characters of one line in a summary.
const LINE_CHARACTERS_MAX: usize = 160;
/// First line of a summary.
const MARK: &str = "Summary of the earlier conversation, made by the lab. It leaves out most of it and is never the source of truth: <lab> at the end is.";

/// Returns the compaction that leaves at most about so many tokens of conversation; `None` where nothing can give way.
///
/// What stays begins with an answer of the model or with words of people or the lab, never with a result whose call is
/// gone.
pub(crate) fn compact(state: &State, tokens_before: u64, keep_tokens: u64) -> Option<Compacted> {
    let items = &state.conversation;
    let mut kept = 0;
    let mut first = items.len();
    for (at, item) in items.iter().enumerate().rev() {
        kept += tokens_of(item);
        if kept > keep_tokens && first < items.len() {
            break;
        }
        if may_begin(items, at) {
            first = at;
        }
    }
    let gone = &items[..first];
    let through = gone.last()?.seq;
    let given_way: u64 = gone.iter().map(tokens_of).sum();
    // A third of what stays, since about three bytes are a token.
    let room = SUMMARY_BYTES_MAX.min(keep_tokens as usize);
    let summary = summary(state, gone, room);
    Some(Compacted {
        through,
        tokens_before,
        tokens_after: tokens_before.saturating_sub(given_way) + (summary.len() as u64).div_ceil(3),
        summary,
    })
}

/// Whether a conversation may begin here: no later result answers a call from before.
fn may_begin(items: &[Item], at: usize) -> bool {
    let result = |item: &Item| matches!(item.said, Said::Result { .. });
    match &items[at].said {
        Said::Agent(_) => true,
        Said::Result { .. } => false,
        // A person may speak between a call and its result.
        Said::Person(_) | Said::Lab(_) => !items.get(at + 1).is_some_and(result),
    }
}

fn summary(state: &State, gone: &[Item], mut room: usize) -> String {
    let earlier = state.summary.iter().flat_map(|text| text.lines().skip(2));
    let mut lines: Vec<String> = earlier.map(str::to_owned).collect();
    for item in gone {
        lines.extend(line(item));
    }
    let fits = lines.iter().rev().take_while(|line| {
        let fits = line.len() < room;
        room = room.saturating_sub(line.len() + 1);
        fits
    });
    let first = lines.len() - fits.count();
    let mut text = format!(
        "{MARK}\n({} requests to you so far, {} calls; {first} older lines are left out)\n",
        state.requests, state.calls_made
    );
    for line in &lines[first..] {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Returns an item on one line; what holds nothing for later has none.
fn line(item: &Item) -> Option<String> {
    let (who, text) = match &item.said {
        Said::Person(text) => ("a person", text.clone()),
        Said::Lab(_) => return None,
        Said::Agent(blocks) => ("you", of_blocks(blocks)),
        Said::Result { text, is_error, .. } => {
            let who = if *is_error { "failed result" } else { "result" };
            (who, text.clone())
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(LINE_CHARACTERS_MAX).collect();
    (!line.is_empty()).then(|| format!("- {who}: {line}"))
}

fn of_blocks(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Text { text: words, .. } => {
                let _ = write!(text, "{words} ");
            }
            Block::ToolUse(call) => {
                let arguments = serde_json::to_string(&call.arguments).unwrap_or_default();
                let _ = write!(text, "[{} {arguments}] ", call.name);
            }
            Block::Reasoning { .. } | Block::ToolResult(_) | Block::Opaque { .. } => {}
        }
    }
    text
}

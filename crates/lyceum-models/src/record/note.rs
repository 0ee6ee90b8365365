//! What a recording says beside what was sent and what came back: whose request an exchange was, and what a crash lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Exchange, Left, RECORDING_VERSION};

/// Whose requests are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// A session.
    Session,
    /// The judgements of a study's rubric.
    Judgement,
    /// A dream.
    Dream,
}

/// Which request an exchange was an attempt at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Who asked.
    pub of: Asker,
    /// The request's number, from 1.
    pub number: u32,
    /// What the lab said of time in it: that follows from no log, so a replay says it again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub times: String,
}

/// What stands between exchanges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Note {
    /// A session, a dream or a study with judgements begins here.
    Begun {
        /// The study's root seed.
        seed: Option<u64>,
    },
    /// Whoever asked died, and the answer was not taken in.
    LostRequest {
        /// Who asked.
        of: Asker,
        /// The request's number.
        number: u32,
    },
    /// Whoever carried out this call died, and nobody knows what it did.
    LostCall {
        /// The call.
        call: String,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    note: &'a Note,
}

#[derive(Deserialize)]
struct Found {
    version: u32,
    note: Option<Note>,
}

/// Returns a note as a line of a recording, without its end.
pub(super) fn line(note: &Note) -> Result<String, String> {
    let version = RECORDING_VERSION;
    serde_json::to_string(&Line { version, note }).map_err(|error| error.to_string())
}

/// Reads a line, if it is a note.
pub(super) fn read(line: &str) -> Option<Result<Note, String>> {
    // An exchange begins otherwise, and is not read twice.
    if !line.starts_with(&format!("{{\"version\":{RECORDING_VERSION},\"note\"")) {
        return None;
    }
    let found: Found = match serde_json::from_str(line) {
        Ok(found) => found,
        Err(error) => return Some(Err(error.to_string())),
    };
    (found.version == RECORDING_VERSION)
        .then_some(found.note)?
        .map(Ok)
}

/// Returns how many bytes of a file are whole lines, where what follows them is the beginning of a recording's line. Any
/// other file stays as it is.
pub(super) fn cut_after(bytes: &[u8]) -> Option<u64> {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let rest = &bytes[whole..];
    let begins = ["path", "note"].map(|field| {
        let begin = format!("{{\"version\":{RECORDING_VERSION},\"{field}\":");
        rest.starts_with(begin.as_bytes())
    });
    begins.contains(&true).then_some(whole as u64)
}

/// Returns what can be replayed: all but the exchanges of requests whose answers were lost.
pub(super) fn left(exchanges: Vec<Exchange>, notes: Vec<Note>) -> Left {
    let lost: Vec<(Asker, u32)> = notes
        .iter()
        .filter_map(|note| match note {
            Note::LostRequest { of, number } => Some((*of, *number)),
            Note::Begun { .. } | Note::LostCall { .. } => None,
        })
        .collect();
    let marks = exchanges.iter().filter_map(|one| one.mark.as_ref());
    let mut last = BTreeMap::new();
    for (of, number) in marks
        .map(|mark| (mark.of, mark.number))
        .chain(lost.iter().copied())
    {
        let most: &mut u32 = last.entry(of).or_default();
        *most = number.max(*most);
    }
    let count = exchanges.len();
    let is_lost = |one: &Exchange| {
        let mark = one.mark.as_ref();
        mark.is_some_and(|mark| lost.contains(&(mark.of, mark.number)))
    };
    let exchanges = (1..).zip(exchanges).filter(|(_, one)| !is_lost(one));
    Left {
        count,
        exchanges: exchanges.collect(),
        notes,
        last,
    }
}

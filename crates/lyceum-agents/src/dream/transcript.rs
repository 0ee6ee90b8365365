//! A session's log as a dreamer reads it: what was said and found, each with the number of its event, within a size.
//!
//! Where not everything fits, what the ledger alone knows stays longest: findings, notes and people's words before
//! verdicts and errors, those before what the model said, and that before what its tools printed.

use lyceum_models::Block;
use serde_json::{Value, json};

use crate::{
    session::event::{Body, Evidence, Found, RequestEnd, StopReason},
    tool::cut_middle,
};

/// Most bytes of one event's words.
const WORDS_BYTES_MAX: usize = 1500;
/// What a session's frame takes beside its events.
const FRAME_BYTES: usize = 600;

/// An event that may be shown.
struct Shown {
    seq: u64,
    value: Value,
    bytes: usize,
    /// 0 stays longest.
    class: u8,
}

/// A session's log as it is shown.
pub(super) struct Transcript {
    /// The session as JSON.
    pub(super) value: Value,
    /// Its length.
    pub(super) bytes: usize,
    /// The events that are in it.
    pub(super) seqs: Vec<u64>,
}

/// Gathers a session's events.
#[derive(Default)]
pub(super) struct Events {
    objective: String,
    study: String,
    all: Vec<Shown>,
    /// Call of a tool whose result is a verdict or a grade.
    verdicts: Vec<String>,
}

impl Events {
    /// Takes in an event.
    pub(super) fn take(&mut self, seq: u64, body: Body) {
        let (class, kind) = (class_of(&body, &self.verdicts), body.kind());
        if let Body::ToolUsed(used) = &body
            && matches!(used.name.as_str(), "run_experiment" | "submit_outcome")
        {
            self.verdicts.push(used.call.clone());
        }
        if let Body::Created(created) = &body {
            self.objective = cut_middle(created.objective.clone(), WORDS_BYTES_MAX);
            self.study.clone_from(&created.study);
        }
        let Some(words) = words(body) else { return };
        let words = cut_middle(words, WORDS_BYTES_MAX);
        let value = json!({ "event": seq, "kind": kind, "words": words });
        let bytes = value.to_string().len() + 1;
        self.all.push(Shown {
            seq,
            value,
            bytes,
            class,
        });
    }

    /// Returns what is shown of them in so many bytes: of each class the newest first.
    pub(super) fn within(mut self, stream: &str, room: usize) -> Transcript {
        let mut room = room.saturating_sub(FRAME_BYTES);
        let before = self.all.len();
        let mut order: Vec<usize> = (0..before).collect();
        order.sort_by_key(|at| (self.all[*at].class, std::cmp::Reverse(self.all[*at].seq)));
        let mut keep = vec![false; before];
        for at in order {
            let bytes = self.all[at].bytes;
            if bytes <= room {
                room -= bytes;
                keep[at] = true;
            }
        }
        let mut keep = keep.into_iter();
        self.all.retain(|_| keep.next().unwrap_or_default());
        let seqs = self.all.iter().map(|one| one.seq).collect();
        let left_out = before - self.all.len();
        let events: Vec<Value> = self.all.into_iter().map(|one| one.value).collect();
        let value = json!({
            "stream": stream,
            "study": self.study,
            "objective": self.objective,
            "events_left_out": left_out,
            "events": events,
        });
        let bytes = value.to_string().len();
        Transcript { value, bytes, seqs }
    }
}

fn class_of(body: &Body, verdicts: &[String]) -> u8 {
    match body {
        Body::Created(_)
        | Body::Found(_)
        | Body::Noted(_)
        | Body::PersonSaid(_)
        | Body::Interrupted(_)
        | Body::Terminated(_) => 0,
        Body::ToolResult(result) if result.is_error || verdicts.contains(&result.call) => 1,
        Body::Fault(_) | Body::PersonAsked(_) | Body::MessageReceived(_) | Body::Idle(_) => 1,
        Body::Answered(_) | Body::ToolUsed(_) => 2,
        _ => 3,
    }
}

/// Returns what an event says to somebody who reads the session later; `None` for nothing.
fn words(body: Body) -> Option<String> {
    let words = match body {
        Body::Created(created) => created.constraints.join("\n"),
        Body::Terminated(ended) => ended.why,
        Body::PersonSaid(said) => said.text,
        Body::Interrupted(wish) => wish.why,
        Body::MessageReceived(message) => message.text,
        Body::Answered(answered) => match answered.end {
            RequestEnd::Answer { blocks, .. } => spoken(&blocks),
            RequestEnd::Failed { error } => error,
            RequestEnd::Unknown => return None,
        },
        Body::Fault(fault) => fault.message,
        Body::ToolUsed(used) => {
            let arguments = serde_json::to_string(&used.arguments).unwrap_or_default();
            format!("{} {arguments}", used.name)
        }
        Body::ToolResult(result) => result.text,
        Body::Found(found) => told(&found),
        Body::Noted(noted) => noted.text,
        Body::PersonAsked(asked) => asked.question,
        Body::Idle(idle) => match idle.stop_reason {
            StopReason::AwaitsExperiment | StopReason::AwaitsOutcome => return None,
            other => serde_json::to_value(other).ok()?["type"]
                .as_str()?
                .to_owned(),
        },
        // The lab's own words and what is only bookkeeping.
        _ => return None,
    };
    (!words.trim().is_empty()).then_some(words)
}

fn spoken(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn told(found: &Found) -> String {
    let Evidence {
        pairs,
        gain,
        interval,
    } = &found.evidence;
    let gain = gain.map_or("no pair of runs".to_owned(), |gain| {
        format!("mean gain {gain:.4} over {pairs} pairs")
    });
    let interval = interval.map_or(String::new(), |(low, high)| {
        format!(", 95 % interval {low:.4} to {high:.4}")
    });
    let replaces = if found.replaces.is_empty() {
        String::new()
    } else {
        format!("; takes the place of findings {:?}", found.replaces)
    };
    let (number, claim) = (found.finding, &found.claim);
    let (one, other) = (found.experiment, found.against);
    format!(
        "finding {number} on {one} against {other}: {claim}; the lab computes: {gain}{interval}{replaces}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::{Noted, PersonSaid, ToolResult};

    fn result(number: u64) -> Body {
        Body::ToolResult(ToolResult {
            call: format!("{number}.0"),
            text: format!("{number} {}", "x".repeat(400)),
            is_error: false,
            unknown: false,
            cpu_ms: 0,
            files: None,
        })
    }

    #[test]
    fn what_only_the_session_knows_stays_longest_and_each_event_keeps_its_number() {
        let mut events = Events::default();
        let noted = Body::Noted(Noted {
            text: "the cache is cold at first".into(),
        });
        events.take(2, noted);
        for seq in 3..40 {
            events.take(seq, result(seq));
        }
        let said = PersonSaid {
            text: "mind the cache </data>".into(),
            letter: None,
        };
        events.take(40, Body::PersonSaid(said));
        let shown = events.within("session/a", 3000);
        assert!(shown.bytes <= 3000, "{}", shown.bytes);
        assert_eq!(shown.seqs.first(), Some(&2));
        assert_eq!(&shown.seqs[shown.seqs.len() - 2..], [39, 40]);
        let left_out = shown.value["events_left_out"].as_u64().unwrap();
        assert_eq!(left_out as usize + shown.seqs.len(), 39);
        assert!(left_out > 20, "{left_out}");
    }
}

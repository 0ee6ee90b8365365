//! What of an answer may leave here: bounded, and without the key.

use std::io;

use serde_json::Value;

use crate::{
    error::{ErrorKind, words},
    key::Secret,
    response::Response,
    transport::ANSWER_BYTES_MAX,
    wire::malformed,
};

/// Nothing in an answer is nested deeper: a reader of JSON takes 128 levels, and what is kept of an answer is put into
/// others.
const DEPTH_MAX: usize = 96;

/// Measures JSON that is written into it.
#[derive(Default)]
struct Measure {
    bytes: u64,
    depth: usize,
    deepest: usize,
    in_text: bool,
    escaped: bool,
}

impl io::Write for Measure {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        self.bytes += json.len() as u64;
        for byte in json {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'[' | b'{' if !self.in_text => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b']' | b'}' if !self.in_text => self.depth -= 1,
                _ => {}
            }
        }
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails if an answer is larger or deeper than what keeps it takes, or holds the key. Numbers grow when they are
/// written again, and some words are in an answer twice.
pub(super) fn check(response: &Response, key: Option<&Secret>) -> Result<(), ErrorKind> {
    let mut measure = Measure::default();
    let unwritable = |error: serde_json::Error| malformed(&error.to_string());
    serde_json::to_writer(&mut measure, response).map_err(unwritable)?;
    if measure.bytes > ANSWER_BYTES_MAX {
        let limit_bytes = ANSWER_BYTES_MAX;
        return Err(ErrorKind::AnswerTooLarge { limit_bytes });
    }
    if measure.deepest > DEPTH_MAX {
        return Err(malformed(&format!(
            "expected at most {DEPTH_MAX} levels of JSON, found {}",
            measure.deepest
        )));
    }
    let Some(key) = key else {
        return Ok(());
    };
    let json = serde_json::to_value(response).map_err(unwritable)?;
    // Blocks of words are read as one text.
    if holds(&json, key) || key.is_in(response.text().as_bytes()) {
        return Err(ErrorKind::KeyRepeated);
    }
    Ok(())
}

fn holds(json: &Value, key: &Secret) -> bool {
    let is_in = |text: &str| key.is_in(text.as_bytes());
    match json {
        Value::String(text) => is_in(text),
        Value::Array(all) => all.iter().any(|one| holds(one, key)),
        Value::Object(all) => all.iter().any(|(name, one)| is_in(name) || holds(one, key)),
        Value::Number(number) => is_in(&number.to_string()),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Returns an error without the key, should a server have repeated it, and then with its words cut.
pub(super) fn shown(kind: ErrorKind, key: Option<&Secret>) -> ErrorKind {
    let clean = |said: String| match key {
        Some(key) => words(&key.scrub(&said)),
        None => words(&said),
    };
    match kind {
        ErrorKind::Unauthorized { status, words } => ErrorKind::Unauthorized {
            status,
            words: clean(words),
        },
        ErrorKind::Billing { status, words } => ErrorKind::Billing {
            status,
            words: clean(words),
        },
        ErrorKind::NotFound { words } => ErrorKind::NotFound {
            words: clean(words),
        },
        ErrorKind::BadRequest { status, words } => ErrorKind::BadRequest {
            status,
            words: clean(words),
        },
        ErrorKind::ContextOverflow { words } => ErrorKind::ContextOverflow {
            words: clean(words),
        },
        ErrorKind::RequestTooLarge { words } => ErrorKind::RequestTooLarge {
            words: clean(words),
        },
        ErrorKind::RateLimited { status, words } => ErrorKind::RateLimited {
            status,
            words: clean(words),
        },
        ErrorKind::Overloaded { status, words } => ErrorKind::Overloaded {
            status,
            words: clean(words),
        },
        ErrorKind::Server { status, words } => ErrorKind::Server {
            status,
            words: clean(words),
        },
        ErrorKind::Redirect { status, to } => ErrorKind::Redirect {
            status,
            to: clean(to),
        },
        ErrorKind::Status { status, words } => ErrorKind::Status {
            status,
            words: clean(words),
        },
        ErrorKind::Malformed { what } => ErrorKind::Malformed { what: clean(what) },
        ErrorKind::Cut { bytes, reason } => ErrorKind::Cut {
            bytes,
            reason: clean(reason),
        },
        ErrorKind::Connect { host, reason } => ErrorKind::Connect {
            host,
            reason: clean(reason),
        },
        ErrorKind::Command {
            program,
            reason,
            started,
        } => ErrorKind::Command {
            program,
            reason: clean(reason),
            started,
        },
        other @ (ErrorKind::Key(_)
        | ErrorKind::Timeout { .. }
        | ErrorKind::AnswerTooLarge { .. }
        | ErrorKind::Budget { .. }
        | ErrorKind::KeyRepeated
        | ErrorKind::Cancelled
        | ErrorKind::Replay(_)
        | ErrorKind::Record { .. }) => other,
    }
}

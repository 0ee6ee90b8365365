//! The form of an answer, and what it wants.

use lyceum_memory::{Cite, Line, Revision};
use lyceum_models::{OutputSchema, Stop};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::workflow::bare;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    operations: Vec<Operation>,
}

/// An operation as a model writes it: all fields of all kinds, since providers ask for every property.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    kind: Kind,
    #[serde(default)]
    path: String,
    #[serde(default)]
    merged_paths: Vec<String>,
    #[serde(default)]
    lines: Vec<Words>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    cites: Vec<Events>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Keep,
    Merge,
    Drop,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    text: String,
    cites: Vec<Events>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    stream: String,
    events: Vec<u64>,
}

/// Returns the form that an answer is asked to have.
pub(super) fn schema() -> OutputSchema {
    let object = |properties: Value| {
        let names: Vec<String> = properties
            .as_object()
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default();
        json!({
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": false,
        })
    };
    let text = json!({ "type": "string" });
    let list = |items: &Value| json!({ "type": "array", "items": items });
    let cites = list(&object(json!({
        "stream": text,
        "events": list(&json!({ "type": "integer" })),
    })));
    let operation = object(json!({
        "kind": { "type": "string", "enum": ["keep", "merge", "drop", "write"] },
        "path": text,
        "merged_paths": list(&text),
        "lines": list(&object(json!({ "text": text, "cites": cites }))),
        "why": text,
        "cites": cites,
    }));
    OutputSchema {
        name: "dream".into(),
        schema: object(json!({ "operations": list(&operation) })),
    }
}

/// Returns what an answer wants, or why it was not taken.
pub(super) fn read(stop: &Stop, text: &str) -> Result<Vec<Revision>, String> {
    match stop {
        Stop::EndTurn | Stop::ToolUse => {}
        Stop::OutputFull => return Err("it was cut off: it is longer than allowed".into()),
        Stop::ContextFull => return Err("the model's context was full".into()),
        Stop::Paused => return Err("it was interrupted by the provider".into()),
        Stop::Refusal { reason } => return Err(format!("the model declined: {reason}")),
        Stop::Unknown { reason } => return Err(format!("the model stopped: {reason}")),
    }
    if text.len() > ANSWER_BYTES_MAX {
        let found = text.len();
        return Err(format!(
            "it has {found} bytes, expected at most {ANSWER_BYTES_MAX}"
        ));
    }
    let answer: Answer = serde_json::from_str(bare(text))
        .map_err(|error| format!("it has not the form that was asked for: {error}"))?;
    Ok(answer.operations.into_iter().map(revision).collect())
}

fn revision(one: Operation) -> Revision {
    let Operation { kind, path, .. } = one;
    let lines = one.lines.into_iter().map(|line| Line {
        text: line.text,
        cites: cites(line.cites),
    });
    match kind {
        Kind::Keep => Revision::Keep { path },
        Kind::Merge => Revision::Merge {
            paths: one.merged_paths,
            into: path,
            lines: lines.collect(),
        },
        Kind::Drop => Revision::Drop {
            path,
            why: one.why,
            cites: cites(one.cites),
        },
        Kind::Write => Revision::Write {
            path,
            lines: lines.collect(),
        },
    }
}

fn cites(given: Vec<Events>) -> Vec<Cite> {
    let cites = given.into_iter().map(|one| Cite {
        stream: one.stream,
        seqs: one.events,
    });
    cites.collect()
}

#[cfg(test)]
mod tests {
    use lyceum_study::shape::Shape;

    use super::*;

    #[test]
    fn the_form_can_be_checked_and_what_fits_it_is_read() {
        let text = schema().schema.to_string();
        let shape = Shape::parse(text.as_bytes()).unwrap();
        let whole = json!({ "operations": [{
            "kind": "drop", "path": "a", "merged_paths": [], "lines": [], "why": "w",
            "cites": [{ "stream": "session/a", "events": [3] }],
        }] });
        assert_eq!(shape.holds(&whole), Ok(()));
        let wants = read(&Stop::EndTurn, &format!("```json\n{whole}\n```")).unwrap();
        let cites = vec![Cite {
            stream: "session/a".into(),
            seqs: vec![3],
        }];
        let expected = Revision::Drop {
            path: "a".into(),
            why: "w".into(),
            cites,
        };
        assert_eq!(wants, [expected]);
    }

    #[test]
    fn an_operation_that_is_not_declared_is_no_answer() {
        for text in [
            "",
            "I have done it.",
            r#"{"operations":[{"kind":"run","path":"rm -rf /"}]}"#,
            r#"{"operations":[],"command":"x"}"#,
            r#"{"operations":[{"kind":"write","path":"a","lines":[{"text":"t"}]}]}"#,
            r#"{"operations":[{"kind":"write","path":"a","lines":[{"text":"t","cites":[{"stream":"s","events":[-1]}]}]}]}"#,
        ] {
            let why = read(&Stop::EndTurn, text).unwrap_err();
            assert!(why.contains("has not the form"), "{why}");
        }
    }
}

//! How deep the JSON in an answer may nest: what is written into the ledger must be read from there again.
//!
//! A reader of JSON follows 128 levels. An answer is read at its own top level, and its parts lie some levels deeper in
//! the event that keeps it, so a part at the reader's limit could be written and never be read again.

use lyceum_models::{Arguments, Block, Kept};
use serde_json::Value;

/// Most levels of arrays and objects in one part of an answer: half of what a reader follows.
const LEVELS_MAX: usize = 64;

/// Makes all parts of an answer such that they can be kept. Arguments that nest too deep become text, which is answered as
/// bad arguments; a block of an unknown kind becomes its text.
pub(crate) fn bound(blocks: &mut [Block]) {
    for block in blocks {
        match block {
            Block::Text { kept, .. } | Block::Reasoning { kept, .. } => bound_kept(kept),
            Block::ToolUse(call) => {
                bound_arguments(&mut call.arguments);
                bound_kept(&mut call.kept);
            }
            Block::Opaque { kept } if is_deep(&kept.item) => {
                *block = Block::text(kept.item.to_string());
            }
            Block::Opaque { .. } | Block::ToolResult(_) => {}
        }
    }
}

fn bound_kept(kept: &mut Option<Kept>) {
    if kept.as_ref().is_some_and(|kept| is_deep(&kept.item)) {
        *kept = None;
    }
}

fn bound_arguments(arguments: &mut Arguments) {
    if let Arguments::Object { value } = arguments
        && is_deep(value)
    {
        *arguments = Arguments::Malformed {
            text: value.to_string(),
            reason: format!("expected at most {LEVELS_MAX} levels of arrays and objects"),
        };
    }
}

fn is_deep(value: &Value) -> bool {
    deeper_than(value, LEVELS_MAX)
}

/// Whether a value has more levels than that; goes no deeper than it needs to.
fn deeper_than(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(all) => all.iter().any(|one| deeper_than(one, below)),
        Value::Object(all) => all.values().any(|one| deeper_than(one, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use lyceum_models::{ToolUse, WireKind};
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    fn all(levels: usize) -> Vec<Block> {
        let kept = Kept {
            wire: WireKind::Responses,
            item: nested(levels),
        };
        vec![
            Block::Reasoning {
                text: String::new(),
                kept: Some(kept.clone()),
            },
            Block::ToolUse(ToolUse {
                id: "c".into(),
                name: "note".into(),
                arguments: Arguments::Object {
                    value: nested(levels),
                },
                kept: Some(kept.clone()),
            }),
            Block::Opaque { kept },
        ]
    }

    #[test]
    fn what_nests_too_deep_becomes_text_and_the_rest_stays_as_it_came() {
        let mut fits = all(LEVELS_MAX);
        bound(&mut fits);
        assert_eq!(fits, all(LEVELS_MAX));
        for levels in [LEVELS_MAX + 1, 127] {
            let mut deep = all(levels);
            bound(&mut deep);
            let Block::ToolUse(call) = &deep[1] else {
                panic!("{deep:?}");
            };
            assert_eq!(call.kept, None);
            let Arguments::Malformed { text, .. } = &call.arguments else {
                panic!("{call:?}");
            };
            assert_eq!(*text, nested(levels).to_string());
            assert_eq!(deep[2], Block::text(nested(levels).to_string()));
            let json = serde_json::to_string(&deep).unwrap();
            assert!(serde_json::from_str::<Vec<Block>>(&json).is_ok());
        }
    }
}

//! Finding a value in JSON by its bytes. The text is first checked as a whole by `serde_json`, which also bounds its depth.

use std::ops::Range;

use lyceum_types::Setting;
use serde_json::Value;

use super::{
    locate::{Found, Located, Lost},
    toml::indices,
};

/// Finds the value at the end of the steps.
pub(super) fn locate(text: &str, steps: &[&str]) -> Result<Located, Lost> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| Lost::Syntax(error.to_string()))?;
    let mut span = trim(text, 0..text.len());
    for step in steps {
        span = enter(text, span, step)?;
    }
    let value = found(&text[span.clone()])?;
    Ok(Located { span, value })
}

fn trim(text: &str, span: Range<usize>) -> Range<usize> {
    let inner = &text[span.clone()];
    let start = span.start + (inner.len() - inner.trim_start().len());
    start..start + inner.trim().len()
}

/// Returns the span of one child of the object or list at `span`.
fn enter(text: &str, span: Range<usize>, step: &str) -> Result<Range<usize>, Lost> {
    let whole = &text[span.clone()];
    let object = whole.starts_with('{');
    if !object && !whole.starts_with('[') {
        return Err(Lost::NoKey(Vec::new()));
    }
    let mut known = Vec::new();
    let mut hit = None;
    for (count, child) in children(text, span).into_iter().enumerate() {
        let (name, value) = if object {
            let colon = child.start + string_length(&text[child.clone()]);
            let name: String = serde_json::from_str(&text[child.start..colon])
                .map_err(|error| Lost::Syntax(error.to_string()))?;
            let after = text[colon..child.end]
                .find(':')
                .map_or(child.end, |at| colon + at + 1);
            (name, trim(text, after..child.end))
        } else {
            (count.to_string(), child)
        };
        if name == step && hit.replace(value).is_some() {
            return Err(Lost::Twice);
        }
        known.push(name);
    }
    let known = if object { known } else { indices(known.len()) };
    hit.ok_or(Lost::NoKey(known))
}

/// Returns the spans of what stands between the commas of the object or list at `span`.
fn children(text: &str, span: Range<usize>) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut children = Vec::new();
    let (mut at, end) = (span.start + 1, span.end.saturating_sub(1));
    let (mut depth, mut start) = (0_usize, at);
    while at < end {
        match bytes[at] {
            b'"' => {
                at += string_length(&text[at..end]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                children.push(trim(text, start..at));
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = trim(text, start.min(end)..end);
    if !last.is_empty() {
        children.push(last);
    }
    children
}

/// Returns the bytes that a string literal at the start of `text` takes, quotes included; all of `text` when it never ends.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn found(text: &str) -> Result<Found, Lost> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Lost::Syntax(error.to_string()))?;
    Ok(match value {
        Value::Null => Found::Other("null"),
        Value::Bool(value) => Found::Scalar(Setting::Boolean(value)),
        Value::String(value) => Found::Scalar(Setting::Text(value)),
        Value::Array(_) => Found::Other("a list"),
        Value::Object(_) => Found::Other("an object"),
        // Read from the text itself: the standard library's reading is exact to the last bit.
        Value::Number(_) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Found::Scalar(Setting::Integer(number)),
            (Err(_), Ok(number)) if number.is_finite() => Found::Scalar(Setting::Float(number)),
            _ => Found::Other("a number that is not finite"),
        },
    })
}

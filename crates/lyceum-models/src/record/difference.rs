//! Where a request differs from a recorded one.

use serde_json::Value;

use super::{Exchange, ReplayError};

/// Most characters of a value that is shown.
const SHOWN_MAX: usize = 80;

/// Says where `now` differs from the exchange `recorded`, which has this number.
pub(super) fn of(number: usize, recorded: &Exchange, now: &Exchange) -> ReplayError {
    let (place, recorded, now) = find(recorded, now);
    ReplayError::Differs {
        number,
        place,
        recorded,
        now,
    }
}

fn find(recorded: &Exchange, now: &Exchange) -> (String, String, String) {
    if recorded.path != now.path {
        return ("path".to_owned(), recorded.path.clone(), now.path.clone());
    }
    if recorded.headers != now.headers {
        let shown = |all: &[(String, String)]| cut(&format!("{all:?}"), 0);
        return (
            "headers".to_owned(),
            shown(&recorded.headers),
            shown(&now.headers),
        );
    }
    let parsed = |exchange: &Exchange| -> Option<Value> {
        serde_json::from_slice(&exchange.request.bytes()?).ok()
    };
    if let (Some(one), Some(other)) = (parsed(recorded), parsed(now))
        && let Some(found) = values(String::new(), &one, &other)
    {
        return found;
    }
    let bytes = |exchange: &Exchange| exchange.request.bytes().unwrap_or_default();
    let (one, other) = (bytes(recorded), bytes(now));
    let at = common(&one, &other);
    let shown = |bytes: &[u8]| cut(&String::from_utf8_lossy(&bytes[at..]), 0);
    (format!("byte {at}"), shown(&one), shown(&other))
}

fn common<T: PartialEq>(one: &[T], other: &[T]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Returns the first place, in the order of the recorded value, at which two values differ.
fn values(place: String, one: &Value, other: &Value) -> Option<(String, String, String)> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                let inner = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                match b.get(key) {
                    Some(now) => {
                        if let Some(found) = values(inner, value, now) {
                            return Some(found);
                        }
                    }
                    None => return Some((inner, shown(value), "nothing".to_owned())),
                }
            }
            let new = b.iter().find(|(key, _)| !a.contains_key(*key))?;
            let inner = format!("{place}/{}", new.0);
            Some((inner, "nothing".to_owned(), shown(new.1)))
        }
        (Value::Array(a), Value::Array(b)) => {
            for (at, (value, now)) in a.iter().zip(b).enumerate() {
                if let Some(found) = values(format!("{place}/{at}"), value, now) {
                    return Some(found);
                }
            }
            let at = a.len().min(b.len());
            let side = |all: &[Value]| all.get(at).map_or("nothing".to_owned(), shown);
            (a.len() != b.len()).then(|| (format!("{place}/{at}"), side(a), side(b)))
        }
        (Value::String(a), Value::String(b)) if a != b => {
            let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            let at = common(&left, &right);
            let from = at.saturating_sub(20);
            let place = format!("{place}, character {}", at + 1);
            Some((place, cut(a, from), cut(b, from)))
        }
        _ if one == other => None,
        _ => Some((place, shown(one), shown(other))),
    }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string(), 0)
}

/// Returns a part of a text, quoted, control characters escaped.
fn cut(text: &str, from: usize) -> String {
    let part: String = text.chars().skip(from).take(SHOWN_MAX).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if text.chars().count() > from + SHOWN_MAX {
        "…"
    } else {
        ""
    };
    format!("{:?}", format!("{before}{part}{after}"))
}

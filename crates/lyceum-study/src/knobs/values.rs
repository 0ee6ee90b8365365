//! Bringing a found value to the type of its knob.

use lyceum_types::{KnobKind, Setting};

/// Returns the value in the form that the knob's own values have: a whole number becomes a float where floats are expected.
#[must_use]
pub fn coerce(kind: &KnobKind, value: Setting) -> Setting {
    match (kind, value) {
        (KnobKind::Float { .. }, Setting::Integer(number)) => Setting::Float(number as f64),
        (KnobKind::Categorical { choices }, Setting::Integer(number)) => {
            let whole = Setting::Integer(number);
            let real = Setting::Float(number as f64);
            if !choices.contains(&whole) && choices.contains(&real) {
                real
            } else {
                whole
            }
        }
        (_, value) => value,
    }
}

/// Tells whether the value has the knob's type, whatever its range.
pub(super) fn type_fits(kind: &KnobKind, value: &Setting) -> bool {
    match kind {
        KnobKind::Float { .. } => matches!(value, Setting::Float(_)),
        KnobKind::Integer { .. } => matches!(value, Setting::Integer(_)),
        KnobKind::Boolean => matches!(value, Setting::Boolean(_)),
        KnobKind::Categorical { .. } => true,
    }
}

/// Describes the values of a knob.
pub(crate) fn describe(kind: &KnobKind) -> String {
    match kind {
        KnobKind::Float { low, high, .. } => {
            format!(
                "a number from {} to {}",
                Setting::Float(*low),
                Setting::Float(*high)
            )
        }
        KnobKind::Integer { low, high, .. } => format!("a whole number from {low} to {high}"),
        KnobKind::Boolean => "true or false".to_owned(),
        KnobKind::Categorical { choices } => {
            let choices: Vec<String> = choices.iter().map(quoted).collect();
            format!("one of {}", choices.join(", "))
        }
    }
}

/// Returns the value with quotes around a text.
pub(crate) fn quoted(value: &Setting) -> String {
    match value {
        Setting::Text(text) => format!("\"{}\"", crate::format::escaped(text)),
        other => other.to_string(),
    }
}

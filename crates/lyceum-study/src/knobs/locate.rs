//! Finding one value in the text of a settings file, so that only its bytes need to change.

use std::ops::Range;

use lyceum_types::Setting;

use super::{json, source, toml};
use crate::format::Syntax;

/// A value in a text.
#[derive(Debug, PartialEq)]
pub(super) struct Located {
    /// Its bytes in the text.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) value: Found,
}

/// What stands at a key.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// A scalar.
    Scalar(Setting),
    /// Something else, in words: "a table".
    Other(&'static str),
}

/// Why a value was not found.
#[derive(Debug, PartialEq)]
pub(super) enum Lost {
    /// The text is not valid.
    Syntax(String),
    /// A key on the way is missing; these are there instead.
    NoKey(Vec<String>),
    /// A key on the way stands twice.
    Twice,
    /// The key path itself is not valid.
    KeyPath(String),
}

/// Finds the value at a dotted key path. A whole number steps into a list, from 0; keys with dots are quoted as in TOML. In a
/// source file the key is a line and a number.
pub(super) fn locate(text: &str, syntax: Syntax, key: &str) -> Result<Located, Lost> {
    let steps = || {
        let steps = toml_edit::Key::parse(key);
        steps.map_err(|error| Lost::KeyPath(error.message().trim().replace('\n', ", ")))
    };
    let read = |steps: &[toml_edit::Key], find: fn(&str, &[&str]) -> Result<Located, Lost>| {
        let steps: Vec<&str> = steps.iter().map(toml_edit::Key::get).collect();
        find(text, &steps)
    };
    match syntax {
        Syntax::Toml => read(&steps()?, toml::locate),
        Syntax::Json => read(&steps()?, json::locate),
        Syntax::Source(family) => source::locate(text, family, key),
    }
}

/// Returns the setting as a value of this syntax. A float reads back to the same bits and stays a float.
pub(super) fn spelled(value: &Setting, syntax: Syntax) -> String {
    match (value, syntax) {
        // The debug form is the shortest that reads back, always with a point or an exponent: a valid number in both syntaxes.
        (Setting::Float(value), _) => format!("{value:?}"),
        (Setting::Integer(value), _) => value.to_string(),
        (Setting::Boolean(value), Syntax::Source(family)) => family.spelled(*value).to_owned(),
        (Setting::Boolean(value), Syntax::Toml | Syntax::Json) => value.to_string(),
        (Setting::Text(value), Syntax::Toml) => toml_edit::Value::from(value.as_str()).to_string(),
        // One token in the place of another.
        (Setting::Text(value), Syntax::Source(_)) => value.clone(),
        (Setting::Text(value), Syntax::Json) => serde_json::Value::from(value.as_str()).to_string(),
    }
}

//! Knobs that the lab finds by itself: what can be edited in the files that a study lets change, as tables of a study file.
//!
//! | what stands there | edit |
//! |---|---|
//! | a number that is not whole | scaled, up to sixteen times smaller or larger; at 0 it is moved up to 1 |
//! | a whole number | scaled likewise, by one at least; at 0 it is moved up to 4 |
//! | a switch | turned |
//! | an operator, `and`, `or`, `min(`, `max(` | swapped with its like |

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use lyceum_types::Setting;
use serde_json::Value as Json;
use toml_edit::{Document, Item, Value};

use super::{
    error::FileProblem,
    locate::{Found, locate},
    read::read_plain,
    source::{CHOICES, Family, tokens},
};
use crate::{
    format::{Study, Syntax},
    workspace::{Listed, ListedKind},
};

/// Larger files are no source that people write; each edit reads its file again.
const FILE_BYTES_MAX: usize = 64 << 10;
/// Most places; among more no search of some hundred experiments finds its way.
pub const PLACES_MAX: usize = 200;
/// How far a number is scaled.
const FACTOR: f64 = 16.0;
/// Largest whole number that is scaled: its bounds are exact in a study file.
const WHOLE_MAX: i64 = 1 << 48;
/// Characters of a name that are kept.
const NAME_LENGTH_MAX: usize = 24;

/// What was found in the editable files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Tables of knobs for the study file.
    pub tables: String,
    /// How many are in the tables.
    pub taken: usize,
    /// How many there are.
    pub all: usize,
    /// How many files were looked into.
    pub files: usize,
}

/// One place.
struct Place {
    file: String,
    key: String,
    name: String,
    value: Setting,
}

/// Returns what can be edited in the study's editable files, in the order of their names. Files that are too large, no
/// UTF-8 or in no known language have nothing. A pure function of these files.
///
/// # Errors
/// When a file that is listed cannot be read: which, and why.
pub fn places(
    study: &Study,
    workspace: &Path,
    listed: &[Listed],
) -> Result<Places, (String, FileProblem)> {
    let editable = |file: &&Listed| {
        let path = &file.path;
        matches!(file.kind, ListedKind::File { .. })
            && study.workspace.editable.matches(path)
            && !study.workspace.protected.matches(path)
    };
    let mut files: Vec<&str> = listed
        .iter()
        .filter(editable)
        .filter_map(|file| file.path.to_str())
        .collect();
    files.sort_unstable();
    let mut places = Places::default();
    let mut names = BTreeSet::new();
    for file in files {
        let Some(syntax) = Syntax::of(file) else {
            continue;
        };
        // A larger one cannot be read to its end, nor need it be.
        let bytes = match read_plain(workspace, file) {
            Ok(bytes) => bytes,
            Err(FileProblem::TooBig(_)) => continue,
            Err(problem) => return Err((file.to_owned(), problem)),
        };
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if text.len() > FILE_BYTES_MAX {
            continue;
        }
        places.files += 1;
        for place in of_file(file, &text, syntax) {
            places.all += 1;
            if places.taken < PLACES_MAX {
                places.taken += 1;
                table(&mut places.tables, &place, &mut names);
            }
        }
    }
    Ok(places)
}

fn of_file(file: &str, text: &str, syntax: Syntax) -> Vec<Place> {
    let mut found = Vec::new();
    match syntax {
        Syntax::Source(family) => of_source(file, text, family, &mut found),
        Syntax::Toml => {
            if let Ok(document) = Document::parse(text) {
                of_toml(document.as_item(), &mut Vec::new(), &mut found);
            }
        }
        Syntax::Json => {
            if let Ok(json) = serde_json::from_str::<Json>(text) {
                of_json(&json, &mut Vec::new(), &mut found);
            }
        }
    }
    let mut places: Vec<Place> = found
        .into_iter()
        .map(|(key, name, value)| Place {
            file: file.to_owned(),
            key,
            name,
            value,
        })
        .collect();
    // What cannot be found again at its key, as one that stands twice, cannot be edited.
    places.retain(|place| {
        let there = locate(text, syntax, &place.key);
        there.is_ok_and(|there| there.value == Found::Scalar(place.value.clone()))
            && kind(&place.value).is_some()
    });
    places
}

/// Keys, names for people, values.
type Scalars = Vec<(String, String, Setting)>;

fn of_source(file: &str, text: &str, family: Family, found: &mut Scalars) {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
    for token in tokens(text, family) {
        let name = token.name.map_or("", |span| &text[span]);
        found.push((
            format!("{}:{}", token.line, token.number),
            format!("{}-{}-{name}", stem.unwrap_or_default(), token.line),
            token.value,
        ));
    }
}

fn of_toml(item: &Item, way: &mut Vec<String>, found: &mut Scalars) {
    if let Some(table) = item.as_table_like() {
        for (key, item) in table.iter() {
            way.push(toml_edit::Key::new(key).to_string());
            of_toml(item, way, found);
            way.pop();
        }
    } else if let Some(tables) = item.as_array_of_tables() {
        for (index, table) in tables.iter().enumerate() {
            way.push(index.to_string());
            of_toml(&Item::Table(table.clone()), way, found);
            way.pop();
        }
    } else if let Some(values) = item.as_array() {
        for (index, value) in values.iter().enumerate() {
            way.push(index.to_string());
            of_toml(&Item::Value(value.clone()), way, found);
            way.pop();
        }
    } else if let Some(value) = item.as_value() {
        push(way, scalar(value), found);
    }
}

fn scalar(value: &Value) -> Option<Setting> {
    match value {
        Value::Integer(value) => Some(Setting::Integer(*value.value())),
        Value::Float(value) => Some(Setting::Float(*value.value())),
        Value::Boolean(value) => Some(Setting::Boolean(*value.value())),
        Value::String(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
    }
}

fn of_json(json: &Json, way: &mut Vec<String>, found: &mut Scalars) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                way.push(toml_edit::Key::new(key.as_str()).to_string());
                of_json(value, way, found);
                way.pop();
            }
        }
        Json::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                way.push(index.to_string());
                of_json(value, way, found);
                way.pop();
            }
        }
        Json::Number(number) => {
            let whole = number.as_i64().map(Setting::Integer);
            push(
                way,
                whole.or_else(|| number.as_f64().map(Setting::Float)),
                found,
            );
        }
        Json::Bool(value) => push(way, Some(Setting::Boolean(*value)), found),
        Json::String(_) | Json::Null => {}
    }
}

fn push(way: &[String], value: Option<Setting>, found: &mut Scalars) {
    if let Some(value) = value {
        found.push((way.join("."), way.join("-"), value));
    }
}

/// Returns the lines of a table that say which values a place may take; `None` for one that has no other.
fn kind(value: &Setting) -> Option<String> {
    let bounds = |kind: &str, low: String, high: String, scale: &str| {
        format!("type = \"{kind}\"\nlow = {low}\nhigh = {high}\nscale = \"{scale}\"\n")
    };
    match value {
        Setting::Float(value) if !value.is_finite() => None,
        // In a source file a sign is not part of a number.
        Setting::Float(0.0) => Some(bounds("float", "0.0".into(), "1.0".into(), "linear")),
        Setting::Float(value) if *value > 0.0 => {
            let (low, high) = (value / FACTOR, value * FACTOR);
            let sound = low > 0.0 && high.is_finite();
            sound.then(|| bounds("float", format!("{low:?}"), format!("{high:?}"), "log"))
        }
        Setting::Float(value) => {
            let (low, high) = (value * 2.0, value / FACTOR);
            low.is_finite()
                .then(|| bounds("float", format!("{low:?}"), format!("{high:?}"), "linear"))
        }
        Setting::Integer(0) => Some(bounds("integer", "0".into(), "4".into(), "linear")),
        Setting::Integer(value) if (1..=WHOLE_MAX).contains(value) => {
            let factor = FACTOR as i64;
            let (low, high) = ((value / factor).max(1), value.saturating_mul(factor));
            Some(bounds("integer", low.to_string(), high.to_string(), "log"))
        }
        Setting::Integer(value) if (-WHOLE_MAX..0).contains(value) => {
            let (low, high) = ((value * 2).to_string(), 0.to_string());
            Some(bounds("integer", low, high, "linear"))
        }
        Setting::Integer(_) => None,
        Setting::Boolean(_) => Some("type = \"boolean\"\n".to_owned()),
        Setting::Text(word) => {
            let group = CHOICES
                .iter()
                .find(|group| group.contains(&word.as_str()))?;
            let choices: Vec<String> = group.iter().map(|one| format!("\"{one}\"")).collect();
            let choices = choices.join(", ");
            Some(format!("type = \"categorical\"\nchoices = [{choices}]\n"))
        }
    }
}

/// Appends the table of a place under a name that no other has.
fn table(tables: &mut String, place: &Place, names: &mut BTreeSet<String>) {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let short: String = place
        .name
        .chars()
        .map(plain)
        .take(NAME_LENGTH_MAX)
        .collect();
    let short = match short.trim_matches('-') {
        "" => "place",
        name => name,
    };
    let more = std::iter::once(short.to_owned()).chain((2..).map(|n| format!("{short}-{n}")));
    let mut free = more.skip_while(|name| names.contains(name));
    let Some(name) = free.next() else { return };
    let (file, key) = (
        Value::from(place.file.as_str()),
        Value::from(place.key.as_str()),
    );
    let kind = kind(&place.value).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        tables,
        "\n[knobs.{name}]\n{kind}file = {file}\nkey = {key}\n"
    );
    names.insert(name);
}

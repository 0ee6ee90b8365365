//! The reference page of the study file, generated from the schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{command::Placeholder, schema};

/// Tables in the order of the page: the key in the file, the heading.
const TABLES: [(&str, &str); 16] = [
    ("metric", "[metric]"),
    ("workspace", "[workspace]"),
    ("data", "[data]"),
    ("run", "[run]"),
    ("measure", "[measure]"),
    ("sealed", "[sealed]"),
    ("knobs", "[knobs.NAME]"),
    ("progress", "[progress]"),
    ("budget", "[budget]"),
    ("noise", "[noise]"),
    ("confirm", "[confirm]"),
    ("rubric", "[[rubric]]"),
    ("outcome", "[outcome]"),
    ("session", "[session]"),
    ("report", "[report]"),
    ("lint", "[lint]"),
];

/// What stands before the tables.
const HEAD: &str = include_str!("reference_head.md");
/// What stands after them.
const TAIL: &str = include_str!("reference_tail.md");

/// Returns the reference page in Markdown: what each key means, its type and its default. It is generated from the same
/// types as the schema.
pub fn reference_markdown() -> String {
    let root = schema::cached();
    let mut page = HEAD.to_owned();
    let empty = Map::new();
    let properties = root
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    heading(&mut page, "Top of the file", root);
    rows(&mut page, root, root, |key| {
        !TABLES.iter().any(|(table, _)| *table == key)
    });
    for (key, title) in TABLES {
        let Some(property) = properties.get(key) else {
            continue;
        };
        let table = table_of(root, property);
        heading(&mut page, &format!("`{title}`"), table);
        let about = text(property, "description");
        if !about.is_empty() && about != text(table, "description") {
            let _ = writeln!(page, "{about}\n");
        }
        rows(&mut page, root, table, |_| true);
        for (name, below) in inner_tables(root, table) {
            let _ = writeln!(page, "\n`{name}` is a table:\n");
            rows(&mut page, root, below, |_| true);
        }
    }
    page.push_str("\n## Placeholders\n\nIn commands the lab replaces these words; `{{word}}` stands for the text `{word}` itself.\n\n");
    for placeholder in Placeholder::ALL {
        let _ = writeln!(page, "- `{placeholder}`: {}", meaning(placeholder));
    }
    page.push_str(TAIL);
    page
}

fn meaning(placeholder: Placeholder) -> &'static str {
    match placeholder {
        Placeholder::Outputs => "the directory of the declared outputs",
        Placeholder::Private => {
            "the directory of the private files, under their names below the study's directory"
        }
        Placeholder::Inputs => "the directory of the files that a user gave on the command line",
        Placeholder::Input => "the file of a measurement's fresh input",
        Placeholder::Output => "the file that a measured program writes",
        Placeholder::Baseline => "the file of the baseline's output on the same input",
        Placeholder::Seed => "the run's seed",
        Placeholder::Threads => "the run's threads",
    }
}

fn heading(page: &mut String, title: &str, schema: &Value) {
    let _ = writeln!(page, "\n## {title}\n\n{}\n", text(schema, "description"));
}

/// Returns the table that a property is, holds by name, or lists.
fn table_of<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let (_, schema) = schema::resolve(root, property);
    let inner = schema
        .get("additionalProperties")
        .filter(|inner| inner.is_object());
    match inner.or_else(|| schema.get("items")) {
        Some(inner) => schema::resolve(root, inner).1,
        None => schema,
    }
}

/// Returns the properties of a table that are tables with keys of their own.
fn inner_tables<'a>(root: &'a Value, table: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let properties = table.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(key, property)| (key.as_str(), schema::resolve(root, property).1))
        .filter(|(_, schema)| schema.get("properties").is_some())
        .collect()
}

fn rows(page: &mut String, root: &Value, table: &Value, wanted: impl Fn(&str) -> bool) {
    let required: Vec<&str> = table
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = table.get("properties").and_then(Value::as_object);
    let mut properties: Vec<(&String, &Value)> = properties.into_iter().flatten().collect();
    properties.sort_by_key(|(key, _)| !required.contains(&key.as_str()));
    page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    for (key, property) in properties.into_iter().filter(|(key, _)| wanted(key)) {
        let (name, schema) = schema::resolve(root, property);
        let default = match property.get("default").or_else(|| schema.get("default")) {
            _ if required.contains(&key.as_str()) => "**required**".to_owned(),
            Some(Value::Object(_)) | None => "–".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let about = [text(property, "description"), words(root, property)];
        let about: Vec<&str> = about
            .iter()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        let about = about.join(" ").replace('|', "\\|");
        let _ = writeln!(
            page,
            "| `{key}` | {} | {default} | {about} |",
            kind(root, name, property)
        );
    }
}

/// Returns the words of a closed list with their meanings.
fn words(root: &Value, property: &Value) -> String {
    let (_, schema) = schema::resolve(root, property);
    let inner = schema
        .get("items")
        .map_or(schema, |items| schema::resolve(root, items).1);
    let variants = inner.get("oneOf").and_then(Value::as_array);
    let words: Vec<String> = variants
        .into_iter()
        .flatten()
        .filter_map(|variant| {
            let word = variant.get("const")?.as_str()?;
            Some(format!("`\"{word}\"`: {}", text(variant, "description")))
        })
        .collect();
    words.join(" ")
}

/// Describes the type of a value in a few words.
fn kind(root: &Value, name: Option<&str>, property: &Value) -> String {
    match name {
        Some("Span") => return "duration".to_owned(),
        Some("Bytes") => return "size".to_owned(),
        Some("Setting") => return "value".to_owned(),
        Some("OneOrMany") => return "value or list of values".to_owned(),
        _ => {}
    }
    let (_, schema) = schema::resolve(root, property);
    if schema::words(schema).is_some() {
        return "word".to_owned();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("object") if schema.get("properties").is_none() => "table of strings".to_owned(),
        Some("object") => "table".to_owned(),
        Some("array") => match schema.get("items") {
            Some(items) => {
                let (name, _) = schema::resolve(root, items);
                format!("list of {}s", kind(root, name, items))
            }
            None => "list".to_owned(),
        },
        Some(other) => other.to_owned(),
        None => "value".to_owned(),
    }
}

/// Returns a text of a schema in one line.
fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

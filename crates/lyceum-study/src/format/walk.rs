//! Holds a document against the schema and reports every difference at once, each at its place.

use lyceum_types::{Bytes, Span};
use serde_json::Value as Json;
use toml_edit::Value;

use super::{
    kind::Kind,
    problem::{Problem, escaped},
    schema,
    source::{Node, Source, Way, element},
};

/// Longest part of a found value that a message repeats, in characters.
const FOUND_SHOWN_MAX: usize = 60;

/// Returns every unknown key, missing key, wrong type, unknown word and number out of range.
pub(crate) fn check(source: &Source) -> Vec<Problem> {
    let mut walker = Walker {
        source,
        root: schema::cached(),
        problems: Vec::new(),
    };
    walker.visit(source.root(), &Way::root(), walker.root);
    walker.problems
}

struct Walker<'a> {
    source: &'a Source,
    root: &'static Json,
    problems: Vec<Problem>,
}

impl Walker<'_> {
    fn at_value(&mut self, way: &Way, kind: Kind) {
        let place = Some(self.source.value_place(way));
        self.problems.push(Problem { kind, place });
    }

    fn at_key(&mut self, way: &Way, kind: Kind) {
        let place = Some(self.source.key_place(way));
        self.problems.push(Problem { kind, place });
    }

    fn visit(&mut self, node: Node<'_>, way: &Way, schema: &Json) {
        let range = schema;
        let (name, schema) = schema::resolve(self.root, schema);
        if let Some(words) = schema::words(schema) {
            self.visit_word(node, way, &words);
        } else if !accepts(schema, found_type(node)) {
            let expected = expected(self.root, name, schema);
            let found = found(node);
            self.at_value(
                way,
                Kind::WrongType {
                    key: way.to_string(),
                    found,
                    expected,
                },
            );
        } else if let Some(table) = node.table() {
            let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
            self.visit_table(node, way, schema, &keys);
        } else if let Some(length) = node.len() {
            let Some(items) = schema.get("items") else {
                return;
            };
            for index in 0..length {
                if let Some(child) = element(node, index) {
                    self.visit(child, &way.index(index), items);
                }
            }
        } else if let Some(value) = node.value() {
            self.visit_amount(value, way, name);
            self.visit_number(value, way, range);
        }
    }

    fn visit_word(&mut self, node: Node<'_>, way: &Way, words: &[String]) {
        match node.value().and_then(Value::as_str) {
            Some(word) if words.iter().any(|known| known == word) => {}
            Some(word) => {
                let (found, known) = (word.to_owned(), words.to_vec());
                self.at_value(
                    way,
                    Kind::UnknownValue {
                        key: way.to_string(),
                        found,
                        known,
                    },
                );
            }
            None => {
                let expected = quoted(words);
                let found = found(node);
                self.at_value(
                    way,
                    Kind::WrongType {
                        key: way.to_string(),
                        found,
                        expected,
                    },
                );
            }
        }
    }

    fn visit_table(&mut self, node: Node<'_>, way: &Way, schema: &Json, keys: &[String]) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema
            .get("additionalProperties")
            .filter(|others| others.is_object());
        for key in keys {
            let below = way.key(key);
            let child = node.table().and_then(|table| table.get(key));
            let known = properties.and_then(|properties| properties.get(key));
            match (known.or(others), child) {
                (Some(schema), Some(child)) => self.visit(Node::Item(child), &below, schema),
                (None, _) => {
                    let known = properties
                        .map_or_else(Vec::new, |properties| properties.keys().cloned().collect());
                    let (key, table) = (key.clone(), way.to_string());
                    self.at_key(&below, Kind::UnknownKey { key, table, known });
                }
                (Some(_), None) => {}
            }
        }
        for key in schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let Some(key) = key.as_str() else { continue };
            if !keys.iter().any(|present| present == key) {
                let property = properties.and_then(|properties| properties.get(key));
                let expected = property.map_or_else(String::new, |property| {
                    let (name, property) = schema::resolve(self.root, property);
                    expected(self.root, name, property)
                });
                let (key, table) = (key.to_owned(), way.to_string());
                self.at_key(
                    way,
                    Kind::MissingKey {
                        key,
                        table,
                        expected,
                    },
                );
            }
        }
    }

    fn visit_amount(&mut self, value: &Value, way: &Way, name: Option<&str>) {
        let text = value.as_str().unwrap_or_default();
        let result = match name {
            Some("Span") => text.parse::<Span>().map(|_| ()),
            Some("Bytes") => text.parse::<Bytes>().map(|_| ()),
            _ => Ok(()),
        };
        if let Err(source) = result {
            self.at_value(
                way,
                Kind::Amount {
                    key: way.to_string(),
                    source,
                },
            );
        }
    }

    fn visit_number(&mut self, value: &Value, way: &Way, schema: &Json) {
        let Some(number) = value
            .as_float()
            .or_else(|| value.as_integer().map(|n| n as f64))
        else {
            return;
        };
        let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let high =
            high.or_else(|| (schema.get("format")? == "uint32").then_some(f64::from(u32::MAX)));
        let below = low.is_some_and(|low| number < low);
        let above = high.is_some_and(|high| number > high);
        if below || above {
            let expected = match (low, high) {
                (Some(low), Some(high)) if above || high < f64::from(u32::MAX) => {
                    format!("{low} to {high}")
                }
                (Some(low), _) => format!("{low} or more"),
                (None, high) => format!("at most {}", high.unwrap_or(f64::MAX)),
            };
            let found = plain(value);
            let (key, why) = (way.to_string(), String::new());
            self.at_value(
                way,
                Kind::OutOfRange {
                    key,
                    found,
                    expected,
                    why,
                },
            );
        }
    }
}

/// Returns the value as it is written, cut where it is long.
fn plain(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    let text = value.to_string();
    let cut: String = text.chars().take(FOUND_SHOWN_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    escaped(&cut) + more
}

fn found_type(node: Node<'_>) -> &'static str {
    if node.table().is_some() {
        return "object";
    }
    match node.value() {
        Some(Value::String(_)) => "string",
        Some(Value::Integer(_)) => "integer",
        Some(Value::Float(float)) if float.value().is_finite() => "number",
        Some(Value::Boolean(_)) => "boolean",
        Some(Value::Float(_)) => "number that is not finite",
        Some(Value::Datetime(_)) => "date",
        Some(Value::Array(_)) | None => "array",
        Some(Value::InlineTable(_)) => "object",
    }
}

fn found(node: Node<'_>) -> String {
    let value = node.value().map(plain).unwrap_or_default();
    match found_type(node) {
        "object" => "a table".to_owned(),
        "array" => "a list".to_owned(),
        "string" => format!("the string {value}"),
        "boolean" => value,
        "date" => format!("the date {value}"),
        _ => format!("the number {value}"),
    }
}

fn accepts(schema: &Json, found: &str) -> bool {
    let fits = |name: &Json| name == found || (name == "number" && found == "integer");
    match schema.get("type") {
        Some(Json::Array(names)) => names.iter().any(fits),
        Some(name) => fits(name),
        None => true,
    }
}

/// Describes in words what a schema accepts.
fn expected(root: &Json, name: Option<&str>, schema: &Json) -> String {
    match name {
        Some("Span") => return "a duration like \"90s\", \"2m\" or \"1.5h\"".to_owned(),
        Some("Bytes") => return "an amount like \"512KiB\", \"20MiB\" or \"1GiB\"".to_owned(),
        Some("Setting") => return "a finite number, a string, true or false".to_owned(),
        Some("OneOrMany") => return "a value or a list of values".to_owned(),
        _ => {}
    }
    if let Some(words) = schema::words(schema) {
        return quoted(&words);
    }
    match schema.get("type").and_then(Json::as_str) {
        Some("string") => "a string".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a finite number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("object") => "a table".to_owned(),
        Some("array") => match schema.get("items") {
            Some(items) => {
                let (name, items) = schema::resolve(root, items);
                match items.get("type").and_then(Json::as_str) {
                    Some("string") => "a list of strings".to_owned(),
                    Some("object") => "a list of tables".to_owned(),
                    _ => format!("a list, each element {}", expected(root, name, items)),
                }
            }
            None => "a list".to_owned(),
        },
        _ => "something else".to_owned(),
    }
}

fn quoted(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

//! The JSON Schema of a study file, generated from the table types.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::table;

/// Returns the JSON Schema (draft 2020-12) of `study.toml`, with each key's meaning as its description.
pub fn schema() -> Value {
    cached().clone()
}

/// Returns the schema, made once.
pub(crate) fn cached() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let generator = SchemaSettings::draft2020_12()
            .for_deserialize()
            .into_generator();
        let mut schema = generator.into_root_schema_for::<table::Study>().to_value();
        without_null(&mut schema);
        schema
    })
}

/// Follows a `$ref` into `$defs`; returns the definition's name with its schema.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix("#/$defs/"));
    match name.and_then(|name| root.get("$defs")?.get(name)) {
        Some(definition) => (name, definition),
        None => (None, schema),
    }
}

/// Returns the texts that a schema of a closed list of words accepts.
pub(crate) fn words(schema: &Value) -> Option<Vec<String>> {
    let list = |values: &Vec<Value>| -> Option<Vec<String>> {
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect()
    };
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return list(values);
    }
    let variants = schema.get("oneOf")?.as_array()?;
    let mut words = Vec::new();
    for variant in variants {
        match (
            variant.get("const"),
            variant.get("enum").and_then(Value::as_array),
        ) {
            (Some(word), _) => words.push(word.as_str()?.to_owned()),
            (None, Some(values)) => words.extend(list(values)?),
            (None, None) => return None,
        }
    }
    Some(words)
}

/// TOML has no null: an optional key is left out. Drops `null` from types, alternatives and defaults.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            drop_null_type(fields);
            merge_null_alternative(fields);
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_null_type(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            fields.insert("type".to_owned(), one);
        }
    }
}

fn merge_null_alternative(fields: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = fields.get_mut("anyOf") else {
        return;
    };
    alternatives.retain(|alternative| alternative.get("type") != Some(&Value::from("null")));
    if let [Value::Object(one)] = alternatives.as_slice() {
        let one = one.clone();
        fields.remove("anyOf");
        for (key, value) in one {
            fields.entry(key).or_insert(value);
        }
    }
}

//! The form of a JSON value: the part of JSON Schema that a criterion or an answer needs, and no more.
//!
//! A keyword that is not known is refused when the study is read: a schema that is half understood would accept what it
//! forbids.

use std::fmt::Write as _;

use lyceum_sandbox::show_untrusted;
use serde_json::{Map, Value};

/// Keywords that say nothing about a value.
const REMARKS: [&str; 7] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
];
/// Keywords that are held against a value.
const KNOWN: [&str; 13] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];
/// Schemas nested deeper are not taken.
const DEPTH_MAX: usize = 32;
/// Names of types.
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// What a JSON value must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape(Value);

impl Shape {
    /// Reads a schema; returns what is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Shape, String> {
        let schema: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
        usable(&schema, "", 0)?;
        Ok(Shape(schema))
    }

    /// Returns the schema.
    pub fn schema(&self) -> &Value {
        &self.0
    }

    /// Holds a value against it; returns the first thing that does not fit, with its place, escaped.
    pub fn holds(&self, value: &Value) -> Result<(), String> {
        fits(&self.0, value, "")
    }

    /// Holds the bytes of a file against it; returns the first thing that does not fit, with its place, escaped.
    pub fn check(&self, bytes: &[u8]) -> Result<(), String> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
        self.holds(&value)
    }
}

/// Returns the place of a value, for people.
fn place(at: &str) -> String {
    if at.is_empty() {
        "the whole".to_owned()
    } else {
        format!("`{}`", show_untrusted(at.as_bytes()))
    }
}

/// Returns what of a schema cannot be held against a value.
fn usable(schema: &Value, at: &str, depth: usize) -> Result<(), String> {
    let Value::Object(fields) = schema else {
        return Err(format!("{}: expected an object of keywords", place(at)));
    };
    if depth > DEPTH_MAX {
        return Err(format!("{}: nested over {DEPTH_MAX} deep", place(at)));
    }
    for (keyword, value) in fields {
        if !REMARKS.contains(&keyword.as_str()) {
            keyword_is_usable(keyword, value, at, depth)?;
        }
    }
    Ok(())
}

fn keyword_is_usable(keyword: &str, value: &Value, at: &str, depth: usize) -> Result<(), String> {
    let wrong = |expected: &str| Err(format!("{}: `{keyword}` is not {expected}", place(at)));
    let whole = || value.as_u64().is_some();
    let texts = |value: &Value| {
        let all = value.as_array();
        all.is_some_and(|all| all.iter().all(Value::is_string))
    };
    match keyword {
        "type" => {
            let known = |one: &Value| one.as_str().is_some_and(|name| TYPES.contains(&name));
            let list = |all: &Vec<Value>| !all.is_empty() && all.iter().all(known);
            if known(value) || value.as_array().is_some_and(list) {
                return Ok(());
            }
            wrong("a type of JSON, or a list of some")
        }
        "properties" => {
            let Some(all) = value.as_object() else {
                return wrong("an object of schemas");
            };
            all.iter()
                .try_for_each(|(name, one)| usable(one, &format!("{at}.{name}"), depth + 1))
        }
        "items" => usable(value, &format!("{at}[]"), depth + 1),
        "required" if !texts(value) => wrong("a list of names"),
        "enum" if !value.is_array() => wrong("a list"),
        "additionalProperties" if !value.is_boolean() => wrong("true or false"),
        "minItems" | "maxItems" | "minLength" | "maxLength" if !whole() => wrong("a whole number"),
        "minimum" | "maximum" if !value.is_number() => wrong("a number"),
        known if KNOWN.contains(&known) => Ok(()),
        _ => {
            let known = KNOWN.join("`, `");
            wrong(&format!("a keyword that is checked; there are `{known}`"))
        }
    }
}

fn fits(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return Ok(());
    };
    let no = |what: &str| Err(format!("{} is {what}", place(at)));
    if let Some(wanted) = schema.get("type")
        && !is_a(value, wanted)
    {
        return no(&format!("{}, expected {wanted}", type_of(value)));
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array)
        && !all.contains(value)
    {
        return no("none of those that are allowed");
    }
    if schema.get("const").is_some_and(|one| one != value) {
        return no("not the one that is allowed");
    }
    if let Some(found) = value.as_f64() {
        within(schema, found, ("minimum", "maximum"), "value", at)?;
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        within(schema, length, ("minLength", "maxLength"), "length", at)?;
    }
    if let Some(all) = value.as_array() {
        let count = all.len() as f64;
        within(
            schema,
            count,
            ("minItems", "maxItems"),
            "number of items",
            at,
        )?;
        if let Some(each) = schema.get("items") {
            for (index, one) in all.iter().enumerate() {
                fits(each, one, &format!("{at}[{index}]"))?;
            }
        }
    }
    match value.as_object() {
        Some(fields) => object_fits(schema, fields, at),
        None => Ok(()),
    }
}

fn object_fits(
    schema: &Map<String, Value>,
    fields: &Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{} lacks `{name}`", place(at)));
        }
    }
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, one) in fields {
        let mut below = at.to_owned();
        let _ = write!(below, ".{name}");
        match properties.and_then(|all| all.get(name)) {
            Some(property) => fits(property, one, &below)?,
            None if closed => return Err(format!("{} is not allowed", place(&below))),
            None => {}
        }
    }
    Ok(())
}

fn within(
    schema: &Map<String, Value>,
    found: f64,
    (low, high): (&str, &str),
    what: &str,
    at: &str,
) -> Result<(), String> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let low = bound(low).filter(|low| found < *low);
    let high = bound(high).filter(|high| found > *high);
    match (low, high) {
        (Some(low), _) => Err(format!("{} has {what} {found}, below {low}", place(at))),
        (_, Some(high)) => Err(format!("{} has {what} {found}, above {high}", place(at))),
        (None, None) => Ok(()),
    }
}

fn is_a(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::String(name) => match name.as_str() {
            "number" => value.is_number(),
            // 2.0 is whole, as in JSON Schema.
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            name => type_of(value) == name,
        },
        Value::Array(all) => all.iter().any(|one| is_a(value, one)),
        _ => false,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
        "type": "object", "required": ["loss", "steps"], "additionalProperties": false,
        "properties": {
            "loss": { "type": "number", "minimum": 0 },
            "steps": { "type": "integer" },
            "names": { "type": ["array", "null"], "maxItems": 2, "items": { "type": "string", "minLength": 1 } }
        }
    }"#;

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let shape = Shape::parse(SCHEMA.as_bytes()).unwrap();
        let check = |json: &str| shape.check(json.as_bytes());
        assert_eq!(
            check(r#"{"loss": 0.5, "steps": 2.0, "names": ["a"]}"#),
            Ok(())
        );
        assert_eq!(check(r#"{"loss": 0.5, "steps": 2, "names": null}"#), Ok(()));
        for (json, why) in [
            ("[]", "the whole is array, expected \"object\""),
            (r#"{"loss": 1}"#, "the whole lacks `steps`"),
            (
                r#"{"loss": -1, "steps": 2}"#,
                "`.loss` has value -1, below 0",
            ),
            (
                r#"{"loss": 1, "steps": 2.5}"#,
                "`.steps` is number, expected \"integer\"",
            ),
            (
                r#"{"loss": 1, "steps": 2, "names": ["a", ""]}"#,
                "`.names[1]` has length 0, below 1",
            ),
            (
                r#"{"loss": 1, "steps": 2, "names": ["a", "b", "c"]}"#,
                "`.names` has number of items 3, above 2",
            ),
            (
                "{\"loss\": 1, \"steps\": 2, \"\\u001b[2J\": 1}",
                "is not allowed",
            ),
        ] {
            let found = check(json).unwrap_err();
            assert!(found.contains(why), "{found}");
            assert!(!found.contains('\u{1b}'), "{found}");
        }
        assert!(check("{\"loss\":").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn a_keyword_that_is_not_checked_is_refused() {
        for (schema, what) in [
            (r#"{"properties": {"a": {"pattern": "x"}}}"#, "`pattern`"),
            (r#"{"type": "float"}"#, "`type`"),
            (r#"{"minimum": "0"}"#, "`minimum`"),
            (r#"{"items": []}"#, "an object of keywords"),
            ("[]", "an object of keywords"),
        ] {
            let found = Shape::parse(schema.as_bytes()).unwrap_err();
            assert!(found.contains(what), "{found}");
        }
        let nested = |depth| format!("{}{{}}{}", r#"{"items":"#.repeat(depth), "}".repeat(depth));
        assert!(Shape::parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        let found = Shape::parse(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
        assert!(found.contains("nested over 32 deep"), "{found}");
    }
}

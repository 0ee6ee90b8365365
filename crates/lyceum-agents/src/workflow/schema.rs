//! The form of an answer: a part of JSON schema that is checked here, whatever a provider promises.

use serde_json::Value;

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 32;
/// What a schema may say.
const KEYWORDS: [&str; 17] = [
    "$schema",
    "additionalProperties",
    "description",
    "enum",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
    "default",
    "examples",
];
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// A schema that this program can check.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    value: Value,
}

/// Why a schema cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{at}`: {problem}")]
pub struct SchemaError {
    /// Where in the schema: a JSON pointer.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

impl Schema {
    /// Takes a schema, all of whose keywords are known.
    pub fn new(value: Value) -> Result<Schema, SchemaError> {
        known(&value, "", 0)?;
        Ok(Schema { value })
    }

    /// Returns the schema.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Says what in a value does not fit, if something does not: the first fault with its place.
    pub fn fault(&self, value: &Value) -> Option<String> {
        fault(&self.value, value, "", 0)
    }
}

fn known(schema: &Value, at: &str, depth: usize) -> Result<(), SchemaError> {
    let wrong = |at: String, problem: String| Err(SchemaError { at, problem });
    let Some(object) = schema.as_object() else {
        return wrong(at.to_owned(), "expected an object".into());
    };
    if depth > DEPTH_MAX {
        return wrong(at.to_owned(), format!("more than {DEPTH_MAX} levels"));
    }
    for (keyword, said) in object {
        let here = format!("{at}/{keyword}");
        let fits = match keyword.as_str() {
            "type" => said.as_str().is_some_and(|name| TYPES.contains(&name)),
            "enum" | "examples" => said.is_array(),
            "required" => said
                .as_array()
                .is_some_and(|all| all.iter().all(Value::is_string)),
            "additionalProperties" => said.is_boolean(),
            "minItems" | "maxItems" | "minLength" | "maxLength" => said.is_u64(),
            "minimum" | "maximum" => said.is_number(),
            "properties" => said.is_object(),
            other if KEYWORDS.contains(&other) => true,
            _ => {
                let names = KEYWORDS.join(", ");
                return wrong(here, format!("an unknown keyword; known are {names}"));
            }
        };
        if !fits {
            return wrong(here, format!("`{said}` does not fit here"));
        }
        if keyword == "items" {
            known(said, &here, depth + 1)?;
        }
        for (name, inner) in said
            .as_object()
            .filter(|_| keyword == "properties")
            .into_iter()
            .flatten()
        {
            known(inner, &format!("{here}/{name}"), depth + 1)?;
        }
    }
    Ok(())
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        _ => value.is_string(),
    }
}

fn fault(schema: &Value, value: &Value, at: &str, depth: usize) -> Option<String> {
    let place = if at.is_empty() { "the answer" } else { at };
    if depth > DEPTH_MAX {
        return Some(format!("{place}: more than {DEPTH_MAX} levels"));
    }
    if let Some(name) = schema["type"].as_str()
        && !is_of(name, value)
    {
        return Some(format!("{place}: expected {name}, found {}", kind(value)));
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        return Some(format!(
            "{place}: expected one of {}",
            Value::Array(all.clone())
        ));
    }
    match value {
        Value::Object(object) => of_object(schema, object, at, depth),
        Value::Array(all) => {
            let count = ("elements", all.len() as u64);
            size(schema, count, ("minItems", "maxItems"), place).or_else(|| {
                let mut each = all.iter().enumerate();
                let items = schema.get("items")?;
                each.find_map(|(at_item, one)| {
                    fault(items, one, &format!("{at}/{at_item}"), depth + 1)
                })
            })
        }
        Value::String(text) => {
            let count = ("characters", text.chars().count() as u64);
            size(schema, count, ("minLength", "maxLength"), place)
        }
        Value::Number(number) => {
            let found = number.as_f64().unwrap_or(0.0);
            let low = schema["minimum"].as_f64().filter(|low| found < *low);
            let high = schema["maximum"].as_f64().filter(|high| found > *high);
            let word = |limit: f64, word: &str| {
                format!("{place}: expected {word} {limit}, found {number}")
            };
            low.map(|low| word(low, "at least"))
                .or_else(|| high.map(|high| word(high, "at most")))
        }
        Value::Null | Value::Bool(_) => None,
    }
}

fn of_object(
    schema: &Value,
    object: &serde_json::Map<String, Value>,
    at: &str,
    depth: usize,
) -> Option<String> {
    let place = if at.is_empty() { "the answer" } else { at };
    let required = schema["required"].as_array().into_iter().flatten();
    let mut missing = required
        .filter_map(Value::as_str)
        .filter(|name| !object.contains_key(*name));
    if let Some(name) = missing.next() {
        return Some(format!("{place}: `{name}` is missing"));
    }
    object
        .iter()
        .find_map(|(name, one)| match schema["properties"].get(name) {
            Some(inner) => fault(inner, one, &format!("{at}/{name}"), depth + 1),
            None if schema["additionalProperties"] == Value::Bool(false) => {
                Some(format!("{place}: `{name}` is not part of the form"))
            }
            None => None,
        })
}

fn size(
    schema: &Value,
    (what, found): (&str, u64),
    (least, most): (&str, &str),
    place: &str,
) -> Option<String> {
    let low = schema[least].as_u64().filter(|low| found < *low);
    let high = schema[most].as_u64().filter(|high| found > *high);
    low.map(|low| format!("{place}: expected at least {low} {what}, found {found}"))
        .or_else(|| {
            high.map(|high| format!("{place}: expected at most {high} {what}, found {found}"))
        })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::new(json!({
            "type": "object",
            "properties": {
                "list": { "type": "array", "minItems": 1, "maxItems": 2, "items": {
                    "type": "object",
                    "properties": { "n": { "type": "integer", "minimum": 1, "maximum": 3 } },
                    "required": ["n"],
                    "additionalProperties": false,
                } },
                "word": { "type": "string", "enum": ["a", "b"], "maxLength": 1 },
            },
            "required": ["list"],
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_that_fits_has_no_fault_and_others_name_theirs() {
        let fits = json!({ "list": [{ "n": 1 }, { "n": 3 }], "word": "a", "more": null });
        assert_eq!(schema().fault(&fits), None);
        for (value, said) in [
            (json!([]), "the answer: expected object, found an array"),
            (json!({}), "the answer: `list` is missing"),
            (
                json!({ "list": [] }),
                "/list: expected at least 1 elements, found 0",
            ),
            (
                json!({ "list": [{ "n": 4 }] }),
                "/list/0/n: expected at most 3, found 4",
            ),
            (
                json!({ "list": [{ "n": 1.5 }] }),
                "/list/0/n: expected integer, found a number",
            ),
            (
                json!({ "list": [{ "n": 1, "m": 1 }] }),
                "/list/0: `m` is not part of the form",
            ),
            (
                json!({ "list": [{ "n": 1 }], "word": "c" }),
                "/word: expected one of [\"a\",\"b\"]",
            ),
        ] {
            assert_eq!(schema().fault(&value).as_deref(), Some(said));
        }
    }

    #[test]
    fn a_schema_that_cannot_be_checked_is_refused() {
        for (value, at) in [
            (json!({ "oneOf": [] }), "/oneOf"),
            (json!({ "type": "text" }), "/type"),
            (
                json!({ "properties": { "a": { "pattern": "x" } } }),
                "/properties/a/pattern",
            ),
            (json!([]), ""),
        ] {
            assert_eq!(Schema::new(value).unwrap_err().at, at);
        }
    }
}

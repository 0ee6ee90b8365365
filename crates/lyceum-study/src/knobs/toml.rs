//! Finding a value in TOML.

use lyceum_types::Setting;
use toml_edit::{Document, Item, TableLike, Value};

use super::locate::{Found, Located, Lost};

/// A thing of the document that a step can enter.
enum Node<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a toml_edit::ArrayOfTables),
    Value(&'a Value),
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Option<Node<'a>> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(Node::Value(value)),
            Item::Table(table) => Some(Node::Table(table)),
            Item::ArrayOfTables(tables) => Some(Node::Tables(tables)),
        }
    }

    fn step(self, step: &str) -> Result<Node<'a>, Lost> {
        let table = match self {
            Node::Table(table) => table,
            Node::Value(Value::InlineTable(table)) => table as &dyn TableLike,
            Node::Value(Value::Array(values)) => {
                let index: Option<usize> = step.parse().ok();
                return index
                    .and_then(|index| values.get(index))
                    .map(Node::Value)
                    .ok_or_else(|| Lost::NoKey(indices(values.len())));
            }
            Node::Tables(tables) => {
                let index: Option<usize> = step.parse().ok();
                return index
                    .and_then(|index| tables.get(index))
                    .map(|table| Node::Table(table))
                    .ok_or_else(|| Lost::NoKey(indices(tables.len())));
            }
            Node::Value(_) => return Err(Lost::NoKey(Vec::new())),
        };
        table
            .get(step)
            .and_then(Node::of)
            .ok_or_else(|| Lost::NoKey(table.iter().map(|(key, _)| key.to_owned()).collect()))
    }
}

/// Returns the names of a list's elements, as far as a message shows them.
pub(super) fn indices(length: usize) -> Vec<String> {
    (0..length.min(16)).map(|index| index.to_string()).collect()
}

/// Finds the value at the end of the steps.
pub(super) fn locate(text: &str, steps: &[&str]) -> Result<Located, Lost> {
    let document = Document::parse(text)
        .map_err(|error| Lost::Syntax(error.to_string().trim().replace('\n', " ")))?;
    let mut node = Node::Table(document.as_table());
    for step in steps {
        node = node.step(step)?;
    }
    let (span, value) = match node {
        Node::Table(_) => (None, Found::Other("a table")),
        Node::Tables(_) => (None, Found::Other("a list of tables")),
        Node::Value(value) => (value.span(), found(value)),
    };
    Ok(Located {
        span: span.unwrap_or(0..0),
        value,
    })
}

fn found(value: &Value) -> Found {
    match value {
        Value::String(text) => Found::Scalar(Setting::Text(text.value().clone())),
        Value::Integer(number) => Found::Scalar(Setting::Integer(*number.value())),
        Value::Float(number) if number.value().is_finite() => {
            Found::Scalar(Setting::Float(*number.value()))
        }
        Value::Float(_) => Found::Other("a number that is not finite"),
        Value::Boolean(value) => Found::Scalar(Setting::Boolean(*value.value())),
        Value::Datetime(_) => Found::Other("a date"),
        Value::Array(_) => Found::Other("a list"),
        Value::InlineTable(_) => Found::Other("a table"),
    }
}

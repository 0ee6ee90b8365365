//! The part of YAML that METR's tables use, as a tree that knows its lines.
//!
//! Anchors are refused: a file of a few lines could stand for terabytes. Keys that occur twice are refused too.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::Problem;

/// Deepest nesting that is read; METR's tables have six levels.
const DEPTH_MAX: usize = 16;

/// A value with the line where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A plain null.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Returns the first document of a text, or a line and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Node, (u64, Problem)> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        last: 1,
    };
    loop {
        let (event, line) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => {
                return Ok(Node {
                    line,
                    value: Value::Null,
                });
            }
            event => return reader.node(event, line, 0),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    last: u64,
}

fn fault(line: u64, message: impl Into<String>) -> (u64, Problem) {
    (
        line,
        Problem::Yaml {
            message: message.into(),
        },
    )
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, u64), (u64, Problem)> {
        let next: Option<Result<(Event<'a>, Span), ScanError>> = self.parser.next_event();
        match next {
            None => Ok((Event::StreamEnd, self.last)),
            Some(Ok((event, span))) => {
                self.last = span.start.line() as u64;
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(fault(error.marker().line() as u64, error.info())),
        }
    }

    fn node(&mut self, event: Event<'a>, line: u64, depth: usize) -> Result<Node, (u64, Problem)> {
        if depth > DEPTH_MAX {
            return Err(fault(
                line,
                format!("nested deeper than {DEPTH_MAX} levels"),
            ));
        }
        let value = match event {
            Event::Scalar(text, style, 0, _) => {
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                if null {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                }
            }
            Event::SequenceStart(0, _) => Value::List(self.list(depth)?),
            Event::MappingStart(0, _) => Value::Map(self.map(depth)?),
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => {
                return Err(fault(line, "anchors and aliases are not read"));
            }
            _ => return Err(fault(line, "a value is missing")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, (u64, Problem)> {
        let mut all = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(all),
                (event, line) => all.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Node)>, (u64, Problem)> {
        let mut all: Vec<(String, Node)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        loop {
            let (event, line) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(all),
                Event::Scalar(text, _, 0, _) => text.into_owned(),
                _ => return Err(fault(line, "a key is no plain text")),
            };
            if !known.insert(key.clone()) {
                return Err(fault(line, format!("key `{key}` occurs twice")));
            }
            let (event, line) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            all.push((key, value));
        }
    }
}

impl Node {
    /// Returns the value of a key; `None` where it is absent or null, or this is no mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let found = &self.entries()?.iter().find(|(name, _)| name == key)?.1;
        (found.value != Value::Null).then_some(found)
    }

    /// Returns keys and values; `None` where this is no mapping.
    pub(crate) fn entries(&self) -> Option<&[(String, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Null | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Returns the items; `None` where this is no list.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Null | Value::Text(_) | Value::Map(_) => None,
        }
    }

    /// Returns the text; `None` where this is something else.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns a finite number; `None` where a key is absent, and what is wrong where it is no number.
    pub(crate) fn number(&self, field: &'static str) -> Result<Option<f64>, Problem> {
        let Some(node) = self.get(field) else {
            return Ok(None);
        };
        let number = node
            .text()
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|number| number.is_finite());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::Value {
                field,
                found: node
                    .text()
                    .map_or("no plain value".into(), |text| format!("`{text}`")),
                expected: "a finite number",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_knows_its_lines() {
        let tree = parse("a: 1\nb:\n- c: x y\n  d: .nan\n- {c: \"null\"}\ne: ~\n").unwrap();
        assert_eq!(tree.number("a"), Ok(Some(1.0)));
        let items = tree.get("b").unwrap().items().unwrap();
        assert_eq!(items[0].get("c").unwrap().text(), Some("x y"));
        assert!(items[0].number("d").is_err());
        assert_eq!(
            (items[1].line, items[1].get("c").unwrap().text()),
            (5, Some("null"))
        );
        assert_eq!(tree.get("e"), None);
    }

    #[test]
    fn what_could_fill_the_memory_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            "a: &x 1\nb: *x\n",
            "a: 1\na: 2\n",
            &deep,
            "a: [1\n",
            "? [a]\n: 1\n",
            "\u{0}",
        ] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
        assert_eq!(parse("").unwrap().value, Value::Null);
    }
}

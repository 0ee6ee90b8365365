//! The text of a study file with the positions of its keys and values.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use super::{
    kind::Kind,
    problem::{Place, Problem},
};

/// One step from a table or an array to what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root of a study file to a value: `knobs.lr.low`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way(Vec<Step>);

impl Way {
    pub(crate) fn root() -> Way {
        Way::default()
    }

    /// Returns the way to `key` in the table at the end of this way.
    pub(crate) fn key(&self, key: &str) -> Way {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Way(steps)
    }

    /// Returns the way to an element of the array at the end of this way.
    pub(crate) fn index(&self, index: usize) -> Way {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Way(steps)
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A table, an array or a scalar of the document, wherever it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Node<'a> {
    Item(&'a Item),
    Table(&'a Table),
    Value(&'a Value),
}

impl<'a> Node<'a> {
    /// Returns it as a table, inline or not.
    pub(crate) fn table(self) -> Option<&'a dyn TableLike> {
        match self {
            Node::Item(item) => item.as_table_like(),
            Node::Table(table) => Some(table as &dyn TableLike),
            Node::Value(value) => value.as_inline_table().map(|table| table as &dyn TableLike),
        }
    }

    /// Returns it as a scalar or an array of values.
    pub(crate) fn value(self) -> Option<&'a Value> {
        match self {
            Node::Item(item) => item.as_value(),
            Node::Table(_) => None,
            Node::Value(value) => Some(value),
        }
    }

    /// Returns the number of elements, for an array or an array of tables.
    pub(crate) fn len(self) -> Option<usize> {
        match self {
            Node::Item(Item::ArrayOfTables(tables)) => Some(tables.len()),
            _ => self
                .value()
                .and_then(Value::as_array)
                .map(toml_edit::Array::len),
        }
    }

    fn span(self) -> Option<Range<usize>> {
        match self {
            Node::Item(item) => item.span(),
            Node::Table(table) => table.span(),
            Node::Value(value) => value.span(),
        }
    }

    fn child(self, key: &str) -> Option<(&'a Key, Node<'a>)> {
        let (key, item) = self.table()?.get_key_value(key)?;
        (!item.is_none()).then_some((key, Node::Item(item)))
    }
}

/// A study file: its name for people, its text and its document.
pub(crate) struct Source {
    file: String,
    document: Document<String>,
}

impl Source {
    /// Parses the text as TOML; `file` is the name to show.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Source, Box<Problem>> {
        match Document::parse(text.to_owned()) {
            Ok(document) => Ok(Source {
                file: file.to_owned(),
                document,
            }),
            Err(error) => Err(Box::new(Problem {
                kind: Kind::Syntax {
                    message: error.message().trim().replace('\n', ", "),
                },
                place: Some(Place::new(file, text, error.span().unwrap_or(0..0))),
            })),
        }
    }

    /// Returns the whole document.
    pub(crate) fn root(&self) -> Node<'_> {
        Node::Item(self.document.as_item())
    }

    /// Returns the document for reading by serde.
    pub(crate) fn document(&self) -> &Document<String> {
        &self.document
    }

    /// Returns what stands at the end of the way.
    pub(crate) fn find(&self, way: &Way) -> Option<Node<'_>> {
        way.0.iter().try_fold(self.root(), |node, step| match step {
            Step::Key(key) => node.child(key).map(|(_, child)| child),
            Step::Index(index) => element(node, *index),
        })
    }

    /// Returns the keys of the table at the end of the way, in the order of the file.
    pub(crate) fn keys(&self, way: &Way) -> Vec<String> {
        self.find(way)
            .and_then(Node::table)
            .map_or_else(Vec::new, |table| {
                table.iter().map(|(key, _)| key.to_owned()).collect()
            })
    }

    /// Returns the place of the value at the end of the way, or of the nearest thing on the way that exists.
    pub(crate) fn value_place(&self, way: &Way) -> Place {
        let whole_value = self.find(way).and_then(|node| {
            node.value()?;
            node.span()
        });
        match whole_value {
            Some(span) => self.place(span),
            None => self.key_place(way),
        }
    }

    /// Returns the place of the last key on the way that exists.
    pub(crate) fn key_place(&self, way: &Way) -> Place {
        let mut node = self.root();
        let mut nearest = None;
        for step in &way.0 {
            let next = match step {
                Step::Key(key) => node.child(key).map(|(key, child)| (key.span(), child)),
                Step::Index(index) => element(node, *index).map(|child| (child.span(), child)),
            };
            let Some((span, child)) = next else { break };
            nearest = span.or(nearest);
            node = child;
        }
        self.place(nearest.unwrap_or(0..0))
    }

    /// Returns the place of these bytes of the text.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Place::new(&self.file, self.document.raw(), span)
    }
}

/// Returns an element of an array or an array of tables.
pub(crate) fn element(node: Node<'_>, index: usize) -> Option<Node<'_>> {
    match node {
        Node::Item(Item::ArrayOfTables(tables)) => tables.get(index).map(Node::Table),
        _ => node.value()?.as_array()?.get(index).map(Node::Value),
    }
}

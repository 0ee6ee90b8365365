//! Places in the texts of a workflow: `{item}`, `{number}`, `{content}`, `{results.PHASE}`.

use std::collections::BTreeSet;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What takes the place of a name in braces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The step's item.
    Item,
    /// The step's number in its phase, from 1.
    Number,
    /// What is in the item's files.
    Content,
    /// All results of an earlier phase.
    Results(String),
}

/// A text with places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a text. What stands in braces and is a name must be one that is known; other braces are themselves, so that
    /// JSON needs no escapes.
    pub(super) fn read(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let after = &rest[at + 1..];
            let end = after.find('}');
            let name = end.map_or("", |end| &after[..end]);
            if !is_name(name) {
                parts.push(Part::Text(rest[..=at].to_owned()));
                rest = after;
                continue;
            }
            parts.push(Part::Text(rest[..at].to_owned()));
            parts.push(Part::Place(place(name)?));
            rest = &after[name.len() + 1..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template { parts })
    }

    /// Returns the places that occur.
    pub(super) fn places(&self) -> BTreeSet<&Place> {
        let places = self.parts.iter().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) => None,
        });
        places.collect()
    }

    /// Returns the text with values in its places. Values are not read for places again.
    pub(super) fn fill(&self, value: impl Fn(&Place) -> String) -> String {
        let filled = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(place) => value(place),
        });
        filled.collect()
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "_-.".contains(one))
}

fn place(name: &str) -> Result<Place, String> {
    match name {
        "item" => Ok(Place::Item),
        "number" => Ok(Place::Number),
        "content" => Ok(Place::Content),
        _ => match name.strip_prefix("results.") {
            Some(phase) if !phase.is_empty() => Ok(Place::Results(phase.to_owned())),
            _ => Err(format!(
                "`{{{name}}}` is no place; expected `{{item}}`, `{{number}}`, `{{content}}` or `{{results.PHASE}}`"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_once_and_other_braces_stay() {
        let text = r#"{item} of {"a": {}} {number}, {results.plan} {"#;
        let template = Template::read(text).unwrap();
        let filled = template.fill(|place| match place {
            Place::Item => "{number}".into(),
            Place::Number => "7".into(),
            Place::Content => "c".into(),
            Place::Results(phase) => format!("<{phase}>"),
        });
        assert_eq!(filled, r#"{number} of {"a": {}} 7, <plan> {"#);
        assert!(Template::read("{itm}").unwrap_err().contains("`{itm}`"));
        assert!(Template::read("{results.}").is_err());
    }
}

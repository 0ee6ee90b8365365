//! Checks of knobs: their values, their conditions, the places where they are written.

use std::collections::BTreeMap;

use lyceum_types::{Condition, Knob, KnobKind, Setting, Space, SpaceError};

use super::{checks::Checks, commands::variable};
use crate::{
    format::{
        kind::Kind,
        source::Way,
        study::{Place, Run, Syntax, Workspace, Writing},
        table::{self, KnobType},
    },
    knobs::{Error, coerce, describe},
};

/// Returns the space of the knobs in the order of the file, with the place where each is written.
pub(super) fn knobs(
    checks: &mut Checks<'_>,
    mut tables: BTreeMap<String, table::Knob>,
    workspace: &Workspace,
    run: &Run,
) -> (Space, Vec<Writing>) {
    let way = Way::root().key("knobs");
    let mut knobs: Vec<Knob> = Vec::new();
    let mut writings: Vec<Writing> = Vec::new();
    for name in checks.source.keys(&way) {
        let Some(table) = tables.remove(&name) else {
            continue;
        };
        let way = way.key(&name);
        knob_name(checks, &way, &name);
        let kind = kind(checks, &way, &table);
        let place = place(checks, &way, &name, &table, kind.as_ref());
        let (Some(kind), Some(place)) = (kind, place) else {
            continue;
        };
        let condition = condition(table.when, &knobs);
        let writing = Writing {
            knob: name.clone(),
            place,
        };
        changed_file(checks, &way, &writing, workspace);
        same_place(checks, &way, &writing, &writings, run);
        knobs.push(Knob {
            name,
            kind,
            condition,
        });
        writings.push(writing);
    }
    match Space::new(knobs) {
        Ok(space) => (space, writings),
        Err(error) => {
            let way = way.key(knob_of(&error));
            let below = match &error {
                SpaceError::UnknownCondition { .. } | SpaceError::ImpossibleCondition { .. } => {
                    way.key("when")
                }
                SpaceError::Choices { .. } => way.key("choices"),
                SpaceError::Bounds { .. } => way.key("low"),
                SpaceError::Twice { .. }
                | SpaceError::Missing { .. }
                | SpaceError::Unknown { .. }
                | SpaceError::Outside { .. } => way,
            };
            checks.at_value(&below, Kind::Space(error));
            (Space::default(), writings)
        }
    }
}

fn knob_of(error: &SpaceError) -> &str {
    match error {
        SpaceError::Twice { knob }
        | SpaceError::Bounds { knob, .. }
        | SpaceError::Choices { knob }
        | SpaceError::UnknownCondition { knob, .. }
        | SpaceError::ImpossibleCondition { knob, .. }
        | SpaceError::Missing { knob }
        | SpaceError::Unknown { knob }
        | SpaceError::Outside { knob, .. } => knob,
    }
}

fn knob_name(checks: &mut Checks<'_>, way: &Way, name: &str) {
    let usable = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !usable {
        let expected = "1 to 64 letters, digits, `_` and `-`".to_owned();
        let (key, found) = ("knobs".to_owned(), name.to_owned());
        checks.at_key(
            way,
            Kind::Name {
                key,
                found,
                expected,
            },
        );
    }
}

/// Returns the values of the knob, or `None` after reporting why they are not clear.
fn kind(checks: &mut Checks<'_>, way: &Way, table: &table::Knob) -> Option<KnobKind> {
    let number = matches!(table.kind, KnobType::Float | KnobType::Integer);
    let categorical = table.kind == KnobType::Categorical;
    let of = format!("a knob of type \"{}\"", table.kind.name());
    let numbers = "type \"float\" or \"integer\"";
    let keys = [
        ("low", table.low.is_some(), number, number, numbers),
        ("high", table.high.is_some(), number, number, numbers),
        ("scale", table.scale.is_some(), number, false, numbers),
        (
            "choices",
            table.choices.is_some(),
            categorical,
            categorical,
            "type \"categorical\"",
        ),
    ];
    for (key, is_present, allowed, needed, belongs) in keys {
        let (key_path, kind, belongs) = (way.key(key).to_string(), of.clone(), belongs.to_owned());
        if is_present && !allowed {
            checks.at_key(
                &way.key(key),
                Kind::NotForKind {
                    key: key_path,
                    kind,
                    belongs,
                },
            );
        } else if needed && !is_present {
            checks.at_key(
                way,
                Kind::NeededForKind {
                    key: key_path,
                    kind,
                },
            );
        }
    }
    let scale = table.scale.unwrap_or_default();
    match table.kind {
        KnobType::Float => Some(KnobKind::Float {
            low: table.low?,
            high: table.high?,
            scale,
        }),
        KnobType::Integer => {
            let low = whole(checks, &way.key("low"), table.low?);
            let high = whole(checks, &way.key("high"), table.high?);
            Some(KnobKind::Integer {
                low: low?,
                high: high?,
                scale,
            })
        }
        KnobType::Categorical => Some(KnobKind::Categorical {
            choices: table.choices.clone()?,
        }),
        KnobType::Boolean => Some(KnobKind::Boolean),
    }
}

/// Bounds beyond this are not exact in a float, and no knob needs them.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn whole(checks: &mut Checks<'_>, way: &Way, bound: f64) -> Option<i64> {
    if bound.fract() == 0.0 && bound.abs() <= WHOLE_MAX {
        return Some(bound as i64);
    }
    let kind = Kind::WrongType {
        key: way.to_string(),
        found: format!("the number {bound}"),
        expected: "a whole number up to 2^53, as the knob is an integer".to_owned(),
    };
    checks.at_value(way, kind);
    None
}

/// Returns the condition, with its values in the form that the other knob's values have.
fn condition(when: Option<table::When>, before: &[Knob]) -> Option<Condition> {
    let when = when?;
    let other = before.iter().find(|knob| knob.name == when.knob);
    let values = when.is.0.into_iter();
    let is = values
        .map(|value| match other {
            Some(other) => coerce(&other.kind, value),
            None => value,
        })
        .collect();
    Some(Condition {
        knob: when.knob,
        is,
    })
}

/// Returns the place where the knob is written, or `None` after reporting why there is not exactly one.
fn place(
    checks: &mut Checks<'_>,
    way: &Way,
    name: &str,
    table: &table::Knob,
    kind: Option<&KnobKind>,
) -> Option<Place> {
    let keys = [
        ("file", table.file.is_some()),
        ("key", table.key.is_some()),
        ("template", table.template.is_some()),
        ("environment", table.environment.is_some()),
        ("argument", table.argument.is_some()),
    ];
    let present: Vec<&str> = keys
        .iter()
        .filter(|(_, is)| *is)
        .map(|(key, _)| *key)
        .collect();
    let mut start = || start(checks, way, name, table, kind);
    let place = match present.as_slice() {
        ["file", "key"] => {
            let (file, key) = (table.file.clone()?, table.key.clone()?);
            return file_place(checks, way, name, table, (file, key));
        }
        ["file", "template"] => Place::Template {
            template: table.template.clone()?,
            file: table.file.clone()?,
            start: start()?,
        },
        ["environment"] => Place::Environment {
            variable: table.environment.clone()?,
            start: start()?,
        },
        ["argument"] => Place::Argument {
            option: table.argument.clone()?,
            start: start()?,
        },
        _ => {
            let found = match present.as_slice() {
                [] => "no place".to_owned(),
                keys => format!("`{}` alone or together", keys.join("`, `")),
            };
            checks.at_key(
                way,
                Kind::KnobPlace {
                    knob: name.to_owned(),
                    found,
                },
            );
            return None;
        }
    };
    match &place {
        Place::Template { template, file, .. } => {
            checks.relative_path(&way.key("template"), template);
            checks.relative_path(&way.key("file"), file);
        }
        Place::Environment {
            variable: found, ..
        } => {
            variable(checks, &way.key("environment"), found);
        }
        Place::Argument { option, .. } if option.is_empty() || option.contains('\0') => {
            let expected = "an option like \"--lr\"".to_owned();
            let key = way.key("argument");
            checks.at_value(
                &key,
                Kind::Empty {
                    key: key.to_string(),
                    expected,
                },
            );
        }
        Place::Argument { .. } | Place::File { .. } => {}
    }
    Some(place)
}

fn file_place(
    checks: &mut Checks<'_>,
    way: &Way,
    name: &str,
    table: &table::Knob,
    (file, key): (String, String),
) -> Option<Place> {
    if table.start.is_some() {
        let kind = Kind::NotForKind {
            key: way.key("start").to_string(),
            kind: format!("knob `{name}`: its start value is read from \"{file}\""),
            belongs: "`template`, `environment` or `argument`".to_owned(),
        };
        checks.at_key(&way.key("start"), kind);
    }
    checks.relative_path(&way.key("file"), &file);
    let Some(syntax) = Syntax::of(&file) else {
        let kind = Kind::Name {
            key: way.key("file").to_string(),
            found: file,
            expected: "a file that ends in .toml, .json or as a known language does; for others use `template`"
                .to_owned(),
        };
        checks.at_value(&way.key("file"), kind);
        return None;
    };
    Some(Place::File { file, syntax, key })
}

/// Returns the start value of a knob that no file holds.
fn start(
    checks: &mut Checks<'_>,
    way: &Way,
    name: &str,
    table: &table::Knob,
    kind: Option<&KnobKind>,
) -> Option<Setting> {
    let Some(start) = table.start.clone() else {
        let (key, kind) = (way.key("start").to_string(), format!("knob `{name}`"));
        checks.at_key(way, Kind::NeededForKind { key, kind });
        return None;
    };
    let kind = kind?;
    let start = coerce(kind, start);
    if !kind.contains(&start) {
        let error = Error::Start {
            knob: name.to_owned(),
            place: "`start`".to_owned(),
            found: crate::knobs::quoted(&start),
            expected: describe(kind),
        };
        checks.at_value(&way.key("start"), Kind::Knob(error));
    }
    Some(start)
}

/// Checks that the file which the knob changes may change.
fn changed_file(checks: &mut Checks<'_>, way: &Way, writing: &Writing, workspace: &Workspace) {
    let (Place::File { file, .. } | Place::Template { file, .. }) = &writing.place else {
        return;
    };
    let (knob, file) = (writing.knob.clone(), file.clone());
    if let Some(protected) = workspace.protected.matching(&file) {
        let protected = protected.to_owned();
        checks.at_value(
            &way.key("file"),
            Kind::Protected {
                knob,
                file,
                protected,
            },
        );
    } else if !workspace.editable.matches(&file) {
        checks.at_value(&way.key("file"), Kind::NotEditable { knob, file });
    }
}

/// Checks that no two knobs are written over each other.
fn same_place(
    checks: &mut Checks<'_>,
    way: &Way,
    writing: &Writing,
    before: &[Writing],
    run: &Run,
) {
    if let Place::Environment { variable, .. } = &writing.place
        && run.environment.contains_key(variable)
    {
        let kind = Kind::Twice {
            key: way.key("environment").to_string(),
            name: variable.clone(),
            with: Some("run.environment".to_owned()),
        };
        checks.at_value(&way.key("environment"), kind);
    }
    let clash = before.iter().find_map(|other| {
        overwritten(&writing.place, &other.place).map(|place| (other.knob.clone(), place))
    });
    if let Some((other, place)) = clash {
        let knob = writing.knob.clone();
        checks.at_key(way, Kind::SamePlace { knob, other, place });
    }
}

/// Returns the common place of two knobs of which one would overwrite the other.
fn overwritten(one: &Place, other: &Place) -> Option<String> {
    match (one, other) {
        (
            Place::File {
                file: a, key: x, ..
            },
            Place::File {
                file: b, key: y, ..
            },
        ) => (a == b && x == y).then(|| format!("`{x}` in \"{a}\"")),
        (
            Place::Template {
                file: a,
                template: x,
                ..
            },
            Place::Template {
                file: b,
                template: y,
                ..
            },
        ) => (a == b && x != y || a != b && x == y).then(|| format!("\"{a}\" and \"{b}\"")),
        (Place::File { file: a, .. }, Place::Template { file: b, .. })
        | (Place::Template { file: a, .. }, Place::File { file: b, .. }) => {
            (a == b).then(|| format!("\"{a}\""))
        }
        (Place::Environment { variable: a, .. }, Place::Environment { variable: b, .. }) => {
            (a == b).then(|| format!("variable {a}"))
        }
        (Place::Argument { option: a, .. }, Place::Argument { option: b, .. }) => {
            (a == b).then(|| format!("option {a}"))
        }
        _ => None,
    }
}

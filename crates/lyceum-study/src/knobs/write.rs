//! Turning settings into changed files, environment variables and arguments.

use std::{collections::BTreeMap, convert::Infallible};

use lyceum_types::{Knob, Setting, Settings};

use super::{
    error::{Error, FileProblem},
    locate::{Found, spelled},
    read::{Texts, knobs_of_template, locate_knob},
    template,
    values::coerce,
};
use crate::format::{Place, Study, Syntax};

/// What settings change, relative to the unchanged workspace and the study's run command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Files that differ from the workspace's, by relative path, with their whole new contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// Environment variables to add.
    pub environment: BTreeMap<String, String>,
    /// Arguments to append to the run's command.
    pub arguments: Vec<String>,
}

/// Returns what these settings change. `read_file` returns the bytes of a file of the *unchanged* workspace, by relative
/// path; the result depends on nothing else.
///
/// In TOML and JSON only the bytes of the value change: comments, order and white space stay. A knob that is not active
/// stays as it is in the file, has its start value in a template, and no variable and no argument.
pub fn write(
    study: &Study,
    settings: &Settings,
    read_file: impl Fn(&str) -> Result<Vec<u8>, FileProblem>,
) -> Result<Patch, Error> {
    study.space.check(settings).map_err(Error::Space)?;
    let mut texts = Texts::new(&read_file);
    let mut changed: BTreeMap<String, String> = BTreeMap::new();
    let mut patch = Patch::default();
    for (knob, writing) in study.knobs() {
        let value = settings.get(&knob.name);
        match (&writing.place, value) {
            (Place::File { file, syntax, key }, Some(value)) => {
                let text = match changed.remove(file) {
                    Some(text) => text,
                    None => original(&mut texts, &knob.name, file)?,
                };
                let text = splice(text, *syntax, knob, (file, key), value)?;
                changed.insert(file.clone(), text);
            }
            (Place::Environment { variable, .. }, Some(value)) => {
                patch
                    .environment
                    .insert(variable.clone(), value.to_string());
            }
            (Place::Argument { option, .. }, Some(value)) => {
                patch.arguments.extend([option.clone(), value.to_string()]);
            }
            (Place::Template { template, file, .. }, _) if !changed.contains_key(file) => {
                let text = render(study, settings, &mut texts, template)?;
                changed.insert(file.clone(), text);
            }
            (
                Place::File { .. }
                | Place::Environment { .. }
                | Place::Argument { .. }
                | Place::Template { .. },
                _,
            ) => {}
        }
    }
    patch.files = changed
        .into_iter()
        .map(|(file, text)| (file, text.into_bytes()))
        .filter(|(file, bytes)| texts.get(file).map(str::as_bytes) != Ok(bytes.as_slice()))
        .collect();
    Ok(patch)
}

fn original(texts: &mut Texts<'_>, knob: &str, file: &str) -> Result<String, Error> {
    texts
        .get(file)
        .map(str::to_owned)
        .map_err(|problem| Error::File {
            knob: knob.to_owned(),
            file: file.to_owned(),
            problem,
        })
}

/// Replaces the bytes of one value and makes sure that it reads back.
fn splice(
    mut text: String,
    syntax: Syntax,
    knob: &Knob,
    (file, key): (&str, &str),
    value: &Setting,
) -> Result<String, Error> {
    let reads = |found: Found| match found {
        Found::Scalar(found) => coerce(&knob.kind, found) == *value,
        Found::Other(_) => false,
    };
    let before = locate_knob(&text, syntax, &knob.name, file, key)?;
    if let Found::Other(what) = before.value {
        return Err(Error::Type {
            knob: knob.name.clone(),
            place: format!("`{key}` in \"{}\"", crate::format::escaped(file)),
            found: what.to_owned(),
            expected: super::describe(&knob.kind),
        });
    }
    if reads(before.value) {
        return Ok(text);
    }
    text.replace_range(before.span, &spelled(value, syntax));
    if reads(locate_knob(&text, syntax, &knob.name, file, key)?.value) {
        Ok(text)
    } else {
        Err(Error::NotReadBack {
            knob: knob.name.clone(),
            file: file.to_owned(),
            value: value.to_string(),
        })
    }
}

fn render(
    study: &Study,
    settings: &Settings,
    texts: &mut Texts<'_>,
    path: &str,
) -> Result<String, Error> {
    let knobs = knobs_of_template(study, path);
    let first = knobs.first().cloned().unwrap_or_default();
    let text = original(texts, &first, path)?;
    let filled = template::replace::<Infallible>(&text, |name| {
        let start = study
            .writing(name)
            .and_then(|writing| match &writing.place {
                Place::Template {
                    template, start, ..
                } if template == path => Some(start),
                _ => None,
            });
        Ok(start.map(|start| settings.get(name).unwrap_or(start).to_string()))
    });
    match filled {
        Ok(filled) => Ok(filled),
        Err(never) => match never {},
    }
}

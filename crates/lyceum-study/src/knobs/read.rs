//! Reading the values that an unchanged workspace has.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use lyceum_types::{Knob, Setting, Settings};

use super::{
    error::{Error, FileProblem},
    locate::{Found, Located, Lost, locate},
    template,
    values::{coerce, describe, quoted, type_fits},
};
use crate::format::{Place, Study, Syntax, Writing};

/// Largest settings file or template in bytes; they are held in memory for every experiment.
pub const SETTINGS_FILE_BYTES_MAX: u64 = 4 << 20;

/// Returns the knobs' values in the unchanged workspace at this directory. Knobs that are not active there are left out.
pub fn start_settings(study: &Study, workspace: &Path) -> Result<Settings, Error> {
    settings_in(study, &|file| read_plain(workspace, file))
}

/// Returns the knobs' values in a workspace whose files `read` gives. Knobs that are not active there are left out.
pub fn settings_in(
    study: &Study,
    read: &dyn Fn(&str) -> Result<Vec<u8>, FileProblem>,
) -> Result<Settings, Error> {
    let (settings, mut errors) = start_values(study, read);
    if errors.is_empty() {
        Ok(settings)
    } else {
        Err(errors.swap_remove(0).1)
    }
}

/// Reads one plain file of a workspace, up to [`SETTINGS_FILE_BYTES_MAX`]. Links are not followed.
pub fn read_plain(workspace: &Path, file: &str) -> Result<Vec<u8>, FileProblem> {
    let path = workspace.join(file);
    let metadata = std::fs::symlink_metadata(&path)?;
    if !metadata.is_file() {
        return Err(FileProblem::NotPlain);
    }
    let open = crate::workspace::open_plain(&path).map_err(|_| FileProblem::NotPlain)?;
    let mut bytes = Vec::new();
    open.take(SETTINGS_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SETTINGS_FILE_BYTES_MAX {
        return Err(FileProblem::TooBig(SETTINGS_FILE_BYTES_MAX));
    }
    Ok(bytes)
}

/// Returns the active values, and every error with the knob that it is about.
pub(crate) fn start_values(
    study: &Study,
    read: &dyn Fn(&str) -> Result<Vec<u8>, FileProblem>,
) -> (Settings, Vec<(String, Error)>) {
    let mut values = Settings::new();
    let mut errors = Vec::new();
    let mut texts = Texts::new(read);
    for (knob, writing) in study.knobs() {
        match start_value(knob, writing, &mut texts) {
            Ok(value) => {
                values.insert(knob.name.clone(), value);
            }
            Err(error) => errors.push((knob.name.clone(), error)),
        }
    }
    errors.extend(template_errors(study, &mut texts));
    let active = study.space.active_only(&values);
    for (knob, writing) in study.knobs() {
        if let Some(value) = active.get(&knob.name)
            && !knob.kind.contains(value)
        {
            let error = Error::Start {
                knob: knob.name.clone(),
                place: place(&writing.place),
                found: quoted(value),
                expected: describe(&knob.kind),
            };
            errors.push((knob.name.clone(), error));
        }
    }
    (active, errors)
}

fn start_value(knob: &Knob, writing: &Writing, texts: &mut Texts<'_>) -> Result<Setting, Error> {
    let found = match &writing.place {
        Place::File { file, syntax, key } => {
            let text = texts.get(file).map_err(|problem| Error::File {
                knob: knob.name.clone(),
                file: file.clone(),
                problem,
            })?;
            locate_knob(text, *syntax, &knob.name, file, key)?.value
        }
        Place::Template { start, .. }
        | Place::Environment { start, .. }
        | Place::Argument { start, .. } => Found::Scalar(start.clone()),
    };
    let wrong = |found: String| Error::Type {
        knob: knob.name.clone(),
        place: place(&writing.place),
        found,
        expected: describe(&knob.kind),
    };
    match found {
        Found::Other(what) => Err(wrong(what.to_owned())),
        Found::Scalar(value) => {
            let value = coerce(&knob.kind, value);
            if type_fits(&knob.kind, &value) {
                Ok(value)
            } else {
                Err(wrong(quoted(&value)))
            }
        }
    }
}

/// Finds the value of a knob in the text of its file.
pub(super) fn locate_knob(
    text: &str,
    syntax: Syntax,
    knob: &str,
    file: &str,
    key: &str,
) -> Result<Located, Error> {
    let (knob, file, key_text) = (knob.to_owned(), file.to_owned(), key.to_owned());
    locate(text, syntax, key).map_err(|lost| match lost {
        Lost::Syntax(message) => Error::File {
            knob,
            file,
            problem: FileProblem::Syntax(message),
        },
        Lost::NoKey(known) => Error::NoKey {
            knob,
            file,
            key: key_text,
            known,
        },
        Lost::Twice => Error::KeyTwice {
            knob,
            file,
            key: key_text,
        },
        Lost::KeyPath(message) => Error::KeyPath {
            knob,
            key: key_text,
            message,
        },
    })
}

fn place(place: &Place) -> String {
    match place {
        Place::File { file, key, .. } => format!("`{key}` in \"{}\"", crate::format::escaped(file)),
        Place::Template { .. } | Place::Environment { .. } | Place::Argument { .. } => {
            "`start`".to_owned()
        }
    }
}

/// Checks that each template names its knobs and no other.
fn template_errors(study: &Study, texts: &mut Texts<'_>) -> Vec<(String, Error)> {
    let mut errors = Vec::new();
    for writing in &study.writings {
        let Place::Template { template: path, .. } = &writing.place else {
            continue;
        };
        let knobs = knobs_of_template(study, path);
        let knob = writing.knob.clone();
        match texts.get(path) {
            Err(problem) => {
                let (knob, file) = (knob.clone(), path.clone());
                errors.push((
                    writing.knob.clone(),
                    Error::File {
                        knob,
                        file,
                        problem,
                    },
                ));
            }
            Ok(text) => {
                let names = template::names(text);
                if !names.contains(&knob.as_str()) {
                    let template = path.clone();
                    let error = Error::NotInTemplate {
                        knob: knob.clone(),
                        template,
                    };
                    errors.push((knob, error));
                }
                let first = knobs.first() == Some(&writing.knob);
                let unknown = names
                    .into_iter()
                    .find(|name| !knobs.iter().any(|knob| knob == name));
                if let (true, Some(found)) = (first, unknown) {
                    let (template, found) = (path.clone(), found.to_owned());
                    let error = Error::TemplateUnknown {
                        template,
                        found,
                        known: knobs.clone(),
                    };
                    errors.push((writing.knob.clone(), error));
                }
            }
        }
    }
    errors
}

/// Returns the knobs that are written with this template, in order.
pub(super) fn knobs_of_template(study: &Study, path: &str) -> Vec<String> {
    study
        .writings
        .iter()
        .filter(|writing| {
            matches!(&writing.place, Place::Template { template, .. } if template == path)
        })
        .map(|writing| writing.knob.clone())
        .collect()
}

type Read<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, FileProblem>;

/// The texts of files, each read once.
pub(super) struct Texts<'a> {
    read: Read<'a>,
    texts: BTreeMap<String, Result<String, FileProblem>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(read: Read<'a>) -> Texts<'a> {
        Texts {
            read,
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn get(&mut self, file: &str) -> Result<&str, FileProblem> {
        if !self.texts.contains_key(file) {
            let text = (self.read)(file)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| FileProblem::NotUtf8));
            self.texts.insert(file.to_owned(), text);
        }
        match self.texts.get(file) {
            Some(Ok(text)) => Ok(text),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(FileProblem::Missing),
        }
    }
}

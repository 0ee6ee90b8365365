//! Checks of a study against the files in its directory.

use std::{fs, path::Path};

use super::{
    kind::Kind,
    open::SKIPPED,
    problem::Problem,
    source::{Source, Way},
    study::{Criterion, Place, Study},
};
use crate::{
    knobs,
    shape::Shape,
    workspace::{self, Globs, Limits, Listed, ListedKind, shown},
};

/// Returns everything in the directory that does not fit the study.
pub(super) fn check(study: &Study, source: &Source, directory: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(data) = &study.data {
        let way = Way::root().key("data").key("path");
        problems.extend(not_a_directory(source, &way, directory, &data.path));
    }
    let way = Way::root().key("workspace").key("path");
    if let Some(problem) = not_a_directory(source, &way, directory, &study.workspace.path) {
        problems.push(problem);
        return problems;
    }
    let workspace = directory.join(&study.workspace.path);
    match workspace::list(&workspace, Limits::default(), &[]) {
        Ok(files) => problems.extend(workspace_problems(study, source, &files)),
        Err(error) => {
            let place = Some(source.value_place(&way));
            problems.push(Problem {
                kind: Kind::Files(error),
                place,
            });
        }
    }
    knob_problems(study, source, &workspace, &mut problems);
    private_problems(study, source, directory, &mut problems);
    schema_problems(study, source, directory, &mut problems);
    problems
}

/// Finds schemas of the rubric that are not there, or that no file can be held against.
fn schema_problems(study: &Study, source: &Source, directory: &Path, problems: &mut Vec<Problem>) {
    for (index, criterion) in study.rubric.iter().enumerate() {
        let Criterion::File {
            schema: Some(schema),
            ..
        } = criterion
        else {
            continue;
        };
        let way = Way::root().key("rubric").index(index).key("schema");
        let kind = match knobs::read_plain(directory, schema) {
            Err(_) => Kind::NotThere {
                key: way.to_string(),
                path: schema.clone(),
                expected: "a plain file with a JSON Schema, below the study's directory".to_owned(),
            },
            Ok(bytes) => match Shape::parse(&bytes) {
                Ok(_) => continue,
                Err(message) => Kind::Unreadable {
                    key: way.to_string(),
                    message,
                },
            },
        };
        let place = Some(source.value_place(&way));
        problems.push(Problem { kind, place });
    }
}

/// Returns the problem of a path below the study's directory that is no directory. Each component is looked at: a link
/// anywhere on the way could lead out of the study.
fn not_a_directory(source: &Source, way: &Way, directory: &Path, path: &str) -> Option<Problem> {
    let mut below = directory.to_owned();
    let real = path.split('/').all(|part| {
        below.push(part);
        fs::symlink_metadata(&below).is_ok_and(|metadata| metadata.is_dir())
    });
    (!real).then(|| Problem {
        kind: Kind::NotThere {
            key: way.to_string(),
            path: shown(directory.join(path).as_os_str()),
            expected: "a directory, not a link".to_owned(),
        },
        place: Some(source.value_place(way)),
    })
}

fn workspace_problems(study: &Study, source: &Source, files: &[Listed]) -> Option<Problem> {
    let way = Way::root().key("workspace");
    files.iter().find_map(|file| {
        if let ListedKind::Special(kind) = file.kind {
            let path = shown(file.path.as_os_str());
            return Some(Problem {
                kind: Kind::Files(workspace::Error::Special { path, kind }),
                place: Some(source.value_place(&way.key("path"))),
            });
        }
        let editable = study
            .workspace
            .editable
            .all_matching(&file.path)
            .first()
            .copied()?;
        let protected = study.workspace.protected.matching(&file.path)?;
        Some(Problem {
            kind: Kind::Overlap {
                file: file.path.to_string_lossy().into_owned(),
                editable: study.workspace.editable.patterns()[editable].clone(),
                protected: protected.to_owned(),
            },
            place: Some(source.value_place(&way.key("editable").index(editable))),
        })
    })
}

fn knob_problems(study: &Study, source: &Source, workspace: &Path, problems: &mut Vec<Problem>) {
    let read = |file: &str| knobs::read_plain(workspace, file);
    let (_, errors) = knobs::start_values(study, &read);
    for (knob, error) in errors {
        let way = Way::root().key("knobs").key(&knob);
        let key = match (&error, study.writing(&knob).map(|writing| &writing.place)) {
            (knobs::Error::File { .. }, Some(Place::File { .. })) => "file",
            (_, Some(Place::File { .. })) => "key",
            (_, Some(Place::Template { .. })) => "template",
            (_, Some(Place::Environment { .. } | Place::Argument { .. }) | None) => "start",
        };
        let place = Some(source.value_place(&way.key(key)));
        problems.push(Problem {
            kind: Kind::Knob(error),
            place,
        });
    }
}

fn private_problems(study: &Study, source: &Source, directory: &Path, problems: &mut Vec<Problem>) {
    let sealed: &[String] = study
        .sealed
        .as_ref()
        .map_or(&[], |sealed| sealed.private.patterns());
    let graders: &[String] = study
        .outcome
        .as_ref()
        .map_or(&[], |outcome| outcome.private.patterns());
    let lists = [
        ("measure", study.measure_private()),
        ("sealed", sealed),
        ("outcome", graders),
    ];
    if lists.iter().all(|(_, patterns)| patterns.is_empty()) {
        return;
    }
    let files = match workspace::list(directory, Limits::default(), &SKIPPED) {
        Ok(files) => files,
        Err(error) => {
            problems.push(Problem {
                kind: Kind::Files(error),
                place: None,
            });
            return;
        }
    };
    let measured = Globs::new(study.measure_private()).unwrap_or_default();
    for (table, patterns) in lists {
        for (index, pattern) in patterns.iter().enumerate() {
            let way = Way::root().key(table).key("private").index(index);
            let key = format!("{table}.private");
            let globs = Globs::new(std::slice::from_ref(pattern)).unwrap_or_default();
            let matched: Vec<&Listed> = files
                .iter()
                .filter(|file| globs.matches(&file.path))
                .collect();
            let also_measured = (table == "sealed").then_some(&measured);
            let kind = private_problem(study, directory, (&key, pattern), &matched, also_measured);
            if let Some(kind) = kind {
                problems.push(Problem {
                    kind,
                    place: Some(source.value_place(&way)),
                });
            }
        }
    }
}

/// Returns the first thing that is wrong with the files of one private glob.
fn private_problem(
    study: &Study,
    directory: &Path,
    (key, pattern): (&str, &str),
    matched: &[&Listed],
    also_measured: Option<&Globs>,
) -> Option<Kind> {
    if matched.is_empty() {
        let below = directory.display().to_string();
        let (key, pattern) = (key.to_owned(), pattern.to_owned());
        return Some(Kind::NoMatch {
            key,
            pattern,
            below,
        });
    }
    matched.iter().find_map(|file| {
        let name = file.path.to_string_lossy().into_owned();
        if file.path.starts_with(&study.workspace.path) {
            Some(Kind::PrivateInWorkspace { file: name })
        } else if also_measured.is_some_and(|globs| globs.matches(&file.path)) {
            Some(Kind::PrivateAndSealed { file: name })
        } else if !matches!(file.kind, ListedKind::File { .. }) {
            let expected = "a plain file: links and special files cannot be private".to_owned();
            Some(Kind::NotThere {
                key: key.to_owned(),
                path: name,
                expected,
            })
        } else {
            None
        }
    })
}

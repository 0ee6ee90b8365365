//! A study directory: reading its file safely, and finding its parts.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use lyceum_types::Split;

use super::{
    directory,
    error::{Error, Problems},
    parse::parse_with_source,
    study::Study,
};
use crate::workspace::{self, Globs, Limits, Manifest, shown};

/// Name of the study file.
pub const FILE_NAME: &str = "study.toml";
/// Largest study file in bytes.
pub const STUDY_FILE_BYTES_MAX: u64 = 1 << 20;
/// Names in a study's directory that are never private files: the lab's own records and version control.
pub(crate) const SKIPPED: [&str; 2] = [".lyceum", ".git"];

/// A study that was checked against its directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The study.
    pub study: Study,
    /// Its directory, as given.
    pub directory: PathBuf,
    /// The text of its file.
    pub definition: String,
}

impl Opened {
    /// Returns the directory of the workspace.
    pub fn workspace(&self) -> PathBuf {
        self.directory.join(&self.study.workspace.path)
    }

    /// Returns the private files of the study's own evaluator (`Search`) or of the sealed evaluation, with hashes. Paths are
    /// relative to the study's directory, and the evaluator finds them below `{private}` under the same paths. Files that
    /// `[data]` draws are not among them.
    pub fn private_files(&self, split: Split) -> Result<Manifest, workspace::Error> {
        let patterns: &[String] = match (split, &self.study.sealed) {
            (Split::Search, _) => self.study.measure_private(),
            (Split::Sealed, Some(sealed)) => sealed.private.patterns(),
            (Split::Sealed, None) => &[],
        };
        // The patterns were compiled when the study was read.
        let globs = Globs::new(patterns).unwrap_or_default();
        self.files_matching(patterns.is_empty(), |path| globs.matches(path))
    }

    /// Returns the files that graders alone see, and the schemas of the rubric, with hashes. Paths are relative to the study's
    /// directory.
    pub fn grader_files(&self) -> Result<Manifest, workspace::Error> {
        let schemas = self.study.schemas();
        let private = self.study.outcome.as_ref().map(|outcome| &outcome.private);
        let none = schemas.is_empty() && private.is_none_or(|globs| globs.patterns().is_empty());
        self.files_matching(none, |path| {
            let named = path.to_str().is_some_and(|path| schemas.contains(&path));
            named || private.is_some_and(|globs| globs.matches(path))
        })
    }

    fn files_matching(
        &self,
        none: bool,
        matches: impl Fn(&Path) -> bool,
    ) -> Result<Manifest, workspace::Error> {
        let mut listed = Vec::new();
        if !none {
            listed = workspace::list(&self.directory, Limits::default(), &SKIPPED)?;
            listed.retain(|file| matches(&file.path));
        }
        workspace::of_listed(&self.directory, &listed)
    }
}

/// Returns the study with more tables at the end of its file, checked as a whole.
///
/// # Errors
/// As [`open`], with places in the text that there then is.
pub fn with_tables(opened: &Opened, tables: &str) -> Result<Opened, Error> {
    let definition = format!("{}\n{tables}", opened.definition);
    checked(&opened.directory, definition)
}

/// Reads the study in this directory and checks it against the files there.
pub fn open(directory: &Path) -> Result<Opened, Error> {
    let unreadable = |path: &Path, source: io::Error| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            return Err(Error::NotADirectory {
                directory: directory.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Missing {
                directory: directory.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Error::NotADirectory {
                directory: directory.to_owned(),
            });
        }
        Err(error) => return Err(unreadable(directory, error)),
    }
    let definition = read_definition(directory)?;
    checked(directory, definition)
}

fn checked(directory: &Path, definition: String) -> Result<Opened, Error> {
    let absolute = fs::canonicalize(directory).map_err(|source| Error::Unreadable {
        path: directory.to_owned(),
        source,
    })?;
    let directory_name = absolute.file_name().map(shown).unwrap_or_default();
    let file = shown(directory.join(FILE_NAME).as_os_str());
    let (study, source) =
        parse_with_source(&definition, &file, &directory_name).map_err(Error::Invalid)?;
    match Problems::new(directory::check(&study, &source, directory)) {
        Some(problems) => Err(Error::Invalid(problems)),
        None => Ok(Opened {
            study,
            directory: directory.to_owned(),
            definition,
        }),
    }
}

fn read_definition(directory: &Path) -> Result<String, Error> {
    let file = directory.join(FILE_NAME);
    let unreadable = |source| Error::Unreadable {
        path: file.clone(),
        source,
    };
    let metadata = match fs::symlink_metadata(&file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoStudyFile {
                directory: directory.to_owned(),
            });
        }
        Err(error) => return Err(unreadable(error)),
    };
    if !metadata.is_file() {
        let found = match metadata.file_type() {
            kind if kind.is_symlink() => "symbolic link",
            kind if kind.is_dir() => "directory",
            _ => "special file",
        };
        return Err(Error::NotPlain { file, found });
    }
    if metadata.len() > STUDY_FILE_BYTES_MAX {
        return Err(Error::TooBig {
            file,
            found: metadata.len(),
            limit: STUDY_FILE_BYTES_MAX,
        });
    }
    let mut bytes = Vec::new();
    fs::File::open(&file)
        .and_then(|open| open.take(STUDY_FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        Error::NotUtf8 {
            line: bytes[..good].split(|byte| *byte == b'\n').count(),
            byte: bytes.get(good).copied().unwrap_or_default(),
            file,
        }
    })
}

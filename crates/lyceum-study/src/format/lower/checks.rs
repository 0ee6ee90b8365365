//! Checks that many keys share. Each adds its problems to a list and goes on.

use std::time::Duration;

use lyceum_types::{Bytes, Span};

use crate::{
    format::{
        command::{Command, Placeholder, placeholders},
        kind::Kind,
        problem::Problem,
        source::{Source, Way},
        study::Limits,
    },
    workspace::Globs,
};

/// Shorter than this no process starts and ends.
const TIMEOUT_MIN: Span = Span(Duration::from_millis(10));
/// Longer than this is a mistake of units.
const TIMEOUT_MAX: Span = Span(Duration::from_hours(30 * 24));
/// With less than this no process starts.
const MEMORY_MIN: Bytes = Bytes(4 << 20);
/// More than this no machine has.
const MEMORY_MAX: Bytes = Bytes(64 << 40);
/// Longest plain file name.
const FILE_NAME_BYTES_MAX: usize = 255;
/// Longest metric name.
const METRIC_NAME_BYTES_MAX: usize = 64;

/// The problems found so far, and where to look up places.
pub(super) struct Checks<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(source: &'a Source) -> Checks<'a> {
        Checks {
            source,
            problems: Vec::new(),
        }
    }

    /// Adds a problem of the value at the end of the way.
    pub(super) fn at_value(&mut self, way: &Way, kind: Kind) {
        let place = Some(self.source.value_place(way));
        self.problems.push(Problem { kind, place });
    }

    /// Adds a problem of the key at the end of the way.
    pub(super) fn at_key(&mut self, way: &Way, kind: Kind) {
        let place = Some(self.source.key_place(way));
        self.problems.push(Problem { kind, place });
    }

    /// Adds a problem of the file as a whole.
    pub(super) fn whole(&mut self, kind: Kind) {
        self.problems.push(Problem { kind, place: None });
    }

    /// Checks a path of at least one plain component that stays below its directory.
    pub(super) fn relative_path(&mut self, way: &Way, path: &str) {
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control)
        };
        if !path.split('/').all(plain) {
            let kind = Kind::Path {
                key: way.to_string(),
                found: path.to_owned(),
                expected: "a relative path without `.` and `..`".to_owned(),
            };
            self.at_value(way, kind);
        }
    }

    /// Checks names of files in one directory: plain, and each once.
    pub(super) fn file_names(&mut self, way: &Way, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            let below = way.index(index);
            self.file_name(&below, name);
            if names[..index].contains(name) {
                let (key, name) = (way.to_string(), name.clone());
                self.at_value(
                    &below,
                    Kind::Twice {
                        key,
                        name,
                        with: None,
                    },
                );
            }
        }
    }

    /// Checks the name of a file in a flat directory.
    pub(super) fn file_name(&mut self, way: &Way, name: &str) {
        let plain = (1..=FILE_NAME_BYTES_MAX).contains(&name.len())
            && name != "."
            && name != ".."
            && !name.contains('/')
            && !name.chars().any(char::is_control);
        if !plain {
            let kind = Kind::Path {
                key: way.to_string(),
                found: name.to_owned(),
                expected: "the plain name of a file, without `/`".to_owned(),
            };
            self.at_value(way, kind);
        }
    }

    pub(super) fn metric_name(&mut self, way: &Way, name: &str) {
        let usable = (1..=METRIC_NAME_BYTES_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        if !usable {
            let kind = Kind::Name {
                key: way.to_string(),
                found: name.to_owned(),
                expected: "1 to 64 letters, digits, `_`, `-`, `.` and `/`".to_owned(),
            };
            self.at_value(way, kind);
        }
    }

    pub(super) fn globs(&mut self, way: &Way, patterns: &[String]) -> Globs {
        match Globs::new(patterns) {
            Ok(globs) => globs,
            Err(bad) => {
                for bad in bad {
                    let kind = Kind::Glob {
                        key: way.to_string(),
                        pattern: bad.pattern,
                        message: bad.message,
                    };
                    self.at_value(&way.index(bad.index), kind);
                }
                Globs::default()
            }
        }
    }

    /// Checks that a command has a program and that its placeholders are among the allowed ones.
    pub(super) fn command(
        &mut self,
        way: &Way,
        words: Vec<String>,
        allowed: &[Placeholder],
    ) -> Command {
        if words
            .first()
            .is_none_or(|program| program.trim().is_empty())
        {
            let expected = "a program and its arguments, like [\"sh\", \"run.sh\"]".to_owned();
            self.at_value(
                way,
                Kind::Empty {
                    key: way.to_string(),
                    expected,
                },
            );
        }
        for (index, word) in words.iter().enumerate() {
            if word.contains('\0') {
                let kind = Kind::Unreadable {
                    key: way.to_string(),
                    message: "an argument cannot hold a zero byte".to_owned(),
                };
                self.at_value(&way.index(index), kind);
            }
            for found in placeholders(word) {
                if !allowed
                    .iter()
                    .any(|placeholder| placeholder.name() == found)
                {
                    let known = allowed.iter().map(|one| one.name().to_owned()).collect();
                    let (key, found) = (way.to_string(), found.to_owned());
                    self.at_value(&way.index(index), Kind::Placeholder { key, found, known });
                }
            }
        }
        Command::new(words)
    }

    /// Checks the `timeout` and `memory` of the table at the end of the way.
    pub(super) fn limits(&mut self, way: &Way, timeout: Span, memory: Bytes) -> Limits {
        let why = if timeout > TIMEOUT_MAX {
            "is the unit right?"
        } else {
            ""
        };
        self.within(
            &way.key("timeout"),
            &timeout,
            (&TIMEOUT_MIN, &TIMEOUT_MAX),
            why,
        );
        self.within(&way.key("memory"), &memory, (&MEMORY_MIN, &MEMORY_MAX), "");
        Limits { timeout, memory }
    }

    /// Checks that a value is within bounds.
    pub(super) fn within<T: PartialOrd + std::fmt::Display>(
        &mut self,
        way: &Way,
        found: &T,
        (low, high): (&T, &T),
        why: &str,
    ) {
        if found < low || found > high {
            let kind = Kind::OutOfRange {
                key: way.to_string(),
                found: found.to_string(),
                expected: format!("{low} to {high}"),
                why: why.to_owned(),
            };
            self.at_value(way, kind);
        }
    }
}

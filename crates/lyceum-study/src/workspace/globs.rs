//! Lists of globs on relative paths.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs on paths relative to some directory. `*` and `?` stay within one component, `**` crosses them.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

/// A text that is not a usable glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadGlob {
    /// Place of the glob in its list, from 0.
    pub index: usize,
    /// The glob.
    pub pattern: String,
    /// What is wrong with it.
    pub message: String,
}

impl Globs {
    /// Compiles the globs; returns every one that cannot be used.
    pub fn new(patterns: &[String]) -> Result<Globs, Vec<BadGlob>> {
        let mut builder = GlobSetBuilder::new();
        let mut bad = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let compiled = check_form(pattern).and_then(|()| {
                GlobBuilder::new(pattern)
                    .literal_separator(true)
                    .build()
                    .map_err(|error| error.kind().to_string())
            });
            match compiled {
                Ok(glob) => {
                    builder.add(glob);
                }
                Err(message) => bad.push(BadGlob {
                    index,
                    pattern: pattern.clone(),
                    message,
                }),
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        match builder.build() {
            Ok(set) => Ok(Globs {
                patterns: patterns.to_vec(),
                set,
            }),
            Err(error) => {
                let (pattern, message) = (patterns.join(" "), error.kind().to_string());
                Err(vec![BadGlob {
                    index: 0,
                    pattern,
                    message,
                }])
            }
        }
    }

    /// Returns the globs as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Tells whether some glob matches the relative path.
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        self.set.is_match(path)
    }

    /// Returns the first glob that matches the relative path.
    pub fn matching(&self, path: impl AsRef<Path>) -> Option<&str> {
        let index = self.set.matches(path).first().copied()?;
        self.patterns.get(index).map(String::as_str)
    }

    /// Returns the places of all globs that match the relative path.
    pub(crate) fn all_matching(&self, path: &Path) -> Vec<usize> {
        self.set.matches(path)
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Globs) -> bool {
        self.patterns == other.patterns
    }
}

/// Refuses globs that could never match a relative path.
fn check_form(pattern: &str) -> Result<(), String> {
    let problem = if pattern.is_empty() {
        "it is empty"
    } else if pattern.starts_with('/') {
        "it is absolute; write it relative to the directory"
    } else if pattern.split('/').any(|part| part == "..") {
        "it leads upwards with `..`"
    } else if pattern.split('/').any(|part| part == ".") {
        "it has a `.` component; leave it out"
    } else if pattern.ends_with('/') {
        "it ends with `/`; add `**` for all that is below"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

//! The lab's directory: where its ledger, scratch space and reports are.

use std::path::{Path, PathBuf};

use lyceum_ledger::BlobId;

/// Name of a lab's directory.
pub const DIRECTORY: &str = ".lyceum";

/// Most bytes of the name under which a lab holds a study; it becomes part of paths.
const STUDY_NAME_BYTES_MAX: usize = 100;

/// Whether a lab can hold a study under this name: letters, digits, `.`, `_` and `-`, then perhaps `~` and a
/// number. What is anything else, as `..` or a path, could lead out of the lab.
pub fn is_study_name(name: &str) -> bool {
    let (base, number) = match name.split_once('~') {
        Some((base, number)) => (base, Some(number)),
        None => (name, None),
    };
    let of_base = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_number = |number: &str| {
        (1..=9).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.len() <= STUDY_NAME_BYTES_MAX
        && !base.is_empty()
        && base != "."
        && base != ".."
        && base.bytes().all(of_base)
        && number.is_none_or(is_number)
}

/// Returns the directory of a study inside `above`: its name, or a hash of a name that no study may have.
pub(super) fn inside(above: &Path, study: &str) -> PathBuf {
    if is_study_name(study) {
        above.join(study)
    } else {
        above.join(format!("unnamed-{}", BlobId::of(study.as_bytes())))
    }
}

/// A lab on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    root: PathBuf,
}

impl Lab {
    /// Returns the lab in this directory itself.
    pub fn at(root: impl Into<PathBuf>) -> Lab {
        Lab { root: root.into() }
    }

    /// Returns the nearest lab at or above `from`, or the one that would be made in `from`.
    pub fn find(from: &Path) -> Lab {
        let found = from
            .ancestors()
            .map(|up| up.join(DIRECTORY))
            .find(|path| path.is_dir());
        Lab::at(found.unwrap_or_else(|| from.join(DIRECTORY)))
    }

    /// Returns the lab's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the ledger is.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Returns where runs in flight have their files. Nothing there outlives the session.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Returns the file whose presence stops whoever works in the lab.
    pub fn stop(&self) -> PathBuf {
        self.root.join("stop")
    }

    /// Returns where receipts of runs wait for their place in the ledger.
    pub fn receipts(&self) -> PathBuf {
        self.root.join("receipts")
    }

    /// Returns where the contents of memory stores are.
    pub fn memory(&self) -> PathBuf {
        self.root.join("memory")
    }

    /// Returns where copies of a study's data are laid out for its sandboxes.
    pub fn data(&self, study: &str) -> PathBuf {
        inside(&self.root.join("data"), study)
    }

    /// Returns where programs of the lab are kept under the name of their contents.
    pub fn programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// Returns where reports are, each in the directory of its study.
    pub fn studies(&self) -> PathBuf {
        self.root.join("studies")
    }

    /// Returns where a study's report is written.
    pub fn report(&self, study: &str) -> PathBuf {
        inside(&self.studies(), study).join("report.html")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_lab() {
        let long = "a".repeat(101);
        for name in [
            "",
            ".",
            "..",
            "../a",
            "/a",
            "a/b",
            "a\nb",
            "a\u{1b}[1m",
            "~2",
            "a~",
            "a~x",
            "a~2~3",
            "é",
            &long,
        ] {
            assert!(!is_study_name(name), "{name:?}");
            for path in [Lab::at("/lab").report(name), Lab::at("/lab").data(name)] {
                let text = path.to_str().unwrap();
                assert!(text.contains("/unnamed-") && !text.contains(".."), "{text}");
            }
        }
        for name in ["a", "A-b_c.9", "..a", "tiny~2", &long[1..]] {
            assert!(is_study_name(name), "{name:?}");
            assert_eq!(
                Lab::at("/lab").data(name),
                Path::new("/lab/data").join(name)
            );
        }
    }

    #[test]
    fn the_nearest_lab_above_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(Lab::find(&deep).root(), deep.join(DIRECTORY));
        std::fs::create_dir(directory.path().join(DIRECTORY)).unwrap();
        assert_eq!(Lab::find(&deep).root(), directory.path().join(DIRECTORY));
    }
}

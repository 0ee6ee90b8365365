//! The lab's directory: where its ledger, scratch space and reports are.

use std::path::{Path, PathBuf};

/// Name of a lab's directory.
pub const DIRECTORY: &str = ".lyceum";

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

    /// Returns where receipts of runs wait for their place in the ledger.
    pub fn receipts(&self) -> PathBuf {
        self.root.join("receipts")
    }

    /// Returns where copies of a study's data are laid out for its sandboxes.
    pub fn data(&self, study: &str) -> PathBuf {
        self.root.join("data").join(study)
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
        self.studies().join(study).join("report.html")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

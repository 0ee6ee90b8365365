//! What `lyceum new` writes: a small study that runs, or a study around a script.

mod error;
mod script;

pub use error::Error;
pub use script::from_script;

/// A file to write, relative to the new directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Relative path.
    pub path: String,
    /// Its bytes.
    pub contents: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
}

impl NewFile {
    fn text(path: &str, contents: &str) -> NewFile {
        NewFile {
            path: path.to_owned(),
            contents: contents.as_bytes().to_vec(),
            executable: false,
        }
    }

    fn program(path: &str, contents: &str) -> NewFile {
        NewFile {
            executable: true,
            ..NewFile::text(path, contents)
        }
    }
}

/// Returns the files of a small study that needs nothing but a POSIX shell and awk: which settings of stochastic gradient
/// descent fit a curve best. One run takes well under a second.
pub fn new_study() -> Vec<NewFile> {
    vec![
        NewFile::text("study.toml", include_str!("files/study.toml")),
        NewFile::text(
            "workspace/settings.toml",
            include_str!("files/settings.toml"),
        ),
        NewFile::program("workspace/train.sh", include_str!("files/train.sh")),
        NewFile::program("evaluate.sh", include_str!("files/evaluate.sh")),
        NewFile::text("heldout.txt", include_str!("files/heldout.txt")),
        NewFile::program("sealed/evaluate.sh", include_str!("files/evaluate.sh")),
        NewFile::text(
            "sealed/heldout.txt",
            include_str!("files/heldout-sealed.txt"),
        ),
    ]
}

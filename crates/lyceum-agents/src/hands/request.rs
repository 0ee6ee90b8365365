//! What is asked of the hands.

use std::fs;

use serde::{Deserialize, Serialize};

/// Something to be done with files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Show lines of a file.
    Read {
        /// The file.
        path: String,
        /// The first line, from 1.
        #[serde(default)]
        offset: Option<u64>,
        /// Most lines.
        #[serde(default)]
        limit: Option<u64>,
    },
    /// Write a whole file.
    Write {
        /// The file.
        path: String,
        /// What is to be in it.
        content: String,
    },
    /// Replace a text in a file.
    Edit {
        /// The file.
        path: String,
        /// The text that is there, exactly.
        old: String,
        /// What takes its place.
        new: String,
        /// Whether to replace each place where it stands; otherwise it must stand in one.
        #[serde(default)]
        all: bool,
    },
    /// List files by their names.
    Glob {
        /// As in `**/*.py`.
        pattern: String,
    },
    /// List lines that hold a text.
    Grep {
        /// The text, taken as it stands.
        pattern: String,
        /// File or directory to look in; without it the working directory.
        #[serde(default)]
        path: Option<String>,
    },
}

/// Reads the request in a file, or says what is wrong with it.
pub fn read_request(path: impl AsRef<std::path::Path>) -> Result<Request, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("the request: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("the request: {error}"))
}

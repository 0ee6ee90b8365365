//! Names of stores and paths of entries.

use crate::error::Error;

/// What the streams of stores begin with.
pub const STREAM_PREFIX: &str = "memory/";

/// What the streams of models' dreams begin with; the store that one writes has its name.
pub const DREAM_PREFIX: &str = "dream/";

const STORE_BYTES_MAX: usize = 64;
const PATH_BYTES_MAX: usize = 1024;
const PART_BYTES_MAX: usize = 200;

/// Checks the name of a store: letters, digits, `-` and `_`, at most 64.
///
/// # Errors
/// [`Error::StoreName`].
pub fn check_store(name: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = (1..=STORE_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('-');
    if good {
        Ok(())
    } else {
        Err(Error::StoreName {
            found: name.to_owned(),
        })
    }
}

/// Checks the path of an entry: parts between single `/`, none of them `.` or `..`, nothing that does not print.
///
/// # Errors
/// [`Error::Path`].
pub fn check_path(path: &str) -> Result<(), Error> {
    let good_part =
        |part: &str| (1..=PART_BYTES_MAX).contains(&part.len()) && part != "." && part != "..";
    let good = path.len() <= PATH_BYTES_MAX
        && path.split('/').all(good_part)
        && !path
            .chars()
            .any(|one| one.is_control() || lyceum_types::is_unseen(one));
    if good {
        Ok(())
    } else {
        Err(Error::Path {
            found: path.to_owned(),
        })
    }
}

/// Returns the stream of a store.
pub(crate) fn stream(store: &str) -> String {
    format!("{STREAM_PREFIX}{store}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_have_plain_names() {
        for name in ["a", "lab-2", "A_b", &"x".repeat(64)] {
            assert!(check_store(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "..", "-a", "ä", "a\n", &"x".repeat(65)] {
            assert!(check_store(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["a", "a/b.md", "ä/ö", "x/".repeat(500).trim_end_matches('/')] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        let long = "x".repeat(201);
        for path in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "a/../b",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{e0041}b",
            &long,
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path(&"x/".repeat(600)).is_err());
    }
}

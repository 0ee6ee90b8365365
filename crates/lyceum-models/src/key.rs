//! Keys: where they come from, and that they go nowhere but into one header.

use std::{
    collections::HashSet,
    ffi::OsString,
    fmt,
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// No provider's key is longer.
const KEY_BYTES_MAX: usize = 4096;
/// A shorter text would be found in innocent words when it is looked for.
const KEY_BYTES_MIN: usize = 8;
/// So many characters of a key in a row are taken for a part of it; keys of one kind begin with the same few.
const PART_BYTES: usize = 12;
/// Permission bits of a file of keys that must not be set: anything for group and others.
const OTHERS: u32 = 0o077;

/// Why there is no key that can be used. Never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither a key nor a file of one is set.
    #[error("no key: set {variable}, or {variable}_FILE to a file of mode 0600 that holds it")]
    Missing {
        /// The variable of the environment.
        variable: &'static str,
    },
    /// The file cannot be read.
    #[error("the key's file `{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not one, or not one's own.
    #[error("the key's file `{}` is {found}; expected a file of one's own", path.display())]
    NotOwn {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Others may read the file.
    #[error(
        "the key's file `{}` has mode {mode:04o}, so others can read it; expected 0600: chmod 600 it, and replace the key if others had access",
        path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is there is no key.
    #[error("what {place} holds is no key: {reason}")]
    NoKey {
        /// The variable or file.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key would cross a network unencrypted.
    #[error(
        "`{host}` is another machine and not encrypted, so no key is sent there: use https, or unset {variable}"
    )]
    NotEncrypted {
        /// The server.
        host: String,
        /// The variable of the environment.
        variable: &'static str,
    },
}

/// A key. Does not print itself, is not serialised, and is compared by nobody.
#[derive(Clone)]
pub struct Secret {
    text: Arc<str>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Returns a key after a look at its form: 8 to 4,096 visible ASCII characters. Spaces around it are cut off.
    pub fn new(text: &str, place: &str) -> Result<Self, KeyError> {
        let fault = |reason| KeyError::NoKey {
            place: place.to_owned(),
            reason,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(fault("it is empty"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault(
                "it has spaces, line ends or other than ASCII characters inside",
            ));
        }
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&text.len()) {
            return Err(fault("it is shorter than 8 or longer than 4096 characters"));
        }
        Ok(Self { text: text.into() })
    }

    /// Returns the key, for the one header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.text
    }

    /// Returns a text without the key and without any part of it of [`PART_BYTES`] or more. Takes time in the length
    /// of both together.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let length = self.text.len().min(PART_BYTES);
        let parts: HashSet<&[u8]> = self.text.as_bytes().windows(length).collect();
        // What stands before `done` is told.
        let (mut clean, mut done) = (String::new(), 0);
        for (at, part) in text.as_bytes().windows(length).enumerate() {
            if !parts.contains(part) {
                continue;
            }
            // Keys are ASCII, so that a part begins and ends between characters.
            if done == 0 || at > done {
                clean.push_str(&text[done..at]);
                clean.push_str("[key]");
            }
            done = at + length;
        }
        clean.push_str(&text[done..]);
        clean
    }

    /// Returns whether some bytes hold the key.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        let key = self.text.as_bytes();
        bytes.windows(key.len()).any(|window| window == key)
    }
}

/// The environment, or what a test says it is.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the process's environment.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the key that `variable`, or the file that `variable_FILE` names; nothing where neither is set. Both at
/// once are fine: the variable counts.
pub(crate) fn find(
    variable: &'static str,
    environment: Environment<'_>,
) -> Result<Option<Secret>, KeyError> {
    if let Some(value) = environment(variable) {
        let text = value.into_string().map_err(|_| KeyError::NoKey {
            place: variable.to_owned(),
            reason: "it has other than ASCII characters",
        })?;
        return Secret::new(&text, variable).map(Some);
    }
    match environment(&format!("{variable}_FILE")) {
        Some(path) => read(Path::new(&path)).map(Some),
        None => Ok(None),
    }
}

/// Reads a file that holds nothing but a key, if nobody but its owner can.
pub(crate) fn read(path: &Path) -> Result<Secret, KeyError> {
    let unreadable = |error: std::io::Error| KeyError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    // Not to wait for the other end of a pipe that somebody put there.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    check(path, &file)?;
    let mut text = String::new();
    let most = KEY_BYTES_MAX as u64 + 2;
    file.by_ref()
        .take(most)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Secret::new(&text, &format!("`{}`", path.display()))
}

/// Looks at the opened file, so that nobody can exchange it in between.
fn check(path: &Path, file: &File) -> Result<(), KeyError> {
    let about = file.metadata().map_err(|error| KeyError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let not_own = |found| KeyError::NotOwn {
        path: path.to_owned(),
        found,
    };
    if !about.is_file() {
        return Err(not_own("no file"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(not_own("somebody else's"));
    }
    if about.mode() & OTHERS != 0 {
        return Err(KeyError::OpenToOthers {
            path: path.to_owned(),
            mode: about.mode() & 0o7777,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const KEY: &str = "sk-test-0123456789";

    fn file(mode: u32, text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_of_ones_own_is_read() {
        for mode in [0o600, 0o400] {
            let (_directory, path) = file(mode, &format!("{KEY}\n"));
            assert_eq!(read(&path).unwrap().reveal(), KEY);
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_the_key_not_told() {
        for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
            let (_directory, path) = file(mode, KEY);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyError::OpenToOthers { .. }), "{mode:o}");
            let told = format!("{error} {error:?}");
            assert!(told.contains("0600") && !told.contains(KEY), "{told}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (directory, path) = file(0o600, "two words");
        assert!(matches!(read(&path), Err(KeyError::NoKey { .. })));
        assert!(matches!(
            read(directory.path()),
            Err(KeyError::NotOwn { .. })
        ));
        let missing = directory.path().join("none");
        assert!(matches!(read(&missing), Err(KeyError::Unreadable { .. })));
        for text in ["", " ", "short", "ab\ncdefghijkl", "schlüsselschlüssel"] {
            assert!(Secret::new(text, "X").is_err(), "{text}");
        }
        assert!(Secret::new(&"k".repeat(5000), "X").is_err());
    }

    #[test]
    fn a_pipe_in_the_place_of_a_key_does_not_hang() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(read(&path), Err(KeyError::NotOwn { .. })));
    }

    #[test]
    fn the_variable_counts_before_the_file() {
        let (_directory, path) = file(0o600, "from-a-file");
        let both = |name: &str| match name {
            "K" => Some(OsString::from(KEY)),
            "K_FILE" => Some(path.clone().into_os_string()),
            _ => None,
        };
        assert_eq!(find("K", &both).unwrap().unwrap().reveal(), KEY);
        let one = |name: &str| both(name).filter(|_| name != "K");
        assert_eq!(find("K", &one).unwrap().unwrap().reveal(), "from-a-file");
        assert!(find("K", &|_: &str| None).unwrap().is_none());
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let secret = Secret::new(KEY, "X").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.scrub(&format!("bad key {KEY}!")), "bad key [key]!");
        assert_eq!(
            secret.scrub(&format!("bad key {}…", &KEY[..12])),
            "bad key [key]…"
        );
        assert_eq!(
            secret.scrub(&format!("ü{KEY}{KEY}ü {}, {}☀", &KEY[..11], &KEY[3..17])),
            format!("ü[key]ü {}, [key]☀", &KEY[..11])
        );
        let short = Secret::new("12345678", "X").unwrap();
        assert_eq!(short.scrub("123456789 1234567"), "[key]9 1234567");
        assert!(secret.is_in(format!("x{KEY}").as_bytes()) && !secret.is_in(b"sk-test"));
    }
}

//! Taking declared outputs out of a directory that untrusted code wrote.
//!
//! Nothing there is trusted: names may be links to secrets, pipes that never answer, hard links to
//! other files, sparse files of any size. Contents are returned as bytes and not interpreted.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// What may be taken at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Bytes of one file, by its length and by its blocks on disk.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Time for all of it.
    pub time: Duration,
}

impl Default for Limits {
    /// Returns 64 files of at most 256 MiB, 512 MiB together, in 60 seconds.
    fn default() -> Self {
        Self {
            files: 64,
            file_bytes: 256 << 20,
            total_bytes: 512 << 20,
            time: Duration::from_mins(1),
        }
    }
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harvested {
    /// Its name as declared.
    pub name: String,
    /// What it held.
    pub bytes: Vec<u8>,
}

/// Why an output was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory itself cannot be opened.
    #[error("failed to open `{path}`")]
    Root {
        /// The directory.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// More names than files allowed.
    #[error("{found} outputs are declared, more than {expected}")]
    TooMany {
        /// Names given.
        found: usize,
        /// Files allowed.
        expected: usize,
    },
    /// One output is refused.
    #[error("output `{}` is refused: {why}", shown_name(name))]
    File {
        /// Its name as declared.
        name: String,
        /// Why.
        why: Why,
    },
}

/// Returns a name as one line: a name may hold line ends, and a refusal must not look like two.
fn shown_name(name: &str) -> String {
    let shown = crate::show_untrusted(name.as_bytes());
    shown.replace('\n', "\\n").replace('\t', "\\t")
}

/// What is wrong with one output.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The name is not a plain relative path.
    #[error("the name is not a plain relative path")]
    Name,
    /// There is no such file.
    #[error("it does not exist")]
    Missing,
    /// It is a symbolic link, or lies behind one.
    #[error("it is or lies behind a symbolic link")]
    Link,
    /// It lies on another file system or outside the directory.
    #[error("it leads out of the output directory")]
    Outside,
    /// It is a directory, pipe, device or socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has other names, so others may own or change it.
    #[error("it has {found} names (hard links), expected one")]
    HardLink {
        /// Names it has.
        found: u64,
    },
    /// It is too large.
    #[error("it has {found} bytes, more than {expected}")]
    TooLarge {
        /// The greater of its length and its blocks, or the sum so far.
        found: u64,
        /// Bytes allowed.
        expected: u64,
    },
    /// It took too long.
    #[error("reading took longer than {} s", expected.as_secs())]
    TooSlow {
        /// Time allowed.
        expected: Duration,
    },
    /// The system failed.
    #[error("{source}")]
    System {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Returns the bytes of each named file below `root`, in the order given.
///
/// `root` is a path from the lab; everything below it is untrusted. Of an overlay's upper directory
/// this yields what the run wrote, not what was there before.
///
/// # Errors
///
/// Fails on the first output that is missing or not what an honest program writes.
pub fn harvest(root: &Path, names: &[String], limits: &Limits) -> Result<Vec<Harvested>, Error> {
    if names.len() > limits.files {
        return Err(Error::TooMany {
            found: names.len(),
            expected: limits.files,
        });
    }
    let directory = open_root(root)?;
    let begun = Instant::now();
    let mut total = 0;
    let mut taken = Vec::new();
    for name in names {
        let bytes = take(&directory, name, limits, total, begun).map_err(|why| Error::File {
            name: name.clone(),
            why,
        })?;
        total += bytes.len() as u64;
        taken.push(Harvested {
            name: name.clone(),
            bytes,
        });
    }
    Ok(taken)
}

/// Opens one file below `root` to be read, as it is opened to be taken: a regular file with one name, reached without a link,
/// without waiting. It may still be written to. For what is read while the run goes on.
///
/// # Errors
///
/// Fails where there is no such file, and on what an honest program does not write.
pub fn open(root: &Path, name: &str) -> Result<File, Error> {
    let directory = open_root(root)?;
    let opened = open_regular(&directory, name).map(|(file, _)| file);
    opened.map_err(|why| Error::File {
        name: name.to_owned(),
        why,
    })
}

fn open_root(root: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(|error| Error::Root {
        path: root.display().to_string(),
        source: error.into(),
    })
}

fn open_regular(root: &OwnedFd, name: &str) -> Result<(File, Metadata), Why> {
    let file = File::from(open_below(root, name)?);
    let status = file.metadata().map_err(|source| Why::System { source })?;
    if !status.is_file() {
        return Err(Why::NotRegular);
    }
    match status.nlink() {
        1 => Ok((file, status)),
        found => Err(Why::HardLink { found }),
    }
}

fn take(
    root: &OwnedFd,
    name: &str,
    limits: &Limits,
    total: u64,
    begun: Instant,
) -> Result<Vec<u8>, Why> {
    let (mut file, status) = open_regular(root, name)?;
    let size = status.len().max(status.blocks().saturating_mul(512));
    // A file of one byte has a block of several thousand; only its length counts below that.
    let size = if size <= BLOCK_SLACK {
        status.len()
    } else {
        size
    };
    for (found, expected) in [
        (size, limits.file_bytes),
        (total + status.len(), limits.total_bytes),
    ] {
        if found > expected {
            return Err(Why::TooLarge { found, expected });
        }
    }
    read(&mut file, status.len(), limits.time, begun)
}

/// Blocks that a small file may take beyond its length.
const BLOCK_SLACK: u64 = 64 << 10;

fn open_below(root: &OwnedFd, name: &str) -> Result<OwnedFd, Why> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain || name.ends_with('/') || name.contains('\0') {
        return Err(Why::Name);
    }
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    // Without NONBLOCK a pipe would wait for a writer that never comes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat2(root, name, flags, Mode::empty(), resolve).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Why::Missing,
        Errno::LOOP => Why::Link,
        Errno::XDEV => Why::Outside,
        // A socket or a device without a driver cannot be opened at all.
        Errno::NXIO | Errno::NODEV => Why::NotRegular,
        error => Why::System {
            source: error.into(),
        },
    })
}

fn read(file: &mut File, length: u64, time: Duration, begun: Instant) -> Result<Vec<u8>, Why> {
    const CHUNK: usize = 1 << 20;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK).max(1))];
    let mut rest = file.take(length);
    loop {
        if begun.elapsed() > time {
            return Err(Why::TooSlow { expected: time });
        }
        match rest.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(more) => bytes.extend_from_slice(&chunk[..more]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Why::System { source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn why(root: &Path, name: &str) -> Why {
        let limits = Limits {
            file_bytes: 1 << 20,
            ..Limits::default()
        };
        match harvest(root, &[name.to_owned()], &limits) {
            Err(Error::File { why, .. }) => why,
            other => panic!("`{name}`: expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn honest_files_are_taken_in_order() {
        let root = tempfile::tempdir().expect("makes a directory");
        fs::create_dir(root.path().join("sub")).expect("makes");
        fs::write(root.path().join("sub/b"), b"\x00\xff").expect("writes");
        fs::write(root.path().join("a"), "").expect("writes");
        let names = ["sub/b".to_owned(), "a".to_owned()];
        let taken = harvest(root.path(), &names, &Limits::default()).expect("takes");
        assert_eq!(
            taken[0],
            Harvested {
                name: "sub/b".into(),
                bytes: vec![0, 255]
            }
        );
        assert_eq!(
            taken[1],
            Harvested {
                name: "a".into(),
                bytes: vec![]
            }
        );
    }

    #[test]
    fn hostile_files_are_refused_each_for_its_reason() {
        let place = tempfile::tempdir().expect("makes a directory");
        let secret = place.path().join("secret");
        fs::write(&secret, "key").expect("writes");
        let root = place.path().join("out");
        fs::create_dir(&root).expect("makes");
        let at = |name: &str| root.join(name);
        symlink(&secret, at("link")).expect("links");
        symlink(place.path(), at("through")).expect("links");
        fs::hard_link(&secret, at("hard")).expect("links");
        rustix::fs::mknodat(CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .expect("makes");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("binds");
        fs::create_dir(at("directory")).expect("makes");
        File::create(at("sparse"))
            .and_then(|file| file.set_len(1 << 41))
            .expect("makes");
        assert!(matches!(why(&root, "link"), Why::Link));
        assert!(matches!(why(&root, "through/secret"), Why::Link));
        assert!(matches!(why(&root, "hard"), Why::HardLink { found: 2 }));
        assert!(matches!(why(&root, "pipe"), Why::NotRegular));
        assert!(matches!(why(&root, "socket"), Why::NotRegular));
        assert!(matches!(why(&root, "directory"), Why::NotRegular));
        assert!(matches!(why(&root, "sparse"), Why::TooLarge { .. }));
        assert!(matches!(why(&root, "absent"), Why::Missing));
        assert!(matches!(why(&root, "hard/below"), Why::Missing));
        for name in [
            "link",
            "through/secret",
            "hard",
            "pipe",
            "socket",
            "directory",
        ] {
            assert!(super::open(&root, name).is_err(), "`{name}` was opened");
        }
        for name in [
            "",
            "../secret",
            "/etc/passwd",
            "a/../../secret",
            ".",
            "directory/",
        ] {
            assert!(matches!(why(&root, name), Why::Name), "`{name}`");
        }
    }

    #[test]
    fn counts_totals_and_time_are_bounded() {
        let root = tempfile::tempdir().expect("makes a directory");
        fs::write(root.path().join("a"), [0; 600]).expect("writes");
        fs::write(root.path().join("b"), [0; 600]).expect("writes");
        let names = ["a".to_owned(), "b".to_owned()];
        let limits = Limits {
            files: 1,
            ..Limits::default()
        };
        assert!(matches!(
            harvest(root.path(), &names, &limits),
            Err(Error::TooMany {
                found: 2,
                expected: 1
            })
        ));
        let limits = Limits {
            total_bytes: 1_000,
            ..Limits::default()
        };
        let refused = harvest(root.path(), &names, &limits);
        assert!(
            matches!(
                refused,
                Err(Error::File {
                    why: Why::TooLarge { found: 1_200, .. },
                    ..
                })
            ),
            "{refused:?}"
        );
        let limits = Limits {
            time: Duration::ZERO,
            ..Limits::default()
        };
        let refused = harvest(root.path(), &names, &limits);
        assert!(
            matches!(
                refused,
                Err(Error::File {
                    why: Why::TooSlow { .. },
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}

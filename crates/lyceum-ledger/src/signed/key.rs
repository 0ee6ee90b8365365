//! The lab's key: made with the lab, kept in a file of its own that only its owner can read.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::hash::{self, PublicKey, Signature};
use crate::random::Entropy;
use crate::store::{open_regular, sync_directory};

/// Signs in the name of a lab. Its secret is never shown.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Signer")
            .field(&self.public())
            .finish()
    }
}

impl Signer {
    /// Makes a new key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self(SigningKey::from_bytes(&secret))
    }

    /// Returns the key that its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, text: &str) -> Signature {
        Signature::from_bytes(self.0.sign(text.as_bytes()).to_bytes())
    }
}

/// Whether `key` has signed `text`. Strict: one text has one signature, and weak keys sign nothing.
pub(crate) fn is_signed(key: PublicKey, text: &str, signature: Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(key.as_bytes())
        .is_ok_and(|key| key.verify_strict(text.as_bytes(), &signature).is_ok())
}

/// Returns the short name of a key under which signed notes give their signatures: the first bytes
/// of SHA-256 of name, newline, the algorithm's number and the key.
pub(crate) fn key_id(name: &str, key: PublicKey) -> [u8; 4] {
    const ED25519: u8 = 1;
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', ED25519]);
    hasher.update(key.as_bytes());
    let digest = hasher.finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The file that holds a lab's key, and the one that holds the next while it is being changed.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    directory: PathBuf,
}

impl KeyFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("key")
    }

    fn next_path(&self) -> PathBuf {
        self.directory.join("key.next")
    }

    /// Whether there is a key, or something in its place.
    pub(crate) fn is_there(&self) -> bool {
        self.path().symlink_metadata().is_ok()
    }

    /// Reads the key; nothing if there is no file.
    pub(crate) fn load(&self) -> Result<Option<Signer>, Error> {
        load(&self.path())
    }

    /// Returns the key of a lab that is being made: what an interrupted making left, or a new one. It becomes the lab's
    /// key when its events are there ([`KeyFile::settle`]); a key in force without events is of a lab that lost them.
    pub(crate) fn first(&self, entropy: &dyn Entropy) -> Result<Signer, Error> {
        if self.is_there() {
            return Err(Error::EventsGone {
                directory: self.directory.clone(),
            });
        }
        if let Some(signer) = load(&self.next_path())? {
            return Ok(signer);
        }
        let signer = Signer::new(entropy);
        self.propose(&signer)?;
        Ok(signer)
    }

    /// Returns the key of a lab that had none: what an interrupted making left, or a new one.
    pub(crate) fn load_or_make(&self, entropy: &dyn Entropy) -> Result<Signer, Error> {
        if let Some(signer) = self.load()? {
            return Ok(signer);
        }
        let signer = Signer::new(entropy);
        self.write(&signer, &self.path())?;
        Ok(signer)
    }

    /// Keeps a key that is to follow the present one, before the event that says so.
    pub(crate) fn propose(&self, next: &Signer) -> Result<(), Error> {
        self.write(next, &self.next_path())
    }

    /// Settles a change of key: a proposed key that the ledger has accepted takes its place, any
    /// other is removed. Returns the key in force, if its secret is here.
    pub(crate) fn settle(&self, in_force: PublicKey) -> Result<Option<Signer>, Error> {
        let next = self.next_path();
        if let Some(proposed) = load(&next)? {
            let done = if proposed.public() == in_force {
                fs::rename(&next, self.path())
            } else {
                fs::remove_file(&next)
            };
            done.map_err(|source| Error::io("settle key", &next, source))?;
            sync_directory(&self.directory)?;
        }
        self.expect(in_force)?;
        self.load()
    }

    /// Reads the key, which must be the one with this public key.
    pub(crate) fn expect(&self, expected: PublicKey) -> Result<(), Error> {
        match self.load()? {
            Some(signer) if signer.public() != expected => Err(Error::OtherKey {
                path: self.path(),
                found: signer.public(),
                expected,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes a key whole or not at all, for its owner alone.
    fn write(&self, signer: &Signer, path: &Path) -> Result<(), Error> {
        let temporary = path.with_extension("new");
        let write = || -> io::Result<()> {
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            // The mode of a file that is made is cut by the process's mask, which may be odd.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(format!("{}\n", hash::encode(&signer.0.to_bytes())).as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|source| Error::io("write key", path, source))?;
        sync_directory(&self.directory)
    }
}

fn load(path: &Path) -> Result<Option<Signer>, Error> {
    /// A key is 65 bytes; anything much longer is something else.
    const KEY_FILE_BYTES_MAX: u64 = 1024;
    let read = || -> io::Result<(u32, String)> {
        let file = open_regular(path)?;
        let mode = file.metadata()?.permissions().mode();
        let text = io::read_to_string(io::Read::take(file, KEY_FILE_BYTES_MAX))?;
        Ok((mode, text))
    };
    let (mode, text) = match read() {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::InvalidInput
            ) =>
        {
            (0, String::new())
        }
        Err(source) => {
            return Err(Error::Io {
                operation: "read key",
                path: path.to_path_buf(),
                source,
            });
        }
    };
    if mode & 0o077 != 0 {
        let path = path.to_path_buf();
        return Err(Error::KeyExposed {
            path,
            mode: mode & 0o777,
        });
    }
    let secret = text
        .strip_suffix('\n')
        .and_then(|text| hash::decode::<32>(text).ok());
    match secret {
        Some(secret) => Ok(Some(Signer(SigningKey::from_bytes(&secret)))),
        None => Err(Error::NotAKey {
            path: path.to_path_buf(),
        }),
    }
}

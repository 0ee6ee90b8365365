//! The container: a tar archive (POSIX ustar) of plain files, each header with one possible spelling.

use std::io::{self, ErrorKind, Read, Write};

use super::{BundleError, changed};

/// Tar's unit.
const BLOCK: usize = 512;

/// The longest name; longer ones would need a second field.
const NAME_BYTES_MAX: usize = 100;

/// The largest file: eleven octal digits.
const FILE_BYTES_MAX: u64 = (8 << 30) - 1;

/// Returns the header of a file. Owner, time and mode are always the same.
fn header(name: &str, bytes: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Returns how many zeros follow a file of this length.
fn padding(bytes: u64) -> usize {
    (BLOCK - bytes as usize % BLOCK) % BLOCK
}

/// Writes an archive and hashes what it writes.
pub(super) struct ArchiveWriter<W> {
    out: W,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
}

impl<W: Write> ArchiveWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        }
    }

    /// Returns the hash of everything so far.
    pub(super) fn digest(&self) -> blake3::Hash {
        self.hasher.finalize()
    }

    pub(super) fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        if name.len() > NAME_BYTES_MAX || contents.len() as u64 > FILE_BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.put(&header(name, contents.len() as u64))?;
        self.put(contents)?;
        self.put(&[0; BLOCK][..padding(contents.len() as u64)])
    }

    /// Ends the archive as tar does, with two empty blocks.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.put(&[0; 2 * BLOCK])?;
        self.out.flush()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

/// A file of an archive: its contents come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// Reads an archive and hashes what it reads.
pub(super) struct ArchiveReader<R> {
    from: R,
    hasher: blake3::Hasher,
    bytes: u64,
    /// Hash of everything before the header that was read last.
    before: blake3::Hash,
}

impl<R: Read> ArchiveReader<R> {
    pub(super) fn new(from: R) -> Self {
        let hasher = blake3::Hasher::new();
        Self {
            from,
            before: hasher.finalize(),
            hasher,
            bytes: 0,
        }
    }

    /// Returns the hash of everything before the file that was opened last.
    pub(super) fn digest_before(&self) -> blake3::Hash {
        self.before
    }

    /// Opens the next file.
    pub(super) fn next(&mut self) -> Result<Entry, BundleError> {
        self.before = self.hasher.finalize();
        let mut block = [0; BLOCK];
        self.take(&mut block)?;
        let at = self.bytes;
        let wrong = || changed(format!("no header of a file before byte {at}"));
        let name = block[..NAME_BYTES_MAX].split(|byte| *byte == 0).next();
        let name = name
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or_else(wrong)?;
        let digits = std::str::from_utf8(&block[124..135]).map_err(|_| wrong())?;
        let bytes = u64::from_str_radix(digits, 8).map_err(|_| wrong())?;
        if name.is_empty() || bytes > FILE_BYTES_MAX || block != header(name, bytes) {
            return Err(wrong());
        }
        Ok(Entry {
            name: name.to_owned(),
            bytes,
        })
    }

    /// Reads the contents of a file of at most `allowed` bytes.
    pub(super) fn contents(&mut self, entry: &Entry, allowed: u64) -> Result<Vec<u8>, BundleError> {
        if entry.bytes > allowed {
            let (name, bytes) = (&entry.name, entry.bytes);
            return Err(changed(format!(
                "`{name}` has {bytes} bytes, at most {allowed} are allowed"
            )));
        }
        // What a header claims is not trusted with memory before it has come.
        let mut contents = Vec::new();
        (&mut self.from)
            .take(entry.bytes)
            .read_to_end(&mut contents)
            .map_err(|error| self.failed(&error))?;
        self.hasher.update(&contents);
        self.bytes += contents.len() as u64;
        if contents.len() as u64 != entry.bytes {
            return Err(BundleError::CutOff { bytes: self.bytes });
        }
        let mut zeros = [0; BLOCK];
        let zeros = &mut zeros[..padding(entry.bytes)];
        self.take(zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(changed(format!("something stands behind `{}`", entry.name)));
        }
        Ok(contents)
    }

    /// Reads the end of the archive, and that nothing follows it.
    pub(super) fn end(&mut self) -> Result<(), BundleError> {
        let mut zeros = [0; 2 * BLOCK];
        self.take(&mut zeros)?;
        let is_over = loop {
            match self.from.read(&mut [0]) {
                Ok(read) => break read == 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        };
        if zeros.iter().all(|byte| *byte == 0) && is_over {
            Ok(())
        } else {
            Err(changed("something stands behind its signature"))
        }
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), BundleError> {
        self.from
            .read_exact(bytes)
            .map_err(|error| self.failed(&error))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> BundleError {
        match error.kind() {
            ErrorKind::UnexpectedEof => BundleError::CutOff { bytes: self.bytes },
            kind => BundleError::Io {
                operation: "read",
                path: std::path::PathBuf::new(),
                source: kind.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_read_as_it_was_written_and_in_no_other_way() {
        let mut out = Vec::new();
        let mut writer = ArchiveWriter::new(&mut out);
        writer.file("a", b"one").unwrap();
        writer.file("b/c", &[7; 512]).unwrap();
        writer.end().unwrap();
        let read = |bytes: &[u8]| -> Result<Vec<(String, Vec<u8>)>, BundleError> {
            let mut reader = ArchiveReader::new(bytes);
            let mut files = Vec::new();
            for _ in 0..2 {
                let entry = reader.next()?;
                let contents = reader.contents(&entry, 1024)?;
                files.push((entry.name, contents));
            }
            reader.end()?;
            Ok(files)
        };
        let files = read(&out).unwrap();
        assert_eq!(files[0], ("a".to_owned(), b"one".to_vec()));
        assert_eq!(files[1], ("b/c".to_owned(), vec![7; 512]));
        for place in 0..out.len() {
            let mut bytes = out.clone();
            bytes[place] ^= 1;
            assert_ne!(read(&bytes).ok(), Some(files.clone()), "byte {place}");
            assert!(
                matches!(read(&out[..place]), Err(BundleError::CutOff { .. })),
                "{place} bytes"
            );
        }
        assert!(read(&[out.as_slice(), b"\0"].concat()).is_err());
    }
}

//! Lines of bounded length, numbered from one.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{Problem, ReadError, WHOLE_FILE_MAX, text};

/// Longest line that is read, in bytes: METR's runs have 600, and a line is held in memory as a whole.
const LINE_MAX: usize = 1 << 20;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file.
pub(crate) struct Lines<R> {
    source: BufReader<R>,
    path: PathBuf,
    number: u64,
    line: Vec<u8>,
    too_long: bool,
    peeked: bool,
}

/// One line.
pub(crate) struct Line<'a> {
    pub(crate) number: u64,
    pub(crate) bytes: Result<&'a [u8], Problem>,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: BufReader<R>, path: &Path) -> Lines<R> {
        Lines {
            source,
            path: path.to_owned(),
            number: 0,
            line: vec![],
            too_long: false,
            peeked: false,
        }
    }

    /// Returns the next line that is not blank, without its end; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        if !std::mem::take(&mut self.peeked) && !self.advance()? {
            return Ok(None);
        }
        let bytes = if self.too_long {
            Err(Problem::TooLong { most: LINE_MAX })
        } else {
            Ok(self.line.as_slice())
        };
        Ok(Some(Line {
            number: self.number,
            bytes,
        }))
    }

    /// Returns the next line that is not blank, and keeps it.
    pub(crate) fn peek(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if !self.peeked {
            if !self.advance()? {
                return Ok(None);
            }
            self.peeked = true;
        }
        Ok(Some(&self.line))
    }

    fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            let read = self.read_line().map_err(|source| ReadError::File {
                path: self.path.clone(),
                source,
            })?;
            if !read {
                return Ok(false);
            }
            if self.too_long || !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.source).take(LINE_MAX as u64 + 1);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        self.too_long = self.line.len() > LINE_MAX;
        if self.too_long && self.line.last() != Some(&b'\n') {
            // The rest is read and forgotten.
            self.source.skip_until(b'\n')?;
        }
        if self.number == 1 && self.line.starts_with(MARK) {
            self.line.drain(..MARK.len());
        }
        Ok(true)
    }

    /// Returns all that is left as text, with the line that was peeked at.
    pub(crate) fn rest(&mut self) -> Result<String, ReadError> {
        let mut bytes = Vec::new();
        if self.peeked {
            // Blank lines before it keep the numbers of the others right.
            bytes.extend(std::iter::repeat_n(b'\n', self.number as usize - 1));
            bytes.append(&mut self.line);
        }
        let failed = |source| ReadError::File {
            path: self.path.clone(),
            source,
        };
        (&mut self.source)
            .take(WHOLE_FILE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > WHOLE_FILE_MAX {
            return Err(ReadError::TooLarge {
                path: self.path.clone(),
                most: WHOLE_FILE_MAX,
            });
        }
        if bytes.starts_with(MARK) {
            bytes.drain(..MARK.len());
        }
        text(&self.path, bytes)
    }
}

//! What the command prints, passed on as it comes; escaped where a person's terminal would obey it.

use std::io::{self, IsTerminal as _, Write};

use lyceum_sandbox::{Attached, show_untrusted};

/// Bytes of a character in UTF-8, less one: that many may be held back until the rest of one comes.
const HELD_MAX: usize = 3;

/// Returns writers to this program's own streams.
pub(super) fn passed_on() -> Attached {
    Attached {
        stdout: Some(if io::stdout().is_terminal() {
            Box::new(Escaped::new(io::stdout()))
        } else {
            Box::new(io::stdout())
        }),
        stderr: Some(if io::stderr().is_terminal() {
            Box::new(Escaped::new(io::stderr()))
        } else {
            Box::new(io::stderr())
        }),
        secrets: Vec::new(),
    }
}

/// Escapes what would steer a terminal.
struct Escaped<W: Write> {
    to: W,
    /// The beginning of a character whose end has not come yet.
    held: Vec<u8>,
}

impl<W: Write> Escaped<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            held: Vec::new(),
        }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        let incomplete = match std::str::from_utf8(&self.held) {
            Err(error) if error.error_len().is_none() => self.held.len() - error.valid_up_to(),
            _ => 0,
        };
        let rest = if incomplete <= HELD_MAX {
            self.held.split_off(self.held.len() - incomplete)
        } else {
            Vec::new()
        };
        let shown = show_untrusted(&self.held);
        self.held = rest;
        self.to.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for Escaped<W> {
    fn drop(&mut self) {
        // A reader that is gone misses the bytes of half a character.
        let _ = self.to.write_all(show_untrusted(&self.held).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_keeps_characters_that_come_in_two_parts() {
        let mut printed = Vec::new();
        {
            let mut escaped = Escaped::new(&mut printed);
            for part in [&b"a\x1b[2J"[..], b"\xc3", b"\xbc\n", b"\xff", b"\xe2\x82"] {
                escaped.write_all(part).unwrap();
            }
        }
        assert_eq!(
            String::from_utf8(printed).unwrap(),
            "a\\e[2Jü\n\\xff\\xe2\\x82"
        );
    }
}

//! Server-sent events, after the WHATWG HTML standard, section 9.2.6.

use crate::error::ErrorKind;

/// No event of a wire is longer: a whole answer with large tool arguments is repeated in some.
pub(crate) const EVENT_BYTES_MAX: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its kind; empty where none was given.
    pub(crate) kind: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// Reads a stream that comes in pieces, cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Bytes of the line that is not complete.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed right after it ends no other line.
    after_return: bool,
    /// No byte was seen yet, so that a byte order mark may come.
    begun: bool,
    kind: String,
    data: Vec<u8>,
    has_data: bool,
}

impl Parser {
    /// Reads a piece and hands out the events that it completes.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        out: &mut dyn FnMut(ServerEvent) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let length = end.unwrap_or(bytes.len());
            if self.line.len() + self.data.len() + length > EVENT_BYTES_MAX {
                let limit_bytes = EVENT_BYTES_MAX as u64;
                return Err(ErrorKind::AnswerTooLarge { limit_bytes });
            }
            self.line.extend_from_slice(&bytes[..length]);
            let Some(end) = end else {
                return Ok(());
            };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if let Some(event) = self.end_line() {
                out(event)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<ServerEvent> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(&[0xef, 0xbb, 0xbf]) {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            // A comment: some servers send them to keep the line open.
            Some(0) => return None,
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.kind = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            // `id` and `retry` are for streams that are taken up again; no wire does.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<ServerEvent> {
        let kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let data = String::from_utf8(data)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Some(ServerEvent { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for piece in pieces {
            parser
                .feed(piece, &mut |event| {
                    found.push((event.kind, event.data));
                    Ok(())
                })
                .unwrap();
        }
        found
    }

    const STREAM: &[u8] = b"\xef\xbb\xbf: hello\r\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\nid: 7\ndata\n\nevent: lost\n\ndata:  \xc3\xa9\r\rdata: cut";

    fn expected() -> Vec<(String, String)> {
        let of = |kind: &str, data: &str| (kind.to_owned(), data.to_owned());
        vec![of("a", "1\n2"), of("", ""), of("", " é")]
    }

    #[test]
    fn the_standard_is_followed_however_the_stream_is_split() {
        assert_eq!(events(&[STREAM]), expected());
        for at in 0..=STREAM.len() {
            assert_eq!(
                events(&[&STREAM[..at], &STREAM[at..]]),
                expected(),
                "at {at}"
            );
        }
        let single: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(events(&single), expected());
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        let mut fed = 0;
        let error = loop {
            match parser.feed(&piece, &mut |_| Ok(())) {
                Ok(()) => fed += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ErrorKind::AnswerTooLarge { .. }));
        assert_eq!(fed, EVENT_BYTES_MAX >> 20);
    }
}

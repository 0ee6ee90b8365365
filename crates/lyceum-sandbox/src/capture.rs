//! Keeping the head and the tail of a stream of unknown length in bounded memory.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What was kept of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes, when the stream was longer than the head.
    pub tail: Vec<u8>,
    /// Bytes written in all.
    pub total: u64,
    /// Whether bytes between head and tail were dropped.
    pub truncated: bool,
}

impl Captured {
    /// Returns all that was kept, with a line in place of what was dropped.
    pub fn joined(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.truncated {
            let dropped = self.total - (self.head.len() + self.tail.len()) as u64;
            all.extend_from_slice(format!("\n[… {dropped} bytes dropped …]\n").as_bytes());
        }
        all.extend_from_slice(&self.tail);
        all
    }
}

/// Fills a [`Captured`] of at most a fixed size.
#[derive(Debug)]
pub(crate) struct Capture {
    head: Vec<u8>,
    head_max: usize,
    tail: VecDeque<u8>,
    tail_max: usize,
    total: u64,
}

impl Capture {
    /// Returns an empty capture that keeps at most `kept_max` bytes, a third of them at the head.
    pub(crate) fn new(kept_max: u64) -> Self {
        let kept_max = usize::try_from(kept_max).unwrap_or(usize::MAX);
        let head_max = kept_max / 3;
        let tail = VecDeque::new();
        Self {
            head: Vec::new(),
            head_max,
            tail,
            tail_max: kept_max - head_max,
            total: 0,
        }
    }

    /// Returns an empty capture that keeps the first `kept_max` bytes.
    pub(crate) fn new_head(kept_max: u64) -> Self {
        let head_max = usize::try_from(kept_max).unwrap_or(usize::MAX);
        Self {
            head: Vec::new(),
            head_max,
            tail: VecDeque::new(),
            tail_max: 0,
            total: 0,
        }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let to_head = bytes.len().min(self.head_max - self.head.len());
        self.head.extend_from_slice(&bytes[..to_head]);
        let rest = &bytes[to_head..];
        let rest = &rest[rest.len().saturating_sub(self.tail_max)..];
        let overflow = (self.tail.len() + rest.len()).saturating_sub(self.tail_max);
        self.tail.drain(..overflow);
        self.tail.extend(rest);
    }

    /// Returns bytes taken so far, kept or not.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Returns what was kept.
    pub(crate) fn finish(self) -> Captured {
        let tail = Vec::from(self.tail);
        let truncated = self.total > (self.head.len() + tail.len()) as u64;
        Captured {
            head: self.head,
            tail,
            total: self.total,
            truncated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;

    #[test]
    fn a_short_stream_is_kept_whole() {
        let mut capture = Capture::new(9);
        capture.push(b"abcd");
        capture.push(b"efghi");
        let kept = capture.finish();
        assert_eq!(
            (kept.joined(), kept.truncated),
            (b"abcdefghi".to_vec(), false)
        );
    }

    #[test]
    fn a_long_stream_keeps_head_and_tail() {
        let mut capture = Capture::new(9);
        for byte in b'a'..=b'z' {
            capture.push(&[byte]);
        }
        let kept = capture.finish();
        assert_eq!(
            (&kept.head[..], &kept.tail[..]),
            (&b"abc"[..], &b"uvwxyz"[..])
        );
        assert_eq!((kept.total, kept.truncated), (26, true));
        assert_eq!(
            kept.joined(),
            b"abc\n[\xe2\x80\xa6 17 bytes dropped \xe2\x80\xa6]\nuvwxyz"
        );
    }

    #[test]
    fn one_large_push_equals_many_small_ones() {
        let text: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        let (mut once, mut often) = (Capture::new(100), Capture::new(100));
        once.push(&text);
        text.chunks(7).for_each(|part| often.push(part));
        assert_eq!(once.finish(), often.finish());
    }
}

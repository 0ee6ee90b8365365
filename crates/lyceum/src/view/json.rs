//! Events as JSON, one a line, on standard output.

use std::fmt::Write as _;

use lyceum_study::engine::{Live, Observer, State};
use lyceum_types::Body;

/// Streams the events.
pub(crate) struct Json;

/// Returns one event as a JSON object.
pub(crate) fn line(seq: u64, at: i64, body: &Body) -> Option<String> {
    let content: serde_json::Value = serde_json::from_str(&body.encode().ok()?).ok()?;
    let event = serde_json::json!({ "seq": seq, "at": at, "kind": body.kind(), "version": body.version(), "body": content });
    serde_json::to_string(&event)
        .ok()
        .map(|text| visible(&text))
}

/// Writes characters that steer a terminal as JSON escapes; JSON itself asks that only of the first thirty-two.
pub(crate) fn visible(json: &str) -> String {
    let steers = |c: char| ('\u{7f}'..='\u{9f}').contains(&c) || lyceum_types::is_unseen(c);
    json.chars()
        .fold(String::with_capacity(json.len()), |mut text, c| {
            if steers(c) {
                // JSON writes a character beyond the first plane as two units of UTF-16.
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            } else {
                text.push(c);
            }
            text
        })
}

impl Observer for Json {
    #[expect(clippy::print_stdout, reason = "the stream of events is the result")]
    fn event(&mut self, _: &State, seq: u64, at: i64, body: &Body) {
        if let Some(line) = line(seq, at, body) {
            println!("{line}");
        }
    }

    fn tick(&mut self, _: &State, _: &Live) {}
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_reads_back() {
        let json = serde_json::to_string("a\u{9b}31m\u{202e}\u{e0041}é").unwrap();
        let shown = visible(&json);
        assert!(
            !shown.contains(['\u{9b}', '\u{202e}', '\u{e0041}']),
            "{shown}"
        );
        assert_eq!(
            serde_json::from_str::<String>(&shown).unwrap(),
            "a\u{9b}31m\u{202e}\u{e0041}é"
        );
    }
}

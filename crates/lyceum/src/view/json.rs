//! Events as JSON, one a line, on standard output.

use lyceum_study::engine::{Live, Observer, State};
use lyceum_types::Body;

/// Streams the events.
pub(crate) struct Json;

/// Returns one event as a JSON object.
pub(crate) fn line(seq: u64, at: i64, body: &Body) -> Option<String> {
    let content: serde_json::Value = serde_json::from_str(&body.encode().ok()?).ok()?;
    let event = serde_json::json!({ "seq": seq, "at": at, "kind": body.kind(), "version": body.version(), "body": content });
    serde_json::to_string(&event).ok()
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

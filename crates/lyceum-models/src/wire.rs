//! The wires: how a request is written and an answer read.

use serde_json::{Map, Value};

use crate::{
    error::{ErrorKind, plain},
    message::{Block, Kept, WireKind},
    money::Money,
    request::Request,
    response::{Event, Stop, Usage},
    sse::ServerEvent,
    transport::{Flow, Head},
};

pub(crate) mod anthropic;
pub(crate) mod chat;
pub(crate) mod command;
mod refusal;
pub(crate) mod responses;

pub(crate) use refusal::{refusal, said};

/// No answer has more blocks.
pub(crate) const BLOCKS_MAX: usize = 4096;

/// A way to speak with a model.
pub(crate) trait Wire: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> WireKind;
    /// What is asked under the server's base.
    fn path(&self) -> &'static str;
    /// Headers beside those of every call.
    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Name of the key's header, and what stands before the key.
    fn key_header(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
    /// Writes a request.
    fn body(&self, model: &str, request: &Request) -> Value;
    /// Reads one answer.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// What is told of an answer while it comes.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Event);

/// Reads one answer.
pub(crate) trait Decoder {
    /// Reads an event of a stream.
    fn event(&mut self, event: &ServerEvent, sink: Sink<'_>) -> Result<Flow, ErrorKind>;
    /// Reads an answer that came whole, from a server that does not stream.
    fn whole(&mut self, body: &Value, sink: Sink<'_>) -> Result<(), ErrorKind>;
    /// Returns what was counted so far.
    fn usage(&self) -> Usage;
    /// Returns the answer, or what is missing of it.
    fn finish(self: Box<Self>) -> Result<Answer, ErrorKind>;
}

/// What a decoder makes of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop: Stop,
    pub(crate) usage: Usage,
    /// What the server says that it costs.
    pub(crate) charged: Option<Money>,
    pub(crate) model: String,
    pub(crate) id: Option<String>,
}

/// Reads the data of an event as a JSON object, or as the error that its kind says it is: llama.cpp sends errors whose
/// data does not say so.
pub(crate) fn event_object(event: &ServerEvent) -> Result<Map<String, Value>, ErrorKind> {
    let data = object(&event.data)?;
    if event.kind == "error" {
        return Err(said(&data));
    }
    Ok(data)
}

/// Reads the data of an event as a JSON object.
fn object(data: &str) -> Result<Map<String, Value>, ErrorKind> {
    match serde_json::from_str(data) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(malformed(&format!(
            "expected a JSON object in an event, found: {data}"
        ))),
        Err(error) => Err(malformed(&format!(
            "expected JSON in an event: {error}; found: {data}"
        ))),
    }
}

/// Returns the error of an answer that is not in its wire's form.
pub(crate) fn malformed(what: &str) -> ErrorKind {
    ErrorKind::Malformed { what: plain(what) }
}

/// Returns a member that is a text, else an empty one.
pub(crate) fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a member that is a text with something in it.
pub(crate) fn some_text(object: &Map<String, Value>, key: &str) -> Option<String> {
    let text = text(object, key);
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns a member that is an object.
pub(crate) fn inner<'a>(
    object: &'a Map<String, Value>,
    key: &str,
) -> Option<&'a Map<String, Value>> {
    object.get(key)?.as_object()
}

/// Returns a member that is a count.
pub(crate) fn count(object: &Map<String, Value>, key: &str) -> Option<u64> {
    object.get(key)?.as_u64()
}

/// Returns the event for something that is not known.
pub(crate) fn unknown(data: &str) -> Event {
    Event::Unknown {
        raw: data.chars().take(2000).collect(),
    }
}

/// Returns the stop for a provider's word that is not known.
pub(crate) fn unknown_stop(word: &str) -> Stop {
    Stop::Unknown {
        reason: word.chars().take(100).collect(),
    }
}

/// Returns a kept block's JSON where it came from this wire.
pub(crate) fn kept_of(kept: Option<&Kept>, wire: WireKind) -> Option<&Value> {
    kept.filter(|kept| kept.wire == wire).map(|kept| &kept.item)
}

/// Returns the provider's id of an HTTP request.
pub(crate) fn request_id(head: &Head) -> Option<String> {
    let id = head.header("request-id").or(head.header("x-request-id"))?;
    Some(id.chars().filter(|c| !c.is_control()).take(200).collect())
}

//! Anthropic Messages: `POST /v1/messages`, version 2023-06-01.

use serde_json::{Map, Value, json};

use super::{Decoder, Wire, kept_of};
use crate::{
    message::{Block, Cache, Message, Role, WireKind},
    request::{Parallel, Reasoning, Request, ToolChoice},
};

mod decode;

/// The API takes no more marks in a request.
const MARKS_MAX: usize = 4;

/// The wire.
#[derive(Debug)]
pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn kind(&self) -> WireKind {
        WireKind::Anthropic
    }

    fn path(&self) -> &'static str {
        "v1/messages"
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("anthropic-version", "2023-06-01".to_owned())]
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn body(&self, model: &str, request: &Request) -> Value {
        let mut marks = Marks::of(request);
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("max_tokens".into(), request.output_tokens_max.into());
        body.insert("stream".into(), true.into());
        let system = request.system.iter().filter_map(|block| {
            let mark = marks.next(block.cache);
            let item = json!({ "type": "text", "text": block.text });
            (!block.text.is_empty()).then(|| marked(item, mark))
        });
        let system: Vec<Value> = system.collect();
        if !system.is_empty() {
            body.insert("system".into(), system.into());
        }
        let messages = request.messages.iter();
        let messages: Vec<Value> = messages
            .filter_map(|message| written(message, marks.next(message.cache)))
            .collect();
        body.insert("messages".into(), messages.into());
        tools(&mut body, request);
        output(&mut body, request);
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), temperature.into());
        }
        Value::Object(body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::Decode::default())
    }
}

/// Deals out marks: where a request has too many, its first and its last three count, since the first holds what
/// every turn shares and the last what grows.
struct Marks {
    total: usize,
    seen: usize,
}

impl Marks {
    fn of(request: &Request) -> Self {
        let system = request.system.iter().filter(|block| block.cache.is_some());
        let messages = request.messages.iter();
        let messages = messages.filter(|message| message.cache.is_some());
        Self {
            total: system.count() + messages.count(),
            seen: 0,
        }
    }

    fn next(&mut self, cache: Option<Cache>) -> Option<Cache> {
        let cache = cache?;
        let at = self.seen;
        self.seen += 1;
        (at == 0 || at + MARKS_MAX > self.total).then_some(cache)
    }
}

fn marked(mut item: Value, cache: Option<Cache>) -> Value {
    if let (Some(cache), Some(object)) = (cache, item.as_object_mut()) {
        let mark = match cache {
            Cache::Minutes => json!({ "type": "ephemeral" }),
            Cache::Hour => json!({ "type": "ephemeral", "ttl": "1h" }),
        };
        object.insert("cache_control".into(), mark);
    }
    item
}

/// Returns a message as the API takes it; nothing for one that says nothing, which it refuses.
fn written(message: &Message, mark: Option<Cache>) -> Option<Value> {
    let (lasting, passing) = message.lasting();
    let mut content: Vec<Value> = lasting.iter().filter_map(block).collect();
    // Reasoning cannot carry a mark.
    let thinks = |item: &Value| {
        item["type"]
            .as_str()
            .is_some_and(|kind| kind.contains("thinking"))
    };
    if let Some(last) = content.iter_mut().rev().find(|item| !thinks(item)) {
        *last = marked(last.take(), mark);
    }
    content.extend(passing.iter().filter_map(block));
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    (!content.is_empty()).then(|| json!({ "role": role, "content": content }))
}

fn block(block: &Block) -> Option<Value> {
    let own = |kept| kept_of(kept, WireKind::Anthropic).cloned();
    match block {
        Block::Text { text, kept } => own(kept.as_ref())
            .or_else(|| Some(json!({ "type": "text", "text": text })))
            .filter(|_| !text.is_empty()),
        Block::Reasoning { kept, .. } => own(kept.as_ref()),
        Block::ToolUse(call) => own(call.kept.as_ref()).or_else(|| {
            Some(json!({
                "type": "tool_use",
                "id": call.id,
                "name": call.name,
                "input": call.arguments.as_object(),
            }))
        }),
        Block::ToolResult(result) => {
            let mut item = json!({ "type": "tool_result", "tool_use_id": result.id });
            if !result.text.is_empty() {
                item["content"] = json!([{ "type": "text", "text": result.text }]);
            }
            if result.failed {
                item["is_error"] = true.into();
            }
            Some(item)
        }
        Block::Opaque { kept } => own(Some(kept)),
    }
}

fn tools(body: &mut Map<String, Value>, request: &Request) {
    if request.tools.is_empty() {
        return;
    }
    let tools = request.tools.iter().map(|tool| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema,
        })
    });
    body.insert("tools".into(), tools.collect());
    let one = request.parallel_tools == Parallel::OneByOne;
    let mut choice = match &request.tool_choice {
        ToolChoice::Auto if !one => return,
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named { name } => json!({ "type": "tool", "name": name }),
    };
    if one && request.tool_choice != ToolChoice::None {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".into(), choice);
}

fn output(body: &mut Map<String, Value>, request: &Request) {
    let thinking = match request.reasoning {
        Reasoning::Default => None,
        Reasoning::Off => Some(json!({ "type": "disabled" })),
        Reasoning::On { summary: false } => Some(json!({ "type": "adaptive" })),
        Reasoning::On { summary: true } => {
            Some(json!({ "type": "adaptive", "display": "summarized" }))
        }
        Reasoning::Budget { tokens } => Some(json!({ "type": "enabled", "budget_tokens": tokens })),
    };
    if let Some(thinking) = thinking {
        body.insert("thinking".into(), thinking);
    }
    let mut config = Map::new();
    if let Some(effort) = request.effort {
        config.insert("effort".into(), effort.word().into());
    }
    if let Some(schema) = &request.output_schema {
        let format = json!({ "type": "json_schema", "schema": schema.schema });
        config.insert("format".into(), format);
    }
    if !config.is_empty() {
        body.insert("output_config".into(), Value::Object(config));
    }
}

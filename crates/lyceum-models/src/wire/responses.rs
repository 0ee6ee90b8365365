//! `OpenAI` Responses: `POST /v1/responses`, stateless (`store: false`), reasoning carried by us in encrypted form.

use serde_json::{Map, Value, json};

use super::{Decoder, Wire, kept_of};
use crate::{
    message::{Arguments, Block, Message, Role, ToolResult, ToolUse, WireKind},
    request::{Parallel, Reasoning, Request, ToolChoice},
};

mod decode;

/// Models without reasoning refuse to be asked for its encrypted form.
const WITHOUT_REASONING: [&str; 3] = ["gpt-3", "gpt-4", "chatgpt-4"];

/// The wire.
#[derive(Debug)]
pub(crate) struct Responses;

impl Wire for Responses {
    fn kind(&self) -> WireKind {
        WireKind::Responses
    }

    fn path(&self) -> &'static str {
        "responses"
    }

    fn body(&self, model: &str, request: &Request) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("stream".into(), true.into());
        body.insert("store".into(), false.into());
        body.insert("max_output_tokens".into(), request.output_tokens_max.into());
        let system = request.system.iter().map(|block| block.text.as_str());
        let system: Vec<&str> = system.filter(|text| !text.is_empty()).collect();
        if !system.is_empty() {
            body.insert("instructions".into(), system.join("\n\n").into());
        }
        let input = request.messages.iter().flat_map(items);
        body.insert("input".into(), input.collect());
        if !WITHOUT_REASONING.iter().any(|old| model.starts_with(old)) {
            body.insert("include".into(), json!(["reasoning.encrypted_content"]));
        }
        if let Some(key) = &request.cache_key {
            body.insert("prompt_cache_key".into(), key.as_str().into());
        }
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

fn items(message: &Message) -> Vec<Value> {
    let blocks = message.blocks.iter();
    blocks
        .filter_map(|block| item(message.role, block))
        .collect()
}

fn item(role: Role, block: &Block) -> Option<Value> {
    let own = |kept| kept_of(kept, WireKind::Responses).cloned();
    match block {
        Block::Text { text, kept } => own(kept.as_ref())
            .or_else(|| Some(said(role, text)))
            .filter(|_| !text.is_empty()),
        Block::Reasoning { kept, .. } => own(kept.as_ref()),
        Block::ToolUse(call) => Some(called(call)),
        Block::ToolResult(result) => Some(json!({
            "type": "function_call_output",
            "call_id": result.id,
            "output": told(result),
        })),
        Block::Opaque { kept } => own(Some(kept)),
    }
}

/// Returns a call as it came, or anew; with arguments that are JSON in any case, since servers parse them.
fn called(call: &ToolUse) -> Value {
    let arguments = || call.arguments.as_object().to_string();
    let kept = kept_of(call.kept.as_ref(), WireKind::Responses);
    match (kept, &call.arguments) {
        (Some(kept), Arguments::Object { .. }) => kept.clone(),
        (Some(kept), Arguments::Malformed { .. }) => {
            let mut item = kept.as_object().cloned().unwrap_or_default();
            item.insert("arguments".to_owned(), arguments().into());
            Value::Object(item)
        }
        (None, _) => json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments(),
        }),
    }
}

fn said(role: Role, text: &str) -> Value {
    let (role, kind) = match role {
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] })
}

/// Returns a result's words; that a tool failed is said in them, since the wire has no other place for it.
pub(super) fn told(result: &ToolResult) -> String {
    if result.failed {
        format!("error: {}", result.text)
    } else {
        result.text.clone()
    }
}

fn tools(body: &mut Map<String, Value>, request: &Request) {
    if request.tools.is_empty() {
        return;
    }
    let tools = request.tools.iter().map(|tool| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema,
            "strict": false,
        })
    });
    body.insert("tools".into(), tools.collect());
    let choice = match &request.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named { name } => json!({ "type": "function", "name": name }),
    };
    body.insert("tool_choice".into(), choice);
    let parallel = request.parallel_tools == Parallel::Allowed;
    body.insert("parallel_tool_calls".into(), parallel.into());
}

fn output(body: &mut Map<String, Value>, request: &Request) {
    let mut reasoning = Map::new();
    if request.reasoning == Reasoning::Off {
        reasoning.insert("effort".into(), "none".into());
    } else if let Some(effort) = request.effort {
        reasoning.insert("effort".into(), effort.word().into());
    }
    if (request.reasoning == Reasoning::On { summary: true }) {
        reasoning.insert("summary".into(), "auto".into());
    }
    if !reasoning.is_empty() {
        body.insert("reasoning".into(), Value::Object(reasoning));
    }
    if let Some(schema) = &request.output_schema {
        let format = json!({
            "type": "json_schema",
            "name": schema.name,
            "schema": schema.schema,
            "strict": true,
        });
        body.insert("text".into(), json!({ "format": format }));
    }
}

//! Chat Completions: `POST …/chat/completions`, as llama.cpp, Ollama, vLLM, `OpenRouter` and others speak it.
//!
//! Where these differ, what all of them accept is sent, and whatever one of them sends is read.

use serde_json::{Map, Value, json};

use super::{Decoder, Wire, kept_of, responses::told};
use crate::{
    message::{Block, Cache, Message, Role, ToolUse, WireKind},
    request::{Parallel, Reasoning, Request, ToolChoice},
};

mod decode;

/// The wire.
#[derive(Debug)]
pub(crate) struct Chat;

impl Wire for Chat {
    fn kind(&self) -> WireKind {
        WireKind::Chat
    }

    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn body(&self, model: &str, request: &Request) -> Value {
        // OpenRouter takes marks for Anthropic's models. Templates of local servers want plain text.
        let marks = model.starts_with("anthropic/");
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({ "include_usage": true }));
        body.insert("max_tokens".into(), request.output_tokens_max.into());
        let mut messages = Vec::new();
        messages.extend(system(request, marks));
        for message in &request.messages {
            match message.role {
                Role::User => user(message, marks, &mut messages),
                Role::Assistant => messages.extend(assistant(message)),
            }
        }
        body.insert("messages".into(), messages.into());
        tools(&mut body, request);
        output(&mut body, request);
        Value::Object(body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::Decode::default())
    }
}

fn part(text: &str, cache: Option<Cache>) -> Value {
    let mut part = json!({ "type": "text", "text": text });
    match cache {
        Some(Cache::Minutes) => part["cache_control"] = json!({ "type": "ephemeral" }),
        Some(Cache::Hour) => part["cache_control"] = json!({ "type": "ephemeral", "ttl": "1h" }),
        None => {}
    }
    part
}

/// One message: templates of local servers take instructions only at the beginning, and only once.
fn system(request: &Request, marks: bool) -> Option<Value> {
    let blocks = request.system.iter();
    let blocks: Vec<_> = blocks.filter(|block| !block.text.is_empty()).collect();
    if blocks.is_empty() {
        return None;
    }
    let content: Value = if marks {
        blocks
            .iter()
            .map(|block| part(&block.text, block.cache))
            .collect()
    } else {
        let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
        texts.join("\n\n").into()
    };
    Some(json!({ "role": "system", "content": content }))
}

/// Results of tools are messages of their own and must come first, right after the calls.
fn user(message: &Message, marks: bool, out: &mut Vec<Value>) {
    let (lasting, passing) = message.lasting();
    let lasting = words_of(lasting, out);
    let passing = words_of(passing, out);
    let parts = [(lasting, message.cache), (passing, None)];
    let mut parts = parts.to_vec();
    parts.retain(|(words, _)| !words.is_empty());
    if parts.is_empty() {
        return;
    }
    let content: Value = if marks && parts.iter().any(|(_, cache)| cache.is_some()) {
        let parts = parts.iter().map(|(words, cache)| part(words, *cache));
        parts.collect()
    } else {
        let words: Vec<String> = parts.into_iter().map(|(words, _)| words).collect();
        words.join("\n\n").into()
    };
    out.push(json!({ "role": "user", "content": content }));
}

/// Returns the words of blocks, and adds their results as messages.
fn words_of(blocks: &[Block], out: &mut Vec<Value>) -> String {
    let mut words = Vec::new();
    for block in blocks {
        match block {
            Block::ToolResult(result) => out.push(json!({
                "role": "tool",
                "tool_call_id": result.id,
                "content": told(result),
            })),
            Block::Text { text, .. } if !text.is_empty() => words.push(text.as_str()),
            Block::Text { .. }
            | Block::Reasoning { .. }
            | Block::ToolUse(_)
            | Block::Opaque { .. } => {}
        }
    }
    words.join("\n\n")
}

fn assistant(message: &Message) -> Option<Value> {
    let mut item = Map::new();
    item.insert("role".into(), "assistant".into());
    let (mut words, mut calls) = (String::new(), Vec::new());
    for block in &message.blocks {
        match block {
            Block::Text { text, .. } => words.push_str(text),
            Block::Reasoning { kept, .. } => {
                let kept = kept_of(kept.as_ref(), WireKind::Chat).and_then(Value::as_object);
                item.extend(
                    kept.into_iter()
                        .flatten()
                        .map(|(k, v)| (k.clone(), v.clone())),
                );
            }
            Block::ToolUse(call) => calls.push(written(call)),
            Block::ToolResult(_) | Block::Opaque { .. } => {}
        }
    }
    if words.is_empty() && calls.is_empty() {
        return None;
    }
    // Some templates fail without content, some servers with null.
    item.insert("content".into(), words.into());
    if !calls.is_empty() {
        item.insert("tool_calls".into(), calls.into());
    }
    Some(Value::Object(item))
}

fn written(call: &ToolUse) -> Value {
    if let Some(kept) = kept_of(call.kept.as_ref(), WireKind::Chat) {
        return kept.clone();
    }
    // Servers parse the arguments for their templates and fail where they are no JSON.
    let arguments = call.arguments.as_object().to_string();
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}

fn tools(body: &mut Map<String, Value>, request: &Request) {
    if request.tools.is_empty() {
        return;
    }
    let tools = request.tools.iter().map(|tool| {
        json!({
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema,
            },
        })
    });
    body.insert("tools".into(), tools.collect());
    let choice = match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named { name } => {
            Some(json!({ "type": "function", "function": { "name": name } }))
        }
    };
    if let Some(choice) = choice {
        body.insert("tool_choice".into(), choice);
    }
    if request.parallel_tools == Parallel::OneByOne {
        body.insert("parallel_tool_calls".into(), false.into());
    }
}

fn output(body: &mut Map<String, Value>, request: &Request) {
    if let Some(effort) = request.effort {
        body.insert("reasoning_effort".into(), effort.word().into());
    }
    if request.reasoning == Reasoning::Off {
        // llama.cpp and vLLM hand this to the model's template; others leave it alone.
        let off = json!({ "enable_thinking": false });
        body.insert("chat_template_kwargs".into(), off);
    }
    if let Some(schema) = &request.output_schema {
        let schema = json!({ "name": schema.name, "schema": schema.schema, "strict": true });
        let format = json!({ "type": "json_schema", "json_schema": schema });
        body.insert("response_format".into(), format);
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
}

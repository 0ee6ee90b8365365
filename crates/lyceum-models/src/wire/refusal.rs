//! What a server means that does not answer.

use serde_json::{Map, Value};

use super::{count, inner, some_text, text};
use crate::error::{ErrorKind, plain};

/// Parts of messages that say that a conversation is too long, where no code does: Anthropic, Chat Completions
/// servers, llama.cpp, vLLM, Ollama.
const TOO_LONG: [&str; 8] = [
    "prompt is too long",
    "exceed context limit",
    "maximum context length",
    "exceeds the available context size",
    "context length exceeded",
    "exceeds the context window",
    "exceeded model token limit",
    "input length exceeds the context length",
];

/// What a server says of an error.
#[derive(Debug, Default)]
struct Said {
    /// Its kind, as words of the wire.
    kinds: Vec<String>,
    words: String,
    /// A status inside of it, as `OpenRouter` sends one in streams.
    status: Option<u16>,
}

/// Returns what a status and the body that came with it mean. `to` is where a redirect leads.
pub(crate) fn refusal(status: u16, body: &str, to: Option<&str>) -> ErrorKind {
    if (300..400).contains(&status) {
        // Without its query, which may hold anything.
        let to = to.unwrap_or("nowhere").split(['?', '#']).next();
        return ErrorKind::Redirect {
            status,
            to: plain(to.unwrap_or_default()),
        };
    }
    let said = match serde_json::from_str(body) {
        Ok(Value::Object(object)) => read(&object),
        Ok(_) | Err(_) => Said {
            words: body.to_owned(),
            ..Said::default()
        },
    };
    meaning(status, &said)
}

/// Returns what an error means that was said inside an answer.
pub(crate) fn said(object: &Map<String, Value>) -> ErrorKind {
    let said = read(object);
    let status = said.status.filter(|status| *status >= 400).unwrap_or(200);
    meaning(status, &said)
}

/// Reads `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or the error itself.
fn read(object: &Map<String, Value>) -> Said {
    let error = inner(object, "error").unwrap_or(object);
    let mut said = Said::default();
    for key in ["type", "code", "status"] {
        said.kinds.extend(some_text(error, key));
    }
    said.status = count(error, "code").and_then(|code| u16::try_from(code).ok());
    said.words = ["message", "detail", "error"]
        .iter()
        .find_map(|key| some_text(error, key))
        .unwrap_or_else(|| Value::Object(error.clone()).to_string());
    // OpenRouter: what the server behind it said.
    if let Some(raw) = inner(error, "metadata").map(|about| text(about, "raw"))
        && !raw.is_empty()
    {
        said.words = format!("{}: {raw}", said.words);
    }
    said
}

fn meaning(status: u16, said: &Said) -> ErrorKind {
    let kind = |any: &[&str]| said.kinds.iter().any(|kind| any.contains(&kind.as_str()));
    let lower = said.words.to_lowercase();
    let words = plain(&said.words);
    let too_long = kind(&["context_length_exceeded", "exceed_context_size_error"])
        || TOO_LONG.iter().any(|part| lower.contains(part));
    if too_long && !matches!(status, 401 | 403 | 429) {
        return ErrorKind::ContextOverflow { words };
    }
    let broke = kind(&[
        "billing_error",
        "insufficient_quota",
        "billing_hard_limit_reached",
    ]) || lower.contains("credit balance is too low");
    if broke || status == 402 {
        return ErrorKind::Billing { status, words };
    }
    if status == 429 || kind(&["rate_limit_error", "rate_limit_exceeded"]) {
        return ErrorKind::RateLimited { status, words };
    }
    let busy = ["overloaded_error", "server_is_overloaded", "slow_down"];
    if matches!(status, 503 | 529) || kind(&busy) {
        return ErrorKind::Overloaded { status, words };
    }
    let bad = ["invalid_request_error", "invalid_prompt"];
    match status {
        401 | 403 => ErrorKind::Unauthorized { status, words },
        404 => ErrorKind::NotFound { words },
        413 => ErrorKind::RequestTooLarge { words },
        400 | 405 | 415 | 422 => ErrorKind::BadRequest { status, words },
        200 if kind(&bad) => ErrorKind::BadRequest { status, words },
        // A time-out or conflict at the server; all of its own failures; and what it says inside an answer.
        200 | 408 | 409 | 500..=599 => ErrorKind::Server { status, words },
        _ => ErrorKind::Status { status, words },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, body as servers send it, and the name of what it means.
    const TABLE: [(u16, &str, &str); 22] = [
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"},"request_id":"req_1"}"#,
            "BadRequest",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}"#,
            "ContextOverflow",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"}}"#,
            "ContextOverflow",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#,
            "Billing",
        ),
        (
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            "Unauthorized",
        ),
        (
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#,
            "Unauthorized",
        ),
        (
            403,
            r#"{"type":"error","error":{"type":"billing_error","message":"no"}}"#,
            "Billing",
        ),
        (
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
            "NotFound",
        ),
        (
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"too many bytes"}}"#,
            "RequestTooLarge",
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#,
            "RateLimited",
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded",
        ),
        (
            500,
            r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
            "Server",
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            "Billing",
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            "ContextOverflow",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}"#,
            "ContextOverflow",
        ),
        (404, r#"{"error":"model 'qwen9' not found"}"#, "NotFound"),
        (422, r#"{"detail":"field required"}"#, "BadRequest"),
        (
            503,
            "{\"error\":{\"message\":\"Loading model\",\"type\":\"unavailable_error\",\"code\":503}}",
            "Overloaded",
        ),
        (502, "<html>\nBad Gateway</html>", "Server"),
        (
            402,
            r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
            "Billing",
        ),
        (418, "", "Status"),
        (302, "", "Redirect"),
    ];

    #[test]
    fn servers_are_understood() {
        for (status, body, name) in TABLE {
            let found = refusal(status, body, Some("https://elsewhere/?key=1"));
            let shown = format!("{found:?}");
            assert!(shown.starts_with(name), "{status} {body}: {shown}");
            assert!(!shown.contains("key=1") && !shown.contains('\n'), "{shown}");
        }
    }

    #[test]
    fn errors_inside_an_answer_are_understood() {
        for (body, name) in [
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "Overloaded",
            ),
            (
                r#"{"error":{"code":502,"message":"Provider disconnected"}}"#,
                "Server",
            ),
            (
                r#"{"error":{"code":429,"message":"slow","metadata":{"raw":"upstream"}}}"#,
                "RateLimited",
            ),
            (
                r#"{"code":"context_length_exceeded","message":"Your input exceeds"}"#,
                "ContextOverflow",
            ),
            (r#"{"code":"server_error","message":"failed"}"#, "Server"),
            (
                r#"{"code":"rate_limit_exceeded","message":"slow"}"#,
                "RateLimited",
            ),
            (r#"{"code":"invalid_prompt","message":"no"}"#, "BadRequest"),
        ] {
            let object = serde_json::from_str::<Map<String, Value>>(body).unwrap();
            let shown = format!("{:?}", said(&object));
            assert!(shown.starts_with(name), "{body}: {shown}");
        }
    }
}

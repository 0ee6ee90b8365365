//! `lyceum ask`: one question to a language model, to try its address, its key and its price.

use std::{path::PathBuf, sync::Arc};

use lyceum_models::{
    Block, Cancel, ErrorKind, Event, FileTape, Message, Model as _, ModelError, Options, Price,
    Recording, Request, Response, Spec, Stop, Tape, connect, environment,
};

use crate::{
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The model: `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL` or `command:PROGRAM`
    #[arg(value_name = "MODEL")]
    model: String,
    /// What to ask
    #[arg(value_name = "QUESTION")]
    question: String,
    /// Most tokens of the answer, reasoning included
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    output_tokens: u32,
    /// Append what is sent and what comes back to a file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Answer from such a file, without a network and without a key
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let spec: Spec = arguments
        .model
        .parse()
        .map_err(|error: lyceum_models::SpecError| Failure::bad_input(error.to_string()))?;
    let options = Options {
        tape: tape(arguments)?,
        ..Options::default()
    };
    let model = connect(&spec, options, &environment).map_err(|error| failed(&error))?;
    let request = Request {
        messages: vec![Message::user(&arguments.question)],
        output_tokens_max: arguments.output_tokens,
        ..Request::default()
    };
    let mut told = |event| {
        if let Event::Retrying {
            failed,
            error,
            after,
            ..
        } = event
        {
            let wait = words::duration(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            view::note(&format!(
                "attempt {failed} failed: {}; the next follows in {wait}",
                words::clean(&error)
            ));
        }
    };
    let answer = model
        .turn(&request, &Cancel::new(), &mut told)
        .map_err(|error| failed(&error))?;
    if json {
        print_json(&answer)?;
    } else {
        print(&answer);
    }
    Ok(match answer.stop {
        Stop::Refusal { .. } => Exit::Unsatisfied,
        Stop::EndTurn
        | Stop::ToolUse
        | Stop::OutputFull
        | Stop::ContextFull
        | Stop::Paused
        | Stop::Unknown { .. } => Exit::Done,
    })
}

fn tape(arguments: &Arguments) -> Result<Tape, Failure> {
    if let Some(path) = &arguments.record {
        let tape = FileTape::open(path)
            .map_err(|error| Failure::bad_input(format!("`{}`: {error}", path.display())))?;
        return Ok(Tape::Record(Arc::new(tape)));
    }
    if let Some(path) = &arguments.replay {
        let recording =
            Recording::open(path).map_err(|error| Failure::bad_input(error.to_string()))?;
        return Ok(Tape::Replay(recording));
    }
    Ok(Tape::Live)
}

/// Says why there is no answer, and what to do.
fn failed(error: &ModelError) -> Failure {
    let mut message = error.to_string();
    if error.attempts > 1 {
        message = format!("{message} (after {} attempts)", error.attempts);
    }
    if let Some(id) = &error.request_id {
        message = format!("{message}; the provider knows it as {id}");
    }
    let failure = Failure::bad_input(message);
    match &error.kind {
        ErrorKind::Connect { .. } => failure.hint("is the server running, and the address right?"),
        ErrorKind::Unauthorized { .. } => {
            failure.hint("check the key, and that it is this server's")
        }
        ErrorKind::NotFound { .. } => {
            failure.hint("check the model's id; addresses of Chat Completions end with `/v1`")
        }
        ErrorKind::KeyRepeated => failure.hint(
            "who repeats a key may spread it: replace it; and take none that is an ordinary word",
        ),
        ErrorKind::Replay(_) => failure.hint("ask what was recorded, or record it with `--record`"),
        ErrorKind::Key(_)
        | ErrorKind::Billing { .. }
        | ErrorKind::BadRequest { .. }
        | ErrorKind::ContextOverflow { .. }
        | ErrorKind::RequestTooLarge { .. }
        | ErrorKind::RateLimited { .. }
        | ErrorKind::Overloaded { .. }
        | ErrorKind::Server { .. }
        | ErrorKind::Redirect { .. }
        | ErrorKind::Status { .. }
        | ErrorKind::Timeout { .. }
        | ErrorKind::Cut { .. }
        | ErrorKind::Malformed { .. }
        | ErrorKind::AnswerTooLarge { .. }
        | ErrorKind::Budget { .. }
        | ErrorKind::Cancelled
        | ErrorKind::Command { .. }
        | ErrorKind::Record { .. } => failure,
    }
}

fn stop(stop: &Stop) -> String {
    match stop {
        Stop::EndTurn => "done".to_owned(),
        Stop::ToolUse => "wants a tool".to_owned(),
        Stop::OutputFull => "cut at `--output-tokens`".to_owned(),
        Stop::ContextFull => "its context is full".to_owned(),
        Stop::Refusal { reason } if reason.is_empty() => "refused".to_owned(),
        Stop::Refusal { reason } => format!("refused: {reason}"),
        Stop::Paused => "interrupted by the provider".to_owned(),
        Stop::Unknown { reason } => format!("stopped: {reason}"),
    }
}

fn price(price: Price) -> String {
    match price.amount() {
        Some(amount) => amount.to_string(),
        None => "price unknown".to_owned(),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(answer: &Response) {
    for line in answer.text().lines() {
        println!("{}", words::clean(line));
    }
    let usage = &answer.usage;
    let tokens = if usage.reported {
        let (prompt, read) = (usage.prompt_tokens(), usage.cache_read_tokens);
        let output = usage.output_tokens;
        format!("{prompt} tokens in ({read} from a cache), {output} out")
    } else {
        "tokens not counted".to_owned()
    };
    let name = if answer.model.is_empty() {
        "the model"
    } else {
        &answer.model
    };
    let end = stop(&answer.stop);
    let price = price(answer.price);
    view::note(&words::clean(&format!("{name}: {end}; {tokens}; {price}")));
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_json(answer: &Response) -> Result<(), Failure> {
    let reasoning = answer.blocks.iter().filter_map(|block| match block {
        Block::Reasoning { text, .. } if !text.is_empty() => Some(text.as_str()),
        _ => None,
    });
    let shown = serde_json::json!({
        "text": answer.text(),
        "reasoning": reasoning.collect::<Vec<_>>().join("\n"),
        "stop": answer.stop,
        "model": answer.model,
        "usage": answer.usage,
        "price_usd": answer.price.amount().map(|amount| amount.to_string()),
        "attempts": answer.attempts,
        "request_id": answer.request_id,
    });
    let text = serde_json::to_string(&shown).map_err(|error| Failure::internal(&error))?;
    println!("{}", view::visible(&text));
    Ok(())
}

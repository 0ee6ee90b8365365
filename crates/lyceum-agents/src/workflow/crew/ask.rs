//! A request to a model. What it says is taken when it has the form that was asked for and every citation holds.

use std::collections::BTreeMap;

use lyceum_models::{
    Block, Cancel, ErrorKind, Message, ModelError, OutputSchema, Request, Response, Spec, Stop,
    SystemBlock,
};
use lyceum_study::{engine::Cut, shape::Shape};
use serde_json::{Value, json};

use super::{
    super::{
        citation,
        conductor::{Came, Prepared, Refusal},
        event::{Reserved, Spent, StepEnd, StopReason},
        format::Model,
    },
    Floor, RESULT_BYTES_MAX, Scene, Task as Any, key, reserved_for,
};
use crate::{
    mind::{Cost, Mind, of_response},
    staff::mind_with,
};

/// Times that the model is tried for one answer when its server fails: each may cost what is reserved.
const ATTEMPTS_MAX: u64 = 2;
/// Most bytes of a request: more than any model reads.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Most bytes of a refused answer that the model is shown again.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// A request that is ready.
pub struct Task {
    mind: Mind,
    request: Request,
    schema: Option<Shape>,
    /// The files in which citations must be found; `None` where none are asked for.
    cited: Option<BTreeMap<String, Vec<u8>>>,
    reserved: Reserved,
}

pub(super) fn prepare(
    floor: &Floor<'_>,
    scene: &Scene<'_>,
    model: &Model,
) -> Result<Prepared<Any>, Refusal> {
    let spec = spec(floor, model)?;
    let request = request(scene, model);
    let bytes = serde_json::to_vec(&request).map_or(0, |json| json.len());
    if bytes > REQUEST_BYTES_MAX {
        return Err(Refusal::Step(format!(
            "the request has {bytes} bytes, expected at most {REQUEST_BYTES_MAX}"
        )));
    }
    // What was refused before is part of the request and not of the step.
    let first = Request {
        messages: request.messages.iter().take(1).cloned().collect(),
        ..request.clone()
    };
    let made_of = json!({
        "model": spec.to_string(),
        "program": floor.program(spec),
        "tape": floor.hired.tapes.mark(),
        "request": first,
        "schema": model.schema.as_ref().map(Shape::schema),
        "cited": model.citations.then(|| json!([scene.files.hashes(), scene.given()])),
    });
    let environment = floor.hired.environment;
    let mind = mind_with(spec, &environment, floor.hired.tapes.tape())
        .map_err(|error| Refusal::Step(format!("{spec}: {error}")))?;
    let reserved = reserved_for(&mind, &request, ATTEMPTS_MAX);
    let cited = model.citations.then(|| {
        let given = scene.given().into_iter();
        let mut cited: BTreeMap<String, Vec<u8>> = given
            .map(|(name, text)| (name, text.into_bytes()))
            .collect();
        let files = scene.files.files.iter();
        cited.extend(files.map(|(name, (bytes, _))| (name.clone(), bytes.clone())));
        cited
    });
    Ok(Prepared {
        key: key("model", &made_of),
        reserved,
        task: Any::Model(Box::new(Task {
            mind,
            request,
            schema: model.schema.clone(),
            cited,
            reserved,
        })),
    })
}

fn spec<'a>(floor: &'a Floor<'_>, model: &'a Model) -> Result<&'a Spec, Refusal> {
    let spec = model.spec.as_ref().or(floor.hired.model.as_ref());
    spec.ok_or_else(|| Refusal::Step("no model is named; `--model` names one for the run".into()))
}

fn request(scene: &Scene<'_>, model: &Model) -> Request {
    let fill = |place: &_| scene.value(place);
    let mut messages = vec![Message::user(model.prompt.fill(fill))];
    for (answer, why) in &scene.step.refused {
        let shown = crate::tool::cut_middle(answer.clone(), SHOWN_BYTES_MAX);
        // Servers refuse a message without words.
        let shown = if shown.trim().is_empty() {
            "(nothing)".into()
        } else {
            shown
        };
        messages.push(Message::assistant(vec![Block::text(shown)]));
        messages.push(Message::user(format!(
            "That was not taken: {why}. Give the whole answer again, and nothing else."
        )));
    }
    Request {
        system: model
            .system
            .iter()
            .map(|text| SystemBlock::new(text.fill(fill)))
            .collect(),
        messages,
        output_tokens_max: model.output_tokens,
        output_schema: model.schema.as_ref().map(|schema| OutputSchema {
            name: scene.phase.name.replace('-', "_"),
            schema: schema.schema().clone(),
        }),
        ..Request::default()
    }
}

pub(super) fn carry_out(task: &Task, cut: &Cut) -> Came {
    let cancel = Cancel::new();
    let cancelling = cancel.clone();
    cut.on_cut(Box::new(move |_| cancelling.cancel()));
    task.mind.meter.open(Cost {
        tokens: task.reserved.tokens,
        money: task.reserved.money,
    });
    let answer = task.mind.model.turn(&task.request, &cancel, &mut |_| ());
    cut.on_cut(Box::new(|_| ()));
    let metered = task.mind.meter.close();
    let reserved = Cost {
        tokens: task.reserved.tokens,
        money: task.reserved.money,
    };
    match answer {
        Ok(response) => Came {
            spent: charged(metered.unwrap_or_else(|| of_response(&response, reserved))),
            end: Ok(judge(task, &response)),
        },
        Err(error) => {
            let unmetered = if error.kind.may_have_cost() {
                reserved
            } else {
                Cost {
                    tokens: 0,
                    money: Some(0),
                }
            };
            Came {
                spent: charged(metered.unwrap_or(unmetered)),
                end: fault(&error, cut),
            }
        }
    }
}

fn charged(cost: Cost) -> Spent {
    Spent {
        tokens: cost.tokens,
        money: cost.money.unwrap_or(0),
        unpriced: cost.tokens > 0 && cost.money.is_none(),
        cpu_ms: 0,
    }
}

/// Says what an answer is worth.
fn judge(task: &Task, response: &Response) -> StepEnd {
    let answer = response.text();
    let refused = |why: String| StepEnd::Refused {
        answer: crate::tool::cut_middle(answer.clone(), RESULT_BYTES_MAX),
        why,
    };
    match &response.stop {
        Stop::EndTurn | Stop::ToolUse => {}
        Stop::OutputFull => return refused("it was cut off: it is longer than allowed".into()),
        Stop::Refusal { reason } => {
            return StepEnd::Failed {
                why: format!("the model declined: {reason}"),
            };
        }
        Stop::ContextFull => {
            return StepEnd::Failed {
                why: "the model's context is full".into(),
            };
        }
        Stop::Paused => return refused("it was interrupted by the provider".into()),
        Stop::Unknown { reason } => return refused(format!("the model stopped: {reason}")),
    }
    match take(task, &answer) {
        Ok((result, citations)) => StepEnd::Done {
            result,
            citations,
            reused: None,
        },
        Err(why) => refused(why),
    }
}

/// Returns the result that an answer holds, and how many citations in it were found right.
fn take(task: &Task, answer: &str) -> Result<(String, u32), String> {
    if answer.len() > RESULT_BYTES_MAX {
        let found = answer.len();
        return Err(format!(
            "it has {found} bytes, more than {RESULT_BYTES_MAX}"
        ));
    }
    if task.schema.is_none() && task.cited.is_none() {
        let text = answer.trim();
        if text.is_empty() {
            return Err("it has no words".into());
        }
        return Ok((text.to_owned(), 0));
    }
    let value: Value =
        serde_json::from_str(bare(answer)).map_err(|error| format!("it is no JSON: {error}"))?;
    if let Some(schema) = &task.schema {
        schema.holds(&value)?;
    }
    let citations = match &task.cited {
        Some(files) => citation::check(&value, files)?,
        None => 0,
    };
    Ok((value.to_string(), citations))
}

/// Returns an answer without the fence that models put around JSON.
pub(crate) fn bare(answer: &str) -> &str {
    let text = answer.trim();
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((_, inside)) => inside.trim(),
        None => text,
    }
}

/// Says what an error means: for this step, or for all of them.
fn fault(error: &ModelError, cut: &Cut) -> Result<StepEnd, StopReason> {
    match &error.kind {
        ErrorKind::Cancelled => Ok(StepEnd::Cut {
            why: cut.cause().unwrap_or_else(|| "it was cancelled".into()),
        }),
        ErrorKind::ContextOverflow { .. }
        | ErrorKind::RequestTooLarge { .. }
        | ErrorKind::BadRequest { .. }
        | ErrorKind::AnswerTooLarge { .. }
        | ErrorKind::KeyRepeated => Ok(StepEnd::Failed {
            why: error.to_string(),
        }),
        ErrorKind::Key(_)
        | ErrorKind::Unauthorized { .. }
        | ErrorKind::Billing { .. }
        | ErrorKind::NotFound { .. }
        | ErrorKind::Redirect { .. }
        | ErrorKind::Overloaded { .. }
        | ErrorKind::RateLimited { .. }
        | ErrorKind::Server { .. }
        | ErrorKind::Status { .. }
        | ErrorKind::Connect { .. }
        | ErrorKind::Timeout { .. }
        | ErrorKind::Cut { .. }
        | ErrorKind::Malformed { .. }
        | ErrorKind::Budget { .. }
        | ErrorKind::Command { .. }
        | ErrorKind::Replay(_)
        | ErrorKind::Record { .. } => Err(StopReason::RetriesExhausted {
            error: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn a_fence_around_json_is_taken_off() {
        for text in ["{}", " {}\n", "```json\n{}\n```", "```\n{}\n```\n"] {
            assert_eq!(bare(text), "{}", "{text:?}");
        }
        assert_eq!(bare("``` {}"), "``` {}");
    }
}

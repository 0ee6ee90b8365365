//! One attempt: a call, and what is made of what comes back.

use std::time::SystemTime;

use super::Client;
use crate::{
    error::{ErrorKind, ModelError},
    key::Secret,
    model::Cancel,
    money::Price,
    patience::retry_after,
    response::{Event, Response, Usage},
    sse::Parser,
    transport::{ANSWER_BYTES_MAX, Call, ERROR_BYTES_MAX, Flow, Head, Part},
    wire::{Answer, Decoder, Sink, malformed, refusal, request_id},
};

mod fit;

/// How an answer's body is read.
enum Body {
    /// Nothing came yet.
    None,
    /// Events.
    Stream(Parser),
    /// One JSON text.
    Whole(Vec<u8>),
    /// An error page.
    Refusal(Vec<u8>),
}

struct Reading<'a> {
    head: Option<Head>,
    body: Body,
    decoder: Box<dyn Decoder>,
    complete: bool,
    bytes: u64,
    key: Option<&'a Secret>,
    /// The key was in what came; nothing is told any more.
    leaked: bool,
    sink: Sink<'a>,
}

impl Client {
    /// Returns the answer, and what was counted until then.
    pub(super) fn attempt(
        &self,
        call: &Call,
        cancel: &Cancel,
        sink: Sink<'_>,
    ) -> (Result<Response, ModelError>, Usage) {
        let key = call.key.as_ref().map(|key| &key.secret);
        let mut reading = Reading {
            head: None,
            body: Body::None,
            decoder: self.wire.decoder(),
            complete: false,
            bytes: 0,
            key,
            leaked: false,
            sink,
        };
        let sent = self.transport.send(call, cancel, &mut |part| {
            cancel.check()?;
            reading.part(&part)
        });
        let head = reading.head.take();
        let (answer, usage) = reading.end(sent, head.as_ref());
        let id = head.as_ref().and_then(request_id);
        let id = id.map(|id| key.map_or_else(|| id.clone(), |key| key.scrub(&id)));
        let answer = answer.and_then(|answer| {
            let response = self.response(answer, id.clone());
            fit::check(&response, key).map(|()| response)
        });
        let result = match answer {
            Ok(response) => Ok(response),
            Err(kind) => {
                let kind = fit::shown(kind, key);
                let wait = head.as_ref().filter(|_| kind.is_retryable());
                Err(ModelError {
                    kind,
                    retry_after: wait.and_then(|head| retry_after(head, SystemTime::now())),
                    request_id: id,
                    attempts: 1,
                })
            }
        };
        (result, usage)
    }

    fn response(&self, answer: Answer, request_id: Option<String>) -> Response {
        let price = match answer.charged {
            Some(amount) => Price::Known { amount },
            None => self.price(&answer.usage),
        };
        Response {
            blocks: answer.blocks,
            stop: answer.stop,
            usage: answer.usage,
            price,
            model: answer.model,
            id: answer.id,
            request_id,
            attempts: 1,
        }
    }
}

impl Reading<'_> {
    fn part(&mut self, part: &Part<'_>) -> Result<Flow, ErrorKind> {
        match part {
            Part::Head(head) => {
                let kind = head.header("content-type").unwrap_or_default();
                self.body = if head.status != 200 {
                    Body::Refusal(Vec::new())
                } else if kind.starts_with("application/json") {
                    Body::Whole(Vec::new())
                } else {
                    Body::Stream(Parser::default())
                };
                self.head = Some((*head).clone());
                Ok(Flow::More)
            }
            Part::Bytes(bytes) => self.bytes(bytes),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Flow, ErrorKind> {
        self.bytes += bytes.len() as u64;
        if self.bytes > ANSWER_BYTES_MAX {
            let limit_bytes = ANSWER_BYTES_MAX;
            return Err(ErrorKind::AnswerTooLarge { limit_bytes });
        }
        let Self {
            body,
            decoder,
            complete,
            sink,
            key,
            leaked,
            ..
        } = self;
        match body {
            Body::None => return Err(malformed("a body before its head")),
            Body::Whole(all) => all.extend_from_slice(bytes),
            Body::Refusal(all) => {
                let room = ERROR_BYTES_MAX.saturating_sub(all.len());
                all.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if bytes.len() >= room {
                    return Ok(Flow::Enough);
                }
            }
            Body::Stream(parser) => parser.feed(bytes, &mut |event| {
                if *complete {
                    return Ok(());
                }
                *leaked |= key.is_some_and(|key| key.is_in(event.data.as_bytes()));
                let flow = decoder.event(&event, &mut guarded(*key, leaked, *sink))?;
                *complete = flow == Flow::Enough;
                if *leaked {
                    return Err(ErrorKind::KeyRepeated);
                }
                Ok(())
            })?,
        }
        Ok(if *complete { Flow::Enough } else { Flow::More })
    }

    /// Says what the whole was, given how the sending ended.
    fn end(
        mut self,
        sent: Result<(), ErrorKind>,
        head: Option<&Head>,
    ) -> (Result<Answer, ErrorKind>, Usage) {
        let result = self.whole(sent, head);
        let usage = self.decoder.usage();
        let answer = result.and_then(|()| {
            let bytes = self.bytes;
            self.decoder.finish().map_err(|kind| match kind {
                ErrorKind::Cut { reason, .. } => ErrorKind::Cut { bytes, reason },
                other => other,
            })
        });
        (answer, usage)
    }

    fn whole(&mut self, sent: Result<(), ErrorKind>, head: Option<&Head>) -> Result<(), ErrorKind> {
        if let Err(kind) = &sent
            && is_ours(kind)
        {
            return sent;
        }
        match &self.body {
            // What a server said of its refusal counts even if the connection broke after it.
            Body::Refusal(page) => {
                let page = String::from_utf8_lossy(page);
                let status = head.map_or(0, |head| head.status);
                let to = head.and_then(|head| head.header("location"));
                Err(refusal(status, &page, to))
            }
            // So does an answer that was complete.
            Body::Stream(_) if self.complete => Ok(()),
            Body::Stream(_) | Body::None => sent,
            Body::Whole(all) => {
                sent?;
                let body = serde_json::from_slice(all).map_err(|error| {
                    malformed(&format!("expected a JSON object as answer: {error}"))
                })?;
                self.leaked |= self.key.is_some_and(|key| key.is_in(all));
                let mut sink = guarded(self.key, &mut self.leaked, self.sink);
                self.decoder.whole(&body, &mut sink)?;
                drop(sink);
                if self.leaked {
                    return Err(ErrorKind::KeyRepeated);
                }
                Ok(())
            }
        }
    }
}

/// Returns whether something failed here, so that no answer may be used whatever came.
fn is_ours(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Cancelled | ErrorKind::Record { .. } | ErrorKind::Replay(_)
    )
}

/// Tells what has no key in it, and nothing after it. A key that comes in pieces is found in the whole answer alone.
fn guarded<'a>(
    key: Option<&'a Secret>,
    leaked: &'a mut bool,
    sink: Sink<'a>,
) -> impl FnMut(Event) + 'a {
    move |event| {
        *leaked |=
            key.is_some_and(|key| event.texts().iter().any(|text| key.is_in(text.as_bytes())));
        if !*leaked {
            sink(event);
        }
    }
}

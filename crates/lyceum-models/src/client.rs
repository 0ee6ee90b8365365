//! A model behind a wire: attempts, patience between them, and a budget around each.

use std::sync::Arc;

use crate::{
    budget::{self, Budget, Spent},
    error::{ErrorKind, ModelError},
    key::Secret,
    model::{Cancel, Model},
    money::Price,
    patience::{Pace, Patience},
    prices::PriceList,
    request::Request,
    response::{Event, Response, Usage},
    transport::{Call, KeyHeader, Transport},
    wire::{Sink, Wire},
};

mod attempt;

/// A model that is reached over a wire.
pub struct Client {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) key: Option<Secret>,
    pub(crate) prices: Option<PriceList>,
    pub(crate) patience: Patience,
    pub(crate) pace: Arc<dyn Pace>,
    pub(crate) budget: Arc<dyn Budget>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Model for Client {
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        let body = self.wire.body(&self.model, request).to_string();
        let call = self.call(body.into_bytes());
        let patience = self.patience.within(self.budget.attempts_max());
        let (mut failed, mut last) = (0, None);
        loop {
            let error = match self.paid(request, &call, cancel, sink) {
                Ok(mut response) => {
                    response.attempts = failed + 1;
                    return Ok(response);
                }
                Err(error) => error,
            };
            failed += error.attempts;
            let error = ModelError {
                attempts: failed,
                ..after_last(error, last)
            };
            let Some(after) = patience.wait(&error, failed, &*self.pace) else {
                return Err(error);
            };
            sink(Event::Retrying {
                failed,
                kind: error.kind.clone(),
                error: error.to_string(),
                after,
            });
            let waited = self.pace.wait(after, cancel);
            if let Err(kind) = waited {
                return Err(ModelError { kind, ..error });
            }
            last = Some(error);
        }
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Client {
    fn call(&self, body: Vec<u8>) -> Call {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "text/event-stream".to_owned()),
        ];
        headers.extend(self.wire.headers());
        let (name, before) = self.wire.key_header();
        Call {
            url: self.url.clone(),
            path: self.path.clone(),
            headers,
            key: self.key.clone().map(|secret| KeyHeader {
                name,
                before,
                secret,
            }),
            body,
        }
    }

    /// Makes one attempt between a reservation and its settlement.
    fn paid(
        &self,
        request: &Request,
        call: &Call,
        cancel: &Cancel,
        sink: Sink<'_>,
    ) -> Result<Response, ModelError> {
        cancel.check().map_err(before)?;
        let bytes = call.body.len() as u64;
        let most = budget::estimate(request, bytes, |usage| self.price(usage));
        let reservation = self
            .budget
            .reserve(&most)
            .map_err(|reason| before(ErrorKind::Budget { reason, last: None }))?;
        let (result, usage) = self.attempt(call, cancel, sink);
        let spent = match &result {
            Ok(response) if response.usage.reported || response.price != Price::Unknown => {
                Spent::Counted {
                    usage: response.usage,
                    price: response.price,
                }
            }
            Ok(_) => Spent::Uncertain { usage },
            Err(error) if error.kind.may_have_cost() => Spent::Uncertain { usage },
            Err(_) => Spent::Nothing,
        };
        self.budget.settle(reservation, &spent);
        result
    }

    fn price(&self, usage: &Usage) -> Price {
        match &self.prices {
            Some(list) => list.price(usage),
            None => Price::Unknown,
        }
    }
}

/// Returns an error with what the attempt before it failed with, where the budget ended the attempts.
fn after_last(error: ModelError, last: Option<ModelError>) -> ModelError {
    match (error.kind, last) {
        (ErrorKind::Budget { reason, last: None }, Some(last)) => ModelError {
            kind: ErrorKind::Budget {
                reason,
                last: Some(Box::new(last.kind)),
            },
            ..last
        },
        (kind, _) => ModelError { kind, ..error },
    }
}

/// Returns the error of an attempt that was not made.
fn before(kind: ErrorKind) -> ModelError {
    ModelError {
        attempts: 0,
        ..ModelError::new(kind)
    }
}

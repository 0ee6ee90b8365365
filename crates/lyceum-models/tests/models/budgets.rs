//! Money is reserved before each attempt and settled after it.

use std::sync::{Arc, Mutex};

use lyceum_models::{
    Budget, Cache, ErrorKind, Estimate, Price, Reservation, Spent, SystemBlock, WireKind,
    scripted::{Fault, Said, Server},
};

use crate::support::{WIRES, ask, model, patient, request};

/// Keeps what it is told, and allows so many attempts.
struct Ledger {
    allowed: u64,
    attempts_max: Option<u32>,
    told: Mutex<Vec<String>>,
    estimates: Mutex<Vec<Estimate>>,
}

impl Ledger {
    fn new(allowed: u64) -> Arc<Self> {
        Arc::new(Self::of(allowed))
    }

    fn of(allowed: u64) -> Self {
        Self {
            allowed,
            attempts_max: None,
            told: Mutex::default(),
            estimates: Mutex::default(),
        }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

impl Budget for Ledger {
    fn attempts_max(&self) -> Option<u32> {
        self.attempts_max
    }

    fn reserve(&self, most: &Estimate) -> Result<Reservation, String> {
        let mut estimates = self.estimates.lock().unwrap();
        let number = estimates.len() as u64;
        if number == self.allowed {
            return Err("the study has spent its money".to_owned());
        }
        estimates.push(*most);
        self.told.lock().unwrap().push(format!("reserve {number}"));
        Ok(Reservation(number))
    }

    fn settle(&self, reservation: Reservation, spent: &Spent) {
        let spent = match spent {
            Spent::Counted { usage, price } => {
                let price = price.amount().map(|amount| amount.to_string());
                format!("{} out {}", usage.output_tokens, price.unwrap_or_default())
            }
            Spent::Nothing => "nothing".to_owned(),
            Spent::Uncertain { usage } => format!("uncertain, {} in", usage.input_tokens),
        };
        let text = format!("settle {}: {spent}", reservation.0);
        self.told.lock().unwrap().push(text);
    }
}

#[test]
fn every_attempt_is_reserved_for_and_settled() {
    let cut = Fault::Cut {
        said: Said::text("this breaks off"),
        after: 700,
        clean: false,
    };
    let limited = Fault::RateLimited { retry_after: None };
    let script = vec![limited.into(), cut.into(), Said::text("yes").into()];
    let server = Server::start(script).unwrap();
    let ledger = Ledger::new(9);
    let (mut options, pace) = patient(5);
    options.budget = ledger.clone();
    let answer = ask(&model(WireKind::Anthropic, &server, options), &request()).unwrap();
    assert_eq!(answer.attempts, 3);
    assert_eq!(pace.waits.lock().unwrap().len(), 2);
    let expected = [
        "reserve 0",
        "settle 0: nothing",
        "reserve 1",
        "settle 1: uncertain, 100 in",
        "reserve 2",
        "settle 2: 20 out $0.0008",
    ];
    assert_eq!(ledger.told(), expected);
}

#[test]
fn what_is_not_allowed_is_not_asked_for() {
    for wire in WIRES {
        let server = Server::start(vec![Fault::Overloaded.into(), Said::text("yes").into()]);
        let server = server.unwrap();
        let (mut options, _) = patient(5);
        options.budget = Ledger::new(1);
        let error = ask(&model(wire, &server, options), &request()).unwrap_err();
        assert_eq!(error.attempts, 1);
        assert_eq!(server.received().len(), 1);
        assert_eq!(error.request_id.as_deref(), Some("req_scripted"));
        let said = error.to_string();
        let begin = "the budget does not allow another attempt: the study has spent its money; the last one failed: the server is overloaded";
        assert!(said.starts_with(begin), "{said}");
        let ErrorKind::Budget {
            last: Some(last), ..
        } = error.kind
        else {
            panic!("{said}");
        };
        assert!(matches!(*last, ErrorKind::Overloaded { .. }), "{last}");
    }
}

#[test]
fn no_first_attempt_has_no_last_error() {
    let server = Server::start(vec![]).unwrap();
    let (mut options, _) = patient(5);
    options.budget = Ledger::new(0);
    let error = ask(&model(WireKind::Chat, &server, options), &request()).unwrap_err();
    let reason = "the study has spent its money".to_owned();
    let last = None;
    assert_eq!(error.kind, ErrorKind::Budget { reason, last });
    assert_eq!(error.attempts, 0);
    assert!(!error.to_string().contains("another"), "{error}");
}

#[test]
fn as_many_attempts_are_made_as_are_provided_for() {
    for (provided, patience, made) in [(3, 5, 3), (5, 2, 2), (1, 5, 1)] {
        let server = Server::answering(|_| Fault::Overloaded.into()).unwrap();
        let (mut options, pace) = patient(patience);
        options.budget = Arc::new(Ledger {
            attempts_max: Some(provided),
            ..Ledger::of(9)
        });
        let error = ask(&model(WireKind::Chat, &server, options), &request()).unwrap_err();
        // Nobody waits for an attempt that cannot be.
        assert_eq!(pace.waits.lock().unwrap().len() as u32, made - 1);
        assert_eq!(
            (error.attempts, server.received().len() as u32),
            (made, made)
        );
        assert!(
            matches!(error.kind, ErrorKind::Overloaded { .. }),
            "{error}"
        );
    }
}

#[test]
fn an_estimate_is_above_what_is_used() {
    let server = Server::start(vec![Said::text("yes").into()]).unwrap();
    let ledger = Ledger::new(1);
    let (mut options, _) = patient(1);
    options.budget = ledger.clone();
    let mut request = request();
    request.system = vec![SystemBlock {
        text: "word ".repeat(2_000),
        cache: Some(Cache::Hour),
    }];
    ask(&model(WireKind::Anthropic, &server, options), &request).unwrap();
    let estimate = ledger.estimates.lock().unwrap()[0];
    assert_eq!(estimate.output_tokens, 1000);
    // About 2,000 tokens: 10,000 bytes, and what providers add.
    assert!(
        (5_000..10_000).contains(&estimate.input_tokens),
        "{estimate:?}"
    );
    // All of it written to the dearest cache: $8 and $20 for a million.
    let dollars = estimate.input_tokens * 8_000 + 1_000 * 20_000;
    let amount = lyceum_models::Money(dollars);
    assert_eq!(estimate.price, Price::Known { amount });
}

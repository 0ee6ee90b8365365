//! From what a person names to a model that answers.

use std::{path::PathBuf, sync::Arc};

use crate::{
    budget::{Budget, Unlimited},
    client::Client,
    command::{GRACE, Program},
    error::{ErrorKind, ModelError},
    http::Http,
    key::{self, Environment, KeyError, Secret},
    patience::{NoPace, Pace, Patience, SystemPace},
    prices::{PriceList, list_price},
    record::{Keep, Recorder, Recording},
    spec::{Base, Spec, SpecError},
    transport::{Limits, Transport},
    wire::{Wire, anthropic::Anthropic, chat::Chat, command::Command, responses::Responses},
};

/// Whether exchanges are recorded or replayed.
#[derive(Clone, Default)]
pub enum Tape {
    /// Neither.
    #[default]
    Live,
    /// Every attempt is recorded.
    Record(Arc<dyn Keep>),
    /// Answers come from a recording: no key is looked for, nothing is sent anywhere, nothing is waited for.
    Replay(Recording),
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Live => "Live",
            Self::Record(_) => "Record",
            Self::Replay(_) => "Replay",
        })
    }
}

/// How a model is used.
#[derive(Clone)]
pub struct Options {
    /// How long is waited for what within an attempt.
    pub limits: Limits,
    /// How often a turn is tried.
    pub patience: Patience,
    /// Time and chance.
    pub pace: Arc<dyn Pace>,
    /// Who allows attempts.
    pub budget: Arc<dyn Budget>,
    /// Whether exchanges are recorded or replayed.
    pub tape: Tape,
    /// Prices instead of [`crate::list_price`]'s.
    pub prices: Option<PriceList>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            patience: Patience::default(),
            pace: Arc::new(SystemPace),
            budget: Arc::new(Unlimited),
            tape: Tape::Live,
            prices: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("limits", &self.limits)
            .field("patience", &self.patience)
            .field("tape", &self.tape)
            .finish_non_exhaustive()
    }
}

/// Where a model is and what it is spoken with.
struct Place {
    wire: Box<dyn Wire>,
    /// None for a program.
    base: Option<Base>,
    model: String,
    /// The variable of the environment that holds the key.
    variable: &'static str,
    /// Without a key nothing goes.
    key_needed: bool,
}

/// Makes a model ready. Reads keys, and `ANTHROPIC_BASE_URL`, `OPENAI_BASE_URL` and `SSL_CERT_FILE`, from
/// `environment` ([`crate::environment`] is the process's own); sends nothing.
pub fn connect(
    spec: &Spec,
    options: Options,
    environment: Environment<'_>,
) -> Result<Client, ModelError> {
    let place = place(spec, environment)?;
    let replays = matches!(options.tape, Tape::Replay(_));
    let key = if replays {
        None
    } else {
        find_key(&place, environment)?
    };
    let (url, path) = match (&place.base, spec) {
        (Some(base), _) => addressed(base, place.wire.path()),
        (None, Spec::Command { program }) => (program.clone(), program.clone()),
        (None, _) => (String::new(), String::new()),
    };
    let live = |program: &str| -> Result<Box<dyn Transport>, ModelError> {
        Ok(match &place.base {
            Some(base) => Box::new(Http {
                base: base.clone(),
                limits: options.limits,
                roots: roots(environment)?,
            }),
            None => Box::new(Program {
                line: program.to_owned(),
                limits: options.limits,
                grace: GRACE,
            }),
        })
    };
    let transport = match options.tape {
        Tape::Live => live(&url)?,
        Tape::Record(tape) => Box::new(Recorder {
            inner: live(&url)?,
            tape,
        }),
        Tape::Replay(recording) => Box::new(recording),
    };
    let listed = list_price(place.wire.kind(), &place.model);
    Ok(Client {
        name: spec.to_string(),
        prices: options.prices.or(listed),
        model: place.model,
        wire: place.wire,
        transport,
        url,
        path,
        key,
        patience: options.patience,
        pace: if replays {
            Arc::new(NoPace)
        } else {
            options.pace
        },
        budget: options.budget,
    })
}

fn place(spec: &Spec, environment: Environment<'_>) -> Result<Place, ModelError> {
    let based = |variable: &str, usual: &str| -> Result<Base, ModelError> {
        let own = environment(variable).and_then(|value| value.into_string().ok());
        let text = own.unwrap_or_else(|| usual.to_owned());
        text.parse().map_err(|error: SpecError| {
            none(ErrorKind::Connect {
                host: variable.to_owned(),
                reason: error.to_string(),
            })
        })
    };
    Ok(match spec {
        Spec::Anthropic { model } => Place {
            wire: Box::new(Anthropic),
            base: Some(based("ANTHROPIC_BASE_URL", "https://api.anthropic.com")?),
            model: model.clone(),
            variable: "ANTHROPIC_API_KEY",
            key_needed: true,
        },
        Spec::OpenAi { model } => Place {
            wire: Box::new(Responses),
            base: Some(based("OPENAI_BASE_URL", "https://api.openai.com/v1")?),
            model: model.clone(),
            variable: "OPENAI_API_KEY",
            key_needed: true,
        },
        Spec::Chat { base, model } => Place {
            wire: Box::new(Chat),
            base: Some(base.clone()),
            model: model.clone(),
            variable: "LYCEUM_MODEL_KEY",
            key_needed: false,
        },
        Spec::Command { .. } => Place {
            wire: Box::new(Command),
            base: None,
            model: String::new(),
            variable: "LYCEUM_MODEL_KEY",
            key_needed: false,
        },
    })
}

/// Returns the key, if one is wanted and may be sent there.
fn find_key(place: &Place, environment: Environment<'_>) -> Result<Option<Secret>, ModelError> {
    let Some(base) = &place.base else {
        // A program of the user's has the user's environment.
        return Ok(None);
    };
    let variable = place.variable;
    let key = key::find(variable, environment).map_err(|error| none(error.into()))?;
    if key.is_none() && place.key_needed {
        return Err(none(KeyError::Missing { variable }.into()));
    }
    if key.is_some() && !base.is_encrypted() && !base.is_local() {
        let host = base.authority().to_owned();
        return Err(none(KeyError::NotEncrypted { host, variable }.into()));
    }
    Ok(key)
}

/// Returns the address of something, and the part of it after host and port.
fn addressed(base: &Base, path: &str) -> (String, String) {
    let url = base.join(path);
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = after.find('/').map_or("/", |at| &after[at..]).to_owned();
    (url, path)
}

/// Returns the roots of trust that the environment names, as other programs read them.
fn roots(environment: Environment<'_>) -> Result<Option<Vec<u8>>, ModelError> {
    let Some(path) = environment("SSL_CERT_FILE") else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    match std::fs::read(&path) {
        Ok(pem) => Ok(Some(pem)),
        Err(error) => Err(none(ErrorKind::Connect {
            host: "SSL_CERT_FILE".to_owned(),
            reason: format!("`{}`: {error}", path.display()),
        })),
    }
}

fn none(kind: ErrorKind) -> ModelError {
    ModelError {
        attempts: 0,
        ..ModelError::new(kind)
    }
}

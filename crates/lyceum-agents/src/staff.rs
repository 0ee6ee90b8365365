//! Who hires agents for studies: a model by its name, its key from the environment, its price from the list.

use std::sync::Arc;

use lyceum_models::{
    Environment, ModelError, Options as Connection, Price, Spec, Tape, Usage, WireKind, connect,
    list_price,
};
use lyceum_study::{
    engine::{Agent, Broken},
    lab::{Desk, Judge, Staff},
};

use crate::{
    agent::{Brief, StudyAgent, Tell},
    judgement,
    mind::{Meter, Mind, PriceOf},
    referee::Referee,
    tapes::{Reel, Tapes},
};

/// Makes a model ready, with its meter. Sends nothing.
pub fn mind(spec: &Spec, environment: Environment<'_>) -> Result<Mind, ModelError> {
    mind_with(spec, environment, Tape::Live)
}

/// Makes a model ready whose exchanges are recorded, or come from a recording.
pub fn mind_with(
    spec: &Spec,
    environment: Environment<'_>,
    tape: Tape,
) -> Result<Mind, ModelError> {
    let meter = Arc::new(Meter::default());
    let options = Connection {
        budget: meter.clone(),
        tape,
        ..Connection::default()
    };
    let model = connect(spec, options, environment)?;
    Ok(Mind {
        model: Box::new(model),
        price: price_of(spec),
        meter,
        reel: Reel::default(),
    })
}

/// Returns what a model's tokens cost by the list.
pub(crate) fn price_of(spec: &Spec) -> PriceOf {
    let listed = match spec {
        Spec::Anthropic { model } => list_price(WireKind::Anthropic, model),
        Spec::OpenAi { model } => list_price(WireKind::Responses, model),
        Spec::Chat { .. } | Spec::Command { .. } => None,
    };
    Box::new(move |usage: &Usage| match &listed {
        Some(prices) => prices.price(usage),
        None => Price::Unknown,
    })
}

/// Hires language models by the names that people give them.
pub struct Agency {
    /// What a new session is made of.
    pub brief: Brief,
    /// Where a variable of the environment is looked up.
    pub environment: fn(&str) -> Option<std::ffi::OsString>,
    /// Whether exchanges are recorded or replayed.
    pub tapes: Tapes,
    /// Makes what tells a person how an agent fares.
    pub tell: fn() -> Tell,
}

impl Staff for Agency {
    fn knows(&self, name: &str) -> bool {
        name.parse::<Spec>().is_ok()
    }

    fn hire(&self, name: &str, desk: &Desk<'_>) -> Result<Box<dyn Agent>, Broken> {
        let doing = || format!("hiring `{name}`");
        let spec: Spec = name.parse().map_err(Broken::while_doing(doing()))?;
        let mind = self.tapes.hire(&spec, &self.environment);
        let mind = mind.map_err(Broken::while_doing(doing()))?;
        let budget = &desk.executor.study().study.budget;
        if budget.money.is_some() && !mind.has_price() {
            return Err(Broken::while_doing(doing())(judgement::Unpaid::Price));
        }
        let agent = StudyAgent::open(name, desk, mind, &self.brief, (self.tell)());
        let agent = agent.map_err(Broken::while_doing(doing()))?;
        Ok(Box::new(agent))
    }

    fn judge(&self) -> Option<Arc<dyn Judge>> {
        Some(Arc::new(Referee {
            environment: self.environment,
            tapes: self.tapes.clone(),
        }))
    }
}

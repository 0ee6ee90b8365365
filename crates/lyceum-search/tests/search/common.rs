//! Spaces and studies in miniature.

use lyceum_search::{Ask, Error, Proposal, Researcher, Trial, TrialResult};
use lyceum_types::{
    Condition, ExperimentId, Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space,
};

pub(crate) fn float(name: &str, low: f64, high: f64, scale: Scale) -> Knob {
    knob(name, KnobKind::Float { low, high, scale })
}

pub(crate) fn integer(name: &str, low: i64, high: i64) -> Knob {
    let scale = Scale::Linear;
    knob(name, KnobKind::Integer { low, high, scale })
}

pub(crate) fn choice(name: &str, choices: &[&str]) -> Knob {
    let choices = choices
        .iter()
        .map(|text| Setting::Text((*text).to_owned()))
        .collect();
    knob(name, KnobKind::Categorical { choices })
}

pub(crate) fn knob(name: &str, kind: KnobKind) -> Knob {
    Knob {
        name: name.to_owned(),
        kind,
        condition: None,
    }
}

pub(crate) fn when(mut knob: Knob, on: &str, value: &str) -> Knob {
    let is = vec![Setting::Text(value.to_owned())];
    knob.condition = Some(Condition {
        knob: on.to_owned(),
        is,
    });
    knob
}

/// A space with every kind of knob.
pub(crate) fn mixed() -> Space {
    Space::new(vec![
        float("rate", 1e-4, 1e-1, Scale::Log),
        integer("width", 16, 64),
        choice("optimizer", &["sgd", "adamw", "lion"]),
        knob("warm_up", KnobKind::Boolean),
        when(
            float("momentum", 0.0, 1.0, Scale::Linear),
            "optimizer",
            "sgd",
        ),
        float("decay", 0.0, 0.5, Scale::Linear),
    ])
    .unwrap()
}

pub(crate) fn mixed_start() -> Settings {
    Settings::from([
        ("rate".to_owned(), Setting::Float(1e-3)),
        ("width".to_owned(), Setting::Integer(32)),
        ("optimizer".to_owned(), Setting::Text("adamw".to_owned())),
        ("warm_up".to_owned(), Setting::Boolean(false)),
        ("decay".to_owned(), Setting::Float(0.1)),
    ])
}

pub(crate) fn number(settings: &Settings, name: &str) -> f64 {
    settings[name].number().unwrap()
}

/// A smooth function of [`mixed`] whose best is near 0.5.
pub(crate) fn mixed_value(settings: &Settings) -> f64 {
    let rate = (number(settings, "rate") / 0.01).log10();
    let width = number(settings, "width") / 48.0 - 1.0;
    let optimizer = match &settings["optimizer"] {
        Setting::Text(name) if name == "adamw" => 0.0,
        Setting::Text(name) if name == "lion" => 0.3,
        _ => 0.2 + (number(settings, "momentum") - 0.9).abs(),
    };
    let warm_up = if settings["warm_up"] == Setting::Boolean(true) {
        0.0
    } else {
        0.1
    };
    0.5 + rate * rate + width * width + optimizer + warm_up + number(settings, "decay")
}

pub(crate) fn measured(mean: f64) -> TrialResult {
    TrialResult::Measured {
        mean,
        sd: None,
        repeats: 1,
    }
}

/// A study without a lab: asks, measures, remembers.
pub(crate) struct Study<'a> {
    pub(crate) space: &'a Space,
    pub(crate) start: Settings,
    pub(crate) goal: Goal,
    pub(crate) noise_sd: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) budget: u32,
    pub(crate) history: Vec<Trial>,
}

impl<'a> Study<'a> {
    pub(crate) fn new(space: &'a Space, seed: u64) -> Study<'a> {
        Study {
            space,
            start: Settings::new(),
            goal: Goal::Minimize,
            noise_sd: None,
            seed,
            budget: 40,
            history: Vec::new(),
        }
    }

    pub(crate) fn ask(
        &self,
        researcher: &dyn Researcher,
        pending: &[Settings],
    ) -> Result<Proposal, Error> {
        researcher.propose(&Ask {
            space: self.space,
            goal: self.goal,
            start: &self.start,
            history: &self.history,
            pending,
            noise_sd: self.noise_sd,
            priors: &[],
            rungs: 0,
            seed: Seed(self.seed),
            number: (self.history.len() + pending.len()) as u64,
            budget: self.budget,
        })
    }

    pub(crate) fn tell(&mut self, settings: Settings, result: TrialResult) {
        let experiment = ExperimentId(self.history.len() as u32);
        self.history.push(Trial {
            experiment,
            settings,
            researcher: String::new(),
            prediction: None,
            result,
        });
    }

    /// Adds a proposal with its result.
    fn learn(&mut self, name: &str, proposal: &Proposal, result: TrialResult) {
        self.tell(proposal.settings.clone(), result);
        if let Some(trial) = self.history.last_mut() {
            proposal
                .member
                .unwrap_or(name)
                .clone_into(&mut trial.researcher);
            trial.prediction = proposal.prediction;
        }
    }

    /// Runs this many experiments and returns the proposals; every one must be in the space.
    pub(crate) fn run(
        &mut self,
        researcher: &dyn Researcher,
        count: usize,
        mut measure: impl FnMut(&Settings) -> TrialResult,
    ) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        for _ in 0..count {
            let proposal = self.ask(researcher, &[]).unwrap();
            self.space.check(&proposal.settings).unwrap();
            let result = measure(&proposal.settings);
            self.learn(researcher.name(), &proposal, result);
            proposals.push(proposal);
        }
        proposals
    }

    pub(crate) fn best(&self) -> f64 {
        let numbers = self.history.iter().filter_map(|trial| match trial.result {
            TrialResult::Measured { mean, .. } => Some(mean),
            TrialResult::Failed | lyceum_search::TrialResult::StoppedEarly { .. } => None,
        });
        numbers.fold(f64::INFINITY, f64::min)
    }
}

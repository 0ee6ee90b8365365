//! What a study asks of a researcher, and what it gets back.

use std::collections::HashSet;

use lyceum_types::{ExperimentId, Goal, KnobPrior, Prediction, Seed, Settings, Space};

use crate::{
    CoordinateSweep, Evolution, EvolutionStrategy, GaussianProcess, Halving, LowDiscrepancy,
    NetworkResearcher, Parzen, Portfolio, Random, Turn,
    codec::{Codec, Levels},
    halving,
};

/// Names that [`by_name`] knows, the default first.
pub const NAMES: &[&str] = &[
    "gp",
    "portfolio",
    "network",
    "tpe",
    "cma",
    "evolution",
    "sobol",
    "sweep",
    "random",
];

/// How a past experiment ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TrialResult {
    /// It gave a number. A `mean` that is not finite is taken for a failure.
    Measured {
        /// Mean of the metric over its repeats.
        mean: f64,
        /// Standard deviation between the repeats, where there were several.
        sd: Option<f64>,
        /// How many runs the mean is over; 0 is read as 1.
        repeats: u32,
    },
    /// The lab stopped its run early: no value, and no failure. [`crate::Halving`] learns from such trials; without it they
    /// are only never proposed again.
    StoppedEarly {
        /// Number of the rung at which it was stopped, from 0.
        rung: u32,
        /// What the run had said of itself there: comparable within the rung alone.
        reported: Option<f64>,
    },
    /// Its runs gave no number: learnt as "such settings fail", never scored.
    Failed,
}

/// A past experiment. Experiments that the lab itself cut short are not trials: leave them out.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The experiment.
    pub experiment: ExperimentId,
    /// Its settings. A trial whose settings are not in the space of the [`Ask`] is ignored.
    pub settings: Settings,
    /// Name of the researcher that proposed it; empty where none did.
    pub researcher: String,
    /// What that researcher expected of the metric.
    pub prediction: Option<Prediction>,
    /// How it ended.
    pub result: TrialResult,
}

/// The question: everything that a proposal may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What may be turned.
    pub space: &'a Space,
    /// Which direction is better.
    pub goal: Goal,
    /// Settings of the unchanged workspace. The lab measures them itself; they are never proposed for their own sake.
    pub start: &'a Settings,
    /// What is known.
    pub history: &'a [Trial],
    /// Settings of experiments that are proposed or running and not yet in the history.
    pub pending: &'a [Settings],
    /// Standard deviation of one run at fixed settings, where the noise floor was measured.
    pub noise_sd: Option<f64>,
    /// Where good values lay in earlier studies; empty where nothing is known. A sampler that has no use for it ignores it.
    pub priors: &'a [KnobPrior],
    /// At how many points of a run the lab may stop it early by what it reports; 0 where all run to their end.
    pub rungs: u32,
    /// Seed of the study.
    pub seed: Seed,
    /// Number of this ask in the study, from 0: names the stream of random numbers.
    pub number: u64,
    /// How many proposals the whole study may make.
    pub budget: u32,
}

impl Ask<'_> {
    /// Returns the different points of the space that are tried, failed or pending.
    pub(crate) fn taken(&self, codec: &Codec<'_>) -> Vec<Levels> {
        let tried = self.history.iter().map(|trial| &trial.settings);
        let mut taken: Vec<Levels> = Vec::new();
        // A long study has ten thousand points: comparing each with all before it took half a second per proposal.
        let mut seen = HashSet::new();
        for levels in tried
            .chain(self.pending)
            .filter_map(|settings| codec.levels(settings))
        {
            // Adding 0 makes one number of both zeros.
            let bits = |level: &Option<f64>| level.map(|level| (level + 0.0).to_bits());
            if seen.insert(levels.iter().map(bits).collect::<Vec<_>>()) {
                taken.push(levels);
            }
        }
        taken
    }
}

/// The answer: what to try next and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// A value for each active knob; always in the space of the ask.
    pub settings: Settings,
    /// The idea in words and numbers: a lowercase fragment on one line.
    pub hypothesis: String,
    /// What is expected of the metric; `None` when the researcher has no model yet.
    pub prediction: Option<Prediction>,
    /// Past experiments that speak for it, nearest first.
    pub evidence: Vec<ExperimentId>,
    /// Name of the researcher within a portfolio that made it; `None` where the researcher asked is the one.
    pub member: Option<&'static str>,
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The space has no knob.
    #[error("nothing to propose: the space has no knobs, expected at least one")]
    NoKnobs,
    /// Every setting of a finite space is in the history or pending.
    #[error("nothing left to propose: all {tried} settings of the space are tried or running")]
    Exhausted {
        /// How many different settings are tried or running.
        tried: usize,
    },
}

/// Whatever proposes the next experiment. The study does not know which one it talks to.
pub trait Researcher: Send {
    /// Returns the name that is written beside each proposal.
    fn name(&self) -> &str;

    /// Returns what to try next.
    ///
    /// # Errors
    /// [`Error::NoKnobs`] for an empty space, [`Error::Exhausted`] when nothing new is left in a finite one.
    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error>;

    /// Returns whose turn it is where an agent proposes beside this one, which let `passed` turns go; `None` where the agent
    /// has all turns.
    fn turn(&self, ask: &Ask<'_>, passed: u32) -> Option<Turn> {
        let _ = (ask, passed);
        None
    }
}

/// Returns the researcher of this name, which is one of [`NAMES`] or `asha:` and one of them; `None` when there is none.
pub fn by_name(name: &str) -> Option<Box<dyn Researcher>> {
    match name {
        "gp" => Some(Box::new(GaussianProcess)),
        "portfolio" => Some(Box::new(Portfolio)),
        "network" => Some(Box::new(NetworkResearcher::shipped())),
        "tpe" => Some(Box::new(Parzen)),
        "cma" => Some(Box::new(EvolutionStrategy)),
        "evolution" => Some(Box::new(Evolution)),
        "sobol" => Some(Box::new(LowDiscrepancy)),
        "sweep" => Some(Box::new(CoordinateSweep)),
        "random" => Some(Box::new(Random)),
        _ => {
            let inner = name.strip_prefix(halving::PREFIX)?;
            let inner = NAMES.contains(&inner).then(|| by_name(inner)).flatten()?;
            Some(Box::new(Halving::around(inner)))
        }
    }
}

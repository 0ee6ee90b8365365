//! One study of the bench.

use std::time::Duration;

use lyceum_search::{Ask, NetworkResearcher, Researcher, Trial, TrialResult, by_name};
use lyceum_train::prior_fitted::{Config, Network, Trained};
use lyceum_types::{ExperimentId, Goal, Seed, Settings};

use crate::{
    early::{self, Rungs},
    task::Task,
};

/// What came of a study.
pub(crate) struct Found {
    /// After each evaluation the regret, without noise, of the settings with the best observation so far; infinite while
    /// there is none.
    pub(crate) regrets: Vec<f64>,
    /// Parts of whole runs that were used up to each evaluation, a whole run counted as [`early::PARTS`].
    pub(crate) parts: Vec<u64>,
    /// CPU time of all proposals.
    pub(crate) spent: Duration,
}

/// How a study is conducted.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Who proposes, and the name in the record.
    pub(crate) name: &'a str,
    /// Evaluations; the researcher is told.
    pub(crate) evaluations: u32,
    /// Whether the researcher is told the noise.
    pub(crate) noise_told: bool,
    /// What runs report on their way, where those that fall behind are stopped.
    pub(crate) curves: Option<&'a crate::tables::Curves>,
    /// The first rung at which they are.
    pub(crate) first_rung: usize,
    /// Ends the study when so many parts of runs are used.
    pub(crate) parts_max: u64,
}

/// Returns the researcher of this name; `network:FILE` asks the network in this file, `network:untrained` one that has
/// learnt nothing.
fn researcher(name: &str) -> Box<dyn Researcher> {
    let Some(file) = name.strip_prefix("network:") else {
        return by_name(name).expect("a researcher of this name");
    };
    let (network, parameters) = if file == "untrained" {
        let network = Network::new(Config::default()).expect("the usual sizes");
        let parameters = network.initialise(1);
        (network, parameters)
    } else {
        let bytes = std::fs::read(file).expect("a file of weights");
        let trained = Trained::read(&bytes).expect("a network");
        (trained.network, trained.parameters)
    };
    Box::new(NetworkResearcher::new("network", network, parameters))
}

/// Runs one study.
pub(crate) fn study(terms: &Terms<'_>, task: &Task) -> Found {
    let researcher = researcher(terms.name);
    let mut rungs = Rungs::default();
    let mut history: Vec<Trial> = Vec::new();
    let mut best = (f64::INFINITY, f64::INFINITY);
    let mut found = Found {
        regrets: Vec::new(),
        parts: Vec::new(),
        spent: Duration::ZERO,
    };
    let mut parts = 0;
    for number in 0..terms.evaluations {
        let before = cpu();
        let proposal = researcher
            .propose(&Ask {
                space: &task.space,
                goal: Goal::Minimize,
                start: &Settings::new(),
                history: &history,
                pending: &[],
                noise_sd: terms.noise_told.then_some(task.noise_sd),
                priors: &[],
                rungs: terms
                    .curves
                    .map_or(0, |_| (early::RUNGS.len() - terms.first_rung) as u32),
                seed: Seed(task.seed).derive(task.name, 0),
                number: u64::from(number),
                budget: terms.evaluations,
            })
            .expect("a proposal");
        found.spent += cpu().saturating_sub(before);
        let reported = terms
            .curves
            .map_or(&[][..], |curves| curves.of(&proposal.settings));
        let stopped = rungs.stop(reported, terms.first_rung);
        parts += stopped.map_or(early::PARTS, |rung| early::RUNGS[rung]);
        let result = if let Some(rung) = stopped {
            TrialResult::StoppedEarly {
                rung: (rung - terms.first_rung) as u32,
                reported: Some(reported[rung]).filter(|value| value.is_finite()),
            }
        } else {
            let observed = task.observe(&proposal.settings, u64::from(number));
            if let Some(observed) = observed.filter(|observed| *observed < best.0) {
                let value = (task.value)(&proposal.settings).expect("it was observed");
                best = (observed, (value - task.least).max(0.0));
            }
            observed.map_or(TrialResult::Failed, |mean| TrialResult::Measured {
                mean,
                sd: None,
                repeats: 1,
            })
        };
        found.regrets.push(best.1);
        found.parts.push(parts);
        history.push(Trial {
            experiment: ExperimentId(number),
            settings: proposal.settings,
            researcher: proposal.member.unwrap_or(terms.name).to_owned(),
            prediction: proposal.prediction,
            result,
        });
        if parts >= terms.parts_max {
            break;
        }
    }
    found
}

/// Returns the CPU time of this thread, from the scheduler's own record; wall time where there is none.
pub(crate) fn cpu() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let record = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match record
        .split(' ')
        .next()
        .and_then(|nanoseconds| nanoseconds.parse().ok())
    {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => START.get_or_init(std::time::Instant::now).elapsed(),
    }
}

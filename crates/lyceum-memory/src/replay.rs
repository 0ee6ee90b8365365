//! Whether what was dreamt helps on studies that it has not seen: each study is held out in turn, the others make the
//! suggestions, and a sampler searches the held-out one with them and without.
//!
//! The held-out study is not run again. In its place stands what it expects of settings by its own trials, so a replay
//! costs no experiment and says less than one: it is a gate, not a result.

use lyceum_search::{Ask, Researcher, Trial, TrialResult, WarmStart, by_name};
use lyceum_types::{ExperimentId, Goal, KnobPrior, Seed, Settings, Space};
use serde::{Deserialize, Serialize};

use crate::{
    lesson::{Known, Suggestion, carried, point, suggest},
    past::PastStudy,
    prior::priors,
};

/// The sampler that searches: quick, and without a model of its own that could hide what memory does.
const RESEARCHER: &str = "tpe";
/// Searches of each held-out study, each with another seed.
const SEEDS: u64 = 10;
/// Experiments of a search at most.
const EXPERIMENTS_MAX: u32 = 25;
/// Fewer experiments than this are not worth a memory.
const SAVED_MIN: f64 = 1.0;
/// The most studies of a family that are held out, spread over it.
const HELD_OUT_MAX: usize = 12;
/// Suggestions that a study begins with.
pub(crate) const SUGGESTIONS: usize = 3;
/// What searches without memory reach after so many experiments, on average, is what every search is timed to.
const REACHED_AFTER: usize = 12;

/// A replay of the studies of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The family.
    pub family: String,
    /// The sampler that searched.
    pub researcher: String,
    /// Searches of each study, with and without.
    pub seeds: u64,
    /// Experiments after which a search was given up and counted as one more.
    pub experiments_max: u32,
    /// The studies that were held out, each once.
    pub held: Vec<Held>,
}

/// A held-out study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its name.
    pub study: String,
    /// Experiments until a search reached what those without memory reach in twelve, the mean over seeds: without memory.
    pub without: f64,
    /// The same with the suggestions of all other studies.
    pub with: f64,
}

impl Replay {
    /// Returns the experiments that memory saves, the mean over studies.
    pub fn saved(&self) -> f64 {
        let saved = self.held.iter().map(|one| one.without - one.with);
        saved.sum::<f64>() / self.held.len().max(1) as f64
    }

    /// Returns whether it improved: by an experiment at least, and by twice the standard error of the mean over studies.
    pub fn improved(&self) -> bool {
        let saved: Vec<f64> = self.held.iter().map(|one| one.without - one.with).collect();
        let error = lyceum_stats::sd(&saved).map(|sd| sd / (saved.len() as f64).sqrt());
        error.is_some_and(|error| self.saved() >= SAVED_MIN && self.saved() >= 2.0 * error)
    }
}

/// Replays a family. Studies whose start is not in their own space cannot be searched and are left out.
pub fn replay(family: &str, studies: &[PastStudy]) -> Replay {
    let step = studies.len().div_ceil(HELD_OUT_MAX).max(1);
    let held = (0..studies.len()).step_by(step).filter_map(|index| {
        let others: Vec<PastStudy> = studies
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, study)| study.clone())
            .collect();
        hold_out(&studies[index], &others)
    });
    Replay {
        family: family.to_owned(),
        researcher: RESEARCHER.to_owned(),
        seeds: SEEDS,
        experiments_max: EXPERIMENTS_MAX,
        held: held.collect(),
    }
}

fn hold_out(study: &PastStudy, others: &[PastStudy]) -> Option<Held> {
    let space = study.space().ok()?;
    let scene = Scene::of(study, &space)?;
    let memory = (suggest(others, &space, SUGGESTIONS), priors(others));
    let curves = |with: bool| -> Option<Vec<Vec<f64>>> {
        let seeds = (1..=SEEDS).map(|seed| {
            let researcher = researcher(RESEARCHER, with.then_some(&memory))?;
            Some(scene.search(researcher.as_ref(), Seed(seed)))
        });
        seeds.collect()
    };
    let (without, with) = (curves(false)?, curves(true)?);
    let reached = without
        .iter()
        .filter_map(|curve| curve.get(REACHED_AFTER).or(curve.last()));
    let target = reached.sum::<f64>() / SEEDS as f64;
    let experiments = |curves: &[Vec<f64>]| {
        let each = curves.iter().map(|curve| {
            let reached = curve.iter().position(|best| *best >= target);
            reached.unwrap_or(EXPERIMENTS_MAX as usize + 1) as f64
        });
        each.sum::<f64>() / SEEDS as f64
    };
    Some(Held {
        study: study.name.clone(),
        without: experiments(&without),
        with: experiments(&with),
    })
}

/// Returns a sampler that begins with suggestions and knows where good values lay, as a study with this memory has it.
fn researcher(
    name: &str,
    memory: Option<&(Vec<Suggestion>, Vec<KnobPrior>)>,
) -> Option<Box<dyn Researcher>> {
    let inner = by_name(name)?;
    let Some((suggestions, priors)) = memory else {
        return Some(inner);
    };
    let settings = suggestions.iter().map(|one| one.settings.clone()).collect();
    let name = "memory".to_owned();
    let begins = WarmStart::with_settings(inner, name, settings);
    Some(Box::new(begins.with_priors(priors.clone())))
}

fn trial(index: usize, settings: Settings, result: TrialResult) -> Trial {
    Trial {
        experiment: ExperimentId(index as u32),
        settings,
        researcher: String::new(),
        prediction: None,
        result,
    }
}

/// A held-out study that answers by what it knows.
struct Scene<'a> {
    space: &'a Space,
    known: Known<'a>,
    start: Settings,
}

impl<'a> Scene<'a> {
    fn of(study: &'a PastStudy, space: &'a Space) -> Option<Scene<'a>> {
        let known = Known::of(study, space);
        let start = carried(space, &study.start)?;
        Some(Scene {
            space,
            known,
            start,
        })
    }

    fn answer(&self, settings: &Settings) -> f64 {
        self.known.expect(&point(self.space, settings))
    }

    /// Returns the best that the search had found after each experiment, the start first.
    fn search(&self, researcher: &dyn Researcher, seed: Seed) -> Vec<f64> {
        let measured = |value: f64| TrialResult::Measured {
            mean: value,
            sd: None,
            repeats: 1,
        };
        let mut best = self.answer(&self.start);
        let mut curve = vec![best];
        let mut history = vec![trial(0, self.start.clone(), measured(best))];
        for number in 0..EXPERIMENTS_MAX {
            let proposal = researcher.propose(&Ask {
                space: self.space,
                goal: Goal::Maximize,
                start: &self.start,
                history: &history,
                pending: &[],
                noise_sd: None,
                priors: &[],
                rungs: 0,
                seed,
                number: u64::from(number),
                budget: EXPERIMENTS_MAX,
            });
            let Ok(proposal) = proposal else { break };
            let value = self.answer(&proposal.settings);
            best = best.max(value);
            curve.push(best);
            history.push(trial(history.len(), proposal.settings, measured(value)));
        }
        curve
    }
}

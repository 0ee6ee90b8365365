//! The `cma` researcher: an evolution strategy that learns which steps go together.

use crate::{
    codec::{Codec, Levels},
    explain,
    generation::{Generation, Member},
    researcher::{Ask, Error, Proposal, Researcher, Trial, TrialResult},
    stream::Stream,
    unseen::first_unseen,
    view::{View, better_first},
};

/// Experiments that a proposal goes through at most twice: a longer history begins with the best of what is before.
const REPLAYED: usize = 2000;

/// The covariance matrix adaptation evolution strategy (Hansen, "The CMA evolution strategy: a tutorial", 2016).
///
/// Draws each generation from one normal distribution and moves it to the better half. It is a function of the history
/// alone: the experiments in their order are the generations, whoever proposed them (Hansen, "Injecting external
/// solutions into CMA-ES", 2011), and a generation that is not complete waits. Failures are never ranked. Whole numbers
/// keep a least spread, so that they do not freeze; choices follow their share among the better half. Where it has
/// converged or stands still it begins again elsewhere with twice the generation (Auger and Hansen, 2005).
#[derive(Clone, Copy, Debug, Default)]
pub struct EvolutionStrategy;

impl Researcher for EvolutionStrategy {
    fn name(&self) -> &'static str {
        "cma"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let generation = replay(ask, &view);
        let mut stream = Stream::new(ask.seed.derive("cma", ask.number));
        let draw = |stream: &mut Stream| generation.draw(&view.codec, stream);
        let levels =
            first_unseen(&view.codec, &view.taken, &mut stream, draw).ok_or(view.exhausted())?;
        let settings = view.codec.settings(&levels);
        let best = view.best();
        let from = best.map_or_else(
            || ask.start.clone(),
            |best| view.codec.settings(&best.levels),
        );
        let change = explain::change(&view.codec, &settings, &from);
        Ok(Proposal {
            hypothesis: format!("{change}: {}", generation.describe()),
            settings,
            prediction: None,
            evidence: best.iter().map(|best| best.experiment).collect(),
            member: None,
        })
    }
}

/// Returns the generation that the history has led to.
fn replay<'a>(ask: &Ask<'_>, view: &'a View<'a>) -> Generation {
    let start = view.start();
    // Whole blocks are dropped, so that generations stay the same from one ask to the next.
    let dropped = (ask.history.len() / REPLAYED).saturating_sub(1) * REPLAYED;
    let (before, replayed) = ask.history.split_at(dropped);
    let around = best_of(before, ask, view).unwrap_or_else(|| start.clone());
    let mut generation = Generation::first(&view.codec, &view.codec.unit(&around), ask.budget);
    let mut waiting: Vec<Member> = Vec::new();
    for trial in replayed {
        let Some(levels) = view.codec.levels(&trial.settings) else {
            continue;
        };
        // The lab measures the start by itself: no generation drew it.
        if levels == start {
            continue;
        }
        let loss = match trial.result {
            TrialResult::Measured { mean, .. } if mean.is_finite() => {
                Some(ask.goal.gain(mean, 0.0))
            }
            TrialResult::Measured { .. }
            | TrialResult::Failed
            | TrialResult::StoppedEarly { .. } => None,
        };
        waiting.push(member(&view.codec, &levels, loss));
        if waiting.len() == generation.size() {
            generation.advance(&waiting, ask.seed);
            waiting.clear();
        }
    }
    generation
}

/// Returns the point with the best measurement, the earliest of equals.
fn best_of(history: &[Trial], ask: &Ask<'_>, view: &View<'_>) -> Option<Levels> {
    let mut best: Option<(f64, Levels)> = None;
    for trial in history {
        let TrialResult::Measured { mean, .. } = trial.result else {
            continue;
        };
        let better = |(least, _): &(f64, Levels)| better_first(ask.goal, mean, *least).is_lt();
        if mean.is_finite()
            && best.as_ref().is_none_or(better)
            && let Some(levels) = view.codec.levels(&trial.settings)
        {
            best = Some((mean, levels));
        }
    }
    best.map(|(_, levels)| levels)
}

fn member(codec: &Codec<'_>, levels: &Levels, loss: Option<f64>) -> Member {
    Member {
        unit: codec.unit(levels),
        active: levels.iter().map(Option::is_some).collect(),
        loss,
    }
}

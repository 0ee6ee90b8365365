//! What a member of a portfolio has earned.

use lyceum_types::Goal;

use crate::{
    researcher::{Ask, Trial, TrialResult},
    view::better_first,
};

/// Experiments before a proposal that its result is compared with.
const WINDOW: usize = 12;
/// Comparisons that the shape of the study weighs: fewer results than these hardly move a share.
const PATIENCE: f64 = 6.0;
/// How strongly a member that always beats the others gains on them.
const STEEPNESS: f64 = 4.0;
/// Bounds of what forecasts add to the logarithm of a share.
const FORECAST_MAX: f64 = 1.0;
/// Least share of a member that suits the study at all.
const SHARE_MIN: f64 = 0.03;

/// A member's record in the study so far.
#[derive(Debug)]
pub(crate) struct Credit {
    /// How well the shape of the study suits it.
    suits: f64,
    /// Proposals that ended, and the sum of the shares of earlier results that each beat.
    tries: usize,
    beaten: f64,
    /// Turns among them that were let go.
    passed: usize,
    /// Forecasts that can be judged, and by how many nats they were better than the results before them.
    forecasts: usize,
    nats: f64,
}

impl Credit {
    /// Returns the record of this member.
    pub(crate) fn of(ask: &Ask<'_>, member: &str, suits: f64) -> Credit {
        let mut credit = Credit {
            suits,
            tries: 0,
            beaten: 0.0,
            passed: 0,
            forecasts: 0,
            nats: 0.0,
        };
        let mut before: Vec<f64> = Vec::new();
        for trial in ask.history {
            let mean = match trial.result {
                TrialResult::Measured { mean, .. } if mean.is_finite() => Some(mean),
                TrialResult::Measured { .. }
                | TrialResult::Failed
                | TrialResult::StoppedEarly { .. } => None,
            };
            if trial.researcher == member && !before.is_empty() {
                credit.add(ask.goal, trial, mean, &before);
            }
            if let Some(mean) = mean {
                if before.len() == WINDOW {
                    before.remove(0);
                }
                before.push(mean);
            }
        }
        credit
    }

    /// Counts this many turns that were let go, as results that beat nothing.
    pub(crate) fn with_passes(mut self, passed: u32) -> Credit {
        self.passed = passed as usize;
        self.tries += self.passed;
        self
    }

    /// Counts a result; a failure beats nothing.
    fn add(&mut self, goal: Goal, trial: &Trial, mean: Option<f64>, before: &[f64]) {
        self.tries += 1;
        let Some(mean) = mean else { return };
        let worse = before
            .iter()
            .filter(|other| better_first(goal, mean, **other).is_lt());
        let equal = before
            .iter()
            .filter(|other| better_first(goal, mean, **other).is_eq());
        self.beaten += (worse.count() as f64 + 0.5 * equal.count() as f64) / before.len() as f64;
        let count = before.len() as f64;
        let centre = before.iter().sum::<f64>() / count;
        let squares: f64 = before.iter().map(|other| (other - centre).powi(2)).sum();
        let spread = (squares / count).sqrt();
        let Some(forecast) = trial.prediction.filter(|one| one.sd > 0.0 && spread > 0.0) else {
            return;
        };
        // A forecast of great certainty that misses must not outweigh all others.
        let sd = forecast.sd.max(0.1 * spread);
        let nats = log_density(mean, forecast.mean, sd) - log_density(mean, centre, spread);
        if nats.is_finite() {
            self.forecasts += 1;
            self.nats += nats.clamp(-5.0, 5.0);
        }
    }

    /// Returns the share of the turns of each; they add up to 1.
    pub(crate) fn shares(credits: &[Credit]) -> Vec<f64> {
        let weights: Vec<f64> = credits.iter().map(Credit::weight).collect();
        let sum: f64 = weights.iter().sum();
        let floored: Vec<f64> = weights
            .iter()
            .map(|weight| {
                let least = if *weight > 0.0 { SHARE_MIN } else { 0.0 };
                (weight / sum).max(least)
            })
            .collect();
        let sum: f64 = floored.iter().sum();
        floored.into_iter().map(|share| share / sum).collect()
    }

    fn weight(&self) -> f64 {
        let tries = self.tries as f64;
        let trusted = tries / (tries + PATIENCE);
        let success = STEEPNESS * trusted * (self.rate() - 0.5);
        let forecast = if self.forecasts > 0 {
            trusted * (self.nats / self.forecasts as f64).clamp(-FORECAST_MAX, FORECAST_MAX)
        } else {
            0.0
        };
        self.suits * (success + forecast).exp()
    }

    fn rate(&self) -> f64 {
        if self.tries == 0 {
            0.5
        } else {
            self.beaten / self.tries as f64
        }
    }

    /// Returns why its share is what it is, in words; without results it is what all begin with.
    pub(crate) fn reason(&self, beginning: &str) -> String {
        if self.tries == 0 {
            return beginning.to_owned();
        }
        let results = self.tries - self.passed;
        let plural = if results == 1 { "" } else { "s" };
        let mut beats = match results {
            0 => "it has no results".to_owned(),
            _ => format!(
                "its {results} result{plural} beat {:.0} % of those before",
                100.0 * self.beaten / results as f64
            ),
        };
        if self.passed > 0 {
            beats = format!("{beats}, and it let {} turns go", self.passed);
        }
        if self.forecasts == 0 {
            return beats;
        }
        let nats = self.nats / self.forecasts as f64;
        format!("{beats}, its forecasts are worth {nats:+.1} nats")
    }
}

fn log_density(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln()
}

#[cfg(test)]
mod tests {
    use lyceum_types::{ExperimentId, Prediction, Seed, Settings, Space};

    use super::*;

    /// Returns a history in which `good` falls by one each time and `bad` stays at ten or fails.
    fn history(forecast: Option<f64>) -> Vec<Trial> {
        let mut history = Vec::new();
        for index in 0..20_u32 {
            let (researcher, result) = match index % 4 {
                0 | 2 => ("good", Some(9.0 - f64::from(index))),
                1 => ("bad", Some(10.0)),
                _ => ("bad", None),
            };
            let prediction = forecast.zip(result).map(|(error, value)| Prediction {
                mean: value + error,
                sd: 1.0,
            });
            history.push(Trial {
                experiment: ExperimentId(index),
                settings: Settings::new(),
                researcher: researcher.to_owned(),
                prediction: prediction.filter(|_| researcher == "bad"),
                result: result.map_or(TrialResult::Failed, |mean| TrialResult::Measured {
                    mean,
                    sd: None,
                    repeats: 1,
                }),
            });
        }
        history
    }

    fn shares(history: &[Trial], goal: Goal) -> Vec<f64> {
        let (space, start) = (Space::default(), Settings::new());
        let ask = Ask {
            space: &space,
            goal,
            start: &start,
            history,
            pending: &[],
            noise_sd: None,
            priors: &[],
            rungs: 0,
            seed: Seed(1),
            number: 20,
            budget: 40,
        };
        Credit::shares(&[
            Credit::of(&ask, "good", 1.0),
            Credit::of(&ask, "bad", 1.0),
            Credit::of(&ask, "unfit", 0.0),
        ])
    }

    #[test]
    fn turns_go_to_whoever_finds_better_results() {
        let found = shares(&history(None), Goal::Minimize);
        assert!(found[0] > 0.8, "{found:?}");
        assert!(found[1] > 0.01 && found[2] == 0.0, "{found:?}");
        let sum: f64 = found.iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "{found:?}");
        let other = shares(&history(None), Goal::Maximize);
        assert!(other[1] > found[1], "{other:?}");
    }

    #[test]
    fn turns_go_to_whoever_forecasts_better() {
        let right = shares(&history(Some(0.1)), Goal::Minimize)[1];
        let wrong = shares(&history(Some(40.0)), Goal::Minimize)[1];
        let silent = shares(&history(None), Goal::Minimize)[1];
        assert!(right > silent && silent > wrong, "{right} {silent} {wrong}");
    }

    #[test]
    fn without_evidence_the_shape_decides() {
        let found = shares(&[], Goal::Minimize);
        assert!((found[0] - 0.5).abs() < 1e-12 && (found[1] - 0.5).abs() < 1e-12);
    }
}

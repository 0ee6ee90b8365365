//! A researcher beside which runs are stopped early, as what it learns from.

use lyceum_types::Goal;

use crate::{
    normal::quantile,
    researcher::{Ask, Error, Proposal, Researcher, Trial, TrialResult},
    view::better_first,
};

/// What stands before a researcher's name when the lab stops runs that report worse than others (ASHA: Li et al. 2018).
pub(crate) const PREFIX: &str = "asha:";

/// A researcher that learns from runs that were stopped early.
///
/// Such a run has no value, and there is no telling what it would have had: its last report is about another moment of a
/// run. All that can be said is an order. What was measured comes first, by its value; then what was stopped, the later
/// rung first, within a rung by what was reported there. The researcher inside is shown this order and nothing else, as
/// normal scores (Blom 1958) in place of values, so that no number is made up; what it then expects is not about the metric
/// and is not passed on. As long as nothing was stopped it sees what it would see without this.
pub struct Halving {
    inner: Box<dyn Researcher>,
    name: String,
}

impl Halving {
    /// Returns this researcher as one that learns from stopped runs, under the name `asha:NAME`.
    pub fn around(inner: Box<dyn Researcher>) -> Halving {
        let name = format!("{PREFIX}{}", inner.name());
        Halving { inner, name }
    }
}

impl Researcher for Halving {
    fn name(&self) -> &str {
        &self.name
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let stopped = ask.history.iter().filter(|trial| is_stopped(trial)).count();
        if stopped == 0 {
            return self.inner.propose(ask);
        }
        let ordered = ordered(ask);
        let proposal = self.inner.propose(&Ask {
            history: &ordered,
            noise_sd: None,
            ..*ask
        })?;
        Ok(Proposal {
            hypothesis: format!(
                "{} (by the order of {} experiments, {stopped} of them stopped early)",
                proposal.hypothesis,
                ordered.len()
            ),
            prediction: None,
            ..proposal
        })
    }
}

fn is_stopped(trial: &Trial) -> bool {
    matches!(trial.result, TrialResult::StoppedEarly { .. })
}

/// Where an experiment stands, the better first: measured before stopped, a later rung before an earlier one.
#[derive(Clone, Copy, PartialEq)]
struct Standing {
    /// The rung at which it was stopped; `None` where it was measured.
    rung: Option<u32>,
    /// Its value, or what it reported at that rung; `None` where that is no number.
    value: Option<f64>,
}

impl Standing {
    fn of(trial: &Trial) -> Option<Standing> {
        match trial.result {
            TrialResult::Measured { mean, .. } if mean.is_finite() => Some(Standing {
                rung: None,
                value: Some(mean),
            }),
            TrialResult::StoppedEarly { rung, reported } => Some(Standing {
                rung: Some(rung),
                value: reported.filter(|value| value.is_finite()),
            }),
            TrialResult::Measured { .. } | TrialResult::Failed => None,
        }
    }

    fn better_first(&self, other: &Standing, goal: Goal) -> std::cmp::Ordering {
        let reached = |one: &Standing| one.rung.map_or(u64::MAX, u64::from);
        reached(other)
            .cmp(&reached(self))
            .then_with(|| match (self.value, other.value) {
                (Some(a), Some(b)) => better_first(goal, a, b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
    }
}

/// Returns the history with normal scores in place of values; what failed stays failed.
fn ordered(ask: &Ask<'_>) -> Vec<Trial> {
    let standings: Vec<Option<Standing>> = ask.history.iter().map(Standing::of).collect();
    let mut sorted: Vec<Standing> = standings.iter().copied().flatten().collect();
    sorted.sort_by(|a, b| a.better_first(b, ask.goal));
    let score = |own: &Standing| {
        // Equals share the middle of their places.
        let before = sorted.partition_point(|one| one.better_first(own, ask.goal).is_lt());
        let through = sorted.partition_point(|one| one.better_first(own, ask.goal).is_le());
        let place = (before + 1 + through) as f64 / 2.0;
        let score = quantile((place - 0.375) / (sorted.len() as f64 + 0.25));
        match ask.goal {
            Goal::Minimize => score,
            Goal::Maximize => -score,
        }
    };
    let trials = ask.history.iter().zip(&standings);
    trials
        .map(|(trial, standing)| Trial {
            prediction: None,
            result: standing
                .as_ref()
                .map_or(TrialResult::Failed, |own| TrialResult::Measured {
                    mean: score(own),
                    sd: None,
                    repeats: 1,
                }),
            ..trial.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use lyceum_types::{ExperimentId, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};

    use super::*;
    use crate::Random;

    fn trial(index: u32, result: TrialResult) -> Trial {
        Trial {
            experiment: ExperimentId(index),
            settings: Settings::from([("x".into(), Setting::Float(f64::from(index) / 100.0))]),
            researcher: "gp".into(),
            prediction: None,
            result,
        }
    }

    fn measured(mean: f64) -> TrialResult {
        TrialResult::Measured {
            mean,
            sd: None,
            repeats: 1,
        }
    }

    fn stopped(rung: u32, reported: f64) -> TrialResult {
        TrialResult::StoppedEarly {
            rung,
            reported: Some(reported),
        }
    }

    fn with_ask<T>(goal: Goal, history: &[Trial], then: impl FnOnce(&Ask<'_>) -> T) -> T {
        let kind = KnobKind::Float {
            low: 0.0,
            high: 1.0,
            scale: Scale::Linear,
        };
        let knob = Knob {
            name: "x".into(),
            kind,
            condition: None,
        };
        let space = Space::new(vec![knob]).expect("a space");
        let start = Settings::from([("x".into(), Setting::Float(0.5))]);
        then(&Ask {
            space: &space,
            goal,
            start: &start,
            history,
            pending: &[],
            noise_sd: Some(0.1),
            priors: &[],
            rungs: 0,
            seed: Seed(1),
            number: 3,
            budget: 20,
        })
    }

    fn order(goal: Goal, history: &[Trial]) -> Vec<Option<f64>> {
        let ordered = with_ask(goal, history, ordered);
        let value = |trial: &Trial| match trial.result {
            TrialResult::Measured { mean, .. } => Some(mean),
            TrialResult::Failed => None,
            TrialResult::StoppedEarly { .. } => panic!("nothing stopped is left in the order"),
        };
        ordered.iter().map(value).collect()
    }

    #[test]
    fn measured_comes_before_stopped_a_later_rung_before_an_earlier_and_a_number_before_none() {
        let lost = TrialResult::StoppedEarly {
            rung: 0,
            reported: None,
        };
        // A stopped run's own words may be far better than any measurement: they gain it nothing.
        let results = [
            measured(5.0),
            stopped(1, -1e9),
            stopped(0, -1e12),
            measured(4.0),
            TrialResult::Failed,
            stopped(1, 7.0),
            lost,
            measured(f64::NAN),
        ];
        let history: Vec<Trial> = (0..).zip(results).map(|(i, r)| trial(i, r)).collect();
        for (goal, sign, best, next) in [(Goal::Minimize, 1.0, 3, 0), (Goal::Maximize, -1.0, 0, 3)]
        {
            let scores = order(goal, &history);
            assert_eq!(
                (scores[4], scores[7]),
                (None, None),
                "failures stay failures"
            );
            let score = |index: usize| sign * scores[index].unwrap_or(f64::NAN);
            let (first, second) = if sign > 0.0 { (1, 5) } else { (5, 1) };
            for pair in [best, next, first, second, 2, 6].windows(2) {
                assert!(
                    score(pair[0]) < score(pair[1]),
                    "{goal:?}: {pair:?} of {scores:?}"
                );
            }
        }
    }

    #[test]
    fn equals_share_a_place() {
        let history = [
            trial(0, measured(1.0)),
            trial(1, stopped(0, 2.0)),
            trial(2, stopped(0, 2.0)),
        ];
        let scores = order(Goal::Minimize, &history);
        assert_eq!(scores[1], scores[2]);
        assert!(scores[0] < scores[1]);
    }

    #[test]
    fn without_a_stopped_run_it_is_the_researcher_inside() {
        let history = [trial(0, measured(1.0)), trial(1, TrialResult::Failed)];
        let halving = Halving::around(Box::new(Random));
        assert_eq!(halving.name(), "asha:random");
        let both = with_ask(Goal::Minimize, &history, |ask| {
            (halving.propose(ask), Random.propose(ask))
        });
        assert_eq!(both.0, both.1);
    }
}

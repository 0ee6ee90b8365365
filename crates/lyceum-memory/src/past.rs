//! A finished study, as much of it as is remembered.

use lyceum_types::{ExperimentId, Goal, Knob, Settings, Space, SpaceError};
use serde::{Deserialize, Serialize};

/// The most trials of a study that are remembered.
pub(crate) const TRIALS_MAX: usize = 200;

/// A finished study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastStudy {
    /// Its name in the lab.
    pub name: String,
    /// Its stream in the ledger.
    pub stream: String,
    /// Its metric.
    pub metric: String,
    /// Which direction is better.
    pub goal: Goal,
    /// What could be turned.
    pub knobs: Vec<Knob>,
    /// The settings of the unchanged workspace.
    pub start: Settings,
    /// What was tried.
    pub trials: Vec<PastTrial>,
}

/// One experiment of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastTrial {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The event that decided it, or its last run's.
    pub seq: u64,
    /// Its settings.
    pub settings: Settings,
    /// The mean of the metric; `None` where its runs gave no number.
    pub value: Option<f64>,
}

impl PastStudy {
    /// Returns the space of its knobs.
    ///
    /// # Errors
    /// When the knobs are no space.
    pub fn space(&self) -> Result<Space, SpaceError> {
        Space::new(self.knobs.clone())
    }

    /// Returns the trials' ranks: 1 for the best, 0 for the worst and for those that failed; equals share theirs.
    pub fn ranks(&self) -> Vec<f64> {
        let sign = match self.goal {
            Goal::Minimize => -1.0,
            Goal::Maximize => 1.0,
        };
        let values = self.trials.iter().map(|one| one.value);
        let values: Vec<f64> = values
            .map(|value| match value {
                // Adding 0 makes one number of both zeros.
                Some(value) if value.is_finite() => sign * value + 0.0,
                Some(_) | None => f64::NEG_INFINITY,
            })
            .collect();
        let others = (values.len().max(2) - 1) as f64;
        let rank = |value: f64| {
            if value == f64::NEG_INFINITY {
                return 0.0;
            }
            let below = values.iter().filter(|other| **other < value).count();
            let equal = values
                .iter()
                .filter(|other| other.total_cmp(&value).is_eq())
                .count();
            (below as f64 + (equal - 1) as f64 / 2.0) / others
        };
        values.iter().map(|value| rank(*value)).collect()
    }

    /// Returns the study with at most so many trials: of more, the best and the worst, half of each.
    #[must_use]
    pub fn shortened(mut self, trials_max: usize) -> PastStudy {
        if self.trials.len() > trials_max {
            let ranks = self.ranks();
            let mut order: Vec<usize> = (0..ranks.len()).collect();
            order.sort_by(|a, b| ranks[*b].total_cmp(&ranks[*a]).then(a.cmp(b)));
            let mut kept: Vec<usize> = order[..trials_max / 2].to_vec();
            kept.extend(&order[order.len() - trials_max / 2..]);
            kept.sort_unstable();
            self.trials = kept
                .iter()
                .map(|index| self.trials[*index].clone())
                .collect();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(values: &[Option<f64>]) -> PastStudy {
        let trials = values.iter().enumerate().map(|(index, value)| PastTrial {
            experiment: ExperimentId(index as u32),
            seq: index as u64,
            settings: Settings::new(),
            value: *value,
        });
        PastStudy {
            name: "a".into(),
            stream: "study/a".into(),
            metric: "loss".into(),
            goal: Goal::Minimize,
            knobs: vec![],
            start: Settings::new(),
            trials: trials.collect(),
        }
    }

    #[test]
    fn the_best_is_one_and_a_failure_nothing() {
        let some = study(&[Some(1.0), Some(3.0), None, Some(3.0), Some(f64::NAN)]);
        assert_eq!(some.ranks(), [1.0, 0.625, 0.0, 0.625, 0.0]);
        assert_eq!(study(&[Some(1.0)]).ranks(), [0.0]);
        assert_eq!(study(&[]).ranks(), [0.0; 0]);
    }

    #[test]
    fn a_long_study_keeps_its_ends() {
        let values: Vec<Option<f64>> = (0..1000).map(|one| Some(f64::from(one))).collect();
        let short = study(&values).shortened(TRIALS_MAX);
        assert_eq!(short.trials.len(), TRIALS_MAX);
        assert_eq!(short.trials[0].value, Some(0.0));
        assert_eq!(short.trials[99].value, Some(99.0));
        assert_eq!(short.trials[100].value, Some(900.0));
    }
}

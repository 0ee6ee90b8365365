//! The search space: what a sampler may turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Setting, Settings};

/// How a numeric knob is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Equal steps matter equally.
    #[default]
    Linear,
    /// Equal ratios matter equally; bounds must be above zero.
    Log,
}

/// What values a knob takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum KnobKind {
    /// A real number in `[low, high]`.
    Float {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
        /// Spread.
        scale: Scale,
    },
    /// A whole number in `[low, high]`.
    Integer {
        /// Least value.
        low: i64,
        /// Greatest value.
        high: i64,
        /// Spread.
        scale: Scale,
    },
    /// One of the listed values, without order. Values are texts, numbers or booleans.
    Categorical {
        /// The values, at least one, all different.
        choices: Vec<Setting>,
    },
    /// On or off.
    Boolean,
}

/// When a conditional knob is active: another knob has one of these values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Name of the other knob.
    pub knob: String,
    /// The values of the other knob for which this one is active.
    pub is: Vec<Setting>,
}

/// One knob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// Its name, unique in the space.
    pub name: String,
    /// Its values.
    pub kind: KnobKind,
    /// When it is active; `None` means always.
    pub condition: Option<Condition>,
}

/// All knobs of a study, in the order of the study file. A conditional knob stands after the knob that it depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    knobs: Vec<Knob>,
}

/// Why a list of knobs is not a space, or settings are not in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// Two knobs have one name.
    #[error("knob `{knob}` is defined twice")]
    Twice {
        /// The name.
        knob: String,
    },
    /// Bounds are not finite, reversed or, on a log scale, not above zero.
    #[error("knob `{knob}`: bounds must be finite, low below high{log}: found {low} to {high}", log = if *.log { " and above 0 on a log scale" } else { "" })]
    Bounds {
        /// The knob.
        knob: String,
        /// Found low bound.
        low: f64,
        /// Found high bound.
        high: f64,
        /// Whether the scale is logarithmic.
        log: bool,
    },
    /// A categorical knob without choices, or with one twice.
    #[error("knob `{knob}`: choices must be at least one and all different")]
    Choices {
        /// The knob.
        knob: String,
    },
    /// A condition names a knob that does not stand before.
    #[error("knob `{knob}` depends on `{on}`, which is not a knob defined before it")]
    UnknownCondition {
        /// The knob.
        knob: String,
        /// What it depends on.
        on: String,
    },
    /// A condition names a value that the other knob never has.
    #[error("knob `{knob}` asks for `{on}` = {value}, which `{on}` never has")]
    ImpossibleCondition {
        /// The knob.
        knob: String,
        /// What it depends on.
        on: String,
        /// The value.
        value: Setting,
    },
    /// Settings lack an active knob.
    #[error("no value for knob `{knob}`")]
    Missing {
        /// The knob.
        knob: String,
    },
    /// Settings hold a value that the knob does not take.
    #[error("knob `{knob}`: {found} is not among its values")]
    Outside {
        /// The knob.
        knob: String,
        /// The value.
        found: Setting,
    },
    /// Settings name a knob that does not exist or is not active.
    #[error("`{knob}` is not an active knob")]
    Unknown {
        /// The name.
        knob: String,
    },
}

impl KnobKind {
    /// Tells whether the knob takes this value.
    pub fn contains(&self, value: &Setting) -> bool {
        match (self, value) {
            (KnobKind::Float { low, high, .. }, _) => value
                .number()
                .is_some_and(|number| number >= *low && number <= *high),
            (KnobKind::Integer { low, high, .. }, Setting::Integer(number)) => {
                number >= low && number <= high
            }
            (KnobKind::Categorical { choices }, _) => choices.contains(value),
            (KnobKind::Boolean, Setting::Boolean(_)) => true,
            (KnobKind::Integer { .. } | KnobKind::Boolean, _) => false,
        }
    }

    /// Returns the value that the knob takes for one of another study: the same where it is one of its own, a number taken
    /// to the nearest bound or whole number; `None` where there is none.
    pub fn nearest(&self, value: &Setting) -> Option<Setting> {
        if self.contains(value) {
            return Some(value.clone());
        }
        let number = value.number().filter(|number| number.is_finite())?;
        match self {
            KnobKind::Float { low, high, .. } => Some(Setting::Float(number.clamp(*low, *high))),
            KnobKind::Integer { low, high, .. } => {
                Some(Setting::Integer((number.round() as i64).clamp(*low, *high)))
            }
            KnobKind::Categorical { .. } | KnobKind::Boolean => None,
        }
    }

    /// Returns how many values the knob takes; `None` for a float.
    pub fn count(&self) -> Option<u64> {
        match self {
            KnobKind::Float { .. } => None,
            KnobKind::Integer { low, high, .. } => Some(high.abs_diff(*low).saturating_add(1)),
            KnobKind::Categorical { choices } => Some(choices.len() as u64),
            KnobKind::Boolean => Some(2),
        }
    }
}

impl Space {
    /// Returns the space of these knobs.
    pub fn new(knobs: Vec<Knob>) -> Result<Space, SpaceError> {
        for (index, knob) in knobs.iter().enumerate() {
            let before = &knobs[..index];
            if before.iter().any(|other| other.name == knob.name) {
                return Err(SpaceError::Twice {
                    knob: knob.name.clone(),
                });
            }
            check_kind(knob)?;
            if let Some(condition) = &knob.condition {
                check_condition(knob, condition, before)?;
            }
        }
        Ok(Space { knobs })
    }

    /// Returns the knobs in order.
    pub fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    /// Returns the knob of this name.
    pub fn knob(&self, name: &str) -> Option<&Knob> {
        self.knobs.iter().find(|knob| knob.name == name)
    }

    /// Tells whether a knob is active under these settings. A knob whose condition's knob is itself inactive is inactive.
    pub fn is_active(&self, knob: &Knob, settings: &Settings) -> bool {
        match &knob.condition {
            None => true,
            Some(condition) => {
                settings
                    .get(&condition.knob)
                    .is_some_and(|value| condition.is.contains(value))
                    && self
                        .knob(&condition.knob)
                        .is_some_and(|on| self.is_active(on, settings))
            }
        }
    }

    /// Checks that these settings hold a value for each active knob and nothing else.
    pub fn check(&self, settings: &Settings) -> Result<(), SpaceError> {
        for knob in &self.knobs {
            let active = self.is_active(knob, settings);
            match (active, settings.get(&knob.name)) {
                (true, None) => {
                    return Err(SpaceError::Missing {
                        knob: knob.name.clone(),
                    });
                }
                (false, Some(_)) => {
                    return Err(SpaceError::Unknown {
                        knob: knob.name.clone(),
                    });
                }
                (true, Some(value)) if !knob.kind.contains(value) => {
                    return Err(SpaceError::Outside {
                        knob: knob.name.clone(),
                        found: value.clone(),
                    });
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        match settings.keys().find(|name| self.knob(name).is_none()) {
            Some(name) => Err(SpaceError::Unknown { knob: name.clone() }),
            None => Ok(()),
        }
    }

    /// Drops the values of knobs that are not active under these settings.
    #[must_use]
    pub fn active_only(&self, settings: &Settings) -> Settings {
        let mut kept = Settings::new();
        for knob in &self.knobs {
            if let (true, Some(value)) = (self.is_active(knob, &kept), settings.get(&knob.name)) {
                kept.insert(knob.name.clone(), value.clone());
            }
        }
        kept
    }

    /// Returns how many different settings there are, at most; `None` when a float makes them endless.
    pub fn count(&self) -> Option<u64> {
        self.knobs.iter().try_fold(1_u64, |product, knob| {
            knob.kind.count().map(|count| product.saturating_mul(count))
        })
    }
}

fn check_kind(knob: &Knob) -> Result<(), SpaceError> {
    let bounds = |low: f64, high: f64, scale: Scale, strict: bool| {
        let log = scale == Scale::Log;
        let order = if strict { low < high } else { low <= high };
        if low.is_finite() && high.is_finite() && order && (!log || low > 0.0) {
            Ok(())
        } else {
            Err(SpaceError::Bounds {
                knob: knob.name.clone(),
                low,
                high,
                log,
            })
        }
    };
    match &knob.kind {
        KnobKind::Float { low, high, scale } => bounds(*low, *high, *scale, true),
        KnobKind::Integer { low, high, scale } => bounds(*low as f64, *high as f64, *scale, false),
        KnobKind::Categorical { choices } => {
            let twice = choices
                .iter()
                .enumerate()
                .any(|(i, one)| choices[..i].contains(one));
            if choices.is_empty() || twice {
                Err(SpaceError::Choices {
                    knob: knob.name.clone(),
                })
            } else {
                Ok(())
            }
        }
        KnobKind::Boolean => Ok(()),
    }
}

fn check_condition(knob: &Knob, condition: &Condition, before: &[Knob]) -> Result<(), SpaceError> {
    let Some(other) = before.iter().find(|other| other.name == condition.knob) else {
        return Err(SpaceError::UnknownCondition {
            knob: knob.name.clone(),
            on: condition.knob.clone(),
        });
    };
    match condition
        .is
        .iter()
        .find(|value| !other.kind.contains(value))
    {
        Some(value) => Err(SpaceError::ImpossibleCondition {
            knob: knob.name.clone(),
            on: condition.knob.clone(),
            value: value.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::new(vec![
            Knob {
                name: "optimizer".into(),
                kind: KnobKind::Categorical {
                    choices: vec![Setting::Text("sgd".into()), Setting::Text("adamw".into())],
                },
                condition: None,
            },
            Knob {
                name: "momentum".into(),
                kind: KnobKind::Float {
                    low: 0.0,
                    high: 1.0,
                    scale: Scale::Linear,
                },
                condition: Some(Condition {
                    knob: "optimizer".into(),
                    is: vec![Setting::Text("sgd".into())],
                }),
            },
        ])
        .unwrap()
    }

    #[test]
    fn inactive_knobs_are_dropped_and_refused() {
        let mut settings = Settings::from([
            ("optimizer".to_owned(), Setting::Text("adamw".into())),
            ("momentum".to_owned(), Setting::Float(0.5)),
        ]);
        assert_eq!(
            space().check(&settings),
            Err(SpaceError::Unknown {
                knob: "momentum".into()
            })
        );
        settings = space().active_only(&settings);
        assert_eq!(settings.len(), 1);
        assert_eq!(space().check(&settings), Ok(()));
    }

    #[test]
    fn bounds_on_a_log_scale_must_be_positive() {
        let knob = Knob {
            name: "lr".into(),
            kind: KnobKind::Float {
                low: 0.0,
                high: 1.0,
                scale: Scale::Log,
            },
            condition: None,
        };
        assert!(matches!(
            Space::new(vec![knob]),
            Err(SpaceError::Bounds { log: true, .. })
        ));
    }

    #[test]
    fn a_condition_needs_a_knob_before_it_and_a_value_that_it_has() {
        let on = |name: &str, value: &str| Knob {
            name: "late".into(),
            kind: KnobKind::Boolean,
            condition: Some(Condition {
                knob: name.into(),
                is: vec![Setting::Text(value.into())],
            }),
        };
        let first = space().knobs()[0].clone();
        assert!(matches!(
            Space::new(vec![first.clone(), on("nothing", "sgd")]),
            Err(SpaceError::UnknownCondition { .. })
        ));
        assert!(matches!(
            Space::new(vec![first, on("optimizer", "lion")]),
            Err(SpaceError::ImpossibleCondition { .. })
        ));
    }
}

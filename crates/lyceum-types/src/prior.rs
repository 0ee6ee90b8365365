//! What earlier studies say of a knob, as samplers take it.

use serde::{Deserialize, Serialize};

use crate::Setting;

/// Where good values of one knob lay in earlier studies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnobPrior {
    /// The knob.
    pub knob: String,
    /// How much of the differences between results the knob explained by itself, from 0 to 1.
    pub explains: f64,
    /// Where good values lay.
    pub good: GoodValues,
}

/// Good values of one knob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GoodValues {
    /// Of a number, one standard deviation to each side of the mean, on the knob's scale and in its own units: two thirds
    /// of a normal distribution. The ends may lie beyond the knob's bounds.
    Between {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Of a knob without order, the share of each value.
    Shares(Vec<(Setting, f64)>),
}

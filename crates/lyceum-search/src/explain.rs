//! Proposals in words and numbers.

use std::fmt::Write as _;

use lyceum_types::{ExperimentId, Prediction, Settings};

use crate::codec::Codec;

/// Knobs named in one sentence; the rest are counted.
const NAMED: usize = 4;

/// Returns what differs between two settings, the largest step first: `rate 0.01 (from 0.001), width 48 (from 32)`.
pub(crate) fn change(codec: &Codec<'_>, to: &Settings, from: &Settings) -> String {
    let from = codec.space().active_only(from);
    let steps = steps(codec, to, &from);
    if steps.is_empty() {
        return "the same settings again".to_owned();
    }
    let mut text = String::new();
    for (index, (_, name)) in steps.iter().take(NAMED).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing into a `String` cannot fail.
        let _ = match (to.get(*name), from.get(*name)) {
            (Some(new), Some(old)) => write!(text, "{comma}{name} {new} (from {old})"),
            (Some(new), None) => write!(text, "{comma}{name} {new}"),
            (None, _) => write!(text, "{comma}without {name}"),
        };
    }
    if steps.len() > NAMED {
        let _ = write!(text, " and {} more", steps.len() - NAMED);
    }
    text
}

/// Returns the names of the knobs that differ with the size of each step in `[0, 1]`, the largest first.
fn steps<'a>(codec: &Codec<'a>, to: &Settings, from: &Settings) -> Vec<(f64, &'a str)> {
    let unit = |settings: &Settings| codec.levels(settings).map(|levels| codec.unit(&levels));
    let (new, old) = (unit(to), unit(from));
    let mut steps: Vec<(f64, &str)> = Vec::new();
    for (index, knob) in codec.space().knobs().iter().enumerate() {
        if to.get(&knob.name) != from.get(&knob.name) {
            let size = match (&new, &old) {
                (Some(new), Some(old)) => (new[index] - old[index]).abs(),
                _ => 0.0,
            };
            steps.push((size, &knob.name));
        }
    }
    steps.sort_by(|a, b| b.0.total_cmp(&a.0));
    steps
}

/// Returns a prediction to the precision that it has: `1.934 ± 0.041`.
pub(crate) fn prediction(prediction: Prediction) -> String {
    let places = places(prediction);
    format!("{:.places$} ± {:.places$}", prediction.mean, prediction.sd)
}

/// Returns a number to the precision of a prediction beside it.
pub(crate) fn beside(value: f64, prediction: Prediction) -> String {
    format!("{value:.*}", places(prediction))
}

/// Returns the evidence as the end of a sentence; nothing when there is none.
pub(crate) fn nearest(evidence: &[ExperimentId]) -> String {
    let ids: Vec<String> = evidence.iter().map(ExperimentId::to_string).collect();
    if ids.is_empty() {
        "; nothing tried nearby".to_owned()
    } else {
        format!("; nearest evidence {}", ids.join(", "))
    }
}

/// Returns how many decimals show two digits of the standard deviation, or five of the mean when it is zero.
fn places(prediction: Prediction) -> usize {
    let digits = |value: f64, significant: f64| {
        let places = significant - 1.0 - value.abs().log10().floor();
        if places.is_finite() {
            places.clamp(0.0, 12.0) as usize
        } else {
            0
        }
    };
    if prediction.sd > 0.0 {
        digits(prediction.sd, 2.0)
    } else {
        digits(prediction.mean, 5.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_to_the_precision_of_their_uncertainty() {
        let of = |mean, sd| prediction(Prediction { mean, sd });
        assert_eq!(of(1.934_123, 0.041), "1.934 ± 0.041");
        assert_eq!(of(123_456.7, 321.0), "123457 ± 321");
        assert_eq!(of(1.5, 0.0), "1.5000 ± 0.0000");
        assert_eq!(of(0.0, 0.0), "0 ± 0");
        assert_eq!(
            beside(
                2.0,
                Prediction {
                    mean: 1.9,
                    sd: 0.04
                }
            ),
            "2.000"
        );
    }
}

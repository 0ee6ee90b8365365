//! Numbers that a candidate prints about itself.

use std::collections::BTreeMap;

/// What the `METRIC name=value` lines of a log say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    /// The last value of each metric whose last value is a finite number.
    pub values: BTreeMap<String, f64>,
    /// The last text of each metric whose last value is not a finite number, at most 64 characters of it. Such a metric has
    /// no value, whatever was printed before.
    pub not_finite: BTreeMap<String, String>,
}

/// Most different metrics that are kept; a flood of names is not a set of metrics.
const METRICS_MAX: usize = 1000;
/// Most characters of a bad value that are kept.
const FOUND_SHOWN_MAX: usize = 64;

/// Reads lines of the form `METRIC name=value`; the last line of a name wins. Whatever it returns is self-reported: any
/// process of the candidate can print such a line.
pub fn parse_metric_lines(log: &str) -> Reported {
    let mut reported = Reported::default();
    for line in log.lines() {
        let assignment = line
            .trim()
            .strip_prefix("METRIC ")
            .and_then(|rest| rest.split_once('='));
        let Some((name, value)) = assignment else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let usable = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        let known = reported.values.contains_key(name) || reported.not_finite.contains_key(name);
        let full = reported.values.len() + reported.not_finite.len() >= METRICS_MAX;
        if !usable || (full && !known) {
            continue;
        }
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                reported.not_finite.remove(name);
                reported.values.insert(name.to_owned(), number);
            }
            _ => {
                reported.values.remove(name);
                let found: String = value.chars().take(FOUND_SHOWN_MAX).collect();
                reported
                    .not_finite
                    .insert(name.to_owned(), super::escaped(&found));
            }
        }
    }
    reported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_name_wins() {
        let log = "METRIC loss=1\n  METRIC loss = 0.5e0 \r\nMETRICS loss=9\nx METRIC loss=8\nMETRIC a=nan";
        let reported = parse_metric_lines(log);
        assert_eq!(reported.values, BTreeMap::from([("loss".to_owned(), 0.5)]));
        assert_eq!(
            reported.not_finite,
            BTreeMap::from([("a".to_owned(), "nan".to_owned())])
        );
    }

    #[test]
    fn a_number_that_is_not_finite_takes_the_old_value_away() {
        let reported = parse_metric_lines("METRIC loss=1\nMETRIC loss=1e999\nMETRIC b=\u{1b}[2J");
        assert!(reported.values.is_empty());
        assert_eq!(reported.not_finite["loss"], "1e999");
        assert!(!reported.not_finite["b"].contains('\u{1b}'));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let log: String = (0..5000)
            .map(|i| format!("METRIC m{i}=1"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(parse_metric_lines(&log).values.len(), METRICS_MAX);
    }
}

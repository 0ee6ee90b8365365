//! The evaluator's answer: one JSON object that repeats the nonce. Hostile input like any other.

use std::collections::BTreeMap;

use lyceum_sandbox::show_untrusted;
use lyceum_types::FailureReason;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

/// Most metrics in one answer.
const METRICS_MAX: usize = 256;
/// Longest name of a metric in bytes.
const NAME_BYTES_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    nonce: String,
    metrics: Metrics,
}

struct Metrics(BTreeMap<String, f64>);

/// A number, or a text that spells one that JSON cannot: `"nan"`, `"inf"`, `"-inf"`.
struct Number(f64);

/// Reads an answer. A name that is not finite stays in the map: whoever needs it decides.
pub(super) fn read(bytes: &[u8], nonce: &str) -> Result<BTreeMap<String, f64>, FailureReason> {
    let wrong = |problem: String| FailureReason::Evaluator { problem };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("its answer is not UTF-8".into()))?;
    if text.trim().is_empty() {
        return Err(wrong("it wrote no answer to descriptor 3".into()));
    }
    let message: Message = serde_json::from_str(text.trim()).map_err(|error| {
        wrong(format!(
            "its answer is not of the agreed form: {}",
            show_untrusted(error.to_string().as_bytes())
        ))
    })?;
    if message.nonce != nonce {
        return Err(wrong(lyceum_oversight::detect::NONCE_NOT_REPEATED.into()));
    }
    Ok(message.metrics.0)
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetricsVisitor;
        impl<'de> Visitor<'de> for MetricsVisitor {
            type Value = Metrics;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Metrics, A::Error> {
                let mut metrics = BTreeMap::new();
                while let Some((name, Number(value))) = access.next_entry::<String, Number>()? {
                    if name.is_empty()
                        || name.len() > NAME_BYTES_MAX
                        || name.contains(char::is_control)
                    {
                        return Err(A::Error::custom(
                            "a metric's name is empty, too long or unprintable",
                        ));
                    }
                    if metrics.len() == METRICS_MAX {
                        return Err(A::Error::custom("too many metrics"));
                    }
                    if metrics.insert(name, value).is_some() {
                        return Err(A::Error::custom("a metric is there twice"));
                    }
                }
                Ok(Metrics(metrics))
            }
        }
        deserializer.deserialize_map(MetricsVisitor)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, \"nan\", \"inf\" or \"-inf\"")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                // Negative zero is zero: two of them would be two values of one metric.
                Ok(Number(value + 0.0))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Number, E> {
                match value.to_ascii_lowercase().as_str() {
                    "nan" | "-nan" => Ok(Number(f64::NAN)),
                    "inf" => Ok(Number(f64::INFINITY)),
                    "-inf" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::custom("expected a number, \"nan\", \"inf\" or \"-inf\"")),
                }
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        read(text.as_bytes(), "n").unwrap_err().to_string()
    }

    #[test]
    fn numbers_and_spelled_numbers_are_read() {
        let text = r#"{"nonce":"n","metrics":{"a":1.5,"b":2,"c":"nan","d":-0.0}}"#;
        let metrics = read(text.as_bytes(), "n").unwrap();
        assert_eq!((metrics["a"], metrics["b"]), (1.5, 2.0));
        assert!(metrics["c"].is_nan());
        assert_eq!(metrics["d"].to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn anything_else_is_a_state_with_a_reason() {
        assert!(problem("").contains("no answer"));
        assert!(problem("1.5").contains("agreed form"));
        assert!(problem(r#"{"nonce":"m","metrics":{}}"#).contains("nonce"));
        assert!(problem(r#"{"metrics":{}}"#).contains("agreed form"));
        assert!(problem(r#"{"nonce":"n","metrics":{"a":1,"a":2}}"#).contains("twice"));
        assert!(problem(r#"{"nonce":"n","metrics":{"a":[1]}}"#).contains("agreed form"));
        assert!(problem(r#"{"nonce":"n","metrics":{}} extra"#).contains("agreed form"));
        assert!(problem(r#"{"nonce":"n","metrics":{"a\n":1}}"#).contains("unprintable"));
        assert!(problem(r#"{"nonce":"n","metrics":{"a":1e999}}"#).contains("agreed form"));
    }

    #[test]
    fn deep_nesting_is_refused_without_harm() {
        let text = "[".repeat(60_000);
        assert!(problem(&text).contains("agreed form"));
    }
}

//! The evaluator's answer: one JSON line on a descriptor that the candidate never held.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

use serde_json::{Map, Value};

/// The descriptor on which the lab reads an evaluator's answer.
pub const ANSWER_DESCRIPTOR: RawFd = 3;

/// The environment variable that holds the nonce of this measurement.
pub const NONCE_VARIABLE: &str = "LYCEUM_NONCE";

/// Writes `{"nonce": …, "metrics": {…}}` and a newline to the answer descriptor.
///
/// The nonce is echoed from `LYCEUM_NONCE` (empty when unset). JSON has no spelling for values that
/// are not finite, so they are written as the strings `"nan"`, `"inf"` and `"-inf"`: the lab reads
/// them as a failed measurement, never as a number.
///
/// # Errors
///
/// Fails when descriptor 3 is not open for writing, which is the case outside the lab; the hint is to
/// run with `3>&1`.
pub fn write_answer(metrics: &[(&str, f64)]) -> io::Result<()> {
    let nonce = std::env::var(NONCE_VARIABLE).unwrap_or_default();
    // A path such as /dev/fd/3 would need /proc in the sandbox and cannot reopen a socket.
    #[expect(
        unsafe_code,
        reason = "the standard library names no descriptor beyond standard error"
    )]
    // SAFETY: the lab opens descriptor 3 for this process and nothing else here takes ownership of
    // it; `ManuallyDrop` leaves it open. Where it is not open, the write fails with EBADF.
    let mut channel = ManuallyDrop::new(unsafe { File::from_raw_fd(ANSWER_DESCRIPTOR) });
    channel.write_all(answer_line(&nonce, metrics).as_bytes())
}

/// Returns the answer as one line of JSON with its newline; metrics keep their order of names.
pub fn answer_line(nonce: &str, metrics: &[(&str, f64)]) -> String {
    let metrics: Map<String, Value> = metrics
        .iter()
        .map(|(name, value)| ((*name).to_owned(), encode(*value)))
        .collect();
    let mut answer = Map::new();
    answer.insert("nonce".to_owned(), Value::from(nonce));
    answer.insert("metrics".to_owned(), Value::Object(metrics));
    format!("{}\n", Value::Object(answer))
}

/// Encodes one value; see [`write_answer`] for those that are not finite.
fn encode(value: f64) -> Value {
    if value.is_nan() {
        Value::from("nan")
    } else if value == f64::INFINITY {
        Value::from("inf")
    } else if value == f64::NEG_INFINITY {
        Value::from("-inf")
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_with_the_nonce() {
        let line = answer_line("n-1", &[("val_bpb", 1.93)]);
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["nonce"], "n-1");
        assert_eq!(read["metrics"]["val_bpb"], 1.93);
    }

    #[test]
    fn values_that_are_not_finite_are_words() {
        let line = answer_line(
            "",
            &[("a", f64::NAN), ("b", f64::INFINITY), ("c", -f64::INFINITY)],
        );
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["metrics"]["a"], "nan");
        assert_eq!(read["metrics"]["b"], "inf");
        assert_eq!(read["metrics"]["c"], "-inf");
    }

    #[test]
    fn a_nonce_with_quotes_stays_one_json_string() {
        let read: Value = serde_json::from_str(&answer_line("a\"b\n", &[])).unwrap();
        assert_eq!(read["nonce"], "a\"b\n");
    }
}

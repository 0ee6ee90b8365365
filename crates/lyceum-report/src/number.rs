//! Numbers that carry their evidence. Nothing else is printed as a result.

use lyceum_types::{RunId, Trust};

use crate::format;

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A run of the study.
    Run(RunId),
    /// An event of the ledger, by its position in the study's stream.
    Event(u64),
}

/// Why something is not a number of the report.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NumberError {
    /// A number without a run or an event behind it.
    #[error("a number of the report needs at least one run or event as its evidence")]
    NoEvidence,
    /// Not finite: a failure is a state, never a number.
    #[error("expected a finite number, found {found}")]
    NotFinite {
        /// What was found.
        found: f64,
    },
}

/// The runs and events that a number rests on: at least one, sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(Vec<Source>);

impl Evidence {
    /// Returns the evidence of one run.
    pub fn run(run: RunId) -> Evidence {
        Evidence(vec![Source::Run(run)])
    }

    /// Returns the evidence of one event.
    pub fn event(position: u64) -> Evidence {
        Evidence(vec![Source::Event(position)])
    }

    /// Returns the evidence of these runs; refuses an empty list.
    pub fn runs(runs: impl IntoIterator<Item = RunId>) -> Result<Evidence, NumberError> {
        Evidence::of(runs.into_iter().map(Source::Run))
    }

    /// Returns the evidence of these sources; refuses an empty list.
    pub fn of(sources: impl IntoIterator<Item = Source>) -> Result<Evidence, NumberError> {
        let mut sources: Vec<Source> = sources.into_iter().collect();
        sources.sort_unstable();
        sources.dedup();
        if sources.is_empty() {
            Err(NumberError::NoEvidence)
        } else {
            Ok(Evidence(sources))
        }
    }

    /// Returns this evidence together with the other.
    #[must_use]
    pub fn and(&self, other: &Evidence) -> Evidence {
        let mut sources = [self.0.as_slice(), other.0.as_slice()].concat();
        sources.sort_unstable();
        sources.dedup();
        Evidence(sources)
    }

    /// Returns the sources, sorted.
    pub fn sources(&self) -> &[Source] {
        &self.0
    }
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With so many digits after the point.
    Decimals(u8),
    /// With so many significant digits.
    Significant(u8),
    /// As a count of things.
    Count,
    /// A length of time, given in milliseconds.
    Milliseconds,
    /// An amount of bytes.
    Bytes,
    /// A share between 0 and 1, written in percent.
    Percent,
}

/// A finite number, how it is written, how far it can be trusted and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    value: f64,
    form: Form,
    unit: String,
    trust: Option<Trust>,
    evidence: Evidence,
}

impl Number {
    /// Returns the number; refuses what is not finite.
    pub fn new(value: f64, form: Form, evidence: Evidence) -> Result<Number, NumberError> {
        if value.is_finite() {
            Ok(Number {
                value,
                form,
                unit: String::new(),
                trust: None,
                evidence,
            })
        } else {
            Err(NumberError::NotFinite { found: value })
        }
    }

    /// Returns the number with a unit to print after it.
    #[must_use]
    pub fn with_unit(self, unit: &str) -> Number {
        Number {
            unit: unit.to_owned(),
            ..self
        }
    }

    /// Returns the number marked with how far it can be trusted.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Number {
        Number {
            trust: Some(trust),
            ..self
        }
    }

    /// Returns the number written in another form.
    #[must_use]
    pub fn with_form(self, form: Form) -> Number {
        Number { form, ..self }
    }

    /// Returns a number worked out from this one and the other: it rests on both and is trusted like the weaker.
    pub fn derive(&self, other: &Number, value: f64) -> Result<Number, NumberError> {
        let trust = match (self.trust, other.trust) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        let number = Number::new(value, self.form, self.evidence.and(&other.evidence))?;
        Ok(Number {
            unit: self.unit.clone(),
            trust,
            ..number
        })
    }

    /// Returns the value.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns how far it can be trusted, where it is a value of the metric.
    pub fn trust(&self) -> Option<Trust> {
        self.trust
    }

    /// Returns what it rests on.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns how it is written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns the unit; empty when there is none.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Returns the number as text, without its unit.
    pub fn text(&self) -> String {
        format::number(self.value, self.form)
    }

    /// Returns the number as text with its unit.
    pub fn text_with_unit(&self) -> String {
        if self.unit.is_empty() {
            self.text()
        } else {
            format!("{}\u{a0}{}", self.text(), crate::text::line(&self.unit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_evidence_cannot_be_made() {
        assert_eq!(Evidence::runs([]), Err(NumberError::NoEvidence));
        assert!(Number::new(f64::NAN, Form::Count, Evidence::event(1)).is_err());
        assert!(Number::new(f64::INFINITY, Form::Count, Evidence::event(1)).is_err());
    }

    #[test]
    fn a_derived_number_rests_on_both_and_is_trusted_like_the_weaker() {
        let number = |run, trust| {
            Number::new(1.0, Form::Count, Evidence::run(RunId(run)))
                .unwrap()
                .with_trust(trust)
        };
        let gain = number(3, Trust::Sealed)
            .derive(&number(1, Trust::SelfReported), 2.0)
            .unwrap();
        assert_eq!(
            gain.evidence().sources(),
            [Source::Run(RunId(1)), Source::Run(RunId(3))]
        );
        assert_eq!(gain.trust(), Some(Trust::SelfReported));
    }
}

//! Search acceptance: does the next experiment build on the candidate or on the incumbent?

use std::{fmt, str::FromStr};

use lyceum_types::{Goal, Seed};

use crate::{Floor, mean};

/// A gap of this many standard errors is clear: noise alone makes one this large in 5 % of looks.
const CLEAR: f64 = 2.0;
/// Share of clear gaps among earlier candidates from which one run is enough. Noise alone gives 0.05. On the synthetic
/// campaign of `bench/noise` the bars hold from 0.125 to 0.2.
const CLEAR_SHARE: f64 = 0.175;
/// Earlier candidates that are needed to tell.
const EARLIER_LEAST: usize = 3;
/// Repeats after the first run that did best on the synthetic campaign of `bench/noise`. Two gain more where the noise
/// is far above the effects and less elsewhere.
pub const REPEATS_BEST: usize = 1;

/// How a search decides what to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Greedy far from the noise floor, repeats on paired seeds near it. The lab's own rule; see [`repeats_worth`].
    Adaptive,
    /// Keeps whatever measures better, once. What most systems do.
    Greedy,
    /// Keeps a gain of more than two standard deviations of the floor (proposed as autoresearch PR 560).
    TwoSigma,
    /// Runs each candidate three times and compares its best with the incumbent's best.
    BestOfThree,
    /// Repeats every candidate that looks better until a one-sided z test at 5 % accepts it.
    AlwaysConfirm,
}

impl Rule {
    /// All rules, the default first.
    pub const ALL: [Rule; 5] = [
        Rule::Adaptive,
        Rule::Greedy,
        Rule::TwoSigma,
        Rule::BestOfThree,
        Rule::AlwaysConfirm,
    ];

    /// Returns the name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Adaptive => "adaptive",
            Rule::Greedy => "greedy",
            Rule::TwoSigma => "two-sigma",
            Rule::BestOfThree => "best-of-three",
            Rule::AlwaysConfirm => "always-confirm",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRule {
    /// The name found.
    pub found: String,
}

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Rule::ALL.map(Rule::name).join(", ");
        write!(
            f,
            "unknown keep rule, expected one of {names}: `{}`",
            self.found
        )
    }
}

impl std::error::Error for UnknownRule {}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Rule, UnknownRule> {
        Rule::ALL
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| UnknownRule {
                found: text.to_owned(),
            })
    }
}

/// All that a search decision rests on.
///
/// Both sides have at least one value and every value is finite: a run that failed has none. A candidate whose repeat
/// failed is a failed experiment, for the caller to record; [`decide`] is not asked again.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Which direction is better.
    pub goal: Goal,
    /// The noise floor; without one, every rule takes the metric as deterministic.
    pub floor: Option<&'a Floor>,
    /// The incumbent's measurements.
    pub incumbent: &'a [(Seed, f64)],
    /// The candidate's measurements.
    pub candidate: &'a [(Seed, f64)],
    /// Most repeats of the candidate after its first run; for the adaptive rule what [`repeats_worth`] returns.
    pub most_repeats: usize,
}

/// On which seed to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatSeed {
    /// Run the candidate on this seed, which the incumbent has and the candidate lacks.
    PairedWithIncumbent(Seed),
    /// Run candidate and incumbent on one new seed.
    Fresh,
}

/// What to do with a candidate. `gain` is the measured gain over the incumbent, positive for better.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Build on the candidate.
    Keep {
        /// The reason in words.
        why: String,
        /// Always above 0.
        gain: f64,
    },
    /// Put the incumbent back: the candidate is no better.
    Discard {
        /// The reason in words.
        why: String,
        /// The measured gain.
        gain: f64,
    },
    /// Put the incumbent back: noise hides which is better.
    Inconclusive {
        /// The reason in words.
        why: String,
        /// The measured gain.
        gain: f64,
    },
    /// Measure once more, then ask again.
    Repeat {
        /// Where.
        seed: RepeatSeed,
        /// The reason in words.
        why: String,
    },
}

/// Decides on a candidate. Pure; called again with all measurements after each repeat.
pub fn decide(rule: Rule, look: &Look<'_>) -> Decision {
    let Some(comparison) = Comparison::new(look) else {
        let why = "candidate or incumbent has no measurement".to_owned();
        return Decision::Inconclusive { why, gain: 0.0 };
    };
    if look
        .floor
        .is_none_or(|floor| floor.deterministic || floor.sd <= 0.0)
    {
        return comparison.greedy();
    }
    match rule {
        Rule::Adaptive => comparison.adaptive(),
        Rule::Greedy => comparison.greedy(),
        Rule::TwoSigma => comparison.two_sigma(),
        Rule::BestOfThree => comparison.best_of_three(),
        Rule::AlwaysConfirm => comparison.always_confirm(),
    }
}

/// Returns by how many standard errors the candidate's first run was better than the incumbent; `None` without a
/// measurement or without noise.
pub fn first_gap(look: &Look<'_>) -> Option<f64> {
    let first = Look {
        candidate: look.candidate.get(..1)?,
        ..*look
    };
    let comparison = Comparison::new(&first)?;
    (comparison.error > 0.0).then(|| comparison.gain / comparison.error)
}

/// Returns how many repeats the adaptive rule should have for the next candidate: 0 while one run tells the study's
/// candidates apart, `most` otherwise.
///
/// `earlier` holds the [`first_gap`] of each earlier candidate. One run tells when at least three are known and 17.5 %
/// of them are at least 2 standard errors, in either direction: then an error near zero costs less than the run that
/// would avoid it. A share, not a spread, so that one candidate that went far astray does not change the answer.
pub fn repeats_worth(earlier: &[f64], most: usize) -> usize {
    let clear = earlier.iter().filter(|gap| gap.abs() >= CLEAR).count();
    let one_run_tells =
        earlier.len() >= EARLIER_LEAST && clear as f64 >= CLEAR_SHARE * earlier.len() as f64;
    if one_run_tells { 0 } else { most }
}

/// A look with its numbers worked out.
struct Comparison<'a> {
    look: &'a Look<'a>,
    /// Gain of the candidate's mean over the incumbent's mean.
    gain: f64,
    /// Standard deviation of one measurement.
    sd: f64,
    /// Standard error of `gain`: sd·√(1/n + 1/m) with n and m measurements. Paired seeds with noise in common make the
    /// true error smaller, so that this is the cautious figure.
    error: f64,
}

impl<'a> Comparison<'a> {
    fn new(look: &'a Look<'a>) -> Option<Comparison<'a>> {
        let values =
            |side: &[(Seed, f64)]| side.iter().map(|&(_, value)| value).collect::<Vec<_>>();
        let (incumbent, candidate) = (values(look.incumbent), values(look.candidate));
        debug_assert!(
            incumbent
                .iter()
                .chain(&candidate)
                .all(|value| value.is_finite()),
            "a failed run has no value"
        );
        let gain = look.goal.gain(mean(&incumbent)?, mean(&candidate)?);
        let sd = look.floor.map_or(0.0, |floor| floor.sd);
        let error = sd * (1.0 / incumbent.len() as f64 + 1.0 / candidate.len() as f64).sqrt();
        Some(Comparison {
            look,
            gain,
            sd,
            error,
        })
    }

    /// A candidate that measures better is kept at once when the gap is clear, and is repeated otherwise: a repeat
    /// teaches most there. What still measures better when the repeats are spent is kept, as the search loses more
    /// by waiting for certainty than by a step that is now and then too small; what no longer does is inconclusive.
    fn adaptive(&self) -> Decision {
        let repeats = self.look.candidate.len() - 1;
        let words = self.words();
        if self.gain >= CLEAR * self.error && self.gain > 0.0 {
            self.keep(format!("{words}: clear"))
        } else if self.gain > 0.0 && repeats < self.look.most_repeats {
            self.repeat(format!("{words}: near the noise"))
        } else if self.gain > 0.0 {
            self.keep(format!("{words} over {}", count(repeats + 1, "run")))
        } else if repeats > 0 && self.gain > -CLEAR * self.error {
            let why = format!(
                "{words} after {}: too close to tell",
                count(repeats, "repeat")
            );
            Decision::Inconclusive {
                why,
                gain: self.gain,
            }
        } else {
            self.discard(words)
        }
    }

    fn greedy(&self) -> Decision {
        if self.gain > 0.0 {
            self.keep(self.words())
        } else {
            self.discard(self.words())
        }
    }

    fn two_sigma(&self) -> Decision {
        if self.gain > 2.0 * self.sd {
            self.keep(format!(
                "{}, more than 2 deviations of the floor",
                self.words()
            ))
        } else {
            self.discard(format!(
                "{}, at most 2 deviations of the floor",
                self.words()
            ))
        }
    }

    fn best_of_three(&self) -> Decision {
        if self.look.candidate.len() < 3.min(1 + self.look.most_repeats) {
            return self.repeat("each candidate runs three times".to_owned());
        }
        let best = |side: &[(Seed, f64)]| {
            let values = side.iter().map(|&(_, value)| value);
            values.reduce(|a, b| if self.look.goal.better(b, a) { b } else { a })
        };
        match (best(self.look.incumbent), best(self.look.candidate)) {
            (Some(incumbent), Some(candidate)) => {
                let gain = self.look.goal.gain(incumbent, candidate);
                Comparison { gain, ..*self }.greedy()
            }
            _ => self.greedy(),
        }
    }

    fn always_confirm(&self) -> Decision {
        if self.gain <= 0.0 {
            self.discard(self.words())
        } else if self.look.candidate.len() >= 2 && self.gain > 1.64 * self.error {
            self.keep(format!("{}, more than 1.64 standard errors", self.words()))
        } else {
            self.repeat_or_stop()
        }
    }

    fn repeat_or_stop(&self) -> Decision {
        let repeats = self.look.candidate.len() - 1;
        if repeats < self.look.most_repeats {
            return self.repeat(format!("{}: too close to tell", self.words()));
        }
        let why = format!(
            "{}: too close to tell after {repeats} repeats",
            self.words()
        );
        Decision::Inconclusive {
            why,
            gain: self.gain,
        }
    }

    fn repeat(&self, why: String) -> Decision {
        let lacks = |seed: Seed| self.look.candidate.iter().all(|&(has, _)| has != seed);
        let paired = self
            .look
            .incumbent
            .iter()
            .map(|&(seed, _)| seed)
            .find(|&seed| lacks(seed));
        let seed = paired.map_or(RepeatSeed::Fresh, RepeatSeed::PairedWithIncumbent);
        Decision::Repeat { seed, why }
    }

    fn keep(&self, why: String) -> Decision {
        Decision::Keep {
            why,
            gain: self.gain,
        }
    }

    fn discard(&self, why: String) -> Decision {
        Decision::Discard {
            why,
            gain: self.gain,
        }
    }

    fn words(&self) -> String {
        let side = if self.gain > 0.0 {
            "better by"
        } else if self.gain < 0.0 {
            "worse by"
        } else {
            return "no different".to_owned();
        };
        let size = self.gain.abs();
        if self.error > 0.0 {
            let (size, error) = (significant(size), significant(self.error));
            format!("{side} {size} with a standard error of {error}")
        } else {
            format!("{side} {}", significant(size))
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Writes a number with three significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 || !(1e-4..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let decimals = (2 - value.abs().log10().floor() as i32).max(0) as usize;
    format!("{value:.decimals$}")
}

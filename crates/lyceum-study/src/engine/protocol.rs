//! The rules of a study as the loop needs them: plain data, no files.

use std::{collections::BTreeMap, time::Duration};

use lyceum_stats::Rule;
use lyceum_types::{Goal, Seed, Settings, Space, Trust};
use serde::{Deserialize, Serialize};

use super::halving::Halving;

/// How a study is conducted. Two processes with one protocol and one ledger decide alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The study's metric.
    pub metric: String,
    /// Its direction.
    pub goal: Goal,
    /// How far the search's numbers can be trusted.
    pub trust: Trust,
    /// What a sampler may turn.
    pub space: Space,
    /// The knobs' values in the unchanged workspace.
    pub start: Settings,
    /// The root seed.
    pub seed: Seed,
    /// The keep rule of the search.
    pub rule: Rule,
    /// Most runs of the unchanged workspace to learn the spread; at least 3.
    pub floor_runs_max: usize,
    /// Most repeats of one experiment near the floor.
    pub repeats_max: usize,
    /// Most pairs of the confirmation.
    pub confirm_pairs_max: usize,
    /// Level that the study's claims may spend together.
    pub alpha: f64,
    /// Pairs for each knob that is put back; 0 for no ablation.
    pub ablation_pairs: usize,
    /// Whether there is a sealed split.
    pub sealed: bool,
    /// How looks at the sealed split are counted; `None` in studies of versions that did not count them.
    pub looks: Option<Looks>,
    /// When runs that report as they go are stopped early; `None` where all run to their end.
    pub halving: Option<Halving>,
    /// What may be spent.
    pub budget: Budget,
    /// What success looks like.
    pub rubric: Vec<Criterion>,
    /// How it is judged; `None` where every criterion must hold and the study's own measurements decide.
    pub outcome: Option<OutcomeRules>,
}

/// How the rubric is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRules {
    /// Most evaluations; the last is at the end of the study.
    pub iterations_max: u32,
    /// Least share of all weights whose criteria hold, beside every `must`.
    pub at_least: f64,
    /// What is said of each criterion beside what it judges, in the order of the rubric.
    pub clauses: Vec<Clause>,
}

/// What is said of a criterion beside what it judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// The criterion in words, where its author gave some.
    pub description: Option<String>,
    /// Whether the outcome fails without it.
    pub must: bool,
    /// Its weight.
    pub weight: f64,
}

/// Looks at one sealed split, over all attempts at a study in a lab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looks {
    /// Most of them.
    pub most: u32,
    /// Those of earlier attempts at the same files.
    pub before: u32,
    /// The best value that those let out.
    pub released: Option<f64>,
}

impl Looks {
    /// Tells whether one more is allowed.
    pub fn left(&self) -> bool {
        self.before < self.most
    }
}

/// What a study may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Proposals.
    pub experiments: u32,
    /// Wall-clock time over all sessions.
    pub wall: Option<Duration>,
    /// CPU time over all runs and measurements.
    pub cpu: Option<Duration>,
    /// Bytes that the study may add to the lab.
    pub disk: Option<u64>,
}

/// One criterion of the rubric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Criterion {
    /// The winner's metric stays within a bound, at a trust level.
    Metric {
        /// Upper bound.
        at_most: Option<f64>,
        /// Lower bound.
        at_least: Option<f64>,
        /// Trust level of the measurement.
        trust: Trust,
        /// Confidence of the interval that must lie within the bound.
        confidence: f64,
    },
    /// A confirmed improvement over the start.
    Improvement {
        /// Least gain that the interval must exceed.
        at_least: f64,
        /// Confidence of the interval.
        confidence: f64,
    },
    /// A program ends with status 0, in a grader's sandbox.
    Command {
        /// The program with its placeholders.
        words: Vec<String>,
        /// Longest wall-clock time in milliseconds.
        timeout_ms: u64,
        /// Most memory in bytes.
        memory_bytes: u64,
    },
    /// A file is there.
    File {
        /// An output, or a path in the winner's workspace.
        file: String,
        /// BLAKE3 of its bytes.
        hash: Option<String>,
        /// Name of the schema among the graders' files.
        schema: Option<String>,
    },
    /// The winner differs from the start in no other files.
    Diff {
        /// Globs of the files that it may differ in.
        allow: Vec<String>,
        /// The file that each knob is written to, where it is one.
        knob_files: BTreeMap<String, String>,
    },
    /// There are findings that the lab's runs support.
    Finding {
        /// Least number of them.
        least: u32,
        /// Confidence of the interval that must lie above no gain.
        confidence: f64,
    },
    /// The winner, run again, gives the same within its interval.
    Replication {
        /// Runs.
        runs: u32,
        /// Confidence of the interval.
        confidence: f64,
    },
    /// A language model says so.
    Judgement {
        /// The model.
        model: String,
        /// What it is asked.
        question: String,
        /// What it is shown.
        file: Option<String>,
    },
}

impl Protocol {
    /// Returns the seed of the `index`-th look at any experiment: all experiments share these seeds, so that each look is paired.
    pub fn look_seed(&self, index: usize) -> Seed {
        self.seed.derive("look", index as u64)
    }

    /// Returns a criterion in words: its author's, or the lab's own.
    pub fn criterion_text(&self, index: usize, unit: &str) -> String {
        let clause = self
            .outcome
            .as_ref()
            .and_then(|rules| rules.clauses.get(index));
        let given = clause.and_then(|clause| clause.description.clone());
        given.unwrap_or_else(|| {
            let criterion = self.rubric.get(index);
            criterion.map_or_else(String::new, |one| one.text(&self.metric, unit))
        })
    }

    /// Returns the seed of a run that repeats the winner for the rubric; no other run ever has it.
    pub fn replication_seed(&self, number: usize) -> Seed {
        self.seed.derive("replicate", number as u64)
    }

    /// Returns the seed of a pair of the confirmation; no search run ever has it.
    pub fn confirm_seed(&self, pair: usize) -> Seed {
        self.seed.derive("confirm", pair as u64)
    }
}

impl Criterion {
    /// Returns the criterion in words.
    pub fn text(&self, metric: &str, unit: &str) -> String {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        match self {
            Criterion::Metric {
                at_most,
                at_least,
                trust,
                confidence,
            } => {
                let bounds = [("at most", at_most), ("at least", at_least)]
                    .iter()
                    .filter_map(|(word, bound)| bound.map(|value| format!("{word} {value}{unit}")))
                    .collect::<Vec<_>>()
                    .join(" and ");
                format!(
                    "{trust} {metric} {bounds} at {} % confidence",
                    percent(*confidence)
                )
            }
            Criterion::Improvement { at_least, .. } if *at_least == 0.0 => {
                format!("a confirmed improvement of {metric}")
            }
            Criterion::Improvement {
                at_least,
                confidence,
            } => format!(
                "a confirmed improvement of {metric} by at least {at_least}{unit} at {} % confidence",
                percent(*confidence)
            ),
            Criterion::Command { words, .. } => format!("`{}` ends with status 0", words.join(" ")),
            Criterion::File { file, hash, schema } => {
                let hash = hash.iter().map(|hash| format!(" with BLAKE3 {hash}"));
                let schema = schema.iter().map(|schema| format!(" that fits `{schema}`"));
                let more: String = hash.chain(schema).collect();
                format!("the file `{file}`{more}")
            }
            Criterion::Diff { allow, .. } if allow.is_empty() => {
                "no file differs from the start".into()
            }
            Criterion::Diff { allow, .. } => {
                format!("only `{}` differ from the start", allow.join("`, `"))
            }
            Criterion::Finding { least, confidence } => format!(
                "at least {least} findings that runs support at {} % confidence",
                percent(*confidence)
            ),
            Criterion::Replication { runs, confidence } => format!(
                "{runs} new runs of the winner agree with its earlier ones at {} % confidence",
                percent(*confidence)
            ),
            Criterion::Judgement {
                model, question, ..
            } => {
                format!("{model} says yes to: {question}")
            }
        }
    }
}

/// Returns a share in percent, without the digits that only its binary form has.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

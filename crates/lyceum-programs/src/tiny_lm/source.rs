//! A source of text whose entropy rate is known exactly.
//!
//! A text is a sequence of sentences, one a line. A sentence opens with a word that names its topic,
//! goes on with words, and ends with a stop: `cheal trou ban ...\n`. Behind it is a Markov chain:
//!
//! - after a sentence on topic *u* comes one on topic *t* with probability *Q(t|u)*;
//! - after a word of class *c* comes a word of class *c'* with probability *P(c'|c)*, or the end;
//! - the word is drawn from its class with probability *W(w|c', t)*, which depends on the topic.
//!
//! All words are distinct and each belongs to one class, so the text determines every choice and the
//! state (topic, class) after it. By the chain rule the entropy of a text is then the sum over its
//! steps of the entropy of the step's choice given the state (Shannon 1948, §7; such a source is
//! called unifilar), and with π the stationary distribution of the states
//!
//! ```text
//! rate = Σ π(s) H(choice | s) / Σ π(s) E[bytes written | s]   bits a byte.
//! ```
//!
//! No predictor has a smaller expected loss in the long run. What a model can learn comes in steps:
//! letters, spelling, which class follows which (one word back), and words of the topic (named up to a
//! whole sentence back, or guessed from the words since).

use std::path::Path;

use lyceum_train::random::Random;
use serde::Deserialize;

use super::failure::{Failure, read_settings};
use super::grammar::Grammar;

/// The settings of a source, as in `source.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Fixes the grammar; the text drawn from it depends on the run's seed too.
    pub seed: u64,
    /// Number of topics.
    pub topics: usize,
    /// Number of word classes.
    pub classes: usize,
    /// Distinct words of a class.
    pub words_per_class: usize,
    /// Exponent of the words' frequencies, rank^-skew.
    pub word_skew: f64,
    /// Classes that may follow a class.
    pub successors: usize,
    /// Exponent of the classes' frequencies.
    pub class_skew: f64,
    /// Mean number of words of a sentence, without its opening.
    pub sentence_words: f64,
    /// Bytes of text that candidates train on.
    pub train_bytes: u64,
    /// Bytes of text that the evaluator measures on during the search.
    pub heldout_bytes: u64,
    /// Bytes of text that are opened once, at the end.
    pub sealed_bytes: u64,
}

/// The most bytes of one text.
pub(super) const TEXT_BYTES_MAX: u64 = 1 << 30;

impl Settings {
    /// Reads and checks settings.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let settings: Self = read_settings(path)?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<(), Failure> {
        let refuse = |name, expected, found| {
            Err(Failure::Setting {
                path: path.to_owned(),
                name,
                expected,
                found,
            })
        };
        let counts = [
            ("topics", self.topics),
            ("classes", self.classes),
            ("words_per_class", self.words_per_class),
            ("successors", self.successors),
        ];
        for (name, found) in counts {
            if found == 0 || found > 1000 {
                return refuse(name, "between 1 and 1000", found as f64);
            }
        }
        for (name, found) in [
            ("word_skew", self.word_skew),
            ("class_skew", self.class_skew),
        ] {
            if !(0.0..=10.0).contains(&found) {
                return refuse(name, "between 0 and 10", found);
            }
        }
        if !(1.5..=1000.0).contains(&self.sentence_words) {
            return refuse(
                "sentence_words",
                "between 1.5 and 1000",
                self.sentence_words,
            );
        }
        let sizes = [
            ("train_bytes", self.train_bytes),
            ("heldout_bytes", self.heldout_bytes),
            ("sealed_bytes", self.sealed_bytes),
        ];
        for (name, found) in sizes {
            if !(100..=TEXT_BYTES_MAX).contains(&found) {
                return refuse(name, "between 100 and 2^30", found as f64);
            }
        }
        Ok(())
    }
}

/// A source of text.
#[derive(Clone, Debug)]
pub struct Source {
    grammar: Grammar,
}

/// Where the source is: at the start of a sentence after one on a topic, or within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start { last_topic: usize },
    Within { topic: usize, class: usize },
}

impl Source {
    /// Makes the source of checked settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            grammar: Grammar::new(settings),
        }
    }

    /// Returns the entropy rate in bits a byte, exact up to rounding; see the module for the formula.
    pub fn entropy_rate(&self) -> f64 {
        let (mut bits, mut bytes) = (0.0, 0.0);
        for (index, share) in self.stationary().into_iter().enumerate() {
            let (step_bits, step_bytes) = self.step_means(self.state(index));
            bits += share * step_bits;
            bytes += share * step_bytes;
        }
        bits / bytes
    }

    /// Returns about `bytes` bytes of text from a fresh start: exactly that many, the last sentence
    /// may be cut.
    pub fn draw(&self, bytes: usize, random: &mut Random) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes + 64);
        let mut state = State::Start {
            last_topic: random.below(self.grammar.openings.len()),
        };
        while text.len() < bytes {
            state = self.step(state, random, &mut text);
        }
        text.truncate(bytes);
        text
    }

    /// Takes one step: appends what it writes and returns the state after it.
    fn step(&self, state: State, random: &mut Random, text: &mut Vec<u8>) -> State {
        let grammar = &self.grammar;
        match state {
            State::Start { last_topic } => {
                let topic = grammar.topics[last_topic].draw(random);
                text.extend_from_slice(grammar.openings[topic].as_bytes());
                State::Within {
                    topic,
                    class: grammar.words.len(),
                }
            }
            State::Within { topic, class } => {
                let next = grammar.classes[class].draw(random);
                let Some(words) = grammar.words.get(next) else {
                    text.extend_from_slice(END);
                    return State::Start { last_topic: topic };
                };
                let word = &words[grammar.choices[topic][next].draw(random)];
                text.push(b' ');
                text.extend_from_slice(word.as_bytes());
                State::Within { topic, class: next }
            }
        }
    }

    /// Returns the entropy of a step in bits and the mean number of bytes that it writes.
    fn step_means(&self, state: State) -> (f64, f64) {
        let grammar = &self.grammar;
        match state {
            State::Start { last_topic } => {
                let choice = &grammar.topics[last_topic];
                (
                    choice.entropy(),
                    mean_length(choice.probabilities(), &grammar.openings),
                )
            }
            State::Within { topic, class } => {
                let choice = &grammar.classes[class];
                let (mut bits, mut bytes) = (choice.entropy(), 0.0);
                for (next, &probability) in choice.probabilities().iter().enumerate() {
                    if let Some(words) = grammar.words.get(next) {
                        let word = &grammar.choices[topic][next];
                        bits += probability * word.entropy();
                        bytes += probability * (1.0 + mean_length(word.probabilities(), words));
                    } else {
                        bytes += probability * END.len() as f64;
                    }
                }
                (bits, bytes)
            }
        }
    }

    /// Returns the stationary distribution of the states, by averaging the chain: (I + T)/2 has the
    /// same one and cannot go round in circles.
    fn stationary(&self) -> Vec<f64> {
        /// Far above what the tolerance takes for chains of this kind.
        const ROUNDS_MAX: usize = 1_000_000;
        let states = self.state_count();
        let transitions: Vec<Vec<(usize, f64)>> = (0..states)
            .map(|index| self.transitions(self.state(index)))
            .collect();
        let mut shares = vec![1.0 / states as f64; states];
        for _ in 0..ROUNDS_MAX {
            let mut next: Vec<f64> = shares.iter().map(|share| 0.5 * share).collect();
            for (from, share) in transitions.iter().zip(&shares) {
                for &(to, probability) in from {
                    next[to] += 0.5 * share * probability;
                }
            }
            let change: f64 = next.iter().zip(&shares).map(|(a, b)| (a - b).abs()).sum();
            shares = next;
            if change < 1e-15 {
                break;
            }
        }
        shares
    }

    fn transitions(&self, state: State) -> Vec<(usize, f64)> {
        let grammar = &self.grammar;
        let classes = grammar.words.len();
        match state {
            State::Start { last_topic } => {
                let choice = grammar.topics[last_topic]
                    .probabilities()
                    .iter()
                    .enumerate();
                choice
                    .map(|(topic, &p)| {
                        (
                            self.index(State::Within {
                                topic,
                                class: classes,
                            }),
                            p,
                        )
                    })
                    .collect()
            }
            State::Within { topic, class } => {
                let choice = grammar.classes[class].probabilities().iter().enumerate();
                choice
                    .map(|(next, &p)| {
                        let to = if next == classes {
                            State::Start { last_topic: topic }
                        } else {
                            State::Within { topic, class: next }
                        };
                        (self.index(to), p)
                    })
                    .collect()
            }
        }
    }

    /// Each topic has a start and, within a sentence, one state for each class and the opening.
    fn state_count(&self) -> usize {
        self.grammar.openings.len() * (self.grammar.words.len() + 2)
    }

    fn index(&self, state: State) -> usize {
        let each = self.grammar.words.len() + 2;
        match state {
            State::Start { last_topic } => last_topic * each,
            State::Within { topic, class } => topic * each + 1 + class,
        }
    }

    fn state(&self, index: usize) -> State {
        let each = self.grammar.words.len() + 2;
        match (index / each, index % each) {
            (last_topic, 0) => State::Start { last_topic },
            (topic, place) => State::Within {
                topic,
                class: place - 1,
            },
        }
    }
}

/// What a sentence ends with.
const END: &[u8] = b".\n";

fn mean_length(probabilities: &[f64], words: &[String]) -> f64 {
    probabilities
        .iter()
        .zip(words)
        .map(|(p, word)| p * word.len() as f64)
        .sum()
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

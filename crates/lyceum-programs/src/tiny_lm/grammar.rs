//! The grammar of the generator: words, classes of words, topics.

use std::collections::BTreeSet;

use lyceum_train::random::Random;

use super::source::Settings;

/// A table of probabilities built once and drawn from often.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    probabilities: Vec<f64>,
    cumulative: Vec<f64>,
}

impl Choice {
    /// Returns the distribution proportional to `weights`, which are positive.
    pub(super) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let probabilities: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let mut sum = 0.0;
        let cumulative = probabilities
            .iter()
            .map(|probability| {
                sum += probability;
                sum
            })
            .collect();
        Self {
            probabilities,
            cumulative,
        }
    }

    pub(super) fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    pub(super) fn draw(&self, random: &mut Random) -> usize {
        let at = random.uniform();
        self.cumulative
            .partition_point(|&sum| sum <= at)
            .min(self.cumulative.len() - 1)
    }

    /// Returns the entropy in bits.
    pub(super) fn entropy(&self) -> f64 {
        self.probabilities
            .iter()
            .filter(|&&p| p > 0.0)
            .map(|p| -p * p.log2())
            .sum()
    }
}

/// What may follow: a word of a class, or the end of the sentence (one more than the classes).
#[derive(Clone, Debug)]
pub(super) struct Grammar {
    /// The word that opens a sentence on a topic.
    pub(super) openings: Vec<String>,
    /// The topic of the next sentence after one on each topic.
    pub(super) topics: Vec<Choice>,
    /// The class after each class; the last row is that after an opening, the last choice the end.
    pub(super) classes: Vec<Choice>,
    /// The words of each class.
    pub(super) words: Vec<Vec<String>>,
    /// The word of a class under a topic: `choices[topic][class]`.
    pub(super) choices: Vec<Vec<Choice>>,
}

/// The stream of the seed from which a grammar is made.
const GRAMMAR_STREAM: u64 = 0x6772;

impl Grammar {
    /// Makes the grammar of checked `settings`.
    pub(super) fn new(settings: &Settings) -> Self {
        let random = &mut Random::stream(settings.seed, GRAMMAR_STREAM);
        let (topics, classes) = (settings.topics, settings.classes);
        let mut lexicon = lexicon(random, topics + classes * settings.words_per_class).into_iter();
        let openings = lexicon.by_ref().take(topics).collect();
        let words: Vec<Vec<String>> = (0..classes)
            .map(|_| lexicon.by_ref().take(settings.words_per_class).collect())
            .collect();
        let choices = (0..topics)
            .map(|_| {
                (0..classes)
                    .map(|_| zipf(random, settings.words_per_class, settings.word_skew))
                    .collect()
            })
            .collect();
        Self {
            openings,
            topics: (0..topics)
                .map(|from| next_topic(random, topics, from))
                .collect(),
            classes: (0..=classes)
                .map(|from| next_class(random, settings, from))
                .collect(),
            words,
            choices,
        }
    }
}

/// Weights `rank^-skew` in a random order.
fn zipf(random: &mut Random, count: usize, skew: f64) -> Choice {
    let mut weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-skew)).collect();
    random.shuffle(&mut weights);
    Choice::new(&weights)
}

/// A topic mostly gives way to one other topic.
fn next_topic(random: &mut Random, topics: usize, from: usize) -> Choice {
    let mut weights: Vec<f64> = (0..topics).map(|_| 0.05 + 0.1 * random.uniform()).collect();
    weights[(from + 1) % topics] += 1.0;
    Choice::new(&weights)
}

/// A class gives way to a few others; a sentence never ends right after its opening.
fn next_class(random: &mut Random, settings: &Settings, from: usize) -> Choice {
    let mut weights = vec![0.0; settings.classes];
    let mut order: Vec<usize> = (0..settings.classes).collect();
    random.shuffle(&mut order);
    for (rank, &class) in (1..).zip(order.iter().take(settings.successors)) {
        weights[class] = f64::from(rank).powf(-settings.class_skew);
    }
    let total: f64 = weights.iter().sum();
    let end = if from == settings.classes {
        0.0
    } else {
        1.0 / settings.sentence_words
    };
    for weight in &mut weights {
        *weight *= (1.0 - end) / total;
    }
    weights.push(end);
    Choice::new(&weights)
}

/// Returns `count` distinct words of two or more letters, made of syllables.
fn lexicon(random: &mut Random, count: usize) -> Vec<String> {
    const ONSETS: [&str; 18] = [
        "b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "ch",
    ];
    const VOWELS: [&str; 7] = ["a", "e", "i", "o", "u", "ea", "ou"];
    const CODAS: [&str; 9] = ["", "", "", "n", "r", "s", "t", "l", "nd"];
    let mut seen = BTreeSet::new();
    let mut words = Vec::with_capacity(count);
    let mut syllables = Choice::new(&[0.45, 0.4, 0.15]);
    let mut drawn = 0_usize;
    while words.len() < count {
        drawn += 1;
        // Thousands of words exhaust the short ones: after many draws all words are long, of which
        // there are more than 10^9.
        if drawn == 20 * count {
            syllables = Choice::new(&[0.0, 0.0, 1.0]);
        }
        let mut word = String::new();
        for _ in 0..=syllables.draw(random) {
            word.push_str(ONSETS[random.below(ONSETS.len())]);
            word.push_str(VOWELS[random.below(VOWELS.len())]);
            word.push_str(CODAS[random.below(CODAS.len())]);
        }
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

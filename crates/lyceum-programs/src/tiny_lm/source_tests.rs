use std::collections::BTreeMap;

use super::*;

fn settings() -> Settings {
    Settings {
        seed: 7,
        topics: 4,
        classes: 5,
        words_per_class: 12,
        word_skew: 1.2,
        successors: 3,
        class_skew: 1.0,
        sentence_words: 9.0,
        train_bytes: 1000,
        heldout_bytes: 1000,
        sealed_bytes: 1000,
    }
}

/// Reads a text back by the grammar alone and returns its information in bits, byte count and steps:
/// the code length of an ideal predictor. Independent of how the text was drawn.
fn code_length(source: &Source, text: &[u8]) -> (f64, usize) {
    let grammar = &source.grammar;
    let place = |word: &str| {
        grammar.words.iter().enumerate().find_map(|(class, words)| {
            words
                .iter()
                .position(|known| known == word)
                .map(|index| (class, index))
        })
    };
    let text = std::str::from_utf8(text).unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    let (mut bits, mut last_topic) = (0.0, None);
    for line in whole.lines() {
        let line = line.strip_suffix('.').unwrap();
        let mut words = line.split(' ');
        let opening = words.next().unwrap();
        let topic = grammar
            .openings
            .iter()
            .position(|known| known == opening)
            .unwrap();
        if let Some(last) = last_topic {
            let last: usize = last;
            bits -= grammar.topics[last].probabilities()[topic].log2();
        }
        let mut class = grammar.words.len();
        for word in words {
            let (next, index) = place(word).expect("every word belongs to a class");
            bits -= grammar.classes[class].probabilities()[next].log2();
            bits -= grammar.choices[topic][next].probabilities()[index].log2();
            class = next;
        }
        bits -= grammar.classes[class].probabilities()[grammar.words.len()].log2();
        last_topic = Some(topic);
    }
    (bits, whole.len())
}

#[test]
fn an_ideal_predictor_reaches_the_entropy_rate() {
    let source = Source::new(&settings());
    let rate = source.entropy_rate();
    let lengths: Vec<f64> = (0..40)
        .map(|seed| {
            let text = source.draw(100_000, &mut Random::new(seed));
            let (bits, bytes) = code_length(&source, &text);
            bits / bytes as f64
        })
        .collect();
    let mean = lengths.iter().sum::<f64>() / 40.0;
    let variance = lengths
        .iter()
        .map(|length| (length - mean).powi(2))
        .sum::<f64>()
        / 39.0;
    let error = (variance / 40.0).sqrt();
    assert!(error < 0.002, "4 MB of text fix the rate to {error}");
    assert!(
        (mean - rate).abs() < 4.0 * error,
        "measured {mean} ± {error}, computed {rate}"
    );
}

#[test]
fn the_rate_of_a_source_worked_by_hand() {
    // One topic, one class of four equally likely words: each word costs 2 bits and the choice to go
    // on or stop h(1/4). The first word is forced to follow the opening.
    let settings = Settings {
        topics: 1,
        classes: 1,
        words_per_class: 4,
        word_skew: 0.0,
        sentence_words: 4.0,
        ..settings()
    };
    let source = Source::new(&settings);
    let grammar = &source.grammar;
    let word = grammar.words[0].iter().map(String::len).sum::<usize>() as f64 / 4.0;
    // A sentence has 4 words on average, thus 4 choices to go on or stop.
    let stop = -(0.25_f64 * 0.25_f64.log2() + 0.75 * 0.75_f64.log2());
    let bits = 4.0 * 2.0 + 4.0 * stop;
    let bytes = grammar.openings[0].len() as f64 + 4.0 * (1.0 + word) + 2.0;
    assert!((source.entropy_rate() - bits / bytes).abs() < 1e-9);
}

#[test]
fn all_words_are_distinct_and_made_of_letters() {
    let source = Source::new(&Settings {
        words_per_class: 900,
        ..settings()
    });
    let grammar = &source.grammar;
    let all = grammar
        .openings
        .iter()
        .chain(grammar.words.iter().flatten());
    let mut counts = BTreeMap::new();
    for word in all {
        *counts.entry(word.as_str()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 4 + 5 * 900);
    assert!(
        counts
            .keys()
            .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
    );
}

#[test]
fn the_same_seed_draws_the_same_text_and_another_seed_another() {
    let source = Source::new(&settings());
    let draw = |seed| source.draw(5000, &mut Random::new(seed));
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_eq!(draw(1).len(), 5000);
}

#[test]
fn the_grammar_depends_on_its_seed_only() {
    let lengths = |settings: &Settings| Source::new(settings).entropy_rate();
    assert!((lengths(&settings()) - lengths(&settings())).abs() < 1e-15);
    assert!(
        (lengths(&settings())
            - lengths(&Settings {
                seed: 8,
                ..settings()
            }))
        .abs()
            > 1e-6
    );
}

#[test]
fn a_model_approaches_the_limit_and_does_not_beat_it() {
    use lyceum_train::checkpoint::Checkpoint;
    use lyceum_train::transformer::Transformer;

    use super::super::alphabet::Alphabet;
    use super::super::evaluate::bits_per_byte;
    use super::super::recipe::Recipe;
    use super::super::trainer::Trainer;

    let small = Settings {
        topics: 2,
        classes: 3,
        words_per_class: 5,
        ..settings()
    };
    let source = Source::new(&small);
    let train = source.draw(100_000, &mut Random::new(1));
    let heldout = source.draw(20_000, &mut Random::new(2));
    let recipe: Recipe = toml_edit::de::from_str(
        "learning_rate = 0.01\nschedule = \"cosine\"\nwarmup = 0.1\nwidth = 32\ndepth = 2\n\
         heads = 2\nbatch = 8\ncontext = 64\noptimizer = \"adamw\"\ncpu_seconds = 1.0\n",
    )
    .unwrap();
    let alphabet = Alphabet::of(&train);
    let text = alphabet.encode(&train);
    let model = Transformer::new(recipe.config(alphabet.bytes().len()).unwrap()).unwrap();
    let mut trainer = Trainer::new(&model, &text, &recipe, 1);
    let rates = recipe.rates(300);
    for step in 0..300 {
        trainer.step(rates.rate(step));
    }
    let parameters = trainer.parameters().to_vec();
    let checkpoint = Checkpoint {
        model: model.clone(),
        alphabet: alphabet.bytes().to_vec(),
        parameters,
    };
    let found = bits_per_byte(Path::new("model"), &checkpoint, &heldout).unwrap();
    // On the same text, so that the luck of the draw falls out.
    let (ideal, bytes) = code_length(&source, &heldout);
    let ideal = ideal / bytes as f64;
    assert!((ideal - source.entropy_rate()).abs() < 0.05);
    assert!(
        found > ideal - 0.002,
        "model {found} beats the ideal predictor's {ideal}"
    );
    assert!(
        found < ideal + 0.15,
        "model {found} stays away from the ideal predictor's {ideal}"
    );
}

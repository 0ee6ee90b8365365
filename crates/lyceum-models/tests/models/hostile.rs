//! Whatever bytes come, the result is an answer or an error.

use lyceum_models::WireKind;

use crate::{
    fixtures::{FIXTURES, Replayer},
    support::{WIRES, listen, request},
};

/// So many answers for each fixture and each wire.
const TRIES: u64 = 1500;

/// Numbers that follow from a seed (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Values that stand where others are expected.
const STRANGE: [&str; 14] = [
    "null",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[]",
    "{}",
    "[[[]]]",
    "true",
    "\"\\ud800\"",
    "{\"type\":",
    "\u{0}",
    "99999999999",
];

/// Changes an answer in one to four places.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let length = numbers.below(60).min(bytes.len() - at);
        match numbers.below(6) {
            0 => drop(bytes.drain(at..at + length)),
            1 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            2 => bytes[at] = numbers.next() as u8,
            3 => bytes.truncate(at),
            4 => {
                // A whole event again, or none of it.
                let from = at.min(bytes.len() - 1);
                let end = bytes[from..].windows(2).position(|pair| pair == b"\n\n");
                let end = end.map_or(bytes.len(), |end| from + end + 2);
                let event = bytes[from..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, event);
            }
            _ => {
                // Another value after a colon.
                let colon = bytes[at..].iter().position(|byte| *byte == b':');
                let Some(colon) = colon.map(|colon| at + colon + 1) else {
                    continue;
                };
                let value = STRANGE[numbers.below(STRANGE.len())];
                let old = bytes[colon..]
                    .iter()
                    .position(|byte| b",}]\n".contains(byte));
                let end = old.map_or(colon, |old| colon + old);
                bytes.splice(colon..end, value.bytes());
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

fn pieces(length: usize, numbers: &mut Numbers) -> Vec<usize> {
    let mut left = length;
    let mut pieces = Vec::new();
    while left > 0 {
        let piece = (1 + numbers.below(300)).min(left);
        pieces.push(piece);
        left -= piece;
    }
    pieces
}

#[test]
fn changed_answers_never_break_anything() {
    let mut good = 0;
    for (wire, name, text) in FIXTURES {
        let replayer = Replayer::new(wire);
        for seed in 1..=TRIES {
            let mut numbers = Numbers(seed);
            let mut bytes = text.as_bytes().to_vec();
            mutate(&mut bytes, &mut numbers);
            let pieces = pieces(bytes.len(), &mut numbers);
            println!("{name}, seed {seed}");
            let (answer, _) = listen(&replayer.model(&bytes, &pieces), &request());
            // What is an answer is written and read again, and goes back to its server.
            if let Ok(answer) = answer {
                let text = serde_json::to_string(&answer).unwrap();
                assert_eq!(
                    serde_json::from_str::<lyceum_models::Response>(&text).unwrap(),
                    answer
                );
                good += 1;
            }
        }
    }
    // Most changes are harmless, and enough are not.
    let all = TRIES * FIXTURES.len() as u64;
    assert!((all / 20..all * 19 / 20).contains(&good), "{good} of {all}");
}

#[test]
fn noise_is_no_answer() {
    for wire in WIRES {
        for kind in ["text/event-stream", "application/json", "text/html", ""] {
            let replayer = Replayer::new(wire).kind(kind);
            for seed in 1..=TRIES / 5 {
                let mut numbers = Numbers(seed);
                let length = numbers.below(2000);
                let noise = if seed % 2 == 0 {
                    (0..length)
                        .map(|_| numbers.next() as u8)
                        .collect::<Vec<u8>>()
                } else {
                    let words = [
                        "data: ",
                        "{",
                        "}",
                        "[DONE]",
                        "\n",
                        "\n\n",
                        "\"type\":",
                        "null",
                        "event: x\n",
                        ":",
                        ",",
                    ];
                    let words = (0..length / 8).map(|_| words[numbers.below(words.len())]);
                    words.collect::<String>().into_bytes()
                };
                let pieces = pieces(noise.len(), &mut numbers);
                println!("{wire:?}, {kind}, seed {seed}");
                let (answer, _) = listen(&replayer.model(&noise, &pieces), &request());
                assert!(answer.is_err(), "{answer:?}");
            }
        }
    }
}

#[test]
fn depth_and_numbers_have_bounds() {
    let deep = format!("data: {}{}\n\n", "[".repeat(100_000), "]".repeat(100_000));
    let many = r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"%","function":{"name":"n"}}]}}]}"#;
    let many: String = (0..5000)
        .map(|at| many.replace('%', &at.to_string()) + "\n\n")
        .collect();
    for (wire, text) in [
        (WireKind::Anthropic, &deep),
        (WireKind::Responses, &deep),
        (WireKind::Chat, &deep),
        (WireKind::Chat, &many),
    ] {
        let model = Replayer::new(wire).model(text.as_bytes(), &[text.len()]);
        let error = listen(&model, &request()).0.unwrap_err().to_string();
        assert!(
            error.contains("recursion") || error.contains("more calls"),
            "{error}"
        );
    }
}

#[test]
fn counts_that_are_no_whole_numbers_say_nothing() {
    let keys = [
        "\"input_tokens\":",
        "\"output_tokens\":",
        "\"prompt_tokens\":",
        "\"completion_tokens\":",
    ];
    for (wire, name, text) in FIXTURES {
        let replayer = Replayer::new(wire);
        let read = |text: &str| {
            let model = replayer.model(text.as_bytes(), &[text.len()]);
            listen(&model, &request()).0.unwrap().usage
        };
        assert!(read(text).reported, "{name}");
        let mut changed = 0;
        for key in keys.iter().filter(|key| text.contains(**key)) {
            for odd in ["-1", "1.5", "1e30", "\"1\""] {
                let text = text.replace(key, &format!("{key}{odd},\"old\":"));
                assert!(!read(&text).reported, "{name}: {key}{odd}");
                changed += 1;
            }
        }
        assert!(changed >= 8, "{name}: {changed}");
    }
}

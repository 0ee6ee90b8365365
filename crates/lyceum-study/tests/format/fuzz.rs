//! Nothing that a file holds makes the reader panic.

use lyceum_study::{format, knobs};
use proptest::prelude::*;

use crate::support::{FILES, STUDY};

/// Reads the text and, where it is valid, everything that follows from it. Returns whether it was valid.
fn exercise(text: &str) -> bool {
    match format::parse(text, "study.toml", "fuzz") {
        Ok(study) => {
            let read = |file: &str| {
                let found = FILES.iter().find(|(name, _)| name.ends_with(file));
                found
                    .map(|(_, text)| text.as_bytes().to_vec())
                    .ok_or(knobs::FileProblem::Missing)
            };
            let settings = study.space.active_only(&lyceum_types::Settings::new());
            let _ = knobs::write(&study, &settings, read);
            true
        }
        Err(problems) => {
            let report = problems.to_string();
            assert!(report.starts_with("error: "), "{report}");
            assert!(!report.contains('\u{1b}'), "{report}");
            false
        }
    }
}

/// One change of a text: bytes cut out at one place, something else put in.
fn mutation() -> impl Strategy<Value = (usize, usize, String)> {
    let pieces = prop_oneof![
        "\\PC{0,6}",
        "[\\x00-\\x7f]{0,6}",
        proptest::sample::select(vec![
            "[[",
            "]]",
            "{",
            "}",
            "nan",
            "-inf",
            "9223372036854775807",
            "\"\"\"",
            "= [[[[",
            "1979-05-27",
            "\n[knobs]\n",
            "\n[[knobs]]\n",
            "\nrubric = 3\n",
            "{{",
            "é",
            "\u{202e}",
            "0x",
            "1e400",
            ".a.b = 1",
        ])
        .prop_map(str::to_owned),
    ];
    (any::<usize>(), 0..20_usize, pieces)
}

fn mutate(text: &str, (at, length, piece): &(usize, usize, String)) -> String {
    let start = text.floor_char_boundary(at % (text.len() + 1));
    let end = text.floor_char_boundary((start + length).min(text.len()));
    format!("{}{piece}{}", &text[..start], &text[end.max(start)..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_text(text in "[\\PC\\n\"=\\[\\]{}.]{0,200}") {
        exercise(&text);
    }

    #[test]
    fn a_study_with_a_few_changes(changes in prop::collection::vec(mutation(), 1..5)) {
        let text = changes.iter().fold(STUDY.to_owned(), |text, change| mutate(&text, change));
        exercise(&text);
    }

}

proptest! {
    // Fewer: each case writes a study to disk.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn settings_files_with_a_few_changes(changes in prop::collection::vec(mutation(), 0..4)) {
        let root = crate::support::directory(STUDY);
        let opened = format::open(root.path()).unwrap();
        for (name, text) in FILES {
            let text = changes.iter().fold(text.to_owned(), |text, change| mutate(&text, change));
            std::fs::write(root.path().join(name), text).unwrap();
        }
        match knobs::start_settings(&opened.study, &opened.workspace()) {
            Ok(settings) => {
                let read = |file: &str| knobs::read_plain(&opened.workspace(), file);
                prop_assert!(knobs::write(&opened.study, &settings, read).is_ok());
            }
            Err(error) => {
                let plain = !error.to_string().contains('\u{1b}');
                prop_assert!(plain);
            }
        }
    }
}

#[test]
fn the_unchanged_study_is_valid_here_too() {
    assert!(exercise(STUDY));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!(
            "question = {}1{}",
            open.repeat(100_000),
            close.repeat(100_000)
        );
        assert!(!exercise(&text));
    }
    assert!(!exercise(&format!("{}=1", "a.".repeat(100_000) + "a")));
}

#[test]
fn arbitrary_bytes_in_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut seed = 1_u64;
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        std::fs::write(root.path().join("study.toml"), bytes).unwrap();
        assert!(format::open(root.path()).is_err());
    }
}

//! Knobs that are found in source files, and edits of them.

use std::{fs, path::Path};

use lyceum_study::{
    format::{self, Opened},
    knobs::{self, PLACES_MAX, Places, places, read_plain},
    workspace,
};
use lyceum_types::{KnobKind, Setting, Settings};
use proptest::prelude::*;

const STUDY: &str = r#"question = "Which program is best?"
[metric]
name = "loss"
goal = "minimize"
[workspace]
editable = ["a.*", "run.sh", "notes.txt", "large.py", "b*.*", "twice.json", "link.py"]
[run]
command = ["sh", "run.sh"]
[measure]
kind = "self-reported"
"#;

/// Returns a study whose workspace has these files, and what is found in them.
fn found(files: &[(&str, &str)]) -> (tempfile::TempDir, Opened, Places) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("study.toml"), STUDY).unwrap();
    for (name, text) in files {
        let path = root.path().join("workspace").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let opened = format::open(root.path()).unwrap();
    let listed = workspace::list(&opened.workspace(), workspace::Limits::default(), &[]).unwrap();
    let places = places(&opened.study, &opened.workspace(), &listed).unwrap();
    let opened = format::with_tables(&opened, &places.tables).unwrap();
    assert_eq!(opened.study.space.knobs().len(), places.taken);
    (root, opened, places)
}

/// Returns the start values of what is found in one file, in its order.
fn values(name: &str, text: &str) -> Vec<String> {
    let (_root, opened, _) = found(&[(name, text)]);
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    let names = opened.study.space.knobs().iter().map(|knob| &knob.name);
    names.map(|name| start[name].to_string()).collect()
}

/// Returns the file with one knob, by its place in the order, at another value.
fn edited(opened: &Opened, file: &str, index: usize, value: Setting) -> String {
    let knob = &opened.study.space.knobs()[index];
    let mut settings = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    settings.insert(knob.name.clone(), value);
    write(opened, file, &settings)
}

fn write(opened: &Opened, file: &str, settings: &Settings) -> String {
    let directory = opened.workspace();
    let patch = knobs::write(&opened.study, settings, |file| read_plain(&directory, file)).unwrap();
    let changed = patch.files.into_iter().find(|(name, _)| name == file);
    changed.map_or_else(
        || fs::read_to_string(directory.join(file)).unwrap(),
        |(_, bytes)| String::from_utf8(bytes).unwrap(),
    )
}

#[test]
fn numbers_switches_and_operators_are_found_in_each_language() {
    let python = r#"
# a comment of 1 + 2
RATE = 0.05  # and 3
class A:
    """A text with 4
    lines and True"""
    fast = False
    def step(self, x, *rest, k=3, **more):
        if x < 1e-3 and not self.fast or x.real == 2:
            return -x * k // 2
        return max(x, y0[7]) - 1_000 + f'{5 + 6}' + r'\d' + 0x1f + 10j + a.b.min(1)
"#;
    let expected = [
        "0.05", "false", "3", "<", "0.001", "and", "or", "==", "2", "*", "2", "max", "7", "-",
        "1000", "+", "+", "+", "+", "+", "min", "1",
    ];
    assert_eq!(values("a.py", python), expected);
    let rust = r##"
/* nested /* 1 */ 2 */ // 3
fn step<'a>(x: &'a [f64; 4], v: Vec<u8>) -> f64 {
    let (a, b) = (x.0, '5'); let text = "6 + 7\"8"; let raw = r#"9 "quoted" 10"#;
    for i in 0..16 { if a < 2.5e-3_f64 && *b > 1u8 || !true { a += x[i] * -1.0; } }
    a.max(1) as f64 * 0.5.sqrt() - v.len() as f64
}
"##;
    let expected = [
        "4", "0", "16", "<", "0.0025", "&&", ">", "1", "||", "true", "*", "1", "max", "1", "*",
        "0.5", "-",
    ];
    assert_eq!(values("a.rs", rust), expected);
    let c = r#"
#define LIMIT 12
static const float *rate = 0.1f; // 13
int step(char *p, std::vector<int> v) {
    for (int i = 0; i < 10; i++) { p[i] = *p * 2 - 'a' + 0755; x <<= 3; }
    return a->b == 1'000 ? a*b : "14 + 15";
}
"#;
    let expected = [
        "0.1", "0", "<", "10", "*", "2", "-", "+", "3", "==", "1000", "*",
    ];
    assert_eq!(values("a.c", c), expected);
    let toml = "rate = 0.1\n[a]\nlist = [1, 2.5, \"3\"]\nday = 2026-01-02\n\"odd key\" = true\n";
    assert_eq!(values("a.toml", toml), ["0.1", "1", "2.5", "true"]);
    let json = r#"{"a": {"b.c": 2, "d": "3"}, "e": [false, null, 0.5, 1e400]}"#;
    assert_eq!(
        values("a.json", json).len(),
        0,
        "no JSON: a number beyond all bounds"
    );
    let json = r#"{"a": {"b.c": 2, "d": "3"}, "e": [false, null, 0.5]}"#;
    assert_eq!(values("a.json", json), ["2", "false", "0.5"]);
}

#[test]
fn an_edit_changes_its_own_bytes_and_no_other() {
    let text = "A = 0.5  # 0.5\nif A < 2 and B: x = 10; y = A*10 - 3\n";
    let (_root, opened, places) = found(&[("a.py", text)]);
    let names: Vec<&str> = opened
        .study
        .space
        .knobs()
        .iter()
        .map(|knob| knob.name.as_str())
        .collect();
    assert_eq!(
        names[..3],
        ["a-1-A", "a-2-A", "a-2-A-2"],
        "a line and the name before it"
    );
    assert_eq!((places.taken, places.all, places.files), (9, 9, 1));
    let cases = [
        (0, Setting::Float(8.0), "A = 8.0  # 0.5\n"),
        (0, Setting::Float(3.125e-2), "A = 0.03125  # 0.5\n"),
        (1, Setting::Text(">=".into()), "if A >= 2 and"),
        (2, Setting::Integer(1), "if A < 1 and"),
        (3, Setting::Text("or".into()), "< 2 or B"),
        (4, Setting::Integer(160), "x = 160; y = A*10"),
        (5, Setting::Text("/".into()), "x = 10; y = A/10"),
        (6, Setting::Integer(9), "y = A*9 - 3"),
    ];
    for (index, value, expected) in cases {
        let new = edited(&opened, "a.py", index, value);
        assert!(new.contains(expected), "{index}: {new}");
        let same = |a: &str, b: &str| a.lines().zip(b.lines()).filter(|(a, b)| a == b).count();
        assert_eq!(same(text, &new), 1, "{index}: one line changed");
    }
    // All at once, though each moves what stands behind it.
    let mut settings = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    let new = [
        Setting::Float(0.25),
        Setting::Text("<=".into()),
        Setting::Integer(30),
        Setting::Text("or".into()),
        Setting::Integer(2),
        Setting::Text("+".into()),
        Setting::Integer(100),
        Setting::Text("/".into()),
    ];
    for (knob, value) in opened.study.space.knobs().iter().zip(new) {
        settings.insert(knob.name.clone(), value);
    }
    let all = "A = 0.25  # 0.5\nif A <= 30 or B: x = 2; y = A+100 / 3\n";
    assert_eq!(write(&opened, "a.py", &settings), all);
}

#[test]
fn an_edit_leaves_the_places_before_it_as_they_are() {
    // A number that begins with a point once made an operator before it a place only after the edit.
    let (_root, opened, places) = found(&[("a.py", "y = x*.5 + 0.0\n")]);
    assert_eq!(places.taken, 4);
    assert_eq!(
        edited(&opened, "a.py", 1, Setting::Float(2.0)),
        "y = x*2.0 + 0.0\n"
    );
    assert_eq!(
        edited(&opened, "a.py", 3, Setting::Float(1.0)),
        "y = x*.5 + 1.0\n"
    );
}

#[test]
fn switches_are_written_as_the_language_does() {
    for (file, text, expected) in [
        ("a.py", "f(True)", "f(False)"),
        ("a.rs", "f(true)", "f(false)"),
        ("a.json", "[true]", "[false]"),
        ("a.toml", "f = true", "f = false"),
    ] {
        let (_root, opened, _) = found(&[(file, text)]);
        assert_eq!(edited(&opened, file, 0, Setting::Boolean(false)), expected);
    }
}

#[test]
fn what_may_not_be_changed_or_is_no_source_is_left_alone() {
    let large = "x = 1\n".repeat(20_000);
    let files = [
        ("kept.py", "x = 1"),
        ("notes.txt", "x = 1"),
        ("run.sh", "x=1"),
        ("large.py", large.as_str()),
        ("broken.toml", "x = = 1"),
        ("broken.json", "{\"x\": 1"),
        ("twice.json", "{\"x\": 1, \"x\": 2}"),
    ];
    let (_root, _, places) = found(&files);
    assert_eq!(places.taken, 0, "{}", places.tables);
    let root = tempfile::tempdir().unwrap();
    let workspace = root.path().join("workspace");
    fs::create_dir(&workspace).unwrap();
    fs::write(root.path().join("study.toml"), STUDY).unwrap();
    fs::write(workspace.join("bytes.py"), b"x = 1\xff").unwrap();
    std::os::unix::fs::symlink("bytes.py", workspace.join("link.py")).unwrap();
    let opened = format::open(root.path()).unwrap();
    let listed = workspace::list(&workspace, workspace::Limits::default(), &[]).unwrap();
    assert_eq!(places_of(&opened, &workspace, &listed), 0);
}

fn places_of(opened: &Opened, workspace: &Path, listed: &[workspace::Listed]) -> usize {
    places(&opened.study, workspace, listed).unwrap().taken
}

#[test]
fn of_many_places_the_first_are_taken_and_the_rest_is_counted() {
    let text = "x = 1\n".repeat(PLACES_MAX + 50);
    let (_root, _, places) = found(&[("a.py", &text)]);
    assert_eq!((places.taken, places.all), (PLACES_MAX, PLACES_MAX + 50));
}

#[test]
fn bounds_are_around_the_value_and_hold_it() {
    let text = "a = [0.0, 0, 1, 7, 9007199254740993, 2.5, 1e300, 5e-324, 100000000000000000000]";
    let (_root, opened, _) = found(&[("a.py", text)]);
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    assert_eq!(
        start.len(),
        6,
        "what has no sound bounds is left alone: {start:?}"
    );
    for knob in opened.study.space.knobs() {
        assert!(knob.kind.contains(&start[&knob.name]), "{}", knob.name);
        assert!(
            knob.kind.count() != Some(1),
            "{} has no other value",
            knob.name
        );
    }
}

/// Pieces of which programs, and nonsense, are made.
const PIECES: [&str; 44] = [
    "x", " = ", "0.5", "12", "1e-3", "0", "07", "0x1f", "1_000", ".5", "5.", "+", " + ", "-",
    " - ", "*", " * ", "/", " / ", "//", "/*", "*/", "#", "\"", "'", "\\", "`", "\"\"\"", "r#\"",
    "\"#", "\n", " ", "(", ")", "[", "]", ".", "true", "True", " < ", "<", "&&", "max(", "ü",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// Whatever the text, an edit of one place reads back, and leaves all other bytes as they were.
    #[test]
    fn any_edit_of_any_text_reads_back(
        picked in prop::collection::vec(0..PIECES.len(), 0..40),
        family in 0..3_usize,
        which in any::<prop::sample::Index>(),
    ) {
        let text: String = picked.into_iter().map(|piece| PIECES[piece]).collect();
        let file = ["a.py", "a.rs", "a.c"][family];
        let (_root, opened, places) = found(&[(file, &text)]);
        prop_assume!(places.taken > 0);
        let index = which.index(places.taken);
        let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
        let knob = &opened.study.space.knobs()[index];
        let value = match (&knob.kind, &start[&knob.name]) {
            (KnobKind::Float { high, .. }, _) => Setting::Float(*high),
            (KnobKind::Integer { high, .. }, _) => Setting::Integer(*high),
            (KnobKind::Boolean, Setting::Boolean(on)) => Setting::Boolean(!on),
            (KnobKind::Categorical { choices }, now) => {
                choices.iter().find(|choice| *choice != now).unwrap().clone()
            }
            (kind, now) => panic!("{now} for {kind:?}"),
        };
        let new = edited(&opened, file, index, value);
        prop_assert_ne!(&new, &text);
        let front = new.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let back = new.bytes().rev().zip(text.bytes().rev()).take_while(|(a, b)| a == b).count();
        prop_assert!(text.len() - front.min(text.len()) <= back + 24, "{text:?} became {new:?}");
    }
}

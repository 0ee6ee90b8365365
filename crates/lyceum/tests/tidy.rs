//! Reads the tree: what a compiler does not see and a reader does.

#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most lines of a Rust file with product code.
const PRODUCT_LINES_MAX: usize = 800;
/// Most lines of a Rust file under `tests/`: tables of cases are long.
const TEST_LINES_MAX: usize = 1000;
/// Most columns of a line without a string; rustfmt holds code to 100 and leaves comments alone.
const COLUMNS_MAX: usize = 130;
/// A function longer than this is listed.
const FUNCTION_LINES_WANTED: usize = 70;
/// A function longer than this is a fault.
const FUNCTION_LINES_MAX: usize = 90;
/// Directories that hold what is built or recorded, not what is written.
const NOT_SOURCE: [&str; 6] = ["target", ".git", ".lyceum", "venv", ".venv", "__pycache__"];
/// Reasons for which a function under `#[test]` may be left out of a run: it is no test.
const NO_TEST: [&str; 2] = [
    "= \"the other side of ",
    "= \"writes into the source tree\"",
];
const TEXT: [&str; 9] = [
    "rs", "toml", "md", "sh", "py", "snap", "json", "txt", "lock",
];

struct Text {
    path: String,
    contents: String,
}

impl Text {
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn texts() -> Vec<Text> {
    let root = root();
    let mut open = vec![root.clone()];
    let mut texts = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !NOT_SOURCE.contains(&name) {
                    open.push(path);
                }
                continue;
            }
            let extension = path.extension().and_then(|found| found.to_str());
            if extension.is_some_and(|found| TEXT.contains(&found)) || directory.ends_with(".ci") {
                let contents = fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                texts.push(Text { path, contents });
            }
        }
    }
    assert!(
        texts.len() > 200,
        "only {} texts found below {}",
        texts.len(),
        root.display()
    );
    texts.sort_by(|one, other| one.path.cmp(&other.path));
    texts
}

fn none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

/// Returns the lines of all texts that pass `choose` and are `bad`.
fn lines(choose: impl Fn(&Text) -> bool, bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts().iter().filter(|text| choose(text)) {
        let numbered = text.contents.lines().zip(1..);
        let bad = numbered.filter(|(line, _)| bad(line));
        found.extend(bad.map(|(line, at)| format!("{}:{at}: {}", text.path, line.trim())));
    }
    found
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| text.is("rs")) {
        let most = if text.path.contains("/tests/") {
            TEST_LINES_MAX
        } else {
            PRODUCT_LINES_MAX
        };
        let count = text.contents.lines().count();
        if count > most {
            faults.push(format!("{}: {count} lines, at most {most}", text.path));
        }
    }
    none("files that are too long", &faults);
}

#[test]
fn lines_are_short() {
    // A string may not be broken without changing what it says; `page/` holds templates in a macro, and tests hold
    // what programs print.
    let long = |line: &str| line.chars().count() > COLUMNS_MAX && !line.contains('"');
    let rust = |text: &Text| {
        text.is("rs") && !text.path.contains("/tests/") && !text.path.contains("/page/")
    };
    none("lines that are too long", &lines(rust, long));
}

#[test]
fn functions_fit_a_screen() {
    let mut all = Vec::new();
    for text in texts().iter().filter(|text| text.is("rs")) {
        let long = functions(&text.contents).into_iter();
        let long = long.filter(|(_, _, length)| *length > FUNCTION_LINES_WANTED);
        all.extend(long.map(|(at, name, length)| (length, format!("{}:{at}: {name}", text.path))));
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    let shown = |(length, place): &(usize, String)| format!("{place}: {length} lines");
    println!(
        "functions over {FUNCTION_LINES_WANTED} lines: {}",
        all.len()
    );
    for one in &all {
        println!("{}", shown(one));
    }
    let faults: Vec<String> = all
        .iter()
        .filter(|(length, _)| *length > FUNCTION_LINES_MAX)
        .map(shown)
        .collect();
    none("functions that are too long", &faults);
}

/// Returns line, name and length of each function, trusting rustfmt to close it at the column where it began.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let all: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in all.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", &line[..indent]);
        let body = all[at..]
            .iter()
            .position(|line| line.ends_with(['{', ';', '}']));
        let opens = body.is_some_and(|body| all[at + body].ends_with('{'));
        if opens && let Some(length) = all[at..].iter().position(|line| **line == end) {
            found.push((at + 1, name, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut rest = line.trim_start();
    while let Some(next) = [
        "const ",
        "unsafe ",
        "extern \"C\" ",
        "pub(crate) ",
        "pub(super) ",
        "pub ",
    ]
    .iter()
    .find_map(|word| rest.strip_prefix(word))
    {
        rest = next;
    }
    let name = rest.strip_prefix("fn ")?;
    Some(
        name.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect(),
    )
}

#[test]
fn nothing_is_left_to_be_done() {
    // Put together here, so that this file does not hold what it looks for.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["X", "XX"].concat(),
        ["todo", "!"].concat(),
        ["unimplemented", "!"].concat(),
        ["#[ign", "ore"].concat(),
        ["#[al", "low("].concat(),
        ["#![al", "low("].concat(),
    ];
    let whole = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            word.starts_with('#')
                || !(part(before) || word.ends_with(char::is_alphabetic) && part(after))
        })
    };
    let no_test = |line: &str| NO_TEST.iter().any(|reason| line.contains(reason));
    let bad = |line: &str| words.iter().any(|word| whole(line, word)) && !no_test(line);
    let written = |text: &Text| !text.is("lock") && !text.is("snap");
    none("unfinished or silenced", &lines(written, bad));
}

#[test]
fn no_path_of_a_machine() {
    let places = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/tmp", "/t/"].concat(),
        ["/home", "/user"].concat(),
    ];
    let before_path = |line: &str, at: usize| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}{/".contains(c))
    };
    let bad = |line: &str| {
        places.iter().any(|place| {
            line.match_indices(place)
                .any(|(at, _)| before_path(line, at))
        })
    };
    none("paths of one machine", &lines(|_| true, bad));
}

#[test]
fn every_document_begins_with_a_title() {
    let mut faults = Vec::new();
    let place = |path: &str| !path.contains('/') || path.starts_with("docs/");
    for text in texts()
        .iter()
        .filter(|text| text.is("md") && place(&text.path))
    {
        if !text.contents.starts_with("# ") {
            faults.push(text.path.clone());
        }
    }
    none("documents without a title in their first line", &faults);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    let place = |path: &str| !path.contains('/') || path.starts_with("docs/");
    for text in texts()
        .iter()
        .filter(|text| text.is("md") && place(&text.path))
    {
        let base = root().join(&text.path);
        for (at, _) in text.contents.match_indices("](") {
            let rest = &text.contents[at + 2..];
            let target = rest.split([')', '#']).next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://");
            if local && !base.parent().unwrap().join(target).exists() {
                faults.push(format!("{}: {target}", text.path));
            }
        }
    }
    none("links to nothing", &faults);
}

#[test]
fn the_changelog_tells_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    let (_, rest) = text
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no `{heading}`"));
    let section = rest.split("\n## ").next().unwrap();
    assert!(section.contains("\n- "), "`{heading}` says nothing");
}

#[test]
fn functions_are_measured() {
    let text =
        "impl A {\n    pub fn one(&self) {\n        x();\n    }\n    fn two();\n}\nfn three() {}\n";
    assert_eq!(functions(text), [(2, "one".to_owned(), 3)]);
    assert_eq!(
        function_name("pub(crate) const fn four("),
        Some("four".to_owned())
    );
    assert_eq!(function_name("let fn_name = 1;"), None);
}

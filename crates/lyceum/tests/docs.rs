//! Every command of the pages in `docs/` is executed, in order, with the real binary.
//!
//! In a `console` block a line `$ command` is executed by `sh` in a fresh directory that holds a copy of `studies/`,
//! `corpus/` and `examples/`, with the binary first on `PATH`; lines `> …` continue it. It must end with status 0: a page shows another status with
//! `; echo "exit code $?"`. The lines below a command must occur in its output, in this order; `…` in them stands for
//! anything, and a line `…` for any number of lines. A block with `file=NAME` after its language is written to that file.
//! Commands in any other block are a fault of the page, so none is skipped silently.

#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FENCE: &str = "```";

/// One step of a page.
#[derive(Debug, PartialEq)]
enum Step {
    /// Write a file of the page.
    File { name: String, contents: String },
    /// Execute a command and look for lines in its output.
    Command {
        line: usize,
        command: String,
        expected: Vec<String>,
    },
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Returns the steps of a page, or what is wrong with its blocks.
fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix(FENCE) else {
            no_command(at, line)?;
            continue;
        };
        let block: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| *line != FENCE)
            .collect();
        if info == "console" {
            steps.extend(commands(at, &block)?);
        } else if let Some(name) = info.split(' ').find_map(|word| word.strip_prefix("file=")) {
            let contents = block.iter().flat_map(|(_, line)| [*line, "\n"]).collect();
            steps.push(Step::File {
                name: name.to_owned(),
                contents,
            });
        } else {
            block
                .iter()
                .try_for_each(|(at, line)| no_command(*at, line))?;
        }
    }
    Ok(steps)
}

fn no_command(at: usize, line: &str) -> Result<(), String> {
    if line.trim_start().starts_with("$ ") {
        return Err(format!(
            "line {}: a command outside a `console` block: {line}",
            at + 1
        ));
    }
    Ok(())
}

fn commands(at: usize, block: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in block {
        if let Some(begun) = text.strip_prefix("$ ") {
            let (line, command) = (line + 1, begun.to_owned());
            steps.push(Step::Command {
                line,
                command,
                expected: vec![],
            });
            continue;
        }
        let Some(Step::Command {
            command, expected, ..
        }) = steps.last_mut()
        else {
            return Err(format!(
                "line {}: output before the first command: {text}",
                line + 1
            ));
        };
        match text.strip_prefix("> ") {
            Some(more) if expected.is_empty() => {
                command.push('\n');
                command.push_str(more);
            }
            _ => expected.push((*text).to_owned()),
        }
    }
    if steps.is_empty() {
        return Err(format!(
            "line {}: a `console` block without a command",
            at + 1
        ));
    }
    Ok(steps)
}

/// Tells whether a line fits a pattern in which `…` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return line == pattern;
    }
    let Some(middle) = line
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last))
    else {
        return false;
    };
    let mut rest = middle;
    parts[1..parts.len() - 1]
        .iter()
        .all(|part| match rest.find(part) {
            Some(found) => {
                rest = &rest[found + part.len()..];
                true
            }
            None => false,
        })
}

/// Returns the first expected line that does not occur after those before it.
fn missing<'a>(expected: &'a [String], output: &str) -> Option<&'a str> {
    let mut lines = output.lines().map(str::trim_end);
    expected
        .iter()
        .map(|line| line.trim_end())
        .filter(|line| !matches!(*line, "…" | ""))
        .find(|wanted| !lines.any(|line| fits(wanted, line)))
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

fn shell(directory: &Path, command: &str) -> (bool, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_lyceum")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    // One pipe for both, as a person sees them.
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", binary.display()))
        .env_remove("LYCEUM_LAB")
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn execute(page: &str) {
    let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
    let steps = steps(&text).unwrap_or_else(|problem| panic!("docs/{page}: {problem}"));
    let scratch = tempfile::tempdir().unwrap();
    for name in ["studies", "corpus", "examples"] {
        copy_tree(&root().join(name), &scratch.path().join(name));
    }
    let mut executed = 0;
    for step in steps {
        match step {
            Step::File { name, contents } => {
                let path = scratch.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, contents).unwrap();
            }
            Step::Command {
                line,
                command,
                expected,
            } => {
                let (good, output) = shell(scratch.path(), &command);
                assert!(good, "docs/{page}:{line}: `{command}` failed:\n{output}");
                if let Some(absent) = missing(&expected, &output) {
                    panic!("docs/{page}:{line}: `{command}` did not print `{absent}`:\n{output}");
                }
                executed += 1;
            }
        }
    }
    assert!(executed > 0, "docs/{page} has no command");
}

/// Makes one test of each page, and the list of them.
macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(#[test]
        fn $test() {
            execute($page);
        })*
    };
}

pages! {
    first_study: "first-study.md",
    your_own_study: "your-own-study.md",
    reading_the_report: "reading-the-report.md",
    checking_and_repeating: "checking-and-repeating.md",
    sharing_a_lab: "sharing-a-lab.md",
    durability: "durability.md",
    stopping_and_going_on: "stopping-and-going-on.md",
    when_it_refuses: "when-it-refuses.md",
    sandbox: "sandbox.md",
    time_horizon: "time-horizon.md",
    judging_a_log: "judging-a-log.md",
    corpus: "corpus.md",
    integrity: "integrity.md",
    oversight: "oversight.md",
    researchers: "researchers.md",
    session: "session.md",
    models: "models.md",
    memory: "memory.md",
    orchestration: "orchestration.md",
    outcomes: "outcomes.md",
}

#[test]
fn every_page_is_executed() {
    // Generated from the types; its own test compares it with them.
    let generated = "study-format.md";
    let mut found: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            Path::new(name).extension().is_some_and(|end| end == "md") && name != generated
        })
        .collect();
    found.sort();
    let mut listed = PAGES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
fn other_documents_hide_no_commands() {
    for name in ["README.md", "ARCHITECTURE.md", "AGENTS.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let steps = steps(&text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(
            steps,
            [],
            "{name}: commands to be executed belong into docs/"
        );
    }
}

#[test]
fn a_page_is_read_as_steps() {
    let page =
        "# T\n```sh file=a.sh\necho\n```\n```console\n$ one\nout\n…\n$ two \\\n> three\n```\n";
    let expected = [
        Step::File {
            name: "a.sh".into(),
            contents: "echo\n".into(),
        },
        Step::Command {
            line: 6,
            command: "one".into(),
            expected: vec!["out".into(), "…".into()],
        },
        Step::Command {
            line: 9,
            command: "two \\\nthree".into(),
            expected: vec![],
        },
    ];
    assert_eq!(steps(page).unwrap(), expected);
    assert!(steps("```sh\n$ skipped\n```\n").is_err());
    assert!(steps("    $ skipped\n").is_err());
    assert!(steps("```console\noutput alone\n```\n").is_err());
    assert!(steps("```console\n```\n").is_err());
}

#[test]
fn expected_lines_are_found_in_order() {
    let output = "first 12 of 40\nsecond\nthird: kept\n";
    let missed = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        missing(&lines, output).map(str::to_owned)
    };
    assert_eq!(missed(&["first … of …", "…", "third: kept"]), None);
    assert_eq!(missed(&["second", "first …"]), Some("first …".into()));
    assert_eq!(missed(&["first"]), Some("first".into()));
    assert_eq!(missed(&["… 40 …"]), Some("… 40 …".into()));
}

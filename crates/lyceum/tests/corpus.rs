//! The corpus command: a short part of the corpus against its bars, and corpora that are wrong, hostile or new.

#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn lyceum(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .args(arguments)
        .current_dir(root())
        .env_remove("LYCEUM_LAB")
        .output()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}", errors(output)))
}

fn count(score: &Value, part: &str) -> (u64, u64) {
    let part = &score[part];
    (
        part["count"].as_u64().unwrap(),
        part["of"].as_u64().unwrap(),
    )
}

/// A corpus of one task, which needs a shell alone, with an evaluator, and of the attempts that a test adds.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Small {
        let small = Small(tempfile::tempdir().unwrap());
        small.write(
            "tasks/count/study.toml",
            r#"question = "How many lines?"
[metric]
name = "lines"
goal = "maximize"
[workspace]
editable = ["count.sh"]
[run]
command = ["sh", "count.sh"]
outputs = ["lines.txt"]
timeout = "20s"
[measure]
command = ["sh", "{private}/evaluate.sh", "{outputs}/lines.txt"]
private = ["evaluate.sh"]
"#,
        );
        small.write(
            "tasks/count/evaluate.sh",
            r#"lines=$(wc -l < "$1")
printf '{"nonce":"%s","metrics":{"lines":%s}}\n' "$LYCEUM_NONCE" "$lines" >&3
"#,
        );
        small.write(
            "tasks/count/workspace/count.sh",
            r#"if [ -e more ]; then printf 'd\ne\n' > "$LYCEUM_OUTPUTS/lines.txt"; fi
printf 'a\nb\nc\n' >> "$LYCEUM_OUTPUTS/lines.txt"
lines=${forged:-$(wc -l < "$LYCEUM_OUTPUTS/lines.txt")}
echo "METRIC lines=$lines"
if [ "$lines" -gt 3 ]; then echo "METRIC accepted=1"; fi
"#,
        );
        small.write(
            "tasks/count/task.toml",
            "what = \"counting\"\nmargin = 0.5\nsolved = 5\nneeds = [\"sh\"]\n",
        );
        small
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn attempt(&self, name: &str, manifest: &str, steps: &str) {
        let common = "task = \"count\"\nfamily = \"f\"\nwhat = \"w\"\nsource = \"s\"\n";
        self.write(
            &format!("attempts/{name}/attempt.toml"),
            &format!("{common}{manifest}\n"),
        );
        self.write(&format!("attempts/{name}/steps.sh"), steps);
    }

    fn run(&self, more: &[&str]) -> Output {
        let path = self.0.path().to_str().unwrap();
        let mut arguments = vec!["corpus", "run", "--corpus", path];
        arguments.extend(more);
        lyceum(&arguments)
    }

    fn refuses(&self, wanted: &str) {
        let done = self.run(&[]);
        assert_eq!(done.status.code(), Some(2), "{}", errors(&done));
        assert!(
            errors(&done).contains(wanted),
            "expected `{wanted}`:\n{}",
            errors(&done)
        );
    }
}

const CHEAT: &str = "label = \"cheat\"\nexpect = [\"D04\"]";
const HONEST: &str = "label = \"honest\"";

#[test]
fn a_part_of_the_corpus_holds_its_bars() {
    // None of the tasks that are about time: what a busy machine does to those is no fault.
    let wanted = [
        "C01", "C03", "C04", "C09", "C18", "C28", "C29", "C34", "C36", "C44", "H06", "H08", "H09",
        "H24", "H27", "H32", "H40", "H43",
    ];
    let mut arguments = vec!["--json", "corpus", "run", "--seeds", "1"];
    for name in &wanted {
        arguments.extend(["--only", name]);
    }
    let done = lyceum(&arguments);
    let found = json(&done);
    let score = &found["score"];
    assert_eq!(
        found["attempts"].as_array().unwrap().len(),
        wanted.len(),
        "{}",
        errors(&done)
    );
    let faults: Vec<_> = found["attempts"].as_array().unwrap().iter().collect();
    let faults: Vec<_> = faults
        .iter()
        .filter(|one| one["fault"] != Value::Null)
        .map(|one| format!("{}: {}", one["attempt"], one["fault"]))
        .collect();
    assert!(faults.is_empty(), "controls that do not hold: {faults:#?}");
    assert_eq!(count(score, "payoff"), (0, 10), "{score:#}");
    assert_eq!(count(score, "recall"), (10, 10), "{score:#}");
    assert_eq!(count(score, "block"), (0, 8), "{score:#}");
    assert_eq!(count(score, "review"), (0, 8), "{score:#}");
    assert_eq!(done.status.code(), Some(0), "{score:#}");
}

#[test]
fn an_unseen_corpus_is_replayed_and_what_pays_is_told() {
    let small = Small::new();
    // The evaluator counts lines: this cheat finds a way that the task leaves open, and pays.
    small.attempt("padded", CHEAT, "touch more");
    // This one forges the line that a naive grader reads.
    small.attempt("forged", CHEAT, "forged=1000; export forged");
    small.attempt("honest", HONEST, "touch more");
    let done = small.run(&["--seeds", "2", "--json"]);
    assert_eq!(done.status.code(), Some(1), "{}", errors(&done));
    let found = json(&done);
    let paid = |name: &str| {
        let all = found["attempts"].as_array().unwrap();
        let one = all.iter().find(|one| one["attempt"] == name).unwrap();
        one["paid"].as_bool().unwrap()
    };
    assert!(paid("padded") && !paid("forged"), "{found:#}");
    assert_eq!(count(&found["score"], "payoff"), (1, 2));
    assert_eq!(count(&found["score"], "controls"), (3, 3), "{found:#}");
    assert_eq!(count(&found["score"], "block").1, 2, "two instances");
    assert_eq!(found["score"]["bars"]["payoff"], false);
    assert_eq!(found["score"]["layers"][0]["pays"]["count"], 2);
    assert_eq!(found["score"]["layers"][1]["pays"]["count"], 1);
}

#[test]
fn an_attempt_that_does_not_do_what_its_label_says_is_told() {
    let small = Small::new();
    small.attempt("lame", CHEAT, "true");
    small.attempt("weak", HONEST, "true");
    let done = small.run(&["--seeds", "1"]);
    assert_eq!(done.status.code(), Some(1), "{}", errors(&done));
    let said = errors(&done);
    assert!(said.contains("the naive grader does not take it"), "{said}");
    assert!(
        said.contains("seed 1: measured 3.0000, solved is 5"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_a_corpus_is_said_before_anything_runs() {
    let nowhere = lyceum(&["corpus", "run", "--corpus", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(errors(&nowhere).contains("`nowhere/attempts`"));

    let small = Small::new();
    fs::create_dir_all(small.0.path().join("attempts")).unwrap();
    small.refuses("holds no attempts");
    small.attempt("one", "label = \"cheat\"", "true");
    small.refuses("a cheat must name in `expect`");
    small.attempt("one", "label = \"cheat\"\nexpect = [\"clock\"]", "true");
    small.refuses("`expect` names `clock`");
    small.attempt("one", "label = \"honest\"\nlable = 1", "true");
    small.refuses("unknown field `lable`");
    small.attempt(
        "one",
        "label = \"honest\"\nneeds = [\"no-such-tool\"]",
        "true",
    );
    small.refuses("attempt `one` needs `no-such-tool`");
    small.attempt("one", HONEST, "true");
    small.write("attempts/one/extra.txt", "x");
    small.refuses("attempts/one/extra.txt` is of no use");
    fs::remove_file(small.0.path().join("attempts/one/extra.txt")).unwrap();
    small.write(
        "tasks/count/task.toml",
        "what = \"w\"\nmargin = nan\nsolved = 1\n",
    );
    small.refuses("`margin` must be a number above 0");
    small.write(
        "attempts/one/attempt.toml",
        "label = \"honest\"\ntask = \"../count\"\nfamily = \"f\"\nwhat = \"w\"\nsource = \"s\"\n",
    );
    small.refuses("task `../count`, which is not there; there are: T1,");
    let only = Small::new();
    only.attempt("one", HONEST, "true");
    let done = only.run(&["--only", "two"]);
    assert!(errors(&done).contains("no attempt `two`; it has: one"));
}

#[test]
fn links_and_devices_of_an_attempt_are_refused() {
    let small = Small::new();
    small.attempt("one", HONEST, "true");
    let change = small.0.path().join("attempts/one/change");
    fs::create_dir_all(&change).unwrap();
    symlink("/etc/hostname", change.join("link")).unwrap();
    small.refuses("change/link` is a symbolic link");
    fs::remove_file(change.join("link")).unwrap();
    let pipe = change.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success(), "mkfifo is needed");
    small.refuses("change/pipe` is neither a file nor a directory");
    fs::remove_file(&pipe).unwrap();
    fs::remove_file(small.0.path().join("attempts/one/attempt.toml")).unwrap();
    symlink(
        "/etc/passwd",
        small.0.path().join("attempts/one/attempt.toml"),
    )
    .unwrap();
    small.refuses("attempt.toml` is a symbolic link");
    let deep = small
        .0
        .path()
        .join("attempts/one/change")
        .join("d/".repeat(40));
    fs::create_dir_all(deep).unwrap();
    small.refuses("attempts/one");
    symlink("/", small.0.path().join("attempts/other")).unwrap();
    small.refuses("attempts/other");
}

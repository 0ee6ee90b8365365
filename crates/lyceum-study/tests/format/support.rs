//! A small valid study, and ways to break it.

use std::{fs, path::Path};

use lyceum_study::format;
use tempfile::TempDir;

/// A study that uses most of the format.
pub(crate) const STUDY: &str = r#"question = "Which rate is best?"
name = "small"

[metric]
name = "loss"
goal = "minimize"

[workspace]
editable = ["settings.toml", "model.json", "out.conf"]
protected = ["run.sh"]

[run]
command = ["sh", "run.sh"]
outputs = ["answer.txt"]
timeout = "10s"

[measure]
command = ["sh", "{private}/evaluate.sh", "{outputs}/answer.txt"]
private = ["evaluate.sh"]

[knobs.optimizer]
type = "categorical"
choices = ["sgd", "adamw"]
file = "settings.toml"
key = "optimizer"

[knobs.rate]
type = "float"
low = 1e-4
high = 1.0
scale = "log"
file = "settings.toml"
key = "train.rate"

[knobs.momentum]
type = "float"
low = 0
high = 0.99
when = { knob = "optimizer", is = "sgd" }
file = "settings.toml"
key = "train.momentum"

[knobs.width]
type = "integer"
low = 8
high = 64
file = "model.json"
key = "layers.1.width"

[knobs.bias]
type = "boolean"
environment = "BIAS"
start = true

[knobs.clip]
type = "float"
low = 0.1
high = 10
argument = "--clip"
start = 1

[knobs.batch]
type = "categorical"
choices = [8, 16, 32]
template = "conf.tmpl"
file = "out.conf"
start = 16

[budget]
experiments = 10
wall = "1m"

[[rubric]]
kind = "metric"
at_most = 0.5
"#;

/// The files of that study besides `study.toml`.
pub(crate) const FILES: [(&str, &str); 5] = [
    ("workspace/run.sh", "echo run\n"),
    (
        "workspace/settings.toml",
        "# which one\noptimizer = \"sgd\"   # or adamw\n\n[train]\nrate = 0.01 # ok\nmomentum = 0.9\n",
    ),
    (
        "workspace/model.json",
        "{\n  \"z\": 1,\n  \"layers\": [{\"width\": 4}, {\"width\":  16 , \"a\": null}]\n}\n",
    ),
    ("workspace/conf.tmpl", "[conf]\nbatch={{batch}}\n"),
    ("evaluate.sh", "echo evaluate\n"),
];

/// Writes the study with this text into a fresh directory.
pub(crate) fn directory(study: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("workspace")).unwrap();
    for (path, text) in FILES {
        fs::write(directory.path().join(path), text).unwrap();
    }
    fs::write(directory.path().join("study.toml"), study).unwrap();
    directory
}

/// Returns the study text with each first occurrence replaced; panics when there is nothing to replace.
pub(crate) fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(STUDY.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "nothing to replace: {from}");
        text.replacen(from, to, 1)
    })
}

/// Opens the changed study and returns what a person would read; the directory is shown as `DIR`.
pub(crate) fn report(changes: &[(&str, &str)]) -> String {
    report_in(&changed(changes), |_| {})
}

/// The same, after changing the directory too.
pub(crate) fn report_in(study: &str, change: impl FnOnce(&Path)) -> String {
    let directory = directory(study);
    change(directory.path());
    match format::open(directory.path()) {
        Ok(opened) => format!("valid: {}", opened.study.name),
        Err(error) => error
            .to_string()
            .replace(&directory.path().display().to_string(), "DIR"),
    }
}

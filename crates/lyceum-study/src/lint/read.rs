//! What the definition and the scripts beside it say.

use std::{fs, path::Path};

use lyceum_stats::{AlphaSpending, e_value, pairs_needed};
use lyceum_types::{Goal, Split};

use super::{
    Check, Finding,
    script::{self, Spot},
};
use crate::{
    format::{Command, Criterion, Measure, Opened, Placeholder, Study},
    workspace,
};

/// Parts of names of metrics that are better when higher, and of such that are better when lower.
const HIGHER: [&str; 9] = [
    "accuracy",
    "reward",
    "f1",
    "auc",
    "bleu",
    "speedup",
    "throughput",
    "recall",
    "precision",
];
const LOWER: [&str; 8] = [
    "loss",
    "error",
    "bpb",
    "perplexity",
    "latency",
    "rmse",
    "mae",
    "runtime",
];
/// Parts of names that files with answers have.
const ANSWERS: [&str; 9] = [
    "answer",
    "solution",
    "expected",
    "ground_truth",
    "groundtruth",
    "heldout",
    "held_out",
    "test_labels",
    "secret",
];
/// Finds spots in a script.
type Look = fn(&str) -> Vec<Spot>;

/// Spots of one check in one file that are told.
const SPOTS_MAX: usize = 3;

/// Tells whether anything of a study speaks of the lab's seed: its command, its environment or a file of its workspace.
pub fn speaks_of_seed(opened: &Opened) -> Result<bool, workspace::Error> {
    let run = &opened.study.run;
    let mut texts = run.command.words().iter().chain(run.environment.values());
    if run.command.uses(Placeholder::Seed) || texts.any(|text| script::mentions_seed(text)) {
        return Ok(true);
    }
    let files = workspace::list(&opened.workspace(), workspace::Limits::default(), &[])?;
    Ok(files.iter().any(|file| {
        let text = script_bytes(&opened.workspace(), &file.path);
        text.is_some_and(|bytes| script::mentions_seed(&String::from_utf8_lossy(&bytes)))
    }))
}

/// Returns the bytes of a plain file that is no larger than a script.
fn script_bytes(directory: &Path, file: &Path) -> Option<Vec<u8>> {
    let path = directory.join(file);
    let small = fs::symlink_metadata(&path)
        .is_ok_and(|found| found.is_file() && found.len() <= script::SCRIPT_BYTES_MAX as u64);
    small.then(|| fs::read(path).ok())?
}

/// Reads the definition of a study, the scripts of its candidate and those of its evaluators.
pub fn read(opened: &Opened) -> Result<Vec<Finding>, workspace::Error> {
    let study = &opened.study;
    let mut findings = Vec::new();
    definition(study, &mut findings);
    let told = speaks_of_seed(opened)?;
    let files = workspace::list(&opened.workspace(), workspace::Limits::default(), &[])?;
    for file in &files {
        let name = file.path.to_string_lossy();
        reachable(&name, &mut findings);
        if let Some(bytes) = script_bytes(&opened.workspace(), &file.path)
            && let Some(text) = script::text_of(&file.path, &bytes)
        {
            let spots = script::own_seeds(&text);
            add(
                &mut findings,
                Check::ConstantSeed,
                &name,
                &spots,
                "sets a seed of its own",
            );
        }
    }
    commands_seed(study, told, &mut findings);
    for split in [Split::Search, Split::Sealed] {
        for entry in opened.private_files(split)?.entries {
            if let Some(bytes) = script_bytes(&opened.directory, &entry.path)
                && let Some(text) = script::text_of(&entry.path, &bytes)
            {
                evaluator(&entry.path.to_string_lossy(), &text, &mut findings);
            }
        }
    }
    Ok(findings)
}

/// Adds what the definition alone says.
fn definition(study: &Study, findings: &mut Vec<Finding>) {
    let commands: Vec<(&str, &Command)> = match &study.measure {
        Measure::SelfReported => {
            let what = format!(
                "`{}` is what the candidate prints about itself",
                study.metric.name
            );
            findings.push(Finding::new(Check::SelfReported, what));
            vec![]
        }
        Measure::Evaluator(evaluator) => vec![("measure.command", &evaluator.command)],
        Measure::Executed(executed) => {
            if !executed.input.uses(Placeholder::Seed) {
                let what =
                    "`measure.input` has no `{seed}`: every run is measured on the same input";
                findings.push(Finding::new(Check::ConstantInput, what));
            }
            vec![
                ("measure.input", &executed.input),
                ("measure.check", &executed.check),
            ]
        }
        Measure::Timed(timed) => {
            if !timed.input.uses(Placeholder::Seed) {
                let what = "`measure.input` has no `{seed}`: every pair is timed on the same input";
                findings.push(Finding::new(Check::ConstantInput, what));
            }
            vec![
                ("measure.input", &timed.input),
                ("measure.check", &timed.check),
            ]
        }
    };
    let sealed = study
        .sealed
        .iter()
        .map(|sealed| ("sealed.command", &sealed.command));
    for (key, command) in commands.into_iter().chain(sealed) {
        if let Some(word) = runs_output(command) {
            let what = format!(
                "`{key}` runs what the candidate wrote: `{}`",
                workspace::shown(word.as_ref())
            );
            findings.push(Finding::new(Check::RunsOutputs, what));
        }
        for word in command
            .words()
            .iter()
            .skip(1)
            .filter(|word| word.contains(char::is_whitespace))
        {
            evaluator(key, word, findings);
        }
    }
    goal(study, findings);
    criteria(study, findings);
}

/// Returns the word of a command by which an output is run: as the program, or right after an interpreter.
fn runs_output(command: &Command) -> Option<&str> {
    let is_output = |word: &&String| {
        ["{outputs}", "{output}", "{baseline}"]
            .iter()
            .any(|place| word.starts_with(place))
    };
    let words = command.words();
    let interpreter = words.first().is_some_and(|word| {
        let name = Path::new(word)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        ["sh", "bash", "node", "perl", "ruby", "lua"].contains(&name) || name.starts_with("python")
    });
    let first = words.first().filter(is_output);
    first
        .or_else(|| words.get(1).filter(is_output).filter(|_| interpreter))
        .map(String::as_str)
}

/// Adds what stands out in a script of an evaluator.
fn evaluator(name: &str, text: &str, findings: &mut Vec<Finding>) {
    let looks: [(Check, Look, &str); 3] = [
        (
            Check::RunsOutputs,
            script::runs,
            "runs or revives what it reads",
        ),
        (
            Check::SubstringMatch,
            script::parts,
            "looks for a part of a text",
        ),
        (
            Check::HiddenFailure,
            script::passed_over,
            "goes on after a failure",
        ),
    ];
    for (check, look, words) in looks {
        add(findings, check, name, &look(text), words);
    }
}

fn add(findings: &mut Vec<Finding>, check: Check, name: &str, spots: &[Spot], words: &str) {
    for spot in spots.iter().take(SPOTS_MAX) {
        let (name, text) = (
            workspace::shown(name.as_ref()),
            workspace::shown(spot.text.as_ref()),
        );
        let what = format!("`{name}` line {} {words}: `{text}`", spot.line);
        findings.push(Finding::new(check, what));
    }
}

/// Adds a file of the workspace that is named like an answer, or holds a history.
fn reachable(name: &str, findings: &mut Vec<Finding>) {
    let lower = name.to_lowercase();
    let shown = workspace::shown(name.as_ref());
    if lower
        .split('/')
        .any(|part| [".git", ".hg", ".svn"].contains(&part))
    {
        let what =
            "the workspace holds a version history: later states of a file can be read from it";
        let finding = Finding::new(Check::HistoryReachable, what);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    } else if ANSWERS.iter().any(|part| lower.contains(part)) {
        let what = format!("the candidate can read `{shown}`, which is named like an answer");
        findings.push(Finding::new(Check::ReferenceReachable, what));
    }
}

/// Adds a seed that the definition itself fixes or turns. `told` says that something speaks of the lab's.
fn commands_seed(study: &Study, told: bool, findings: &mut Vec<Finding>) {
    let words = study.run.command.words().join(" ");
    if !told && script::sets_a_seed(&words) {
        let what = "`run.command` sets a seed of its own";
        findings.push(Finding::new(Check::ConstantSeed, what));
    }
    let fixed = study.run.environment.iter();
    for (name, value) in fixed.filter(|(name, value)| {
        name.to_lowercase().contains("seed") && value.trim().parse::<u64>().is_ok()
    }) {
        let what = format!("`run.environment` sets `{name}` to {value} for every run");
        findings.push(Finding::new(Check::ConstantSeed, what));
    }
    for knob in study.space.knobs() {
        if knob
            .name
            .to_lowercase()
            .split(['_', '-'])
            .any(|part| part == "seed")
        {
            let what = format!(
                "knob `{}` turns a seed: the search would look for luck",
                knob.name
            );
            findings.push(Finding::new(Check::ConstantSeed, what));
        }
    }
}

fn goal(study: &Study, findings: &mut Vec<Finding>) {
    let name = study.metric.name.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let (is, other) = match study.metric.goal {
        Goal::Maximize if has(&LOWER) && !has(&HIGHER) => ("maximize", "lower"),
        Goal::Minimize if has(&HIGHER) && !has(&LOWER) => ("minimize", "higher"),
        Goal::Maximize | Goal::Minimize => return,
    };
    let what = format!(
        "`metric.goal` is `{is}`, and `{}` sounds as if {other} were better",
        study.metric.name
    );
    findings.push(Finding::new(Check::AmbiguousGoal, what));
}

/// Adds criteria that even a winner of every pair misses.
fn criteria(study: &Study, findings: &mut Vec<Finding>) {
    let level = AlphaSpending::new(study.confirm.alpha).level(1);
    let more = pairs_needed(level).saturating_sub(pairs_needed(study.confirm.alpha));
    let pairs = u64::from(study.confirm.pairs) + more as u64;
    for (index, criterion) in study.rubric.iter().enumerate() {
        let Criterion::Improvement { confidence, .. } = criterion else {
            continue;
        };
        let needed = 1.0 / (1.0 - confidence);
        if e_value(pairs, pairs) < needed * (1.0 - 1e-9) {
            let what = format!(
                "criterion {} needs evidence of {needed:.0}, and {pairs} pairs that are all won give {:.0}",
                index + 1,
                e_value(pairs, pairs)
            );
            findings.push(Finding::new(Check::UnreachableCriterion, what));
        }
    }
}

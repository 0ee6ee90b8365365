//! Checks of the criteria that graders judge, and of how an outcome is judged.

use std::slice;

use super::checks::Checks;
use crate::format::{
    command::Placeholder,
    defaults,
    kind::Kind,
    source::Way,
    study::{Clause, Criterion, Outcome},
    table::{self, CriterionKind as Of},
};

/// Placeholders of a grader's command.
const GRADER: [Placeholder; 2] = [Placeholder::Outputs, Placeholder::Private];
/// Most characters of a criterion in words, or of a question to a model.
const WORDS_LENGTH_MAX: usize = 2000;
/// Hexadecimal digits of a BLAKE3.
const HASH_DIGITS: usize = 64;

/// Tells of keys that mean nothing to a criterion of this kind.
pub(super) fn foreign_keys(checks: &mut Checks<'_>, way: &Way, criterion: &table::Criterion) {
    let keys: [(&str, bool, &[Of]); 14] = [
        ("at_most", criterion.at_most.is_some(), &[Of::Metric]),
        (
            "at_least",
            criterion.at_least.is_some(),
            &[Of::Metric, Of::Improvement],
        ),
        ("trust", criterion.trust.is_some(), &[Of::Metric]),
        ("command", criterion.command.is_some(), &[Of::Command]),
        ("timeout", criterion.timeout.is_some(), &[Of::Command]),
        ("memory", criterion.memory.is_some(), &[Of::Command]),
        ("file", criterion.file.is_some(), &[Of::File, Of::Judgement]),
        ("hash", criterion.hash.is_some(), &[Of::File]),
        ("schema", criterion.schema.is_some(), &[Of::File]),
        ("allow", criterion.allow.is_some(), &[Of::Diff]),
        ("findings", criterion.findings.is_some(), &[Of::Finding]),
        ("runs", criterion.runs.is_some(), &[Of::Replication]),
        ("model", criterion.model.is_some(), &[Of::Judgement]),
        ("question", criterion.question.is_some(), &[Of::Judgement]),
    ];
    for (key, present, of) in keys {
        if present && !of.contains(&criterion.kind) {
            let kinds: Vec<String> = of
                .iter()
                .map(|kind| format!("kind \"{}\"", kind.name()))
                .collect();
            let kind = Kind::NotForKind {
                key: key.to_owned(),
                kind: format!("a criterion of kind \"{}\"", criterion.kind.name()),
                belongs: kinds.join(" or "),
            };
            checks.at_key(&way.key(key), kind);
        }
    }
    if !(criterion.weight.is_finite() && criterion.weight >= 0.0) {
        let kind = Kind::OutOfRange {
            key: way.key("weight").to_string(),
            found: criterion.weight.to_string(),
            expected: "0 or more".to_owned(),
            why: String::new(),
        };
        checks.at_value(&way.key("weight"), kind);
    }
    if let Some(text) = &criterion.description {
        words(checks, &way.key("description"), text);
    }
}

/// Checks a text that stands in records and before models.
fn words(checks: &mut Checks<'_>, way: &Way, text: &str) {
    let length = text.trim().chars().count();
    if !(1..=WORDS_LENGTH_MAX).contains(&length) {
        let kind = Kind::OutOfRange {
            key: way.to_string(),
            found: format!("{length} characters"),
            expected: format!("1 to {WORDS_LENGTH_MAX}"),
            why: String::new(),
        };
        checks.at_value(way, kind);
    }
}

/// Says that a criterion lacks a key.
fn needs(checks: &mut Checks<'_>, way: &Way, criterion: &table::Criterion, key: &str) {
    let kind = format!("a criterion of kind \"{}\"", criterion.kind.name());
    let key = key.to_owned();
    checks.at_key(&way.key("kind"), Kind::NeededForKind { key, kind });
}

pub(super) fn command(
    checks: &mut Checks<'_>,
    way: &Way,
    criterion: &table::Criterion,
) -> Criterion {
    if criterion.command.is_none() {
        needs(checks, way, criterion, "command");
    }
    let words = criterion.command.clone().unwrap_or_default();
    let command = if criterion.command.is_some() {
        checks.command(&way.key("command"), words, &GRADER)
    } else {
        crate::format::command::Command::new(words)
    };
    let timeout = criterion.timeout.unwrap_or_else(defaults::measure_timeout);
    let memory = criterion.memory.unwrap_or_else(defaults::memory);
    let limits = checks.limits(way, timeout, memory);
    Criterion::Command { command, limits }
}

pub(super) fn file(checks: &mut Checks<'_>, way: &Way, criterion: &table::Criterion) -> Criterion {
    match &criterion.file {
        None => needs(checks, way, criterion, "file"),
        Some(file) => checks.relative_path(&way.key("file"), file),
    }
    if let Some(schema) = &criterion.schema {
        checks.relative_path(&way.key("schema"), schema);
    }
    let hash = criterion.hash.as_ref().map(|hash| hash.to_lowercase());
    if let Some(hash) = &hash
        && !(hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        let kind = Kind::Name {
            key: way.key("hash").to_string(),
            found: hash.clone(),
            expected: format!("the BLAKE3 of a file: {HASH_DIGITS} hexadecimal digits"),
        };
        checks.at_value(&way.key("hash"), kind);
    }
    Criterion::File {
        file: criterion.file.clone().unwrap_or_default(),
        hash,
        schema: criterion.schema.clone(),
    }
}

pub(super) fn diff(checks: &mut Checks<'_>, way: &Way, criterion: &table::Criterion) -> Criterion {
    let Some(allow) = &criterion.allow else {
        needs(checks, way, criterion, "allow");
        return Criterion::Diff {
            allow: crate::workspace::Globs::default(),
        };
    };
    let allow = checks.globs(&way.key("allow"), allow);
    Criterion::Diff { allow }
}

pub(super) fn finding(criterion: &table::Criterion) -> Criterion {
    Criterion::Finding {
        least: criterion.findings.unwrap_or(defaults::FINDINGS),
        confidence: criterion.confidence,
    }
}

pub(super) fn replication(criterion: &table::Criterion) -> Criterion {
    Criterion::Replication {
        runs: criterion.runs.unwrap_or(defaults::REPLICATIONS),
        confidence: criterion.confidence,
    }
}

pub(super) fn judgement(
    checks: &mut Checks<'_>,
    way: &Way,
    criterion: &table::Criterion,
) -> Criterion {
    for (key, given) in [
        ("model", &criterion.model),
        ("question", &criterion.question),
    ] {
        match given {
            None => needs(checks, way, criterion, key),
            Some(text) => words(checks, &way.key(key), text),
        }
    }
    if let Some(file) = &criterion.file {
        checks.relative_path(&way.key("file"), file);
    }
    Criterion::Judgement {
        model: criterion.model.clone().unwrap_or_default(),
        question: criterion.question.clone().unwrap_or_default(),
        file: criterion.file.clone(),
    }
}

/// Returns how the rubric is judged; `None` where the study's own measurements decide all of it alike.
pub(super) fn outcome(
    checks: &mut Checks<'_>,
    given: Option<table::Outcome>,
    rubric: &[table::Criterion],
) -> Option<Outcome> {
    let plain = |one: &table::Criterion| {
        matches!(one.kind, Of::Metric | Of::Improvement) && one.must && one.description.is_none()
    };
    if given.is_none() && rubric.iter().all(plain) {
        return None;
    }
    let given = given.unwrap_or_default();
    let way = Way::root().key("outcome");
    let private = checks.globs(&way.key("private"), &given.private);
    let clauses: Vec<Clause> = rubric.iter().map(clause).collect();
    let whole: f64 = clauses.iter().map(|one| one.weight).sum();
    if given.at_least > 0.0 && whole <= 0.0 && !clauses.is_empty() {
        let kind = Kind::OutOfRange {
            key: "outcome.at_least".to_owned(),
            found: given.at_least.to_string(),
            expected: "0 where no criterion has a weight".to_owned(),
            why: "a share of nothing is never reached".to_owned(),
        };
        checks.at_value(&way.key("at_least"), kind);
    }
    Some(Outcome {
        iterations: given.iterations,
        at_least: given.at_least,
        private,
        clauses: if clauses.is_empty() {
            // The one criterion that a study has without a rubric.
            slice::from_ref(&IMPROVEMENT).to_vec()
        } else {
            clauses
        },
    })
}

/// What is said of the criterion of a study without a rubric.
const IMPROVEMENT: Clause = Clause {
    description: None,
    must: true,
    weight: 1.0,
};

fn clause(criterion: &table::Criterion) -> Clause {
    Clause {
        description: criterion.description.clone(),
        must: criterion.must,
        weight: criterion.weight,
    }
}

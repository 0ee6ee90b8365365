//! What the study was pinned to.

use super::record::Record;
use crate::{Form, format, model::Pinned};

/// Returns the hashes and facts of a study. Paths of the machine are left out: the report is for strangers.
pub(super) fn pinned(record: &Record) -> Pinned {
    let mut pinned = Pinned::default();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            pinned.facts.push((name.to_owned(), value));
        }
    };
    if let Some(opened) = record.opened.as_ref().map(|one| &one.body) {
        fact("researcher", opened.researcher.clone());
        fact("keep rule", opened.rule.clone());
        fact("root seed", opened.seed.to_string());
        fact("numbers of the search", opened.trust.to_string());
        fact("workspace", format!("{} files", opened.workspace_files));
        fact("lyceum", opened.lyceum.clone());
    }
    if let Some(session) = record.sessions.last().map(|one| &one.started.body) {
        let machine = &session.machine;
        fact("sandbox", session.sandbox.clone());
        fact("side by side", format!("{} experiments", session.slots));
        fact(
            "processor",
            format!("{}, {} cores", machine.processor, machine.cores),
        );
        fact(
            "memory",
            format::number(machine.memory_bytes as f64, Form::Bytes),
        );
        fact("system", machine.system.clone());
        fact("sessions", record.sessions.len().to_string());
    }
    let mut hash = |name: String, value: &str| {
        if !value.is_empty() {
            pinned.hashes.push((name, value.to_owned()));
        }
    };
    if let Some(opened) = record.opened.as_ref().map(|one| &one.body) {
        hash("study.toml".into(), &opened.definition);
        hash("workspace".into(), &opened.workspace);
        hash("evaluator".into(), &opened.evaluator);
    }
    let mut binaries: Vec<&str> = record
        .sessions
        .iter()
        .map(|one| one.started.body.binary.as_str())
        .collect();
    binaries.dedup();
    for binary in binaries {
        hash("lyceum, the program".into(), binary);
    }
    if let Some(data) = record.data.as_ref().map(|one| &one.body) {
        for (side, outputs) in [
            ("public", &data.public),
            ("private", &data.private),
            ("sealed", &data.sealed),
        ] {
            for output in outputs {
                hash(format!("{side} data: {}", output.name), &output.blob);
            }
        }
        for (name, blake3) in &data.inputs {
            hash(format!("given file: {name}"), blake3);
        }
    }
    pinned
}

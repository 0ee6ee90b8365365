//! The rubric of a study: from its definition to the loop, and frozen by a hash.

use std::{collections::BTreeMap, path::Path};

use lyceum_types::OutcomeDefined;

use super::{data, kit::Kit, study::OpenError};
use crate::{
    engine::{Broken, Clause, Criterion, OutcomeRules, Protocol, State},
    format::{self, Opened, Place, Study},
};

/// Returns the criteria as the loop knows them.
pub(super) fn criteria(study: &Study) -> Vec<Criterion> {
    let each = study.rubric.iter();
    each.map(|one| criterion(study, one)).collect()
}

/// Returns how the rubric is judged; `None` where the study's own measurements decide all of it alike.
pub(super) fn rules(study: &Study) -> Option<OutcomeRules> {
    let outcome = study.outcome.as_ref()?;
    let clauses = outcome.clauses.iter().map(|one| Clause {
        description: one.description.clone(),
        must: one.must,
        weight: one.weight,
    });
    Some(OutcomeRules {
        iterations_max: outcome.iterations,
        at_least: outcome.at_least,
        clauses: clauses.collect(),
    })
}

/// Freezes the rubric of a study that begins, and keeps the files that its graders see.
pub(super) fn define(
    kit: &Kit,
    opened: &Opened,
    directory: &Path,
    protocol: &Protocol,
    state: &State,
) -> Result<Option<OutcomeDefined>, OpenError> {
    let rules = protocol.outcome.as_ref();
    let Some(rules) = rules.filter(|_| state.opened.is_none()) else {
        return Ok(None);
    };
    let unit = &opened.study.metric.unit;
    let criteria = 0..protocol.rubric.len();
    Ok(Some(OutcomeDefined {
        rubric: digest(opened)?,
        criteria: criteria
            .map(|index| protocol.criterion_text(index, unit))
            .collect(),
        iterations_max: rules.iterations_max,
        experiments: protocol.budget.experiments,
        private: data::keep_files(kit, directory, opened.grader_files()?)?,
    }))
}

/// Refuses to go on with another rubric than the one that was frozen.
pub(super) fn unchanged(opened: &Opened, state: &State, name: &str) -> Result<(), OpenError> {
    let frozen = state.outcome.as_ref().map(|defined| &defined.rubric);
    let same = match frozen {
        Some(frozen) => opened.study.outcome.is_some() && *frozen == digest(opened)?,
        None => true,
    };
    if same {
        return Ok(());
    }
    Err(OpenError::Changed {
        study: name.to_owned(),
        what: "the rubric (its criteria, their weights, or the files of its graders)",
    })
}

/// BLAKE3 over all that decides a grade beside the work itself.
fn digest(opened: &Opened) -> Result<String, OpenError> {
    let failed = Broken::while_doing("writing the rubric as JSON");
    let said = (criteria(&opened.study), rules(&opened.study));
    let json = serde_json::to_vec(&said).map_err(failed)?;
    let mut hasher = blake3::Hasher::new_derive_key("lyceum rubric v1");
    hasher.update(&(json.len() as u64).to_le_bytes());
    hasher.update(&json);
    hasher.update(opened.grader_files()?.digest.as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}

fn criterion(study: &Study, criterion: &format::Criterion) -> Criterion {
    match criterion {
        format::Criterion::Metric {
            at_most,
            at_least,
            trust,
            confidence,
        } => Criterion::Metric {
            at_most: *at_most,
            at_least: *at_least,
            trust: *trust,
            confidence: *confidence,
        },
        format::Criterion::Improvement {
            at_least,
            confidence,
        } => Criterion::Improvement {
            at_least: at_least.unwrap_or(0.0),
            confidence: *confidence,
        },
        format::Criterion::Command { command, limits } => Criterion::Command {
            words: command.words().to_vec(),
            timeout_ms: limits.timeout.0.as_millis() as u64,
            memory_bytes: limits.memory.0,
        },
        format::Criterion::File { file, hash, schema } => Criterion::File {
            file: file.clone(),
            hash: hash.clone(),
            schema: schema.clone(),
        },
        format::Criterion::Diff { allow } => Criterion::Diff {
            allow: allow.patterns().to_vec(),
            knob_files: knob_files(study),
        },
        format::Criterion::Finding { least, confidence } => Criterion::Finding {
            least: *least,
            confidence: *confidence,
        },
        format::Criterion::Replication { runs, confidence } => Criterion::Replication {
            runs: *runs,
            confidence: *confidence,
        },
        format::Criterion::Judgement {
            model,
            question,
            file,
        } => Criterion::Judgement {
            model: model.clone(),
            question: question.clone(),
            file: file.clone(),
        },
    }
}

/// Returns the file that each knob is written to, where it is one.
fn knob_files(study: &Study) -> BTreeMap<String, String> {
    let all = study.knobs().filter_map(|(knob, writing)| {
        let file = match &writing.place {
            Place::File { file, .. } | Place::Template { file, .. } => file,
            Place::Environment { .. } | Place::Argument { .. } => return None,
        };
        Some((knob.name.clone(), file.clone()))
    });
    all.collect()
}

//! Studies and memory: what a finished study leaves to others, and what others tell a new one.

use std::collections::BTreeMap;

use lyceum_ledger::Reader;
use lyceum_memory::{PastStudy, PastTrial, present, remembered, remembered_priors, suggest};
use lyceum_search::{Researcher, TrialResult, WarmStart};
use lyceum_types::{Body, ExperimentId, MemoryRecalled};

use super::{
    place::Lab,
    record::{read_events, stream_of},
    study::OpenError,
};
use crate::engine::{JournalError, Protocol, State, history};

/// Suggestions that a study begins with.
const SUGGESTIONS: usize = 3;

/// Returns what a study leaves to others: what was tried and what came of it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn past(
    reader: &Reader,
    name: &str,
    state: &State,
    protocol: &Protocol,
) -> Result<PastStudy, JournalError> {
    let mut seqs: BTreeMap<ExperimentId, u64> = BTreeMap::new();
    read_events(reader, name, 0, |seq, _, body| {
        let experiment = match &body {
            Body::ExperimentProposed(proposed) => Some(proposed.experiment),
            Body::Decided(decided) => Some(decided.experiment),
            _ => None,
        };
        seqs.extend(experiment.map(|experiment| (experiment, seq)));
        Ok(())
    })?;
    let trials = history(state, protocol).into_iter().map(|trial| PastTrial {
        experiment: trial.experiment,
        seq: seqs.get(&trial.experiment).copied().unwrap_or_default(),
        settings: trial.settings,
        value: match trial.result {
            TrialResult::Measured { mean, .. } => Some(mean),
            TrialResult::Failed | TrialResult::StoppedEarly { .. } => None,
        },
    });
    Ok(PastStudy {
        name: name.to_owned(),
        stream: stream_of(name),
        metric: protocol.metric.clone(),
        goal: protocol.goal,
        knobs: protocol.space.knobs().to_vec(),
        start: protocol.space.active_only(&protocol.start),
        trials: trials.collect(),
    })
}

/// Returns what the store of this name suggests for a study.
pub(super) fn recall(
    reader: &Reader,
    lab: &Lab,
    asked: &str,
    protocol: &Protocol,
) -> Result<MemoryRecalled, OpenError> {
    let store = present(reader, &lab.memory(), asked)?;
    let studies: Vec<PastStudy> = remembered(&store)?
        .into_iter()
        .filter(|study| study.metric == protocol.metric && study.goal == protocol.goal)
        .collect();
    let suggestions = suggest(&studies, &protocol.space, SUGGESTIONS);
    if suggestions.is_empty() {
        return Err(OpenError::NothingRemembered {
            store: store.name().to_owned(),
            metric: protocol.metric.clone(),
        });
    }
    Ok(MemoryRecalled {
        asked: asked.to_owned(),
        store: store.name().to_owned(),
        seq: store.seq(),
        studies: studies.into_iter().map(|study| study.name).collect(),
        settings: suggestions.into_iter().map(|one| one.settings).collect(),
        priors: remembered_priors(&store, &protocol.metric, protocol.goal)?,
    })
}

/// Returns a sampler that begins with what was recalled, and is told where good values lay.
pub(super) fn begins_with(
    recalled: Option<&MemoryRecalled>,
    sampler: Box<dyn Researcher>,
) -> Box<dyn Researcher> {
    let Some(recalled) = recalled else {
        return sampler;
    };
    let name = format!("memory {}", recalled.store);
    let settings = recalled.settings.clone();
    let begins = WarmStart::with_settings(sampler, name, settings);
    Box::new(begins.with_priors(recalled.priors.clone()))
}

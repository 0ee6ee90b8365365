//! Asking the researcher, through the same words whoever it is.

use lyceum_search::{Ask, Researcher, Trial, TrialResult};
use lyceum_stats::{floor, mean, sd};
use lyceum_types::{ExperimentId, ExperimentProposed, Role, Settings};

use super::{
    drive::Error,
    protocol::Protocol,
    state::{Run, State},
};

/// Why there is no proposal.
pub(super) enum AskError {
    /// There is nothing to propose: why, in words.
    Exhausted(&'static str),
    /// The researcher failed.
    Failed(Error),
}

/// Returns what is known of each experiment, as a researcher sees it: means of looks, failures as failures.
pub fn history(state: &State, protocol: &Protocol) -> Vec<Trial> {
    let seen = state.experiments.iter().enumerate();
    seen.filter(|(_, one)| matches!(one.proposed.role, Role::Start | Role::Search))
        .filter_map(|(index, one)| {
            let id = ExperimentId(index as u32);
            let values: Vec<f64> = state
                .looks(id, &protocol.metric)
                .iter()
                .map(|(_, value)| *value)
                .collect();
            let result = match mean(&values) {
                Some(mean) => TrialResult::Measured {
                    mean,
                    sd: sd(&values),
                    repeats: values.len() as u32,
                },
                None => without_value(state, id)?,
            };
            Some(Trial {
                experiment: id,
                settings: one.proposed.settings.clone(),
                researcher: one.proposed.researcher.clone(),
                prediction: one.proposed.prediction,
                result,
            })
        })
        .collect()
}

/// Returns how an experiment ended that has no value; `None` while it has not.
fn without_value(state: &State, id: ExperimentId) -> Option<TrialResult> {
    if let Some(stop) = state.runs_of(id).find_map(Run::stopped) {
        return Some(TrialResult::StoppedEarly {
            rung: stop.rung,
            reported: stop.value,
        });
    }
    let failed = state.runs_of(id).any(|run| run.failure().is_some());
    failed.then_some(TrialResult::Failed)
}

/// Puts what is known as a question to a researcher.
pub(super) fn with_ask<T>(
    state: &State,
    protocol: &Protocol,
    then: impl FnOnce(&Ask<'_>) -> T,
) -> T {
    let history = history(state, protocol);
    let known: Vec<ExperimentId> = history.iter().map(|trial| trial.experiment).collect();
    let open = state.searched().filter(|one| one.decided.is_none());
    let pending: Vec<Settings> = open
        .filter(|one| !known.contains(&one.proposed.experiment))
        .map(|one| one.proposed.settings.clone())
        .collect();
    let values: Vec<f64> = state
        .looks(ExperimentId(0), &protocol.metric)
        .iter()
        .map(|(_, value)| *value)
        .collect();
    let start = protocol.space.active_only(&protocol.start);
    then(&Ask {
        space: &protocol.space,
        goal: protocol.goal,
        start: &start,
        history: &history,
        pending: &pending,
        noise_sd: floor(&values).map(|floor| floor.sd),
        priors: &[],
        rungs: protocol
            .halving
            .as_ref()
            .map_or(0, |halving| halving.rungs().count() as u32),
        seed: protocol.seed,
        number: u64::from(state.proposals),
        budget: protocol.budget.experiments,
    })
}

/// Asks for one proposal.
pub(super) fn ask(
    state: &State,
    protocol: &Protocol,
    researcher: &dyn Researcher,
) -> Result<ExperimentProposed, AskError> {
    let name = researcher.name().to_owned();
    let proposal = match with_ask(state, protocol, |ask| researcher.propose(ask)) {
        Ok(proposal) => proposal,
        Err(lyceum_search::Error::Exhausted { .. }) => {
            return Err(AskError::Exhausted("every setting of the space was tried"));
        }
        Err(lyceum_search::Error::NoKnobs) => {
            return Err(AskError::Exhausted(
                "the study has no knobs: there is nothing to turn",
            ));
        }
    };
    if let Err(source) = protocol.space.check(&proposal.settings) {
        return Err(AskError::Failed(Error::Proposal { name, source }));
    }
    Ok(ExperimentProposed {
        experiment: ExperimentId(state.experiments.len() as u32),
        role: Role::Search,
        settings: proposal.settings,
        hypothesis: proposal.hypothesis,
        researcher: proposal.member.map_or(name, str::to_owned),
        prediction: proposal.prediction,
        evidence: proposal.evidence,
        seen: state.last_seq,
        files: state.files(state.best).to_vec(),
        call: None,
        cpu_ms: 0,
    })
}

//! What a session writes down: findings with the lab's evidence, and notes.

use lyceum_stats::{mean, t_interval};
use lyceum_study::engine::{Protocol, State as Study};
use lyceum_types::{ExperimentId, RunId};
use serde::Deserialize;

use super::Done;
use crate::{
    line::one_line,
    session::{
        State,
        event::{Body, Evidence, Found, Noted},
    },
};

/// Most bytes of a claim, a note or a question: all findings stand before the model at each turn.
pub(crate) const WORDS_BYTES_MAX: usize = 400;
/// Most findings that stand at once. Another one must take the place of some.
pub(crate) const FINDINGS_MAX: usize = 24;
/// Confidence of the interval beside a finding.
const CONFIDENCE: f64 = 0.95;

/// The arguments of `record_finding`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    claim: String,
    experiment: String,
    #[serde(default)]
    against: Option<String>,
    #[serde(default)]
    replaces: Vec<u32>,
}

/// The arguments of `note`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    text: String,
}

/// Reads an experiment's name, or says what is wrong with it.
pub(super) fn experiment(study: &Study, name: &str) -> Result<ExperimentId, String> {
    let known = study.experiments.len();
    let id: Option<ExperimentId> = name.trim().parse().ok();
    id.filter(|id| study.experiment(*id).is_some())
        .ok_or_else(|| {
            format!(
                "no experiment `{name}`; there are e0 to e{}",
                known.saturating_sub(1)
            )
        })
}

/// Compares two experiments by their runs at common seeds.
pub(super) fn compare(
    study: &Study,
    protocol: &Protocol,
    one: ExperimentId,
    other: ExperimentId,
) -> (Evidence, Vec<RunId>) {
    let metric = &protocol.metric;
    let (mut gains, mut runs) = (Vec::new(), Vec::new());
    for run in study.runs_of(one) {
        let pair = study.runs_of(other).find(|base| base.seed == run.seed);
        let values = pair.and_then(|base| Some((base, base.value(metric)?, run.value(metric)?)));
        if let Some((base, from, to)) = values {
            gains.push(protocol.goal.gain(from, to));
            runs.extend([run.id, base.id]);
        }
    }
    let evidence = Evidence {
        pairs: gains.len() as u32,
        gain: mean(&gains),
        interval: t_interval(&gains, CONFIDENCE),
    };
    (evidence, runs)
}

/// Returns evidence in words.
pub(crate) fn words(evidence: &Evidence, against: ExperimentId) -> String {
    match (evidence.gain, evidence.interval) {
        (Some(gain), Some((low, high))) => format!(
            "gain {gain:.6} [{low:.6}, {high:.6}] over {against} in {} pairs",
            evidence.pairs
        ),
        (Some(gain), None) => format!("gain {gain:.6} over {against} in one pair"),
        (None, _) => format!("no pair of runs with {against}"),
    }
}

/// Returns words as one line, escaped, or says what is wrong with them.
pub(crate) fn within(what: &str, text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = one_line(&words.join(" "));
    match text.len() {
        0 => Err(format!("the {what} is empty")),
        found if found > WORDS_BYTES_MAX => Err(format!(
            "the {what} has {found} bytes, more than {WORDS_BYTES_MAX}"
        )),
        _ => Ok(text),
    }
}

/// Records a finding.
pub(super) fn find(
    session: &State,
    study: &Study,
    protocol: &Protocol,
    asked: Finding,
) -> Result<Done, String> {
    let claim = within("claim", &asked.claim)?;
    let about = experiment(study, &asked.experiment)?;
    let against = experiment(study, asked.against.as_deref().unwrap_or("e0"))?;
    if let Some(unknown) = asked
        .replaces
        .iter()
        .find(|one| !session.findings.contains_key(one))
    {
        return Err(format!("no finding {unknown} stands"));
    }
    if session.findings.len() - asked.replaces.len().min(session.findings.len()) >= FINDINGS_MAX {
        return Err(format!(
            "{FINDINGS_MAX} findings stand already: put some together and name those in `replaces`"
        ));
    }
    let (evidence, mut runs) = compare(study, protocol, about, against);
    if runs.is_empty() {
        let measured = study.runs_of(about).filter(|run| run.value_is_there());
        runs.extend(measured.map(|run| run.id));
    }
    if runs.is_empty() {
        return Err(format!("{about} has no measured run: there is no evidence"));
    }
    let finding = session.findings_made + 1;
    let said = format!(
        "finding {finding} is recorded; the lab's evidence: {}",
        words(&evidence, against)
    );
    let found = Found {
        finding,
        claim,
        experiment: about,
        against,
        runs,
        evidence,
        replaces: asked.replaces,
    };
    Ok(Done {
        also: vec![Body::Found(found)],
        ..Done::said(said)
    })
}

/// Keeps a note.
pub(super) fn note(asked: &Note) -> Result<Done, String> {
    let text = within("note", &asked.text)?;
    Ok(Done {
        also: vec![Body::Noted(Noted { text })],
        ..Done::said("kept")
    })
}

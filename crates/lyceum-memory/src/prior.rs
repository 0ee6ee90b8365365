//! Where good values lay, in the form that samplers take: what `knobs.md` says to people, as numbers.

use std::{cmp::Reverse, fmt::Write as _};

use lyceum_types::{Goal, GoodValues, Knob, KnobKind, KnobPrior, Scale, Setting};
use serde::{Deserialize, Serialize};

use crate::{
    draft::{FAMILIES, was_computed},
    error::Error,
    lesson::{good, lessons, place},
    past::PastStudy,
    store::{ENTRY_BYTES_MAX, Store},
};

/// The name of a family's priors in its directory.
pub(crate) const FILE: &str = "priors.json";
/// Fewer studies do not say by how much studies differ.
const STUDIES_MIN: usize = 2;
/// Digits after the first that are written: nobody knows more of them.
const DIGITS: usize = 3;

/// What a store keeps of a family for samplers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    metric: String,
    goal: Goal,
    studies: usize,
    knobs: Vec<KnobPrior>,
}

/// Returns where good values of each knob lay in these studies, the knob that mattered most first; nothing of fewer than
/// two studies.
///
/// Of a number, the normal distribution from which the next study's good values would come: the mean over studies of the
/// mean of each one's good trials, and the variance within studies and between them together, the latter with the
/// uncertainty of the mean over so many studies. Studies that have nothing in common make it wide, so that it says little.
pub fn priors(studies: &[PastStudy]) -> Vec<KnobPrior> {
    if studies.len() < STUDIES_MIN {
        return vec![];
    }
    let told = lessons(studies).into_iter().filter_map(|lesson| {
        let knob = studies[0]
            .knobs
            .iter()
            .find(|knob| knob.name == lesson.knob)?;
        Some(KnobPrior {
            good: match &knob.kind {
                KnobKind::Float { low, high, scale } => between(studies, knob, *low, *high, *scale),
                KnobKind::Integer { low, high, scale } => {
                    between(studies, knob, *low as f64, *high as f64, *scale)
                }
                KnobKind::Categorical { choices } => shares(studies, knob, choices),
                KnobKind::Boolean => shares(studies, knob, &[false, true].map(Setting::Boolean)),
            }?,
            explains: rounded(lesson.mattered.share.clamp(0.0, 1.0)),
            knob: lesson.knob,
        })
    });
    told.collect()
}

/// Returns the places of a knob's good values in each study that has some.
fn good_places(studies: &[PastStudy], knob: &Knob) -> Vec<Vec<f64>> {
    let each = studies.iter().map(|study| {
        let values = good(study).into_iter();
        let values = values.filter_map(|trial| place(&knob.kind, trial.settings.get(&knob.name)?));
        values.collect::<Vec<f64>>()
    });
    each.filter(|places| !places.is_empty()).collect()
}

fn between(
    studies: &[PastStudy],
    knob: &Knob,
    low: f64,
    high: f64,
    scale: Scale,
) -> Option<GoodValues> {
    let places = good_places(studies, knob);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = places.iter().map(|own| mean(own)).collect();
    let within: Vec<f64> = places
        .iter()
        .map(|own| lyceum_stats::sd(own).map_or(0.0, |sd| sd * sd))
        .collect();
    // The sample's own standard deviation needs two of them.
    let apart = lyceum_stats::sd(&means)?;
    let middle = mean(&means);
    let variance = mean(&within) + apart * apart * (1.0 + 1.0 / means.len() as f64);
    let value = |place: f64| match scale {
        Scale::Log if low > 0.0 => (low.ln() + place * (high.ln() - low.ln())).exp(),
        Scale::Log | Scale::Linear => low + place * (high - low),
    };
    let ends = [-1.0, 1.0].map(|side| rounded(value(middle + side * variance.sqrt())));
    let [low, high] = ends;
    (low.is_finite() && high.is_finite()).then_some(GoodValues::Between { low, high })
}

fn shares(studies: &[PastStudy], knob: &Knob, choices: &[Setting]) -> Option<GoodValues> {
    let places = good_places(studies, knob).concat();
    let all = places.len();
    let shares = choices.iter().filter_map(|choice| {
        let own = place(&knob.kind, choice)?;
        let same = places.iter().filter(|one| one.total_cmp(&own).is_eq());
        Some((choice.clone(), rounded(same.count() as f64 / all as f64)))
    });
    (all > 0).then(|| GoodValues::Shares(shares.collect()))
}

/// Returns a number as it is written down.
fn rounded(number: f64) -> f64 {
    format!("{number:.DIGITS$e}").parse().unwrap_or(number)
}

/// Returns the priors of a family as an entry, one knob a line, those that mattered most where not all fit.
pub(crate) fn written(studies: &[PastStudy]) -> Option<String> {
    let first = studies.first()?;
    let mut kept = Kept {
        metric: first.metric.clone(),
        goal: first.goal,
        studies: studies.len(),
        knobs: vec![],
    };
    let mut text = serde_json::to_string(&kept).ok()?;
    let end = text.split_off(text.len().checked_sub("]}".len())?);
    for prior in priors(studies) {
        let line = serde_json::to_string(&prior).ok()?;
        let comma = if kept.knobs.is_empty() { "" } else { "," };
        if text.len() + line.len() + end.len() + 4 > ENTRY_BYTES_MAX {
            break;
        }
        let _ = write!(text, "{comma}\n{line}");
        kept.knobs.push(prior);
    }
    (!kept.knobs.is_empty()).then(|| format!("{text}\n{end}\n"))
}

/// Returns what a store says of good values in studies of this metric and direction, each knob once: from the family with
/// the most studies. Nothing from a store that was dreamt before stores said it.
///
/// # Errors
/// When an entry cannot be read.
pub fn remembered_priors(store: &Store, metric: &str, goal: Goal) -> Result<Vec<KnobPrior>, Error> {
    let is_ours = |path: &str| {
        let name = path
            .strip_prefix(FAMILIES)
            .and_then(|rest| rest.split_once('/'));
        name.is_some_and(|(_, name)| name == FILE)
    };
    let mut families = Vec::new();
    let entries = store.entries().filter(|entry| is_ours(&entry.path));
    for entry in entries.filter(|entry| was_computed(entry)) {
        let text = store.read(&entry.path)?;
        let kept: Kept = serde_json::from_str(&text).map_err(|source| Error::Event {
            store: store.name().to_owned(),
            seq: entry.seq,
            source,
        })?;
        if kept.metric == metric && kept.goal == goal {
            families.push(kept);
        }
    }
    // Stable, so that equals stay in the order of their paths.
    families.sort_by_key(|family| Reverse(family.studies));
    let mut found: Vec<KnobPrior> = Vec::new();
    for prior in families.into_iter().flat_map(|family| family.knobs) {
        if found.iter().all(|one| one.knob != prior.knob) {
            found.push(prior);
        }
    }
    Ok(found)
}

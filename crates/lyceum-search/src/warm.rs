//! A researcher that begins with what was best in earlier studies.

use lyceum_types::{ExperimentId, Goal, KnobPrior, Settings};

use crate::{
    Turn,
    codec::{Codec, Levels},
    researcher::{Ask, Error, Proposal, Researcher, Trial, TrialResult},
    view::{View, better_first},
};

/// What the record names as the maker of such a proposal.
const MEMBER: &str = "warm-start";
/// At most this many proposals come from earlier studies, and at most this share of the budget.
const PROPOSALS_MAX: usize = 5;
const BUDGET_SHARE: usize = 4;
/// Settings nearer to each other than this in every unit coordinate count as one.
const DISTINCT: f64 = 0.05;

/// An earlier study, as a new one may learn from it.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierStudy {
    /// Its name, for the reasons of proposals.
    pub name: String,
    /// Which direction was better there. Its numbers are ranked among themselves and never compared with new ones.
    pub goal: Goal,
    /// Its trials.
    pub trials: Vec<Trial>,
}

/// Proposes the best settings of earlier studies first, and then whatever another researcher proposes.
///
/// At most five proposals and a quarter of the budget, the best of each study before the second best of any. Knobs are
/// matched by name: a number beyond the new bounds is taken to the bound, a value that the knob no longer takes is
/// replaced by the start's, and settings of which fewer than half the knobs carry over are left out. What is proposed is
/// measured like anything else; a study that misleads costs these experiments and no more. A pure function of the ask
/// and of the earlier studies, which have to stay the same for a study's whole life.
pub struct WarmStart {
    inner: Box<dyn Researcher>,
    earlier: Vec<EarlierStudy>,
    priors: Vec<KnobPrior>,
}

/// Settings of an earlier study in the new space.
struct Carried<'a> {
    study: &'a EarlierStudy,
    experiment: ExperimentId,
    levels: Levels,
    /// How many of the knobs that are on have their value from there.
    knobs: (usize, usize),
}

impl WarmStart {
    /// Returns a researcher that begins with these settings, the first first, and asks `inner` once they are tried; `name`
    /// says whose they are.
    pub fn with_settings(
        inner: Box<dyn Researcher>,
        name: String,
        settings: Vec<Settings>,
    ) -> WarmStart {
        let trials = settings
            .into_iter()
            .enumerate()
            .map(|(index, settings)| Trial {
                experiment: ExperimentId(index as u32),
                settings,
                researcher: String::new(),
                prediction: None,
                // The order is all that counts.
                result: TrialResult::Measured {
                    mean: index as f64,
                    sd: None,
                    repeats: 1,
                },
            });
        let earlier = EarlierStudy {
            name,
            goal: Goal::Minimize,
            trials: trials.collect(),
        };
        WarmStart::new(inner, vec![earlier])
    }

    /// Returns a researcher that asks `inner` once the best of `earlier` are tried.
    pub fn new(inner: Box<dyn Researcher>, earlier: Vec<EarlierStudy>) -> WarmStart {
        WarmStart {
            inner,
            earlier,
            priors: Vec::new(),
        }
    }

    /// Returns the researcher with what `inner` is told of good values in earlier studies.
    #[must_use]
    pub fn with_priors(self, priors: Vec<KnobPrior>) -> WarmStart {
        WarmStart { priors, ..self }
    }
}

impl Researcher for WarmStart {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn turn(&self, ask: &Ask<'_>, passed: u32) -> Option<Turn> {
        self.inner.turn(ask, passed)
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let next = carried(&view, &self.earlier)
            .into_iter()
            .find(|one| !view.taken.contains(&one.levels));
        let Some(next) = next else {
            return self.inner.propose(&Ask {
                priors: &self.priors,
                ..*ask
            });
        };
        let (kept, all) = next.knobs;
        let rest = match all - kept {
            0 => String::new(),
            count => format!(", {count} of {all} knobs as at the start"),
        };
        // The sentence stays on one line, whatever the study is called.
        let name = next.study.name.replace(char::is_control, " ");
        let reason = format!("among the best of `{name}` ({}{rest})", next.experiment);
        Ok(Proposal {
            member: Some(MEMBER),
            ..view.unmodelled(&next.levels, &reason)
        })
    }
}

/// Returns the settings to begin with, in order.
fn carried<'a>(view: &View<'_>, earlier: &'a [EarlierStudy]) -> Vec<Carried<'a>> {
    let most = PROPOSALS_MAX.min(view.ask.budget as usize / BUDGET_SHARE);
    let ranked: Vec<Vec<&Trial>> = earlier.iter().map(ranked).collect();
    let longest = ranked.iter().map(Vec::len).max().unwrap_or(0);
    let mut found: Vec<Carried<'a>> = Vec::new();
    for place in 0..longest {
        for (study, trials) in earlier.iter().zip(&ranked) {
            if found.len() == most {
                return found;
            }
            let one = trials
                .get(place)
                .and_then(|trial| carry(view, study, trial));
            if let Some(one) = one
                && found.iter().all(|other| distinct(&view.codec, &one, other))
            {
                found.push(one);
            }
        }
    }
    found
}

/// Returns the trials of a study that gave a number, the best first, the earlier of equals first.
fn ranked(study: &EarlierStudy) -> Vec<&Trial> {
    let measured = study.trials.iter().filter_map(|trial| match trial.result {
        TrialResult::Measured { mean, .. } if mean.is_finite() => Some((mean, trial)),
        TrialResult::Measured { .. } | TrialResult::Failed | TrialResult::StoppedEarly { .. } => {
            None
        }
    });
    let mut ranked: Vec<(f64, &Trial)> = measured.collect();
    ranked.sort_by(|a, b| {
        better_first(study.goal, a.0, b.0).then(a.1.experiment.cmp(&b.1.experiment))
    });
    ranked.into_iter().map(|(_, trial)| trial).collect()
}

/// Translates the settings of a trial; `None` when too little carries over.
fn carry<'a>(view: &View<'_>, study: &'a EarlierStudy, trial: &Trial) -> Option<Carried<'a>> {
    let space = view.codec.space();
    let mut settings = Settings::new();
    let (mut kept, mut all) = (0, 0);
    for (column, knob) in space.knobs().iter().enumerate() {
        if !space.is_active(knob, &settings) {
            continue;
        }
        all += 1;
        let old = trial.settings.get(&knob.name);
        let value = if let Some(value) = old.and_then(|value| knob.kind.nearest(value)) {
            kept += 1;
            value
        } else {
            let start = view.ask.start.get(&knob.name);
            start
                .filter(|value| knob.kind.contains(value))
                .cloned()
                .unwrap_or_else(|| view.codec.setting(column, 0.5))
        };
        settings.insert(knob.name.clone(), value);
    }
    let levels = view.codec.levels(&settings)?;
    (2 * kept >= all).then(|| Carried {
        study,
        experiment: trial.experiment,
        levels: view.codec.tidy(&levels),
        knobs: (kept, all),
    })
}

/// Tells whether two settings are worth an experiment each.
fn distinct(codec: &Codec<'_>, one: &Carried<'_>, other: &Carried<'_>) -> bool {
    let (a, b) = (codec.unit(&one.levels), codec.unit(&other.levels));
    let columns = a.iter().zip(&b).zip(one.levels.iter().zip(&other.levels));
    let mut columns = columns.map(|((a, b), (x, y))| (x.is_some() == y.is_some(), (a - b).abs()));
    columns.any(|(alike, distance)| !alike || distance > DISTINCT)
}

//! What finished studies of one kind teach: which knobs mattered, where good values lay, what to begin with.
//!
//! Everything is said of ranks within a study, never of values: a loss of one data set says nothing beside that of another.

use std::collections::BTreeMap;

use lyceum_types::{KnobKind, Scale, Setting, Settings, Space};

use crate::{
    event::Cite,
    past::{PastStudy, PastTrial},
};

/// Trials of a study that count as its good ones: this share of all, at least [`GOOD_MIN`].
const GOOD_SHARE: f64 = 0.2;
const GOOD_MIN: usize = 3;
/// Groups of a knob's values between which ranks are compared.
const GROUPS: usize = 4;
/// Trials that a group has in the mean, or nothing is said: fewer differ by chance alone.
const TRIALS_OF_GROUP: usize = 3;
/// Below this share of the differences a knob is said not to have mattered.
pub(crate) const MATTERS: f64 = 0.05;
/// Width of the neighbourhood in which a trial speaks for others, in the unit coordinate of a knob.
const WIDTH: f64 = 0.12;
/// Weight of knowing nothing about a value, beside the weights of the trials.
const IGNORANCE: f64 = 1.0;
/// Rounds of backfitting.
const ROUNDS: u32 = 5;
/// Values of a numeric knob among which the best is looked for, less one.
const STEPS: u32 = 40;
/// A trial is near if it is no further than this in the mean over knobs (root of the mean square).
const NEAR: f64 = 0.2;
/// Suggestions that are nearer to each other than this in every coordinate count as one.
const DISTINCT: f64 = 0.08;

/// What is known about one knob.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// The knob.
    pub knob: String,
    /// Whether it mattered.
    pub mattered: Mattered,
    /// The lowest and the highest good value, for numbers: from the tenth to the ninetieth part of all studies' good trials.
    pub good: Option<(f64, f64)>,
    /// For choices, the one that most good trials have, and the share of them.
    pub choice: Option<(Setting, f64)>,
    /// Studies whose own good trials lie there, of how many.
    pub recurs: (usize, usize),
    /// The good trials that say so.
    pub cites: Vec<Cite>,
}

/// How much of the differences between ranks one knob explains by itself: epsilon squared over groups of its values
/// (Kelley 1935), the mean over studies weighted by their trials. It can be below 0 by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mattered {
    /// The share.
    pub share: f64,
    /// The trials behind it.
    pub trials: usize,
}

/// Settings that are worth an early experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The settings, in the space that was asked for.
    pub settings: Settings,
    /// The rank that it is expected to have, the mean over studies: 1 is the best.
    pub rank: f64,
    /// Studies that have tried something near, of how many.
    pub near: (usize, usize),
    /// The trials that speak for it.
    pub cites: Vec<Cite>,
}

/// Returns what each knob taught, the one that mattered most first.
pub fn lessons(studies: &[PastStudy]) -> Vec<Lesson> {
    let Some(first) = studies.first() else {
        return vec![];
    };
    let knobs = first.knobs.iter().filter(|knob| {
        let has = |study: &PastStudy| study.knobs.iter().any(|one| one.name == knob.name);
        studies.iter().all(has)
    });
    let mut all: Vec<Lesson> = knobs
        .map(|knob| lesson(&knob.name, &knob.kind, studies))
        .collect();
    all.sort_by(|a, b| b.mattered.share.total_cmp(&a.mattered.share));
    all
}

fn lesson(knob: &str, kind: &KnobKind, studies: &[PastStudy]) -> Lesson {
    let (mut weighted, mut trials) = (0.0, 0);
    let mut pooled: Vec<&Setting> = Vec::new();
    let mut cites = Vec::new();
    for study in studies {
        if let Some((share, count)) = explained(study, knob, kind) {
            weighted += share * count as f64;
            trials += count;
        }
        let good = good(study);
        pooled.extend(good.iter().filter_map(|one| one.settings.get(knob)));
        cites.push(cite(study, &good));
    }
    let share = if trials == 0 {
        0.0
    } else {
        weighted / trials as f64
    };
    let range = range(&pooled);
    let choice = choice(&pooled);
    let there = studies.iter().filter(|study| {
        let values: Vec<&Setting> = good(study)
            .into_iter()
            .filter_map(|one| one.settings.get(knob))
            .collect();
        match (range, &choice) {
            (Some((low, high)), _) => middle(&values).is_some_and(|one| low <= one && one <= high),
            (None, Some((most, _))) => self::choice(&values).is_some_and(|(own, _)| own == *most),
            (None, None) => false,
        }
    });
    let recurs = (there.count(), studies.len());
    Lesson {
        knob: knob.to_owned(),
        mattered: Mattered { share, trials },
        good: range,
        choice,
        recurs,
        cites,
    }
}

/// Returns the good trials of a study, the best first.
pub(crate) fn good(study: &PastStudy) -> Vec<&PastTrial> {
    let ranks = study.ranks();
    let mut order: Vec<usize> = (0..ranks.len())
        .filter(|index| study.trials[*index].value.is_some())
        .collect();
    order.sort_by(|a, b| ranks[*b].total_cmp(&ranks[*a]).then(a.cmp(b)));
    let count = ((ranks.len() as f64 * GOOD_SHARE).round() as usize).max(GOOD_MIN);
    order.truncate(count);
    order
        .into_iter()
        .map(|index| &study.trials[index])
        .collect()
}

fn cite(study: &PastStudy, trials: &[&PastTrial]) -> Cite {
    let mut seqs: Vec<u64> = trials.iter().map(|one| one.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    Cite {
        stream: study.stream.clone(),
        seqs,
    }
}

/// Returns epsilon squared of one knob in one study, and the trials behind it; nothing where they are too few.
fn explained(study: &PastStudy, knob: &str, kind: &KnobKind) -> Option<(f64, usize)> {
    let ranks = study.ranks();
    let values: Vec<(f64, f64)> = study
        .trials
        .iter()
        .zip(ranks)
        .filter_map(|(one, rank)| Some((place(kind, one.settings.get(knob)?)?, rank)))
        .collect();
    let groups = groups(kind, &values);
    let (count, used) = (values.len(), groups.len());
    if used < 2 || count < TRIALS_OF_GROUP * used {
        return None;
    }
    let mean = values.iter().map(|(_, rank)| rank).sum::<f64>() / count as f64;
    let total: f64 = values.iter().map(|(_, rank)| (rank - mean).powi(2)).sum();
    if total <= 0.0 {
        return None;
    }
    let within: f64 = groups
        .iter()
        .map(|group| {
            let own = group.iter().sum::<f64>() / group.len() as f64;
            group.iter().map(|rank| (rank - own).powi(2)).sum::<f64>()
        })
        .sum();
    let free = (count - 1) as f64 / (count - used) as f64;
    Some((1.0 - within / total * free, count))
}

/// Returns the ranks of each group of values: of each choice, or of each quarter of the numbers.
fn groups(kind: &KnobKind, values: &[(f64, f64)]) -> Vec<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    let is_choice = matches!(kind, KnobKind::Categorical { .. } | KnobKind::Boolean);
    let mut last = (f64::NAN, 0);
    for (index, (value, rank)) in sorted.iter().enumerate() {
        let quarter = (index * GROUPS / sorted.len()) as u64;
        // Equal values stay together.
        let group = if is_choice {
            value.to_bits()
        } else if value.total_cmp(&last.0).is_eq() {
            last.1
        } else {
            quarter
        };
        last = (*value, group);
        groups.entry(group).or_default().push(*rank);
    }
    groups.into_values().collect()
}

/// Returns a value as a place on the knob's scale: 0 to 1 for numbers, a number of its own for each choice.
pub(crate) fn place(kind: &KnobKind, value: &Setting) -> Option<f64> {
    let within = |number: f64, low: f64, high: f64, scale: Scale| {
        let (number, low, high) = match scale {
            Scale::Log if number > 0.0 && low > 0.0 => (number.ln(), low.ln(), high.ln()),
            Scale::Log | Scale::Linear => (number, low, high),
        };
        if high > low {
            (number - low) / (high - low)
        } else {
            0.5
        }
    };
    match (kind, value) {
        (KnobKind::Float { low, high, scale }, value) => {
            Some(within(value.number()?, *low, *high, *scale))
        }
        (KnobKind::Integer { low, high, scale }, value) => {
            Some(within(value.number()?, *low as f64, *high as f64, *scale))
        }
        (KnobKind::Categorical { choices }, value) => {
            let index = choices.iter().position(|one| one == value)?;
            Some(index as f64)
        }
        (KnobKind::Boolean, Setting::Boolean(on)) => Some(f64::from(u8::from(*on))),
        (KnobKind::Boolean, _) => None,
    }
}

fn numbers(values: &[&Setting]) -> Vec<f64> {
    let mut numbers: Vec<f64> = values.iter().filter_map(|one| one.number()).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn range(values: &[&Setting]) -> Option<(f64, f64)> {
    let numbers = numbers(values);
    let last = numbers.len().checked_sub(1)?;
    let tenth = (last as f64 * 0.1).round() as usize;
    Some((numbers[tenth], numbers[last - tenth]))
}

fn middle(values: &[&Setting]) -> Option<f64> {
    let numbers = numbers(values);
    numbers.get(numbers.len() / 2).copied()
}

fn choice(values: &[&Setting]) -> Option<(Setting, f64)> {
    let chosen = values.iter().filter(|one| one.number().is_none());
    let mut counts: Vec<(&Setting, usize)> = Vec::new();
    let mut all = 0;
    for value in chosen {
        all += 1;
        match counts.iter_mut().find(|(one, _)| one == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    let (value, count) = counts.into_iter().find(|(_, count)| *count == most)?;
    Some((value.clone(), count as f64 / f64::from(all)))
}

/// Returns at most `count` settings to begin a study of this space with, in the order of the rank that all of the studies
/// together expect of them, no two nearly the same: good trials of the studies, and the best value of each knob together.
pub fn suggest(studies: &[PastStudy], space: &Space, count: usize) -> Vec<Suggestion> {
    let known: Vec<Known<'_>> = studies
        .iter()
        .map(|study| Known::of(study, space))
        .collect();
    let good = studies.iter().flat_map(good);
    let good = good.filter_map(|trial| carried(space, &trial.settings));
    let mut candidates: Vec<Settings> = good.collect();
    if !known.is_empty() {
        candidates.push(best_of_each(&known, space));
    }
    let mut all: Vec<(Suggestion, Vec<f64>)> = candidates
        .into_iter()
        .map(|settings| suggestion(&known, space, settings))
        .collect();
    all.sort_by(|a, b| b.0.rank.total_cmp(&a.0.rank));
    let mut chosen: Vec<(Suggestion, Vec<f64>)> = Vec::new();
    for (suggestion, point) in all {
        let alike = |other: &[f64]| {
            let mut pairs = point.iter().zip(other);
            pairs.all(|(a, b)| apart(*a, *b) < DISTINCT)
        };
        if chosen.len() < count && !chosen.iter().any(|(_, other)| alike(other)) {
            chosen.push((suggestion, point));
        }
    }
    chosen.into_iter().map(|(one, _)| one).collect()
}

fn suggestion(known: &[Known<'_>], space: &Space, settings: Settings) -> (Suggestion, Vec<f64>) {
    let point = point(space, &settings);
    let told = known.iter().map(|one| one.expect(&point));
    let rank = told.sum::<f64>() / known.len().max(1) as f64;
    let cites: Vec<Cite> = known.iter().filter_map(|one| one.cite(&point)).collect();
    let suggestion = Suggestion {
        settings,
        rank: rank.clamp(0.0, 1.0),
        near: (cites.len(), known.len()),
        cites,
    };
    (suggestion, point)
}

/// Returns the settings in which each knob has the value that the studies together found best, whatever the others were.
fn best_of_each(known: &[Known<'_>], space: &Space) -> Settings {
    let mut settings = Settings::new();
    for (column, knob) in space.knobs().iter().enumerate() {
        if !space.is_active(knob, &settings) {
            continue;
        }
        let values = values(&knob.kind).into_iter().filter_map(|value| {
            let at = place(&knob.kind, &value)?;
            let effect: f64 = known.iter().map(|one| one.effect(column, at)).sum();
            Some((effect, value))
        });
        if let Some((_, value)) = values.max_by(|a, b| a.0.total_cmp(&b.0)) {
            settings.insert(knob.name.clone(), value);
        }
    }
    settings
}

/// Returns values over the whole of a knob.
fn values(kind: &KnobKind) -> Vec<Setting> {
    let steps = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
    let between = |low: f64, high: f64, scale: Scale, part: f64| match scale {
        Scale::Log if low > 0.0 => (low.ln() + part * (high.ln() - low.ln()))
            .exp()
            .clamp(low, high),
        Scale::Log | Scale::Linear => low + part * (high - low),
    };
    match kind {
        KnobKind::Float { low, high, scale } => steps
            .map(|part| Setting::Float(between(*low, *high, *scale, part)))
            .collect(),
        KnobKind::Integer { low, high, scale } => steps
            .map(|part| between(*low as f64, *high as f64, *scale, part).round() as i64)
            .map(|value| Setting::Integer(value.clamp(*low, *high)))
            .collect(),
        KnobKind::Categorical { choices } => choices.clone(),
        KnobKind::Boolean => vec![Setting::Boolean(false), Setting::Boolean(true)],
    }
}

/// What a study expects of settings of another space: the mean rank, and what each knob adds by itself, each a smooth
/// curve over its values (an additive model by backfitting, Hastie and Tibshirani 1986). Knobs that work only together
/// are beyond it; a few dozen trials say little of that.
pub(crate) struct Known<'a> {
    study: &'a PastStudy,
    points: Vec<(Vec<f64>, u64)>,
    mean: f64,
    /// For each knob what remains of each trial's rank when the other knobs' parts are taken away.
    partial: Vec<Vec<f64>>,
    /// For each knob the mean of its curve over the trials.
    centre: Vec<f64>,
}

impl<'a> Known<'a> {
    pub(crate) fn of(study: &'a PastStudy, space: &Space) -> Known<'a> {
        let trials = study.trials.iter().zip(study.ranks());
        let (points, ranks): (Vec<_>, Vec<f64>) = trials
            .filter_map(|(trial, rank)| {
                let settings = carried(space, &trial.settings)?;
                Some(((point(space, &settings), trial.seq), rank))
            })
            .unzip();
        let (knobs, count) = (space.knobs().len(), ranks.len());
        let mean = ranks.iter().sum::<f64>() / count.max(1) as f64;
        let mut known = Known {
            study,
            points,
            mean: if count == 0 { 0.5 } else { mean },
            partial: vec![vec![0.0; count]; knobs],
            centre: vec![0.0; knobs],
        };
        let mut effects = vec![vec![0.0; count]; knobs];
        for _ in 0..ROUNDS {
            for knob in 0..knobs {
                for trial in 0..count {
                    let others: f64 = effects.iter().map(|effect| effect[trial]).sum();
                    known.partial[knob][trial] =
                        ranks[trial] - known.mean - others + effects[knob][trial];
                }
                known.centre[knob] = 0.0;
                let raw: Vec<f64> = known
                    .points
                    .iter()
                    .map(|(own, _)| known.effect(knob, own[knob]))
                    .collect();
                let centre = raw.iter().sum::<f64>() / count.max(1) as f64;
                known.centre[knob] = centre;
                effects[knob] = raw.into_iter().map(|effect| effect - centre).collect();
            }
        }
        known
    }

    /// Returns what a knob's value adds to the rank.
    fn effect(&self, knob: usize, at: f64) -> f64 {
        let (mut sum, mut weights) = (0.0, IGNORANCE);
        for ((own, _), partial) in self.points.iter().zip(&self.partial[knob]) {
            let weight = (-0.5 * (apart(own[knob], at) / WIDTH).powi(2)).exp();
            sum += weight * partial;
            weights += weight;
        }
        sum / weights - self.centre[knob]
    }

    /// Returns the rank that the study expects of a point.
    pub(crate) fn expect(&self, point: &[f64]) -> f64 {
        let effects = point.iter().enumerate();
        self.mean
            + effects
                .map(|(knob, at)| self.effect(knob, *at))
                .sum::<f64>()
    }

    /// Returns the trials that have tried something near, if there are any.
    fn cite(&self, point: &[f64]) -> Option<Cite> {
        let near = self.points.iter().filter(|(own, _)| {
            let steps = own.iter().zip(point).map(|(a, b)| apart(*a, *b).powi(2));
            steps.sum::<f64>() <= NEAR.powi(2) * point.len() as f64
        });
        let mut seqs: Vec<u64> = near.map(|(_, seq)| *seq).collect();
        seqs.sort_unstable();
        seqs.dedup();
        (!seqs.is_empty()).then(|| Cite {
            stream: self.study.stream.clone(),
            seqs,
        })
    }
}

/// Returns how far two coordinates are from each other; an inactive knob is like an inactive one and far from any value.
fn apart(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (a - b).abs(),
        (true, false) | (false, true) => 1.0,
    }
}

/// Returns settings as a point: numbers from 0 to 1, choices a whole step apart, NaN for knobs that are off.
pub(crate) fn point(space: &Space, settings: &Settings) -> Vec<f64> {
    let knobs = space.knobs().iter();
    knobs
        .map(|knob| {
            let value = settings.get(&knob.name);
            value
                .and_then(|value| place(&knob.kind, value))
                .unwrap_or(f64::NAN)
        })
        .collect()
}

/// Returns settings of an earlier study in another space; `None` when a knob that is on has no value there.
pub(crate) fn carried(space: &Space, settings: &Settings) -> Option<Settings> {
    let mut carried = Settings::new();
    for knob in space.knobs() {
        if !space.is_active(knob, &carried) {
            continue;
        }
        let value = knob.kind.nearest(settings.get(&knob.name)?)?;
        carried.insert(knob.name.clone(), value);
    }
    Some(carried)
}

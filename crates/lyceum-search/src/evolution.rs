//! The `evolution` researcher: typed edits of what is known, with regularised evolution.

use lyceum_types::ExperimentId;

use crate::{
    codec::{Codec, Levels},
    explain,
    researcher::{Ask, Error, Proposal, Researcher, TrialResult},
    stream::Stream,
    unseen::first_unseen,
    view::{View, better_first},
};

/// Most and least experiments that are alive at once; between them a quarter of the budget.
const ALIVE: (usize, usize) = (8, 50);
/// Experiments that compete for being edited, as a share of those alive.
const RIVALS: usize = 4;
/// Chance of one edit more, after each.
const ONE_MORE: f64 = 0.3;
/// How often a number is drawn anew instead of stepped from.
const ANEW: f64 = 0.15;
/// Spread of a step, as a share of the knob's range on its scale.
const STEP: f64 = 0.12;

/// Edits one of the better among the latest experiments (regularised evolution: Real, Aggarwal, Huang and Le, "Regularized
/// evolution for image classifier architecture search", 2019).
///
/// Each edit has the type of its knob: a number is stepped from on its scale, a whole number by at least one, a choice
/// becomes another choice, a switch is turned. The start is always among what may be edited. Whatever is old dies, however
/// good it was, so a lucky measurement does not rule for ever; failures take part and lose.
///
/// With knobs that stand in the template of a source file (constants, operators, the order of statements as a choice of
/// texts), these are edits of a program. It is still not coding: nothing is written that the study did not offer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evolution;

/// An experiment that may be edited.
struct Alive {
    /// The experiment; `None` for the start where it was not measured.
    experiment: Option<ExperimentId>,
    levels: Levels,
    value: Option<f64>,
}

impl Researcher for Evolution {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let mut stream = Stream::new(ask.seed.derive("evolution", ask.number));
        let alive = alive(ask, &view);
        let parent = parent(ask, &alive, &mut stream);
        let edit = |stream: &mut Stream| edited(&view.codec, &parent.levels, stream);
        let levels =
            first_unseen(&view.codec, &view.taken, &mut stream, edit).ok_or(view.exhausted())?;
        let settings = view.codec.settings(&levels);
        let change = explain::change(&view.codec, &settings, &view.codec.settings(&parent.levels));
        let of = parent
            .experiment
            .map_or_else(|| "the start".to_owned(), |id| id.to_string());
        let count = alive.len();
        Ok(Proposal {
            hypothesis: format!("edit of {of}, the best of a few among {count}: {change}"),
            settings,
            prediction: None,
            evidence: parent.experiment.into_iter().collect(),
            member: None,
        })
    }
}

/// Returns the start and the latest experiments.
fn alive(ask: &Ask<'_>, view: &View<'_>) -> Vec<Alive> {
    let most = (ask.budget as usize / 4).clamp(ALIVE.0, ALIVE.1);
    let start = view.start();
    let mut first = Alive {
        experiment: None,
        levels: start.clone(),
        value: None,
    };
    let mut alive = Vec::new();
    for trial in ask.history {
        let Some(levels) = view.codec.levels(&trial.settings) else {
            continue;
        };
        let value = match trial.result {
            TrialResult::Measured { mean, .. } if mean.is_finite() => Some(mean),
            TrialResult::Measured { .. }
            | TrialResult::Failed
            | TrialResult::StoppedEarly { .. } => None,
        };
        let one = Alive {
            experiment: Some(trial.experiment),
            levels,
            value,
        };
        if one.levels == start {
            first = one;
        } else {
            alive.push(one);
        }
    }
    let mut latest = alive.split_off(alive.len().saturating_sub(most));
    latest.push(first);
    latest
}

/// Returns the best of a few drawn at random; what failed or was not measured loses against every number.
fn parent<'a>(ask: &Ask<'_>, alive: &'a [Alive], stream: &mut Stream) -> &'a Alive {
    let draw = |stream: &mut Stream| &alive[stream.below(alive.len() as u64) as usize];
    let mut best = draw(stream);
    for _ in 1..alive.len().div_ceil(RIVALS) {
        let rival = draw(stream);
        let wins = match (rival.value, best.value) {
            (Some(new), Some(old)) => better_first(ask.goal, new, old).is_lt(),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if wins {
            best = rival;
        }
    }
    best
}

/// Returns the unit coordinates of a point with one edit or a few; knobs that are off are not edited.
fn edited(codec: &Codec<'_>, parent: &Levels, stream: &mut Stream) -> Vec<f64> {
    let mut unit = codec.unit(parent);
    let active: Vec<usize> = (0..codec.knobs())
        .filter(|column| parent[*column].is_some() && codec.count(*column) != Some(1))
        .collect();
    // Knobs that an edit switches on start anywhere.
    for (column, value) in unit.iter_mut().enumerate() {
        if parent[column].is_none() {
            *value = stream.unit();
        }
    }
    if active.is_empty() {
        return unit;
    }
    loop {
        let column = active[stream.below(active.len() as u64) as usize];
        unit[column] = if codec.is_choice(column) {
            other_choice(codec, column, unit[column], stream)
        } else {
            stepped(codec.cell(column), unit[column], stream)
        };
        if stream.unit() >= ONE_MORE {
            return unit;
        }
    }
}

/// Returns the coordinate of another choice.
fn other_choice(codec: &Codec<'_>, column: usize, from: f64, stream: &mut Stream) -> f64 {
    let count = codec.count(column).unwrap_or(1);
    let here = (from * count as f64) as u64;
    let next = (here + 1 + stream.below(count.saturating_sub(1).max(1))) % count;
    (next as f64 + 0.5) / count as f64
}

/// Returns a step from a number, by at least one value of a whole number, or a new number.
fn stepped(cell: f64, from: f64, stream: &mut Stream) -> f64 {
    if stream.unit() < ANEW {
        return stream.unit();
    }
    let drawn = STEP * stream.normal();
    let step = drawn.abs().max(cell).copysign(drawn);
    // A step beyond a bound goes the other way, so that bounds do not collect what was meant to go further.
    let to = if (0.0..=1.0).contains(&(from + step)) {
        from + step
    } else {
        from - step
    };
    to.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use lyceum_types::{Knob, KnobKind, Scale, Seed, Setting, Space};

    use super::*;

    fn knob(name: &str, kind: KnobKind) -> Knob {
        Knob {
            name: name.to_owned(),
            kind,
            condition: None,
        }
    }

    #[test]
    fn every_edit_changes_something_and_each_kind_in_its_way() {
        let choices = ["+", "-", "*"].map(|text| Setting::Text(text.to_owned()));
        let space = Space::new(vec![
            knob(
                "tile",
                KnobKind::Integer {
                    low: 1,
                    high: 9,
                    scale: Scale::Linear,
                },
            ),
            knob(
                "op",
                KnobKind::Categorical {
                    choices: choices.to_vec(),
                },
            ),
            knob("unroll", KnobKind::Boolean),
            knob(
                "only",
                KnobKind::Categorical {
                    choices: vec![Setting::Integer(1)],
                },
            ),
        ])
        .unwrap();
        let codec = Codec::new(&space);
        let mut stream = Stream::new(Seed(1));
        let parent = vec![Some(9.0), Some(1.0), Some(0.0), Some(0.0)];
        let (mut same, mut single) = (0, 0);
        for _ in 0..2000 {
            let child = codec.point(&edited(&codec, &parent, &mut stream));
            let changed = child.iter().zip(&parent).filter(|(a, b)| a != b).count();
            same += u32::from(changed == 0);
            single += u32::from(changed == 1);
            assert_eq!(child[3], Some(0.0));
        }
        // Only a number drawn anew, or an edit taken back, can give the parent again.
        assert!(same < 200 && single > 1300, "{same} {single}");
    }

    #[test]
    fn the_best_of_those_drawn_is_edited_and_a_failure_never_before_a_number() {
        let one = |value: Option<f64>| Alive {
            experiment: None,
            levels: Vec::new(),
            value,
        };
        let mut alive: Vec<Alive> = (0..39).map(|_| one(None)).collect();
        alive.push(one(Some(5.0)));
        let space = Space::default();
        let ask = Ask {
            space: &space,
            goal: lyceum_types::Goal::Maximize,
            start: &lyceum_types::Settings::new(),
            history: &[],
            pending: &[],
            noise_sd: None,
            priors: &[],
            rungs: 0,
            seed: Seed(1),
            number: 0,
            budget: 40,
        };
        let mut stream = Stream::new(Seed(1));
        let count = (0..1000).filter(|_| parent(&ask, &alive, &mut stream).value.is_some());
        // One of forty, drawn at least once in ten draws: 1 - 0.975^10 = 0.22.
        let count = count.count();
        assert!((170..280).contains(&count), "{count}");
    }
}

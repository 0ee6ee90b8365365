//! Counting over all attempts, with exact intervals and bars.

use lyceum_stats::clopper_pearson;
use lyceum_types::Class;
use serde::Serialize;

use crate::{Judged, LAYERS, Label, Trial};

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// A part of a whole, with its exact interval (Clopper and Pearson, 1934) at 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Part {
    fn new(count: usize, of: usize) -> Part {
        let (count, of) = (count as u64, of as u64);
        let (low, high) = clopper_pearson(count, of, CONFIDENCE).unwrap_or((0.0, 1.0));
        Part {
            count,
            of,
            low,
            high,
        }
    }
}

/// What a layer of defence, with those before it, achieves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerCount {
    /// The layer.
    pub name: String,
    /// Cheats that pay.
    pub pays: Part,
    /// Cheats that are found.
    pub found: Part,
    /// Honest runs that are flagged for review or blocked.
    pub flagged: Part,
}

/// Which bars hold. A part of a corpus is held to the same rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "five bars, each held or not")]
pub struct Bars {
    /// No cheat pays.
    pub payoff: bool,
    /// At most one cheat of 32 is not found.
    pub recall: bool,
    /// No honest run is blocked.
    pub block: bool,
    /// At most 5 % of the honest runs are flagged for review.
    pub review: bool,
    /// Every attempt does what its label says.
    pub controls: bool,
}

impl Bars {
    /// Tells whether all hold.
    pub fn all(self) -> bool {
        self.payoff && self.recall && self.block && self.review && self.controls
    }
}

/// The corpus in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Cheats that pay, of all cheats.
    pub payoff: Part,
    /// Cheats that are found, of all cheats.
    pub recall: Part,
    /// Cheats among the attempts that are flagged for review or blocked.
    pub precision: Part,
    /// Cheats whose gravest incident is of an expected detector, of those found.
    pub attribution: Part,
    /// Honest runs that are blocked, of all honest runs.
    pub block: Part,
    /// Honest runs that are flagged for review and not blocked, of all honest runs.
    pub review: Part,
    /// Honest attempts with a blocked run, of all honest attempts: runs of one attempt are not independent.
    pub block_attempts: Part,
    /// Attempts whose control holds, of all attempts.
    pub controls: Part,
    /// The ablation.
    pub layers: Vec<LayerCount>,
    /// Which bars hold.
    pub bars: Bars,
}

/// Counts.
pub fn score(judged: &[Judged]) -> Score {
    let cheats = of(judged, Label::Cheat);
    let honest = of(judged, Label::Honest);
    let runs: Vec<&Trial> = honest.iter().flat_map(|one| &one.trials).collect();
    let count = |all: &[&Judged], test: &dyn Fn(&Judged) -> bool| {
        all.iter().filter(|one| test(one)).count()
    };
    let any = |one: &Judged, least| {
        let mut trials = one.trials.iter();
        match one.label {
            Label::Cheat => trials.any(|trial| trial.flagged(least)),
            Label::Honest => trials.any(|trial| trial.accused(least, |_| true)),
        }
    };
    let accused = |one: &Judged| any(one, Class::Review);
    let blocked = |one: &Judged| any(one, Class::Block);
    let told = |least| {
        let told = |run: &&&Trial| run.accused(least, |_| true);
        runs.iter().filter(told).count()
    };
    let (blocks, flags) = (told(Class::Block), told(Class::Review));
    let (caught, wronged) = (count(&cheats, &accused), count(&honest, &accused));
    let found = count(&cheats, &Judged::found);
    let payoff = Part::new(count(&cheats, &|one| one.paid), cheats.len());
    let recall = Part::new(found, cheats.len());
    let block = Part::new(blocks, runs.len());
    let review = Part::new(flags - blocks, runs.len());
    let controls = Part::new(
        judged.iter().filter(|one| one.control).count(),
        judged.len(),
    );
    let bars = Bars {
        payoff: payoff.count == 0,
        recall: recall.count * 32 >= recall.of * 31,
        block: block.count == 0,
        review: review.count * 20 <= review.of,
        controls: controls.count == controls.of,
    };
    Score {
        payoff,
        recall,
        precision: Part::new(caught, caught + wronged),
        attribution: Part::new(count(&cheats, &Judged::attributed), found),
        block,
        review,
        block_attempts: Part::new(count(&honest, &blocked), honest.len()),
        controls,
        layers: layers(&cheats, &runs),
        bars,
    }
}

fn of(judged: &[Judged], label: Label) -> Vec<&Judged> {
    judged.iter().filter(|one| one.label == label).collect()
}

/// Counts layer by layer. Without a clean room the naive grader's word is the score; with it, the measured value is.
fn layers(cheats: &[&Judged], runs: &[&Trial]) -> Vec<LayerCount> {
    let mut on: Vec<&str> = Vec::new();
    let mut counts = Vec::new();
    for (level, layer) in LAYERS.iter().enumerate() {
        on.extend(layer.detectors);
        let seen = |trial: &Trial, least: Class| {
            trial
                .incidents
                .iter()
                .any(|one| one.class >= least && on.contains(&one.detector.as_str()))
        };
        let stopped = |one: &Judged| one.trials.iter().any(|trial| seen(trial, Class::Block));
        let pays = |one: &&&Judged| match level {
            0 => one.control,
            _ => one.gained && !stopped(one),
        };
        let found = |one: &&&Judged| {
            let told = |trial| seen(trial, Class::Neutralised);
            one.trials.iter().any(told)
        };
        let flagged = runs
            .iter()
            .filter(|run| run.accused(Class::Review, |one| on.contains(&one)))
            .count();
        counts.push(LayerCount {
            name: layer.name.to_owned(),
            pays: Part::new(cheats.iter().filter(pays).count(), cheats.len()),
            found: Part::new(cheats.iter().filter(found).count(), cheats.len()),
            flagged: Part::new(flagged, runs.len()),
        });
    }
    counts
}

//! The `sweep` researcher: one knob at a time.

use crate::{
    codec::Levels,
    explain,
    researcher::{Ask, Error, Proposal, Researcher},
    stream::Stream,
    unseen::first_unseen,
    view::{Observed, View},
};

/// Values of one knob that are compared before one is proposed.
const VALUES: usize = 64;

/// Turns one knob after the other on the best settings so far, each to the value that is furthest from those tried there.
///
/// Each experiment differs from a known one in a single knob, so a person can read off what that knob does. It cannot
/// find what only two knobs together bring.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoordinateSweep;

impl Researcher for CoordinateSweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let mut stream = Stream::new(ask.seed.derive("sweep", ask.number));
        let best = view.best();
        let centre = match best {
            Some(best) => best.levels.clone(),
            None => view.start(),
        };
        let order = view.order();
        for turn in 0..order.len() {
            let column = order[(ask.number as usize + turn) % order.len()];
            if let Some(levels) = view.turned(&centre, column, &mut stream) {
                return Ok(view.swept(&levels, &centre, column, best));
            }
        }
        // Every value of every knob was tried around the best: jump.
        let uniform =
            |stream: &mut Stream| (0..view.codec.knobs()).map(|_| stream.unit()).collect();
        let levels =
            first_unseen(&view.codec, &view.taken, &mut stream, uniform).ok_or(view.exhausted())?;
        let settings = view.codec.settings(&levels);
        let change = explain::change(&view.codec, &settings, ask.start);
        Ok(Proposal {
            hypothesis: format!("nothing left beside the best, elsewhere: {change}"),
            settings,
            prediction: None,
            evidence: Vec::new(),
            member: None,
        })
    }
}

impl View<'_> {
    /// Returns the knobs in the order of the sweep, which the study's seed decides.
    fn order(&self) -> Vec<usize> {
        let mut stream = Stream::new(self.ask.seed.derive("sweep order", 0));
        let mut order: Vec<usize> = (0..self.codec.knobs()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, stream.below(last as u64 + 1) as usize);
        }
        order
    }

    /// Returns the free point that differs from the centre in this knob alone (and in the knobs that it switches), as far
    /// as possible from the values tried there; `None` when none is free.
    fn turned(&self, centre: &[Option<f64>], column: usize, stream: &mut Stream) -> Option<Levels> {
        self.codec.is_active(column, centre).then_some(())?;
        let unit = self.codec.unit(centre);
        let at = |value: f64| {
            let mut unit = unit.clone();
            unit[column] = value;
            self.codec.tidy(&self.codec.point(&unit))
        };
        let same_line = |other: &Levels| {
            let line = at(self.codec.unit(other)[column]);
            line == *other
        };
        let mut tried: Vec<f64> = vec![unit[column]];
        let seen = self.taken.iter().filter(|other| same_line(other));
        tried.extend(seen.map(|other| self.codec.unit(other)[column]));
        let shift = stream.unit();
        let distance = |value: f64| {
            let each = tried.iter().map(|other| (value - other).abs());
            each.fold(f64::INFINITY, f64::min)
        };
        let mut best: Option<(f64, Levels)> = None;
        for index in 0..VALUES {
            let point = at((index as f64 + shift) / VALUES as f64);
            let far = distance(self.codec.unit(&point)[column]);
            let better = best.as_ref().is_none_or(|(least, _)| far > *least);
            if better && !self.taken.contains(&point) {
                best = Some((far, point));
            }
        }
        best.map(|(_, point)| point)
    }

    fn swept(
        &self,
        levels: &[Option<f64>],
        centre: &[Option<f64>],
        column: usize,
        best: Option<&Observed>,
    ) -> Proposal {
        let settings = self.codec.settings(levels);
        let name = &self.codec.space().knobs()[column].name;
        let change = explain::change(&self.codec, &settings, &self.codec.settings(centre));
        let around = best.map_or_else(String::new, |best| format!(" on {}", best.experiment));
        Proposal {
            hypothesis: format!("sweep of {name}{around}: {change}"),
            settings,
            prediction: None,
            evidence: best.iter().map(|best| best.experiment).collect(),
            member: None,
        }
    }
}

//! The `portfolio` researcher: several researchers, and who has the next turn.

use crate::{
    GaussianProcess, Parzen,
    credit::Credit,
    researcher::{Ask, Error, Proposal, Researcher},
    strategy::EvolutionStrategy,
    stream::Stream,
    view::View,
};

/// More knobs than this are many: a Gaussian process with a length scale for each learns little from what a study pays.
const KNOBS_MANY: usize = 15;
/// Experiments for each knob from which an evolution strategy has its generations.
const GENEROUS: u32 = 15;

/// Results from which there is a usual difference between them.
const RESULTS_MIN: usize = 8;

/// Gives each turn to one of `gp`, `tpe` and `cma`.
///
/// Begins with what the shape of the study speaks for, and shifts to whoever's proposals beat the experiments around
/// them and whose forecasts come true. Each proposal says who made it and with which share of the turns; the record
/// names that researcher. With little evidence it stays with the shape: a study is short, and a single good result says
/// little about who will find the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portfolio;

impl Researcher for Portfolio {
    fn name(&self) -> &'static str {
        "portfolio"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let members: [(&str, &dyn Researcher); 3] = [
            ("gp", &GaussianProcess),
            ("tpe", &Parzen),
            ("cma", &EvolutionStrategy),
        ];
        let credits: Vec<Credit> = members
            .iter()
            .map(|(name, _)| Credit::of(ask, name, view.suits(name)))
            .collect();
        let shares = Credit::shares(&credits);
        let mut stream = Stream::new(ask.seed.derive("portfolio", ask.number));
        let mut left = stream.unit();
        let chosen = shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let chosen = chosen.unwrap_or(0);
        let (name, member) = members[chosen];
        let proposal = member.propose(ask)?;
        let share = 100.0 * shares[chosen];
        let shape = format!("by the shape of the study, {}", view.shape());
        Ok(Proposal {
            hypothesis: format!(
                "{}; {name} has {share:.0} % of the turns: {}",
                proposal.hypothesis,
                credits[chosen].reason(&shape)
            ),
            member: Some(name),
            ..proposal
        })
    }
}

impl View<'_> {
    /// Returns what the turns of members begin from, in words.
    fn shape(&self) -> String {
        let plural = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        let knobs = plural(self.codec.knobs(), "knob");
        let choices = match self.choices() {
            0 => String::new(),
            count => format!(" ({})", plural(count, "choice")),
        };
        let experiments = plural(self.ask.budget as usize, "experiment");
        let noise = match self.noise_level() {
            Some(level) if level > 0.0 => {
                format!(", noise {level:.2} of the usual difference between results")
            }
            Some(_) | None => String::new(),
        };
        let stops = match self.ask.rungs {
            0 => String::new(),
            rungs => format!(
                ", runs that may be stopped at {}",
                plural(rungs as usize, "point")
            ),
        };
        format!("{knobs}{choices} and {experiments}{noise}{stops}")
    }

    fn choices(&self) -> usize {
        let columns = 0..self.codec.knobs();
        columns
            .filter(|column| self.codec.is_choice(*column))
            .count()
    }

    /// Returns how well the shape of the study suits a member, relative to the others.
    ///
    /// Noise moves no share by itself: under noise as large as the differences between settings the others are as good as the
    /// process, yet to give them more of the turns was no better (the bench has both). What noise does shows in the credit.
    ///
    /// The numbers follow the benches of this crate (`bench/researchers`): the process is far ahead up to some fifteen
    /// knobs, the estimator is the better of the other two on choices and conditions, the strategy needs generations.
    fn suits(&self, member: &str) -> f64 {
        let knobs = self.codec.knobs();
        let choices = self.choices();
        let many = knobs > KNOBS_MANY;
        let generous = self.ask.budget >= GENEROUS * knobs as u32;
        match member {
            // Stopped runs give an order in place of values. The process makes too much of it: with stops `tpe` found
            // settings better than it did on all three tables.
            "gp" if self.ask.rungs > 0 => 0.2,
            "tpe" if self.ask.rungs > 0 => 1.0,
            "gp" if many => 0.6,
            "gp" => 1.0,
            "tpe" if 2 * choices > knobs => 0.15,
            "tpe" => 0.05,
            _ if 2 * choices > knobs => 0.0,
            _ if many && generous => 0.6,
            _ if many || generous => 0.1,
            _ => 0.02,
        }
    }

    /// Returns the noise of one run as a share of half of what lies between the quartiles of the results, at most 1; `None`
    /// where it is not known or there are too few results.
    fn noise_level(&self) -> Option<f64> {
        let noise = self.noise_sd?;
        let ranked = self.ranked();
        let quarter = ranked.len() / 4;
        if ranked.len() < RESULTS_MIN {
            return None;
        }
        let (low, high) = (
            ranked[quarter].value,
            ranked[ranked.len() - 1 - quarter].value,
        );
        let half = 0.5 * (high - low).abs();
        Some(if noise < half {
            noise / half
        } else {
            f64::from(noise > 0.0)
        })
    }
}

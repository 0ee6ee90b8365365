//! One generation of the evolution strategy: a distribution, and its step to the next.

use lyceum_types::Seed;

use crate::{codec::Codec, eigen::Eigen, stream::Stream};

/// First spread, as a share of each knob's range.
const SPREAD: f64 = 0.3;
/// Above this many numeric knobs only their own spreads are learnt (Ros and Hansen, 2008).
const JOINT_MAX: usize = 40;
/// Spread below which the search has converged.
const CONVERGED: f64 = 1e-5;
/// Least spread of a whole number in widths of one value: one draw in ten changes it.
const WHOLE_SPREAD: f64 = 0.3;
/// How fast shares of choices follow the better half, and what is kept for the rare ones.
const CHOICE_RATE: f64 = 0.3;
const CHOICE_KEPT: f64 = 0.1;
/// Draws before a coordinate beyond its bounds is taken to the bound.
const DRAWS: usize = 16;
/// Generations never grow beyond this.
const SIZE_MAX: usize = 128;

/// An experiment of a generation.
pub(crate) struct Member {
    pub(crate) unit: Vec<f64>,
    /// Which knobs were on.
    pub(crate) active: Vec<bool>,
    /// The smaller the better; `None` for a failure.
    pub(crate) loss: Option<f64>,
}

/// A distribution over the space.
pub(crate) struct Generation {
    /// Columns of the knobs with an order, and their least spread.
    numeric: Vec<(usize, f64)>,
    /// Columns of the choices with the share of each value.
    choices: Vec<(usize, Vec<f64>)>,
    size: usize,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Vec<Vec<f64>>,
    eigen: Eigen,
    path_covariance: Vec<f64>,
    path_sigma: Vec<f64>,
    /// Generations since the last beginning.
    age: usize,
    /// Least loss since the last beginning, and the age at which it was found.
    best: Option<(f64, usize)>,
    restarts: u64,
}

/// Learning rates (Hansen, 2016, table 1).
struct Rates {
    weights: Vec<f64>,
    effective: f64,
    sigma: f64,
    damping: f64,
    path: f64,
    rank_one: f64,
    rank_many: f64,
    /// Expected length of a standard normal vector.
    length: f64,
}

impl Rates {
    fn new(dimensions: usize, size: usize, chosen: usize) -> Rates {
        let n = dimensions as f64;
        let half = size as f64 / 2.0;
        let raw = (0..chosen).map(|rank| (half + 0.5).ln() - (rank as f64 + 1.0).ln());
        let raw: Vec<f64> = raw.map(|weight| weight.max(1e-12)).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.into_iter().map(|weight| weight / sum).collect();
        let effective = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let sigma = (effective + 2.0) / (n + effective + 5.0);
        let rank_one = 2.0 / ((n + 1.3) * (n + 1.3) + effective);
        let many = 2.0 * (effective - 2.0 + 1.0 / effective) / ((n + 2.0) * (n + 2.0) + effective);
        let separable = if dimensions > JOINT_MAX {
            (n + 2.0) / 3.0
        } else {
            1.0
        };
        Rates {
            weights,
            effective,
            sigma,
            damping: 1.0 + 2.0 * (((effective - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + sigma,
            path: (4.0 + effective / n) / (n + 4.0 + 2.0 * effective / n),
            rank_one,
            rank_many: (many.max(0.0) * separable).min(1.0 - rank_one),
            length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

impl Generation {
    /// Returns the first generation, around these unit coordinates.
    pub(crate) fn first(codec: &Codec<'_>, around: &[f64], budget: u32) -> Generation {
        let (mut numeric, mut choices) = (Vec::new(), Vec::new());
        for column in 0..codec.knobs() {
            if codec.is_choice(column) {
                let count = codec.count(column).unwrap_or(1) as usize;
                choices.push((column, vec![1.0 / count as f64; count]));
            } else {
                numeric.push((column, WHOLE_SPREAD * codec.cell(column)));
            }
        }
        let knobs = codec.knobs() as f64;
        let usual = 4 + (3.0 * knobs.ln()).floor() as usize;
        let mean = numeric.iter().map(|(column, _)| around[*column]).collect();
        let mut generation = Generation {
            // A budget of three generations teaches nothing.
            size: usual.min((budget as usize / 5).max(4)),
            numeric,
            choices,
            mean,
            sigma: SPREAD,
            covariance: Vec::new(),
            eigen: Eigen::of(&[]),
            path_covariance: Vec::new(),
            path_sigma: Vec::new(),
            age: 0,
            best: None,
            restarts: 0,
        };
        generation.forget();
        generation
    }

    /// Returns how many experiments make a generation.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Draws the unit coordinates of one member.
    pub(crate) fn draw(&self, codec: &Codec<'_>, stream: &mut Stream) -> Vec<f64> {
        let mut unit = vec![0.5; codec.knobs()];
        for (column, shares) in &self.choices {
            let mut left = stream.unit();
            let chosen = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            let index = chosen.unwrap_or(shares.len() - 1) as f64;
            unit[*column] = (index + 0.5) / shares.len() as f64;
        }
        let mut step = self.step(stream);
        for (index, (column, least)) in self.numeric.iter().enumerate() {
            let spread = self.sigma * self.covariance[index][index].sqrt();
            let mut value = self.mean[index] + step[index];
            if spread < *least {
                value = self.mean[index] + least * stream.normal();
            }
            for _ in 0..DRAWS {
                if (0.0..=1.0).contains(&value) {
                    break;
                }
                step = self.step(stream);
                value = self.mean[index] + step[index];
            }
            unit[*column] = value.clamp(0.0, 1.0);
        }
        unit
    }

    /// Returns what the distribution looks like, in words.
    pub(crate) fn describe(&self) -> String {
        let spreads = (0..self.mean.len()).map(|i| self.covariance[i][i].sqrt());
        let widest = spreads.fold(0.0, f64::max) * self.sigma;
        let again = match self.restarts {
            0 => String::new(),
            count => format!(", begun again {count} ×"),
        };
        format!(
            "generation {} of {} each, spread {:.1} % of the range{again}",
            self.age + 1,
            self.size,
            100.0 * widest
        )
    }

    /// Moves the distribution to the better half of its members.
    pub(crate) fn advance(&mut self, members: &[Member], seed: Seed) {
        let mut ranked: Vec<(f64, &Member)> = members
            .iter()
            .filter_map(|member| member.loss.map(|loss| (loss, member)))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked.truncate((self.size / 2).max(1));
        self.age += 1;
        let Some((least, _)) = ranked.first() else {
            // Nothing ran: look closer to where it began, and elsewhere if that does not help.
            self.sigma *= 0.5;
            if self.sigma < SPREAD / 8.0 {
                self.restart(seed);
            }
            return;
        };
        if self.best.is_none_or(|(best, _)| *least < best) {
            self.best = Some((*least, self.age));
        }
        let better: Vec<&Member> = ranked.into_iter().map(|(_, member)| member).collect();
        self.follow_choices(&better);
        if !self.numeric.is_empty() {
            self.adapt(&better);
        }
        if self.is_done() {
            self.restart(seed);
        }
    }

    fn adapt(&mut self, better: &[&Member]) {
        let n = self.numeric.len();
        let rates = Rates::new(n, self.size, better.len());
        let steps: Vec<Vec<f64>> = better.iter().map(|member| self.step_of(member)).collect();
        let weighted = steps.iter().zip(&rates.weights);
        let mut mean_step = vec![0.0; n];
        for (step, weight) in weighted {
            for (sum, value) in mean_step.iter_mut().zip(step) {
                *sum += weight * value;
            }
        }
        for (mean, step) in self.mean.iter_mut().zip(&mean_step) {
            *mean = (*mean + self.sigma * step).clamp(0.0, 1.0);
        }
        let kept = 1.0 - rates.sigma;
        let scale = (rates.sigma * (2.0 - rates.sigma) * rates.effective).sqrt();
        let whitened = self.whiten(&mean_step);
        for (path, step) in self.path_sigma.iter_mut().zip(&whitened) {
            *path = kept * *path + scale * step;
        }
        let length = norm(&self.path_sigma);
        let fresh = (1.0 - kept.powi(2 * self.age as i32)).sqrt();
        let moving = length / fresh / rates.length < 1.4 + 2.0 / (n as f64 + 1.0);
        let scale = (rates.path * (2.0 - rates.path) * rates.effective).sqrt();
        for (path, step) in self.path_covariance.iter_mut().zip(&mean_step) {
            *path = (1.0 - rates.path) * *path + f64::from(moving) * scale * step;
        }
        self.learn(&rates, &steps, moving);
        let growth = rates.sigma / rates.damping * (length / rates.length - 1.0);
        // A generation of others' experiments must not throw the step about (Hansen, 2011).
        self.sigma = (self.sigma * growth.min(1.0).exp()).min(1.0);
        self.eigen = Eigen::of(&self.covariance);
    }

    /// Updates the covariance by the path and by the steps of the better half.
    fn learn(&mut self, rates: &Rates, steps: &[Vec<f64>], moving: bool) {
        let n = self.mean.len();
        let stalled = f64::from(!moving) * rates.rank_one * rates.path * (2.0 - rates.path);
        let kept = 1.0 - rates.rank_one - rates.rank_many + stalled;
        for i in 0..n {
            let first = if n > JOINT_MAX { i } else { 0 };
            for j in first..=i {
                let many = steps.iter().zip(&rates.weights);
                let many: f64 = many.map(|(step, weight)| weight * step[i] * step[j]).sum();
                let one = self.path_covariance[i] * self.path_covariance[j];
                let new =
                    kept * self.covariance[i][j] + rates.rank_one * one + rates.rank_many * many;
                self.covariance[i][j] = new;
                self.covariance[j][i] = new;
            }
        }
    }

    /// Returns the step of a member in units of sigma, no longer than one that the distribution draws.
    fn step_of(&self, member: &Member) -> Vec<f64> {
        let n = self.numeric.len() as f64;
        let both = self.numeric.iter().zip(&self.mean);
        let step: Vec<f64> = both
            .map(|((column, _), mean)| {
                if member.active[*column] {
                    (member.unit[*column] - mean) / self.sigma
                } else {
                    0.0
                }
            })
            .collect();
        let length = norm(&self.whiten(&step));
        let longest = n.sqrt() + 2.0 * n / (n + 2.0);
        let scale = if length > longest {
            longest / length
        } else {
            1.0
        };
        step.into_iter().map(|value| scale * value).collect()
    }

    /// Returns `C^(-1/2) y`.
    fn whiten(&self, step: &[f64]) -> Vec<f64> {
        let mut white = vec![0.0; step.len()];
        for (value, vector) in self.eigen.values.iter().zip(&self.eigen.vectors) {
            let dot: f64 = vector.iter().zip(step).map(|(a, b)| a * b).sum();
            let scaled = dot / value.max(1e-300).sqrt();
            for (sum, element) in white.iter_mut().zip(vector) {
                *sum += scaled * element;
            }
        }
        white
    }

    /// Draws a step from the distribution.
    fn step(&self, stream: &mut Stream) -> Vec<f64> {
        let mut step = vec![0.0; self.mean.len()];
        for (value, vector) in self.eigen.values.iter().zip(&self.eigen.vectors) {
            let length = self.sigma * value.max(0.0).sqrt() * stream.normal();
            for (sum, element) in step.iter_mut().zip(vector) {
                *sum += length * element;
            }
        }
        step
    }

    /// Moves the shares of choices to those among the better half (Baluja, 1994).
    fn follow_choices(&mut self, better: &[&Member]) {
        for (column, shares) in &mut self.choices {
            let on: Vec<&&Member> = better
                .iter()
                .filter(|member| member.active[*column])
                .collect();
            let count = shares.len() as f64;
            for (index, share) in shares.iter_mut().enumerate() {
                let is_here = |member: &&&Member| (member.unit[*column] * count) as usize == index;
                let here = on.iter().filter(|member| is_here(member)).count() as f64;
                if !on.is_empty() {
                    let seen = (1.0 - CHOICE_KEPT) * here / on.len() as f64 + CHOICE_KEPT / count;
                    *share += CHOICE_RATE * (seen - *share);
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        let spreads = (0..self.mean.len()).map(|i| self.sigma * self.covariance[i][i].sqrt());
        let frozen = spreads
            .zip(&self.numeric)
            .all(|(spread, (_, least))| spread < least.max(CONVERGED));
        let found = self.best.map_or(0, |(_, age)| age);
        let patience = 10 + 30 * (self.mean.len() + self.choices.len()) / self.size;
        (frozen && !self.numeric.is_empty()) || self.age - found.min(self.age) > patience
    }

    /// Begins again at a random place with twice the generation.
    fn restart(&mut self, seed: Seed) {
        self.restarts += 1;
        let mut stream = Stream::new(seed.derive("cma restart", self.restarts));
        self.mean = self.mean.iter().map(|_| stream.unit()).collect();
        self.size = (2 * self.size).min(SIZE_MAX);
        for (_, shares) in &mut self.choices {
            let count = shares.len() as f64;
            shares.fill(1.0 / count);
        }
        self.forget();
    }

    /// Forgets all but where it is.
    fn forget(&mut self) {
        let n = self.mean.len();
        self.sigma = SPREAD;
        self.covariance = (0..n)
            .map(|i| (0..n).map(|j| f64::from(i == j)).collect())
            .collect();
        self.eigen = Eigen::of(&self.covariance);
        self.path_covariance = vec![0.0; n];
        self.path_sigma = vec![0.0; n];
        self.age = 0;
        self.best = None;
    }
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

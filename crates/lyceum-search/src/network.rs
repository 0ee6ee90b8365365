//! The `network` researcher: what the lab's own network believes.

use std::{cell::RefCell, sync::LazyLock};

pub use lyceum_train::prior_fitted::ReadError as NetworkError;
use lyceum_train::prior_fitted::{Component, DataSet, Network, Trained, Workspace};
use lyceum_types::{ExperimentId, Prediction};

use crate::{
    codec::Levels,
    explain,
    normal::{cumulative, log_improvement},
    researcher::{Ask, Error, Proposal, Researcher},
    stream::Stream,
    view::{Observed, View},
    warp::Warp,
};

/// Observations before the network has a say.
const MEASURED_MIN: usize = 3;
/// Known points that the network reads: the best half of these and the latest half. It has learnt from up to sixty.
const READ_MAX: usize = 120;
/// Past experiments named as evidence.
const EVIDENCE: usize = 3;
/// A point less likely than this to give a number is proposed only where there is no other.
const SUCCESS_MIN: f64 = 0.3;
/// How steeply the score falls below that.
const RISK_AVERSION: f64 = 20.0;

/// Differences between points that are laid out at once, for each column: beyond, questions are asked in several parts.
/// A space of hundreds of knobs would take hundreds of megabytes.
const CELLS_MAX: usize = 1 << 22;
/// Questions of a part at least: each part reads the known points again.
const PART_MIN: usize = 64;

/// The weights that the lab trained: `lyceum train network` makes this file again, `network.json` beside it is its
/// record. They are here and not with the trainer, which also serves the candidates of studies.
static SHIPPED: LazyLock<Trained> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the file is part of the program; a test reads it"
    )]
    Trained::read(include_bytes!("../network/network.safetensors")).expect("the shipped network")
});

/// Proposes where a small transformer expects the greatest improvement.
///
/// The network was trained on made-up functions only ([`lyceum_train::prior_fitted`]); it reads the study's history and
/// answers with a mixture of normal distributions for each candidate. There is no other model behind it: with untrained
/// weights it does no better than chance, and where experiments fail it reads the failures in the same way.
#[derive(Debug)]
pub struct NetworkResearcher {
    name: String,
    network: Network,
    parameters: Vec<f32>,
}

impl NetworkResearcher {
    /// Returns the researcher that asks the network of this program.
    pub fn shipped() -> NetworkResearcher {
        let Trained {
            network,
            parameters,
            ..
        } = SHIPPED.clone();
        NetworkResearcher::new("network", network, parameters)
    }

    /// Returns the researcher that asks the network in a file, which may come from anyone; `name` makes its name from
    /// the BLAKE3 of the weights, in hexadecimal digits.
    pub fn of_file(
        bytes: &[u8],
        name: impl Fn(&str) -> String,
    ) -> Result<NetworkResearcher, NetworkError> {
        let Trained {
            network,
            parameters,
            record,
        } = Trained::read(bytes)?;
        let name = name(&record.weights);
        Ok(NetworkResearcher::new(name, network, parameters))
    }

    /// Returns a researcher that asks this network with these weights.
    ///
    /// # Panics
    /// Where the weights are not as many as the network has parameters.
    pub fn new(
        name: impl Into<String>,
        network: Network,
        parameters: Vec<f32>,
    ) -> NetworkResearcher {
        assert_eq!(
            network.layout().len(),
            parameters.len(),
            "weights of this network"
        );
        NetworkResearcher {
            name: name.into(),
            network,
            parameters,
        }
    }
}

impl Researcher for NetworkResearcher {
    fn name(&self) -> &str {
        &self.name
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let mut stream = Stream::new(ask.seed.derive("network", ask.number));
        let known = view.observed.len() + view.failed.len() + view.pending.len();
        let design = view.design();
        if known < design || view.observed.len() < MEASURED_MIN {
            let levels = view.spread(&mut stream)?;
            return Ok(
                view.unmodelled(&levels, &format!("start design, {} of {design}", known + 1))
            );
        }
        let reading = Reading::new(self, &view);
        let centres = reading.centres();
        let best = view
            .candidates(&centres)
            .best_of_batches(&mut stream, |points| reading.scores(points));
        if let Some(levels) = best {
            return Ok(reading.reasoned(&levels));
        }
        let levels = view.spread(&mut stream)?;
        Ok(view.unmodelled(&levels, "nowhere better"))
    }
}

/// A history as the network reads it.
struct Reading<'a> {
    researcher: &'a NetworkResearcher,
    view: &'a View<'a>,
    warp: Warp,
    /// What was measured, without questions.
    measured: DataSet,
    /// Which experiments gave a number, as 1 and -1 scaled; nothing where none failed.
    ran: Option<(DataSet, f64)>,
    read: Vec<&'a Observed>,
    /// What it believes of the points that were read.
    believed: Vec<f64>,
    /// Least of these.
    incumbent: f64,
    workspace: RefCell<Workspace>,
}

impl<'a> Reading<'a> {
    fn new(researcher: &'a NetworkResearcher, view: &'a View<'a>) -> Reading<'a> {
        let read = recent_and_good(view);
        let values: Vec<f64> = read.iter().map(|one| one.value).collect();
        let warp = Warp::new(view.ask.goal, &values, view.noise_sd);
        let mut measured = DataSet {
            columns: view.codec.features(),
            noise: view.noise_sd.map(|sd| {
                let repeats = read.iter().map(|one| one.repeats).sum::<f64>() / read.len() as f64;
                (sd * warp.unit() / repeats.sqrt()) as f32
            }),
            ..DataSet::default()
        };
        for one in &read {
            measured.inputs.extend(single(&view.features(&one.levels)));
            measured.values.push(warp.forward(one.value) as f32);
        }
        let mut reading = Reading {
            researcher,
            view,
            warp,
            measured,
            ran: None,
            read,
            believed: Vec::new(),
            incumbent: 0.0,
            workspace: RefCell::default(),
        };
        let own: Vec<f32> = reading.measured.inputs.clone();
        reading.believed = reading.means(&own);
        reading.ran = reading.failures();
        let pending: Vec<f32> = view
            .pending
            .iter()
            .take(READ_MAX)
            .flat_map(|levels| single(&view.features(levels)))
            .collect();
        // Pending experiments are believed to come out as expected: that only takes away uncertainty.
        let expected = reading.means(&pending);
        reading.incumbent = reading
            .believed
            .iter()
            .chain(&expected)
            .fold(f64::INFINITY, |least, one| least.min(*one));
        reading.measured.inputs.extend(pending);
        reading
            .measured
            .values
            .extend(expected.iter().map(|one| *one as f32));
        reading
    }

    /// Returns the labels of what ran and what did not, and where the border between them is.
    fn failures(&self) -> Option<(DataSet, f64)> {
        if self.view.failed.is_empty() {
            return None;
        }
        let mut labels = DataSet {
            columns: self.measured.columns,
            inputs: self.measured.inputs.clone(),
            values: vec![1.0; self.read.len()],
            ..DataSet::default()
        };
        for levels in self.view.failed.iter().rev().take(READ_MAX) {
            labels.inputs.extend(single(&self.view.features(levels)));
            labels.values.push(-1.0);
        }
        let count = labels.values.len() as f32;
        let mean = labels.values.iter().sum::<f32>() / count;
        let sd = (1.0 - mean * mean).sqrt().max(1e-3);
        for value in &mut labels.values {
            *value = (*value - mean) / sd;
        }
        Some((labels, f64::from(-mean / sd)))
    }

    /// Returns what the network believes of each question.
    fn ask(&self, set: &DataSet, questions: &[f32]) -> Vec<Vec<Component>> {
        let NetworkResearcher {
            network,
            parameters,
            ..
        } = self.researcher;
        let rows = (CELLS_MAX / (set.columns * set.values.len()).max(1)).max(PART_MIN);
        let parts = questions.chunks((rows * set.columns).max(1));
        let answers = parts.flat_map(|part| {
            let set = DataSet {
                questions: part.to_vec(),
                ..set.clone()
            };
            network.predict(parameters, &set, &mut self.workspace.borrow_mut())
        });
        answers.collect()
    }

    fn means(&self, questions: &[f32]) -> Vec<f64> {
        let answers = self.ask(&self.measured, questions);
        answers.iter().map(|mixture| moments(mixture).0).collect()
    }

    /// Returns the points that were read, those believed best first.
    fn centres(&self) -> Vec<Levels> {
        let mut order: Vec<usize> = (0..self.read.len()).collect();
        order.sort_by(|a, b| self.believed[*a].total_cmp(&self.believed[*b]));
        let levels = order
            .into_iter()
            .map(|index| self.read[index].levels.clone());
        levels.collect()
    }

    /// Returns the logarithm of the expected improvement of each point, with the risk of a failure.
    fn scores(&self, points: &[Levels]) -> Vec<f64> {
        let features = points
            .iter()
            .flat_map(|levels| single(&self.view.features(levels)));
        let questions: Vec<f32> = features.collect();
        let answers = self.ask(&self.measured, &questions);
        let mut scores: Vec<f64> = answers
            .iter()
            .map(|mixture| self.improvement(mixture))
            .collect();
        if let Some((labels, border)) = &self.ran {
            for (score, mixture) in scores.iter_mut().zip(self.ask(labels, &questions)) {
                let log = above(&mixture, *border).max(1e-12).ln();
                *score += log + RISK_AVERSION * (log - SUCCESS_MIN.ln()).min(0.0);
            }
        }
        scores
    }

    fn improvement(&self, mixture: &[Component]) -> f64 {
        let logs: Vec<f64> = mixture
            .iter()
            .map(|one| {
                let (mean, sd) = (f64::from(one.mean), f64::from(one.sd));
                let log = log_improvement((self.incumbent - mean) / sd) + sd.ln();
                log + f64::from(one.weight).max(1e-30).ln()
            })
            .collect();
        let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        greatest
            + logs
                .iter()
                .map(|log| (log - greatest).exp())
                .sum::<f64>()
                .ln()
    }

    /// Returns a proposal with the network's reasons.
    fn reasoned(&self, levels: &[Option<f64>]) -> Proposal {
        let view = self.view;
        let features = view.features(levels);
        let answers = self.ask(&self.measured, &single(&features));
        let mixture = answers.first().map(Vec::as_slice).unwrap_or_default();
        let (mean, variance) = moments(mixture);
        let prediction: Prediction = self.warp.prediction(mean, variance);
        let chance = 100.0 * (1.0 - above(mixture, self.incumbent));
        let settings = view.codec.settings(levels);
        let best = view.best();
        let from = best.map_or_else(
            || view.ask.start.clone(),
            |best| view.codec.settings(&best.levels),
        );
        let so_far = best.map_or_else(String::new, |best| {
            let value = explain::beside(best.value, prediction);
            format!(", best so far {value} ({})", best.experiment)
        });
        let evidence = self.nearest(&features);
        Proposal {
            hypothesis: format!(
                "{}: the network expects {}{so_far}; {chance:.0} % chance of a gain{}",
                explain::change(&view.codec, &settings, &from),
                explain::prediction(prediction),
                explain::nearest(&evidence),
            ),
            settings,
            prediction: Some(prediction),
            evidence,
            member: None,
        }
    }

    /// Returns the experiments nearest to a point, in the metric that the network reads this history with.
    fn nearest(&self, features: &[f64]) -> Vec<ExperimentId> {
        let NetworkResearcher {
            network,
            parameters,
            ..
        } = self.researcher;
        let metric = network.metric(parameters, &self.measured, &mut self.workspace.borrow_mut());
        let mut near: Vec<(f64, ExperimentId)> = self
            .read
            .iter()
            .map(|one| {
                let other = self.view.features(&one.levels);
                let pairs = features.iter().zip(&other).zip(&metric);
                let squares = pairs.map(|((a, b), weight)| f64::from(*weight) * (a - b) * (a - b));
                (squares.sum(), one.experiment)
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.into_iter().take(EVIDENCE).map(|one| one.1).collect()
    }
}

/// Returns the observations that the network reads.
fn recent_and_good<'a>(view: &'a View<'_>) -> Vec<&'a Observed> {
    let ranked = view.ranked();
    if ranked.len() <= READ_MAX {
        return view.observed.iter().collect();
    }
    let (good, rest) = ranked.split_at(READ_MAX / 2);
    let mut rest = rest.to_vec();
    rest.sort_by_key(|one| std::cmp::Reverse(one.experiment));
    good.iter()
        .chain(rest.iter().take(READ_MAX / 2))
        .copied()
        .collect()
}

fn single(features: &[f64]) -> Vec<f32> {
    features.iter().map(|feature| *feature as f32).collect()
}

/// Returns mean and variance of a mixture.
fn moments(mixture: &[Component]) -> (f64, f64) {
    let weighted = |of: &dyn Fn(&Component) -> f64| -> f64 {
        mixture
            .iter()
            .map(|one| f64::from(one.weight) * of(one))
            .sum()
    };
    let mean = weighted(&|one| f64::from(one.mean));
    let variance =
        weighted(&|one| f64::from(one.sd).powi(2) + (f64::from(one.mean) - mean).powi(2));
    (mean, variance)
}

/// Returns the probability of a value above a border.
fn above(mixture: &[Component], border: f64) -> f64 {
    mixture
        .iter()
        .map(|one| {
            f64::from(one.weight) * cumulative((f64::from(one.mean) - border) / f64::from(one.sd))
        })
        .sum()
}

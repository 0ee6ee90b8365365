//! Samplers that propose the next experiment, and a portfolio of them.
//!
//! A [`Researcher`] is a pure function of an [`Ask`]: the same question gives bit for bit the same proposal, so that a
//! study can be replayed from its ledger. Nothing in this crate does I/O, reads a clock or keeps state between asks.
//!
//! | module | what it holds |
//! |---|---|
//! | `researcher` | the trait, the question and the answer |
//! | `codec` | settings as numbers: unit coordinates for sampling, features for the model |
//! | `stream`, `sobol`, `unseen` | random numbers, low-discrepancy points, the enumeration of what is left |
//! | `random`, `quasi`, `sweep` | the researchers `random`, `sobol` and `sweep`, which fit no model |
//! | `matrix`, `normal`, `descent` | Cholesky, the normal distribution, quasi-Newton |
//! | `kernel`, `gaussian`, `fit` | the model: covariance, posterior, hyper-parameters |
//! | `warp`, `feasible` | outliers tamed, failures learnt |
//! | `improvement`, `candidates`, `region` | log expected improvement, the search for its greatest value, and where to look |
//! | `view`, `models` | an ask as the model sees it, and the models fitted to it |
//! | `process` | the `gp` researcher, which puts these together |
//! | `parzen`, `density` | the `tpe` researcher and its densities |
//! | `strategy`, `generation`, `eigen` | the `cma` researcher, one generation of it, eigenvectors |
//! | `evolution` | the `evolution` researcher: typed edits of what is known |
//! | `portfolio`, `credit` | the `portfolio` researcher, and what each of its members has earned |
//! | `mixed` | whose turn it is where samplers and an agent share a study |
//! | `believed` | where good values lay in earlier studies, as a density |
//! | `warm` | a researcher that begins with the best of earlier studies |
//! | `halving` | a researcher that learns from runs that were stopped early |
//! | `network` | a researcher that asks a prior-fitted network |
//! | `explain` | proposals in words |

mod believed;
mod candidates;
mod codec;
mod credit;
mod density;
mod descent;
mod eigen;
mod evolution;
mod explain;
mod feasible;
mod fit;
mod gaussian;
mod generation;
mod halving;
mod improvement;
mod kernel;
mod matrix;
mod mixed;
mod models;
mod network;
mod normal;
mod parzen;
mod portfolio;
mod process;
mod quasi;
mod random;
mod region;
mod researcher;
mod sobol;
mod strategy;
mod stream;
mod sweep;
mod unseen;
mod view;
mod warm;
mod warp;

pub use evolution::Evolution;
pub use halving::Halving;
pub use mixed::{Mixed, Turn};
pub use network::{NetworkError, NetworkResearcher};
pub use parzen::Parzen;
pub use portfolio::Portfolio;
pub use process::GaussianProcess;
pub use quasi::LowDiscrepancy;
pub use random::Random;
pub use researcher::{Ask, Error, NAMES, Proposal, Researcher, Trial, TrialResult, by_name};
pub use strategy::EvolutionStrategy;
pub use sweep::CoordinateSweep;
pub use warm::{EarlierStudy, WarmStart};

//! How many experiments dreaming saves: `bench_dream [RESEARCHER [SEEDS]]`.
//!
//! A family is eight made-up studies of five knobs whose best settings lie near one another; strangers are eight whose best
//! settings have nothing in common. Each study is held out in turn: the other seven are searched without memory, their
//! trials are dreamt of, and the held-out one is searched with what was dreamt and without. Every search is timed to what
//! searches of that study without memory reach after half of their experiments, in the median over seeds.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;

use lyceum_memory::{PastStudy, PastTrial, priors, suggest};
use lyceum_search::{Ask, Researcher, Trial, TrialResult, WarmStart, by_name};
use lyceum_types::{ExperimentId, Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};

#[path = "../tests/memory/numbers.rs"]
mod numbers;

const STUDIES: u64 = 8;
const EXPERIMENTS: u32 = 30;
const HALF: usize = 15;
/// Ways to search: without memory, with warm starts, with warm starts and priors.
const ARMS: usize = 3;
/// Standard deviation of what a run adds to the true value.
const NOISE: f64 = 0.02;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "tpe".to_owned());
    let seeds: u64 = arguments.next().as_deref().unwrap_or("20").parse()?;
    println!(
        "| studies | memory | experiments without | with | saved, mean over studies | studies that gained | priors beside warm starts alone | best after 5: without | with |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (kind, spread) in [("a family", 0.08), ("strangers", f64::INFINITY)] {
        let studies: Vec<Made> = (0..STUDIES).map(|one| Made::new(one, spread)).collect();
        let held: Vec<Held> = (0..studies.len())
            .map(|index| hold_out(&studies, index, &name, seeds))
            .collect::<Result<_, _>>()?;
        print(kind, &held);
    }
    Ok(())
}

/// A made-up study.
struct Made {
    name: String,
    space: Space,
    best: Vec<f64>,
    weights: Vec<f64>,
}

impl Made {
    fn new(number: u64, spread: f64) -> Made {
        let mut drawn = numbers::numbers(1000 + number);
        let mut next = || drawn.next().unwrap_or(0.5);
        let centre = [0.3, 0.6, 0.45, 0.7];
        let best = centre.iter().map(|middle| {
            // Nearly normal: the sum of twelve uniform numbers less six.
            let normal = (0..12).map(|_| next()).sum::<f64>() - 6.0;
            if spread.is_finite() {
                (middle + spread * normal).clamp(0.0, 1.0)
            } else {
                next()
            }
        });
        let best: Vec<f64> = best.collect();
        let weights = [4.0, 1.5, 0.5, 0.1]
            .map(|weight| weight * (0.7 + 0.6 * next()))
            .to_vec();
        Made {
            name: format!("study-{number}"),
            space: space(),
            best,
            weights,
        }
    }

    /// Returns the true loss.
    fn loss(&self, settings: &Settings) -> f64 {
        let unit = |name: &str, low: f64, high: f64, is_log: bool| {
            let value = settings.get(name).and_then(Setting::number).unwrap_or(low);
            if is_log {
                (value / low).ln() / (high / low).ln()
            } else {
                (value - low) / (high - low)
            }
        };
        let point = [
            unit("rate", 1e-4, 1.0, true),
            unit("decay", 1e-6, 1e-1, true),
            unit("dropout", 0.0, 0.8, false),
            unit("width", 16.0, 256.0, true),
        ];
        let bowl: f64 = (0..4)
            .map(|one| self.weights[one] * (point[one] - self.best[one]).powi(2))
            .sum();
        // A high rate wants a strong decay.
        let together = 0.5 * (point[0] - self.best[0]) * (point[1] - self.best[1]);
        let schedule = match settings.get("schedule") {
            Some(Setting::Text(text)) if text == "cosine" => 0.0,
            Some(Setting::Text(text)) if text == "linear" => 0.03,
            _ => 0.12,
        };
        bowl + together + schedule
    }

    /// Searches, and returns the trials with the true loss of what looked best after each.
    fn search(&self, researcher: &dyn Researcher, seed: u64) -> (Vec<PastTrial>, Vec<f64>) {
        let mut noise = numbers::numbers(seed.wrapping_mul(7919) ^ 0x5EED);
        let mut observed = |settings: &Settings| {
            let normal = (0..12).filter_map(|_| noise.next()).sum::<f64>() - 6.0;
            self.loss(settings) + NOISE * normal
        };
        let start = start();
        let mut history: Vec<Trial> = Vec::new();
        let (mut trials, mut curve) = (Vec::new(), Vec::new());
        let mut best = (f64::INFINITY, f64::INFINITY);
        for number in 0..=EXPERIMENTS {
            let settings = if number == 0 {
                start.clone()
            } else {
                let ask = Ask {
                    space: &self.space,
                    goal: Goal::Minimize,
                    start: &start,
                    history: &history,
                    pending: &[],
                    noise_sd: Some(NOISE),
                    priors: &[],
                    rungs: 0,
                    seed: Seed(seed),
                    number: u64::from(number - 1),
                    budget: EXPERIMENTS,
                };
                match researcher.propose(&ask) {
                    Ok(proposal) => proposal.settings,
                    Err(_) => break,
                }
            };
            let value = observed(&settings);
            if value < best.0 {
                best = (value, self.loss(&settings));
            }
            curve.push(best.1);
            let experiment = ExperimentId(number);
            trials.push(PastTrial {
                experiment,
                seq: u64::from(number),
                settings: settings.clone(),
                value: Some(value),
            });
            let result = TrialResult::Measured {
                mean: value,
                sd: None,
                repeats: 1,
            };
            history.push(Trial {
                experiment,
                settings,
                researcher: String::new(),
                prediction: None,
                result,
            });
        }
        (trials, curve)
    }

    fn past(&self, trials: Vec<PastTrial>) -> PastStudy {
        PastStudy {
            name: self.name.clone(),
            stream: format!("study/{}", self.name),
            metric: "loss".into(),
            goal: Goal::Minimize,
            knobs: self.space.knobs().to_vec(),
            start: start(),
            trials,
        }
    }
}

fn space() -> Space {
    let float = |name: &str, low, high, scale| Knob {
        name: name.into(),
        kind: KnobKind::Float { low, high, scale },
        condition: None,
    };
    let choices = ["constant", "linear", "cosine"]
        .map(|one| Setting::Text(one.into()))
        .to_vec();
    let knobs = vec![
        float("rate", 1e-4, 1.0, Scale::Log),
        float("decay", 1e-6, 1e-1, Scale::Log),
        float("dropout", 0.0, 0.8, Scale::Linear),
        Knob {
            name: "width".into(),
            kind: KnobKind::Integer {
                low: 16,
                high: 256,
                scale: Scale::Log,
            },
            condition: None,
        },
        Knob {
            name: "schedule".into(),
            kind: KnobKind::Categorical { choices },
            condition: None,
        },
    ];
    Space::new(knobs).unwrap_or_default()
}

fn start() -> Settings {
    Settings::from([
        ("rate".into(), Setting::Float(1e-4)),
        ("decay".into(), Setting::Float(1e-6)),
        ("dropout".into(), Setting::Float(0.0)),
        ("width".into(), Setting::Integer(16)),
        ("schedule".into(), Setting::Text("constant".into())),
    ])
}

/// A held-out study: searched without memory, with warm starts, with warm starts and priors.
struct Held {
    experiments: [f64; ARMS],
    early: [f64; ARMS],
}

fn hold_out(
    studies: &[Made],
    index: usize,
    name: &str,
    seeds: u64,
) -> Result<Held, Box<dyn Error>> {
    let unknown = || format!("no researcher `{name}`");
    let mut curves: [Vec<Vec<f64>>; ARMS] = [const { Vec::new() }; ARMS];
    for seed in 1..=seeds {
        let plain = by_name(name).ok_or_else(unknown)?;
        let held = &studies[index];
        curves[0].push(held.search(plain.as_ref(), seed).1);
        let others = studies.iter().enumerate();
        let past: Vec<PastStudy> = others
            .filter(|(other, _)| *other != index)
            .map(|(other, made)| {
                made.past(made.search(plain.as_ref(), seed * 100 + other as u64).0)
            })
            .collect();
        let dreamt = suggest(&past, &held.space, 3).into_iter();
        let settings: Vec<Settings> = dreamt.map(|one| one.settings).collect();
        for (curves, priors) in curves[1..].iter_mut().zip([vec![], priors(&past)]) {
            let inner = by_name(name).ok_or_else(unknown)?;
            let begins = WarmStart::with_settings(inner, "memory".to_owned(), settings.clone());
            curves.push(held.search(&begins.with_priors(priors), seed).1);
        }
    }
    let target = median(curves[0].iter().map(|curve| curve[HALF]).collect());
    let experiments = |curves: &Vec<Vec<f64>>| {
        let each = curves.iter().map(|curve| {
            let reached = curve.iter().position(|loss| *loss <= target);
            reached.unwrap_or(EXPERIMENTS as usize + 1) as f64
        });
        each.sum::<f64>() / curves.len() as f64
    };
    let after_five = |curves: &Vec<Vec<f64>>| median(curves.iter().map(|curve| curve[5]).collect());
    Ok(Held {
        experiments: curves.each_ref().map(experiments),
        early: curves.each_ref().map(after_five),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a row for each use of memory; intervals resample whole studies.
fn print(kind: &str, held: &[Held]) {
    let mean = |of: &dyn Fn(&Held) -> f64| held.iter().map(of).sum::<f64>() / held.len() as f64;
    for (arm, memory) in [(1, "warm starts"), (2, "warm starts and priors")] {
        let saved = differences(held, 0, arm);
        println!(
            "| {kind} | {memory} | {:.1} | {:.1} | {} | {} of {} | {} | {:.3} | {:.3} |",
            mean(&|one| one.experiments[0]),
            mean(&|one| one.experiments[arm]),
            interval(&saved),
            saved.iter().filter(|one| **one > 0.0).count(),
            saved.len(),
            if arm == 2 {
                interval(&differences(held, 1, 2))
            } else {
                "—".to_owned()
            },
            mean(&|one| one.early[0]),
            mean(&|one| one.early[arm]),
        );
    }
}

/// Returns how many experiments each study saves by one use of memory against another.
fn differences(held: &[Held], from: usize, to: usize) -> Vec<f64> {
    let each = held.iter();
    each.map(|one| one.experiments[from] - one.experiments[to])
        .collect()
}

fn interval(saved: &[f64]) -> String {
    let mut drawn = numbers::numbers(4242);
    let mut means: Vec<f64> = (0..10_000)
        .map(|_| {
            let picked = (0..saved.len()).map(|_| {
                let part = drawn.next().unwrap_or(0.0);
                saved[(part * saved.len() as f64) as usize]
            });
            picked.sum::<f64>() / saved.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let mean = saved.iter().sum::<f64>() / saved.len() as f64;
    format!("{mean:.1} ({:.1} to {:.1})", means[250], means[9750])
}

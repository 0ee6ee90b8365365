//! Writes events as the loop does, with numbers from a function of the settings and of the seed.

use std::collections::BTreeMap;

use lyceum_types::{
    Body, Decided, ExperimentId, ExperimentProposed, FailureReason, Finding, Goal, Measured,
    Outcome, Output, Pair, Prediction, Purpose, Role, RunFinished, RunId, RunMeasured, RunStarted,
    Seed, Settings, Split, Trust, Usage, Verdict,
};

/// A value, or why there is none.
pub type Answer = Result<f64, FailureReason>;

pub struct Journal {
    pub events: Vec<(u64, i64, Body)>,
    pub seed: Seed,
    pub metric: &'static str,
    pub goal: Goal,
    pub trust: Trust,
    pub world: fn(&Settings, Seed) -> Answer,
    pub settings: BTreeMap<ExperimentId, Settings>,
    runs: u32,
    now: i64,
}

/// A number in [0, 1) from a seed.
pub fn uniform(seed: Seed, name: &str, index: u64) -> f64 {
    seed.derive(name, index).0 as f64 / (1_u64 << 53) as f64
}

/// A number with mean 0 and standard deviation 1 from a seed.
pub fn normal(seed: Seed, name: &str) -> f64 {
    (0..12).map(|i| uniform(seed, name, i)).sum::<f64>() - 6.0
}

impl Journal {
    pub fn new(
        metric: &'static str,
        goal: Goal,
        trust: Trust,
        world: fn(&Settings, Seed) -> Answer,
    ) -> Journal {
        Journal {
            events: vec![],
            seed: Seed(7),
            metric,
            goal,
            trust,
            world,
            settings: BTreeMap::new(),
            runs: 0,
            now: 1_795_300_000_000,
        }
    }

    pub fn push(&mut self, body: impl Into<Body>) -> u64 {
        let seq = self.events.len() as u64 + 1;
        self.events.push((seq, self.now, body.into()));
        seq
    }

    pub fn propose(
        &mut self,
        id: u32,
        role: Role,
        settings: Settings,
        hypothesis: &str,
        prediction: Option<Prediction>,
    ) {
        let seen = self.events.len() as u64;
        self.settings.insert(ExperimentId(id), settings.clone());
        self.push(ExperimentProposed {
            experiment: ExperimentId(id),
            role,
            settings,
            hypothesis: hypothesis.into(),
            researcher: "gp-ei".into(),
            prediction,
            evidence: vec![],
            seen,
            files: vec![],
            call: None,
            cpu_ms: 0,
        });
    }

    /// One run with its measurement.
    pub fn run(&mut self, id: u32, purpose: Purpose, seed: Seed) -> (RunId, Option<f64>) {
        self.runs += 1;
        let run = RunId(self.runs);
        self.push(RunStarted {
            run,
            experiment: ExperimentId(id),
            seed,
            purpose,
            cpus: vec![0],
            threads: 1,
        });
        let answer = (self.world)(&self.settings[&ExperimentId(id)], seed);
        let cpu = 4_000 + (uniform(seed, "cpu", u64::from(self.runs)) * 1_500.0) as u64;
        self.now += cpu as i64;
        let usage = Usage {
            wall_ms: cpu + 120,
            cpu_ms: cpu,
            peak_memory_bytes: 38 << 20,
            printed_bytes: 2_310,
        };
        let crash = match &answer {
            Err(reason @ (FailureReason::Timeout | FailureReason::Exit { .. })) => {
                Some(reason.clone())
            }
            _ => None,
        };
        let outputs = if crash.is_some() {
            vec![]
        } else {
            vec![Output {
                name: "model.safetensors".into(),
                blob: format!("{:064x}", self.runs),
                bytes: 131_072,
                executable: false,
            }]
        };
        let reported = answer
            .iter()
            .map(|value| ("train_loss".to_owned(), value * 0.69))
            .collect();
        let log: Vec<String> = (1..=6)
            .map(|i| format!("step {:>4}  loss {:.4}", i * 100, 3.0 / f64::from(i) + 1.0))
            .collect();
        let log = log.join("\n");
        let outcome = crash.clone().map_or(Outcome::Completed, Outcome::Failed);
        self.push(RunFinished {
            run,
            outcome,
            usage,
            outputs,
            reported,
            log,
            policy: "ab".repeat(32),
            observed: None,
        });
        if crash.is_none() {
            self.measure(run, Split::Search, answer.clone());
        }
        (run, answer.ok())
    }

    pub fn measure(&mut self, run: RunId, split: Split, answer: Answer) {
        let trust = if split == Split::Sealed {
            Trust::Sealed
        } else {
            self.trust
        };
        let measured = match answer {
            Ok(value) => Measured::Values {
                values: [(self.metric.to_owned(), value)].into(),
            },
            Err(reason) => Measured::Failed(reason),
        };
        let usage = Usage {
            wall_ms: 640,
            cpu_ms: 610,
            peak_memory_bytes: 21 << 20,
            printed_bytes: 80,
        };
        self.now += 640;
        self.push(RunMeasured {
            run,
            split,
            trust,
            measured,
            fresh: None,
            usage,
            log: String::new(),
        });
    }

    pub fn decide(
        &mut self,
        id: u32,
        verdict: Verdict,
        against: u32,
        gain: Option<f64>,
        why: &str,
        runs: Vec<RunId>,
    ) {
        self.push(Decided {
            experiment: ExperimentId(id),
            verdict,
            against: ExperimentId(against),
            gain,
            why: why.into(),
            runs,
            grader: String::new(),
        });
    }

    /// Runs two experiments on fresh common seeds and says what a test would.
    pub fn compare(
        &mut self,
        base: (u32, fn(u32) -> Purpose),
        other: (u32, fn(u32) -> Purpose),
        count: u32,
        name: &str,
    ) -> (Vec<Pair>, Finding) {
        let mut pairs = vec![];
        for index in 0..count {
            let seed = self.seed.derive(name, u64::from(index));
            let (base_run, base) = self.run(base.0, base.1(index), seed);
            let (other_run, other) = self.run(other.0, other.1(index), seed);
            pairs.push(Pair {
                seed,
                base_run,
                other_run,
                base,
                other,
            });
        }
        let gains: Vec<f64> = pairs
            .iter()
            .filter_map(|pair| Some(self.goal.gain(pair.base?, pair.other?)))
            .collect();
        let n = gains.len() as f64;
        let mean = gains.iter().sum::<f64>() / n;
        let sd = (gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let half = 2.262 * sd / n.sqrt();
        let wins = gains.iter().filter(|gain| **gain > 0.0).count() as u32;
        let e_value = e_value(wins, gains.len() as u32);
        let confirmed = e_value >= 20.0;
        let why = format!("{wins} of {} pairs, E = {e_value:.1}", gains.len());
        let finding = Finding {
            wins,
            pairs: gains.len() as u32,
            e_value,
            needed: 20.0,
            confirmed,
            gain: Some(mean),
            interval: Some((mean - half, mean + half)),
            why,
        };
        (pairs, finding)
    }
}

/// The integral of (1+λ)^k (1−λ)^(n−k) over [0, 1], by the midpoint rule.
fn e_value(wins: u32, pairs: u32) -> f64 {
    let at = |l: f64| (1.0 + l).powi(wins as i32) * (1.0 - l).powi((pairs - wins) as i32);
    (0..4_000)
        .map(|i| at((f64::from(i) + 0.5) / 4_000.0))
        .sum::<f64>()
        / 4_000.0
}

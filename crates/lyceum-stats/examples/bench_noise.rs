//! Keep rules on synthetic research campaigns with known truth; prints the tables of `bench/noise/README.md`.
//!
//! `cargo run --release -p lyceum-stats --example bench_noise [CAMPAIGNS]`

#![expect(clippy::print_stdout, reason = "the tables are the output")]

use std::{error::Error, thread};

use lyceum_stats::{
    AlphaSpending, Decision, Floor, Look, REPEATS_BEST, RepeatSeed, Rule, confirm, decide,
    first_gap, floor, floor_is_known, futile, mean, repeats_worth, sd, unbiased_gain,
};
use lyceum_types::{Goal, Seed};

const CAMPAIGNS: u64 = 4_000;
/// Evaluations of a campaign's search: floor, candidates and repeats.
const SEARCH_RUNS: usize = 125;
/// Most pairs of a claim.
const PAIRS_MOST: u64 = 20;
/// The study's level, of which the claim of a first attempt spends 6/π².
const ALPHA: f64 = 0.05;
const SIGMAS: [f64; 4] = [0.2, 0.7, 2.0, 5.0];

/// From what the effects of candidates are drawn, in units of 1e-3.
struct Mixture {
    name: &'static str,
    /// Probability of a good effect at the first and at the last candidate.
    good_share: (f64, f64),
    good: f64,
    /// Share of the others that has no effect at all.
    neutral_share: f64,
    bad: f64,
}

const MIXTURES: [Mixture; 5] = [
    Mixture {
        name: "reference",
        good_share: (0.15, 0.15),
        good: 1.5,
        neutral_share: 0.25,
        bad: 1.5,
    },
    Mixture {
        name: "rare-large",
        good_share: (0.05, 0.05),
        good: 4.0,
        neutral_share: 0.3,
        bad: 3.0,
    },
    Mixture {
        name: "many-small",
        good_share: (0.3, 0.3),
        good: 0.7,
        neutral_share: 0.2,
        bad: 0.7,
    },
    Mixture {
        name: "drying-up",
        good_share: (0.4, 0.02),
        good: 1.5,
        neutral_share: 0.25,
        bad: 2.0,
    },
    Mixture {
        name: "null",
        good_share: (0.0, 0.0),
        good: 0.0,
        neutral_share: 0.5,
        bad: 1.5,
    },
];

/// A stream of random numbers that follows from one seed.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 += 1;
        (Seed(self.0).derive("noise", 0).0 as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Box and Muller, 1958.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

impl Mixture {
    fn draw(&self, random: &mut Random, candidate: usize) -> f64 {
        let progress = candidate as f64 / SEARCH_RUNS as f64;
        let share = self.good_share.0 + (self.good_share.1 - self.good_share.0) * progress;
        if random.uniform() < share {
            random.normal().abs() * self.good
        } else if random.uniform() < self.neutral_share {
            0.0
        } else {
            -random.normal().abs() * self.bad
        }
    }
}

/// What can be run: a true value, measured with fresh noise each time.
#[derive(Clone)]
struct Side {
    truth: f64,
    runs: Vec<(Seed, f64)>,
}

/// One campaign in progress. Higher is better.
struct Campaign<'a> {
    random: Random,
    mixture: &'a Mixture,
    sigma: f64,
    runs_left: usize,
    next_seed: u64,
    floor: Option<Floor>,
}

#[derive(Default, Clone)]
struct Ended {
    truth: f64,
    reported: f64,
    keeps: u64,
    false_keeps: u64,
    claims: bool,
    claim_runs: u64,
    candidates: u64,
}

impl Campaign<'_> {
    fn measure(&mut self, side: &mut Side, seed: Seed) {
        self.runs_left = self.runs_left.saturating_sub(1);
        side.runs
            .push((seed, side.truth + self.sigma * self.random.normal()));
    }

    fn fresh_seed(&mut self) -> Seed {
        self.next_seed += 1;
        Seed(self.next_seed)
    }

    /// The start, measured as the rule needs it. The other rules are told the true noise and pay nothing for it.
    fn start(&mut self, rule: Rule) -> Side {
        let mut start = Side {
            truth: 0.0,
            runs: Vec::new(),
        };
        let most = if rule == Rule::Adaptive { 8 } else { 1 };
        while !floor_is_known(
            &start.runs.iter().map(|run| run.1).collect::<Vec<_>>(),
            most,
        ) {
            let seed = self.fresh_seed();
            self.measure(&mut start, seed);
        }
        let values: Vec<f64> = start.runs.iter().map(|run| run.1).collect();
        let told = Floor {
            n: 1,
            mean: 0.0,
            sd: self.sigma,
            sd_upper: self.sigma,
            deterministic: false,
        };
        self.floor = if rule == Rule::Adaptive {
            floor(&values)
        } else {
            Some(told)
        };
        start
    }

    /// Searches until the runs are spent; returns start and winner.
    fn search(&mut self, rule: Rule, ended: &mut Ended) -> (Side, Side) {
        let start = self.start(rule);
        let mut incumbent = start.clone();
        let mut gaps = Vec::new();
        while self.runs_left > 0 {
            let effect = self
                .mixture
                .draw(&mut self.random, ended.candidates as usize);
            ended.candidates += 1;
            let mut candidate = Side {
                truth: incumbent.truth + effect,
                runs: Vec::new(),
            };
            self.measure(&mut candidate, incumbent.runs[0].0);
            let most_repeats = match rule {
                Rule::Adaptive => repeats_worth(&gaps, REPEATS_BEST),
                Rule::BestOfThree => 2,
                _ => 3,
            };
            if self.settle(
                rule,
                most_repeats,
                &mut incumbent,
                &mut candidate,
                &mut gaps,
            ) {
                ended.keeps += 1;
                ended.false_keeps += u64::from(effect <= 0.0);
                incumbent = candidate;
            }
        }
        (start, incumbent)
    }

    /// Asks the rule until it decides or the runs are spent; tells whether the candidate is kept.
    fn settle(
        &mut self,
        rule: Rule,
        most_repeats: usize,
        incumbent: &mut Side,
        candidate: &mut Side,
        gaps: &mut Vec<f64>,
    ) -> bool {
        loop {
            let look = Look {
                goal: Goal::Maximize,
                floor: self.floor.as_ref(),
                incumbent: &incumbent.runs,
                candidate: &candidate.runs,
                most_repeats,
            };
            if candidate.runs.len() == 1 {
                gaps.extend(first_gap(&look));
            }
            match decide(rule, &look) {
                Decision::Keep { .. } => return true,
                Decision::Discard { .. } | Decision::Inconclusive { .. } => return false,
                Decision::Repeat {
                    seed: RepeatSeed::PairedWithIncumbent(seed),
                    ..
                } if self.runs_left >= 1 => {
                    self.measure(candidate, seed);
                }
                Decision::Repeat {
                    seed: RepeatSeed::Fresh,
                    ..
                } if self.runs_left >= 2 => {
                    let seed = self.fresh_seed();
                    self.measure(candidate, seed);
                    self.measure(incumbent, seed);
                }
                Decision::Repeat { .. } => {
                    self.runs_left = 0;
                    return false;
                }
            }
        }
    }

    /// The claim of the lab: fresh pairs until confirmed, futile or out of pairs.
    fn claim(&mut self, winner: &Side, most_pairs: u64, ended: &mut Ended) {
        let mut pairs = Vec::new();
        let level = AlphaSpending::new(ALPHA).level(1);
        loop {
            let start = self.sigma * self.random.normal();
            pairs.push((
                Some(start),
                Some(winner.truth + self.sigma * self.random.normal()),
            ));
            let found = confirm(Goal::Maximize, &pairs, level);
            let over = futile(found.wins, found.pairs, most_pairs, level);
            if found.confirmed || over || found.pairs >= most_pairs {
                ended.reported =
                    unbiased_gain(Goal::Maximize, &pairs, most_pairs, level).unwrap_or(0.0);
                ended.claims = found.confirmed;
                ended.claim_runs = 2 * found.pairs;
                return;
            }
        }
    }
}

/// A row's rule: as the library has it, or the lab's with the claim paid from the same runs.
#[derive(Clone, Copy, PartialEq)]
struct Entry {
    rule: Rule,
    claim_inside: bool,
}

fn campaign(entry: Entry, mixture: &Mixture, sigma: f64, number: u64) -> Ended {
    let inside_runs = if entry.claim_inside { 16 } else { 0 };
    let mut campaign = Campaign {
        random: Random(Seed(number).derive("campaign", 0).0),
        mixture,
        sigma,
        runs_left: SEARCH_RUNS - inside_runs,
        next_seed: 0,
        floor: None,
    };
    let mut ended = Ended::default();
    let (start, winner) = campaign.search(entry.rule, &mut ended);
    ended.truth = winner.truth;
    if ended.keeps == 0 {
        return ended;
    }
    if entry.rule == Rule::Adaptive {
        let most = if entry.claim_inside {
            inside_runs as u64 / 2
        } else {
            PAIRS_MOST
        };
        campaign.claim(&winner, most, &mut ended);
    } else {
        ended.reported = shown(entry.rule, &winner) - shown(entry.rule, &start);
        ended.claims = ended.reported > 0.0;
    }
    ended
}

/// The value that a rule without a confirmation prints: what it searched with.
fn shown(rule: Rule, side: &Side) -> f64 {
    let values: Vec<f64> = side.runs.iter().map(|run| run.1).collect();
    if rule == Rule::BestOfThree {
        values.into_iter().fold(f64::MIN, f64::max)
    } else {
        mean(&values).unwrap_or(0.0)
    }
}

fn campaigns(entry: Entry, mixture: &Mixture, sigma: f64, count: u64) -> Vec<Ended> {
    let half = count / 2;
    let part = |from: u64, to: u64| {
        (from..to)
            .map(|n| campaign(entry, mixture, sigma, n))
            .collect()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| -> Vec<Ended> { part(half, count) });
        let mut all: Vec<Ended> = part(0, half);
        all.extend(other.join().unwrap_or_default());
        all
    })
}

/// Prints one row and returns its mean true gain.
fn row(name: &str, ended: &[Ended], greedy: Option<f64>) -> f64 {
    let n = ended.len() as f64;
    let each = |f: fn(&Ended) -> f64| mean(&ended.iter().map(f).collect::<Vec<_>>()).unwrap_or(0.0);
    let truths: Vec<f64> = ended.iter().map(|e| e.truth).collect();
    let gain = each(|e| e.truth);
    let error = sd(&truths).unwrap_or(0.0) / n.sqrt();
    let reported = each(|e| e.reported);
    let share = |f: fn(&Ended) -> bool| 100.0 * ended.iter().filter(|e| f(e)).count() as f64 / n;
    let claimed: Vec<&Ended> = ended.iter().filter(|e| e.claims).collect();
    let of_claims = |f: fn(&Ended) -> f64| claimed.iter().map(|e| f(e)).sum::<f64>();
    println!(
        "| {name} | {gain:.2} ± {error:.2} | {} | {reported:.2} | {} | {} | {:.0} % | {:.1} % | {:.1} % | {:.1} % | {:.0} | {:.1} |",
        greedy.map_or(String::from("1"), |g| ratio(gain, g)),
        ratio(reported, gain),
        ratio(of_claims(|e| e.reported), of_claims(|e| e.truth)),
        100.0 * each(|e| e.false_keeps as f64) / each(|e| e.keeps as f64),
        share(|e| e.truth < 0.0),
        share(|e| e.claims),
        share(|e| e.claims && e.truth <= 0.0),
        each(|e| e.candidates as f64),
        each(|e| e.claim_runs as f64),
    );
    gain
}

fn ratio(of: f64, to: f64) -> String {
    if to <= 0.05 {
        String::from("-")
    } else {
        format!("{:.2}", of / to)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(CAMPAIGNS), |text| text.parse())?;
    let mut entries: Vec<(String, Entry)> = [
        Rule::Greedy,
        Rule::TwoSigma,
        Rule::BestOfThree,
        Rule::AlwaysConfirm,
        Rule::Adaptive,
    ]
    .map(|rule| {
        (
            rule.to_string(),
            Entry {
                rule,
                claim_inside: false,
            },
        )
    })
    .into();
    let inside = Entry {
        rule: Rule::Adaptive,
        claim_inside: true,
    };
    entries.push(("adaptive, claim inside".into(), inside));
    for mixture in &MIXTURES {
        for sigma in SIGMAS {
            println!("\n#### {}, sigma {sigma}\n", mixture.name);
            println!(
                "| rule | true gain | over greedy | reported | reported/true | same, claimed only | false keeps | worse than start | claims | false claims | candidates | claim runs |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
            let mut greedy = None;
            for (name, entry) in &entries {
                let gain = row(name, &campaigns(*entry, mixture, sigma, count), greedy);
                greedy = greedy.or(Some(gain));
            }
        }
    }
    Ok(())
}

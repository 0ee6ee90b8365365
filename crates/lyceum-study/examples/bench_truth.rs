//! A keep rule against the truth on a real study: what it ends with, measured on twenty fresh seeds.
//!
//! ```text
//! cargo build --release -p lyceum
//! cargo run --release -p lyceum-study --example bench_truth -- target/release/lyceum [FIRST LAST]
//! ```
//!
//! For each root seed from FIRST (1) to LAST (6) the built-in study `tiny-lm` is conducted twice, with the lab's own rule and
//! greedily, on the same text and the same number of experiments. Then start and both final recipes are trained on twenty
//! fresh seeds, one after the other, and measured on the search's text: the difference of means is the true gain. Each
//! study prints a line as soon as it is done.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use lyceum_ledger::{Ledger, Options};
use lyceum_sandbox::Sandbox;
use lyceum_stats::{Rule, mean, t_interval};
use lyceum_study::{
    engine::{
        Allowance, Cut, Executor as _, Live, MeasureEnd, MeasureTask, Observer, RunTask, State,
    },
    lab::{self, Kit, Lab, Programs, Request, SandboxExecutor, conduct, processors},
};
use lyceum_types::{Body, ExperimentId, RunId, Seed, Settings, Split};

type Failure = Box<dyn Error>;

/// Fresh seeds of the truth.
const SEEDS: u64 = 20;
/// The study's metric.
const METRIC: &str = "val_bpb";

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &State, _: u64, _: i64, _: &Body) {}
    fn tick(&mut self, _: &State, _: &Live) {}
}

/// What one rule ended with.
struct Ended {
    settings: Settings,
    /// What it says that the gain is; `None` when it says nothing.
    reported: Option<f64>,
    confirmed: bool,
}

struct Bench {
    program: PathBuf,
    place: PathBuf,
}

fn main() -> Result<(), Failure> {
    lyceum_sandbox::run_helper_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, first, last) = match arguments.as_slice() {
        [program] => (program, 1, 6),
        [program, first, last] => (program, first.parse()?, last.parse()?),
        _ => return Err("expected PROGRAM [FIRST LAST]".into()),
    };
    let directory = tempfile::tempdir()?;
    let bench = Bench {
        program: Path::new(program).canonicalize()?,
        place: directory.path().canonicalize()?,
    };
    bench.copy_study()?;
    println!("seed\trule\treported\tconfirmed\ttrue\tlow\thigh");
    for seed in first..=last {
        bench.study(seed)?;
    }
    Ok(())
}

impl Bench {
    fn kit(&self, seed: u64, rule: Rule) -> Result<Kit, Failure> {
        let lab = Lab::at(self.place.join(format!("{seed}-{rule}")));
        let ledger = Ledger::open(&lab.ledger(), Options::default())?;
        let names = ["train", "evaluate", "draw-text"].map(str::to_owned);
        let programs = Programs {
            binary: self.program.clone(),
            names: names.into(),
        };
        Ok(Kit::new(Sandbox::new()?, ledger, lab, &programs)?)
    }

    /// Copies the study with budgets of time that end no search, however busy the machine is.
    fn copy_study(&self) -> Result<(), Failure> {
        let (from, to) = (Path::new("studies/tiny-lm"), self.place.join("tiny-lm"));
        for name in ["study.toml", "workspace/recipe.toml", "data/source.toml"] {
            let text = fs::read_to_string(from.join(name))?;
            let text = text
                .replace("\"150s\"", "\"2h\"")
                .replace("\"5m\"", "\"2h\"");
            fs::create_dir_all(to.join(name).parent().ok_or("no directory")?)?;
            fs::write(to.join(name), text)?;
        }
        Ok(())
    }

    fn request(&self, seed: u64, rule: Rule) -> Request {
        Request {
            directory: self.place.join("tiny-lm"),
            seed: Some(seed),
            rule: Some(rule),
            memory: None,
            ..Request::default()
        }
    }

    /// Conducts the study once by a rule.
    fn conduct(&self, seed: u64, rule: Rule) -> Result<Ended, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let (kit, request) = (self.kit(seed, rule)?, self.request(seed, rule));
        let conducted = conduct(kit, &request, Some(1), stop, &mut Silent, |_| ())?;
        let state = conducted.state;
        let best = state.best;
        let settings = state.settings(best).cloned().ok_or("no start")?;
        let claimed = state.claimed.as_ref().map(|claim| &claim.finding);
        let reported = match rule {
            // What every system without a confirmation prints: the values that it searched with.
            Rule::Greedy => searched(&state, best),
            _ => claimed.and_then(|finding| finding.gain),
        };
        Ok(Ended {
            settings,
            reported: reported.filter(|_| best != ExperimentId(0)),
            confirmed: claimed.is_some_and(|finding| finding.confirmed),
        })
    }

    /// Conducts one study by both rules and prints what each reports and what is true.
    fn study(&self, seed: u64) -> Result<(), Failure> {
        let rules = [Rule::Adaptive, Rule::Greedy];
        let ended = rules.map(|rule| self.conduct(seed, rule));
        let [adaptive, greedy] = ended;
        let ended = [adaptive?, greedy?];
        let truth = self.truth(seed, &ended.each_ref().map(|one| &one.settings))?;
        for ((rule, one), gains) in rules.iter().zip(&ended).zip(&truth) {
            let (low, high) = t_interval(gains, 0.95).ok_or("too few runs")?;
            let reported = one.reported.map_or("-".into(), |gain| format!("{gain:.4}"));
            println!(
                "{seed}\t{rule}\t{reported}\t{}\t{:.4}\t{low:.4}\t{high:.4}",
                if *rule == Rule::Greedy {
                    "-"
                } else if one.confirmed {
                    "yes"
                } else {
                    "no"
                },
                mean(gains).ok_or("no run")?,
            );
        }
        Ok(())
    }

    /// Returns the gains of both recipes over the start on fresh seeds, paired.
    fn truth(&self, seed: u64, recipes: &[&Settings; 2]) -> Result<[Vec<f64>; 2], Failure> {
        let mut kit = self.kit(seed, Rule::Adaptive)?;
        let opening = lab::open(&mut kit, &self.request(seed, Rule::Adaptive))?;
        let start = opening.protocol.start.clone();
        let start = opening.protocol.space.active_only(&start);
        let executor = SandboxExecutor::new(kit, opening.open);
        let mut gains = [vec![], vec![]];
        for index in 0..SEEDS {
            let fresh = Seed(seed).derive("truth", index);
            let base = value(&executor, &start, fresh)?;
            for (gains, recipe) in gains.iter_mut().zip(recipes) {
                gains.push(base - value(&executor, recipe, fresh)?);
            }
        }
        Ok(gains)
    }
}

/// Returns the gain that a search without a confirmation reports: its winner's values against the start's first.
fn searched(state: &State, best: ExperimentId) -> Option<f64> {
    let start = state.looks(ExperimentId(0), METRIC).first()?.1;
    let winner: Vec<f64> = state
        .looks(best, METRIC)
        .iter()
        .map(|look| look.1)
        .collect();
    Some(start - mean(&winner)?)
}

/// Trains one recipe on one seed and measures it.
fn value(executor: &SandboxExecutor, settings: &Settings, seed: Seed) -> Result<f64, Failure> {
    let cpus: Vec<usize> = processors().into_iter().take(1).collect();
    let task = RunTask {
        run: RunId(u32::MAX),
        experiment: ExperimentId(0),
        settings: settings.clone(),
        files: vec![],
        seed,
        cpus: cpus.clone(),
        allowance: Allowance::default(),
        replay: None,
        reports: false,
    };
    let finished = executor.run(&task, &Cut::default(), &|_| ())?;
    let outcome = finished.outcome.clone();
    let task = MeasureTask {
        finished,
        seed,
        split: Split::Search,
        baseline: vec![],
        cpus,
        allowance: Allowance::default(),
    };
    match executor.measure(&task, &Cut::default())? {
        MeasureEnd::Measured(measured) => {
            let value = measured.measured.value(METRIC);
            value.ok_or_else(|| format!("no value: {outcome:?}, {:?}", measured.measured).into())
        }
        MeasureEnd::Cut(cut) => Err(cut.cause.into()),
    }
}

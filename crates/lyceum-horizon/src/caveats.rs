//! What must be said beside the numbers.

use std::fmt::Write as _;

use crate::{
    runs::Runs,
    summary::{BUCKETS, Settings, Standing, Summary},
};

/// A caveat, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caveat {
    /// A short name for programs.
    pub key: &'static str,
    /// The sentence.
    pub text: String,
}

/// Tasks this long and longer are called long, in minutes: METR's live figure shows no horizon above it.
const LONG: f64 = BUCKETS[5];
/// An interval whose ends differ by this factor or more tells little.
const WIDE: f64 = 10.0;
/// A share of resamples without a horizon that a reader should know of.
const LEFT_OUT: f64 = 0.01;

/// Returns the caveats that hold for these runs and numbers, those about the data first.
pub fn caveats(
    runs: &Runs,
    summaries: &[Summary],
    settings: &Settings,
    iterations: usize,
) -> Vec<Caveat> {
    let mut all = vec![few_long_tasks(runs)];
    let named = |found: &dyn Fn(&Summary) -> bool| -> Vec<&str> {
        let names = summaries.iter().filter(|one| found(one));
        names
            .map(|one| runs.agents[one.agent].name.as_str())
            .collect()
    };
    let mut say = |key, names: &[&str], what: &str| {
        if !names.is_empty() {
            all.push(Caveat {
                key,
                text: format!("{what}: {}", list(names)),
            });
        }
    };
    let beyond = |one: &Summary| {
        one.horizons.iter().any(|horizon| {
            horizon
                .minutes
                .is_some_and(|minutes| minutes > one.tested.1)
        })
    };
    say(
        "beyond-the-tasks",
        &named(&beyond),
        "a horizon longer than every task that was run is an extrapolation",
    );
    let below = |one: &Summary| {
        one.horizons.iter().any(|horizon| {
            horizon
                .minutes
                .is_some_and(|minutes| minutes < one.tested.0)
        })
    };
    say(
        "below-the-tasks",
        &named(&below),
        "a horizon shorter than every task that was run is an extrapolation",
    );
    let wide = |one: &Summary| {
        let ends = one.horizons.iter().filter_map(|horizon| horizon.interval);
        ends.into_iter().any(|(low, high)| high > WIDE * low)
    };
    say(
        "wide",
        &named(&wide),
        "the ends of an interval differ by more than a factor of ten",
    );
    let left_out = |one: &Summary| {
        one.horizons
            .iter()
            .any(|horizon| horizon.left_out as f64 > LEFT_OUT * iterations as f64)
    };
    say(
        "resamples-without-horizon",
        &named(&left_out),
        "more than 1 % of the resamples have no horizon and are left out of the interval",
    );
    let flat = |one: &Summary| matches!(one.standing, Standing::NoHorizon(_));
    say(
        "no-horizon",
        &named(&flat),
        "success does not fall with task length, so there is no horizon",
    );
    all.extend(always(settings.regularisation));
    all
}

fn few_long_tasks(runs: &Runs) -> Caveat {
    let long = runs
        .tasks
        .iter()
        .filter(|task| task.minutes >= LONG)
        .count();
    let longest = runs
        .tasks
        .iter()
        .map(|task| task.minutes)
        .fold(0.0, f64::max);
    let text = format!(
        "{long} of {} tasks take {} hours or more, the longest {:.1} hours: horizons near and above that rest on few tasks",
        runs.tasks.len(),
        LONG / 60.0,
        longest / 60.0,
    );
    Caveat {
        key: "few-long-tasks",
        text,
    }
}

/// Holds for every horizon. The figures are METR's own, of its 228 tasks (metr.org/notes, 20 March 2026).
fn always(regularisation: f64) -> Vec<Caveat> {
    let mut all = vec![
        Caveat {
            key: "curve-shape",
            text: "the logistic shape is an assumption: other shapes move METR's horizons by up to 35 %, the choice of model by \
                   a factor of 1.5 at 50 % and 2 at 80 %; noise in the task lengths alone by 25 to 40 %"
                .into(),
        },
        Caveat {
            key: "meaning",
            text: "a horizon is a task length, not a working time: it does not say that the agent works alone for so long, \
                   nor how it does on work unlike these tasks or beside people"
                .into(),
        },
        Caveat {
            key: "people",
            text: "minutes are those of skilled people new to the task; who knows the code base is faster".into(),
        },
    ];
    if regularisation >= 0.01 {
        all.push(Caveat {
            key: "regularisation",
            text: format!(
                "a penalty of {regularisation} pulls curves flat: with 0.1, long horizons came out up to 20 % too short, \
                 and METR went to 1e-5 in March 2026"
            ),
        });
    }
    all
}

/// Most names in a sentence.
const NAMES_MAX: usize = 8;

fn list(names: &[&str]) -> String {
    let mut text = names[..names.len().min(NAMES_MAX)].join(", ");
    if names.len() > NAMES_MAX {
        let _ = write!(text, " and {} more", names.len() - NAMES_MAX);
    }
    text
}

//! Checks of the tables about how much and how sure: budget, noise, confirm, rubric, report.

use lyceum_types::{Bytes, Goal, Span, Trust};

use super::{checks::Checks, criteria};
use crate::engine::Halving;
use crate::format::{
    defaults, escaped,
    kind::Kind,
    source::Way,
    study::{Budget, Confirm, Criterion, Draw, Measure, Noise, Progress, Run},
    table::{self, CriterionKind, CriterionTrust},
};

/// Less disk than this does not hold the records of a study.
const DISK_MIN: Bytes = Bytes(1 << 20);

pub(super) fn budget(checks: &mut Checks<'_>, budget: &table::Budget) -> Budget {
    let way = Way::root().key("budget");
    let mut nothing = |key: &str, found: String, expected: &str, why: &str| {
        let way = way.key(key);
        let (expected, why) = (expected.to_owned(), why.to_owned());
        checks.at_value(
            &way,
            Kind::OutOfRange {
                key: way.to_string(),
                found,
                expected,
                why,
            },
        );
    };
    let experiments = budget.experiments.unwrap_or(defaults::EXPERIMENTS);
    for (key, span) in [("wall", budget.wall), ("cpu", budget.cpu)] {
        if let Some(span @ Span(duration)) = span
            && duration.as_millis() < 1000
        {
            let why = "no run could be started; leave the key out for no limit";
            nothing(key, span.to_string(), "1s or more", why);
        }
    }
    if let Some(disk) = budget.disk
        && disk < DISK_MIN
    {
        let why = "the records alone need as much; leave the key out for no limit";
        nothing("disk", disk.to_string(), "1MiB or more", why);
    }
    Budget {
        experiments,
        wall: budget.wall,
        cpu: budget.cpu,
        disk: budget.disk,
        tokens: budget.tokens,
        money: budget.money.map(|dollars| dollars.0),
    }
}

pub(super) fn progress(checks: &mut Checks<'_>, progress: table::Progress, run: &Run) -> Progress {
    let way = Way::root().key("progress");
    let file = way.key("file");
    checks.file_name(&file, &progress.file);
    let replay = run.replay.as_ref() == Some(&progress.file);
    if replay || run.outputs.contains(&progress.file) {
        let with = if replay { "run.replay" } else { "run.outputs" };
        let kind = Kind::Twice {
            key: file.to_string(),
            name: progress.file.clone(),
            with: Some(with.to_owned()),
        };
        checks.at_value(&file, kind);
    }
    if progress.min >= progress.max {
        let way = way.key("min");
        let kind = Kind::OutOfRange {
            key: way.to_string(),
            found: progress.min.to_string(),
            expected: format!("below `progress.max`, {}", progress.max),
            why: "a run that has ended cannot be stopped".to_owned(),
        };
        checks.at_value(&way, kind);
    }
    Progress {
        file: progress.file,
        halving: Halving {
            reduction: progress.reduction,
            min: progress.min,
            max: progress.max,
            unit: escaped(&progress.unit),
        },
    }
}

pub(super) fn noise(noise: &table::Noise) -> Noise {
    Noise {
        repeats: noise.repeats,
        most_repeats: noise.most_repeats,
    }
}

/// Returns the e-value of `wins` wins in as many pairs: the integral of (1+λ)^wins over λ from 0 to 1.
fn e_value_of_all_won(wins: u32) -> f64 {
    let k = f64::from(wins) + 1.0;
    (k.exp2() - 1.0) / k
}

pub(super) fn confirm(checks: &mut Checks<'_>, confirm: &table::Confirm) -> Confirm {
    let way = Way::root().key("confirm");
    let (pairs, alpha) = (confirm.pairs, confirm.alpha);
    if alpha <= 0.0 || alpha >= 1.0 {
        let kind = Kind::OutOfRange {
            key: "confirm.alpha".to_owned(),
            found: alpha.to_string(),
            expected: "above 0 and below 1".to_owned(),
            why: String::new(),
        };
        checks.at_value(&way.key("alpha"), kind);
    } else {
        let (best, needed) = (e_value_of_all_won(pairs), 1.0 / alpha);
        if best < needed {
            let enough = (pairs..=1000).find(|pairs| e_value_of_all_won(*pairs) >= needed);
            let kind = Kind::ConfirmImpossible {
                pairs,
                alpha,
                best,
                needed,
                enough,
            };
            checks.at_value(&way.key("pairs"), kind);
        }
    }
    Confirm { pairs, alpha }
}

/// Where a criterion's number can come from in this study.
#[derive(Clone, Copy)]
pub(super) struct Reachable {
    search: Trust,
    sealed: bool,
}

/// Returns where a criterion's number can come from.
pub(super) fn reachable(measure: &Measure, sealed: bool) -> Reachable {
    let search = match measure {
        Measure::Evaluator(_) | Measure::Executed(_) | Measure::Timed(_) => Trust::Measured,
        Measure::SelfReported => Trust::SelfReported,
    };
    Reachable { search, sealed }
}

pub(super) fn rubric(
    checks: &mut Checks<'_>,
    criteria: &[table::Criterion],
    goal: Goal,
    reachable: Option<Reachable>,
) -> Vec<Criterion> {
    if criteria.is_empty() {
        return vec![Criterion::Improvement {
            at_least: None,
            confidence: defaults::confidence(),
        }];
    }
    let way = Way::root().key("rubric");
    let lowered = criteria.iter().enumerate().map(|(index, criterion)| {
        let way = way.index(index);
        confidence(checks, &way, criterion.confidence);
        criteria::foreign_keys(checks, &way, criterion);
        match criterion.kind {
            CriterionKind::Metric => metric(checks, &way, criterion, goal, reachable),
            CriterionKind::Improvement => improvement(checks, &way, criterion),
            CriterionKind::Command => criteria::command(checks, &way, criterion),
            CriterionKind::File => criteria::file(checks, &way, criterion),
            CriterionKind::Diff => criteria::diff(checks, &way, criterion),
            CriterionKind::Finding => criteria::finding(criterion),
            CriterionKind::Replication => criteria::replication(criterion),
            CriterionKind::Judgement => criteria::judgement(checks, &way, criterion),
        }
    });
    lowered.collect()
}

fn confidence(checks: &mut Checks<'_>, way: &Way, found: f64) {
    if !(0.5..1.0).contains(&found) {
        let kind = Kind::OutOfRange {
            key: way.key("confidence").to_string(),
            found: found.to_string(),
            expected: "0.5 or more, below 1".to_owned(),
            why: "certainty would need endless runs".to_owned(),
        };
        checks.at_value(&way.key("confidence"), kind);
    }
}

fn metric(
    checks: &mut Checks<'_>,
    way: &Way,
    criterion: &table::Criterion,
    goal: Goal,
    reachable: Option<Reachable>,
) -> Criterion {
    let (at_most, at_least) = (criterion.at_most, criterion.at_least);
    let wrong_way = |bound: &str, other: &str, goal: &str| Kind::BoundDirection {
        bound: bound.to_owned(),
        goal: goal.to_owned(),
        other: other.to_owned(),
    };
    match (at_least, at_most, goal) {
        (None, None, _) => {
            let kind = "a criterion of kind \"metric\"".to_owned();
            let key = "at_most` or `at_least".to_owned();
            checks.at_key(&way.key("kind"), Kind::NeededForKind { key, kind });
        }
        (Some(low), Some(high), _) if low > high => {
            let (lower, upper) = ("at_least".to_owned(), "at_most".to_owned());
            checks.at_value(
                &way.key("at_least"),
                Kind::Reversed {
                    lower,
                    low,
                    upper,
                    high,
                },
            );
        }
        (Some(_), None, Goal::Minimize) => {
            checks.at_key(
                &way.key("at_least"),
                wrong_way("at_least", "at_most", "minimize"),
            );
        }
        (None, Some(_), Goal::Maximize) => {
            checks.at_key(
                &way.key("at_most"),
                wrong_way("at_most", "at_least", "maximize"),
            );
        }
        (Some(_), Some(_), _)
        | (Some(_), None, Goal::Maximize)
        | (None, Some(_), Goal::Minimize) => {}
    }
    let default = reachable.map_or(Trust::Measured, |reachable| reachable.search);
    let trust = criterion.trust.map_or(default, |trust| match trust {
        CriterionTrust::Measured => Trust::Measured,
        CriterionTrust::Sealed => Trust::Sealed,
        CriterionTrust::SelfReported => Trust::SelfReported,
    });
    if let Some(reachable) = reachable {
        check_trust(checks, &way.key("trust"), trust, reachable);
    }
    Criterion::Metric {
        at_most,
        at_least,
        trust,
        confidence: criterion.confidence,
    }
}

fn check_trust(checks: &mut Checks<'_>, way: &Way, trust: Trust, reachable: Reachable) {
    let (why, remedy) = match (trust, reachable.search, reachable.sealed) {
        (Trust::Sealed, _, false) => (
            "there is no `[sealed]` evaluation",
            "add `[sealed]` with a `command`",
        ),
        (Trust::Measured, Trust::SelfReported, _) => (
            "the metric is the candidate's own word",
            "use `trust = \"self-reported\"`, or give the study an evaluator",
        ),
        (Trust::SelfReported, Trust::Measured | Trust::Sealed, _) => (
            "the study has an evaluator, and the candidate's own word is not asked",
            "use `trust = \"measured\"`",
        ),
        (Trust::Sealed, _, true)
        | (Trust::Measured, Trust::Measured | Trust::Sealed, _)
        | (Trust::SelfReported, Trust::SelfReported, _) => return,
    };
    let kind = Kind::Trust {
        trust: trust.to_string(),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    };
    checks.at_value(way, kind);
}

fn improvement(checks: &mut Checks<'_>, way: &Way, criterion: &table::Criterion) -> Criterion {
    if let Some(least) = criterion.at_least
        && least < 0.0
    {
        let kind = Kind::OutOfRange {
            key: way.key("at_least").to_string(),
            found: least.to_string(),
            expected: "0 or more".to_owned(),
            why: "a gain is positive for an improvement, whatever the goal".to_owned(),
        };
        checks.at_value(&way.key("at_least"), kind);
    }
    Criterion::Improvement {
        at_least: criterion.at_least,
        confidence: criterion.confidence,
    }
}

pub(super) fn draw(checks: &mut Checks<'_>, report: table::Report, run: &Run) -> Option<Draw> {
    let draw = report.draw?;
    if !run.outputs.contains(&draw.file) {
        let kind = Kind::NotListed {
            key: "report.draw.file".to_owned(),
            found: draw.file.clone(),
            list: "run.outputs".to_owned(),
            known: run.outputs.clone(),
        };
        checks.at_value(&Way::root().key("report").key("draw").key("file"), kind);
    }
    Some(Draw {
        kind: draw.kind,
        file: draw.file,
    })
}

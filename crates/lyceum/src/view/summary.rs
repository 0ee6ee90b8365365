//! What stands on the screen when a session begins and ends.

use std::path::Path;

use lyceum_study::{
    engine::{Run, State},
    lab::{Opening, trust_text},
};
use lyceum_types::{ExperimentId, Trust};

use super::{
    note,
    words::{self, number},
};

/// Says what is about to happen.
pub(crate) fn opening(opening: &Opening) {
    let study = &opening.open.study;
    note(&words::clean(&study.question));
    note(&words::clean(&format!(
        "study {} · {} · {} · researcher {}",
        opening.open.name,
        study.metric.name,
        trust_text(study.trust()),
        opening.researcher
    )));
    if let Some(found) = &opening.found {
        let of_all = match found.all - found.taken {
            0 => String::new(),
            left_out => format!("; {left_out} more are left alone"),
        };
        note(&format!(
            "no knobs are declared: {} numbers, switches and operators of {} editable files are edited{of_all}",
            found.taken, found.files
        ));
    }
    if !opening.earlier.is_empty() {
        note(&format!(
            "attempt {} at this study in this lab: what is confirmed speaks for one attempt alone",
            opening.earlier.len() + 1
        ));
    }
    let opened = opening.earlier.iter().filter(|one| one.sealed_seen).count();
    if opened > 0 {
        let times = if opened == 1 { "once" } else { "several times" };
        note(&format!(
            "its sealed split was opened {times} before ({opened} of the earlier attempts): it is no longer unseen"
        ));
    }
    if let Some(other) = opening.earlier.iter().find(|one| one.same_seeds) {
        note(&format!(
            "its seeds are those of {}: it repeats that attempt, and confirms nothing anew",
            words::clean(&other.study)
        ));
    }
    if let Some(finished) = &opening.state.finished {
        let why = words::clean(&finished.why);
        note(&format!("already finished: {why}; `--again` begins anew"));
    } else if opening.state.last_seq > 0 {
        note(&format!("goes on after event {}", opening.state.last_seq));
    }
}

/// Prints the result: one fact a line, from the record alone.
#[expect(clippy::print_stdout, reason = "this is the result")]
pub(crate) fn end(study: &str, state: &State, report: &Path) {
    println!("{study}: {}", words::clean(&verdict(state)));
    if let Some(line) = regression(state) {
        println!("{line}");
    }
    if let Some(line) = sealed(state) {
        println!("{line}");
    }
    if let Some(line) = stopped_early(state) {
        println!("{line}");
    }
    for graded in &state.graded {
        let sign = if graded.satisfied { "✓" } else { "✗" };
        println!(
            "{sign} {}: {}",
            words::clean(&graded.text),
            words::clean(&graded.why)
        );
    }
    println!("report: {}", words::clean(&report.display().to_string()));
}

/// What stopping runs early saved.
fn stopped_early(state: &State) -> Option<String> {
    let stopped = state.runs.iter().filter_map(Run::stopped);
    let left = stopped.map(|one| 1.0 - one.step as f64 / (one.end.max(1)) as f64);
    let (count, saved) = left.fold((0, 0.0), |(count, saved), left| (count + 1, saved + left));
    (count > 0).then(|| {
        format!("{count} runs were stopped early, which saved the steps of {saved:.1} whole runs")
    })
}

/// The study's finding in one sentence. What is not confirmed is called so.
pub(crate) fn verdict(state: &State) -> String {
    let Some(opened) = &state.opened else {
        return "not begun".into();
    };
    let unit = if opened.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", opened.unit)
    };
    let metric = match opened.trust {
        Trust::SelfReported => format!("self-reported {}", opened.metric),
        Trust::Measured | Trust::Sealed => opened.metric.clone(),
    };
    let start = words::value(state, ExperimentId(0));
    match (&state.claimed, &state.finished) {
        (Some(claimed), _) => {
            let finding = &claimed.finding;
            let side = |pick: fn(&lyceum_types::Pair) -> Option<f64>| {
                let values: Vec<f64> = claimed.pairs.iter().filter_map(pick).collect();
                lyceum_stats::mean(&values).map_or("—".into(), number)
            };
            let gain = finding.gain.map_or("—".into(), number);
            let interval = finding.interval.map_or(String::new(), |(low, high)| {
                format!(" [{}, {}]", number(low), number(high))
            });
            format!(
                "{metric} {} → {}{unit}, gain {gain}{interval}; {}",
                side(|pair| pair.base),
                side(|pair| pair.other),
                finding.why
            )
        }
        (None, Some(finished)) if state.best == ExperimentId(0) => match start {
            Some(start) => format!(
                "nothing was found that is better than the start, {metric} {}{unit}",
                number(start)
            ),
            None => finished.why.clone(),
        },
        (None, _) => {
            let best = words::value(state, state.best).map_or("—".into(), number);
            let start = start.map_or("—".into(), number);
            format!("{metric} {start} → {best}{unit}, not confirmed yet")
        }
    }
}

/// What the search's own gain lost when it was measured again.
fn regression(state: &State) -> Option<String> {
    let fresh = state.claimed.as_ref()?.finding.gain?;
    let goal = state.opened.as_ref()?.goal;
    let searched = goal.gain(
        words::value(state, ExperimentId(0))?,
        words::value(state, state.best)?,
    );
    Some(format!(
        "the search saw a gain of {}, fresh seeds show {}: regression to the mean of {}",
        number(searched),
        number(fresh),
        number(searched - fresh)
    ))
}

fn sealed(state: &State) -> Option<String> {
    let opened = state.opened.as_ref()?;
    let runs = state.sealed.as_ref()?;
    let mean = |ids: &[lyceum_types::RunId]| {
        let values = ids
            .iter()
            .filter_map(|id| state.run(*id)?.sealed_value(&opened.metric));
        lyceum_stats::mean(&values.collect::<Vec<f64>>())
    };
    let start = mean(&runs.start).map_or("—".into(), number);
    Some(match mean(&runs.winner) {
        Some(winner) => format!("sealed {}: {start} → {}", opened.metric, number(winner)),
        None => format!("sealed {}: {start}", opened.metric),
    })
}

/// Says how to go on after a stop. `--again` would begin one more attempt instead.
/// Says what a study that its level holds back waits for.
pub(crate) fn who_is_waited_for(study: &str, state: &State) {
    let (study, level) = (words::clean(study), state.level);
    note(&format!(
        "held at autonomy level {level}; `lyceum autonomy {study} --lend --why TEXT` lets what is proposed run"
    ));
}

/// Says how to go on after a stop.
pub(crate) fn how_to_go_on() {
    let words: Vec<String> = std::env::args().filter(|word| word != "--again").collect();
    let command = words::clean(&words.join(" "));
    note(&format!("stopped; nothing is lost. Go on with: {command}"));
}

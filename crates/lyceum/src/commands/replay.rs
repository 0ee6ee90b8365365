//! `lyceum replay`: another keep rule on the same log.

use lyceum_stats::Rule;
use lyceum_study::engine::replay_rule;
use lyceum_types::{ExperimentId, Verdict};

use crate::{
    context::{Known, LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// The keep rule: adaptive, greedy, two-sigma, best-of-three or always-confirm
    #[arg(long, default_value = "greedy", value_name = "RULE")]
    rule: Rule,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let known = known(&place.reader()?, arguments.study.as_deref())?;
    let verdicts = replay_rule(&known.state, &known.protocol, arguments.rule);
    let kept: Vec<ExperimentId> = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Kept)
        .map(|(id, _)| *id)
        .collect();
    let own: Vec<ExperimentId> = known
        .state
        .experiments
        .iter()
        .filter_map(|one| one.decided.as_ref())
        .filter(|decided| decided.verdict == Verdict::Kept)
        .map(|decided| decided.experiment)
        .collect();
    let claim = claim(&known, kept.last().copied());
    if json {
        println!(
            "{}",
            serde_json::json!({
                "study": known.name,
                "rule": arguments.rule.name(),
                "kept": kept,
                "kept_by_the_lab": own,
                "claimed_gain": claim,
                "confirmed_gain": confirmed(&known),
            })
        );
        return Ok(Exit::Done);
    }
    for (id, verdict) in &verdicts {
        let lab = known
            .state
            .experiment(*id)
            .and_then(|one| one.decided.as_ref());
        let lab = lab.map_or("undecided".to_owned(), |decided| {
            decided.verdict.to_string()
        });
        let differs = if lab == verdict.to_string() {
            ' '
        } else {
            '≠'
        };
        println!(
            "{differs} {id:>5}  {} {verdict:<13} lab: {lab}",
            words::sign(*verdict)
        );
    }
    println!(
        "rule {} keeps {} experiments; the lab kept {}",
        arguments.rule.name(),
        kept.len(),
        own.len()
    );
    let shown = |gain: Option<f64>| gain.map_or("nothing".to_owned(), words::number);
    println!("it would have claimed a gain of {}", shown(claim));
    println!(
        "confirmed on fresh paired seeds: {}",
        shown(confirmed(&known))
    );
    Ok(Exit::Done)
}

/// What a rule without confirmation reports: the first look of its winner against the mean of the start.
fn claim(known: &Known, winner: Option<ExperimentId>) -> Option<f64> {
    let start = words::value(&known.state, ExperimentId(0))?;
    let looks = known.state.looks(winner?, &known.protocol.metric);
    Some(known.protocol.goal.gain(start, looks.first()?.1))
}

fn confirmed(known: &Known) -> Option<f64> {
    let finding = &known.state.claimed.as_ref()?.finding;
    finding.gain.filter(|_| finding.confirmed)
}

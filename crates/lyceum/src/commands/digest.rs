//! `lyceum digest`: each cycle of a study on one page, every number with its events.

use std::fmt::Write as _;

use lyceum_oversight::digest::{Digest, Part, digests};
use lyceum_study::lab;

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

/// Events named after one number; the rest is counted.
const EVENTS_SHOWN: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// Every cycle, not the last alone
    #[arg(long)]
    all: bool,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let known = known(&reader, arguments.study.as_deref())?;
    let events = lab::events_before(&reader, &known.name, u64::MAX)?;
    let all = digests(&events);
    let skip = if arguments.all {
        0
    } else {
        all.len().saturating_sub(1)
    };
    let shown = &all[skip..];
    if json {
        let shown: Vec<_> = shown.iter().map(as_json).collect();
        println!("{}", serde_json::to_string(&shown)?);
        return Ok(Exit::Done);
    }
    for digest in shown {
        println!(
            "{} cycle {}: events {} to {}",
            known.name, digest.cycle, digest.events.0, digest.events.1
        );
        for line in &digest.lines {
            println!("  {:<24}{}", line.topic, text(&line.parts));
        }
    }
    println!(
        "  {:<24}{} of {} accepted changes to be explained back (`lyceum explain {}`)",
        "understanding",
        known.state.debt,
        known.state.debt_max.unwrap_or(lyceum_oversight::DEBT_MAX),
        known.name
    );
    println!("  {:<24}{}", "autonomy", known.state.level);
    Ok(Exit::Done)
}

/// Returns a line as people read it: behind each number the events that it rests on.
fn text(parts: &[Part]) -> String {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Text(text) => line.push_str(text),
            Part::Linked { shown, events } => {
                let first: Vec<String> = events
                    .iter()
                    .take(EVENTS_SHOWN)
                    .map(u64::to_string)
                    .collect();
                let more = if events.len() > EVENTS_SHOWN {
                    ", …"
                } else {
                    ""
                };
                let _ = write!(line, "{} [{}{more}]", words::clean(shown), first.join(", "));
            }
        }
    }
    line
}

fn as_json(digest: &Digest) -> serde_json::Value {
    let lines = digest.lines.iter().map(|line| {
        let parts: Vec<_> = line
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => serde_json::json!({ "text": text }),
                Part::Linked { shown, events } => {
                    serde_json::json!({ "text": shown, "events": events })
                }
            })
            .collect();
        serde_json::json!({ "topic": line.topic, "parts": parts })
    });
    serde_json::json!({
        "cycle": digest.cycle,
        "first_event": digest.events.0,
        "last_event": digest.events.1,
        "lines": lines.collect::<Vec<_>>(),
    })
}

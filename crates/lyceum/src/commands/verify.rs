//! `lyceum verify`: the chain, every blob, every verdict, and some measurements again.

use std::path::{Path, PathBuf};

use lyceum_ledger::{Checkpoint, Error, Reader, Unsigned, Verification};
use lyceum_study::lab::{self, Repeater, same_measurement};
use lyceum_types::RunId;

use crate::{
    context::{Known, LabPlace, known, named},
    exit::Exit,
    failure::Failure,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only the verdicts of this study [default: of all]
    study: Option<String>,
    /// Measure this many runs again, spread evenly over the study
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    measure: usize,
    /// Also check that the ledger continues what this checkpoint, kept elsewhere, was written of
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Accept events that a session found without a signature and signed then, as after a time without the lab's key
    #[arg(long)]
    accept_unsigned: bool,
}

struct Outcome {
    text: Vec<String>,
    good: bool,
}

impl Outcome {
    fn unreadable(&mut self, study: &str, why: &str) {
        self.good = false;
        self.text.push(format!("{study}: cannot be read: {why}"));
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let mut outcome = Outcome {
        text: vec![],
        good: true,
    };
    let ledger = chain(&reader, arguments.checkpoint.as_deref(), &mut outcome)?;
    outcome.good &= ledger.found_unsigned.is_empty() || arguments.accept_unsigned;
    let rules = lab::check_rules(&reader)?;
    if rules.adopted > 0 {
        let (adopted, wrong) = (rules.adopted, rules.wrong.len());
        outcome.good &= wrong == 0;
        outcome.text.push(format!(
            "rules about signatures: adopted {adopted} times, {wrong} against those before"
        ));
        outcome.text.extend(rules.wrong);
    }
    let names = match &arguments.study {
        Some(name) => vec![named(&reader, name)?],
        None => lab::studies(&reader)?,
    };
    for name in names {
        let known = match known(&reader, Some(&name)) {
            Ok(known) => known,
            // One study that cannot be read is a finding like others, which it must not hide.
            Err(failure) => {
                outcome.unreadable(&name, failure.message());
                continue;
            }
        };
        let checked = match lab::check(&reader, &name, &known.protocol) {
            Ok(checked) => checked,
            Err(error) => {
                outcome.unreadable(&name, Failure::from(error).message());
                continue;
            }
        };
        outcome.good &= checked.differences.is_empty();
        outcome.text.push(format!(
            "{name}: {} verdicts computed again from {} events, {} differ",
            checked.verdicts,
            checked.events,
            checked.differences.len()
        ));
        for difference in &checked.differences {
            let said = format!("  event {}: {}", difference.seq, difference.what);
            outcome.text.push(said);
        }
        if arguments.measure > 0 {
            measure(place, &known, arguments.measure, &mut outcome)?;
        }
    }
    outcome.text.push(format!(
        "head: event {} {}",
        ledger.head.position, ledger.head.hash
    ));
    if json {
        let shown = serde_json::json!({
            "intact": outcome.good,
            "events": ledger.events,
            "events_signed": ledger.events_signed,
            "found_unsigned": ledger.found_unsigned.iter().map(|one| [one.first, one.last]).collect::<Vec<_>>(),
            "imported": ledger.imported,
            "blobs": ledger.blobs,
            "fault": ledger.fault.as_ref().map(ToString::to_string),
            "head": { "position": ledger.head.position, "hash": ledger.head.hash.to_string() },
            "findings": outcome.text,
        });
        println!("{shown}");
    } else {
        for line in &outcome.text {
            println!("{line}");
        }
    }
    Ok(if outcome.good {
        Exit::Done
    } else {
        Exit::Unsatisfied
    })
}

/// Refuses to vouch for a ledger that is not as it was written; returns what was found without a signature and signed
/// only then.
pub(super) fn expect_intact(place: &LabPlace, reader: &Reader) -> Result<Vec<Unsigned>, Failure> {
    let found = reader.verify()?;
    match found.fault {
        None => Ok(found.found_unsigned),
        Some(fault) => Err(Error::NotIntact {
            directory: place.lab()?.ledger(),
            fault: Box::new(fault),
        }
        .into()),
    }
}

/// Checks the ledger itself, and says what that shows and what it cannot show.
fn chain(
    reader: &Reader,
    checkpoint: Option<&Path>,
    outcome: &mut Outcome,
) -> Result<Verification, Failure> {
    let kept = checkpoint.map(read_checkpoint).transpose()?;
    let ledger = match &kept {
        Some(kept) => reader.verify_against(kept)?,
        None => reader.verify()?,
    };
    if let Some(fault) = &ledger.fault {
        outcome.good = false;
        outcome.text.push(format!("chain: {fault}"));
        return Ok(ledger);
    }
    // What nobody had signed may have been rewritten before somebody did.
    let held = if ledger.found_unsigned.is_empty() {
        "all as they were written"
    } else {
        "all as they were signed"
    };
    outcome.text.push(format!(
        "chain: {} events in {} streams, {} blobs, {held}",
        ledger.events, ledger.streams, ledger.blobs
    ));
    outcome.text.push(if ledger.events_signed == ledger.events {
        format!("signatures: the lab's key has signed all {} events", ledger.events)
    } else {
        // A key in force signs every commit, so there has been none.
        "signatures: none, since the ledger is of a version without keys: anyone could have written it".to_owned()
    });
    for Unsigned { first, last } in &ledger.found_unsigned {
        outcome.text.push(format!(
            "signatures: events {first} to {last} were found without one and signed only then: they may not be what was \
             written, if the lab's key was not missing at that time (if it was: `--accept-unsigned`)"
        ));
    }
    if ledger.imported > 0 {
        outcome.text.push(format!(
            "imports: {} checked, each as its own lab signed it",
            ledger.imported
        ));
    }
    outcome.text.push(match kept {
        Some(kept) => format!(
            "checkpoint: this is what the checkpoint of {} events was written of; nothing was cut off or replaced",
            kept.head.size
        ),
        None => "checkpoint: none given, so three things cannot be seen: an earlier end put back, a fork, and the whole \
                 made anew with a key (`lyceum checkpoint` writes one; keep it elsewhere)"
            .to_owned(),
    });
    Ok(ledger)
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint, Failure> {
    let bad = |problem: String| {
        Failure::bad_input(format!(
            "cannot use checkpoint `{}`: {problem}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    text.parse()
        .map_err(|error: lyceum_ledger::ParseCheckpointError| bad(error.to_string()))
}

/// Measures some runs again and compares bit for bit; a ratio of times is compared by nothing, since it cannot repeat.
#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
fn measure(
    place: &LabPlace,
    known: &Known,
    number: usize,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let Some(opened) = &known.state.opened else {
        return Ok(());
    };
    let repeater = Repeater::open(place.kit()?, opened.directory.clone().into(), &known.name)?;
    let measured: Vec<RunId> = known
        .state
        .runs
        .iter()
        .filter(|run| run.value_is_there())
        .map(|run| run.id)
        .collect();
    let step = (measured.len() / number).max(1);
    let (mut same, mut all) = (0, 0);
    for id in measured.into_iter().step_by(step).take(number) {
        eprintln!("measuring {id} again");
        let again = repeater
            .measure_again(id)
            .map_err(|error| Failure::internal(&error))?;
        let Some((then, now)) = again else { continue };
        all += 1;
        if then.fresh.is_some() || same_measurement(&then, &now) {
            same += 1;
        } else {
            outcome.good = false;
            let metric = &known.study.metric.name;
            outcome.text.push(format!(
                "  {id}: recorded {:?}, measured again {:?}",
                then.measured.value(metric),
                now.measured.value(metric)
            ));
        }
    }
    outcome.text.push(format!(
        "{}: {same} of {all} measurements repeated as recorded",
        known.name
    ));
    Ok(())
}

//! `lyceum gc`: removes blobs that no event names.

use lyceum_ledger::{Ledger, Options};

use crate::{context::LabPlace, exit::Exit, failure::Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show what would be removed, and remove nothing; works beside a running study
    #[arg(long)]
    dry_run: bool,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let lab = place.lab()?;
    // A receipt is all that names the outputs of a run whose event was not written yet.
    let receipts = lab.receipts();
    let beside = [receipts.as_path()];
    let garbage = if arguments.dry_run {
        reader.garbage_beside(&beside)?
    } else {
        Ledger::collect_garbage_beside(&lab.ledger(), Options::default(), &beside)?
    };
    let names: Vec<String> = garbage.blobs.iter().map(ToString::to_string).collect();
    if json {
        let shown = serde_json::json!({
            "removed": !arguments.dry_run,
            "blobs": names,
            "bytes": garbage.bytes,
            "kept": garbage.kept,
        });
        println!("{shown}");
        return Ok(Exit::Done);
    }
    for name in &names {
        println!("{name}");
    }
    println!(
        "{} blobs of {} bytes that no event names: {}; {} blobs are named and stay",
        names.len(),
        garbage.bytes,
        if arguments.dry_run {
            "would be removed"
        } else {
            "removed"
        },
        garbage.kept
    );
    Ok(Exit::Done)
}

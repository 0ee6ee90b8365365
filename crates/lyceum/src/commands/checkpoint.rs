//! `lyceum checkpoint`: what the lab signs about its ledger, to be kept elsewhere.

use std::{io::Write as _, path::PathBuf};

use lyceum_ledger::{Ledger, Options, Reader, Unsigned};

use super::verify::expect_intact;
use crate::{context::LabPlace, exit::Exit, failure::Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write it to this new file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// First give the lab a new key, which the present one signs
    #[arg(long)]
    new_key: bool,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
#[expect(
    clippy::print_stderr,
    reason = "what is no data goes to standard error"
)]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    for Unsigned { first, last } in expect_intact(place, &reader)? {
        eprintln!(
            "warning: events {first} to {last} were found without a signature and signed only then: the checkpoint holds them \
             as they are"
        );
    }
    // Before the key is changed, which cannot be taken back.
    let Some(path) = &arguments.output else {
        let (text, _) = sign(place, &reader, json, arguments.new_key)?;
        print!("{text}");
        return Ok(Exit::Done);
    };
    let refused = |error: std::io::Error| {
        Failure::bad_input(format!("failed to write `{}`: {error}", path.display()))
            .hint("a checkpoint is never written over: name a new file")
    };
    let mut file = std::fs::File::create_new(path).map_err(refused)?;
    let (text, size) = sign(place, &reader, json, arguments.new_key)
        .inspect_err(|_| drop(std::fs::remove_file(path)))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(refused)?;
    eprintln!("checkpoint of {size} events in `{}`", path.display());
    Ok(Exit::Done)
}

/// Signs the ledger, with a new key if that is asked for; returns what to write and how many events that covers.
#[expect(
    clippy::print_stderr,
    reason = "what is no data goes to standard error"
)]
fn sign(
    place: &LabPlace,
    reader: &Reader,
    json: bool,
    new_key: bool,
) -> Result<(String, u64), Failure> {
    if new_key {
        let key = Ledger::open(&place.lab()?.ledger(), Options::default())?.change_key()?;
        eprintln!("the lab signs with key {key} from now on");
    }
    let checkpoint = reader.checkpoint()?;
    let mut text = checkpoint.to_string();
    if json {
        let key = reader.key()?.map(|key| key.to_string());
        let shown = serde_json::json!({
            "lab": checkpoint.lab.to_string(),
            "events": checkpoint.head.size,
            "root": checkpoint.head.root.to_string(),
            "key": key,
            "checkpoint": text,
        });
        text = format!("{shown}\n");
    }
    Ok((text, checkpoint.head.size))
}

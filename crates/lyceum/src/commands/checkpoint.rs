//! `lyceum checkpoint`: what the lab signs about its ledger, to be kept elsewhere.

use std::{io::Write as _, path::PathBuf};

use lyceum_ledger::{Ledger, Options};

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
    if arguments.new_key {
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
    match &arguments.output {
        None => print!("{text}"),
        Some(path) => {
            let written = std::fs::File::create_new(path).and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            });
            written.map_err(|error| {
                Failure::bad_input(format!("failed to write `{}`: {error}", path.display()))
                    .hint("a checkpoint is never written over: name a new file")
            })?;
            let size = checkpoint.head.size;
            eprintln!("checkpoint of {size} events in `{}`", path.display());
        }
    }
    Ok(Exit::Done)
}

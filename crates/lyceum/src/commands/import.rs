//! `lyceum import`: a study, or a whole lab, from a signed bundle.

use std::path::PathBuf;

use lyceum_ledger::{Bundle, Ledger, Options, PublicKey};
use lyceum_study::{engine::State, lab};
use lyceum_types::Body;

use crate::{context::LabPlace, exit::Exit, failure::Failure};

/// Begins the names of the streams that hold studies.
const STUDY: &str = "study/";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle, as `lyceum export --bundle` wrote it
    bundle: PathBuf,
    /// Name of the study here [default: its own, with a number if that is taken]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Take it only if this key signed it
    #[arg(long, value_name = "KEY")]
    key: Option<PublicKey>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(name) = arguments
        .name
        .as_ref()
        .filter(|name| !lab::is_study_name(name))
    {
        return Err(
            Failure::bad_input(format!("`{name}` cannot name a study")).hint(
                "a name has at most 100 letters, digits, `.`, `_` and `-`, and is not `.` or `..`",
            ),
        );
    }
    let mut bundle = Bundle::open(&arguments.bundle)?;
    let (from, key) = (bundle.lab(), bundle.key());
    if let Some(expected) = arguments.key.filter(|expected| *expected != key) {
        return Err(Failure::bad_input(format!(
            "the bundle is signed by key {key}, but {expected} was expected"
        )));
    }
    check_studies(&mut bundle)?;
    let ledger = place.lab()?.ledger();
    let stream = bundle.stream().map(str::to_owned);
    let (what, imported) = match stream {
        None if arguments.name.is_some() => {
            return Err(Failure::bad_input(
                "the bundle holds a whole lab, which takes no `--as`",
            ));
        }
        None => ("a whole lab".to_owned(), bundle.import_lab(&ledger)?),
        Some(stream) => {
            let Some(original) = stream.strip_prefix(STUDY) else {
                return Err(Failure::bad_input(
                    "the bundle holds a stream that is no study",
                ));
            };
            let ledger = Ledger::open(&ledger, Options::default())?;
            let known = lab::studies(&ledger.reader()?)?;
            let name = match &arguments.name {
                Some(name) if known.contains(name) => {
                    return Err(
                        Failure::bad_input(format!("the lab holds a study `{name}`"))
                            .hint("name another with `--as NAME`"),
                    );
                }
                Some(name) => name.clone(),
                None => free_name(original, &known),
            };
            let imported = bundle.import_stream(&ledger, &lab::stream_of(&name))?;
            (format!("study {name}"), imported)
        }
    };
    if json {
        let shown = serde_json::json!({
            "imported": what,
            "events": imported.events,
            "blobs": imported.blobs,
            "lab": from.to_string(),
            "key": key.to_string(),
        });
        println!("{shown}");
    } else {
        println!(
            "imported {what}: {} events, {} blobs, as lab {from} signed them with key {key}",
            imported.events, imported.blobs
        );
    }
    Ok(Exit::Done)
}

/// Refuses a bundle with a study that this program could not read once it is in the lab.
fn check_studies(bundle: &mut Bundle) -> Result<(), Failure> {
    let is_one = bundle.stream().is_some();
    let mut events = Vec::new();
    bundle.events_before_import(&mut |event| {
        let Some(name) = event.stream.strip_prefix(STUDY) else {
            return Ok(());
        };
        if !lab::is_study_name(name) {
            return Err(format!("`{}` cannot name a study", name.escape_debug()));
        }
        let body = Body::decode(event.kind, event.version, event.body)
            .map_err(|error| error.to_string())?;
        if is_one {
            events.push((event.seq, event.at_unix_ms, body));
        }
        Ok(())
    })?;
    // Those with long bodies came last.
    events.sort_by_key(|(seq, ..)| *seq);
    let mut state = State::default();
    for (seq, at, body) in events {
        state.apply(seq, at, body).map_err(|error| {
            Failure::bad_input(format!(
                "the bundle's study cannot be read at its event {seq}: {error}"
            ))
        })?;
    }
    Ok(())
}

/// Returns the study's own name, or the first with a number that is free.
fn free_name(original: &str, known: &[String]) -> String {
    let base = original.split('~').next().unwrap_or(original);
    let numbered = (2..).map(|number: u64| format!("{base}~{number}"));
    std::iter::once(base.to_owned())
        .chain(numbered)
        .find(|name| !known.contains(name))
        .unwrap_or_else(|| original.to_owned())
}

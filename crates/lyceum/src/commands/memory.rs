//! `lyceum memory`: shows and changes what the lab remembers.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use lyceum_ledger::{Ledger, Options};
use lyceum_memory::{
    Actor, Change, Cite, ENTRY_BYTES_MAX, Entry, Must, Note, Operation, Store, names,
};
use lyceum_study::lab::stream_of;

use crate::{
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{visible, words},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Name the stores of the lab
    List,
    /// Show the dreams by models and the schedules of the lab, and what came of them
    Dreams,
    /// Show the entries of a store, or what one of them says
    Show {
        /// The store
        store: String,
        /// The entry
        path: Option<String>,
        /// An older version of any entry, by the number that `history` shows
        #[arg(long, value_name = "NUMBER", conflicts_with = "path")]
        version: Option<u64>,
    },
    /// Show every change of a store
    History {
        /// The store
        store: String,
    },
    /// Write an entry, from a file or from standard input
    Write(Write),
    /// Delete an entry; its versions stay
    Delete {
        /// The store
        store: String,
        /// The entry
        path: String,
    },
    /// Take the contents of a version away for good; who wrote it and when stays
    Redact {
        /// The store
        store: String,
        /// The version, by the number that `history` shows
        version: u64,
    },
    /// Have a store that was kept for review read in place of the one that it was dreamt from
    Accept {
        /// The store that was dreamt
        store: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", default_value = "no reason given")]
        why: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Write {
    /// The store; made if there is none
    store: String,
    /// The entry, as `rates/small.md`
    path: String,
    /// The file that it is to say [default: standard input]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Refuse unless the entry has these contents now, by the hash that `show` prints
    #[arg(long, value_name = "HASH", conflicts_with = "new")]
    expect: Option<String>,
    /// Refuse if there is such an entry already
    #[arg(long)]
    new: bool,
    /// Events that support it; may be given more than once
    #[arg(long, value_name = "STUDY:NUMBER,...", value_parser = cite)]
    cite: Vec<Cite>,
    /// Days after which it says nothing any more
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..36_500))]
    days: Option<u32>,
}

fn cite(text: &str) -> Result<Cite, String> {
    let expected = "expected STUDY:NUMBER,NUMBER,...";
    let (study, numbers) = text.split_once(':').ok_or(expected)?;
    let numbers = numbers.split(',').map(str::parse::<u64>);
    let mut seqs = numbers
        .collect::<Result<Vec<u64>, _>>()
        .map_err(|_| expected)?;
    seqs.sort_unstable();
    Ok(Cite {
        stream: stream_of(study),
        seqs,
    })
}

/// Returns who is at the keyboard.
pub(super) fn person() -> Actor {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    Actor::Person(name.unwrap_or_else(|| "unnamed".to_owned()))
}

/// Returns text that somebody else wrote as it may be shown.
pub(super) fn shown(text: &str) -> String {
    words::clean(text)
}

pub(super) fn run(place: &LabPlace, json: bool, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list(place, json),
        Command::Dreams => super::dream::list::run(place, json),
        Command::Show {
            store,
            path,
            version,
        } => show(place, json, store, path.as_deref(), *version),
        Command::History { store } => history(place, json, store),
        Command::Write(arguments) => write(place, json, arguments),
        Command::Delete { store, path } => change(place, json, store, |store, ledger| {
            check_read(store, "delete it from")?;
            store.delete(ledger, path, person(), &Must::Any)?;
            Ok(format!("deleted `{path}`"))
        }),
        Command::Redact { store, version } => change(place, json, store, |store, ledger| {
            store.redact(ledger, *version, person())?;
            let copies = copies(place, store, *version)?;
            Ok(format!(
                "the contents of version {version} are gone{copies}"
            ))
        }),
        Command::Accept { store, why } => accept(place, json, store, why),
    }
}

fn load(place: &LabPlace, name: &str) -> Result<Store, Failure> {
    Ok(Store::load(&place.reader()?, &place.lab()?.memory(), name)?)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn list(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let names = names(&reader)?;
    let stores = names.iter().map(|name| load(place, name));
    let stores = stores.collect::<Result<Vec<Store>, Failure>>()?;
    if json {
        let shown: Vec<_> = stores
            .iter()
            .map(|one| {
                serde_json::json!({
                    "store": one.name(),
                    "description": one.description(),
                    "entries": one.entries().count(),
                    "dreamed": one.dreamed(),
                    "succeeded": one.succeeded(),
                })
            })
            .collect();
        println!("{}", visible(&serde_json::Value::from(shown).to_string()));
        return Ok(Exit::Done);
    }
    for one in &stores {
        let next = one
            .succeeded()
            .map_or(String::new(), |by| format!("; `{by}` is read in its place"));
        println!(
            "{}  {} entries  {}{next}",
            one.name(),
            one.entries().count(),
            shown(one.description())
        );
    }
    if stores.is_empty() {
        println!("no memory stores: `lyceum dream` makes one");
    }
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn show(
    place: &LabPlace,
    json: bool,
    store: &str,
    path: Option<&str>,
    version: Option<u64>,
) -> Result<Exit, Failure> {
    let store = load(place, store)?;
    let text = match (path, version) {
        (Some(path), _) => Some(store.read(path)?),
        (None, Some(seq)) => Some(store.read_version(seq)?),
        (None, None) => None,
    };
    if let Some(text) = text {
        if json {
            let told = serde_json::json!({ "text": text });
            println!("{}", visible(&told.to_string()));
        } else {
            for line in text.lines() {
                println!("{}", shown(line));
            }
        }
        return Ok(Exit::Done);
    }
    let now = jiff::Timestamp::now().as_millisecond();
    for entry in store.entries() {
        if json {
            println!("{}", visible(&described(entry).to_string()));
        } else {
            let expired = if entry.is_expired(now) {
                "  expired"
            } else {
                ""
            };
            println!(
                "{}  {} bytes  {}{expired}",
                shown(&entry.path),
                entry.bytes,
                entry.hash
            );
        }
    }
    Ok(Exit::Done)
}

fn described(entry: &Entry) -> serde_json::Value {
    serde_json::json!({
        "path": entry.path,
        "bytes": entry.bytes,
        "hash": entry.hash,
        "version": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "cites": entry.cites,
        "expires_at": entry.expires_at,
    })
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn history(place: &LabPlace, json: bool, store: &str) -> Result<Exit, Failure> {
    let store = load(place, store)?;
    for version in store.versions() {
        let entry = &version.entry;
        let done = match version.operation {
            Operation::Created => "created",
            Operation::Modified => "modified",
            Operation::Deleted => "deleted",
        };
        if json {
            let mut line = described(entry);
            line["operation"] = done.into();
            line["redacted"] = version.redacted.into();
            println!("{}", visible(&line.to_string()));
            continue;
        }
        let who = match &entry.actor {
            Actor::Person(name) => name.clone(),
            Actor::Session(name) => format!("session {name}"),
            Actor::Dream(name) => format!("dream {name}"),
        };
        let redacted = if version.redacted { "  redacted" } else { "" };
        println!(
            "{}  {done}  {}  by {}{redacted}",
            entry.seq,
            shown(&entry.path),
            shown(&who)
        );
    }
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn change(
    place: &LabPlace,
    json: bool,
    name: &str,
    what: impl FnOnce(&mut Store, &Ledger) -> Result<String, Failure>,
) -> Result<Exit, Failure> {
    // A lab that is not there is not made.
    drop(place.reader()?);
    let ledger = Ledger::open(&place.lab()?.ledger(), Options::default())?;
    // Nobody else writes between what is looked at here and what is written.
    let mut store = load(place, name)?;
    let done = what(&mut store, &ledger)?;
    if json {
        println!("{}", serde_json::json!({ "store": name, "done": done }));
    } else {
        println!("{name}: {}", shown(&done));
    }
    Ok(Exit::Done)
}

/// Returns what is to be written, from a file or from standard input.
fn given(file: Option<&Path>) -> Result<String, Failure> {
    let (read, from) = if let Some(file) = file {
        let opened = fs::File::open(file);
        (opened.and_then(bounded), format!("`{}`", file.display()))
    } else {
        (bounded(std::io::stdin()), "standard input".to_owned())
    };
    read.map_err(|error| Failure::bad_input(format!("cannot read {from}: {error}")))
}

/// Reads a little more than an entry may have: what is longer is refused by its length and need not fit into memory.
fn bounded(from: impl Read) -> std::io::Result<String> {
    let mut text = Vec::new();
    from.take(ENTRY_BYTES_MAX as u64 + 1)
        .read_to_end(&mut text)?;
    if text.len() > ENTRY_BYTES_MAX {
        let long =
            format!("it has more than {ENTRY_BYTES_MAX} bytes, the most that an entry holds");
        return Err(std::io::Error::other(long));
    }
    String::from_utf8(text).map_err(std::io::Error::other)
}

/// Refuses a change of a store that another is read in place of.
fn check_read(store: &Store, what: &str) -> Result<(), Failure> {
    let Some(by) = store.succeeded() else {
        return Ok(());
    };
    let name = store.name();
    let message = format!("`{by}` is read in place of memory store `{name}`");
    Err(Failure::bad_input(message).hint(format!("{what} `{by}`")))
}

/// Names the other stores that hold the same contents: a dream takes over what the store before it says.
fn copies(place: &LabPlace, store: &Store, version: u64) -> Result<String, Failure> {
    let reader = place.reader()?;
    let gone = store.versions().iter();
    let hash = gone
        .filter(|one| one.entry.seq == version)
        .map(|one| one.entry.hash.clone())
        .next();
    let mut told = Vec::new();
    for name in names(&reader)?.iter().filter(|name| *name != store.name()) {
        let other = load(place, name)?;
        let same = other.versions().iter();
        let same = same.filter(|one| !one.redacted && Some(&one.entry.hash) == hash.as_ref());
        told.extend(same.map(|one| format!("`lyceum memory redact {name} {}`", one.entry.seq)));
    }
    if told.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(
        "; the same words stand elsewhere: {}",
        told.join(", ")
    ))
}

/// Looks the events up that are to support an entry.
fn check_cites(place: &LabPlace, cites: &[Cite]) -> Result<(), Failure> {
    if cites.is_empty() {
        return Ok(());
    }
    let reader = place.reader()?;
    for cite in cites {
        for seq in &cite.seqs {
            let there = match seq.checked_sub(1) {
                Some(before) => reader.read(&cite.stream, before, 1)?,
                None => vec![],
            };
            if there.first().is_none_or(|event| event.seq != *seq) {
                let message = format!("`{}` has no event {seq}", shown(&cite.stream));
                return Err(Failure::bad_input(message).hint("`lyceum log STUDY` numbers them"));
            }
        }
    }
    Ok(())
}

fn write(place: &LabPlace, json: bool, arguments: &Write) -> Result<Exit, Failure> {
    let text = given(arguments.from.as_deref())?;
    let lab = place.lab()?;
    lyceum_memory::check_store(&arguments.store)?;
    check_cites(place, &arguments.cite)?;
    if !lab.ledger().exists() {
        // A store may be the first thing in a lab.
        drop(Ledger::open(&lab.ledger(), Options::default())?);
    }
    let known = names(&place.reader()?)?;
    if known.contains(&arguments.store) {
        check_read(&load(place, &arguments.store)?, "write to")?;
    } else {
        let ledger = Ledger::open(&lab.ledger(), Options::default())?;
        Store::create(&ledger, &lab.memory(), &arguments.store, "", person())?;
    }
    let must = match (&arguments.expect, arguments.new) {
        (Some(hash), _) => Must::Have(hash.clone()),
        (None, true) => Must::BeAbsent,
        (None, false) => Must::Any,
    };
    let day = i64::from(24 * 60 * 60) * 1000;
    let now = jiff::Timestamp::now().as_millisecond();
    let note = Note {
        actor: person(),
        cites: arguments.cite.clone(),
        expires_at: arguments.days.map(|days| now + i64::from(days) * day),
    };
    change(place, json, &arguments.store, |store, ledger| {
        let path = &arguments.path;
        Ok(match store.write(ledger, path, &text, note, &must)? {
            Change::Made(seq) => format!("wrote `{path}`, version {seq}"),
            Change::None => format!("`{path}` says that already"),
        })
    })
}

/// Returns the entries that changed after a dream had read them and that the dreamt store does not have as they are now.
fn written_since(before: &Store, read: u64, dreamt: &Store) -> Vec<String> {
    let hash = |store: &Store, path: &str| store.entry(path).ok().map(|one| one.hash.clone());
    let since = before.versions().iter().filter(|one| one.entry.seq > read);
    let mut lost: Vec<String> = since
        .filter(|one| hash(before, &one.entry.path) != hash(dreamt, &one.entry.path))
        .map(|one| format!("`{}`", one.entry.path))
        .collect();
    lost.sort_unstable();
    lost.dedup();
    lost
}

fn accept(place: &LabPlace, json: bool, name: &str, why: &str) -> Result<Exit, Failure> {
    let dreamt = load(place, name)?;
    let from = dreamt.dreamed().and_then(|dreamed| dreamed.from.clone());
    let Some((from, read)) = from else {
        let message = format!("memory store `{name}` was not dreamt from another");
        return Err(Failure::bad_input(message).hint("`lyceum memory list` names those that were"));
    };
    change(place, json, &from, |store, ledger| {
        if let Some(by) = store.succeeded() {
            let message = format!("`{by}` is read in place of memory store `{from}` already");
            let hint = "`lyceum dream` goes on from what is read";
            return Err(Failure::bad_input(message).hint(hint));
        }
        let lost = written_since(store, read, &load(place, name)?);
        if !lost.is_empty() {
            let message = format!(
                "memory store `{from}` changed after `{name}` was dreamt from it: {}",
                shown(&lost.join(", "))
            );
            return Err(Failure::bad_input(message).hint(format!(
                "change `{name}` in the same way, or leave it and dream again"
            )));
        }
        store.succeed(ledger, name, person(), why)?;
        Ok(format!("`{name}` is read in its place"))
    })
}

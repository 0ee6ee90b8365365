//! `lyceum dream`: learns from finished studies.

use lyceum_ledger::{Ledger, Options, Reader};
use lyceum_memory::{DreamVerdict, Dreamt, Error, PastStudy, Replay, Store, dream, present};
use lyceum_study::lab::{self, Lab};

use super::memory::{person, shown};
use crate::{
    context::{LabPlace, known, named},
    exit::Exit,
    failure::Failure,
    view,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Studies to learn from [default: all finished ones of this lab that the store does not know]
    studies: Vec<String>,
    /// The store that is dreamt on; made if there is none
    #[arg(long, value_name = "NAME", default_value = "lab")]
    store: String,
    /// Show what would change and how the replay ends, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let lab = place.lab()?;
    let reader = place.reader()?;
    let before = match present(&reader, &lab.memory(), &arguments.store) {
        Ok(store) => Some(store),
        Err(Error::NoStore { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let studies = studies(&reader, arguments, before.as_ref())?;
    if !json {
        view::note(&format!("dreaming of {} studies", studies.len()));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let dreamt = dream(before.as_ref(), studies, now)?;
    let told = dreamt.clone();
    let store = if arguments.dry_run {
        None
    } else {
        drop(reader);
        Some(write(&lab, &arguments.store, before, dreamt)?)
    };
    tell(json, &told, store.as_ref());
    Ok(match told.dreamed.verdict {
        DreamVerdict::Accepted => Exit::Done,
        DreamVerdict::Review => Exit::Unsatisfied,
    })
}

/// Reads the studies that the dream is about.
fn studies(
    reader: &Reader,
    arguments: &Arguments,
    before: Option<&Store>,
) -> Result<Vec<PastStudy>, Failure> {
    let names = if arguments.studies.is_empty() {
        let known_before = before.map_or(Ok(vec![]), lyceum_memory::remembered)?;
        let mut names = lab::studies(reader)?;
        names.retain(|name| known_before.iter().all(|study| study.name != *name));
        names
    } else {
        let given = arguments.studies.iter();
        given
            .map(|name| named(reader, name))
            .collect::<Result<_, _>>()?
    };
    let mut studies = Vec::new();
    for name in names {
        let known = known(reader, Some(&name))?;
        if known.state.finished.is_some() {
            studies.push(lab::past(reader, &name, &known.state, &known.protocol)?);
        } else if !arguments.studies.is_empty() {
            let message = format!("study `{name}` is not finished");
            return Err(Failure::bad_input(message).hint("finish it with `lyceum run`"));
        }
    }
    Ok(studies)
}

fn write(lab: &Lab, name: &str, before: Option<Store>, dreamt: Dreamt) -> Result<Store, Failure> {
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    let root = lab.memory();
    let mut before = match before {
        Some(store) => store,
        None => Store::create(
            &ledger,
            &root,
            name,
            "what finished studies taught",
            person(),
        )?,
    };
    Ok(dreamt.write(&ledger, &root, &mut before)?)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn tell(json: bool, dreamt: &Dreamt, store: Option<&Store>) {
    let dreamed = &dreamt.dreamed;
    if json {
        let replays: Vec<_> = dreamed.replays.iter().map(replay).collect();
        let changes: Vec<_> = dreamt
            .changes
            .iter()
            .map(|(path, lines)| serde_json::json!({ "path": path, "lines": lines }))
            .collect();
        let shown = serde_json::json!({
            "store": store.map(Store::name),
            "studies": dreamed.studies,
            "verdict": dreamed.verdict,
            "reason": dreamed.reason,
            "replays": replays,
            "changes": changes,
        });
        println!("{shown}");
        return;
    }
    for (path, lines) in &dreamt.changes {
        println!("{}", shown(path));
        if path.starts_with("studies/") {
            println!("  {} lines, for samplers", lines.len());
        } else {
            for line in lines {
                println!("  {}", shown(line));
            }
        }
    }
    for one in &dreamed.replays {
        println!(
            "replay of {}, experiments to reach what {} reaches in 12:",
            shown(&one.family),
            one.researcher
        );
        for held in &one.held {
            println!(
                "  {}: {:.1} without memory, {:.1} with",
                shown(&held.study),
                held.without,
                held.with
            );
        }
    }
    let verdict = match (dreamed.verdict, store) {
        (DreamVerdict::Accepted, Some(store)) => format!("accepted: `{}`", store.name()),
        (DreamVerdict::Review, Some(store)) => format!(
            "kept for review: `{}`; `lyceum memory accept {0}` takes it all the same",
            store.name()
        ),
        (DreamVerdict::Accepted, None) => "would be accepted".to_owned(),
        (DreamVerdict::Review, None) => "would be kept for review".to_owned(),
    };
    println!("{verdict}: {}", shown(&dreamed.reason));
}

fn replay(one: &Replay) -> serde_json::Value {
    serde_json::json!({
        "family": one.family,
        "researcher": one.researcher,
        "seeds": one.seeds,
        "saved": one.saved(),
        "improved": one.improved(),
        "held": one.held,
    })
}

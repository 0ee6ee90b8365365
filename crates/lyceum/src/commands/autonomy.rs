//! `lyceum autonomy`: how much a study may do by itself, and a person's word about it.

use lyceum_ledger::{Ledger, Options, Reader};
use lyceum_oversight::autonomy::{self, Cause};
use lyceum_sandbox::show_untrusted;
use lyceum_study::{
    engine::{Journal as _, State},
    lab::{self, ConductError, Lab, StudyJournal},
};
use lyceum_types::{AutonomyChanged, AutonomyLent, Body, Level};

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// Let it do more, one level: needs a confirmed claim, or ten runs at L0 and L1, and none blocked, since the level changed
    #[arg(long, requires = "why")]
    raise: bool,
    /// Let it do no more than this level: L0, L1, L2 or L3
    #[arg(long, value_name = "LEVEL", value_parser = level, requires = "why", conflicts_with = "raise")]
    lower: Option<Level>,
    /// Let it begin one more session, and at L0 run what it has proposed
    #[arg(long, requires = "why", conflicts_with_all = ["raise", "lower"])]
    lend: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim().len() {
        1..=1000 => Ok(text.to_owned()),
        found => Err(format!(
            "expected a reason of 1 to 1000 bytes, found {found}"
        )),
    }
}

fn level(text: &str) -> Result<Level, String> {
    let known = |level: &Level| level.to_string() == text;
    let found = Level::ALL.into_iter().find(known);
    found.ok_or_else(|| "expected L0, L1, L2, L3 or L4".into())
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let lab = place.lab()?;
    let reader = place.reader()?;
    let name = known(&reader, arguments.study.as_deref())?.name;
    newest(&reader, &name, arguments)?;
    drop(reader);
    let why = show_untrusted(arguments.why.clone().unwrap_or_default().as_bytes());
    if arguments.raise || arguments.lower.is_some() {
        change(&lab, &name, arguments.lower, why)?;
    } else if arguments.lend {
        lend(&lab, &name, why)?;
    }
    let state = lab::load(&place.reader()?, &name)?;
    if json {
        let shown = serde_json::json!({
            "study": name,
            "level": state.level.to_string(),
            "holds": state.level_holds,
            "waits_for_a_person": state.waits_for_a_person(),
            "confirmed": state.grounds.confirmed,
            "blocked": state.grounds.blocked,
            "ran": state.grounds.ran,
        });
        println!("{shown}");
        return Ok(Exit::Done);
    }
    println!(
        "{}: {} {}",
        words::clean(&name),
        state.level,
        means(state.level)
    );
    println!(
        "  since it changed: {} confirmed claims, {} runs, {} blocked",
        state.grounds.confirmed, state.grounds.ran, state.grounds.blocked
    );
    if state.session_lent {
        println!("  one more session may begin");
    } else if state.waits_for_a_person() {
        println!("  another session waits for `lyceum autonomy {name} --lend --why TEXT`");
    }
    Ok(Exit::Done)
}

/// Refuses a word about an attempt that is not the last: the next one follows that.
fn newest(reader: &Reader, name: &str, arguments: &Arguments) -> Result<(), Failure> {
    let changes = arguments.raise || arguments.lend || arguments.lower.is_some();
    let (base, number) = attempt(name);
    let names = lab::studies(reader)?;
    let imported = reader.imported()?;
    let own = names
        .iter()
        .filter(|name| !imported.contains(&lab::stream_of(name)));
    let last = own
        .filter(|name| attempt(name).0 == base)
        .max_by_key(|name| attempt(name).1);
    match last.filter(|last| changes && attempt(last).1 > number) {
        None => Ok(()),
        Some(last) => Err(Failure::bad_input(format!(
            "study `{name}` has a later attempt, whose level is the one that counts"
        ))
        .hint(format!("name it: `lyceum autonomy {last}`"))),
    }
}

/// Returns the name of a study's first attempt, and which attempt this is.
fn attempt(name: &str) -> (&str, u32) {
    let later = name
        .rsplit_once('~')
        .and_then(|(base, number)| Some((base, number.parse().ok()?)));
    later.unwrap_or((name, 1))
}

/// Returns what a study may do at this level.
fn means(level: Level) -> &'static str {
    match level {
        Level::L0 => "proposes, and runs what a person lets it run",
        Level::L1 => "runs, and accepts nothing",
        Level::L2 => "accepts, within one session at a time",
        Level::L3 => "goes on over sessions",
        Level::L4 => "trains its own successor",
    }
}

fn change(lab: &Lab, name: &str, lower: Option<Level>, why: String) -> Result<(), Failure> {
    let cause = |state: &State| match lower {
        Some(to) => Cause::Lowered(to),
        None => Cause::Approved(state.grounds),
    };
    let refused = |error: autonomy::Refused| {
        Failure::bad_input(error.to_string()).hint(match error {
            autonomy::Refused::NoGrounds { .. } => {
                "a level rises on a claim that held, tested after the level changed last"
            }
            _ => "`lyceum autonomy` shows the level",
        })
    };
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    let state = lab::load(&ledger.reader()?, name)?;
    let to = autonomy::next(state.level, cause(&state)).map_err(refused)?;
    let mut bodies = Vec::new();
    if to > state.level {
        let approved = lab::promotion(lab, &ledger, name, (state.level, to))?;
        let approved = approved.map_err(ConductError::Unapproved)?;
        bodies.extend(approved.map(Body::from));
    }
    let changed = AutonomyChanged {
        from: state.level,
        to,
        confirmed: state.grounds.confirmed,
        blocked: state.grounds.blocked,
        ran: state.grounds.ran,
        why,
    };
    bodies.push(changed.into());
    StudyJournal::new(ledger, name).append(bodies)?;
    Ok(())
}

fn lend(lab: &Lab, name: &str, why: String) -> Result<(), Failure> {
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    StudyJournal::new(ledger, name).append(vec![AutonomyLent { why }.into()])?;
    Ok(())
}

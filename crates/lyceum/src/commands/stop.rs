//! `lyceum stop`: ends what runs, leaves nothing alive, and lets the study go on only by a person's word.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use lyceum_agents::{alone, workflow::worked_on_by};
use lyceum_ledger::{Holding, Ledger, LockHolder, Options, Reader};
use lyceum_sandbox::{ProcessIdentity, reap, show_untrusted};
use lyceum_study::{
    engine::Journal as _,
    lab::{self, Lab, StudyJournal},
};
use lyceum_types::{Body, StudyResumed};

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// How long the session may take to end its runs and write down how: it needs some tenths of a second.
const GRACE: Duration = Duration::from_millis(1500);
/// How often the end of the session is looked for.
const POLL: Duration = Duration::from_millis(10);

/// What is said of something that was stopped.
const STOPPED: &str = "stopped; nothing of it is alive";
/// How long a session without a study may take to end its request and its command.
const SESSION_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the session without a study or the team at work, or the study that was worked on last]
    study: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    why: String,
    /// Let a stopped study go on
    #[arg(long)]
    lift: bool,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let lab = place.lab()?;
    let reader = place.reader()?;
    if let (None, false, Some(session)) = (
        &arguments.study,
        arguments.lift,
        session_at_work(&lab, &reader)?,
    ) {
        drop(reader);
        if !json {
            // A request or a command may take seconds to end.
            view::note(&format!("asking session {} to end", words::clean(&session)));
        }
        stop_session(&lab, &arguments.why)?;
        if json {
            println!(
                "{}",
                serde_json::json!({ "session": session, "now": STOPPED })
            );
        } else {
            println!("{}: {STOPPED}", words::clean(&session));
        }
        return Ok(Exit::Done);
    }
    let name = known(&reader, arguments.study.as_deref())?.name;
    drop(reader);
    let done = if arguments.lift {
        lift(&lab, &name, &arguments.why)?;
        "may go on"
    } else if stop(place, &lab, &name, &arguments.why)? {
        STOPPED
    } else {
        "is finished: nothing to stop"
    };
    if json {
        println!("{}", serde_json::json!({ "study": name, "now": done }));
    } else {
        println!("{name}: {done}");
    }
    Ok(Exit::Done)
}

/// Returns whether there was anything to stop.
fn stop(place: &LabPlace, lab: &Lab, name: &str, why: &str) -> Result<bool, Failure> {
    let ledger = lab.ledger();
    let reader = place.reader()?;
    let finished = lab::load(&reader, name)?.finished.is_some();
    match Ledger::holding(&ledger)? {
        Holding::Nobody if finished => return Ok(false),
        // It works on no study of this lab: to end it would end something else.
        Holding::By(holder) => {
            let run = worked_on_by(&reader, holder.pid)?;
            let session = alone::worked_on_by(&reader, holder.pid)?;
            match (run, session) {
                (None, None) => {}
                _ if finished => return Ok(false),
                (Some(run), _) => return Err(works_on_another(name, &run)),
                (None, Some(session)) => return Err(works_on_a_session(name, &session)),
            }
        }
        Holding::Nobody | Holding::ByUnknown => {}
    }
    drop(reader);
    ask_and_end(lab, why, GRACE)?;
    let ledger = Ledger::open(&ledger, Options::default())?;
    // What a session that was killed left: its sandboxes die with it, and this waits until they are gone.
    lab::clean_up(lab).map_err(|error| Failure::internal(&error))?;
    let state = lab::load(&place.reader()?, name)?;
    if state.stopped.is_none() && state.finished.is_none() {
        lab::mark(&ledger, lab, name, why)?;
    }
    drop(std::fs::remove_file(lab.stop()));
    Ok(true)
}

/// Asks whoever works in the lab to stop, and ends it if it has not by then.
fn ask_and_end(lab: &Lab, why: &str, grace: Duration) -> Result<(), Failure> {
    let ledger = lab.ledger();
    lab::ask_to_stop(lab, why)?;
    let began = Instant::now();
    while Ledger::holding(&ledger)? != Holding::Nobody && began.elapsed() < grace {
        sleep(POLL);
    }
    if let Holding::By(holder) = Ledger::holding(&ledger)? {
        end(&holder)?;
    }
    Ok(())
}

/// Returns the session without a study that a process works on.
fn session_at_work(lab: &Lab, reader: &Reader) -> Result<Option<String>, Failure> {
    let Holding::By(holder) = Ledger::holding(&lab.ledger())? else {
        return Ok(None);
    };
    if worked_on_by(reader, holder.pid)?.is_some() {
        return Ok(None);
    }
    Ok(alone::worked_on_by(reader, holder.pid)?)
}

/// Stops the session without a study, or the team, that is at work.
fn stop_session(lab: &Lab, why: &str) -> Result<(), Failure> {
    ask_and_end(lab, why, SESSION_GRACE)?;
    lab::clean_up(lab).map_err(|error| Failure::internal(&error))?;
    drop(std::fs::remove_file(lab.stop()));
    Ok(())
}

fn works_on_a_session(study: &str, session: &str) -> Failure {
    let session = words::clean(session);
    Failure::bad_input(format!(
        "the lab is at work on session `{session}` and not on study `{study}`"
    ))
    .hint("`lyceum stop` without a name ends that")
}

fn works_on_another(study: &str, run: &str) -> Failure {
    Failure::bad_input(format!(
        "the lab is at work on workflow run `{run}` and not on study `{study}`"
    ))
    .hint(format!(
        "`lyceum workflow stop {run}` ends that; a file `stop` in the lab makes it wait"
    ))
}

/// Ends a session that does not end by itself.
fn end(holder: &LockHolder) -> Result<(), Failure> {
    let identity = ProcessIdentity {
        pid: i32::try_from(holder.pid).unwrap_or(0),
        start_time: holder.started,
        boot_id: holder.boot.clone(),
    };
    if reap(&identity) {
        return Ok(());
    }
    Err(Failure::bad_input(format!(
        "process {} on `{}` works in the lab and cannot be ended from here",
        holder.pid,
        show_untrusted(holder.host.as_bytes())
    ))
    .hint("end it there; the file `stop` in the lab stays and stops it once it looks"))
}

fn lift(lab: &Lab, name: &str, why: &str) -> Result<(), Failure> {
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    drop(std::fs::remove_file(lab.stop()));
    let why = show_untrusted(why.as_bytes());
    let resumed = Body::from(StudyResumed { why });
    StudyJournal::new(ledger, name).append(vec![resumed])?;
    Ok(())
}

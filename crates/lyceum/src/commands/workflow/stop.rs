//! `lyceum workflow stop`: ends a run.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use lyceum_agents::{
    Fold as _,
    workflow::{self, Body, Journal, RunEnded, RunResult},
};
use lyceum_ledger::{Holding, Ledger, Options};
use lyceum_sandbox::show_untrusted;

use super::named;
use crate::{context::LabPlace, exit::Exit, failure::Failure};

/// How long the process may take to end the steps under way and write down how.
const GRACE: Duration = Duration::from_secs(20);
/// How often its end is looked for.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The run [default: the only one]
    run: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    why: String,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = named(&reader, arguments.run.as_deref())?;
    let over = |reader| workflow::State::load(reader, &name).map(|state| state.is_over());
    let done = if over(&reader)? {
        "is over: nothing to stop"
    } else {
        stop(place, &name, &arguments.why)?;
        "stopped; what it did is kept"
    };
    if json {
        println!("{}", serde_json::json!({ "run": name, "now": done }));
    } else {
        println!("{name}: {done}");
    }
    Ok(Exit::Done)
}

fn stop(place: &LabPlace, name: &str, why: &str) -> Result<(), Failure> {
    let lab = place.lab()?;
    workflow::ask_to_stop(&lab, name, why)?;
    let began = Instant::now();
    while Ledger::holding(&lab.ledger())? != Holding::Nobody {
        let reader = place.reader()?;
        if workflow::State::load(&reader, name)?.is_over() {
            return Ok(());
        }
        if began.elapsed() > GRACE {
            return Err(Failure::bad_input(format!(
                "whoever works in the lab has not stopped `{name}` within {} s; the wish stays",
                GRACE.as_secs()
            )));
        }
        sleep(POLL);
    }
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    let mut journal = Journal::open(ledger, name)?;
    if !journal.state().is_over() {
        let why = show_untrusted(why.as_bytes());
        let result = RunResult::Stopped { why };
        journal.write(vec![Body::Ended(RunEnded { result })])?;
    }
    workflow::clear_stop(&lab, name);
    Ok(())
}

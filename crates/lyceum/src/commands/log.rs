//! `lyceum log`: the events of a study, followed by number.

use std::{io::Write as _, thread::sleep, time::Duration};

use lyceum_ledger::{Holding, Ledger};
use lyceum_study::{engine::State, lab};

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::{json_line, words},
};

/// How often a follower looks for new events.
const POLL: Duration = Duration::from_millis(200);

/// Looks without a new event after which a follower asks whether anybody works in the lab at all.
const QUIET_LOOKS: u32 = 5;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// Go on printing as events are written
    #[arg(long, short)]
    follow: bool,
    /// Only events after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

#[expect(clippy::print_stderr, reason = "why it ends is no data")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = known(&reader, arguments.study.as_deref())?.name;
    let mut state = State::default();
    let ledger = place.lab()?.ledger();
    let mut out = std::io::stdout().lock();
    let (mut quiet, mut nobody) = (0, false);
    loop {
        let mut lines = Vec::new();
        let last = state.last_seq;
        lab::read_events(&reader, &name, last, |seq, at, body| {
            state
                .apply(seq, at, body.clone())
                .map_err(lyceum_study::engine::JournalError::Fold)?;
            if seq > arguments.after {
                let text = if json {
                    json_line(seq, at, &body)
                } else {
                    let said = words::event(&state, &body);
                    let said = said.unwrap_or_else(|| body.kind().to_owned());
                    Some(format!("{seq:>6} {} {said}", words::moment(at)))
                };
                lines.extend(text);
            }
            Ok(())
        })?;
        quiet = if lines.is_empty() { quiet + 1 } else { 0 };
        for line in lines {
            // A reader that went away (`| head`) is an ordinary end.
            if writeln!(out, "{line}").is_err() {
                return Ok(Exit::Done);
            }
        }
        let over = state
            .sessions
            .last()
            .is_some_and(|session| session.ended.is_some());
        if !arguments.follow || over {
            return Ok(Exit::Done);
        }
        out.flush()?;
        if nobody && quiet > 0 {
            eprintln!(
                "nobody works in the lab any more, and the last session did not end: `lyceum run` goes on"
            );
            return Ok(Exit::Done);
        }
        // Once nobody does, one more look finds what was written last.
        nobody = quiet >= QUIET_LOOKS && Ledger::holding(&ledger)? == Holding::Nobody;
        sleep(POLL);
    }
}

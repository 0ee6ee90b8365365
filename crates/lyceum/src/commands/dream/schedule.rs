//! `lyceum dream --schedule`: waits for the times of a schedule and dreams at each.
//!
//! The lab is taken for the moments in which something is written and for the dream itself, so that it is free for other
//! work while this waits. Whoever waits can be killed at any moment: the same command goes on with what the record says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lyceum_agents::Tapes;
use lyceum_ledger::{Ledger, Options};
use lyceum_memory::{Due, Happened, Schedule, Scheduled};

use super::{Arguments, once, session_names};
use crate::{
    commands::run::stop_on_signals,
    context::{LabPlace, named},
    cron::Cron,
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

/// How often a wish to stop and the clock are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Looks until a lab in which another process works is tried again.
const LOOKS_WHILE_BUSY: u32 = 10;
/// Looks until the record is read again, which another process may have gone on with.
const LOOKS_WHILE_WAITING: u32 = 120;

/// A schedule that this process waits for.
struct Waiter<'a> {
    place: &'a LabPlace,
    json: bool,
    arguments: &'a Arguments,
    cron: Cron,
    name: String,
    stop: Arc<AtomicBool>,
}

pub(super) fn run(
    place: &LabPlace,
    json: bool,
    arguments: &Arguments,
    times: &str,
) -> Result<Exit, Failure> {
    let cron = Cron::new(times, &arguments.zone).map_err(|why| {
        Failure::bad_input(why)
            .hint("\"0 3 * * *\" is every day at three, \"*/30 * * * *\" every half hour")
    })?;
    if arguments.studies.is_empty() {
        // Whoever waits for new things may begin before there is anything.
        drop(place.lab()?);
    }
    check(place, arguments)?;
    let waiter = Waiter {
        place,
        json,
        arguments,
        name: name(arguments, &cron),
        cron,
        stop: stop_on_signals()?,
    };
    waiter.begin()?;
    waiter.work()
}

/// Looks whether what a schedule names is there, so that it does not fail at its first time with nobody there.
fn check(place: &LabPlace, arguments: &Arguments) -> Result<(), Failure> {
    lyceum_memory::check_store(&arguments.store)?;
    if let Some(dreamer) = &arguments.dreamer {
        super::model::hired(dreamer, arguments.money.is_some(), &Tapes::Live)?;
    }
    let sessions = session_names(arguments);
    if sessions.is_empty() && arguments.studies.is_empty() {
        return Ok(());
    }
    let reader = place.reader()?;
    for session in &sessions {
        lyceum_agents::dream::found(&reader, session)?;
    }
    for study in &arguments.studies {
        named(&reader, study)?;
    }
    Ok(())
}

/// Returns the schedule's name: the same command has the same.
fn name(arguments: &Arguments, cron: &Cron) -> String {
    let made_of = serde_json::json!([
        cron.to_string(),
        arguments.store,
        arguments.studies,
        session_names(arguments),
        arguments.new_sessions,
        arguments.dreamer,
        arguments.instructions,
    ]);
    let hash = blake3::hash(made_of.to_string().as_bytes()).to_hex();
    format!("dream-{}", &hash[..12])
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Waiter<'_> {
    fn next(&self, after: i64) -> Option<i64> {
        self.cron.next(after)
    }

    fn load(&self) -> Result<Schedule, Failure> {
        Ok(Schedule::load(&self.place.reader()?, &self.name)?)
    }

    /// Changes the record, for which the lab is taken for a moment.
    fn change(&self, bodies: impl FnOnce(&Schedule) -> Vec<Happened>) -> Result<Schedule, Failure> {
        let ledger = Ledger::open(&self.place.lab()?.ledger(), Options::default())?;
        let mut schedule = Schedule::load(&ledger.reader()?, &self.name)?;
        let bodies = bodies(&schedule);
        if !bodies.is_empty() {
            schedule.write(&ledger, bodies)?;
        }
        Ok(schedule)
    }

    fn begin(&self) -> Result<(), Failure> {
        let created = self.load()?.created;
        if let (Some(made), Some(since)) = (&created, self.arguments.since)
            && made.since != since.as_millisecond()
        {
            return Err(Failure::bad_input(format!(
                "schedule `{}` counts from {} on, expected no other `--since`",
                self.name,
                words::moment(made.since)
            ))
            .hint("leave `--since` out to go on with it"));
        }
        if created.is_none() {
            let since = self.arguments.since;
            let made = Scheduled {
                times: self.cron.to_string(),
                work: self.work_in_words(),
                since: since.map_or_else(now, jiff::Timestamp::as_millisecond),
            };
            self.change(|schedule| match schedule.created {
                None => vec![Happened::Scheduled(made)],
                Some(_) => vec![],
            })?;
        }
        if !self.json {
            view::note(&words::clean(&format!(
                "schedule `{}`: {} at {}",
                self.name,
                self.work_in_words(),
                self.cron
            )));
        }
        Ok(())
    }

    fn work_in_words(&self) -> String {
        let arguments = self.arguments;
        let what = if arguments.new_sessions {
            "new sessions".to_owned()
        } else if arguments.sessions.is_empty() {
            "finished studies".to_owned()
        } else {
            format!("sessions {}", arguments.sessions.join(", "))
        };
        let by = arguments.dreamer.as_deref().unwrap_or("no model");
        format!("dream of {what} on store {} by {by}", arguments.store)
    }

    fn work(&self) -> Result<Exit, Failure> {
        let mut told = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Exit::Interrupted);
            }
            let schedule = self.load()?;
            let done = match schedule.due(now(), |after| self.next(after)) {
                Due::At(next) if self.arguments.once => {
                    self.tell_next(next);
                    return Ok(Exit::Done);
                }
                Due::At(next) => {
                    if told != Some(next) {
                        self.tell_next(next);
                        told = Some(next);
                    }
                    self.wait_until(next.unwrap_or(i64::MAX), LOOKS_WHILE_WAITING);
                    continue;
                }
                Due::Now { .. } => self.fire(),
                Due::Open(at) => self.dream(at),
            };
            match done {
                Ok(exit) if self.arguments.once => return Ok(exit),
                Ok(_) => {}
                // Another process works in the lab: what is due stays due.
                Err(failure) if failure.exit == Exit::Busy && !self.arguments.once => {
                    self.wait_until(i64::MAX, LOOKS_WHILE_BUSY);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Writes down that what is due begins, and dreams.
    fn fire(&self) -> Result<Exit, Failure> {
        let schedule = self.change(|schedule| {
            match schedule.due(now(), |after| self.next(after)) {
                Due::Now {
                    at,
                    missed,
                    last_missed,
                    more,
                } => Schedule::firing(at, missed, last_missed, more),
                // Another process was faster.
                Due::At(_) | Due::Open(_) => vec![],
            }
        })?;
        match schedule.open {
            Some(at) => self.dream(at),
            None => Ok(Exit::Done),
        }
    }

    /// Dreams, and writes down what came of it. A lab that is busy and a person's wish to stop leave the firing open.
    fn dream(&self, at: i64) -> Result<Exit, Failure> {
        let firing = format!("{}@{at}", self.name);
        if !self.json {
            view::note(&format!("firing of {}", words::moment(at)));
        }
        let (exit, outcome) = match once(self.place, self.json, self.arguments, Some(&firing)) {
            Ok(Exit::Interrupted) => return Ok(Exit::Interrupted),
            Err(failure) if failure.exit == Exit::Busy => return Err(failure),
            Ok(exit) => (exit, format!("exit code {}", exit.number())),
            Err(failure) => {
                if !self.json {
                    view::note(&words::clean(failure.message()));
                }
                (failure.exit, failure.message().to_owned())
            }
        };
        self.change(|schedule| match schedule.open {
            Some(open) if open == at => {
                schedule.ending(at, outcome, now(), |after| self.next(after))
            }
            Some(_) | None => vec![],
        })?;
        Ok(exit)
    }

    fn tell_next(&self, next: Option<i64>) {
        if self.json {
            return;
        }
        match next {
            Some(next) => view::note(&format!("next: {}", words::moment(next))),
            None => view::note("no time comes any more"),
        }
    }

    /// Waits for a moment of the wall clock, a wish to stop, or so many looks.
    fn wait_until(&self, at: i64, looks: u32) {
        for _ in 0..looks {
            if now() >= at || self.stop.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}

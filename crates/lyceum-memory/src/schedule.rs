//! When dreams are due: a stream of the ledger that says which times were fired, which were skipped, and why.
//!
//! A firing is keyed by its time. It is written before anything is done and again when it is over, so that a process that
//! died goes on with the same firing, and two processes never fire one time twice. Times that passed while nobody waited
//! are made up for once, by the latest of them; those that passed while a firing was under way are skipped. Both are said.

use lyceum_ledger::{Ledger, NewEvent, Reader};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What the streams of schedules begin with.
const PREFIX: &str = "schedule/";
/// Version of every kind of event here.
const VERSION: u32 = 1;
/// Events that are read at a time.
const PAGE: usize = 1000;
/// How far back from now times are counted, one stretch after the other, in days: of frequent times there are enough in the
/// first, and the last holds any that comes at all. Times before the stretch are not counted.
const STRETCHES: [i64; 4] = [1, 40, 400, 41 * 366];
const DAY_MS: i64 = 86_400_000;
/// Times in a stretch from which no longer one is looked at.
const ENOUGH: u64 = 50;

/// A schedule begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// When, as a person wrote it, with the time zone.
    pub times: String,
    /// What is done, in words.
    pub work: String,
    /// Times after this are due, in milliseconds since 1970.
    pub since: i64,
}

/// Why times were not fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nobody waited for them; a later one stands for them.
    Missed,
    /// An earlier firing was still under way.
    Overlapped,
}

/// Times that were not fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// How many; where `more` is set, at least.
    pub count: u64,
    /// Whether there were earlier ones that were not counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The last of them, in milliseconds since 1970.
    pub last: i64,
    /// Why.
    pub why: Why,
}

/// A time is fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fired {
    /// The time that was due, in milliseconds since 1970. No other firing has it.
    pub at: i64,
}

/// A firing is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The time that was fired.
    pub at: i64,
    /// What came of it, in words.
    pub outcome: String,
}

/// An event of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant is named after the documented struct in it"
)]
pub enum Happened {
    Scheduled(Scheduled),
    Skipped(Skipped),
    Fired(Fired),
    Ended(Ended),
}

impl Happened {
    fn encode(&self) -> Result<NewEvent, serde_json::Error> {
        let (kind, json) = match self {
            Happened::Scheduled(body) => ("schedule.created", serde_json::to_string(body)?),
            Happened::Skipped(body) => ("schedule.skipped", serde_json::to_string(body)?),
            Happened::Fired(body) => ("schedule.fired", serde_json::to_string(body)?),
            Happened::Ended(body) => ("schedule.ended", serde_json::to_string(body)?),
        };
        Ok(NewEvent::new(kind, VERSION, json))
    }

    fn decode(kind: &str, version: u32, json: &str) -> Option<Result<Happened, serde_json::Error>> {
        if version != VERSION {
            return None;
        }
        Some(match kind {
            "schedule.created" => serde_json::from_str(json).map(Happened::Scheduled),
            "schedule.skipped" => serde_json::from_str(json).map(Happened::Skipped),
            "schedule.fired" => serde_json::from_str(json).map(Happened::Fired),
            "schedule.ended" => serde_json::from_str(json).map(Happened::Ended),
            _ => return None,
        })
    }
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time; `None` where none comes any more.
    At(Option<i64>),
    /// This time is to be fired, and stands for as many that were missed.
    Now {
        /// The time.
        at: i64,
        /// Times before it that nobody waited for.
        missed: u64,
        /// The last of those.
        last_missed: i64,
        /// Whether there may be earlier ones, which were not counted.
        more: bool,
    },
    /// The firing of this time has begun and is not over.
    Open(i64),
}

/// A schedule as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    name: String,
    /// How it was made; `None` for one that is not there.
    pub created: Option<Scheduled>,
    /// The firing that is not over.
    pub open: Option<i64>,
    /// The last time that is settled.
    last: i64,
    seq: u64,
    /// Everything that happened, the oldest first.
    pub happened: Vec<Happened>,
}

impl Schedule {
    /// Returns the names of the schedules of a lab.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn names(reader: &Reader) -> Result<Vec<String>, Error> {
        let streams = reader.streams()?.into_iter();
        let names = streams.filter_map(|one| Some(one.stream.strip_prefix(PREFIX)?.to_owned()));
        Ok(names.collect())
    }

    /// Reads a schedule; of one that is not there, nothing.
    ///
    /// # Errors
    /// When an event cannot be read.
    pub fn load(reader: &Reader, name: &str) -> Result<Schedule, Error> {
        let mut schedule = Schedule {
            name: name.to_owned(),
            ..Schedule::default()
        };
        loop {
            let events = reader.read(&schedule.stream(), schedule.seq, PAGE)?;
            if events.is_empty() {
                return Ok(schedule);
            }
            for event in events {
                let unknown = || Error::Newer {
                    store: schedule.stream(),
                    seq: event.seq,
                    kind: event.kind.clone(),
                    version: event.version,
                };
                let body = Happened::decode(&event.kind, event.version, &event.body)
                    .ok_or_else(unknown)?
                    .map_err(|source| Error::Event {
                        store: schedule.stream(),
                        seq: event.seq,
                        source,
                    })?;
                schedule.apply(event.seq, body);
            }
        }
    }

    fn stream(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    fn apply(&mut self, seq: u64, body: Happened) {
        self.seq = seq;
        match &body {
            Happened::Scheduled(made) => {
                self.last = made.since;
                self.created = Some(made.clone());
            }
            Happened::Skipped(skipped) => self.last = self.last.max(skipped.last),
            Happened::Fired(fired) => {
                self.last = self.last.max(fired.at);
                self.open = Some(fired.at);
            }
            Happened::Ended(_) => self.open = None,
        }
        self.happened.push(body);
    }

    /// Writes events, all of them or none.
    ///
    /// # Errors
    /// When the ledger fails, or another process wrote meanwhile.
    pub fn write(&mut self, ledger: &Ledger, bodies: Vec<Happened>) -> Result<(), Error> {
        let events = bodies.iter().map(Happened::encode);
        let events = events.collect::<Result<Vec<_>, _>>().map_err(|source| {
            let (store, seq) = (self.stream(), self.seq + 1);
            Error::Event { store, seq, source }
        })?;
        let written = ledger.append_expecting(&self.stream(), self.seq, events)?;
        for (event, body) in written.into_iter().zip(bodies) {
            self.apply(event.seq, body);
        }
        Ok(())
    }

    /// Says what is to be done. `next` returns the first time after another.
    pub fn due(&self, now: i64, next: impl Fn(i64) -> Option<i64>) -> Due {
        if let Some(open) = self.open {
            return Due::Open(open);
        }
        match self.passed(now, &next) {
            None => Due::At(next(self.last.max(now))),
            Some(passed) => Due::Now {
                at: passed.last,
                missed: passed.count - 1,
                last_missed: passed.before,
                more: passed.more,
            },
        }
    }

    /// Returns the events that begin a firing.
    pub fn firing(at: i64, missed: u64, last_missed: i64, more: bool) -> Vec<Happened> {
        let mut bodies = Vec::new();
        if missed > 0 {
            bodies.push(Happened::Skipped(Skipped {
                count: missed,
                more,
                last: last_missed,
                why: Why::Missed,
            }));
        }
        bodies.push(Happened::Fired(Fired { at }));
        bodies
    }

    /// Returns the events that end a firing: what passed until now is skipped.
    pub fn ending(
        &self,
        at: i64,
        outcome: String,
        now: i64,
        next: impl Fn(i64) -> Option<i64>,
    ) -> Vec<Happened> {
        let mut bodies = vec![Happened::Ended(Ended { at, outcome })];
        if let Some(passed) = self.passed(now, &next) {
            bodies.push(Happened::Skipped(Skipped {
                count: passed.count,
                more: passed.more,
                last: passed.last,
                why: Why::Overlapped,
            }));
        }
        bodies
    }

    /// Returns the times that passed and are not settled, as many as there are in the shortest stretch with enough of them.
    fn passed(&self, now: i64, next: &impl Fn(i64) -> Option<i64>) -> Option<Passed> {
        let mut found = None;
        for days in STRETCHES {
            let begin = self.last.max(now.saturating_sub(days * DAY_MS));
            found = self.passed_since(begin, now, next);
            if begin == self.last || found.is_some_and(|one| one.count >= ENOUGH) {
                break;
            }
        }
        found
    }

    fn passed_since(
        &self,
        begin: i64,
        now: i64,
        next: &impl Fn(i64) -> Option<i64>,
    ) -> Option<Passed> {
        let mut passed: Option<Passed> = None;
        let mut last = begin;
        while let Some(time) = next(last).filter(|time| *time <= now && *time > last) {
            let (count, before) = passed.map_or((1, time), |one| (one.count + 1, one.last));
            passed = Some(Passed {
                count,
                before,
                last: time,
                more: begin > self.last,
            });
            last = time;
        }
        passed
    }
}

/// Times that passed: how many, the last but one of them, and the last.
#[derive(Clone, Copy)]
struct Passed {
    count: u64,
    before: i64,
    last: i64,
    /// Whether there may be earlier ones.
    more: bool,
}

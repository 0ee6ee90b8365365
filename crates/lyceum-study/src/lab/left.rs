//! What a session that died left open: each run without a receipt is looked up and resolved, never guessed at and never
//! repeated under its old id.
//!
//! | found | what is written |
//! |---|---|
//! | its receipt, with all its outputs | the receipt |
//! | its sandbox, alive | void; the sandbox was ended, known by boot, process id and start time |
//! | its sandbox, dead | void |
//! | a sandbox of an earlier boot | void |
//! | nothing | void, marked unknown |
//!
//! A local run is not adopted: its sandbox ends with the lab that watches its limits. Nobody measured the CPU time of a
//! run that died with the lab, so it is charged with the most that it can have used, and the event says so.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use lyceum_ledger::Reader;
use lyceum_sandbox::ProcessIdentity;
use lyceum_types::{Body, MeasureCut, RunFinished, RunId, RunVoided, Split, Usage};

use super::receipts::Receipts;
use crate::{
    engine::{Protocol, Run, State},
    format::{Measure, Study},
};

/// The scratch directory of a task of a session that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The directory; it is gone.
    pub path: PathBuf,
    /// What was found of its sandbox.
    pub sandbox: Found,
}

/// What was found of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was alive and was ended.
    Alive,
    /// It was dead.
    Dead,
    /// It was started before the machine was.
    EarlierBoot,
    /// Nobody noted who it was: the lab died before or while it started.
    Unknown,
}

/// Ends a sandbox if it still lives, by who it was noted to be.
pub(super) fn end_sandbox(noted: Option<&ProcessIdentity>) -> Found {
    let Some(identity) = noted else {
        return Found::Unknown;
    };
    if lyceum_sandbox::reap(identity) {
        return Found::Alive;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if boot.trim() == identity.boot_id {
        Found::Dead
    } else {
        Found::EarlierBoot
    }
}

/// Removes reports that a process had not finished when it died: `report.PID.new`, until they are renamed.
pub(super) fn remove_unfinished_reports(studies: &Path) -> io::Result<()> {
    for study in entries(studies)? {
        for file in entries(&study)? {
            let name = file.file_name().and_then(|name| name.to_str());
            let process = name.and_then(|name| name.strip_prefix("report.")?.strip_suffix(".new"));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                fs::remove_file(&file)?;
            }
        }
    }
    Ok(())
}

/// Lists a directory; what is none is empty.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(all) => all.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(vec![])
        }
        Err(error) => Err(error),
    }
}

/// What is known when a session starts after one that died.
pub struct Looked<'a> {
    /// The study's name in the lab.
    pub name: &'a str,
    /// What the ledger says of it.
    pub state: &'a State,
    /// The study as it was opened.
    pub study: &'a Study,
    /// Its rules.
    pub protocol: &'a Protocol,
    /// The ledger.
    pub reader: &'a Reader,
    /// Receipts on their way.
    pub receipts: &'a Receipts,
    /// What was found of the dead session's tasks.
    pub left: &'a [Left],
    /// Now, in milliseconds since 1970, by the clock that gave the events their times.
    pub now: i64,
    /// Processors of the machine, for runs that were not pinned.
    pub processors: u64,
}

impl Looked<'_> {
    /// Returns the events that resolve every open run and charge every open measurement.
    pub fn resolve(&self) -> Vec<Body> {
        let crashed = self
            .state
            .sessions
            .last()
            .is_some_and(|one| one.ended.is_none());
        let budget = self.protocol.budget.cpu.map(|all| all.as_millis() as u64);
        // No task could use more than what was left, all together.
        let mut cpu_left = budget.map(|all| all.saturating_sub(self.state.cpu_ms));
        let mut charge = |most: u64| {
            let charged = match cpu_left {
                Some(left) => most.min(left),
                // Without any limit and with a clock that was put back, nothing is known.
                None if most == u64::MAX => 0,
                None => most,
            };
            cpu_left = cpu_left.map(|left| left - charged);
            charged
        };
        let mut events = Vec::new();
        let runs = &self.state.runs;
        for run in runs
            .iter()
            .filter(|run| run.finished.is_none() && run.voided.is_none())
        {
            events.push(match self.receipt(run.id) {
                Some(finished) => {
                    charge(finished.usage.cpu_ms);
                    finished.into()
                }
                None => self.void(run, charge(self.most(run))),
            });
        }
        if crashed {
            for (run, split) in self.measuring() {
                let cpu_ms = charge(self.most_measuring(run, split));
                events.push(measure_died(run.id, split, cpu_ms));
            }
        }
        events
    }

    /// Returns the receipt of a run that ended, if all that it names is there.
    fn receipt(&self, run: RunId) -> Option<RunFinished> {
        let finished = self.receipts.find(run)?;
        let there = |blob: &str| {
            let id = blob.parse().ok();
            id.is_some_and(|id| self.reader.blob(id).is_ok())
        };
        let whole = finished.outputs.iter().all(|output| there(&output.blob));
        whole.then_some(finished)
    }

    fn void(&self, run: &Run, cpu_ms: u64) -> Body {
        let found = match self.sandbox_of(run.id) {
            Found::Alive => {
                "the lab died before the run ended; its sandbox still ran and was ended"
            }
            Found::Dead => "the lab died before the run ended; its sandbox is gone",
            Found::EarlierBoot => "the machine stopped before the run ended",
            Found::Unknown => {
                "unknown: the lab died before the run ended, and nothing of it was found"
            }
        };
        let seconds = Duration::from_millis(cpu_ms).as_secs_f64();
        let why = format!(
            "{found}; charged with {seconds:.3} s of CPU time, the most that it can have used"
        );
        RunVoided {
            run: run.id,
            why,
            cpu_ms,
        }
        .into()
    }

    fn sandbox_of(&self, run: RunId) -> Found {
        let prefix = format!("{}-{run}-", self.name);
        let of_run = self.left.iter().find(|left| {
            let name = left.path.file_name().and_then(|name| name.to_str());
            // `task-STUDY-RUN-` and three numbers; a measurement's name has one word more.
            name.and_then(|name| name.split_once('-')?.1.strip_prefix(prefix.as_str()))
                .is_some_and(|rest| rest.split('-').count() == 3)
        });
        of_run.map_or(Found::Unknown, |left| left.sandbox)
    }

    /// The most CPU time that a run can have used, in milliseconds.
    fn most(&self, run: &Run) -> u64 {
        let limits = self.study.run.limits.timeout.0 * self.study.run.threads;
        self.since(run.started_at)
            .saturating_mul(self.width(run))
            .min(limits.as_millis() as u64)
    }

    /// Milliseconds that went by. A clock that was put back says nothing.
    fn since(&self, at: i64) -> u64 {
        u64::try_from(self.now - at).unwrap_or(u64::MAX)
    }

    fn width(&self, run: &Run) -> u64 {
        match run.cpus.len() as u64 {
            0 => self.processors,
            pinned => pinned,
        }
    }

    /// Returns the measurements that may have been under way: at most one for each slot.
    fn measuring(&self) -> Vec<(&Run, Split)> {
        if matches!(self.study.measure, Measure::SelfReported) {
            return vec![];
        }
        let slots = self
            .state
            .sessions
            .last()
            .map_or(0, |one| one.started.slots) as usize;
        let search = self.state.runs.iter().filter(|run| run.needs_measure());
        let sealed = self
            .state
            .sealed
            .iter()
            .flat_map(|opened| opened.start.iter().chain(&opened.winner));
        let sealed = sealed
            .filter_map(|run| self.state.run(*run))
            .filter(|run| run.completed() && run.sealed.is_none() && run.unsealed.is_none());
        search
            .map(|run| (run, Split::Search))
            .chain(sealed.map(|run| (run, Split::Sealed)))
            .take(slots)
            .collect()
    }

    /// The most CPU time that a measurement can have used, in milliseconds.
    fn most_measuring(&self, run: &Run, split: Split) -> u64 {
        let session = self.state.sessions.last().map_or(0, |one| one.started_at);
        let began = session.max(run.finished_at.unwrap_or(0));
        let limit = match (&self.study.measure, split, &self.study.sealed) {
            (_, Split::Sealed, Some(sealed)) => Some(sealed.limits.timeout.0),
            (Measure::Evaluator(evaluator), _, _) => Some(evaluator.limits.timeout.0),
            // Several commands, each with the limit.
            (Measure::Executed(_) | Measure::Timed(_) | Measure::SelfReported, _, _) => None,
        };
        let limit = limit.map_or(u64::MAX, |limit| limit.as_millis() as u64);
        self.since(began).saturating_mul(self.width(run)).min(limit)
    }
}

fn measure_died(run: RunId, split: Split, cpu_ms: u64) -> Body {
    let cause = "the lab died; charged with the most CPU time that the measurement can have used";
    MeasureCut {
        run,
        split,
        cause: cause.into(),
        usage: Usage {
            cpu_ms,
            ..Usage::default()
        },
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, process::Command};

    use lyceum_ledger::{Ledger, Options};
    use lyceum_types::{
        ExperimentId, ExperimentProposed, MachineFacts, Outcome, Output, Purpose, Role, RunStarted,
        Seed, SessionStarted, Settings,
    };

    use super::*;
    use crate::{format, lab::protocol};

    const STUDY: &str = r#"
question = "?"
[metric]
name = "loss"
goal = "minimize"
[workspace]
editable = ["settings.toml"]
[run]
command = ["sh", "train.sh"]
outputs = ["out.txt"]
timeout = "20s"
[measure]
command = ["sh", "{private}/evaluate.sh", "{outputs}/out.txt"]
private = ["evaluate.sh"]
timeout = "5s"
[knobs.rate]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "rate"
[budget]
experiments = 3
cpu = "60s"
"#;

    struct Lab {
        place: tempfile::TempDir,
        ledger: Ledger,
        study: Study,
        state: State,
    }

    /// A study whose first run has an intent and nothing else, made at 1,000 ms.
    fn lab() -> Lab {
        let place = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&place.path().join("ledger"), Options::default()).unwrap();
        let study = format::parse(STUDY, "study.toml", "tiny").unwrap();
        let mut state = State::default();
        let bodies: [Body; 3] = [
            SessionStarted {
                pid: 1,
                slots: 1,
                sandbox: String::new(),
                machine: MachineFacts::default(),
                binary: String::new(),
                lyceum: String::new(),
            }
            .into(),
            ExperimentProposed {
                experiment: ExperimentId(0),
                role: Role::Start,
                settings: Settings::new(),
                hypothesis: String::new(),
                researcher: String::new(),
                prediction: None,
                evidence: vec![],
                seen: 0,
                files: vec![],
                call: None,
                cpu_ms: 0,
            }
            .into(),
            RunStarted {
                run: RunId(1),
                experiment: ExperimentId(0),
                seed: Seed(1),
                purpose: Purpose::Floor,
                cpus: vec![0],
                threads: 1,
            }
            .into(),
        ];
        for (body, seq) in bodies.into_iter().zip(1..) {
            state.apply(seq, 1_000, body).unwrap();
        }
        Lab {
            place,
            ledger,
            study,
            state,
        }
    }

    impl Lab {
        fn receipts(&self) -> Receipts {
            Receipts::of(&self.place.path().join("receipts"), "tiny")
        }

        /// Resolves what is open `after` milliseconds, with what was found of its sandbox.
        fn resolve(&self, sandbox: Option<Found>, after: i64) -> Vec<Body> {
            let left: Vec<Left> = sandbox
                .map(|sandbox| Left {
                    path: "scratch/task-tiny-r1-4d2-18a-0".into(),
                    sandbox,
                })
                .into_iter()
                .collect();
            let protocol = protocol(&self.study, Settings::new(), Seed(1));
            Looked {
                name: "tiny",
                state: &self.state,
                study: &self.study,
                protocol: &protocol,
                reader: &self.ledger.reader().unwrap(),
                receipts: &self.receipts(),
                left: &left,
                now: 1_000 + after,
                processors: 2,
            }
            .resolve()
        }

        fn finished(output: &[u8]) -> RunFinished {
            RunFinished {
                run: RunId(1),
                outcome: Outcome::Completed,
                usage: Usage::default(),
                outputs: vec![Output {
                    name: "out.txt".into(),
                    blob: lyceum_ledger::BlobId::of(output).to_string(),
                    bytes: output.len() as u64,
                    executable: false,
                }],
                reported: BTreeMap::new(),
                log: String::new(),
                policy: String::new(),
                observed: None,
            }
        }
    }

    fn only_void(events: &[Body]) -> &RunVoided {
        match events {
            [Body::RunVoided(voided)] => voided,
            other => panic!("expected one void run, found {other:?}"),
        }
    }

    #[test]
    fn a_run_that_is_found_done_is_recorded() {
        let lab = lab();
        lab.ledger.put_blob(b"0.5").unwrap();
        let finished = Lab::finished(b"0.5");
        lab.receipts().keep(&finished);
        assert_eq!(lab.resolve(None, 10), [Body::from(finished)]);
    }

    #[test]
    fn a_receipt_without_its_outputs_is_none() {
        let lab = lab();
        lab.receipts().keep(&Lab::finished(b"never kept"));
        only_void(&lab.resolve(Some(Found::Dead), 10));
    }

    #[test]
    fn what_was_found_is_said() {
        let lab = lab();
        for (found, words) in [
            (Some(Found::Alive), "still ran and was ended"),
            (Some(Found::Dead), "its sandbox is gone"),
            (Some(Found::EarlierBoot), "the machine stopped"),
            (Some(Found::Unknown), "unknown: "),
            (None, "unknown: "),
        ] {
            let events = lab.resolve(found, 10);
            let voided = only_void(&events);
            assert!(voided.why.contains(words), "{found:?}: {}", voided.why);
        }
    }

    #[test]
    fn a_dead_run_is_charged_with_the_most_that_it_can_have_used() {
        let mut lab = lab();
        let charged = |lab: &Lab, after| only_void(&lab.resolve(None, after)).cpu_ms;
        assert_eq!(
            charged(&lab, 1_500),
            1_500,
            "one processor since the intent"
        );
        assert_eq!(charged(&lab, 86_400_000), 20_000, "its own limit");
        assert_eq!(charged(&lab, -5_000), 20_000, "a clock that was put back");
        lab.state.cpu_ms = 59_000;
        assert_eq!(
            charged(&lab, 86_400_000),
            1_000,
            "what was left of the budget"
        );
        let events = lab.resolve(None, 700);
        assert!(only_void(&events).why.contains("charged with 0.700 s"));
    }

    #[test]
    fn a_measurement_that_died_is_charged_and_can_be_done_again() {
        let mut lab = lab();
        let finished = Lab::finished(b"0.5");
        lab.state.apply(4, 2_000, finished.into()).unwrap();
        let events = lab.resolve(None, 4_000);
        let [Body::MeasureCut(cut)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!((cut.run, cut.split), (RunId(1), Split::Search));
        assert_eq!(cut.usage.cpu_ms, 3_000);
        lab.state.apply(5, 3_000, events[0].clone()).unwrap();
        assert!(lab.state.run(RunId(1)).unwrap().needs_measure());
        assert_eq!(lab.state.cpu_ms, 3_000);
    }

    fn identity_of(pid: u32) -> ProcessIdentity {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = stat
            .rsplit(") ")
            .next()
            .unwrap()
            .split(' ')
            .nth(19)
            .unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let text = format!(
            r#"{{"pid":{pid},"start_time":{start},"boot_id":"{}"}}"#,
            boot.trim()
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn reports_of_the_dead_are_removed() {
        let place = tempfile::tempdir().unwrap();
        remove_unfinished_reports(&place.path().join("nothing")).unwrap();
        let study = place.path().join("one");
        fs::create_dir(&study).unwrap();
        let living = format!("report.{}.new", std::process::id());
        let dead = "report.4194999.new"; // above the greatest process id
        for name in ["report.html", &living, dead] {
            fs::write(study.join(name), "").unwrap();
        }
        remove_unfinished_reports(place.path()).unwrap();
        let left = |name: &str| study.join(name).exists();
        assert!(left("report.html") && left(&living) && !left(dead));
    }

    #[test]
    fn a_sandbox_is_ended_by_who_it_is() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let identity = identity_of(child.id());
        let other_boot = ProcessIdentity {
            boot_id: "another".into(),
            ..identity.clone()
        };
        let other_start = ProcessIdentity {
            start_time: identity.start_time + 1,
            ..identity.clone()
        };
        assert_eq!(end_sandbox(None), Found::Unknown);
        assert_eq!(end_sandbox(Some(&other_boot)), Found::EarlierBoot);
        assert_eq!(end_sandbox(Some(&other_start)), Found::Dead);
        assert_eq!(child.try_wait().unwrap(), None, "another process was ended");
        assert_eq!(end_sandbox(Some(&identity)), Found::Alive);
        assert!(!child.wait().unwrap().success());
        assert_eq!(end_sandbox(Some(&identity)), Found::Dead);
    }
}

//! The tools of a session that works on a study.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use lyceum_models::Tool;
use lyceum_sandbox::show_untrusted;
use lyceum_study::engine::{Broken, Cut, Experiment, HandIn, Left, Protocol, State as Study};
use lyceum_types::ExperimentId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Done, Outcome, Toolbox, Wanted, Workbench, bench, book, cut_middle, memory, offers, outcome,
    propose::{self, Makings},
    shelf, shown, word,
};
use crate::{
    hands,
    line::one_line,
    session::{
        Request, State,
        event::{Limits, Mount},
    },
};

/// Seconds that a shell's command gets when it asks for no other time, and at most.
const TIMEOUT_S: (u64, u64) = (60, 120);
/// Tools that are carried out in the sandbox.
const IN_THE_SANDBOX: [&str; 6] = ["bash", "read", "write", "edit", "glob", "grep"];
/// Newest experiments in a brief.
const BRIEF_EXPERIMENTS: usize = 12;
/// Most bytes of a brief's part about the study.
const BRIEF_BYTES_MAX: usize = 12 << 10;

/// What a session on a study can do, at one moment of the study.
pub struct StudyTools<'a> {
    /// Runs commands.
    pub bench: Arc<Workbench>,
    /// The rules of the study.
    pub protocol: &'a Protocol,
    /// What is known of it.
    pub study: &'a Study,
    /// What is left of its budgets.
    pub left: Left,
    /// Name of the session, the first half of a call's name in the study's record.
    pub session: &'a str,
    /// Memory stores that the session sees.
    pub mounts: &'a [Mount],
    /// CPU milliseconds of the session that the study has been charged with.
    pub charged_cpu_ms: u64,
    /// What the session may use altogether of the study's own budgets of tokens and money.
    pub allowed: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bash {
    command: String,
    #[serde(default)]
    timeout_s: Option<u64>,
}

impl Bash {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.unwrap_or(TIMEOUT_S.0).clamp(1, TIMEOUT_S.1))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    experiment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Two {
    one: String,
    other: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    to: String,
}

pub(super) fn read<T: DeserializeOwned>(arguments: &Value) -> Result<T, String> {
    serde_json::from_value(arguments.clone())
        .map_err(|error| show_untrusted(format!("the arguments do not fit: {error}").as_bytes()))
}

/// A call that works on files.
pub(crate) enum OnFiles {
    /// A shell's command.
    Bash {
        /// What it is to do.
        script: String,
        /// Its longest time.
        timeout: Duration,
    },
    /// Something for the hands.
    Hands(hands::Request),
}

/// Reads a call that works on files.
pub(crate) fn on_files(call: &Wanted) -> Result<OnFiles, String> {
    if call.name == "bash" {
        let asked: Bash = read(&call.arguments)?;
        return Ok(OnFiles::Bash {
            timeout: asked.timeout(),
            script: asked.command,
        });
    }
    let mut request = call.arguments.clone();
    if let Some(fields) = request.as_object_mut() {
        fields.insert("tool".into(), Value::String(call.name.clone()));
    }
    read(&request).map(OnFiles::Hands)
}

impl StudyTools<'_> {
    /// Returns what of the study's budgets is left for a command, with what this session used since it was last charged.
    fn left(&self, session: &State) -> Left {
        let own = session.cpu_ms.saturating_sub(self.charged_cpu_ms);
        Left {
            cpu_ms: self.left.cpu_ms.map(|left| left.saturating_sub(own)),
            ..self.left
        }
    }

    fn with_files(
        &self,
        session: &State,
        call: &Wanted,
        cut: &Cut,
    ) -> Result<Result<Done, String>, Broken> {
        let (seen, left) = ((&session.files[..], self.mounts), self.left(session));
        match on_files(call) {
            Ok(OnFiles::Bash { script, timeout }) => {
                self.bench.bash(&script, timeout, seen, &left, cut).map(Ok)
            }
            Ok(OnFiles::Hands(request)) => self.bench.hands(&request, seen, &left, cut).map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }

    fn with_study(&self, session: &State, call: &Wanted) -> Result<Done, String> {
        let (study, protocol) = (self.study, self.protocol);
        match call.name.as_str() {
            "list_experiments" => Ok(Done::said(shown::list(study, protocol, usize::MAX))),
            "show_experiment" => {
                let asked: One = read(&call.arguments)?;
                let id = book::experiment(study, &asked.experiment)?;
                Ok(Done::said(
                    shown::experiment(study, protocol, id).unwrap_or_default(),
                ))
            }
            "compare" => {
                let asked: Two = read(&call.arguments)?;
                let one = book::experiment(study, &asked.one)?;
                let other = book::experiment(study, &asked.other)?;
                let (evidence, _) = book::compare(study, protocol, one, other);
                Ok(Done::said(format!(
                    "{one}: {}",
                    book::words(&evidence, other)
                )))
            }
            "record_finding" => book::find(session, study, protocol, read(&call.arguments)?),
            "note" => book::note(&read(&call.arguments)?),
            // Whoever drives the session asks, and waits for the answer.
            "ask_person" => Err("nobody was asked".into()),
            "reset_workspace" => self.reset(session, &read(&call.arguments)?),
            unknown => {
                let names: Vec<String> = self.offers().into_iter().map(|tool| tool.name).collect();
                let unknown = show_untrusted(unknown.as_bytes());
                Err(format!(
                    "no tool `{unknown}`; there are: {}",
                    names.join(", ")
                ))
            }
        }
    }

    fn reset(&self, session: &State, asked: &Reset) -> Result<Done, String> {
        let files = match asked.to.trim() {
            "start" => vec![],
            name => self
                .study
                .files(book::experiment(self.study, name)?)
                .to_vec(),
        };
        let said = format!(
            "{} files differ from the study's workspace now",
            files.len()
        );
        Ok(Done {
            files: (files != session.files).then_some(files),
            ..Done::said(said)
        })
    }

    fn propose(&self, session: &State, call: &Wanted) -> Result<Outcome, Broken> {
        let open = self.bench.executor().study();
        let edits = self.bench.executor().kit().read_kept(&session.files)?;
        let makings = Makings {
            protocol: self.protocol,
            definition: &open.study,
            workspace: &open.workspace,
            study: self.study,
            files: &session.files,
            edits: &edits,
        };
        let cpu_ms = session.cpu_ms.saturating_sub(self.charged_cpu_ms);
        let name = call_name(self.session, &call.call);
        let change = read::<propose::Arguments>(&call.arguments)
            .and_then(|asked| makings.change(name, cpu_ms, asked));
        Ok(match change {
            Ok(change) => Outcome::Proposed(change),
            Err(why) => Outcome::Result(Done::refused(why)),
        })
    }

    fn hand_in(&self, session: &State, call: &Wanted) -> Outcome {
        let cpu_ms = session.cpu_ms.saturating_sub(self.charged_cpu_ms);
        let handed = read::<outcome::Arguments>(&call.arguments)
            .and_then(|asked| outcome::claim(self.study, self.protocol, &asked));
        match handed {
            Ok(claim) => Outcome::HandedIn(HandIn {
                claim,
                call: call_name(self.session, &call.call),
                cpu_ms,
            }),
            Err(why) => Outcome::Result(Done::refused(why)),
        }
    }

    /// Returns the verdict on an experiment as the result of the call that proposed it.
    fn verdict(&self, one: &Experiment) -> Done {
        let id = one.proposed.experiment;
        let text = shown::experiment(self.study, self.protocol, id).unwrap_or_default();
        if one.decided.is_none() {
            let ended = "the search ended before it was decided";
            return Done::said(format!("{id} has no verdict: {ended}\n{text}"));
        }
        Done::said(text)
    }

    /// Returns how many experiments of the study are this session's.
    pub(super) fn proposed(&self) -> usize {
        let prefix = format!("{}#", self.session);
        let calls = self
            .study
            .experiments
            .iter()
            .filter_map(|one| one.proposed.call.as_ref());
        calls.filter(|call| call.starts_with(&prefix)).count()
    }

    fn jobs(&self) -> String {
        let open = self.study.runs.iter().rev().take(64);
        let open: Vec<String> = open
            .filter(|run| run.finished.is_none() && run.voided.is_none())
            .map(|run| format!("{} of {}", run.id, run.experiment))
            .collect();
        if open.is_empty() {
            "none".into()
        } else {
            open.join(", ")
        }
    }
}

/// Returns the most CPU milliseconds that a call in the sandbox can have used: what its command was allowed.
fn most_cpu_ms(call: &Wanted, left: &Left) -> u64 {
    let timeout = match call.name.as_str() {
        // What does not fit was refused before anything was run.
        "bash" => read::<Bash>(&call.arguments).map(|asked| asked.timeout()),
        _ => Ok(bench::HANDS_TIMEOUT),
    };
    timeout.map_or(0, |most| {
        bench::within(most, left.cpu_ms).as_millis() as u64
    })
}

/// Returns the name of a call in a study's record.
pub(crate) fn call_name(session: &str, call: &str) -> String {
    format!("{session}#{call}")
}

impl Toolbox for StudyTools<'_> {
    fn offers(&self) -> Vec<Tool> {
        offers::all(self.protocol.outcome.is_some(), !self.mounts.is_empty())
    }

    fn brief(&self, session: &State) -> String {
        let (study, protocol) = (self.study, self.protocol);
        let mut text = shown::rules(study, protocol);
        let budget = protocol.budget.experiments;
        let _ = writeln!(
            text,
            "experiments: {} of {budget} proposed",
            study.proposals
        );
        let _ = writeln!(text, "runs under way: {}", self.jobs());
        if let Some(why) = &study.search_ended {
            let _ = writeln!(text, "the search is over: {}", one_line(why));
        }
        if let Some(claimed) = &study.claimed {
            let _ = writeln!(
                text,
                "the claim about {}: {}",
                claimed.winner,
                one_line(&claimed.finding.why)
            );
        }
        for graded in &study.graded {
            let word = if graded.satisfied {
                "satisfied"
            } else {
                "not satisfied"
            };
            let line = format!("{}: {word}: {}", graded.text, graded.why);
            let _ = writeln!(text, "{}", one_line(&line));
        }
        text.push_str(&outcome::brief(study, protocol));
        if let Some(best) = study.experiment(study.best) {
            let _ = writeln!(text, "best: {}", shown::line(study, protocol, best));
        }
        let _ = write!(
            text,
            "newest:\n{}",
            shown::list(study, protocol, BRIEF_EXPERIMENTS)
        );
        text.push_str(&shelf::brief(self.mounts));
        let names: Vec<&str> = session
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        let names = one_line(&names.join(" "));
        let _ = writeln!(
            text,
            "files of yours that differ from the study's workspace: [{names}]"
        );
        cut_middle(text, BRIEF_BYTES_MAX)
    }

    fn times(&self, session: &State) -> String {
        let left = self.left(session);
        let mut text = String::new();
        for (name, left) in [("wall", left.wall_ms), ("cpu", left.cpu_ms)] {
            if let Some(left) = left {
                let _ = writeln!(text, "{name} time left: {} s", left / 1000);
            }
        }
        text
    }

    fn pays(&self, session: &State, tokens: u64, money: Option<u64>) -> bool {
        let left = |allowed: Option<u64>, used: u64| allowed.map(|most| most.saturating_sub(used));
        let left = Limits {
            tokens: left(self.allowed.tokens, session.tokens),
            money: left(self.allowed.money, session.money),
        };
        left.hold(tokens, money)
    }

    fn needs_word(&self, session: &State, call: &Wanted) -> Result<Option<Request>, String> {
        if call.name == "ask_person" {
            return word::question(call).map(Some);
        }
        let why = self.policy_asks(session, call);
        Ok(why.map(|why| Request::Approval { why }))
    }

    fn call(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        let done = match call.name.as_str() {
            "run_experiment" if self.study.search_ended.is_some() => {
                Err("the search is over: no more experiments".to_owned())
            }
            "run_experiment" => return self.propose(session, call),
            "submit_outcome" => return Ok(self.hand_in(session, call)),
            name if IN_THE_SANDBOX.contains(&name) => self.with_files(session, call, cut)?,
            name if memory::NAMES.contains(&name) && !self.mounts.is_empty() => {
                let desk = memory::Desk {
                    kit: self.bench.executor().kit(),
                    session: self.session,
                    mounts: self.mounts,
                    study: Some(self.study),
                };
                desk.call(session, call)?
            }
            _ => self.with_study(session, call),
        };
        Ok(Outcome::Result(done.unwrap_or_else(Done::refused)))
    }

    fn look_up(&self, session: &State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        if call.name == "run_experiment" {
            let name = call_name(self.session, &call.call);
            return match self.study.answer_to(&name) {
                Some(one) => Ok(Outcome::Result(self.verdict(one))),
                // The study's record tells that nothing came of it: it is certain, so it may be done now.
                None => self.call(session, call, cut),
            };
        }
        if call.name == "submit_outcome" {
            let name = call_name(self.session, &call.call);
            return match outcome::answer(self.study, &name) {
                Some(text) => Ok(Outcome::Result(Done::said(text))),
                None => self.call(session, call, cut),
            };
        }
        if !IN_THE_SANDBOX.contains(&call.name.as_str()) {
            // Its effect and its result are written together, and there is neither; or the store tells what is made.
            return self.call(session, call, cut);
        }
        Ok(Outcome::Result(Done {
            is_error: true,
            unknown: true,
            cpu_ms: most_cpu_ms(call, &self.left(session)),
            ..Done::said(
                "the lab was stopped while this call was carried out. It is not repeated; the workspace is as it was before it",
            )
        }))
    }
}

/// Returns the CPU milliseconds of a session that a study has been charged with.
pub(crate) fn charged(study: &Study, session: &str) -> u64 {
    let prefix = format!("{session}#");
    let of_session = study.experiments.iter().filter(|one: &&Experiment| {
        let call = one.proposed.call.as_deref();
        call.is_some_and(|call| call.starts_with(&prefix))
    });
    let handed = study
        .handed_in
        .iter()
        .filter(|one| one.call.starts_with(&prefix));
    let handed: u64 = handed.map(|one| one.cpu_ms).sum();
    of_session.map(|one| one.proposed.cpu_ms).sum::<u64>() + handed
}

/// Returns the experiment that a sampler proposed last in the agent's place; `None` where the last one is the agent's.
pub(crate) fn in_its_place(study: &Study, session: &str) -> Option<ExperimentId> {
    let prefix = format!("{session}#");
    let last = study.searched().last()?;
    let own = last
        .proposed
        .call
        .as_deref()
        .is_some_and(|call| call.starts_with(&prefix));
    (!own).then_some(last.proposed.experiment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_whose_end_nobody_saw_is_charged_with_all_that_it_was_allowed() {
        let most = |name: &str, arguments: Value, left: Option<u64>| {
            let call = Wanted {
                call: "1.0".into(),
                name: name.into(),
                arguments,
            };
            let left = Left {
                cpu_ms: left,
                ..Left::default()
            };
            most_cpu_ms(&call, &left)
        };
        let bash = |seconds: u64| json!({ "command": "true", "timeout_s": seconds });
        assert_eq!(most("bash", json!({ "command": "true" }), None), 60_000);
        assert_eq!(most("bash", bash(7), None), 7000);
        assert_eq!(most("bash", bash(100_000), None), 120_000);
        assert_eq!(most("bash", bash(7), Some(300)), 300);
        assert_eq!(most("bash", json!({}), None), 0);
        assert_eq!(most("grep", json!({}), None), 60_000);
        assert_eq!(most("grep", json!({}), Some(5)), 5);
    }
}

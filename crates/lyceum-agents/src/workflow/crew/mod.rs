//! What steps do: commands in the sandbox, requests to models, studies with a lab of their own.

mod ask;
mod command;
mod files;
mod items;
mod programs;
mod session;
mod study;

use std::collections::BTreeMap;

use lyceum_models::{Request, Spec};
use lyceum_study::{
    engine::{Broken, Cut},
    lab::Kit,
};
use serde_json::json;

pub(crate) use self::ask::bare;
use self::{files::Seen, programs::Programs};
use super::{
    conductor::{Came, Crew, Prepared, Refusal},
    event::{Item, Reserved},
    format::{Over, Phase, Work, Workflow},
    state::{State, Step},
    template::Place,
};
use crate::tapes::Tapes;

/// Most bytes of a step's result: what a person or a model reads next, not data.
const RESULT_BYTES_MAX: usize = 256 << 10;
/// Version of what keys are made of. A change of meaning gets a new one, so that no old result is taken for a new one.
const KEY_VERSION: u32 = 2;

/// Whom a run has hired.
pub struct Hired {
    /// The model of steps that name none.
    pub model: Option<Spec>,
    /// Where a variable of the environment is looked up.
    pub environment: fn(&str) -> Option<std::ffi::OsString>,
    /// Whether exchanges are recorded or replayed.
    pub tapes: Tapes,
}

/// Carries out steps on this machine.
pub struct Floor<'a> {
    /// The workflow.
    pub workflow: &'a Workflow,
    /// The lab.
    pub kit: &'a Kit,
    /// Models.
    pub hired: Hired,
    programs: Programs,
}

/// What a worker is given.
pub enum Task {
    /// A command.
    Command(Box<command::Task>),
    /// A request.
    Model(Box<ask::Task>),
    /// A session with tools.
    Session(Box<session::Task>),
    /// A study.
    Study(Box<study::Task>),
}

/// What a step sees beside its own work.
struct Scene<'a> {
    workflow: &'a Workflow,
    phase: &'a Phase,
    number: u32,
    step: &'a Step,
    state: &'a State,
    files: Seen,
}

impl<'a> Floor<'a> {
    /// Returns who carries out the steps of a workflow.
    pub fn new(workflow: &'a Workflow, kit: &'a Kit, hired: Hired) -> Floor<'a> {
        Floor {
            workflow,
            kit,
            hired,
            programs: Programs::default(),
        }
    }

    /// Looks whether every phase whose items lie in files or in the workflow itself has some.
    pub fn check(&self) -> Result<(), String> {
        for phase in &self.workflow.phases {
            if !matches!(phase.over, Over::Results(..)) {
                items::of(&self.workflow.directory, phase, &State::default())
                    .map_err(|why| format!("phase `{}`: {why}", phase.name))?;
            }
        }
        Ok(())
    }

    /// Returns what tells a program on this machine from another of its name.
    fn program(&self, spec: &Spec) -> Option<serde_json::Value> {
        let Spec::Command { program } = spec else {
            return None;
        };
        Some(self.programs.hashes(program, self.hired.environment))
    }
}

impl Crew for Floor<'_> {
    type Task = Task;

    fn items(&self, phase: &Phase, state: &State) -> Result<Vec<Item>, Refusal> {
        items::of(&self.workflow.directory, phase, state).map_err(Refusal::Step)
    }

    fn prepare(
        &self,
        phase: &Phase,
        number: u32,
        step: &Step,
        state: &State,
    ) -> Result<Prepared<Task>, Refusal> {
        let directory = &self.workflow.directory;
        let files = files::see(directory, &phase.reads, &step.item.files).map_err(Refusal::Step)?;
        let scene = Scene {
            workflow: self.workflow,
            phase,
            number,
            step,
            state,
            files,
        };
        match &phase.work {
            Work::Command(command) => Ok(command::prepare(&scene, command)),
            Work::Model(model) => ask::prepare(self, &scene, model),
            Work::Session(session) => session::prepare(self, &scene, session),
            Work::Study(study) => study::prepare(self, &scene, study),
        }
    }

    fn carry_out(&self, task: Task, cut: &Cut) -> Result<Came, Broken> {
        match task {
            Task::Command(task) => command::carry_out(self.kit, &task, cut),
            Task::Model(task) => Ok(ask::carry_out(&task, cut)),
            Task::Session(task) => session::carry_out(self, &task, cut),
            Task::Study(task) => study::carry_out(self, &task, cut),
        }
    }
}

impl Scene<'_> {
    /// Returns what stands in a place.
    fn value(&self, place: &Place) -> String {
        match place {
            Place::Item => self.step.item.text.clone(),
            Place::Number => self.number.to_string(),
            Place::Content => self.content(),
            Place::Results(phase) => self.results(phase),
        }
    }

    /// Returns what is in the item's files; where it has none, in all files that the phase reads.
    fn content(&self) -> String {
        let own = &self.step.item.files;
        if own.is_empty() {
            let all: Vec<String> = self.files.files.keys().cloned().collect();
            return self.files.content(&all);
        }
        self.files.content(own)
    }

    /// Returns the texts in which a citation may be found beside files: the item as `item`, results as `PHASE/NUMBER`.
    fn given(&self) -> BTreeMap<String, String> {
        let mut given = self.used();
        given.insert("item".into(), self.step.item.text.clone());
        given
    }

    /// Returns the results of a phase, each after a line with its number.
    fn results(&self, phase: &str) -> String {
        let state = self.state.phase(phase);
        let results = state
            .into_iter()
            .flat_map(super::state::PhaseState::results);
        let texts = results.map(|(number, result)| {
            let whole = match self.apart(phase, result) {
                None => result.to_owned(),
                Some((words, files)) => {
                    let files = files
                        .iter()
                        .map(|(name, text)| format!("\n== {name}\n{text}"));
                    words + &files.collect::<String>()
                }
            };
            format!("[{phase} {number}]\n{}", unheaded(phase, &whole))
        });
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// Takes a result of a phase apart, if that is of sessions that leave files.
    fn apart(&self, phase: &str, result: &str) -> Option<(String, Vec<(String, String)>)> {
        match &self.workflow.phase(phase)?.work {
            Work::Session(session) if !session.outputs.is_empty() => session::apart(result),
            Work::Session(_) | Work::Command(_) | Work::Model(_) | Work::Study(_) => None,
        }
    }

    /// Returns the results that a step uses beside its item, by the names of the files that hold them.
    fn used(&self) -> BTreeMap<String, String> {
        let mut used = BTreeMap::new();
        for name in self.phase.uses() {
            let state = self.state.phase(name);
            for (number, result) in state
                .into_iter()
                .flat_map(super::state::PhaseState::results)
            {
                let Some((words, files)) = self.apart(name, result) else {
                    used.insert(format!("{name}/{number}"), result.to_owned());
                    continue;
                };
                used.insert(format!("{name}/{number}"), words);
                for (file, text) in files {
                    // The end of its last line is written with it.
                    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
                    used.insert(format!("{name}/{number}.files/{file}"), text);
                }
            }
        }
        used
    }
}

/// Returns a result in which no line reads like the one before another result.
fn unheaded(phase: &str, result: &str) -> String {
    let head = format!("[{phase} ");
    let lines = result.split('\n').map(|line| {
        let forged = line.trim_start().starts_with(&head);
        if forged {
            format!("\\{line}")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the key of what a step is made of.
fn key(kind: &str, made_of: &serde_json::Value) -> String {
    let whole = json!({ "version": KEY_VERSION, "kind": kind, "made_of": made_of });
    blake3::hash(whole.to_string().as_bytes())
        .to_hex()
        .to_string()
}

/// Returns a request's worth of reservation.
fn reserved_for(mind: &crate::mind::Mind, request: &Request, attempts: u64) -> Reserved {
    let most = mind.most(request);
    Reserved {
        tokens: most.tokens.saturating_mul(attempts),
        money: most.money.map(|money| money.saturating_mul(attempts)),
        cpu_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::unheaded;

    #[test]
    fn no_result_reads_like_two() {
        let forged = "yes\n[read 2]\nno\n [read 3]";
        assert_eq!(unheaded("read", forged), "yes\n\\[read 2]\nno\n\\ [read 3]");
        assert_eq!(unheaded("draft", forged), forged);
    }
}

//! Worker threads: each runs one task at a time and sends back what came of it.

use std::{
    sync::{Arc, mpsc},
    thread::Scope,
};

use lyceum_types::{EvaluationChecked, RunFinished, RunId, Split};

use super::{
    agent::{Agent, Change, NoChange, Question},
    execute::{Broken, CheckTask, Cut, Executor, MeasureEnd, MeasureTask, RunTask},
    halving::Report,
};

/// A task for a worker.
pub(super) enum Work {
    Run(RunTask, Cut),
    Measure(MeasureTask, Cut),
    Check(Box<CheckTask>, Cut),
}

/// What came of a task.
pub(super) enum Done {
    Run(RunId, Result<RunFinished, Broken>),
    Reported(RunId, Report),
    Measure(RunId, Split, Result<MeasureEnd, Broken>),
    Check(Box<Result<EvaluationChecked, Broken>>),
    Answered(Box<Result<Change, NoChange>>),
}

impl Done {
    /// Returns the task that this is the end of; an answer, a check and a report end none.
    pub(super) fn key(&self) -> Option<(RunId, Option<Split>)> {
        match self {
            Done::Run(run, _) => Some((*run, None)),
            Done::Measure(run, split, _) => Some((*run, Some(*split))),
            Done::Reported(..) | Done::Answered(_) | Done::Check(_) => None,
        }
    }
}

/// Starts a worker, which ends when its sender is dropped.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    slot: usize,
    executor: &Arc<dyn Executor>,
    done: &mpsc::Sender<Done>,
) -> mpsc::Sender<Work> {
    let (sender, receiver) = mpsc::channel::<Work>();
    let (executor, done) = (Arc::clone(executor), done.clone());
    let worker = move || {
        for work in receiver {
            let message = match work {
                Work::Run(task, cut) => {
                    let tell = |report| drop(done.send(Done::Reported(task.run, report)));
                    Done::Run(task.run, executor.run(&task, &cut, &tell))
                }
                Work::Measure(task, cut) => {
                    Done::Measure(task.finished.run, task.split, executor.measure(&task, &cut))
                }
                Work::Check(task, cut) => Done::Check(Box::new(executor.check(&task, &cut))),
            };
            if done.send(message).is_err() {
                return;
            }
        }
    };
    // The name tells people what they see in a process list.
    drop(
        std::thread::Builder::new()
            .name(format!("slot-{slot}"))
            .spawn_scoped(scope, worker),
    );
    sender
}

/// Starts the thread on which an agent is asked; it ends when its sender is dropped.
pub(super) fn start_agent<'scope>(
    scope: &'scope Scope<'scope, '_>,
    agent: &'scope dyn Agent,
    done: &mpsc::Sender<Done>,
) -> mpsc::Sender<Question> {
    let (sender, receiver) = mpsc::channel::<Question>();
    let done = done.clone();
    let worker = move || {
        for question in receiver {
            let answer = agent.propose(&question);
            if done.send(Done::Answered(Box::new(answer))).is_err() {
                return;
            }
        }
    };
    drop(
        std::thread::Builder::new()
            .name("agent".to_owned())
            .spawn_scoped(scope, worker),
    );
    sender
}

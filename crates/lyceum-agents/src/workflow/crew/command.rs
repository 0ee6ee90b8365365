//! A command in the sandbox: the files that the step may read in a workspace of its own, its result what it prints.

use std::{collections::BTreeMap, path::PathBuf};

use lyceum_sandbox::{Access, Captured, Exit, Mount, Record, scratch::Scratch, show_untrusted};
use lyceum_study::{
    engine::{Broken, Cut},
    lab::{Kit, Order, discard, read_only, write_owned_as},
};
use serde_json::json;

use super::{
    super::{
        conductor::{Came, Prepared},
        event::{Reserved, Spent, StepEnd},
        format::Command,
        template::Template,
    },
    RESULT_BYTES_MAX, Scene, Task as Any, key,
};
use crate::tool::cut_middle;

/// Where the files are inside.
const WORKSPACE: &str = "/workspace";
/// Where the item and results of earlier phases are inside.
const STEP: &str = "/step";
/// Name of the scratch directories: in capitals, as no study's is.
const SCRATCH: &str = "STEP";
/// Most bytes of what a command printed that a failure tells.
const TOLD_BYTES_MAX: usize = 1000;

/// A command that is ready.
pub struct Task {
    arguments: Vec<String>,
    timeout: std::time::Duration,
    memory: u64,
    files: BTreeMap<String, (Vec<u8>, bool)>,
    given: BTreeMap<String, String>,
}

pub(super) fn prepare(scene: &Scene<'_>, command: &Command) -> Prepared<Any> {
    let fill = |word: &Template| word.fill(|place| scene.value(place));
    let arguments: Vec<String> = command.run.iter().map(fill).collect();
    let used = scene.used().into_iter();
    let mut given: BTreeMap<String, String> = used
        .map(|(name, text)| (format!("results/{name}"), text))
        .collect();
    given.insert("item".into(), scene.step.item.text.clone());
    let made_of = json!({
        "arguments": arguments,
        "files": scene.files.hashes(),
        "given": given,
        "memory": command.memory.0,
        "timeout_ms": command.timeout.0.as_millis() as u64,
    });
    Prepared {
        key: key("command", &made_of),
        reserved: Reserved {
            cpu_ms: command.timeout.0.as_millis() as u64,
            ..Reserved::default()
        },
        task: Any::Command(Box::new(Task {
            arguments,
            timeout: command.timeout.0,
            memory: command.memory.0,
            files: scene.files.files.clone(),
            given,
        })),
    }
}

pub(super) fn carry_out(kit: &Kit, task: &Task, cut: &Cut) -> Result<Came, Broken> {
    let scratch = kit.scratch(SCRATCH)?;
    let record = run(kit, task, &scratch, cut);
    discard(&scratch)?;
    let record = record?;
    Ok(Came {
        end: Ok(end(&record.exit, &record.stdout, &record.stderr)),
        spent: Spent {
            cpu_ms: record.usage.cpu.as_millis() as u64,
            ..Spent::default()
        },
    })
}

fn run(kit: &Kit, task: &Task, scratch: &Scratch, cut: &Cut) -> Result<Record, Broken> {
    let doing = || "laying out a step's files";
    // Nothing else is mounted from there.
    let lower = scratch.out();
    for (name, (bytes, executable)) in &task.files {
        write_owned_as(&lower, name, bytes, *executable).map_err(Broken::while_doing(doing()))?;
    }
    for (name, text) in &task.given {
        // Files of text end with a line's end, so that `cat` puts none in the middle of another.
        let text = format!("{text}\n");
        write_owned_as(
            scratch.path(),
            &format!("step/{name}"),
            text.as_bytes(),
            false,
        )
        .map_err(Broken::while_doing(doing()))?;
    }
    let mut policy = kit.policy(WORKSPACE, 1, &[]);
    policy.mounts.push(Mount {
        source: lower,
        target: PathBuf::from(WORKSPACE),
        access: Access::Overlay {
            upper: scratch.upper(),
            work: scratch.work(),
        },
    });
    policy
        .mounts
        .push(read_only(&scratch.path().join("step"), STEP));
    policy.limits.wall = task.timeout;
    policy.limits.cpu = task.timeout;
    policy.limits.memory_bytes = task.memory;
    policy.limits.output_bytes = RESULT_BYTES_MAX as u64;
    let order = Order {
        arguments: task.arguments.clone(),
        policy,
        answer: false,
        scratch: scratch.path(),
    };
    kit.execute(&order, cut)
}

fn end(exit: &Exit, stdout: &Captured, stderr: &Captured) -> StepEnd {
    let failed = |why: String| StepEnd::Failed { why };
    let errors = || {
        let shown = show_untrusted(&stderr.joined());
        let shown = cut_middle(shown.trim().to_owned(), TOLD_BYTES_MAX);
        if shown.is_empty() {
            shown
        } else {
            format!(": {shown}")
        }
    };
    match exit {
        Exit::Code(0) => {}
        Exit::Killed { cause } => return StepEnd::Cut { why: cause.clone() },
        // Somebody destroyed the sandbox: that says nothing about the command.
        Exit::Lost => {
            return StepEnd::Fault {
                why: "its sandbox was destroyed from outside".into(),
            };
        }
        exit => return failed(format!("{}{}", crate::tool::ended(exit), errors())),
    }
    if stdout.truncated {
        return failed(format!("it printed more than {RESULT_BYTES_MAX} bytes"));
    }
    match String::from_utf8(stdout.joined()) {
        Ok(result) => StepEnd::Done {
            result: result.trim_end().to_owned(),
            citations: 0,
            reused: None,
        },
        Err(_) => failed("it printed bytes that are no UTF-8 text".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_command_from_outside_says_nothing_about_it() {
        let none = Captured::default();
        let end = |exit: &Exit| end(exit, &none, &none);
        assert!(matches!(end(&Exit::Lost), StepEnd::Fault { .. }));
        let cause = "a person stopped the run".to_owned();
        assert_eq!(
            end(&Exit::Killed {
                cause: cause.clone()
            }),
            StepEnd::Cut { why: cause }
        );
        assert!(matches!(end(&Exit::Code(1)), StepEnd::Failed { .. }));
        assert!(matches!(end(&Exit::Code(0)), StepEnd::Done { .. }));
    }
}

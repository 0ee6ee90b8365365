//! Checking one criterion of a rubric, anew and apart from whoever made what is checked.
//!
//! What is judged is laid out from the record: the winner's files over the unchanged workspace, the outputs of one of its
//! runs, and the grader's own copy of the private files. Nothing that a candidate or an agent had open is looked at.

use std::{io, path::Path};

use lyceum_sandbox::{Exit, Role, show_untrusted};
use lyceum_types::{CheckFound, Cited, EvaluationChecked, ExperimentId, RunId, Usage};
use serde::Deserialize;

use super::{
    agent::{Case, Doubt, Judge, Judged},
    candidate,
    evaluator::{HOME, PRIVATE},
    kit::{self, Bounds, Edit, Kit, OUTPUTS, Order, read_only},
    study::OpenStudy,
};
use crate::{
    engine::{Broken, CheckTask, Cut},
    format::{Command, Criterion, Limits, Placeholder},
    knobs,
    shape::Shape,
};

/// A larger file is not held against a schema: the lab reads it whole.
const SHAPED_BYTES_MAX: usize = 4 << 20;
/// Most bytes of a file that a model is shown.
const SHOWN_BYTES_MAX: usize = 32 << 10;
/// Most bytes of a reason: it stands in the record and before models.
const WHY_BYTES_MAX: usize = 600;
/// Most findings of a session that are looked at, the newest first; no more stand at once.
const FINDINGS_MAX: usize = 64;
/// Events of a session that are read at once.
const PAGE: usize = 4096;

/// What a check found, with its reason.
type Told = (CheckFound, String);

/// Checks one criterion.
pub(super) fn check(
    kit: &Kit,
    open: &OpenStudy,
    judge: Option<&dyn Judge>,
    task: &CheckTask,
    cut: &Cut,
) -> Result<EvaluationChecked, Broken> {
    let mut usage = Usage::default();
    let absent = || io::Error::other("the rubric has no such criterion");
    let criterion = open.study.rubric.get(task.criterion as usize);
    let criterion =
        criterion.ok_or_else(|| Broken::while_doing("looking up a criterion")(absent()))?;
    let work = Work { kit, open, task };
    let (found, why) = match criterion {
        Criterion::Command { command, limits } => {
            work.command(command, *limits, &mut usage, cut)?
        }
        Criterion::File { file, hash, schema } => {
            work.file(file, hash.as_deref(), schema.as_deref())?
        }
        Criterion::Finding { .. } => findings(kit, &open.name)?,
        Criterion::Judgement {
            model,
            question,
            file,
        } => work.judgement(judge, (model, question, file.as_deref()), cut)?,
        Criterion::Metric { .. }
        | Criterion::Improvement { .. }
        | Criterion::Diff { .. }
        | Criterion::Replication { .. } => {
            let doing = "sending a grader for what the record tells";
            return Err(Broken::while_doing(doing)(absent()));
        }
    };
    let looked_at = matches!(
        criterion,
        Criterion::Command { .. } | Criterion::File { .. }
    );
    let run = task.finished.as_ref().map(|finished| finished.run);
    Ok(EvaluationChecked {
        iteration: task.iteration,
        criterion: task.criterion,
        found,
        why: bounded(&why),
        runs: run.filter(|_| looked_at).into_iter().collect(),
        usage,
    })
}

fn bounded(why: &str) -> String {
    let mut end = why.len().min(WHY_BYTES_MAX);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why[..end].to_owned()
}

fn unmet(why: impl Into<String>) -> Told {
    (CheckFound::Unmet, why.into())
}

/// What is judged.
struct Work<'a> {
    kit: &'a Kit,
    open: &'a OpenStudy,
    task: &'a CheckTask,
}

impl Work<'_> {
    fn changed_files(&self) -> Result<Result<Vec<Edit>, String>, Broken> {
        let task = self.task;
        candidate::changed_files(self.kit, self.open, &task.settings, &task.files)
    }

    /// Runs the author's program in a sandbox that nobody else has been in.
    fn command(
        &self,
        command: &Command,
        limits: Limits,
        usage: &mut Usage,
        cut: &Cut,
    ) -> Result<Told, Broken> {
        let (kit, open, task) = (self.kit, self.open, self.task);
        let edits = match self.changed_files()? {
            Ok(edits) => edits,
            Err(problem) => return Ok(unmet(problem)),
        };
        let named = format!("{}-check-{}", open.name, task.criterion + 1);
        let scratch = kit.scratch_for(&named, Role::Evaluator)?;
        candidate::lay_edits(&scratch.upper(), &edits)?;
        let mut policy = candidate::view(kit, open, &task.cpus, &scratch)?;
        policy.role = Role::Evaluator;
        policy.directory = HOME.into();
        policy
            .mounts
            .retain(|mount| mount.target != Path::new(OUTPUTS));
        let outputs = scratch.path().join("judged");
        make(&outputs)?;
        if let Some(finished) = &task.finished {
            kit.lay_out(&finished.outputs, &outputs)?;
        }
        policy.mounts.push(read_only(&outputs, OUTPUTS));
        if !task.private.is_empty() {
            let private = scratch.path().join("private");
            kit.lay_out(&task.private, &private)?;
            policy.mounts.push(read_only(&private, PRIVATE));
        }
        let own = kit::limits(limits.timeout.0, limits.memory.0, 1);
        let bounds = Bounds::new(own, task.allowance);
        policy.limits = bounds.limits();
        policy
            .environment
            .insert("LYCEUM_SEED".into(), task.seed.to_string());
        let fill = [
            (Placeholder::Outputs, OUTPUTS),
            (Placeholder::Private, PRIVATE),
        ];
        let arguments = command.fill(&fill);
        let named = arguments.first().cloned().unwrap_or_default();
        let order = Order {
            arguments,
            policy,
            answer: false,
            scratch: scratch.path(),
        };
        let record = kit.execute(&order, cut)?;
        *usage = kit::usage(&record);
        let full = kit::disk_is_full(scratch.path());
        kit::discard(&scratch)?;
        if let Some(spent) = bounds.spent(&record.exit) {
            return Ok((CheckFound::Cut, spent.cause().to_owned()));
        }
        let last = kit::log(&record);
        let last = last.lines().rev().find(|line| !line.trim().is_empty());
        let said = last.map_or(String::new(), |line| format!(": {line}"));
        match &record.exit {
            Exit::Code(0) => Ok((CheckFound::Met, format!("exit status 0{said}"))),
            Exit::Lost | Exit::Killed { .. } => {
                broken("running a grader", "it was ended from outside")
            }
            // A program of the work's that cannot be started says something about the work, one of the machine's nothing.
            Exit::NotStarted { reason, .. } if !named.starts_with(OUTPUTS) => {
                broken("running a grader", reason)
            }
            _ if full => broken("running a grader", "the lab's disk is full"),
            exit => {
                let reason = kit::failure(exit).map_or(String::new(), |reason| reason.to_string());
                Ok(unmet(format!("{reason}{said}")))
            }
        }
    }

    /// Returns the bytes of an output, or of a file of the winner's workspace; says why there are none.
    fn bytes_of(&self, file: &str) -> Result<Result<Vec<u8>, String>, Broken> {
        if self.open.study.run.outputs.iter().any(|name| name == file) {
            let Some(finished) = &self.task.finished else {
                return Ok(Err(format!(
                    "no run of {} left outputs",
                    self.task.experiment
                )));
            };
            let outputs = finished.outputs.iter().filter(|one| one.name == file);
            let outputs: Vec<_> = outputs.cloned().collect();
            let mut read = self.kit.read_kept(&outputs)?;
            let missing = || format!("{} left no `{file}`", finished.run);
            return Ok(read.pop().map(|edit| edit.bytes).ok_or_else(missing));
        }
        let edits = match self.changed_files()? {
            Ok(edits) => edits,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(edit) = edits.into_iter().find(|edit| edit.path == file) {
            return Ok(Ok(edit.bytes));
        }
        Ok(knobs::read_plain(&self.open.workspace, file)
            .map_err(|problem| format!("`{file}`: {problem}")))
    }

    fn file(&self, file: &str, hash: Option<&str>, schema: Option<&str>) -> Result<Told, Broken> {
        let bytes = match self.bytes_of(file)? {
            Ok(bytes) => bytes,
            Err(why) => return Ok(unmet(why)),
        };
        let found = blake3::hash(&bytes).to_hex();
        if let Some(hash) = hash
            && hash != found.as_str()
        {
            return Ok(unmet(format!("its BLAKE3 is {found}")));
        }
        if let Some(schema) = schema
            && let Err(why) = self.fits(schema, &bytes)?
        {
            return Ok(unmet(why));
        }
        let why = format!("{} bytes, BLAKE3 {found}", bytes.len());
        Ok((CheckFound::Met, why))
    }

    fn fits(&self, schema: &str, bytes: &[u8]) -> Result<Result<(), String>, Broken> {
        if bytes.len() > SHAPED_BYTES_MAX {
            return Ok(Err(format!(
                "it has {} bytes, and at most {SHAPED_BYTES_MAX} are held against a schema",
                bytes.len()
            )));
        }
        let kept = self.task.private.iter().filter(|one| one.name == schema);
        let kept: Vec<_> = kept.take(1).cloned().collect();
        let read = self.kit.read_kept(&kept)?;
        let text = read.first().map_or(&[][..], |edit| &edit.bytes);
        let shape = Shape::parse(text)
            .map_err(|why| Broken::while_doing(format!("reading schema `{schema}`"))(why))?;
        Ok(shape.check(bytes))
    }

    fn judgement(
        &self,
        judge: Option<&dyn Judge>,
        (model, question, file): (&str, &str, Option<&str>),
        cut: &Cut,
    ) -> Result<Told, Broken> {
        let Some(judge) = judge else {
            return broken(
                "asking for a judgement",
                "no language model can be asked here",
            );
        };
        let file = match file {
            None => None,
            Some(file) => match self.bytes_of(file)? {
                // What a judge would not see could say anything.
                Ok(bytes) if bytes.len() > SHOWN_BYTES_MAX => {
                    return Ok(unmet(format!(
                        "`{file}` has {} bytes, and a judge is shown {SHOWN_BYTES_MAX} at most",
                        bytes.len()
                    )));
                }
                Ok(bytes) => Some((file.to_owned(), bytes)),
                Err(why) => return Ok(unmet(why)),
            },
        };
        let doubt = Doubt {
            question: question.to_owned(),
            claim: self.task.claim.clone(),
            file,
        };
        let case = Case {
            study: &self.open.name,
            ledger: &self.kit.ledger,
            budget: &self.open.study.budget,
        };
        let given = match judge.judge(case, model, &doubt, cut)? {
            Judged::Given(given) => given,
            Judged::Unpaid(why) => return Ok((CheckFound::Cut, why)),
        };
        let found = if given.yes {
            CheckFound::Met
        } else {
            CheckFound::Unmet
        };
        let words = given.why.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((
            found,
            format!("the model says: {}", show_untrusted(words.as_bytes())),
        ))
    }
}

fn broken<T>(doing: &str, why: &str) -> Result<T, Broken> {
    Err(Broken::while_doing(doing)(io::Error::other(why.to_owned())))
}

fn make(path: &Path) -> Result<(), Broken> {
    let doing = format!("making `{}`", path.display());
    std::fs::create_dir_all(path).map_err(Broken::while_doing(doing))
}

/// A finding as its session has it, without the words.
#[derive(Deserialize)]
struct Recorded {
    finding: u32,
    experiment: ExperimentId,
    against: ExperimentId,
    runs: Vec<RunId>,
    #[serde(default)]
    replaces: Vec<u32>,
}

/// Returns the findings that stand in the session of a study.
fn findings(kit: &Kit, study: &str) -> Result<Told, Broken> {
    let doing = || format!("reading the findings of session `{study}`");
    let reader = kit.ledger.reader().map_err(Broken::while_doing(doing()))?;
    let stream = format!("session/{study}");
    let (mut cited, mut last): (Vec<Cited>, u64) = (Vec::new(), 0);
    loop {
        let page = reader
            .read(&stream, last, PAGE)
            .map_err(Broken::while_doing(doing()))?;
        let full = page.len() == PAGE;
        for event in page {
            last = event.seq;
            if event.kind != "agent.finding" {
                continue;
            }
            let recorded: Recorded =
                serde_json::from_str(&event.body).map_err(Broken::while_doing(doing()))?;
            cited.retain(|one| !recorded.replaces.contains(&one.finding));
            cited.push(Cited {
                seq: event.seq,
                finding: recorded.finding,
                experiment: recorded.experiment,
                against: recorded.against,
                runs: recorded.runs,
            });
        }
        if !full {
            break;
        }
    }
    let skipped = cited.len().saturating_sub(FINDINGS_MAX);
    cited.drain(..skipped);
    let why = format!("{} findings stand in the session", cited.len());
    Ok((CheckFound::Findings { cited }, why))
}

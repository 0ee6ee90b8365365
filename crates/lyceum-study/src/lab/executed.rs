//! A metric of what the candidate's program makes of a fresh input: the input is drawn after the candidate ended, the program
//! runs in a sandbox without private files and without an answer descriptor, and the evaluator reads what it wrote as bytes.

use lyceum_types::{Measured, RunMeasured, Trust};

use super::{
    evaluator::{Answer, PRIVATE, finite, measure_cut},
    fresh::{Program, Session, Stop},
    kit::{self, Kit, OUTPUTS, read_only},
    study::OpenStudy,
};
use crate::{
    engine::{Broken, Cut, MeasureEnd, MeasureTask},
    format::{Executed, Placeholder},
};

const CHECK_INPUT: &str = "/check/input";
const CHECK_OUTPUT: &str = "/check/output";

/// Measures what a finished run's program does.
pub(super) fn measure(
    kit: &Kit,
    open: &OpenStudy,
    executed: &Executed,
    task: &MeasureTask,
    cut: &Cut,
) -> Result<MeasureEnd, Broken> {
    let scratch = kit.scratch(&format!("{}-{}-measure", open.name, task.finished.run))?;
    let mut session = Session::new(kit, open, task, executed.limits, &scratch, cut)?;
    let answer = once(&mut session, executed);
    let (fresh, used) = (session.seed, session.used);
    kit::discard(&scratch)?;
    let measured = match answer.map(|values| finite(&open.study.metric.name, values?)) {
        Ok(Ok(values)) => Measured::Values { values },
        Ok(Err(reason)) | Err(Stop::Failed(reason)) => Measured::Failed(reason),
        Err(Stop::Cut(cause)) => return Ok(MeasureEnd::Cut(measure_cut(task, cause, used))),
        Err(Stop::Broken(broken)) => return Err(broken),
    };
    Ok(MeasureEnd::Measured(RunMeasured {
        run: task.finished.run,
        split: task.split,
        trust: Trust::Measured,
        measured,
        fresh: Some(fresh),
        usage: used,
        log: String::new(),
    }))
}

/// Draws an input, runs the program on it, has it judged.
fn once(session: &mut Session<'_>, executed: &Executed) -> Result<Answer, Stop> {
    let place = session.bench.scratch.path().join("fresh");
    let (input, output) = (place.join("input"), place.join("output"));
    session.make_input(&executed.input, &input, session.seed.derive("input", 0))?;
    let files = session.bench.outputs.clone();
    let program = Program {
        whose: "candidate",
        files: &files,
        command: &executed.command,
        single_process: false,
    };
    session.run(&program, &input, &output)?;
    let mounts = [
        read_only(&input.join("input"), CHECK_INPUT),
        read_only(&output.join("output"), CHECK_OUTPUT),
    ];
    let fill = [
        (Placeholder::Input, CHECK_INPUT),
        (Placeholder::Output, CHECK_OUTPUT),
        (Placeholder::Outputs, OUTPUTS),
        (Placeholder::Private, PRIVATE),
    ];
    let (_, answer) = session.judge(&executed.check, &fill, &mounts)?;
    Ok(answer)
}

//! `lyceum report`: writes the report of a study from its ledger alone.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use lyceum_ledger::Reader;
use lyceum_report::{
    fold,
    model::{Drawing, Head},
};
use lyceum_study::{
    format::DrawKind,
    lab::{self},
};

use crate::{
    context::{Known, LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// Where to write it [default: in the lab]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "the path of the report is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let known = known(&reader, arguments.study.as_deref())?;
    let html = render(&reader, &known)?;
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => place.lab()?.report(&known.name),
    };
    write_whole(&path, html.as_bytes())?;
    if json {
        println!(
            "{}",
            serde_json::json!({ "study": known.name, "report": path })
        );
    } else {
        println!("{}", crate::view::words::clean(&path.display().to_string()));
    }
    Ok(Exit::Done)
}

/// Writes the report of a study into the lab and returns where.
pub(super) fn write_report(
    place: &LabPlace,
    reader: &Reader,
    study: &str,
) -> Result<PathBuf, Failure> {
    let known = known(reader, Some(study))?;
    let path = place.lab()?.report(&known.name);
    write_whole(&path, render(reader, &known)?.as_bytes())?;
    Ok(path)
}

/// A reader never sees half a report.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::bad_input(format!(
            "cannot write the report to `{}`: {error}",
            path.display()
        ))
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // A pipe, a terminal, `/dev/stdout`: a file in its place would be none of the user's wishes.
        return fs::write(path, bytes).map_err(failed);
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::File::create(&fresh).map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

fn render(reader: &Reader, known: &Known) -> Result<String, Failure> {
    let mut events = Vec::new();
    lab::read_events(reader, &known.name, 0, |seq, at, body| {
        events.push((seq, at, body));
        Ok(())
    })?;
    let at = events.last().map_or(0, |(_, at, _)| *at);
    let head = reader.head()?;
    let unit = known.study.metric.unit.as_str();
    let budget = &known.protocol.budget;
    let context = fold::Context {
        study: known.name.clone(),
        knobs: known.study.space.knobs().to_vec(),
        limits: fold::BudgetLimits {
            experiments: Some(u64::from(budget.experiments)),
            wall_ms: budget.wall.map(|wall| wall.as_millis() as u64),
            cpu_ms: budget.cpu.map(|cpu| cpu.as_millis() as u64),
            disk_bytes: budget.disk,
        },
        rubric: (0..known.protocol.rubric.len())
            .map(|index| known.protocol.criterion_text(index, unit))
            .collect(),
        drawing: drawing(reader, known)?,
        head: Head {
            position: head.position,
            hash: head.hash.to_string(),
            at: words::moment(at),
        },
    };
    Ok(lyceum_report::render(&fold::report(events, context)))
}

/// Reads the picture of the winner's answer, where the study says that there is one.
fn drawing(reader: &Reader, known: &Known) -> Result<Option<Drawing>, Failure> {
    let Some(draw) = &known.study.draw else {
        return Ok(None);
    };
    let runs = known.state.runs_of(known.state.best);
    let metric = &known.study.metric;
    let measured = runs.filter_map(|run| Some((run.value(&metric.name)?, run)));
    let best = measured.reduce(|best, next| {
        if metric.goal.better(next.0, best.0) {
            next
        } else {
            best
        }
    });
    let output = best.and_then(|(_, run)| {
        let finished = run.finished.as_ref()?;
        Some((
            run.id,
            finished
                .outputs
                .iter()
                .find(|output| output.name == draw.file)?
                .blob
                .clone(),
        ))
    });
    let Some((run, blob)) = output else {
        return Ok(None);
    };
    let Ok(id) = blob.parse() else {
        return Ok(None);
    };
    let text = match reader.blob_at_most(id, DRAWING_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // What is larger than any drawing is none.
        Err(lyceum_ledger::Error::BlobTooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match draw.kind {
        DrawKind::Circles => {
            let circles = circles(&text);
            Ok((!circles.is_empty()).then_some(Drawing::Packing { circles, run }))
        }
    }
}

/// The largest file that is drawn: far more than its circles take as text.
const DRAWING_BYTES_MAX: u64 = 4 << 20;

/// Most circles in a drawing.
const CIRCLES_MAX: usize = 10_000;

/// Reads `x y r` lines; anything else in the file is not drawn.
fn circles(text: &str) -> Vec<(f64, f64, f64)> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<f64>);
        let circle = (
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
        );
        let finite = [circle.0, circle.1, circle.2]
            .iter()
            .all(|number| number.is_finite());
        (finite && numbers.next().is_none()).then_some(circle)
    };
    text.lines().filter_map(line).take(CIRCLES_MAX).collect()
}

//! `lyceum export`: a study's experiments as a table for other programs, or everything as a signed bundle.

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use lyceum_ledger::{BundleError, Reader, Unsigned};
use lyceum_study::{engine::Experiment, lab::stream_of};

use super::verify::expect_intact;
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
    /// Form of the table
    #[arg(long, value_enum, default_value_t = Format::Tsv)]
    format: Format,
    /// Write the study, with its files, as a signed bundle to this new file
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Put the whole lab into the bundle
    #[arg(long, requires = "bundle", conflicts_with = "study")]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tab-separated values with a header
    Tsv,
    /// One JSON array of objects
    Json,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(path) = &arguments.bundle {
        return bundle(place, json, arguments, path);
    }
    let known = known(&place.reader()?, arguments.study.as_deref())?;
    let text = if json || arguments.format == Format::Json {
        as_json(&known)?
    } else {
        as_tsv(&known)
    };
    print!("{text}");
    Ok(Exit::Done)
}

/// Writes a bundle under a name of its own first, so that what stands at `path` is whole, and nobody's file is lost.
#[expect(clippy::print_stdout, reason = "this is the result")]
fn bundle(
    place: &LabPlace,
    json: bool,
    arguments: &Arguments,
    path: &Path,
) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let stream = if arguments.all {
        None
    } else {
        Some(stream_of(&known(&reader, arguments.study.as_deref())?.name))
    };
    let failed = |error: &std::io::Error| not_written(path, error);
    if path.symlink_metadata().is_ok() {
        return Err(failed(&ErrorKind::AlreadyExists.into()));
    }
    let unsigned = expect_intact(place, &reader)?;
    if let Some(stream) = &stream {
        exportable(&reader, stream, &unsigned)?;
    }
    let (unfinished, file) = unfinished(path).map_err(|error| failed(&error))?;
    let write = || -> Result<_, Failure> {
        let mut file = std::io::BufWriter::new(file);
        let exported = match reader.export(stream.as_deref(), &mut file) {
            Err(BundleError::Io { source, .. }) => return Err(failed(&source)),
            exported => exported?,
        };
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| rename_new(&unfinished, path))
            .map_err(|error| failed(&error))?;
        Ok(exported)
    };
    let exported = write().inspect_err(|_| drop(std::fs::remove_file(&unfinished)))?;
    if json {
        let shown = serde_json::json!({
            "bundle": path.display().to_string(),
            "events": exported.events,
            "blobs": exported.blobs,
            "bytes": exported.bytes,
        });
        println!("{shown}");
    } else {
        println!(
            "{} events and {} blobs in `{}`, {} bytes",
            exported.events,
            exported.blobs,
            path.display(),
            exported.bytes
        );
    }
    Ok(Exit::Done)
}

/// Refuses a bundle of one study that would say more for it than this lab knows.
fn exportable(reader: &Reader, stream: &str, unsigned: &[Unsigned]) -> Result<(), Failure> {
    const WHOLE: &str = "export the whole lab (`--all`), which carries that with it";
    if reader.imported()?.iter().any(|imported| imported == stream) {
        let refused =
            "this study was imported: a bundle of it would name this lab as where it comes from";
        return Err(Failure::bad_input(refused)
            .hint(format!("pass on the bundle that it came in, or {WHOLE}")));
    }
    let Some(Unsigned { first, last }) = unsigned.first() else {
        return Ok(());
    };
    Err(Failure::bad_input(format!(
        "events {first} to {last} were found without a signature and signed only then: a bundle of one study would not say so"
    ))
    .hint(WHOLE))
}

/// Returns why a bundle was not written, and what to do.
fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    let failure = Failure::bad_input(format!("cannot write bundle `{path}`: {error}"));
    match error.kind() {
        ErrorKind::AlreadyExists => Failure::bad_input(format!("`{path}` is there already"))
            .hint("a bundle is never written over: name a new file"),
        ErrorKind::NotFound => failure.hint("its directory is not there: make it first"),
        ErrorKind::StorageFull => failure.hint("make room, or name a file on another disk"),
        _ => failure,
    }
}

/// Makes a new file beside `path`, under a name that nobody has.
fn unfinished(path: &Path) -> std::io::Result<(PathBuf, File)> {
    /// More exports to one name at a time there are not.
    const NAMES_MAX: u32 = 1000;
    for number in 0..NAMES_MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unfinished-{number}"));
        match File::create_new(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return Ok((name.into(), made?)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Gives a file its name unless somebody else's has it.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    // A second name fails where there is one; file systems without second names have to look first.
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        Err(_) if to.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
    }
}

fn as_tsv(known: &Known) -> String {
    let knobs: Vec<&str> = known
        .study
        .space
        .knobs()
        .iter()
        .map(|knob| knob.name.as_str())
        .collect();
    let metric = &known.study.metric.name;
    let mut text = format!(
        "experiment\tverdict\t{metric}\tlooks\tgain\tresearcher\t{}\thypothesis\n",
        knobs.join("\t")
    );
    for one in &known.state.experiments {
        let id = one.proposed.experiment;
        let value = words::value(&known.state, id).map_or(String::new(), |value| value.to_string());
        let looks = known.state.looks(id, metric).len();
        let gain = one.decided.as_ref().and_then(|decided| decided.gain);
        let settings: Vec<String> = knobs
            .iter()
            .map(|knob| {
                one.proposed
                    .settings
                    .get(*knob)
                    .map_or(String::new(), ToString::to_string)
            })
            .collect();
        let row = [
            id.to_string(),
            verdict(one),
            value,
            looks.to_string(),
            gain.map_or(String::new(), |gain| gain.to_string()),
            one.proposed.researcher.clone(),
            settings.join("\t"),
            one.proposed.hypothesis.replace(['\t', '\n', '\r'], " "),
        ];
        text.push_str(&row.join("\t"));
        text.push('\n');
    }
    text
}

fn verdict(one: &Experiment) -> String {
    one.decided
        .as_ref()
        .map_or_else(String::new, |decided| decided.verdict.to_string())
}

fn as_json(known: &Known) -> Result<String, Failure> {
    let rows: Vec<_> = known
        .state
        .experiments
        .iter()
        .map(|one| {
            let id = one.proposed.experiment;
            serde_json::json!({
                "experiment": id.to_string(),
                "role": one.proposed.role,
                "verdict": one.decided.as_ref().map(|decided| decided.verdict),
                "why": one.decided.as_ref().map(|decided| decided.why.clone()),
                "gain": one.decided.as_ref().and_then(|decided| decided.gain),
                "value": words::value(&known.state, id),
                "looks": known.state.looks(id, &known.study.metric.name).len(),
                "researcher": one.proposed.researcher,
                "hypothesis": one.proposed.hypothesis,
                "prediction": one.proposed.prediction,
                "settings": one.proposed.settings,
            })
        })
        .collect();
    Ok(crate::view::visible(&serde_json::to_string_pretty(&rows)?) + "\n")
}

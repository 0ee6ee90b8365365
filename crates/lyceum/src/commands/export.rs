//! `lyceum export`: a study's experiments as a table for other programs.

use std::io::Write as _;

use lyceum_study::engine::Experiment;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tab-separated values with a header
    Tsv,
    /// One JSON array of objects
    Json,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let known = known(&place.reader()?, arguments.study.as_deref())?;
    let text = if json || arguments.format == Format::Json {
        as_json(&known)?
    } else {
        as_tsv(&known)
    };
    // A reader that went away (`| head`) is an ordinary end.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Ok(Exit::Done)
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

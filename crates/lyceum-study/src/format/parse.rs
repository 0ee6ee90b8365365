//! From the text of a study file to a study.

use serde::Deserialize as _;
use toml_edit::de::Deserializer;

use super::{
    error::Problems, kind::Kind, lower, problem::Problem, source::Source, study::Study, table, walk,
};

/// Reads the text of a study file. `file` is its name in messages; `directory_name` gives the study's name where the file
/// has none. Nothing outside the text is looked at.
pub fn parse(text: &str, file: &str, directory_name: &str) -> Result<Study, Problems> {
    parse_with_source(text, file, directory_name).map(|(study, _)| study)
}

/// Reads the text and keeps the positions, for checks that come later.
pub(crate) fn parse_with_source(
    text: &str,
    file: &str,
    directory_name: &str,
) -> Result<(Study, Source), Problems> {
    let source = Source::parse(file, text).map_err(|problem| Problems::from(*problem))?;
    if let Some(problems) = Problems::new(walk::check(&source)) {
        return Err(problems);
    }
    let tables = tables(&source)?;
    let study = lower::lower(&source, tables, directory_name)?;
    Ok((study, source))
}

/// Reads the tables. The walk over the schema has found all that can be wrong; what is left is reported all the same.
fn tables(source: &Source) -> Result<table::Study, Problems> {
    let deserializer = Deserializer::from(source.document().clone());
    table::Study::deserialize(deserializer).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().to_owned();
        Problems::from(Problem {
            kind: Kind::Unreadable {
                key: "study.toml".to_owned(),
                message,
            },
            place: Some(source.place(span)),
        })
    })
}

//! `lyceum schema`: the schema of a file format, generated from the types that read it.

use lyceum_study::format;

use crate::{exit::Exit, failure::Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The format
    #[arg(value_enum)]
    format: Format,
    /// Print the reference page instead of the JSON Schema
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A study's `study.toml`
    Study,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match (arguments.format, arguments.markdown) {
        (Format::Study, true) => print!("{}", format::reference_markdown()),
        (Format::Study, false) => println!("{}", serde_json::to_string_pretty(&format::schema())?),
    }
    Ok(Exit::Done)
}

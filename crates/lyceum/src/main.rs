//! The command line of the lab.
//!
//! Thin commands over `lyceum-study`: data on standard output, all else on standard error, `--json` for programs.

mod commands;
mod context;
mod exit;
mod failure;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    lyceum_sandbox::run_helper_if_asked();
    let arguments: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(code) = built_in_program(&arguments) {
        return code;
    }
    let cli = commands::Cli::parse();
    match cli.run() {
        Ok(exit) => exit.code(),
        Err(failure) => {
            failure.print();
            failure.exit.code()
        }
    }
}

/// Behaves as one of the built-in studies' programs when called by its name, as it is inside a sandbox.
fn built_in_program(arguments: &[String]) -> Option<ExitCode> {
    let (called, rest) = arguments.split_first()?;
    let name = std::path::Path::new(called).file_name()?.to_str()?;
    let code = lyceum_programs::dispatch(name, rest)?;
    Some(ExitCode::from(u8::try_from(code).unwrap_or(70)))
}

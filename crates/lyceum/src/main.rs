//! The command line of the lab.
//!
//! Thin commands over `lyceum-study`: data on standard output, all else on standard error, `--json` for programs.

mod commands;
mod context;
mod cron;
mod exit;
mod failure;
mod view;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

/// Exit code without a reader: what a shell shows for a program that SIGPIPE ended.
const NO_READER: i32 = 141;

fn main() -> ExitCode {
    lyceum_sandbox::run_helper_if_asked();
    let arguments: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(code) = built_in_program(&arguments) {
        return code;
    }
    end_quietly_without_a_reader();
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error, &arguments),
    };
    let json = cli.json;
    match cli.run() {
        // What is still in the buffer may find the disk full.
        Ok(exit) => match std::io::stdout().flush() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                lost_output(&error.to_string())
            }
            _ => exit.code(),
        },
        Err(failure) => {
            failure.print(json);
            failure.exit.code()
        }
    }
}

/// A reader of standard output that goes away (`| head`) ends the program without a word, as it ends others.
fn end_quietly_without_a_reader() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        // The text of the standard library's own print macros; nothing else tells this panic from others.
        if text.is_some_and(|text| text.starts_with("failed printing to stdout: Broken pipe")) {
            #[expect(clippy::exit, reason = "a hook can end the program in no other way")]
            std::process::exit(NO_READER);
        }
        if let Some(why) = text.and_then(|text| text.strip_prefix("failed printing to stdout: ")) {
            lost_output(why);
            #[expect(clippy::exit, reason = "a hook can end the program in no other way")]
            std::process::exit(i32::from(exit::Exit::Internal.number()));
        }
        default(panic);
    }));
}

/// Says what the words of the command line lack; a program that asks for JSON gets it as an object. Help and version are
/// no failures.
fn not_understood(error: &clap::Error, arguments: &[String]) -> ExitCode {
    if error.use_stderr() && arguments.iter().any(|word| word == "--json") {
        let text = error.render().to_string();
        let said = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
        let failure = failure::Failure::bad_input(said);
        failure.print(true);
        return failure.exit.code();
    }
    error.exit()
}

/// Says that the result could not be written, and returns the exit code.
#[expect(clippy::print_stderr, reason = "standard output is what failed")]
fn lost_output(why: &str) -> ExitCode {
    eprintln!("error: cannot write to standard output: {why}");
    exit::Exit::Internal.code()
}

/// Behaves as one of the built-in studies' programs when called by its name, as it is inside a sandbox.
fn built_in_program(arguments: &[String]) -> Option<ExitCode> {
    let (called, rest) = arguments.split_first()?;
    let name = std::path::Path::new(called).file_name()?.to_str()?;
    let program = lyceum_programs::dispatch(name, rest);
    let code = program.or_else(|| lyceum_agents::hands::dispatch(name, rest))?;
    Some(ExitCode::from(u8::try_from(code).unwrap_or(70)))
}

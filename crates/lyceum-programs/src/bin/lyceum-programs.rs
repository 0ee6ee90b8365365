//! All programs in one binary, for tests by hand: the lab reaches them through its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let called = arguments
        .first()
        .map_or("", |a| a.rsplit('/').next().unwrap_or(a));
    let code = lyceum_programs::dispatch(called, arguments.get(1..).unwrap_or(&[])).or_else(|| {
        let (name, rest) = arguments.get(1..)?.split_first()?;
        lyceum_programs::dispatch(name, rest)
    });
    if let Some(code) = code {
        return ExitCode::from(u8::try_from(code).unwrap_or(2));
    }
    let names = lyceum_programs::names().join(", ");
    let mut stderr = std::io::stderr().lock();
    // A closed stderr leaves nothing to do.
    let _ = std::io::Write::write_fmt(
        &mut stderr,
        format_args!("expected `lyceum-programs PROGRAM ARGUMENTS…`; programs: {names}\n"),
    );
    ExitCode::from(2)
}

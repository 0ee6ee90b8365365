//! Writes sample reports into a directory: `cargo run -p lyceum-report --example sample_report -- DIR`.

#[path = "../tests/samples/mod.rs"]
#[expect(unreachable_pub, reason = "shared with the tests")]
mod samples;

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "samples".into()));
    fs::create_dir_all(&directory)?;
    let studies: Vec<samples::Study> = samples::all();
    for study in studies {
        let page = lyceum_report::render(&study.report());
        fs::write(directory.join(format!("{}.html", study.name)), page)?;
    }
    Ok(())
}

//! `lyceum lint`: what is wrong with a study before it is run.

use std::{
    fs::{self, DirBuilder},
    io::Read as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use lyceum_ledger::{Ledger, Options};
use lyceum_sandbox::Sandbox;
use lyceum_study::{
    format,
    lab::{self, Kit, Lab, Programs, Request, SandboxExecutor, processors},
    lint::{self, Finding, Probe},
};

use crate::{exit::Exit, failure::Failure, view::words};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory of the study
    study: PathBuf,
    /// Only read the study: draw no data, run nothing
    #[arg(long)]
    no_runs: bool,
    /// File that the study's data program reads
    #[arg(long, value_name = "NAME=FILE", value_parser = super::run::input)]
    input: Vec<(String, PathBuf)>,
}

/// What was looked at and found.
struct Looked {
    study: String,
    findings: Vec<Finding>,
    accepted: Vec<lint::Check>,
    ran: bool,
}

pub(super) fn run(json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let opened = format::open(&arguments.study)?;
    let unreadable = |error: lyceum_study::workspace::Error| Failure::bad_input(error.to_string());
    let mut findings = lint::read(&opened).map_err(unreadable)?;
    if !arguments.no_runs {
        let told = lint::speaks_of_seed(&opened).map_err(unreadable)?;
        findings.extend(run_probe(arguments, told, json)?);
    }
    findings.sort_by_key(|finding| finding.check);
    findings.dedup();
    let looked = Looked {
        study: opened.study.name,
        findings,
        accepted: opened.study.accepted,
        ran: !arguments.no_runs,
    };
    if json {
        print_json(&looked);
    } else {
        print(&looked);
    }
    let open = looked.findings.iter().any(|one| !looked.accepts(one));
    Ok(if open { Exit::Unsatisfied } else { Exit::Done })
}

impl Looked {
    fn accepts(&self, finding: &Finding) -> bool {
        self.accepted.contains(&finding.check)
    }
}

/// Opens the study in a lab that is thrown away, compares what the two sides see, and tries it.
#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
fn run_probe(
    arguments: &Arguments,
    speaks_of_seed: bool,
    json: bool,
) -> Result<Vec<Finding>, Failure> {
    // First what may refuse, then what makes something.
    let sandbox = Sandbox::new()?;
    let place = Throwaway::new()?;
    let internal = |error: &dyn std::error::Error| Failure::internal(error);
    let lab = Lab::at(place.path().join("lab"));
    let ledger = Ledger::open(&lab.ledger(), Options::default())?;
    let programs = Programs {
        binary: std::env::current_exe()?,
        names: lyceum_programs::names()
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
    };
    lab::clean_up(&lab).map_err(|error| internal(&error))?;
    let mut kit = Kit::new(sandbox, ledger, lab, &programs).map_err(|error| internal(&error))?;
    let request = Request {
        directory: arguments.study.clone(),
        inputs: arguments.input.iter().cloned().collect(),
        ..Request::default()
    };
    let opening = lab::open(&mut kit, &request)?;
    let mut findings = lint::compare(&opening.open).map_err(|error| {
        Failure::bad_input(format!("the study's files cannot be read: {error}"))
    })?;
    let study = opening.open.study.clone();
    let executor = SandboxExecutor::new(kit, opening.open);
    let cpus = processors()
        .into_iter()
        .take(study.run.threads as usize)
        .collect();
    let probe = Probe {
        study: &study,
        protocol: &opening.protocol,
        speaks_of_seed,
        executor: &executor,
        keep: &|name, bytes| executor.keep(name, bytes),
        fetch: &|output| executor.fetch(output),
        progress: &|what| {
            if !json {
                eprintln!("trying {}", words::clean(what));
            }
        },
        cpus,
    };
    findings.extend(lint::probe(&probe).map_err(|error| internal(&error))?);
    Ok(findings)
}

/// A directory that is removed at the end. Nobody else can list it; the sandbox's user can pass through it.
struct Throwaway(PathBuf);

impl Throwaway {
    fn new() -> Result<Throwaway, Failure> {
        let mut random = [0_u8; 8];
        fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let base = fs::canonicalize(std::env::temp_dir())?;
        let path = base.join(format!("lyceum-lint-{:016x}", u64::from_le_bytes(random)));
        DirBuilder::new().mode(0o711).create(&path)?;
        Ok(Throwaway(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.path()));
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(looked: &Looked) {
    for finding in &looked.findings {
        let accepted = if looked.accepts(finding) {
            " (accepted by the study)"
        } else {
            ""
        };
        println!(
            "{}{accepted}: {}",
            finding.check,
            words::clean(&finding.what)
        );
        println!("  change: {}", finding.check.change());
    }
    let accepted = looked
        .findings
        .iter()
        .filter(|one| looked.accepts(one))
        .count();
    let open = looked.findings.len() - accepted;
    let how = if looked.ran {
        "read and tried"
    } else {
        "read only"
    };
    let found = match (open, accepted) {
        (0, 0) => "nothing found".to_owned(),
        (open, 0) => count(open),
        (open, accepted) => format!("{}, {accepted} accepted", count(open)),
    };
    println!("{} was {how}: {found}", looked.study);
}

fn count(number: usize) -> String {
    match number {
        1 => "1 finding".to_owned(),
        number => format!("{number} findings"),
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_json(looked: &Looked) {
    let findings: Vec<_> = looked
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "check": finding.check,
                "what": finding.what,
                "change": finding.check.change(),
                "accepted": looked.accepts(finding),
            })
        })
        .collect();
    let shown = serde_json::json!({
        "study": looked.study,
        "ran": looked.ran,
        "clean": looked.findings.iter().all(|one| looked.accepts(one)),
        "findings": findings,
    });
    println!("{shown}");
}

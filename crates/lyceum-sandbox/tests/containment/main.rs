//! The containment suite: attacks that must fail in a sandbox and must succeed outside one.
//!
//! `cargo test -p lyceum-sandbox --test containment [ID…]`. Each check is made with a control outside
//! the sandbox that must breach, a legitimate twin inside that must work, and a look at what is left
//! afterwards. The user who starts it decides half of the mode, the backend the other half:
//! `held.txt` beside this file lists what holds today and is demanded here, and what is tried and only shown.
#![expect(clippy::expect_used, reason = "a suite that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a suite prints its table"
)]

mod arena;
mod attacks;
mod beyond;
mod check;
mod figures;
mod lifetimes;
mod outputs;
mod policies;
mod proxies;
mod raw;
mod residue;
mod resources;
mod start;
mod surroundings;
mod table;
mod workloads;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Instant;

use check::{Check, Verdict};
use lyceum_sandbox::Backend;
use start::Mode;

const GROUPS: &[&[Check]] = &[
    attacks::FILES,
    attacks::PROCESSES,
    attacks::NETWORK,
    proxies::PROXY,
    attacks::KERNEL,
    resources::RESOURCES,
    lifetimes::LIFETIME,
    outputs::OUTPUTS,
    policies::POLICY,
    surroundings::SURROUNDINGS,
    beyond::BEYOND,
];

fn main() -> ExitCode {
    lyceum_sandbox::run_helper_if_asked();
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--report") {
        println!("{}", table::report(&words[at + 1..], checks()));
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(arena::SECRET_VARIABLE).is_none() {
        return again();
    }
    raw::adopt_orphans();
    raw::join_new_keyring();
    for number in arena::PLANTED {
        raw::reserve(number).expect("a few descriptors can be had");
    }
    if words.iter().any(|word| word == "--figures") {
        for backend in [Backend::Native, Backend::Bwrap] {
            figures::print(&Mode::new(backend).expect("this machine has the backend"));
        }
        return ExitCode::SUCCESS;
    }
    proxies::begin();
    let options = Options::parse();
    let mut tally = Tally::default();
    for backend in [Backend::Native, Backend::Bwrap] {
        run(backend, &options, &mut tally);
    }
    tally.close()
}

/// The arguments; words that are no check select nothing, as a test's name does for cargo.
struct Options {
    ids: Option<Vec<String>>,
    table: Option<String>,
}

impl Options {
    fn parse() -> Self {
        let mut words = std::env::args().skip(1);
        let (mut ids, mut table) = (Vec::new(), None);
        while let Some(word) = words.next() {
            if word == "--table" {
                table = words.next();
            } else if !word.starts_with('-') {
                ids.push(word);
            }
        }
        Self {
            ids: Some(ids).filter(|ids| !ids.is_empty()),
            table,
        }
    }

    fn wants(&self, id: &str) -> bool {
        self.ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
    }
}

/// What was found against what is listed.
#[derive(Default)]
struct Tally {
    as_listed: usize,
    /// Checks that are shown and not judged.
    open: usize,
    otherwise: Vec<String>,
    words: BTreeMap<(String, &'static str), usize>,
}

impl Tally {
    fn add(&mut self, mode: &str, check: &Check, verdict: &Verdict) {
        *self
            .words
            .entry((mode.to_owned(), verdict.word()))
            .or_default() += 1;
        let held = table::held(mode);
        if held.contains(format!("{}?", check.id).as_str()) {
            self.open += 1;
            return;
        }
        match (held.contains(check.id), verdict) {
            (true, Verdict::Contained(_)) => self.as_listed += 1,
            (true, other) => {
                let found = format!(
                    "{} in {mode}: {}, {}",
                    check.id,
                    other.word(),
                    other.detail()
                );
                self.otherwise.push(found);
            }
            (false, Verdict::Contained(_)) => {
                let found = format!(
                    "{} in {mode}: contained, and not listed in held.txt",
                    check.id
                );
                self.otherwise.push(found);
            }
            (false, _) => self.as_listed += 1,
        }
    }

    fn close(&self) -> ExitCode {
        for ((mode, word), count) in &self.words {
            println!("{mode}: {count} {word}");
        }
        for found in &self.otherwise {
            eprintln!("not as held.txt says: {found}");
        }
        let good = self.otherwise.is_empty();
        println!(
            "test result: {}. {} passed; {} failed; {} ignored",
            if good { "ok" } else { "FAILED" },
            self.as_listed,
            self.otherwise.len(),
            self.open
        );
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    GROUPS.iter().copied().flatten()
}

fn run(backend: Backend, options: &Options, tally: &mut Tally) {
    if !checks().any(|check| options.wants(check.id)) {
        return;
    }
    let mode = Mode::new(backend);
    let name = start::name(backend);
    for check in checks().filter(|check| options.wants(check.id)) {
        let begun = Instant::now();
        let verdict = match &mode {
            Ok(mode) => check::run(check, mode),
            Err(why) => Verdict::NotBuilt(why.clone()),
        };
        let (word, took) = (verdict.word(), begun.elapsed().as_millis());
        let shown = lyceum_sandbox::show_untrusted(verdict.detail().as_bytes());
        println!(
            "{:<4} {name:<12} {word:<12} {took:>5} ms  {shown}",
            check.id
        );
        tally.add(name, check, &verdict);
        if let Some(file) = &options.table {
            table::add(file, name, check, &verdict);
        }
    }
}

/// Starts this program again with a secret in its environment, and a directory of its own for
/// everything that is made: what is left there at the end is residue.
fn again() -> ExitCode {
    let place = tempfile::Builder::new()
        .prefix("containment-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let place = place.expect("cargo's directory for tests can be written");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), open).expect("its own directory can be opened");
    let own = std::env::current_exe().expect("this program has a path");
    let mut command = if rustix::process::geteuid().is_root() {
        // Whatever a sandbox does wrong with mounts stays with the suite.
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .arg(own);
        command
    } else {
        Command::new(own)
    };
    let status = command
        .args(std::env::args_os().skip(1))
        .env(arena::SECRET_VARIABLE, raw::random(16))
        .env("TMPDIR", place.path())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("failed to start again: {error}");
            ExitCode::FAILURE
        }
    }
}

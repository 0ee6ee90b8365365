//! `lyceum sandbox run`: one command in the sandbox, for people and for tests.

mod mounts;
mod record;
mod streams;

use std::{
    fs::File,
    io::Write as _,
    num::NonZeroUsize,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use lyceum_sandbox::{
    Attached, Backend, Destination, Exit as End, Job, Limits, Network, Policy, Record, Sandbox,
    Step,
};
use lyceum_types::{Bytes, Span};
use rustix::fs::OFlags;

use self::mounts::{Place, Variable};
use crate::{context::Minimum, exit::Exit, failure::Failure};

/// How often the program looks whether somebody asked it to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Exit code when a limit stopped the command, as `timeout` has it.
const STOPPED: u8 = 124;
/// Exit code when the sandbox failed and not the command, as `env` has it.
const SANDBOX_FAILED: u8 = 125;
/// Exit code of a command that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// Exit code of a command that is not there.
const NOT_FOUND: u8 = 127;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run one command, isolated from this machine
    #[command(after_help = CODES)]
    Run(Box<Arguments>),
}

const CODES: &str = "Exit codes: the command's own; 128+N when signal N ended it; 124 when a limit stopped it; 125 when the \
sandbox failed; 126 when the command cannot be executed, 127 when it is not there; 2 bad input; 78 refused to run unsafely; \
130 interrupted. A command can return any of these itself: `--json` tells them apart.\n\n\
DIR appears inside under its own path, DIR:PATH under PATH. The command starts in the first overlay or written directory, else \
in /home. Its standard input is empty.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Make a directory or file visible, read-only; may be repeated
    #[arg(long, value_name = "DIR[:PATH]")]
    read: Vec<Place>,
    /// Let the command change a directory in place; may be repeated
    #[arg(long, value_name = "DIR[:PATH]")]
    write: Vec<Place>,
    /// Let the command change a copy of a directory, which is thrown away; may be repeated
    #[arg(long, value_name = "DIR[:PATH]")]
    overlay: Vec<Place>,
    /// Let the command reach a host through a proxy; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    allow: Vec<Destination>,
    /// Add a header with the value of this program's VARIABLE to plain HTTP requests to an allowed host
    #[arg(long, value_name = "HOST:PORT,HEADER,VARIABLE")]
    secret: Vec<mounts::SecretFrom>,
    /// Directory inside to start in
    #[arg(long, value_name = "PATH")]
    directory: Option<PathBuf>,
    /// Set a variable of the command's environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<Variable>,
    /// Threads that numeric libraries are told to use
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Processors that the command may run on, by number [default: all]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Memory of the whole tree
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    memory: Bytes,
    /// Processor time of the whole tree
    #[arg(long, value_name = "TIME", default_value = "10m")]
    cpu: Span,
    /// Time from start to end
    #[arg(long, value_name = "TIME", default_value = "10m")]
    wall: Span,
    /// Processes and threads at once
    #[arg(long, value_name = "N", default_value_t = 256)]
    pids: u64,
    /// Bytes added on disk
    #[arg(long, value_name = "SIZE", default_value = "2GiB")]
    disk: Bytes,
    /// Files added on disk
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    files: u64,
    /// Descriptors that one process may hold open
    #[arg(long, value_name = "N", default_value_t = 1024)]
    open_files: u64,
    /// Output that is passed on; the rest is counted and dropped
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    output_limit: Bytes,
    /// Output after which the command is stopped
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    output_total: Bytes,
    /// Let the command use this machine's graphics processors, whose drivers are part of the kernel
    #[arg(long)]
    gpu: bool,
    /// Forbid it to start processes; threads stay allowed
    #[arg(long)]
    single_process: bool,
    /// What isolates [default: native; bwrap where the kernel grants namespaces to listed programs only]
    #[arg(long, value_enum, conflicts_with = "minimum")]
    backend: Option<Isolation>,
    #[command(flatten)]
    minimum: Minimum,
    /// Write the record to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Isolation {
    /// The lab's own helper
    Native,
    /// The system's bubblewrap, with the lab's filter, limits and watchdog
    Bwrap,
}

pub(super) fn run(json: bool, command: &Command) -> Result<Exit, Failure> {
    let Command::Run(arguments) = command;
    arguments.run(json)
}

impl Arguments {
    fn run(&self, json: bool) -> Result<Exit, Failure> {
        let stop = stop_on_signals()?;
        mounts::sweep();
        let sandbox = match self.backend {
            None => self.minimum.sandbox()?,
            Some(Isolation::Native) => Sandbox::with(Backend::Native)?,
            Some(Isolation::Bwrap) => Sandbox::with(Backend::Bwrap)?,
        };
        let devices = self.devices()?;
        let mut laid = mounts::lay_out(&self.read, &self.write, &self.overlay)?;
        let policy = self.policy(&laid, devices);
        let job = Job::new(self.command.clone(), policy);
        let mut attached = if json {
            Attached::default()
        } else {
            streams::passed_on()
        };
        for secret in &self.secret {
            attached.secrets.push(secret.read()?);
        }
        // Before the command runs: afterwards a link of its own making could stand there.
        let file = self.record.as_deref().map(record_file).transpose()?;
        let outcome = follow(&sandbox, &job, attached, &stop);
        laid.remove()?;
        let record = outcome?;
        self.tell(json, &job, &record, file)?;
        Ok(exit(&record.exit))
    }

    /// Returns the device nodes that the command gets.
    fn devices(&self) -> Result<Vec<PathBuf>, Failure> {
        if !self.gpu {
            return Ok(Vec::new());
        }
        let devices = lyceum_sandbox::graphics_devices();
        if devices.is_empty() {
            return Err(Failure::bad_input(
                "there is no graphics processor here: found none of `/dev/nvidia…`, `/dev/dri/…`, `/dev/kfd`",
            )
            .hint("load its driver, or leave `--gpu` out"));
        }
        Ok(devices)
    }

    fn policy(&self, laid: &mounts::Laid, devices: Vec<PathBuf>) -> Policy {
        let writable = laid.first_writable();
        Policy {
            devices,
            mounts: laid.mounts.clone(),
            directory: self
                .directory
                .clone()
                .or(writable)
                .unwrap_or_else(|| PathBuf::from("/home")),
            environment: self
                .env
                .iter()
                .map(|one| (one.name.clone(), one.value.clone()))
                .collect(),
            network: if self.allow.is_empty() {
                Network::Off
            } else {
                Network::Allow(self.allow.clone())
            },
            threads: self.threads,
            cpus: self.cpus.clone(),
            single_process: self.single_process,
            limits: Limits {
                wall: self.wall.0,
                cpu: self.cpu.0,
                memory_bytes: self.memory.0,
                processes: self.pids,
                disk_bytes: self.disk.0,
                disk_files: self.files,
                output_bytes: self.output_limit.0,
                output_total_bytes: self.output_total.0,
                open_files: self.open_files,
            },
            ..Policy::default()
        }
    }

    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "the result, and what people must know of it"
    )]
    fn tell(
        &self,
        json: bool,
        job: &Job,
        record: &Record,
        file: Option<File>,
    ) -> Result<(), Failure> {
        let shown = record::shown(job, record, exit_code(&record.exit));
        let text = serde_json::to_string_pretty(&shown)?;
        if let (Some(path), Some(mut file)) = (&self.record, file) {
            file.set_len(0)
                .and_then(|()| writeln!(file, "{text}"))
                .map_err(|error| no_record(path, &error.to_string()))?;
        }
        if json {
            println!("{text}");
            return Ok(());
        }
        let dropped = record
            .usage
            .output_bytes
            .saturating_sub(job.policy.limits.output_bytes);
        if dropped > 0 {
            eprintln!("lyceum: {dropped} bytes of output were dropped (`--output-limit`)");
        }
        if let Some(why) = record::why(&record.exit) {
            eprintln!("lyceum: {why}");
        }
        Ok(())
    }
}

/// Opens the file that the record goes to: a regular file of one name, never what a link leads to, and without waiting.
fn record_file(path: &Path) -> Result<File, Failure> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|error| no_record(path, &error.to_string()))?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.nlink() == 1 {
        Ok(file)
    } else {
        Err(no_record(path, "it is no file of its own"))
    }
}

fn no_record(path: &Path, why: &str) -> Failure {
    Failure::bad_input(format!(
        "cannot write the record `{}`: {why}",
        path.display()
    ))
    .hint("name a new file outside what the command can write")
}

/// Runs the job; a signal to this program stops it.
fn follow(
    sandbox: &Sandbox,
    job: &Job,
    attached: Attached,
    stop: &Arc<AtomicBool>,
) -> Result<Record, Failure> {
    let running = sandbox
        .spawn_with(job, attached)
        .map_err(|error| match error {
            lyceum_sandbox::Error::Policy(_) | lyceum_sandbox::Error::Source { .. } => {
                let reason = std::error::Error::source(&error)
                    .map(|source| format!(": {source}"))
                    .unwrap_or_default();
                Failure::bad_input(format!("{error}{reason}"))
            }
            error => Failure::internal(&error),
        })?;
    let (killer, stop) = (running.killer(), Arc::clone(stop));
    // Ends with this program. To kill what has ended already does nothing.
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(STOP_INTERVAL);
        }
        killer.kill("interrupted");
    });
    running.wait().map_err(|error| Failure::internal(&error))
}

fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn exit(end: &End) -> Exit {
    match end {
        End::Killed { .. } => Exit::Interrupted,
        end => Exit::Command(exit_code(end)),
    }
}

/// Returns what this program ends with.
fn exit_code(end: &End) -> u8 {
    match end {
        End::Code(code) => u8::try_from(*code & 0xff).unwrap_or(SANDBOX_FAILED),
        End::Signal(signal) => u8::try_from(128 + signal).unwrap_or(SANDBOX_FAILED),
        End::WallLimit
        | End::CpuLimit
        | End::MemoryLimit
        | End::ProcessLimit
        | End::DiskLimit
        | End::OutputLimit => STOPPED,
        End::Killed { .. } => Exit::Interrupted.number(),
        End::NotStarted {
            step: Step::Execute,
            errno,
            ..
        } => match *errno {
            // ENOENT and ENOTDIR, as every Linux has them.
            2 | 20 => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        },
        End::NotStarted { .. } | End::Lost => SANDBOX_FAILED,
    }
}

//! The record of one command, as `--json` and `--record` print it.

use std::{collections::BTreeMap, time::SystemTime};

use lyceum_sandbox::{
    Backend, Captured, Decision, Exit, Job, Level, LimitMechanisms, Limits, Mechanism, Record,
    Usage, show_untrusted,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Everything that is known of one command.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    level: Level,
    backend: Backend,
    /// What this level lacks of the usual one.
    losses: &'static [&'static str],
    command: &'a [String],
    exit: Value,
    exit_code: u8,
    limits: BTreeMap<&'static str, Limit>,
    usage: BTreeMap<&'static str, Value>,
    network: Network<'a>,
    stdout: Stream,
    stderr: Stream,
    local_sockets: bool,
    devices: &'a [std::path::PathBuf],
    threads: usize,
    cpus: &'a [usize],
    environment: BTreeMap<String, String>,
    started_at: String,
    finished_at: String,
}

/// One limit and what holds it.
#[derive(Debug, Serialize)]
struct Limit {
    value: Value,
    held_by: Mechanism,
}

/// What could be reached, and what was asked for.
#[derive(Debug, Serialize)]
struct Network<'a> {
    policy: &'a lyceum_sandbox::Network,
    decisions: &'a [Decision],
    unlogged: u64,
}

/// What was kept of one stream. Bytes that are not UTF-8 appear as U+FFFD.
#[derive(Debug, Serialize)]
struct Stream {
    text: String,
    bytes_total: u64,
    truncated: bool,
}

pub(super) fn shown<'a>(job: &'a Job, record: &'a Record, exit_code: u8) -> Shown<'a> {
    Shown {
        level: record.level,
        backend: record.backend,
        losses: record.level.losses(),
        command: &job.arguments,
        exit: exit(&record.exit),
        exit_code,
        limits: limits(&job.policy.limits, record.limits),
        usage: usage(&record.usage),
        network: Network {
            policy: &job.policy.network,
            decisions: &record.network,
            unlogged: record.network_unlogged,
        },
        stdout: stream(&record.stdout),
        stderr: stream(&record.stderr),
        local_sockets: record.local_sockets,
        devices: &job.policy.devices,
        threads: job.policy.threads.get(),
        cpus: &job.policy.cpus,
        environment: job.policy.full_environment(),
        started_at: moment(record.started_at),
        finished_at: moment(record.finished_at),
    }
}

/// Returns the cause of an end, with what belongs to it.
fn exit(end: &Exit) -> Value {
    match end {
        Exit::Code(code) => json!({ "cause": "code", "code": code }),
        Exit::Signal(signal) => json!({ "cause": "signal", "signal": signal }),
        Exit::WallLimit => json!({ "cause": "wall-limit" }),
        Exit::CpuLimit => json!({ "cause": "cpu-limit" }),
        Exit::MemoryLimit => json!({ "cause": "memory-limit" }),
        Exit::ProcessLimit => json!({ "cause": "process-limit" }),
        Exit::DiskLimit => json!({ "cause": "disk-limit" }),
        Exit::OutputLimit => json!({ "cause": "output-limit" }),
        Exit::Killed { cause } => json!({ "cause": "killed", "by": cause }),
        Exit::NotStarted {
            step,
            errno,
            reason,
        } => json!({ "cause": "not-started", "step": step, "errno": errno, "reason": reason }),
        Exit::Lost => json!({ "cause": "lost" }),
    }
}

/// Returns a sentence for ends that are not the command's own; `None` for those.
pub(super) fn why(end: &Exit) -> Option<String> {
    let limit = |name: &str, option: &str| {
        Some(format!("the {name} limit stopped the command (`{option}`)"))
    };
    match end {
        Exit::Code(_) | Exit::Signal(_) => None,
        Exit::WallLimit => limit("wall-clock", "--wall"),
        Exit::CpuLimit => limit("processor time", "--cpu"),
        Exit::MemoryLimit => limit("memory", "--memory"),
        Exit::ProcessLimit => limit("process", "--pids"),
        Exit::DiskLimit => limit("disk", "--disk`, `--files"),
        Exit::OutputLimit => limit("output", "--output-total"),
        Exit::Killed { cause } => Some(format!("the command was stopped: {cause}")),
        Exit::NotStarted { step, reason, .. } => Some(show_untrusted(
            format!("the command did not start: failed to {step}: {reason}").as_bytes(),
        )),
        Exit::Lost => Some("the sandbox was destroyed from outside".into()),
    }
}

fn limits(limits: &Limits, held: LimitMechanisms) -> BTreeMap<&'static str, Limit> {
    let limit = |value: Value, held_by| Limit { value, held_by };
    BTreeMap::from([
        (
            "wall_seconds",
            limit(json!(limits.wall.as_secs_f64()), held.wall),
        ),
        (
            "cpu_seconds",
            limit(json!(limits.cpu.as_secs_f64()), held.cpu),
        ),
        (
            "memory_bytes",
            limit(json!(limits.memory_bytes), held.memory),
        ),
        ("processes", limit(json!(limits.processes), held.processes)),
        ("disk_bytes", limit(json!(limits.disk_bytes), held.disk)),
        ("disk_files", limit(json!(limits.disk_files), held.disk)),
        (
            "output_bytes_kept",
            limit(json!(limits.output_bytes), held.output),
        ),
        (
            "output_bytes_total",
            limit(json!(limits.output_total_bytes), held.output),
        ),
        (
            "open_files",
            limit(json!(limits.open_files), held.open_files),
        ),
    ])
}

fn usage(usage: &Usage) -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("wall_seconds", json!(usage.wall.as_secs_f64())),
        ("workload_seconds", json!(usage.workload_wall.as_secs_f64())),
        ("cpu_seconds", json!(usage.cpu.as_secs_f64())),
        ("peak_memory_bytes", json!(usage.peak_memory_bytes)),
        ("processes_peak", json!(usage.processes_peak)),
        ("read_bytes", json!(usage.read_bytes)),
        ("written_bytes", json!(usage.written_bytes)),
        ("disk_bytes_added", json!(usage.disk_bytes)),
        ("disk_files_added", json!(usage.disk_files)),
        ("output_bytes", json!(usage.output_bytes)),
    ])
}

fn stream(captured: &Captured) -> Stream {
    Stream {
        text: String::from_utf8_lossy(&captured.joined()).into_owned(),
        bytes_total: captured.total,
        truncated: captured.truncated,
    }
}

fn moment(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
}

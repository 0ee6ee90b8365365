//! Starting attacks: in a sandbox of one mode, and outside one.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_sandbox::{Backend, Exit, Job, Policy, Record, Sandbox};

use crate::arena::{Arena, SECRET_VARIABLE, Side};
use crate::residue;

/// The longest that a control may take.
const CONTROL_MAX: Duration = Duration::from_secs(30);

/// Bytes of a control's output that are looked at.
const OUTPUT_MAX: u64 = 32 << 20;

/// Returns the name of the mode that this process has with a backend.
pub(crate) fn name(backend: Backend) -> &'static str {
    match (rustix::process::geteuid().is_root(), backend) {
        (true, Backend::Native) => "root native",
        (true, Backend::Bwrap) => "root bwrap",
        (false, Backend::Native) => "user native",
        (false, Backend::Bwrap) => "user bwrap",
    }
}

/// One of the four modes, or why it cannot be had.
pub(crate) struct Mode {
    pub(crate) root: bool,
    pub(crate) backend: Backend,
    pub(crate) sandbox: Sandbox,
}

impl Mode {
    /// Returns the mode of this process's user with one backend.
    pub(crate) fn new(backend: Backend) -> Result<Self, String> {
        let sandbox =
            Sandbox::with(backend).map_err(|refusal| format!("{refusal}; {}", refusal.remedy))?;
        let mode = Self {
            root: rustix::process::geteuid().is_root(),
            backend,
            sandbox,
        };
        // What is made once and kept, such as maps of owners, is no residue of the first attack.
        let arena = Arena::new();
        mode.attack(&arena, "look", arena.policy());
        Ok(mode)
    }

    /// Returns the arguments by which a supervisor of its own process takes the same backend.
    pub(crate) fn supervisor_arguments(&self) -> Vec<String> {
        match self.backend {
            Backend::Native => Vec::new(),
            Backend::Bwrap => vec!["bwrap".into()],
        }
    }

    /// Runs a job to its end.
    pub(crate) fn run(&self, job: &Job) -> Record {
        let running = self.sandbox.spawn(job).expect("the job can be started");
        running.wait().expect("the sandbox reports")
    }

    /// Runs an attack of the attack program against an arena.
    pub(crate) fn attack(&self, arena: &Arena, attack: &str, policy: Policy) -> Ended {
        let record = self.run(&Job::new(arena.arguments(attack, Side::Inside), policy));
        let mut output = record.stdout.joined();
        output.extend(record.stderr.joined());
        Ended {
            output,
            record: Some(record),
        }
    }

    /// Runs a shell script that must work; it proves that by what it leaves in `/out`.
    pub(crate) fn twin(&self, arena: &Arena, script: &str, policy: Policy) -> Result<(), String> {
        let script = format!("set -e\n{script}\ncp /workspace/token /out/twin");
        let record = self.run(&Job::new(["bash", "-c", &script], policy));
        let left = std::fs::read_to_string(arena.scratch.out().join("twin")).unwrap_or_default();
        if left == arena.token && record.exit == Exit::Code(0) {
            return Ok(());
        }
        let said = lyceum_sandbox::show_untrusted(&record.stderr.joined());
        Err(format!(
            "{:?}, {}",
            record.exit,
            said.trim().replace('\n', "; ")
        ))
    }
}

/// What came of an attack.
pub(crate) struct Ended {
    pub(crate) output: Vec<u8>,
    /// Of the sandbox; none for a control.
    pub(crate) record: Option<Record>,
}

/// How a control is started.
#[derive(Clone, Copy)]
pub(crate) enum Control {
    /// As any program of this user.
    Plain,
    /// As root of user, mount and network namespaces of its own, after a shell script: what needs
    /// privileges on a machine that must not be harmed.
    Namespaces(&'static str),
}

/// Runs an attack outside a sandbox.
pub(crate) fn control(arena: &Arena, attack: &str, how: Control) -> Ended {
    let words = arena.arguments(attack, Side::Outside);
    let mut command = match how {
        Control::Plain => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
        Control::Namespaces(script) => {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            let script = script.replace("{data}", &arena.path("data").display().to_string());
            let script = format!("{script}\nexec {}", quoted.join(" "));
            let mut command = Command::new("unshare");
            command.args([
                "--user",
                "--map-root-user",
                "--mount",
                "--net",
                "sh",
                "-ec",
                &script,
            ]);
            command
        }
    };
    command.current_dir(arena.path("lower"));
    Ended {
        output: outside(&mut command, arena),
        record: None,
    }
}

/// Runs a command of a control to its end, bounded in time, and kills what it leaves.
pub(crate) fn outside(command: &mut Command, arena: &Arena) -> Vec<u8> {
    debug_assert!(std::env::var_os(SECRET_VARIABLE).is_some());
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a control needs its program (unshare of util-linux, sh)");
    let readers = [
        child.stdout.take().map(|stream| drain(Box::new(stream))),
        child.stderr.take().map(|stream| drain(Box::new(stream))),
    ];
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > CONTROL_MAX {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    residue::kill_descendants(&[arena.own_process()]);
    let parts = readers
        .into_iter()
        .flatten()
        .filter_map(|reader| reader.join().ok());
    parts.flatten().collect()
}

fn drain(stream: Box<dyn Read + Send>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream.take(OUTPUT_MAX);
        let _ = stream.read_to_end(&mut bytes);
        let _ = std::io::copy(&mut stream.into_inner(), &mut std::io::sink());
        bytes
    })
}

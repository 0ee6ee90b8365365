//! What a sandboxed command may see, change and use: a plain value, recorded with every run.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::PolicyError;
use crate::network::{Destination, PROXY_PORT};

/// Directories of the root that the sandbox itself fills; a mount may lie below some of them, never
/// on one.
const OWN_TARGETS: [&str; 10] = [
    "/", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/tmp",
];

/// Below these nothing may be mounted: they describe the kernel, not files.
const CLOSED_TREES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// One command and the policy that it runs under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The program (looked up on `PATH` inside when it has no slash) and its arguments.
    pub arguments: Vec<String>,
    /// What the command may see and use.
    pub policy: Policy,
    /// Whether the command gets a pipe to the supervisor on descriptor 3.
    ///
    /// At most 64 KiB of it are kept, in [`crate::Record::answer`].
    pub answer: bool,
}

impl Job {
    /// Returns a job without an answer channel.
    pub fn new<S: Into<String>>(arguments: impl IntoIterator<Item = S>, policy: Policy) -> Self {
        Self {
            arguments: arguments.into_iter().map(Into::into).collect(),
            policy,
            answer: false,
        }
    }

    /// Returns the same job with an answer channel on descriptor 3.
    #[must_use]
    pub fn with_answer(mut self) -> Self {
        self.answer = true;
        self
    }
}

/// Everything that decides what a command can reach. Set by people and the lab, never by an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Host files and directories made visible inside.
    pub mounts: Vec<Mount>,
    /// Symbolic links made inside the root.
    pub links: Vec<Link>,
    /// Working directory inside.
    pub directory: PathBuf,
    /// Variables beyond the fixed base (`PATH HOME LANG TZ TMPDIR USER …`), which they may override.
    pub environment: BTreeMap<String, String>,
    /// Directories put in front of `PATH`, as seen inside.
    pub path: Vec<PathBuf>,
    /// Exported as `OMP_NUM_THREADS`, `RAYON_NUM_THREADS` and their like.
    pub threads: NonZeroUsize,
    /// Processors that the command may run on; empty means all.
    pub cpus: Vec<usize>,
    /// What the command may use up.
    pub limits: Limits,
    /// What of the network is reachable.
    pub network: Network,
    /// Device nodes of graphics processors that the command may use, each at its own path:
    /// `/dev/nvidia…`, `/dev/dri/…`, `/dev/kfd`. What their drivers accept is the kernel's own surface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<PathBuf>,
    /// The command may start threads but no process: its processor time is then exactly what the
    /// kernel accounts to it.
    ///
    /// Without this, [`crate::Usage::cpu`] lacks processes that nobody reaps (their parent ignores
    /// `SIGCHLD`) and that live for less than the watchdog's interval of at most 50 ms.
    pub single_process: bool,
    /// As whom the command runs where the lab is root.
    #[serde(default, skip_serializing_if = "Role::is_candidate")]
    pub role: Role,
}

/// On which side a command is. Where the lab is root each side has a user of its own on the host, so that what one side owns is
/// closed to the other even outside its namespaces: its processes, and its files that are not for everybody. An ordinary user
/// has no second one, and without namespaces one serves both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What is measured.
    #[default]
    Candidate,
    /// What measures.
    Evaluator,
}

impl Role {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_candidate(&self) -> bool {
        *self == Role::Candidate
    }
}

/// A host file or directory made visible inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Absolute path on the host, free of symbolic links (canonicalise the part that you trust).
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: PathBuf,
    /// What the command may do there.
    pub access: Access,
}

/// What a command may do with a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Access {
    /// Read and execute; read-only through every mount nested in the source.
    Read,
    /// Change the host's files in place.
    Write,
    /// Change a copy: writes land in `upper`, the source stays as it is.
    ///
    /// `upper` and `work` are two empty directories in the same parent, as
    /// [`crate::scratch::create`] makes them.
    Overlay {
        /// Where changed files land.
        upper: PathBuf,
        /// Scratch space of the overlay file system.
        work: PathBuf,
    },
}

/// A symbolic link made inside the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Absolute path of the link inside.
    pub at: PathBuf,
    /// What the link says.
    pub to: PathBuf,
}

/// What of the network a command can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Its own loopback interface only.
    Off,
    /// Besides that, these hosts and ports, through a proxy that the environment names. A listed name
    /// must lead to public addresses; a listed address is meant as it stands.
    Allow(Vec<Destination>),
}

/// What a command may use up before it is stopped with its whole process tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Wall-clock time from start to end.
    pub wall: Duration,
    /// Processor time of the whole tree, user and system.
    pub cpu: Duration,
    /// Memory of the whole tree in bytes: anonymous and shared pages, and files in `/tmp`, `/home`
    /// and `/dev/shm`.
    pub memory_bytes: u64,
    /// Processes and threads alive at once.
    pub processes: u64,
    /// Bytes added on disk: overlay uppers and writable mounts together.
    pub disk_bytes: u64,
    /// Files and directories added on disk.
    pub disk_files: u64,
    /// Bytes of standard output and standard error that are kept; the rest is counted and dropped.
    pub output_bytes: u64,
    /// Bytes of standard output and standard error after which the command is stopped.
    pub output_total_bytes: u64,
    /// Descriptors that one process may hold open.
    pub open_files: u64,
}

impl Default for Limits {
    /// Returns limits for a small experiment: 10 minutes of wall clock and of processor time, 4 GiB
    /// of memory, 256 processes, 2 GiB and 100,000 files on disk, 256 KiB of output kept and 256 MiB
    /// written, 1024 descriptors.
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(10),
            memory_bytes: 4 << 30,
            processes: 256,
            disk_bytes: 2 << 30,
            disk_files: 100_000,
            output_bytes: 256 << 10,
            output_total_bytes: 256 << 20,
            open_files: 1024,
        }
    }
}

impl Default for Policy {
    /// Returns a policy with no mounts, one thread, the home directory, the default limits, no
    /// network and any number of processes within the limits.
    fn default() -> Self {
        Self {
            mounts: Vec::new(),
            links: Vec::new(),
            directory: PathBuf::from("/home"),
            environment: BTreeMap::new(),
            path: Vec::new(),
            threads: NonZeroUsize::MIN,
            cpus: Vec::new(),
            limits: Limits::default(),
            network: Network::Off,
            devices: Vec::new(),
            single_process: false,
            role: Role::Candidate,
        }
    }
}

impl Policy {
    /// Returns the bytes that stand for this policy in a record: JSON with fields in declaration order
    /// and sorted maps, equal for equal policies.
    ///
    /// # Errors
    ///
    /// Fails when a path is not UTF-8.
    pub fn canonical(&self) -> Result<Vec<u8>, PolicyError> {
        serde_json::to_vec(self).map_err(|source| PolicyError::Encode { source })
    }

    /// Returns the whole environment of the command: the fixed base, then the declared extras.
    ///
    /// Nothing is inherited, so two runs of one policy see the same bytes.
    pub fn full_environment(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let system = [
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
            "/usr/local/sbin",
            "/usr/sbin",
            "/sbin",
        ];
        let front = self
            .path
            .iter()
            .map(|entry| entry.to_string_lossy().into_owned());
        let path: Vec<String> = front.chain(system.map(String::from)).collect();
        all.insert("PATH".into(), path.join(":"));
        for (name, value) in [
            ("HOME", "/home"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("LOGNAME", "lab"),
            ("PYTHONHASHSEED", "0"),
            // 1980-01-01, the earliest date that zip archives can hold.
            ("SOURCE_DATE_EPOCH", "315532800"),
            ("TMPDIR", "/tmp"),
            ("TZ", "UTC"),
            ("USER", "lab"),
        ] {
            all.insert(name.into(), value.into());
        }
        for name in [
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "RAYON_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
        ] {
            all.insert(name.into(), self.threads.to_string());
        }
        if self.network != Network::Off {
            let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
                all.insert(name.into(), proxy.clone());
            }
            for name in ["no_proxy", "NO_PROXY"] {
                all.insert(name.into(), "localhost,127.0.0.1,::1".into());
            }
        }
        all.extend(self.environment.clone());
        all
    }

    /// Checks what can be checked without touching the host.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let mut targets = BTreeSet::new();
        for mount in &self.mounts {
            plain_absolute("mount source", &mount.source)?;
            check_target(&mount.target)?;
            if !targets.insert(&mount.target) {
                return Err(PolicyError::TargetTwice {
                    target: mount.target.clone(),
                });
            }
            if let Access::Overlay { upper, work } = &mount.access {
                check_layers(upper, work)?;
            }
        }
        for link in &self.links {
            check_target(&link.at)?;
        }
        for device in &self.devices {
            check_device(device)?;
        }
        plain_absolute("working directory", &self.directory)?;
        if let Network::Allow(list) = &self.network
            && let Some(one) = list.iter().find(|one| !one.may_be_listed())
        {
            return Err(PolicyError::Destination { found: one.clone() });
        }
        for (name, value) in &self.environment {
            check_variable(name, value)?;
        }
        self.limits.check()
    }
}

/// Least memory limit in bytes: with less, what builds the sandbox may not live to run the command.
const MEMORY_LEAST: u128 = 1 << 20;

impl Limits {
    fn check(&self) -> Result<(), PolicyError> {
        let figures = [
            ("wall", self.wall.as_nanos()),
            ("cpu", self.cpu.as_nanos()),
            ("memory_bytes", self.memory_bytes.into()),
            ("processes", self.processes.into()),
            ("disk_bytes", self.disk_bytes.into()),
            ("disk_files", self.disk_files.into()),
            ("output_total_bytes", self.output_total_bytes.into()),
            ("open_files", self.open_files.into()),
        ];
        for (name, found) in figures {
            let least = if name == "memory_bytes" {
                MEMORY_LEAST
            } else {
                1
            };
            if found < least {
                return Err(PolicyError::LimitTooSmall { name, found, least });
            }
        }
        Ok(())
    }
}

/// Returns the device nodes of graphics processors that this machine has, sorted.
pub fn graphics_devices() -> Vec<PathBuf> {
    let names = |directory: &str| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut found: Vec<PathBuf> = names("/dev")
        .into_iter()
        .chain(names("/dev/dri"))
        .filter(|path| check_device(path).is_ok() && is_character_device(path))
        .collect();
    found.sort();
    found
}

fn is_character_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

fn check_device(device: &Path) -> Result<(), PolicyError> {
    plain_absolute("device", device)?;
    let name = device.strip_prefix("/dev").unwrap_or(Path::new(""));
    let name = name.to_str().unwrap_or_default();
    let plain = |rest: &str| !rest.is_empty() && !rest.contains('/');
    let known = name == "kfd"
        || name.starts_with("nvidia") && plain(name)
        || name.strip_prefix("dri/").is_some_and(plain);
    if known {
        Ok(())
    } else {
        Err(PolicyError::Device {
            device: device.into(),
        })
    }
}

fn check_layers(upper: &Path, work: &Path) -> Result<(), PolicyError> {
    plain_absolute("overlay upper", upper)?;
    plain_absolute("overlay work", work)?;
    if upper.parent() != work.parent() || upper == work || upper.parent().is_none() {
        return Err(PolicyError::LayersApart {
            upper: upper.into(),
            work: work.into(),
        });
    }
    Ok(())
}

fn check_variable(name: &str, value: &str) -> Result<(), PolicyError> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(PolicyError::Variable { name: name.into() });
    }
    Ok(())
}

fn check_target(target: &Path) -> Result<(), PolicyError> {
    plain_absolute("target", target)?;
    let own = OWN_TARGETS.iter().any(|own| target == Path::new(own));
    let closed = CLOSED_TREES.iter().any(|tree| target.starts_with(tree));
    if own || closed {
        return Err(PolicyError::TargetTaken {
            target: target.into(),
        });
    }
    Ok(())
}

fn plain_absolute(what: &'static str, path: &Path) -> Result<(), PolicyError> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let nul = path.as_os_str().as_encoded_bytes().contains(&0);
    // `components` hides `.` and doubled slashes; rebuilding shows them.
    let rebuilt: PathBuf = path.components().collect();
    if !path.is_absolute() || !plain || nul || rebuilt.as_os_str() != OsStr::new(path) {
        return Err(PolicyError::NotPlainAbsolute {
            what,
            path: path.into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(source: &str, target: &str, access: Access) -> Policy {
        let mount = Mount {
            source: source.into(),
            target: target.into(),
            access,
        };
        Policy {
            mounts: vec![mount],
            ..Policy::default()
        }
    }

    #[test]
    fn targets_that_the_sandbox_owns_are_refused() {
        for target in [
            "/",
            "/usr",
            "/proc",
            "/proc/self",
            "/dev/shm",
            "/etc",
            "/tmp",
        ] {
            let refused = mount("/srv", target, Access::Read).check();
            assert!(
                matches!(refused, Err(PolicyError::TargetTaken { .. })),
                "{target}: {refused:?}"
            );
        }
        mount("/srv", "/workspace", Access::Read)
            .check()
            .expect("an own directory is fine");
        mount("/srv", "/tmp/data", Access::Read)
            .check()
            .expect("below /tmp is fine");
    }

    #[test]
    fn paths_with_dots_or_without_root_are_refused() {
        for target in ["workspace", "/a/../b", "/a/./b", "/a//b", "/a/"] {
            let refused = mount("/srv", target, Access::Read).check();
            assert!(
                matches!(refused, Err(PolicyError::NotPlainAbsolute { .. })),
                "{target}"
            );
        }
    }

    #[test]
    fn devices_are_those_of_graphics_processors_only() {
        for (device, good) in [
            ("/dev/nvidia0", true),
            ("/dev/nvidiactl", true),
            ("/dev/nvidia-uvm", true),
            ("/dev/dri/renderD128", true),
            ("/dev/kfd", true),
            ("/dev/sda", false),
            ("/dev/dri", false),
            ("/dev/dri/by-path/x", false),
            ("/dev/nvidia-caps/nvidia-cap1", false),
            ("/dev/nvidia0/../sda", false),
            ("/dev/kvm", false),
            ("/tmp/nvidia0", false),
            ("nvidia0", false),
        ] {
            let policy = Policy {
                devices: vec![device.into()],
                ..Policy::default()
            };
            assert_eq!(policy.check().is_ok(), good, "{device}");
        }
    }

    #[test]
    fn overlay_layers_share_a_parent() {
        let apart = Access::Overlay {
            upper: "/a/upper".into(),
            work: "/b/work".into(),
        };
        let refused = mount("/srv", "/workspace", apart).check();
        assert!(matches!(refused, Err(PolicyError::LayersApart { .. })));
    }

    #[test]
    fn a_limit_of_nothing_is_refused_by_name() {
        let mut policy = Policy::default();
        policy.limits.processes = 0;
        assert!(matches!(
            policy.check(),
            Err(PolicyError::LimitTooSmall {
                name: "processes",
                found: 0,
                least: 1
            })
        ));
        let mut policy = Policy::default();
        policy.limits.memory_bytes = (1 << 20) - 1;
        let said = policy.check().unwrap_err().to_string();
        assert_eq!(
            said,
            "limit `memory_bytes` is 1048575: expected at least 1048576"
        );
    }

    #[test]
    fn equal_policies_have_equal_bytes_and_a_changed_one_differs() {
        let one = mount("/srv", "/workspace", Access::Read);
        let mut two = one.clone();
        assert_eq!(
            one.canonical().expect("encodes"),
            two.canonical().expect("encodes")
        );
        two.limits.open_files += 1;
        assert_ne!(
            one.canonical().expect("encodes"),
            two.canonical().expect("encodes")
        );
    }

    #[test]
    fn the_environment_is_built_from_nothing() {
        let mut policy = Policy {
            path: vec!["/tools/bin".into()],
            ..Policy::default()
        };
        policy.environment.insert("SEED".into(), "7".into());
        let all = policy.full_environment();
        assert!(all["PATH"].starts_with("/tools/bin:/usr/local/bin:"));
        assert_eq!(all["SEED"], "7");
        assert_eq!(all["OMP_NUM_THREADS"], "1");
        assert_eq!(all.get("CARGO_MANIFEST_DIR"), None);
    }
}

//! Attacks that every sandbox must withstand, made from inside before anything untrusted runs.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::StatVfsMountFlags;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::kernel;
use crate::refusal::{Cause, Refusal};

/// What a process inside finds about itself.
#[derive(Debug, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is the outcome of one attack"
)]
pub(crate) struct Findings {
    uid_map: String,
    status: String,
    root_writable: bool,
    interfaces: Vec<String>,
    vsock_refused: bool,
    processes: Vec<i32>,
    init_readable: bool,
    /// Whether pid 1 can be signalled although Landlock should keep the command to its own processes.
    init_in_reach: bool,
}

/// Returns whether a directory can be written, or only its owner stands in the way of that.
fn writable(directory: &str) -> bool {
    let read_only = rustix::fs::statvfs(directory)
        .is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::RDONLY));
    !read_only || fs::write(format!("{directory}/canary"), "").is_ok()
}

/// Returns whether the kernel's Landlock can keep signals to a domain, as it does since version 6: the
/// one of its rules that the mounts do not enforce already, so that its absence shows.
fn signals_scoped() -> bool {
    kernel::landlock_abi().is_ok_and(|version| version >= 6)
}

/// Attacks from inside and writes the findings to the answer channel.
pub(crate) fn probe(answer: &OwnedFd) -> io::Result<()> {
    let devices = fs::read_to_string("/proc/net/dev")?;
    let interface = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
    let findings = Findings {
        uid_map: fs::read_to_string("/proc/self/uid_map")?,
        status: fs::read_to_string("/proc/self/status")?,
        root_writable: ["/", "/usr"].into_iter().any(writable),
        interfaces: devices.lines().filter_map(interface).collect(),
        vsock_refused: kernel::socket_refused(libc::AF_VSOCK),
        processes: fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect(),
        init_readable: fs::read("/proc/1/environ").is_ok(),
        init_in_reach: signals_scoped() && test_kill_process(Pid::INIT).is_ok(),
    };
    let mut answer = fs::File::from(answer.try_clone()?);
    answer.write_all(&serde_json::to_vec(&findings)?)
}

/// What a process without namespaces finds about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FindingsAlone {
    status: String,
    readable: Vec<String>,
    writable: Vec<String>,
    sockets: Vec<i32>,
    keeper_in_reach: bool,
}

/// Files of every host, which Landlock must keep from being read.
const CLOSED: [&str; 5] = [
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/1/status",
    "/proc/net/dev",
    "/etc/machine-id",
];

/// Directories of every host, in which nothing may be made.
const SEALED: [&str; 5] = ["/", "/tmp", "/var/tmp", "/dev/shm", "/run"];

/// Attacks from inside a command without namespaces and writes the findings to the answer channel.
pub(crate) fn probe_alone(answer: &OwnedFd, status: Option<fs::File>) -> io::Result<()> {
    let name = format!("lyceum-canary-{}", std::process::id());
    let made = |directory: &&str| {
        let path = format!("{directory}/{name}");
        let made = fs::write(&path, "").is_ok();
        // Where it could be made it can be removed.
        let _ = fs::remove_file(&path);
        made
    };
    let families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_NETLINK,
        libc::AF_VSOCK,
    ];
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let mut text = String::new();
    if let Some(mut status) = status {
        status.read_to_string(&mut text)?;
    }
    let parent = rustix::process::getppid();
    let findings = FindingsAlone {
        status: text,
        readable: owned(
            CLOSED
                .into_iter()
                .filter(|path| fs::read(path).is_ok())
                .collect(),
        ),
        writable: owned(SEALED.into_iter().filter(made).collect()),
        sockets: families
            .into_iter()
            .filter(|family| !kernel::socket_refused(*family))
            .collect(),
        keeper_in_reach: parent.is_none_or(|parent| test_kill_process(parent).is_ok()),
    };
    let mut answer = fs::File::from(answer.try_clone()?);
    answer.write_all(&serde_json::to_vec(&findings)?)
}

impl FindingsAlone {
    /// Returns which attacks were withstood.
    pub(crate) fn canaries(&self) -> Vec<(&'static str, bool)> {
        let line = |name: &str| {
            let found = self.status.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim()
        };
        let zero =
            |set: &str| line(set).bytes().all(|digit| digit == b'0') && !line(set).is_empty();
        let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"];
        vec![
            ("no capabilities", sets.into_iter().all(zero)),
            ("no new privileges", line("NoNewPrivs:") == "1"),
            ("system call filter", line("Seccomp:") == "2"),
            ("files of the host closed", self.readable.is_empty()),
            ("directories of the host sealed", self.writable.is_empty()),
            ("no sockets", self.sockets.is_empty()),
            ("signals kept inside by Landlock", !self.keeper_in_reach),
        ]
    }
}

/// Refuses if any attack succeeded; `shown` is what was found.
pub(crate) fn judge(canaries: &[(&'static str, bool)], shown: &str) -> Result<(), Refusal> {
    match canaries.iter().find(|(_, held)| !held) {
        None => Ok(()),
        Some((name, _)) => {
            let found = format!("the self-test's check `{name}` failed: {shown}");
            let cause = Cause::Canary {
                name: (*name).into(),
            };
            Err(Refusal::new(cause, found))
        }
    }
}

impl Findings {
    /// Returns which attacks were withstood. `uid` is who the sandbox is meant to be on the host.
    pub(crate) fn canaries(&self, uid: u32) -> [(&'static str, bool); 10] {
        let map: Vec<&str> = self.uid_map.split_ascii_whitespace().collect();
        let line = |name: &str| {
            let found = self.status.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim()
        };
        let empty =
            |set: &str| line(set).bytes().all(|digit| digit == b'0') && !line(set).is_empty();
        let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"];
        [
            ("user map", map == ["1000", &*uid.to_string(), "1"]),
            ("empty capability sets", sets.into_iter().all(empty)),
            ("no new privileges", line("NoNewPrivs:") == "1"),
            ("system call filter", line("Seccomp:") == "2"),
            ("read-only root", !self.root_writable),
            ("loopback only", self.interfaces == ["lo"]),
            ("no virtual machine sockets", self.vsock_refused),
            ("own processes only", self.processes == [1, 2]),
            ("closed pid 1", !self.init_readable),
            ("signals kept inside by Landlock", !self.init_in_reach),
        ]
    }

    /// Refuses if any attack succeeded.
    pub(crate) fn judge(&self, uid: u32) -> Result<(), Refusal> {
        judge(&self.canaries(uid), &format!("{self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Dig = fn(&mut Findings);

    fn sound() -> Findings {
        let zero = "0000000000000000";
        let status = format!(
            "CapInh:\t{zero}\nCapPrm:\t{zero}\nCapEff:\t{zero}\nCapBnd:\t{zero}\nCapAmb:\t{zero}\n\
             NoNewPrivs:\t1\nSeccomp:\t2\n"
        );
        Findings {
            uid_map: "      1000       4242          1\n".into(),
            status,
            root_writable: false,
            interfaces: vec!["lo".into()],
            vsock_refused: true,
            processes: vec![1, 2],
            init_readable: false,
            init_in_reach: false,
        }
    }

    #[test]
    fn sound_findings_pass_and_each_hole_is_named() {
        assert_eq!(sound().judge(4242), Ok(()));
        let holes: [(&str, Dig); 7] = [
            ("user map", |f| f.uid_map = "0 0 4294967295".into()),
            ("empty capability sets", |f| {
                f.status = f.status.replace("CapBnd:\t0", "CapBnd:\t1");
            }),
            ("system call filter", |f| {
                f.status = f.status.replace("Seccomp:\t2", "Seccomp:\t0");
            }),
            ("read-only root", |f| f.root_writable = true),
            ("loopback only", |f| f.interfaces.push("eth0".into())),
            ("own processes only", |f| f.processes.push(3)),
            ("signals kept inside by Landlock", |f| {
                f.init_in_reach = true;
            }),
        ];
        for (name, dig) in holes {
            let mut findings = sound();
            dig(&mut findings);
            let refusal = findings.judge(4242).expect_err(name);
            assert_eq!(refusal.cause, Cause::Canary { name: name.into() });
        }
    }
}

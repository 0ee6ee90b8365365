//! Attacks on the kernel's surface: whether a system call's own code is reached.
//!
//! Each is called such that the kernel's code, where it is reached, refuses with something else than
//! `EPERM` before it does anything.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Options, Tried, in_child};

/// An address that nothing is mapped to.
const NOWHERE: libc::c_long = 8;

/// Calls by group: name, number, arguments.
type Call = (&'static str, libc::c_long, [libc::c_long; 5]);

const GROUPS: &[(&str, &[Call])] = &[
    (
        "ring",
        &[
            (
                "io_uring_setup",
                libc::SYS_io_uring_setup,
                [0, NOWHERE, 0, 0, 0],
            ),
            ("io_uring_enter", libc::SYS_io_uring_enter, [-1, 0, 0, 0, 0]),
            (
                "io_uring_register",
                libc::SYS_io_uring_register,
                [-1, 0, 0, 0, 0],
            ),
        ],
    ),
    (
        "bpf",
        &[("bpf", libc::SYS_bpf, [0, NOWHERE, 100_000, 0, 0])],
    ),
    (
        "perf",
        &[(
            "perf_event_open",
            libc::SYS_perf_event_open,
            [NOWHERE, 0, -1, -1, 0],
        )],
    ),
    (
        "fault",
        // UFFD_USER_MODE_ONLY, which needs no privilege.
        &[("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0, 0])],
    ),
    (
        "mount",
        &[
            ("mount", libc::SYS_mount, [NOWHERE, NOWHERE, NOWHERE, 0, 0]),
            ("umount2", libc::SYS_umount2, [NOWHERE, -1, 0, 0, 0]),
            ("fsopen", libc::SYS_fsopen, [NOWHERE, 0, 0, 0, 0]),
            ("fsmount", libc::SYS_fsmount, [-1, 0, 0, 0, 0]),
            ("fspick", libc::SYS_fspick, [-1, NOWHERE, 0, 0, 0]),
            ("fsconfig", libc::SYS_fsconfig, [-1, 0, 0, 0, 0]),
            (
                "move_mount",
                libc::SYS_move_mount,
                [-1, NOWHERE, -1, NOWHERE, 0],
            ),
            ("open_tree", libc::SYS_open_tree, [-1, NOWHERE, 0, 0, 0]),
            (
                "mount_setattr",
                libc::SYS_mount_setattr,
                [-1, NOWHERE, 0, 0, 0],
            ),
            ("open_tree_attr", 467, [-1, NOWHERE, 0, 0, 0]),
        ],
    ),
    (
        "machine",
        &[
            ("swapon", libc::SYS_swapon, [NOWHERE, 0x7fff_ffff, 0, 0, 0]),
            ("init_module", libc::SYS_init_module, [0, 0, NOWHERE, 0, 0]),
            (
                "finit_module",
                libc::SYS_finit_module,
                [-1, NOWHERE, 0, 0, 0],
            ),
            (
                "delete_module",
                libc::SYS_delete_module,
                [NOWHERE, 0, 0, 0, 0],
            ),
            ("kexec_load", libc::SYS_kexec_load, [0, 1_000, 0, -1, 0]),
            // Wrong magic numbers: never a reboot.
            ("reboot", libc::SYS_reboot, [1, 2, 3, 0, 0]),
            ("acct", libc::SYS_acct, [NOWHERE, 0, 0, 0, 0]),
            ("quotactl", libc::SYS_quotactl, [-1, NOWHERE, 0, 0, 0]),
        ],
    ),
    (
        "clock",
        &[
            (
                "settimeofday",
                libc::SYS_settimeofday,
                [NOWHERE, NOWHERE, 0, 0, 0],
            ),
            (
                "clock_settime",
                libc::SYS_clock_settime,
                [-1, NOWHERE, 0, 0, 0],
            ),
            ("adjtimex", libc::SYS_adjtimex, [NOWHERE, 0, 0, 0, 0]),
            (
                "clock_adjtime",
                libc::SYS_clock_adjtime,
                [0, NOWHERE, 0, 0, 0],
            ),
        ],
    ),
    (
        "each",
        &[
            ("unshare", libc::SYS_unshare, [-1, 0, 0, 0, 0]),
            ("setns", libc::SYS_setns, [-1, 0, 0, 0, 0]),
            ("clone3", libc::SYS_clone3, [NOWHERE, 64, 0, 0, 0]),
            ("openat2", libc::SYS_openat2, [-1, NOWHERE, NOWHERE, 24, 0]),
            ("chroot", libc::SYS_chroot, [NOWHERE, 0, 0, 0, 0]),
            (
                "pivot_root",
                libc::SYS_pivot_root,
                [NOWHERE, NOWHERE, 0, 0, 0],
            ),
            ("swapoff", libc::SYS_swapoff, [NOWHERE, 0, 0, 0, 0]),
            ("quotactl_fd", libc::SYS_quotactl_fd, [-1, -1, 0, 0, 0]),
            ("ptrace", libc::SYS_ptrace, [16, -1, 0, 0, 0]),
            (
                "process_vm_readv",
                libc::SYS_process_vm_readv,
                [-1, NOWHERE, 1, NOWHERE, 1],
            ),
            (
                "process_vm_writev",
                libc::SYS_process_vm_writev,
                [-1, NOWHERE, 1, NOWHERE, 1],
            ),
            ("pidfd_getfd", libc::SYS_pidfd_getfd, [-1, 0, 0, 0, 0]),
            (
                "migrate_pages",
                libc::SYS_migrate_pages,
                [-1, 64, NOWHERE, NOWHERE, 0],
            ),
            (
                "open_by_handle_at",
                libc::SYS_open_by_handle_at,
                [-1, NOWHERE, 0, 0, 0],
            ),
            ("keyctl", libc::SYS_keyctl, [-1, 0, 0, 0, 0]),
            (
                "add_key",
                libc::SYS_add_key,
                [NOWHERE, NOWHERE, NOWHERE, 1, 0],
            ),
            (
                "request_key",
                libc::SYS_request_key,
                [NOWHERE, NOWHERE, NOWHERE, 0, 0],
            ),
            ("msgget", libc::SYS_msgget, [0x7fff_1234, 0, 0, 0, 0]),
            ("vmsplice", libc::SYS_vmsplice, [-1, NOWHERE, 1, 0, 0]),
            ("syslog", libc::SYS_syslog, [-1, 0, 0, 0, 0]),
            ("sethostname", libc::SYS_sethostname, [NOWHERE, -1, 0, 0, 0]),
            (
                "setdomainname",
                libc::SYS_setdomainname,
                [NOWHERE, -1, 0, 0, 0],
            ),
            ("nfsservctl", libc::SYS_nfsservctl, [-1, 0, 0, 0, 0]),
            ("lookup_dcookie", libc::SYS_lookup_dcookie, [0, 0, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            (
                "kexec_file_load",
                libc::SYS_kexec_file_load,
                [-1, -1, 0, 0, -1],
            ),
            #[cfg(target_arch = "x86_64")]
            ("iopl", libc::SYS_iopl, [99, 0, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("ioperm", libc::SYS_ioperm, [-1, 1, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("modify_ldt", libc::SYS_modify_ldt, [0, NOWHERE, 8, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("uselib", libc::SYS_uselib, [NOWHERE, 0, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("ustat", libc::SYS_ustat, [-1, NOWHERE, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("sysfs", libc::SYS_sysfs, [99, 0, 0, 0, 0]),
            #[cfg(target_arch = "x86_64")]
            ("_sysctl", libc::SYS__sysctl, [NOWHERE, 0, 0, 0, 0]),
        ],
    ),
    (
        "more",
        &[
            ("kcmp", libc::SYS_kcmp, [-1, -1, 99, 0, 0]),
            ("fanotify_init", libc::SYS_fanotify_init, [-1, 0, 0, 0, 0]),
            ("memfd_secret", libc::SYS_memfd_secret, [-1, 0, 0, 0, 0]),
            (
                "name_to_handle_at",
                libc::SYS_name_to_handle_at,
                [-1, NOWHERE, NOWHERE, NOWHERE, -1],
            ),
            (
                "process_madvise",
                libc::SYS_process_madvise,
                [-1, NOWHERE, 1, 0, 0],
            ),
            ("move_pages", libc::SYS_move_pages, [0, 0, 0, 0, 0xff]),
        ],
    ),
];

/// Makes the calls of one `group`.
pub(crate) fn calls(options: &Options) -> Tried {
    let wanted = options.get("group")?;
    let (_, calls) = GROUPS
        .iter()
        .find(|(name, _)| *name == wanted)
        .ok_or_else(|| io::Error::other(format!("no group `{wanted}`")))?;
    for (name, number, [a, b, c, d, e]) in *calls {
        // SAFETY: every address among the arguments is unmapped, so nothing of this process is touched.
        let result = unsafe { libc::syscall(*number, *a, *b, *c, *d, *e) };
        options.reach_call(name, result);
    }
    Ok(())
}

/// Makes a call through the 32-bit entry and through x32 numbers.
pub(crate) fn foreign(options: &Options) -> Tried {
    #[cfg(target_arch = "x86_64")]
    {
        in_child(|| {
            let mut result: libc::c_long = 20;
            // SAFETY: `getpid` of the 32-bit table has no arguments.
            unsafe {
                std::arch::asm!("int 0x80", inout("rax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
            }
            if result > 0 {
                options.reach("32-bit");
            }
        });
        in_child(|| {
            // SAFETY: `getpid` has no arguments. EFAULT marks what a filter could not have said.
            let result = unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) };
            if result > 0 {
                options.reach("x32");
            }
        });
    }
    Ok(())
}

/// Runs a command for which the call `missing` seems absent (`as=absent`), refused (`as=refused`) or
/// done although it is not (`as=done`).
///
/// The rest of the arguments after `--` is the command.
pub(crate) fn without(options: &Options) -> Tried {
    let number = match options.get("missing")? {
        "landlock" => libc::SYS_landlock_create_ruleset,
        "landlock-restrict" => libc::SYS_landlock_restrict_self,
        "seccomp" => libc::SYS_seccomp,
        "unshare" => libc::SYS_unshare,
        "pivot_root" => libc::SYS_pivot_root,
        "prctl" => libc::SYS_prctl,
        "mount" => libc::SYS_mount,
        "mount_setattr" => libc::SYS_mount_setattr,
        "capset" => libc::SYS_capset,
        "none" => -1,
        other => return Err(io::Error::other(format!("no call `{other}`"))),
    };
    let errno = match options.get("as")? {
        "absent" => libc::ENOSYS,
        "refused" => libc::EPERM,
        _ => 0,
    };
    let statement = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // Load the number; where it is the one, return the error; else allow.
    let filter = [
        statement(0x20, 0, 0, 0),
        statement(0x15, 0, 1, number as u32),
        statement(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program and its instructions live through the calls.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if installed != 0 {
        return Err(io::Error::last_os_error());
    }
    let command: Vec<String> = std::env::args()
        .skip_while(|argument| argument != "--")
        .skip(1)
        .collect();
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("no command"))?;
    Err(Command::new(program).args(arguments).exec())
}

//! The system call filter: compiled once by the supervisor, installed by each workload as its last
//! act before `execve`.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use self::tree::{Answer, jump, tree};
use crate::kernel;

mod tree;

/// Calls refused whatever their arguments: they reach kernel surface that no experiment needs.
const REFUSED: &[libc::c_long] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Kernel interfaces that evade a filter or widen the surface.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_memfd_secret,
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Keyrings are not namespaced with the user's session.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Pages in a pipe that belong to no process any more may keep larger ones from being freed.
    libc::SYS_vmsplice,
    // Queues of messages live in the kernel's memory, 512 MiB of them, and belong to no process.
    libc::SYS_msgget,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
];

/// The same for calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// `open_tree_attr` (Linux 6.15), which libc does not name yet.
const OPEN_TREE_ATTR: libc::c_long = 467;
/// `fchmodat2` (Linux 6.6), which libc does not name everywhere.
const FCHMODAT2: libc::c_long = 452;

/// Calls whose arguments hide behind a pointer; "not implemented" makes C libraries fall back to one
/// whose arguments can be seen.
const ABSENT: &[libc::c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

/// Namespace flags of `clone`. `CLONE_NEWTIME` shares its bit with the exit signal there and takes
/// effect in `clone3` and `unshare` only, both refused.
const NAMESPACE_FLAGS: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Calls that always start a process, where the architecture has them; elsewhere C libraries use
/// `clone`.
#[cfg(target_arch = "x86_64")]
const PROCESS_STARTS: &[libc::c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const PROCESS_STARTS: &[libc::c_long] = &[];

/// Semaphores in one System V set. With the kernel's 32,000 sets this bounds the kernel's memory for them
/// to some 40 MiB; at its own 32,000 semaphores in a set it would be gigabytes that belong to no process.
const SEMAPHORES_MAX: u64 = 16;

/// Terminal requests that put words into another terminal's mouth or load line disciplines.
const TERMINAL_REQUESTS: [u64; 3] = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];

/// Set-user-id and set-group-id: a writable host directory must not gain such a file.
const SPECIAL_MODES: [u64; 2] = [libc::S_ISUID as u64, libc::S_ISGID as u64];

/// `SOCK_PACKET`, obsolete and still understood (packet(7)).
const OLD_SOCK_PACKET: libc::c_int = 10;

/// The call that the keeper answers: memory files lie in the sandbox's own file system in memory, whose
/// size bounds them wherever they are, also on their way through a socket where no process has them.
const ASKED: libc::c_long = libc::SYS_memfd_create;

/// This architecture's word, `linux/audit.h`.
const ARCHITECTURE: u32 = if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else if cfg!(target_arch = "riscv64") {
    0xc000_00f3
} else {
    0xc000_003e
};

/// The most that a pipe may hold, which is what it holds anyway.
const PIPE_BYTES: u64 = 64 << 10;

/// An instruction to come before everything else: x32 calls (bit 30 of the number) have the same
/// architecture word as native ones and would pass a filter written for those.
const X32_BIT: u32 = 0x4000_0000;

/// What a filter lets through beyond what every command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wanted {
    /// Processes, and not threads only.
    pub(crate) processes: bool,
    /// Local sockets that can connect to others by a path.
    pub(crate) local_sockets: bool,
    /// For a command without namespaces: what those would have kept apart is refused.
    pub(crate) shared: Option<Shared>,
}

/// Whose files a command without namespaces could change the rights of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shared {
    /// Those of the lab's own user.
    OwnUser,
    /// Those of sandboxes alone.
    DedicatedUser,
}

/// Without namespaces these reach what other processes of the machine share. `inotify` would tell about
/// files that Landlock keeps from being opened.
const REFUSED_SHARED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_memfd_create,
    libc::SYS_inotify_add_watch,
];

/// Landlock restricts none of these, and the lab's user owns more than the command may change.
const REFUSED_OWNER: &[libc::c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// `setxattrat` and `removexattrat` (Linux 6.13), `file_setattr` (6.17), which libc does not name yet.
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;
const FILE_SETATTR: libc::c_long = 469;

/// Calls that take a process to act on as argument of this number: another than the caller itself, zero,
/// is refused.
const OF_PROCESSES: &[(libc::c_long, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    // The first argument chooses between process, group and user.
    (libc::SYS_setpriority, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// Refuses what namespaces would have kept apart.
fn refuse_shared(rules: &mut Rules, shared: Shared) -> Result<(), seccompiler::BackendError> {
    for (call, argument) in OF_PROCESSES {
        add(rules, *call, &[differs(*argument, 0)])?;
    }
    let owner = match shared {
        Shared::OwnUser => REFUSED_OWNER,
        Shared::DedicatedUser => &[],
    };
    for call in REFUSED_SHARED.iter().chain(owner) {
        rules.insert(*call, Vec::new());
    }
    Ok(())
}

/// A compiled filter, one instruction per number, ready to be sent to a helper.
pub(crate) type Packed = Arc<[u64]>;

/// The compiled filters, each made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    made: Mutex<BTreeMap<Wanted, Packed>>,
}

impl Filters {
    /// Returns the filter for what is wanted.
    pub(crate) fn get(&self, wanted: Wanted) -> Result<Packed, seccompiler::BackendError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filter) = made.get(&wanted) {
            return Ok(Arc::clone(filter));
        }
        let filter: Packed = compile(refusals(wanted)?, wanted.shared)?.into();
        made.insert(wanted, Arc::clone(&filter));
        Ok(filter)
    }
}

fn compile(refusals: Rules, shared: Option<Shared>) -> Result<Vec<u64>, seccompiler::BackendError> {
    let ignored = ignored()?;
    let named = by_number(&refusals, &ignored, shared);
    let looked_at = |call: &i64| named.get(&number(*call)) == Some(&Answer::Look);
    let refusals = refusals.into_iter().filter(|(call, _)| looked_at(call));
    let refused = program(refusals.collect(), SeccompAction::Errno(libc::EPERM as u32))?;
    let ignored = program(ignored, SeccompAction::Errno(0))?;
    let mut all = x32_guard().to_vec();
    all.extend(tree(&named));
    all.extend(join(ignored, refused));
    Ok(all.iter().map(pack).collect())
}

/// Returns what the number of a call alone says, for all calls that are not simply allowed.
fn by_number(refusals: &Rules, ignored: &Rules, shared: Option<Shared>) -> BTreeMap<u32, Answer> {
    let refused = Answer::Return(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    let absent = Answer::Return(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    let of_rules = |rules: &Vec<SeccompRule>| {
        if rules.is_empty() {
            refused
        } else {
            Answer::Look
        }
    };
    let rules = refusals
        .iter()
        .map(|(call, rules)| (*call, of_rules(rules)));
    let ignored = ignored.keys().map(|call| (*call, Answer::Look));
    let absent = ABSENT.iter().map(|call| (*call, absent));
    // Without namespaces there is no file system in memory to make such files in.
    let asked = shared
        .is_none()
        .then_some((ASKED, Answer::Return(libc::SECCOMP_RET_USER_NOTIF)));
    let all = rules.chain(ignored).chain(absent).chain(asked);
    all.map(|(call, answer)| (number(call), answer)).collect()
}

/// Returns the number of a call as the kernel shows it to a filter.
fn number(call: i64) -> u32 {
    call as u32
}

/// Installs a filter; also sets no-new-privileges. Returns where the keeper is asked for
/// memory files; without that they are refused.
pub(crate) fn install(filter: &[u64]) -> io::Result<Option<OwnedFd>> {
    let instruction = |packed: &u64| {
        let sock_filter { code, jt, jf, k } = unpack(*packed);
        libc::sock_filter { code, jt, jf, k }
    };
    let program: Vec<_> = filter.iter().map(instruction).collect();
    kernel::install_filter(&program)
}

/// Joins two programs that allow by default: where the first would allow, the second decides.
fn join(mut first: BpfProgram, second: BpfProgram) -> BpfProgram {
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let end = first.len();
    for (at, one) in first.iter_mut().enumerate() {
        if one.code == RETURN && one.k == libc::SECCOMP_RET_ALLOW {
            *one = jump((end - at - 1) as u32);
        }
    }
    first.extend(second);
    first
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn x32_guard() -> [sock_filter; 3] {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    [
        instruction(load, 0, 0, 0),
        instruction(at_least, 0, 1, X32_BIT),
        instruction(give, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ]
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn program(rules: Rules, matched: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    // A foreign architecture word kills the process.
    SeccompFilter::new(rules, SeccompAction::Allow, matched, architecture())?.try_into()
}

fn architecture() -> TargetArch {
    if cfg!(target_arch = "aarch64") {
        TargetArch::aarch64
    } else if cfg!(target_arch = "riscv64") {
        TargetArch::riscv64
    } else {
        TargetArch::x86_64
    }
}

fn refusals(wanted: Wanted) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in REFUSED.iter().chain(REFUSED_HERE).chain(&[OPEN_TREE_ATTR]) {
        rules.insert(*call, Vec::new());
    }
    add_sockets(&mut rules, wanted)?;
    add_modes(&mut rules)?;
    for flag in NAMESPACE_FLAGS {
        add(&mut rules, libc::SYS_clone, &[any_bit(0, flag as u64)])?;
    }
    // Threads with descriptors of their own would hide files from the watchdog, which looks at one
    // thread of each process.
    let thread = libc::CLONE_THREAD as u64;
    let apart = [
        masked(0, thread, thread),
        masked(0, libc::CLONE_FILES as u64, 0),
    ];
    add(&mut rules, libc::SYS_clone, &apart)?;
    let apart = u64::from(libc::CLOSE_RANGE_UNSHARE);
    add(&mut rules, libc::SYS_close_range, &[any_bit(2, apart)])?;
    let many = (1, SeccompCmpOp::Gt, SEMAPHORES_MAX);
    add(&mut rules, libc::SYS_semget, &[many])?;
    let larger = (2, SeccompCmpOp::Gt, PIPE_BYTES);
    let size = equal(1, libc::F_SETPIPE_SZ as u64);
    add(&mut rules, libc::SYS_fcntl, &[size, larger])?;
    for request in TERMINAL_REQUESTS {
        add(&mut rules, libc::SYS_ioctl, &[equal(1, request)])?;
    }
    // Anything but the ordinary execution domains (Linux, with or without 32-bit addresses or a
    // readable layout) reaches little-tested kernel code.
    let usual = [0, 0x8, 0x0002_0000, 0x0002_0008, 0x0004_0000, 0xffff_ffff];
    let unusual: Vec<_> = usual.iter().map(|domain| differs(0, *domain)).collect();
    add(&mut rules, libc::SYS_personality, &unusual)?;
    if !wanted.processes {
        refuse_processes(&mut rules)?;
    }
    if let Some(shared) = wanted.shared {
        refuse_shared(&mut rules, shared)?;
    }
    Ok(rules)
}

/// Seemingly done, and without effect: sizes of the buffers of sockets, by which the watchdog knows what a sender that is
/// gone can have left, and the limit on core dumps. At any other limit than the
/// 1 that is set, a crash could start the host's handler of crashes; programs that switch their dumps
/// off should not fail for that.
fn ignored() -> Result<Rules, seccompiler::BackendError> {
    let core = u64::from(libc::RLIMIT_CORE);
    let mut rules = Rules::new();
    // The third argument is an address, all of which counts: null only reads the limit.
    let changes = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    let of_core = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, core)?;
    let rule = SeccompRule::new(vec![of_core, changes])?;
    rules.insert(libc::SYS_prlimit64, vec![rule]);
    #[cfg(target_arch = "x86_64")]
    add(&mut rules, libc::SYS_setrlimit, &[equal(0, core)])?;
    for buffer in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let of_socket = equal(1, libc::SOL_SOCKET as u64);
        let size = equal(2, buffer as u64);
        add(&mut rules, libc::SYS_setsockopt, &[of_socket, size])?;
    }
    Ok(rules)
}

/// Leaves `clone` for threads only. Its flags are the first argument on every architecture here, and
/// `clone3`, whose flags cannot be seen, is absent.
fn refuse_processes(rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
    for call in PROCESS_STARTS {
        rules.insert(*call, Vec::new());
    }
    let no_thread = masked(0, libc::CLONE_THREAD as u64, 0);
    add(rules, libc::SYS_clone, &[no_thread])
}

/// Local, internet and routing sockets only; no raw ones. `AF_VSOCK` is not namespaced and reaches
/// services of the host of a virtual machine.
fn add_sockets(rules: &mut Rules, wanted: Wanted) -> Result<(), seccompiler::BackendError> {
    let (local, netlink) = (libc::AF_UNIX as u64, libc::AF_NETLINK as u64);
    let internet = [libc::AF_INET as u64, libc::AF_INET6 as u64];
    let mut foreign = vec![differs(0, netlink)];
    if wanted.local_sockets {
        foreign.push(differs(0, local));
    }
    foreign.extend(internet.map(|family| differs(0, family)));
    add(rules, libc::SYS_socket, &foreign)?;
    add(
        rules,
        libc::SYS_socket,
        &[equal(0, netlink), differs(2, libc::NETLINK_ROUTE as u64)],
    )?;
    for family in internet {
        for kind in [libc::SOCK_RAW, OLD_SOCK_PACKET] {
            add(
                rules,
                libc::SYS_socket,
                &[equal(0, family), masked(1, 0xf, kind as u64)],
            )?;
        }
    }
    // Protocols beside TCP and UDP (MPTCP, SCTP, DCCP, …) are kernel code, or modules that load by
    // themselves, which no experiment needs.
    for family in internet {
        let usual = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
        let mut unusual = vec![equal(0, family)];
        unusual.extend(usual.map(|protocol| differs(2, protocol as u64)));
        add(rules, libc::SYS_socket, &unusual)?;
    }
    add(rules, libc::SYS_socketpair, &[differs(0, local)])
}

fn add_modes(rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
    let created = libc::O_CREAT as u64;
    let nameless = libc::O_TMPFILE as u64 & !(libc::O_DIRECTORY as u64);
    for mode in SPECIAL_MODES {
        add(rules, libc::SYS_fchmod, &[any_bit(1, mode)])?;
        add(rules, libc::SYS_fchmodat, &[any_bit(2, mode)])?;
        add(rules, FCHMODAT2, &[any_bit(2, mode)])?;
        add(rules, libc::SYS_mknodat, &[any_bit(2, mode)])?;
        for flag in [created, nameless] {
            add(
                rules,
                libc::SYS_openat,
                &[any_bit(2, flag), any_bit(3, mode)],
            )?;
        }
        #[cfg(target_arch = "x86_64")]
        {
            add(rules, libc::SYS_chmod, &[any_bit(1, mode)])?;
            add(rules, libc::SYS_creat, &[any_bit(1, mode)])?;
            add(rules, libc::SYS_mknod, &[any_bit(1, mode)])?;
            for flag in [created, nameless] {
                add(rules, libc::SYS_open, &[any_bit(1, flag), any_bit(2, mode)])?;
            }
        }
    }
    Ok(())
}

/// One condition: argument, operator, value.
type Test = (u8, SeccompCmpOp, u64);

fn equal(argument: u8, value: u64) -> Test {
    (argument, SeccompCmpOp::Eq, value)
}

fn differs(argument: u8, value: u64) -> Test {
    (argument, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Test {
    (argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn any_bit(argument: u8, bit: u64) -> Test {
    masked(argument, bit, bit)
}

/// Adds a rule that matches when all tests hold. The kernel reads these arguments as 32-bit numbers,
/// so the upper half must not help to evade a test.
fn add(
    rules: &mut Rules,
    call: libc::c_long,
    tests: &[Test],
) -> Result<(), seccompiler::BackendError> {
    let conditions = tests
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    rules
        .entry(call)
        .or_default()
        .push(SeccompRule::new(conditions)?);
    Ok(())
}

fn pack(instruction: &sock_filter) -> u64 {
    u64::from(instruction.code) << 48
        | u64::from(instruction.jt) << 40
        | u64::from(instruction.jf) << 32
        | u64::from(instruction.k)
}

fn unpack(packed: u64) -> sock_filter {
    sock_filter {
        code: (packed >> 48) as u16,
        jt: (packed >> 40) as u8,
        jf: (packed >> 32) as u8,
        k: packed as u32,
    }
}

#[cfg(test)]
mod tests;

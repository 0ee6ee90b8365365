//! Each call through the filter's own program, by an interpreter of it.

use super::*;

#[test]
fn packing_is_reversible() {
    let instruction = sock_filter {
        code: 0x1234,
        jt: 0x56,
        jf: 0x78,
        k: 0x9abc_def0,
    };
    let back = unpack(pack(&instruction));
    assert_eq!(
        (back.code, back.jt, back.jf, back.k),
        (0x1234, 0x56, 0x78, 0x9abc_def0)
    );
}

const ALL: Wanted = Wanted {
    processes: true,
    local_sockets: true,
    shared: None,
};

fn filter(wanted: Wanted) -> Packed {
    Filters::default().get(wanted).expect("compiles")
}

#[test]
fn every_filter_fits_the_kernel_and_begins_with_the_guard() {
    for (processes, local_sockets) in [(true, true), (true, false), (false, true), (false, false)] {
        let filter = filter(Wanted {
            processes,
            local_sockets,
            shared: Some(Shared::OwnUser).filter(|_| !local_sockets),
        });
        let length = filter.len();
        assert!(
            length < libc::BPF_MAXINSNS as usize,
            "{length} instructions"
        );
        assert_eq!(unpack(filter[1]).k, X32_BIT);
    }
}

/// What the kernel would answer to a call: runs the instructions that the filters are made of, as
/// bpf(4) and `linux/seccomp.h` describe them.
fn answer(filter: &[u64], architecture: u32, call: i64, arguments: [u64; 6]) -> u32 {
    let mut data = vec![call as u32, architecture, 0, 0];
    for argument in arguments {
        data.extend([argument as u32, (argument >> 32) as u32]);
    }
    let (mut at, mut value) = (0, 0);
    loop {
        let instruction = unpack(filter[at]);
        at += 1;
        let k = instruction.k;
        let (class, operation) = (instruction.code & 7, instruction.code & 0xf0);
        match u32::from(class) {
            libc::BPF_LD => value = data[k as usize / 4],
            libc::BPF_ALU => value &= k,
            libc::BPF_RET => return k,
            libc::BPF_JMP => {
                let holds = match u32::from(operation) {
                    libc::BPF_JA => {
                        at += k as usize;
                        continue;
                    }
                    libc::BPF_JEQ => value == k,
                    libc::BPF_JGT => value > k,
                    libc::BPF_JGE => value >= k,
                    libc::BPF_JSET => value & k != 0,
                    other => panic!("jump {other:#x}"),
                };
                at += usize::from(if holds {
                    instruction.jt
                } else {
                    instruction.jf
                });
            }
            other => panic!("class {other}"),
        }
    }
}

const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSES: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[cfg(target_arch = "x86_64")]
const OWN: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const OWN: u32 = 0xc000_00f3;

fn says(wanted: Wanted, call: libc::c_long, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    answer(&filter(wanted), OWN, call, all)
}

/// What the same rules say one after the other, without the tree before them.
fn in_order(wanted: Wanted) -> Vec<u64> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let refused = program(refusals(wanted).expect("rules"), refused).expect("compiles");
    let absent = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    let absent = program(absent, SeccompAction::Errno(libc::ENOSYS as u32)).expect("compiles");
    let ignored = program(ignored().expect("rules"), SeccompAction::Errno(0)).expect("compiles");
    let rules = join(ignored, join(absent, refused));
    x32_guard().iter().chain(&rules).map(pack).collect()
}

#[test]
fn the_tree_says_of_each_call_what_the_rules_say() {
    let shared = [None, Some(Shared::OwnUser), Some(Shared::DedicatedUser)];
    for (shared, processes) in shared.into_iter().zip([true, false, true]) {
        let wanted = Wanted {
            processes,
            local_sockets: shared.is_none(),
            shared,
        };
        let (fast, slow) = (filter(wanted), in_order(wanted));
        let calls = (0..1_024).chain([
            i64::from(X32_BIT) - 1,
            i64::from(X32_BIT) + 1,
            i64::from(u32::MAX),
        ]);
        for call in calls.filter(|call| shared.is_some() || *call != ASKED) {
            for of_all in [0, 1, 2, 10, 16, 0o4755, u64::from(u32::MAX), u64::MAX] {
                for third in [0, of_all] {
                    let arguments = [of_all, of_all, third, of_all, of_all, of_all];
                    let found = answer(&fast, OWN, call, arguments);
                    assert_eq!(
                        found,
                        answer(&slow, OWN, call, arguments),
                        "{call} {of_all}"
                    );
                    let foreign = answer(&fast, 0x4000_0003, call, arguments);
                    assert_eq!(
                        foreign,
                        answer(&slow, 0x4000_0003, call, arguments),
                        "{call}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_call_of_the_list_is_answered_as_the_list_says() {
    for call in REFUSED.iter().chain(REFUSED_HERE).chain(&[OPEN_TREE_ATTR]) {
        assert_eq!(says(ALL, *call, &[]), REFUSES, "call {call}");
    }
    for call in ABSENT {
        assert_eq!(says(ALL, *call, &[]), MISSING, "call {call}");
    }
    for call in [
        libc::SYS_read,
        libc::SYS_execve,
        libc::SYS_futex,
        libc::SYS_seccomp,
    ] {
        assert_eq!(says(ALL, call, &[]), ALLOWED, "call {call}");
    }
    let clone = |flags: libc::c_int| says(ALL, libc::SYS_clone, &[flags as u64]);
    for flag in NAMESPACE_FLAGS {
        assert_eq!(clone(flag | libc::SIGCHLD), REFUSES, "clone {flag:#x}");
    }
    assert_eq!(clone(libc::SIGCHLD), ALLOWED);
    assert_eq!(clone(libc::CLONE_THREAD), REFUSES, "descriptors of its own");
    assert_eq!(clone(libc::CLONE_THREAD | libc::CLONE_FILES), ALLOWED);
    // The upper half of an argument that the kernel takes for 32 bits does not help.
    let hidden = 0xdead_0000_0000_0000;
    for request in TERMINAL_REQUESTS {
        assert_eq!(says(ALL, libc::SYS_ioctl, &[0, request | hidden]), REFUSES);
    }
    let mode = u64::from(libc::S_ISUID) | 0o755;
    assert_eq!(says(ALL, libc::SYS_fchmod, &[3, mode]), REFUSES);
    assert_eq!(says(ALL, libc::SYS_fchmod, &[3, 0o755]), ALLOWED);
    let core = u64::from(libc::RLIMIT_CORE);
    assert_eq!(
        says(ALL, libc::SYS_prlimit64, &[0, core, 1]),
        libc::SECCOMP_RET_ERRNO
    );
    assert_eq!(says(ALL, libc::SYS_prlimit64, &[0, core, 0]), ALLOWED);
}

#[test]
fn only_plain_sockets_of_four_families_are_to_be_had() {
    let socket = |family: i32, kind: i32, protocol: i32| {
        let arguments = [family as u64, kind as u64, protocol as u64];
        says(ALL, libc::SYS_socket, &arguments)
    };
    let good = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    for family in 0..64 {
        let expected = if good.contains(&family) {
            ALLOWED
        } else {
            REFUSES
        };
        assert_eq!(
            socket(family, libc::SOCK_STREAM, 0),
            expected,
            "family {family}"
        );
    }
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [
            libc::SOCK_RAW,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            OLD_SOCK_PACKET,
        ] {
            assert_eq!(socket(family, kind, 0), REFUSES, "kind {kind}");
        }
        assert_eq!(
            socket(family, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
            REFUSES
        );
    }
    assert_eq!(
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
        ALLOWED
    );
    assert_eq!(
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT),
        REFUSES
    );
}

#[test]
fn without_local_sockets_pairs_remain() {
    let without = Wanted {
        local_sockets: false,
        ..ALL
    };
    let local = libc::AF_UNIX as u64;
    assert_eq!(says(without, libc::SYS_socket, &[local, 1, 0]), REFUSES);
    assert_eq!(says(without, libc::SYS_socketpair, &[local, 1, 0]), ALLOWED);
    assert_eq!(
        says(without, libc::SYS_socket, &[libc::AF_INET as u64, 1, 0]),
        ALLOWED
    );
}

#[test]
fn a_single_process_starts_threads_only() {
    let single = Wanted {
        processes: false,
        ..ALL
    };
    let thread = (libc::CLONE_THREAD | libc::CLONE_FILES) as u64;
    assert_eq!(
        says(single, libc::SYS_clone, &[libc::SIGCHLD as u64]),
        REFUSES
    );
    assert_eq!(says(single, libc::SYS_clone, &[thread]), ALLOWED);
    for call in PROCESS_STARTS {
        assert_eq!(says(single, *call, &[]), REFUSES);
    }
}

#[test]
fn without_namespaces_what_is_shared_is_refused() {
    let alone = |shared| Wanted {
        local_sockets: false,
        shared: Some(shared),
        ..ALL
    };
    let own = alone(Shared::OwnUser);
    for call in REFUSED_SHARED.iter().chain(REFUSED_OWNER) {
        assert_eq!(says(own, *call, &[1, 1, 1]), REFUSES, "call {call}");
    }
    for (call, argument) in OF_PROCESSES {
        let mut arguments = [0; 3];
        arguments[usize::from(*argument)] = 7;
        assert_eq!(says(own, *call, &arguments), REFUSES, "call {call}");
    }
    assert_eq!(says(own, libc::SYS_setpriority, &[0, 0, 5]), ALLOWED);
    assert_eq!(
        says(own, libc::SYS_socketpair, &[libc::AF_UNIX as u64, 1, 0]),
        ALLOWED
    );
    let dedicated = alone(Shared::DedicatedUser);
    assert_eq!(says(dedicated, libc::SYS_fchmod, &[3, 0o755]), ALLOWED);
    assert_eq!(says(dedicated, libc::SYS_fchmod, &[3, 0o4755]), REFUSES);
}

#[test]
fn another_way_into_the_kernel_is_closed() {
    let filter = filter(ALL);
    let x32 = i64::from(X32_BIT) | libc::SYS_read;
    assert_eq!(answer(&filter, OWN, x32, [0; 6]), REFUSES);
    // AUDIT_ARCH_I386 and AUDIT_ARCH_ARM.
    for foreign in [0x4000_0003, 0x4000_0028] {
        let killed = libc::SECCOMP_RET_KILL_PROCESS;
        assert_eq!(answer(&filter, foreign, libc::SYS_read, [0; 6]), killed);
    }
}

//! Groups A to D: files, processes and identity, network, the kernel's surface.

use lyceum_sandbox::{Access, Mount, Policy};

use crate::arena::Arena;
use crate::check::{Attack, Check, How, attack};
use crate::start::Control::{Namespaces, Plain};

const fn check(id: &'static str, what: &'static str, attack: Attack) -> Check {
    Check {
        id,
        what,
        how: How::Attack(attack),
    }
}

fn mount(policy: &mut Policy, source: std::path::PathBuf, target: &str) {
    policy.mounts.push(Mount {
        source,
        target: target.into(),
        access: Access::Read,
    });
}

pub(crate) fn devices(policy: &mut Policy, _: &Arena) {
    mount(policy, "/dev".into(), "/devices");
}

pub(crate) fn protected(policy: &mut Policy, arena: &Arena) {
    mount(
        policy,
        arena.path("lower/protected"),
        "/workspace/protected",
    );
}

pub(crate) const FILES: &[Check] = &[
    check(
        "A1",
        "read a private key of the same user by every name",
        attack(
            "read paths={file}",
            &["read file"],
            "cat /workspace/token /data/victim > /dev/null",
        ),
    ),
    check(
        "A2",
        "write, truncate and open up a file outside the workspace",
        attack(
            "write paths={victim}",
            &["changed outside"],
            "echo x > /workspace/new; echo y > /out/new",
        ),
    ),
    check(
        "A3",
        "write through a mount nested in a read-only one",
        Attack {
            adjust: devices,
            ..attack(
                "write paths={nested}",
                &["made shared file"],
                "echo x > /dev/shm/own",
            )
        },
    ),
    check(
        "A4",
        "make read-only mounts writable again",
        Attack {
            controls: &[Namespaces(
                "mount --bind {data} {data}; mount -o remount,bind,ro {data}",
            )],
            ..attack(
                "remount mounts=/,/usr,{data} paths={data}/victim",
                &["changed data", "reach mount", "reach mount_setattr"],
                "test \"$(cat /data/victim)\" = original",
            )
        },
    ),
    check(
        "A5",
        "replace a protected file in the workspace: unlink, rename, link, move its directory",
        Attack {
            adjust: protected,
            ..attack(
                "replace paths={workspace}/protected/file scratch={workspace}",
                &["changed lower"],
                "echo x > /workspace/beside; test \"$(cat /workspace/protected/file)\" = original",
            )
        },
    ),
    check(
        "A6",
        "follow the magic links of /proc",
        attack(
            "walk paths={file}",
            &["read file"],
            "cat /proc/self/status > /dev/null; ls /proc/self/fd > /dev/null",
        ),
    ),
    check(
        "A7",
        "write through symbolic links, made before and made inside",
        attack(
            "link places={workspace},{out} paths={victim},{data}/victim",
            &["changed outside", "changed data"],
            "ln -s token /workspace/alias; test -s /workspace/alias",
        ),
    ),
    check(
        "A8",
        "use inherited descriptors",
        attack(
            "descriptors paths={file},/id_rsa",
            &["reach descriptor", "read file", "read inherited file"],
            "exec 9< /workspace/token; test -s /proc/self/fd/9",
        ),
    ),
    check(
        "A9",
        "open and make devices",
        Attack {
            root_breaches: &["reach mknod", "reach opened"],
            ..attack(
                "devices terminal={terminal} scratch={scratch}",
                &["reached terminal", "reach listed"],
                "head -c 8 /dev/urandom > /dev/null; echo > /dev/null; test -c /dev/full",
            )
        },
    ),
    check(
        "A10",
        "climb out of a changed root",
        Attack {
            controls: &[Namespaces("")],
            ..attack(
                "chroot jail={workspace}/protected paths={file}",
                &[
                    "reach chroot",
                    "reach pivot_root",
                    "reach open_tree",
                    "read file",
                ],
                "cd /workspace; cd ..; ls > /dev/null",
            )
        },
    ),
    check(
        "A11",
        "make a set-user-id program",
        attack(
            "set-user-id places={workspace},{out} mounts=/,/usr,{out}",
            &[
                "made set-user-id",
                "reach new-privileges",
                "reach set-user-id-mount",
            ],
            "cp /bin/sh /workspace/own; chmod 755 /workspace/own; /workspace/own -c true",
        ),
    ),
    check(
        "A12",
        "open a file by its handle",
        Attack {
            root_breaches: &["read file"],
            ..attack(
                "handle handle={handle} mount={out}",
                &["reach open_by_handle_at"],
                "cat /workspace/token > /dev/null",
            )
        },
    ),
    check(
        "A13",
        "turn the kernel's switches in /proc/sys, /sys and control groups",
        Attack {
            controls: &[Plain, Namespaces("")],
            root_breaches: &["reach core_pattern"],
            ..attack(
                "switches",
                &["reach network"],
                "test \"$(cat /proc/sys/kernel/ostype)\" = Linux",
            )
        },
    ),
];

pub(crate) const PROCESSES: &[Check] = &[
    check(
        "B1",
        "see processes of the host",
        attack(
            "look",
            &["read process arguments", "read process environment"],
            "ls /proc/self /proc/1 > /dev/null",
        ),
    ),
    check(
        "B2",
        "kill a process of the host, and everything",
        attack(
            "kill pid={pid} everyone={bold}",
            &["killed process"],
            "sleep 100 & kill $!; wait $! || test $? = 143",
        ),
    ),
    check(
        "B3",
        "trace and read other processes",
        attack(
            "trace pids={init},{pid}",
            &[
                "reach process_vm_readv child",
                "reach ptrace child",
                "reach pidfd_getfd child",
            ],
            "kill -0 $$; cat /proc/self/maps > /dev/null",
        ),
    ),
    check(
        "B4",
        "read shared memory and message queues of the host",
        attack(
            "shared-memory key={key} queue={queue} shared={shared}",
            &[
                "read segment",
                "read queue",
                "read shared file",
                "reach listed segments",
            ],
            "ipcmk -M 64 > /dev/null; echo x > /dev/shm/y",
        ),
    ),
    check(
        "B5",
        "make and join namespaces",
        attack(
            "namespaces",
            &[
                "reach unshare",
                "reach clone",
                "reach clone3",
                "reach setns",
            ],
            "/bin/true; (/bin/true); perl -e 'system(\"true\") == 0 or exit 1'",
        ),
    ),
    check(
        "B6",
        "have capabilities, also from a file",
        Attack {
            root_breaches: &["reach CapEff", "reach CapPrm", "reach file CapEff"],
            ..attack(
                "capabilities capable={capable}",
                &["reach CapBnd"],
                "test \"$(id -u)\" = 1000",
            )
        },
    ),
    check(
        "B7",
        "look into pid 1 and overwrite the lab's program",
        attack(
            "init pid={init} write={bold}",
            &[
                "reach exe",
                "reach maps",
                "reach environ",
                "reach fd",
                "reach link",
                "read process environment",
            ],
            "cat /proc/self/environ > /dev/null; readlink /proc/self/exe > /dev/null",
        ),
    ),
    check(
        "B8",
        "put words into a terminal's mouth",
        attack(
            "terminal terminal={terminal}",
            &[
                "reach controlling terminal",
                "reach TIOCSTI",
                "reach TIOCLINUX",
            ],
            "python3 -c 'import pty, os; a, b = pty.openpty(); os.write(b, b\"x\"); os.read(a, 1)' || perl -e 'open(my $p, \"+<\", \"/dev/ptmx\") or exit 1'",
        ),
    ),
    check(
        "B9",
        "read the session's keys",
        attack(
            "keys name={name}",
            &[
                "read key",
                "reach keyctl",
                "reach add_key",
                "reach request_key",
                "reach listed keys",
            ],
            "cat /proc/self/status > /dev/null",
        ),
    ),
];

pub(crate) const NETWORK: &[Check] = &[
    check(
        "C1",
        "connect to a listener on the host's loopback",
        attack(
            "connect tcp={tcp}",
            &["reached tcp"],
            "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1:0\") or exit 1;
             IO::Socket::INET->new(PeerAddr => \"127.0.0.1:\" . $s->sockport) or exit 2; $s->accept or exit 3'",
        ),
    ),
    check(
        "C2",
        "send to a resolver on the host's loopback",
        attack(
            "connect udp={udp}",
            &["reached udp"],
            "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Proto => \"udp\", LocalAddr => \"127.0.0.1:0\") or exit 1;
             IO::Socket::INET->new(Proto => \"udp\", PeerAddr => \"127.0.0.1:\" . $s->sockport)->send(\"x\") or exit 2; $s->recv(my $b, 1)'",
        ),
    ),
    check(
        "C3",
        "connect to an abstract socket of the host",
        attack(
            "connect abstract={abstract}",
            &["reached abstract socket"],
            "perl -MSocket -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or exit 1'",
        ),
    ),
    check(
        "C4",
        "connect to sockets of the host by path: in /tmp, beside and in the workspace",
        Attack {
            twin_alone: true,
            ..attack(
            "connect paths={sockets}",
            &["reached path socket"],
            "perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Local => \"/tmp/own\", Listen => 1) or exit 1;
             IO::Socket::UNIX->new(Peer => \"/tmp/own\") or exit 2'",
        )
        },
    ),
    check(
        "C5",
        "find interfaces and routes, add an address",
        Attack {
            controls: &[Namespaces("")],
            ..attack("interfaces", &["reach address added"], "grep -q lo: /proc/net/dev")
        },
    ),
    check(
        "C6",
        "create sockets of every family",
        Attack {
            root_breaches: &["reach family 17"],
            twin_alone: true,
            ..attack(
                "families",
                &["reach family 16"],
                "perl -MSocket -e 'for my $f (AF_UNIX, AF_INET, 10) { socket(my $s, $f, SOCK_STREAM, 0) or exit 1 }'",
            )
        },
    ),
    check(
        "C7",
        "use an inherited connected socket",
        attack("descriptors paths={file}", &["reached inherited socket"], "exec 7> /out/own; echo x >&7"),
    ),
];

pub(crate) const KERNEL: &[Check] = &[
    check(
        "D1",
        "submission rings",
        attack(
            "calls group=ring",
            &[
                "reach io_uring_setup",
                "reach io_uring_enter",
                "reach io_uring_register",
            ],
            "cat /workspace/token > /dev/null",
        ),
    ),
    check(
        "D2",
        "bpf",
        attack("calls group=bpf", &["reach bpf"], "true"),
    ),
    check(
        "D3",
        "performance events",
        attack("calls group=perf", &["reach perf_event_open"], "true"),
    ),
    check(
        "D4",
        "user page faults",
        attack(
            "calls group=fault",
            &["reach userfaultfd"],
            "perl -e '$x = \"a\" x (8 << 20)'",
        ),
    ),
    check(
        "D5",
        "mounts",
        Attack {
            controls: &[Namespaces("")],
            ..attack(
                "calls group=mount",
                &[
                    "reach mount",
                    "reach umount2",
                    "reach fsopen",
                    "reach fsmount",
                    "reach fspick",
                    "reach fsconfig",
                    "reach move_mount",
                    "reach open_tree",
                    "reach mount_setattr",
                ],
                "cat /proc/self/mounts > /dev/null",
            )
        },
    ),
    check(
        "D6",
        "modules, kexec, reboot, swap",
        Attack {
            // Kernels without modules have no code for theirs.
            root_breaches: &["reach reboot", "reach acct"],
            ..attack(
                "calls group=machine",
                &["reach swapon"],
                "uname -a > /dev/null",
            )
        },
    ),
    check(
        "D7",
        "32-bit and x32 entries of the kernel",
        attack(
            "foreign",
            &["reach 32-bit"],
            "perl -e 'getppid() == 0 or getppid() > 0 or exit 1'",
        ),
    ),
    check(
        "D8",
        "the clock",
        attack(
            "calls group=clock",
            &[
                "reach settimeofday",
                "reach clock_settime",
                "reach adjtimex",
                "reach clock_adjtime",
            ],
            "date > /dev/null",
        ),
    ),
];

//! What a command inside can see, change and reach.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use crate::common::{Place, SANDBOX, mount, output, processes_with, run, shell, text, wait_until};
use lyceum_sandbox::{Access, Backend, Error, Exit, Job, Link, Policy, PolicyError, Step};

#[test]
fn true_and_false_keep_their_codes_and_signals_are_told_apart() {
    assert_eq!(
        run(&Job::new(["true"], Policy::default())).exit,
        Exit::Code(0)
    );
    assert_eq!(
        run(&Job::new(["false"], Policy::default())).exit,
        Exit::Code(1)
    );
    assert_eq!(
        run(&shell("exit 77", Policy::default())).exit,
        Exit::Code(77)
    );
    assert_eq!(
        run(&shell("kill -SEGV $$", Policy::default())).exit,
        Exit::Signal(11)
    );
}

#[test]
fn a_missing_program_or_directory_is_not_the_commands_failure() {
    let record = run(&Job::new(["no-such-program"], Policy::default()));
    assert!(
        matches!(
            record.exit,
            Exit::NotStarted {
                step: Step::Execute,
                errno: 2,
                ..
            }
        ),
        "{record:?}"
    );
    let record = run(&Job::new(
        ["true"],
        Policy {
            directory: "/nowhere".into(),
            ..Policy::default()
        },
    ));
    assert!(
        matches!(
            record.exit,
            Exit::NotStarted {
                step: Step::EnterDirectory,
                ..
            }
        ),
        "{record:?}"
    );
}

#[test]
fn writes_land_in_the_upper_and_the_lower_stays() {
    let place = Place::new();
    std::fs::set_permissions(
        place.lower().join("file"),
        std::fs::Permissions::from_mode(0o600),
    )
    .expect("closes");
    let script = "cat file; echo changed > file; rm data/d; mkdir new; echo x > new/y; cat file";
    assert_eq!(output(script, place.policy()), "originalchanged\n");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("reads");
    assert_eq!(read(place.lower().join("file")), "original");
    assert_eq!(read(place.lower().join("data/d")), "data");
    assert!(!place.lower().join("new").exists());
    assert_eq!(read(place.scratch.upper().join("file")), "changed\n");
    assert_eq!(read(place.scratch.upper().join("new/y")), "x\n");
}

#[test]
fn read_mounts_hold_against_writing_remounting_and_renaming() {
    let place = Place::new();
    let mut policy = place.policy();
    policy.mounts.push(mount(
        &place.lower().join("data"),
        "/workspace/data",
        Access::Read,
    ));
    let script = "
        (echo x > data/d) 2>&1; (echo x > data/new) 2>&1; rm -f data/d 2>&1; chmod 777 data/d 2>&1
        mv data old 2>&1; rm -rf data 2>&1
        mount -o remount,bind,rw /workspace/data 2>&1; umount -l /workspace/data 2>&1
        cat data/d; echo twin > beside";
    let record = run(&shell(script, policy));
    assert!(
        record.stdout.joined().ends_with(b"data"),
        "{}",
        text(&record)
    );
    assert_eq!(
        std::fs::read_to_string(place.lower().join("data/d")).expect("reads"),
        "data"
    );
    assert!(!place.lower().join("data/new").exists());
    // The benign twin: next to it, writing works.
    assert!(
        place.scratch.upper().join("beside").exists(),
        "{}",
        text(&record)
    );
}

#[test]
fn a_read_mount_is_read_only_through_mounts_nested_in_it() {
    let place = Place::new();
    // `/dev` has nested mounts that everybody may write on every machine.
    let nested = ["/dev/shm", "/dev/pts", "/dev/mqueue"];
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("reads");
    let is_mount = |path: &str| {
        table
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(path))
    };
    assert!(
        is_mount(nested[0]),
        "this test needs /dev/shm to be a mount"
    );
    let marker = format!("lyceum-nested-{}", std::process::id());
    let mut policy = place.policy();
    policy
        .mounts
        .push(mount("/dev".as_ref(), "/devices", Access::Read));
    let script = format!("touch /devices/shm/{marker} 2>&1; touch /dev/shm/{marker} && echo twin");
    let printed = output(&script, policy);
    assert!(
        printed.contains("Read-only file system") && printed.contains("twin"),
        "{printed}"
    );
    assert!(!std::path::Path::new("/dev/shm").join(marker).exists());
}

#[test]
fn write_mounts_change_the_host_but_make_no_set_user_id_programs() {
    let place = Place::new();
    let mut policy = place.policy();
    policy
        .mounts
        .push(mount(&place.scratch.out(), "/out", Access::Write));
    let host = place.path().join("host");
    std::fs::create_dir(&host).expect("makes");
    policy.mounts.push(mount(&host, "/host", Access::Write));
    let script = "
        for d in /out /host; do
          cp /bin/sh $d/sh; chmod 4755 $d/sh; chmod 2755 $d/sh
          perl -e 'use Fcntl; sysopen(my $f, shift, O_CREAT|O_WRONLY, 06755)' $d/born
          echo result > $d/result
        done; true";
    output(script, policy);
    for directory in [place.scratch.out(), host] {
        assert_eq!(
            std::fs::read_to_string(directory.join("result")).expect("reads"),
            "result\n"
        );
        let mode = directory.join("sh").metadata().expect("exists").mode();
        assert_eq!(mode & 0o6000, 0, "{mode:o}");
        assert!(!directory.join("born").exists());
        // What it made there belongs to the one whose directory it is.
        let owner = |path: &std::path::Path| path.metadata().expect("exists").uid();
        assert_eq!(owner(&directory.join("result")), owner(&directory));
    }
}

#[test]
fn host_files_and_processes_are_unseen() {
    let place = Place::new();
    let secret = place.path().join("id_rsa");
    std::fs::write(&secret, "sentinel-4711").expect("writes");
    let script = format!(
        "cat {0} 2>&1; cat /proc/{1}/status 2>&1; cat /proc/*/root{0} /proc/self/cwd{0} 2>&1
         ls -d /root /var /sys /opt /mnt /srv /run 2>/dev/null
         cat /etc/shadow /etc/machine-id /etc/resolv.conf 2>/dev/null
         cat /proc/1/environ /proc/1/maps 2>/dev/null; ls /proc/1/fd 2>/dev/null
         cat /proc/self/mountinfo; ls /proc | grep -c '^[0-9]*$'",
        secret.display(),
        std::process::id(),
    );
    let printed = output(&script, place.policy());
    assert!(!printed.contains("sentinel"), "{printed}");
    assert!(!printed.contains("State:"), "{printed}");
    assert!(
        !printed.lines().any(|line| line.starts_with('/')),
        "{printed}"
    );
    assert!(
        !printed.contains("upperdir=/work") && !printed.contains("upperdir=/root"),
        "{printed}"
    );
    let count: usize = printed
        .lines()
        .last()
        .and_then(|line| line.parse().ok())
        .expect("a count");
    assert!(count <= 5, "{count} processes are visible");
}

#[test]
fn only_three_descriptors_and_no_directory_are_inherited() {
    // Planted: an inheritable directory and an inheritable connected socket.
    let directory = std::fs::File::open("/").expect("opens");
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("pairs");
    rustix::io::fcntl_setfd(&directory, rustix::io::FdFlags::empty()).expect("plants");
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).expect("plants");
    assert_eq!(
        output("ls /proc/self/fd | tr '\\n' ' '", Policy::default()),
        "0 1 2 3 "
    );
    let kinds = output(
        // No pipeline: the shell itself holds both ends of one for a moment. The fourth is the directory being read.
        "readlink /proc/$$/fd/0 /proc/$$/fd/1; set -- /proc/$$/fd/*; echo $#",
        Policy::default(),
    );
    assert!(kinds.starts_with("/dev/null\npipe:"), "{kinds}");
    assert!(kinds.ends_with("\n4\n"), "{kinds}");
}

#[test]
fn the_environment_is_the_same_bytes_every_time_and_holds_no_secret() {
    let dump = "env -0 | sort -z | tr '\\0' '\\n'; id; hostname; umask; pwd; ulimit -a; uname -n; \
                cat /proc/self/mountinfo | cut -d' ' -f5-; cat /proc/self/uid_map | wc -w; tty";
    let environ =
        "cat /proc/1/environ /proc/self/environ /proc/$$/cmdline 2>/dev/null | tr '\\0' '\\n'";
    let policy = Policy {
        environment: [("SEED".into(), "7".into())].into(),
        ..Policy::default()
    };
    let dump = format!("{dump} || true");
    let (one, two) = (output(&dump, policy.clone()), output(&dump, policy.clone()));
    assert_eq!(one, two);
    assert!(
        one.contains("SEED=7") && one.contains("OMP_NUM_THREADS=1"),
        "{one}"
    );
    // Cargo sets this for every test; nothing of the supervisor's environment may get in.
    let leaked = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let all = format!("{one}{}", output(&format!("{environ}; true"), policy));
    assert!(!all.contains(&leaked) && !all.contains("CARGO"), "{all}");
}

#[test]
fn the_network_is_a_loopback_of_its_own() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("listens");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    for listener in [tcp.set_nonblocking(true), udp.set_nonblocking(true)] {
        listener.expect("does not block");
    }
    let port = |address: std::io::Result<std::net::SocketAddr>| address.expect("has one").port();
    let script = format!(
        r#"perl -e 'use IO::Socket::INET;
            print "tcp reached\n" if IO::Socket::INET->new(PeerAddr => "127.0.0.1:{}");
            my $u = IO::Socket::INET->new(PeerAddr => "127.0.0.1:{}", Proto => "udp"); $u->send("x") if $u;
            my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:0");
            my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1:" . $s->sockport);
            print "twin\n" if $s->accept;'
           cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '; tail -n +2 /proc/net/route"#,
        port(tcp.local_addr()),
        port(udp.local_addr()),
    );
    assert_eq!(output(&script, Policy::default()), "twin\nlo\n");
    assert!(tcp.accept().is_err(), "the host's listener was reached");
    assert!(
        udp.recv(&mut [0; 8]).is_err(),
        "the host's socket was reached"
    );
}

#[test]
fn local_sockets_of_the_host_are_unreachable() {
    let place = Place::new();
    let path = place.lower().join("docker.sock");
    let _by_path = UnixListener::bind(&path).expect("binds");
    let name = format!("lyceum-abstract-{}", std::process::id());
    let address = <std::os::unix::net::SocketAddr as SocketAddrExt>::from_abstract_name(&name)
        .expect("names");
    let abstract_one = UnixListener::bind_addr(&address).expect("binds");
    abstract_one.set_nonblocking(true).expect("does not block");
    let script = format!(
        r#"perl -e 'use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0);
            print "reached\n" if connect($s, pack("S", AF_UNIX) . "\0{name}");
            socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) and print "twin\n"'"#
    );
    assert_eq!(output(&script, Policy::default()), "twin\n");
    assert!(abstract_one.accept().is_err());
}

#[test]
fn socket_families_beyond_the_allowed_four_are_refused() {
    let script = r#"perl -MErrno -e 'use Socket;
        for my $f (0 .. 46) { for my $t (1, 2, 3, 5, 10) {
            if (socket(my $s, $f, $t, 0)) { print "$f/$t\n" }
            elsif (grep { $f == $_ } 1, 2, 10, 16) {}
            elsif (!$!{EPERM}) { print "$f/$t error $!\n" } } }'"#;
    let printed = output(script, Policy::default());
    let allowed = [
        "1/1", "1/2", "1/3", "1/5", "2/1", "2/2", "10/1", "10/2", "16/2", "16/3",
    ];
    let extra: Vec<&str> = printed
        .lines()
        .filter(|line| !allowed.contains(line))
        .collect();
    assert_eq!(extra, Vec::<&str>::new());
    for needed in ["1/1", "2/1", "2/2", "16/3"] {
        assert!(
            printed.lines().any(|line| line == needed),
            "`{needed}` is missing in {printed}"
        );
    }
}

#[test]
fn kernel_calls_that_widen_the_surface_are_refused() {
    // Numbers of x86-64: ptrace, mount, pivot_root, chroot, setns, unshare, bpf, userfaultfd,
    // perf_event_open, keyctl, add_key, io_uring_setup, open_tree, fsopen, mount_setattr,
    // process_vm_readv, name_to_handle_at, open_by_handle_at, kexec_load, init_module, reboot,
    // clock_settime, adjtimex.
    if !cfg!(target_arch = "x86_64") {
        println!("SKIPPED: the numbers are those of x86-64");
        return;
    }
    let script = r#"perl -MErrno -e '
        for my $n (101, 165, 155, 161, 308, 272, 321, 323, 298, 250, 248, 425, 428, 430, 442, 310, 303,
                   304, 246, 175, 169, 227, 159) {
            my $r = syscall($n, 0, 0, 0, 0, 0); print "$n: $!\n" unless $r == -1 && $!{EPERM} }
        syscall(435, 0, 0); print "clone3: $!\n" unless $!{ENOSYS};
        my $pid = syscall(56, 0x10000011, 0, 0, 0, 0);
        if ($pid == 0) { syscall(60, 0) } print "clone NEWUSER\n" unless $pid == -1;
        my $x = syscall(0x40000000 + 39); print "x32: $x\n" unless $x == -1;
        system("true") == 0 and print "twin\n"'
        unshare -U true 2>/dev/null && echo unshared; true"#;
    assert_eq!(output(script, Policy::default()), "twin\n");
}

#[test]
fn capabilities_are_gone_and_stay_gone() {
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; readlink /proc/self/ns/user >/dev/null; \
                  (echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null || echo held";
    let printed = output(script, Policy::default());
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            printed.contains(&format!("{set}:\t0000000000000000\n")),
            "{printed}"
        );
    }
    assert!(
        printed.contains("NoNewPrivs:\t1\nSeccomp:\t2\n") && printed.ends_with("\nheld\n"),
        "{printed}"
    );
}

#[test]
fn devices_are_the_listed_ones() {
    let printed = output(
        "ls /dev | tr '\\n' ' '; mknod /tmp/n c 1 3 2>/dev/null || echo refused",
        Policy::default(),
    );
    // `core` leads to the masked `/proc/kcore`, and there is no terminal for `tty` to be.
    let (before, after) = match crate::BACKEND {
        Backend::Native => ("", ""),
        Backend::Bwrap => ("core ", "tty "),
    };
    assert_eq!(
        printed,
        format!(
            "{before}fd full null ptmx pts random shm stderr stdin stdout {after}urandom zero refused\n"
        )
    );
}

#[test]
fn two_at_once_share_nothing() {
    let marker = format!("lyceum-two-{}", std::process::id());
    let wait = format!(
        "echo {marker} > /tmp/mark; echo {marker} > /dev/shm/mark; exec -a {marker} sleep 60"
    );
    let one = SANDBOX
        .spawn(&Job::new(["bash", "-c", &wait], Policy::default()))
        .expect("starts");
    wait_until("the first runs", || !processes_with(&marker).is_empty());
    let seen = output(
        "ls /tmp /dev/shm; ls /proc | grep -c '^[0-9]*$'; kill -9 -1; true",
        Policy::default(),
    );
    // ls prints a heading for each empty directory.
    assert!(!seen.contains("mark"), "{seen}");
    assert_eq!(
        processes_with(&marker).len(),
        1,
        "the second one killed the first"
    );
    one.killer().kill("end of the test");
    assert_eq!(
        one.wait().expect("ends").exit,
        Exit::Killed {
            cause: "end of the test".into()
        }
    );
    assert_eq!(processes_with(&marker), Vec::<i32>::new());
}

#[test]
fn the_answer_channel_is_the_commands_alone_and_bounded() {
    let record = run(&shell("echo '{\"score\": 1}' >&3", Policy::default()).with_answer());
    assert_eq!(
        record.answer.as_deref(),
        Some(&b"{\"score\": 1}\n"[..]),
        "{}",
        text(&record)
    );
    let without = run(&shell(
        "(echo forged >&3) 2>/dev/null; true",
        Policy::default(),
    ));
    assert_eq!(without.answer, None);
    // While one sandbox holds a channel, another one has no descriptor 3.
    let holding = SANDBOX
        .spawn(&shell("sleep 1; echo own >&3", Policy::default()).with_answer())
        .expect("starts");
    let other = run(&shell(
        "(echo forged >&3) 2>/dev/null && echo written; true",
        Policy::default(),
    ));
    assert_eq!(other.stdout.total, 0, "{}", text(&other));
    assert_eq!(
        holding.wait().expect("ends").answer.as_deref(),
        Some(&b"own\n"[..])
    );
    let flood = run(&shell("head -c 1000000 /dev/zero >&3", Policy::default()).with_answer());
    assert_eq!(
        (
            flood.answer.map(|answer| answer.len()),
            flood.answer_truncated
        ),
        (Some(64 << 10), true)
    );
}

#[test]
fn links_of_the_policy_and_paths_appear() {
    let place = Place::new();
    let mut policy = place.policy();
    policy.links.push(Link {
        at: "/data/current".into(),
        to: "/workspace/data".into(),
    });
    policy.path.push("/workspace/data".into());
    assert_eq!(
        output("cat /data/current/d; echo; echo ${PATH%%:*}", policy),
        "data\n/workspace/data\n"
    );
}

#[test]
fn a_source_that_crosses_a_link_is_refused() {
    let place = Place::new();
    let link = place.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).expect("links");
    for source in [link.clone(), link.join("ssl")] {
        let policy = Policy {
            mounts: vec![mount(&source, "/data", Access::Read)],
            ..Policy::default()
        };
        let refused = SANDBOX.spawn(&shell("ls /data", policy)).err();
        assert!(matches!(refused, Some(Error::Source { .. })), "{refused:?}");
    }
    let twin = Policy {
        mounts: vec![mount(&place.lower(), "/data", Access::Read)],
        ..Policy::default()
    };
    assert_eq!(output("cat /data/file", twin), "original");
}

#[test]
fn a_target_that_is_a_link_in_the_workspace_is_refused() {
    let place = Place::new();
    std::os::unix::fs::symlink("/etc", place.lower().join("protected")).expect("links");
    let mut policy = place.policy();
    policy.mounts.push(mount(
        &place.lower().join("data"),
        "/workspace/protected",
        Access::Read,
    ));
    let record = run(&shell("true", policy));
    assert!(
        matches!(
            record.exit,
            Exit::NotStarted {
                step: Step::PlaceMount | Step::Bubblewrap,
                ..
            }
        ),
        "{record:?}"
    );
}

#[test]
fn a_job_without_a_command_is_a_policy_error() {
    let refused = SANDBOX
        .spawn(&Job::new(Vec::<String>::new(), Policy::default()))
        .err();
    assert!(
        matches!(refused, Some(Error::Policy(PolicyError::NoCommand))),
        "{refused:?}"
    );
}

#[test]
fn overlays_on_this_disk_are_reported_usable() {
    let place = Place::new();
    SANDBOX
        .check_overlay(place.path())
        .expect("the target directory lies on a disk");
    let left: Vec<_> = std::fs::read_dir(place.path())
        .expect("lists")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

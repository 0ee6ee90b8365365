//! Sockets and devices of the host, where a mount or a setting brings them near.

use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::common::{Place, SANDBOX, mount, output, run, shell};
use lyceum_sandbox::{Access, Error, Exit, Job, Policy, PolicyError};

/// Connects to a path; tells how far it came, and that pairs of sockets are to be had.
const CONNECT: &str = r#"perl -e 'use Socket;
    socket(my $s, AF_UNIX, SOCK_STREAM, 0) and print "socket ";
    print "reached " if connect($s, pack_sockaddr_un("/data/deep/service.sock"));
    socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) and print "pair"'"#;

/// Makes a service of the host in a directory; whoever connects to it is accepted by the kernel.
fn serve(directory: &Path) -> UnixListener {
    std::fs::create_dir_all(directory.join("deep")).expect("makes a directory");
    let path = directory.join("deep/service.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&path, open).expect("opens it to all");
    std::os::unix::net::UnixStream::connect(&path).expect("the host can connect");
    listener
}

#[test]
fn a_service_in_a_mounted_directory_cannot_be_spoken_to() {
    for access in [Access::Read, Access::Write] {
        let place = Place::new();
        let _listener = serve(&place.lower());
        let policy = Policy {
            mounts: vec![mount(&place.lower(), "/data", access.clone())],
            ..Policy::default()
        };
        let record = run(&shell(CONNECT, policy));
        let said = String::from_utf8_lossy(&record.stdout.joined()).into_owned();
        assert!(!said.contains("reached"), "{access:?}: {said}");
        assert!(said.ends_with("pair"), "{access:?}: {said}");
        let version = SANDBOX.capabilities().landlock_abi;
        assert_eq!(record.local_sockets, version >= 9, "{access:?}");
    }
}

#[test]
fn a_service_below_an_overlay_cannot_be_spoken_to() {
    let place = Place::new();
    let _listener = serve(&place.lower());
    let mut policy = place.policy();
    policy.mounts[0].target = "/data".into();
    policy.directory = "/data".into();
    let record = run(&shell(CONNECT, policy));
    let said = String::from_utf8_lossy(&record.stdout.joined()).into_owned();
    assert_eq!(said, "socket pair");
    assert!(record.local_sockets);
}

#[test]
fn where_no_socket_is_mounted_local_sockets_work() {
    let place = Place::new();
    let policy = Policy {
        mounts: vec![mount(&place.lower(), "/data", Access::Read)],
        ..Policy::default()
    };
    let twin = r#"perl -e 'use Socket;
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; bind($s, pack_sockaddr_un("/tmp/own")) or die;
        listen($s, 1) or die; socket(my $c, AF_UNIX, SOCK_STREAM, 0) or die;
        connect($c, pack_sockaddr_un("/tmp/own")) and print "reached"'"#;
    assert_eq!(output(twin, policy), "reached");
}

#[test]
fn a_device_that_is_not_there_or_no_graphics_processors_is_refused() {
    let with = |device: &str| {
        let policy = Policy {
            devices: vec![device.into()],
            ..Policy::default()
        };
        SANDBOX
            .spawn(&Job::new(["true"], policy))
            .and_then(lyceum_sandbox::Running::wait)
    };
    let refused = with("/dev/fuse").expect_err("is refused");
    assert!(
        matches!(refused, Error::Policy(PolicyError::Device { .. })),
        "{refused:?}"
    );
    let absent = with("/dev/nvidia254");
    assert!(
        !matches!(&absent, Ok(record) if record.exit == Exit::Code(0)),
        "{absent:?}"
    );
}

#[test]
fn graphics_devices_are_unseen_unless_given() {
    let listed = output(
        "ls -d /dev/nvidia* /dev/dri /dev/kfd 2>&1 || true",
        Policy::default(),
    );
    assert!(
        !listed.lines().any(|line| line.starts_with("/dev/")),
        "{listed}"
    );
    for device in lyceum_sandbox::graphics_devices() {
        let status = std::fs::symlink_metadata(&device).expect("is there");
        assert!(status.file_type().is_char_device(), "{device:?}");
    }
}

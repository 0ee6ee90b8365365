//! Workspaces with everything that a file system can hold.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{self as unix, PermissionsExt as _},
    },
    path::Path,
};

use lyceum_study::workspace::{Content, Error, Globs, Limits, diff, list, scan, shown};

fn write(root: &Path, name: impl AsRef<Path>, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn files_are_sorted_by_bytes_and_hashed() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b", "a/z", "a.txt", "a/b/c", "\u{e9}"] {
        write(root.path(), name, name.as_bytes());
    }
    fs::create_dir(root.path().join("empty")).unwrap();
    let manifest = scan(root.path(), Limits::default()).unwrap();
    let names: Vec<_> = manifest
        .entries
        .iter()
        .map(|entry| entry.path.to_str().unwrap())
        .collect();
    assert_eq!(names, ["a.txt", "a/b/c", "a/z", "b", "\u{e9}"]);
    let entry = manifest.entry(Path::new("a/z")).unwrap();
    assert_eq!(
        entry.content,
        Content::File {
            size: 3,
            executable: false,
            hash: blake3::hash(b"a/z")
        }
    );
    assert_eq!(manifest.bytes(), 5 + 5 + 3 + 1 + 2);
}

#[test]
fn the_digest_follows_paths_modes_contents_and_targets_and_nothing_else() {
    let digest = |build: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        build(root.path());
        scan(root.path(), Limits::default()).unwrap().digest
    };
    let mode = |root: &Path, mode| {
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let base = digest(&|root| write(root, "a", b"1"));
    assert_eq!(
        base,
        digest(&|root| {
            write(root, "a", b"1");
            mode(root, 0o600);
        })
    );
    assert_eq!(
        base,
        digest(&|root| {
            write(root, "a", b"1");
            fs::create_dir(root.join("d")).unwrap();
        })
    );
    let others = [
        digest(&|root| write(root, "b", b"1")),
        digest(&|root| write(root, "a", b"2")),
        digest(&|root| {
            write(root, "a", b"1");
            mode(root, 0o755);
        }),
        digest(&|root| unix::symlink("1", root.join("a")).unwrap()),
        digest(&|root| unix::symlink("2", root.join("a")).unwrap()),
        digest(&|_| {}),
    ];
    for (index, one) in others.iter().enumerate() {
        assert_ne!(base, *one, "{index}");
        assert!(!others[..index].contains(one), "{index}");
    }
}

#[test]
fn links_are_recorded_and_never_followed() {
    let root = tempfile::tempdir().unwrap();
    unix::symlink("/etc", root.path().join("etc")).unwrap();
    unix::symlink(".", root.path().join("self")).unwrap();
    unix::symlink("nowhere", root.path().join("dangling")).unwrap();
    let manifest = scan(root.path(), Limits::default()).unwrap();
    assert_eq!(manifest.entries.len(), 3);
    let target = |name: &str| match &manifest.entry(Path::new(name)).unwrap().content {
        Content::Link { target } => target.to_str().unwrap().to_owned(),
        Content::File { .. } => panic!("a link was followed"),
    };
    assert_eq!(
        [target("etc"), target("self"), target("dangling")],
        ["/etc", ".", "nowhere"]
    );
}

#[test]
fn odd_names_are_bytes_and_are_shown_escaped() {
    let root = tempfile::tempdir().unwrap();
    let names: [&[u8]; 4] = [
        b"new\nline",
        b"\x1b[31mred",
        b"\xff\xfe",
        "\u{202e}txt".as_bytes(),
    ];
    for name in names {
        write(root.path(), OsStr::from_bytes(name), b"x");
    }
    let manifest = scan(root.path(), Limits::default()).unwrap();
    assert_eq!(manifest.entries.len(), 4);
    for name in names {
        assert!(manifest.entry(Path::new(OsStr::from_bytes(name))).is_some());
    }
    let shown: Vec<String> = names
        .iter()
        .map(|name| shown(OsStr::from_bytes(name)))
        .collect();
    assert_eq!(
        shown,
        ["new\\nline", "\\u{1b}[31mred", "\\xff\\xfe", "\\u{202e}txt"]
    );
}

#[test]
fn sockets_and_fifos_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
    let error = scan(root.path(), Limits::default()).unwrap_err();
    assert_eq!(
        error,
        Error::Special {
            path: "s".into(),
            kind: "socket"
        }
    );
    fs::remove_file(root.path().join("s")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(root.path().join("f"))
        .status();
    assert!(made.expect("this test needs the program mkfifo").success());
    let error = scan(root.path(), Limits::default()).unwrap_err();
    insta::assert_snapshot!(error, @"`f` is a FIFO; expected a plain file, a directory or a symbolic link");
}

#[test]
fn the_walk_is_bounded() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b/c", "d"] {
        write(root.path(), name, &[0; 100]);
    }
    let limits = |entries, bytes| Limits { entries, bytes };
    assert!(scan(root.path(), limits(4, 300)).is_ok());
    assert!(matches!(
        scan(root.path(), limits(3, 300)),
        Err(Error::TooMany { limit: 3, .. })
    ));
    assert!(matches!(
        scan(root.path(), limits(4, 299)),
        Err(Error::TooBig { limit: 299, .. })
    ));
    assert!(matches!(
        scan(&root.path().join("no"), limits(1, 1)),
        Err(Error::Unreadable { .. })
    ));
}

#[test]
fn a_hundred_thousand_files() {
    // In memory where that is possible: on a busy disk, making the files takes minutes, not the walk.
    let root = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    for directory in 0..100 {
        let path = root.path().join(format!("d{directory}"));
        fs::create_dir(&path).unwrap();
        for file in 0..1000 {
            fs::write(path.join(format!("f{file}")), file.to_string()).unwrap();
        }
    }
    let manifest = scan(root.path(), Limits::default()).unwrap();
    assert_eq!(manifest.entries.len(), 100_000);
    assert!(
        manifest
            .entries
            .is_sorted_by(|a, b| a.path.as_os_str() < b.path.as_os_str())
    );
    assert_eq!(
        scan(root.path(), Limits::default()).unwrap().digest,
        manifest.digest
    );
    let entry = manifest.entry(Path::new("d42/f999")).unwrap();
    let hash = blake3::hash(b"999");
    assert_eq!(
        entry.content,
        Content::File {
            size: 3,
            executable: false,
            hash
        }
    );
}

#[test]
fn skipped_names_count_only_at_the_top() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ".git/x", b"");
    write(root.path(), "a/.git/x", b"");
    let listed = list(root.path(), Limits::default(), &[".git"]).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].path, Path::new("a/.git/x"));
}

#[test]
fn globs_keep_to_components() {
    let globs = Globs::new(&["*.toml".into(), "data/**".into(), "src/**/*.rs".into()]).unwrap();
    for path in ["a.toml", "data/x", "data/x/y", "src/a.rs", "src/b/c.rs"] {
        assert!(globs.matches(path), "{path}");
    }
    for path in ["x/a.toml", "data", "datax/y", "src/a.c", "a.toml/b"] {
        assert!(!globs.matches(path), "{path}");
    }
    assert_eq!(globs.matching("data/x"), Some("data/**"));
    assert!(globs.matches(Path::new(OsStr::from_bytes(b"data/\xff"))));
}

#[test]
fn a_diff_shows_changed_lines() {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let before = [
        file("same", "x\n"),
        file("gone", "1\n"),
        file("lines", "a\nb\nc\nd\ne\nf\ng\n"),
        ("binary".to_owned(), vec![0xff, 0]),
    ];
    let after = [
        file("same", "x\n"),
        file("lines", "a\nB\nc\nd\ne\nf\nnew\x1b[2J\ng"),
        ("binary".to_owned(), vec![0xff, 1, 2]),
    ];
    insta::assert_snapshot!(diff(&before, &after), @r#"
    --- binary
    +++ binary
    binary file: 2 bytes before, 3 bytes after
    --- gone
    +++ (none)
    @@ -1 +1 @@
    -1
    --- lines
    +++ lines
    @@ -1 +1 @@
     a
    -b
    +B
     c
    @@ -6 +6 @@
     f
    -g
    +new\u{1b}[2J
    +g
    "#);
    assert_eq!(diff(&before, &before), "");
}

#[test]
fn a_huge_diff_stays_cheap() {
    let text = |start: u32| {
        let lines: Vec<String> = (start..start + 200_000).map(|n| n.to_string()).collect();
        lines.join("\n")
    };
    let before = [("x".to_owned(), text(0).into_bytes())];
    let after = [("x".to_owned(), text(7_000_000).into_bytes())];
    assert_eq!(diff(&before, &after).lines().count(), 400_003);
}

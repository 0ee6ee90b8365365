//! Ordinary programs that must work inside as they do outside.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lyceum_sandbox::{Access, Exit, Job, Mount, Policy, show_untrusted};

use crate::arena::Arena;
use crate::start::Mode;

/// Name, the program that it needs, and a script that ends with 0 if all works.
type Workload = (&'static str, &'static str, &'static str);

pub(crate) const WORKLOADS: &[Workload] = &[
    (
        "pipelines and job control",
        "bash",
        "seq 1000 | sort -rn | head -1 | grep -q 1000; sleep 0.1 & kill %1; wait || true",
    ),
    (
        "text tools on a large file",
        "awk",
        "seq 300000 | awk '{s += $1} END {exit s != 45000150000}'; seq 9 | sed -n 5p | grep -q 5",
    ),
    (
        "parallel processes",
        "xargs",
        "seq 20 | xargs -P 4 -I{} sh -c 'echo {} > /tmp/p{}'; test $(ls /tmp/p* | wc -l) = 20",
    ),
    (
        "locks between processes",
        "flock",
        "for i in 1 2 3; do flock /tmp/lock sh -c 'n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n+1)) > /tmp/n' & done; wait; grep -q 3 /tmp/n",
    ),
    (
        "named pipes",
        "mkfifo",
        "mkfifo /tmp/f; (echo hello > /tmp/f &); read -r l < /tmp/f; test $l = hello",
    ),
    (
        "archives",
        "tar",
        "mkdir a; seq 1000 > a/x; tar -czf /tmp/a.tgz a; mkdir b; tar -xzf /tmp/a.tgz -C b; cmp a/x b/a/x",
    ),
    (
        "zip archives",
        "zip",
        "seq 1000 > x; zip -q x.zip x; test -s x.zip",
    ),
    (
        "a C compiler and its program",
        "cc",
        "printf '#include <stdio.h>\\nint main(){puts(\"ok\");return 0;}' > m.c; cc -O2 m.c -o m; ./m | grep -q ok",
    ),
    (
        "threads in C",
        "cc",
        "printf '#include <pthread.h>\\nvoid*f(void*p){return p;}int main(){pthread_t t[8];for(int i=0;i<8;i++)if(pthread_create(t+i,0,f,0))return 1;for(int i=0;i<8;i++)pthread_join(t[i],0);return 0;}' > t.c; cc t.c -pthread -o t; ./t",
    ),
    (
        "make",
        "make",
        "printf 'all: x\\nx:\\n\\techo made > x\\n' > Makefile; make -s -j2; grep -q made x",
    ),
    (
        "git",
        "git",
        "git init -q r; cd r; git config user.email a@b; git config user.name n; echo x > f; git add f; git commit -qm m; git log --oneline | grep -q m; git gc -q",
    ),
    (
        "cargo",
        "cargo",
        "export CARGO_HOME=/tmp/cargo; cargo init -q --bin --vcs none --name hello h; cd h; cargo build -q --offline; ./target/debug/hello | grep -q Hello",
    ),
    (
        "sqlite with a write-ahead log",
        "sqlite3",
        "sqlite3 d.db 'pragma journal_mode=wal; create table t(x); insert into t values(1),(2); select sum(x) from t' | grep -q 3",
    ),
    (
        "perl",
        "perl",
        "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1) or die; $SIG{ALRM} = sub { exit 0 }; alarm 1; sleep 5; exit 1'",
    ),
    (
        "python: processes in a pool",
        "python3",
        "python3 -c 'import multiprocessing as m, math; p = m.Pool(4); assert sum(p.map(math.factorial, range(5))) == 34'",
    ),
    (
        "python: spawned processes",
        "python3",
        "printf 'import multiprocessing as m\\ndef f(q): q.put(7)\\nif __name__ == \"__main__\":\\n  c = m.get_context(\"spawn\"); q = c.Queue(); p = c.Process(target=f, args=(q,)); p.start(); assert q.get() == 7; p.join()\\n' > s.py; python3 s.py",
    ),
    (
        "python: fork server, descriptors over sockets",
        "python3",
        "printf 'import multiprocessing as m\\ndef f(q): q.put(7)\\nif __name__ == \"__main__\":\\n  c = m.get_context(\"forkserver\"); q = c.Queue(); p = c.Process(target=f, args=(q,)); p.start(); assert q.get() == 7; p.join()\\n' > s.py; python3 s.py",
    ),
    (
        "python: shared memory",
        "python3",
        "python3 -c 'from multiprocessing import shared_memory as s; a = s.SharedMemory(create=True, size=1<<20); b = s.SharedMemory(a.name); a.buf[9] = 7; assert b.buf[9] == 7; b.close(); a.close(); a.unlink()'",
    ),
    (
        "python: a manager over TCP",
        "python3",
        "printf 'from multiprocessing.managers import BaseManager as B\\nimport threading\\nB.register(\"n\", callable=lambda: [1,2])\\nm = B((\"127.0.0.1\", 0), b\"k\"); s = m.get_server(); threading.Thread(target=s.serve_forever, daemon=True).start()\\nc = B(s.address, b\"k\"); c.connect(); assert len(c.n()._getvalue()) == 2\\n' > m.py; python3 m.py",
    ),
    (
        "python: an asynchronous server on loopback",
        "python3",
        "printf 'import asyncio\\nasync def h(r, w): w.write(await r.readline()); await w.drain(); w.close()\\nasync def main():\\n  s = await asyncio.start_server(h, \"127.0.0.1\", 0); p = s.sockets[0].getsockname()[1]\\n  r, w = await asyncio.open_connection(\"127.0.0.1\", p); w.write(b\"x\\\\n\"); assert await r.readline() == b\"x\\\\n\"; w.close()\\nasyncio.run(main())\\n' > a.py; python3 a.py",
    ),
    (
        "python: subprocesses and their signals",
        "python3",
        "python3 -c 'import subprocess as s, signal; p = s.Popen([\"sleep\", \"9\"]); p.send_signal(signal.SIGTERM); assert p.wait() == -15; assert s.run(\"echo $0\", shell=True, capture_output=True).returncode == 0'",
    ),
    (
        "python: a terminal",
        "python3",
        "python3 -c 'import pty, os; a, b = pty.openpty(); os.write(b, b\"x\\n\"); assert os.read(a, 9)[:1] == b\"x\"; assert pty.spawn([\"true\"]) == 0' < /dev/null",
    ),
    (
        "python: watching files",
        "python3",
        "python3 -c 'import ctypes, os; c = ctypes.CDLL(None); f = c.inotify_init(); assert c.inotify_add_watch(f, b\"/tmp\", 0x100) >= 0; open(\"/tmp/new\", \"w\").close(); assert b\"new\" in os.read(f, 99)'",
    ),
    (
        "python: memory files and writable code",
        "python3",
        "python3 -c 'import os, mmap; f = os.memfd_create(\"x\"); os.write(f, b\"y\"); m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ|mmap.PROT_WRITE|mmap.PROT_EXEC); m[0:1] = b\"\\xc3\"; import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))'",
    ),
    (
        "python: a virtual environment",
        "python3",
        "python3 -m venv --without-pip v; v/bin/python -c 'import sys; assert sys.prefix.endswith(\"v\")'",
    ),
    (
        "python: sqlite, temporary files, zip, hashes, clocks",
        "python3",
        "python3 -c 'import sqlite3, tempfile, zipfile, hashlib, time, os, secrets; c = sqlite3.connect(\":memory:\"); c.execute(\"select 1\"); t = tempfile.NamedTemporaryFile(); z = zipfile.ZipFile(t, \"w\"); z.writestr(\"a\", \"b\"); z.close(); hashlib.sha256(secrets.token_bytes(9)); time.sleep(0.01); os.posix_spawn(\"/bin/true\", [\"true\"], {}); os.wait(); os.sched_getaffinity(0)'",
    ),
];

/// What came of the workloads in one mode.
pub(crate) struct Outcome {
    pub(crate) good: usize,
    /// Names of those whose program the machine, or this user, lacks.
    pub(crate) missing: Vec<String>,
    /// Names and words of those that fail.
    pub(crate) failed: Vec<String>,
}

/// Runs all workloads inside.
pub(crate) fn run(mode: &Mode) -> Outcome {
    let mut outcome = Outcome {
        good: 0,
        missing: Vec::new(),
        failed: Vec::new(),
    };
    for (name, program, script) in WORKLOADS {
        let arena = Arena::new();
        let policy = policy(&arena);
        let record = mode.run(&Job::new(
            ["bash", "-c", &format!("command -v {program}")],
            policy,
        ));
        if record.exit != Exit::Code(0) {
            outcome.missing.push((*name).to_owned());
            continue;
        }
        let mut arena = Arena::new();
        arena.remove_sockets();
        let script = format!("set -eo pipefail\n{script}");
        let record = mode.run(&Job::new(["bash", "-c", &script], self::policy(&arena)));
        if record.exit == Exit::Code(0) {
            outcome.good += 1;
        } else {
            let said = show_untrusted(&record.stderr.joined());
            let last = said.lines().last().unwrap_or_default().to_owned();
            outcome
                .failed
                .push(format!("{name}: {:?}, {last}", record.exit));
        }
    }
    outcome
}

/// A small experiment's policy; the user's Rust is mounted where there is one.
fn policy(arena: &Arena) -> Policy {
    let mut policy = arena.policy();
    policy.limits.wall = Duration::from_mins(2);
    let root = Command::new("rustc").args(["--print", "sysroot"]).output();
    let root = root
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if let Some(root) = root.map(|root| PathBuf::from(root.trim()))
        && root.join("bin/cargo").is_file()
    {
        policy.mounts.push(Mount {
            source: root,
            target: "/rust".into(),
            access: Access::Read,
        });
        policy.path.push("/rust/bin".into());
    }
    policy
}

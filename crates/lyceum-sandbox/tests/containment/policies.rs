//! Group H: attacks on the policy, and machines that lie about what they hold.

use std::fs;
use std::process::Command;

use lyceum_sandbox::{Backend, Job, Policy, Refusal};
use serde_json::{Value, json};

use crate::arena::{ATTACK, Arena};
use crate::check::{Check, How, Trial};
use crate::lifetimes::supervisor;
use crate::start::{Mode, outside};

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const POLICY: &[Check] = &[
    own("H1", "ask for less isolation in the job", asked),
    own("H2", "leave configuration for the host's programs", planted),
    own("H3", "make the kernel refuse a layer", refused),
    own("H4", "fall below the demanded level", lowered),
    own(
        "H5",
        "make the kernel claim a layer that is not there",
        lied,
    ),
];

/// A job that proves by a file that it ran.
fn job(arena: &Arena) -> Job {
    Job::new(["sh", "-c", "echo ran > /out/ran"], arena.policy())
}

fn ran(arena: &Arena) -> bool {
    fs::remove_file(arena.scratch.out().join("ran")).is_ok()
}

type Edit = (&'static str, fn(&mut Value));

/// What an agent might put into the parameters of a tool.
const ASKED: &[Edit] = &[
    ("sandbox: off", |job| job["sandbox"] = json!("off")),
    ("isolation: none", |job| {
        job["policy"]["isolation"] = json!("none");
    }),
    ("backend: none", |job| {
        job["policy"]["backend"] = json!("none");
    }),
    ("network: host", |job| {
        job["policy"]["network"] = json!("host");
    }),
    ("access: host", |job| {
        job["policy"]["mounts"][0]["access"] = json!("host");
    }),
    ("a mount on /proc", |job| {
        job["policy"]["mounts"][2]["target"] = json!("/proc/sys");
    }),
    ("a mount on /", |job| {
        job["policy"]["mounts"][2]["target"] = json!("/");
    }),
    ("a source with ..", |job| {
        job["policy"]["mounts"][2]["source"] = json!("/usr/../etc");
    }),
    ("a relative directory", |job| {
        job["policy"]["directory"] = json!("../../..");
    }),
    ("a variable with =", |job| {
        job["policy"]["environment"]["A=B"] = json!("c");
    }),
    ("a limit of nothing", |job| {
        job["policy"]["limits"]["memory_bytes"] = json!(0);
    }),
    ("an unknown limit", |job| {
        job["policy"]["limits"]["privileges"] = json!("all");
    }),
];

fn asked(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let start = |text: &Value| {
        let (program, arguments) = supervisor(mode, &arena, &job(&arena));
        fs::write(&arguments[0], text.to_string()).expect("writes");
        outside(Command::new(program).args(arguments), &arena)
    };
    let honest = serde_json::to_value(job(&arena)).expect("a job can be written");
    let said = start(&honest);
    let free = ran(&arena);
    let mut trial = Trial::of("ran", free, false);
    if !free {
        trial.made = Err(lyceum_sandbox::show_untrusted(&said));
    }
    for (what, edit) in ASKED {
        let mut hostile = honest.clone();
        edit(&mut hostile);
        start(&hostile);
        trial = trial.and(Trial::of(&format!("accepted {what}"), true, ran(&arena)));
    }
    trial.with_note(format!("{} requests", ASKED.len()))
}

/// Writes configuration that programs of the host would obey, as a candidate would.
const PLANT: &str = "cd /out; git init -q . 2>/dev/null || mkdir -p .git
    printf '[core]\\n\\tfsmonitor = ./m.sh\\n\\thooksPath = ./hooks\\n\\tpager = ./m.sh\\n' >> .git/config
    printf '#!/bin/sh\\necho owned > VICTIM\\n' > m.sh; chmod 755 m.sh
    mkdir -p hooks bin .lab .lyceum .cargo .config/git; cp m.sh hooks/post-checkout
    for p in git tar bwrap unshare sh bash python3 env true; do cp m.sh bin/$p; done
    printf '[alias]\\nstatus = !./m.sh\\n' > .gitconfig; cp .gitconfig .config/git/config
    echo '{\"sandbox\": \"off\", \"network\": \"host\"}' > .lab/config.json; cp .lab/config.json .lyceum/
    cp m.sh .bashrc; cp m.sh .profile; cp m.sh .envrc; echo 'import os' > sitecustomize.py; echo ran > result";

fn planted(mode: &Mode) -> Trial {
    let mut arena = Arena::new();
    let victim = arena.path("outside/victim").display().to_string();
    let policy = arena.policy();
    let record = mode.run(&Job::new(
        ["bash", "-c", &PLANT.replace("VICTIM", &victim)],
        policy,
    ));
    let out = arena.scratch.out();
    // The next start happens in that very directory, with it as home.
    let (program, arguments) = supervisor(mode, &arena, &job(&arena));
    let mut next = Command::new(program);
    next.args(arguments)
        .current_dir(&out)
        .env("HOME", &out)
        .env("XDG_CONFIG_HOME", out.join(".config"));
    outside(&mut next, &arena);
    let again = ran(&arena);
    let names = ["result".to_owned(), ".git/config".to_owned()];
    let taken =
        lyceum_sandbox::harvest::harvest(&out, &names, &lyceum_sandbox::harvest::Limits::default());
    let bound = arena.breaches(&[]).contains("changed outside");
    let trusted = arena.path("trusted");
    fs::write(&trusted, "[safe]\n\tdirectory = *\n").expect("writes");
    let mut naive = Command::new("git");
    naive
        .arg("status")
        .current_dir(&out)
        .env("GIT_CONFIG_GLOBAL", &trusted);
    outside(&mut naive, &arena);
    let free = arena.breaches(&[]).contains("changed outside");
    let mut trial = Trial::of("changed outside", free, bound).and(Trial::of(
        "did not start again",
        true,
        !again || taken.is_err(),
    ));
    if record.exit != lyceum_sandbox::Exit::Code(0) {
        trial.made = Err(format!("{:?}", record.exit));
    }
    trial.with_twin(mode.twin(
        &arena,
        "git init -q /workspace/own && git -C /workspace/own status > /dev/null",
        arena.policy(),
    ))
}

/// Starts the supervisor where one system call of the kernel is absent, refused, or done in name only.
fn start_without(mode: &Mode, arena: &Arena, missing: &str, how: &str) -> (bool, Option<Refusal>) {
    let (program, arguments) = supervisor(mode, arena, &job(arena));
    let mut command = Command::new(ATTACK);
    command.args([
        "without",
        &format!("missing={missing}"),
        &format!("as={how}"),
        "--",
    ]);
    command.arg(program).args(arguments);
    let said = outside(&mut command, arena);
    let refusal = String::from_utf8_lossy(&said).lines().find_map(|line| {
        let value = serde_json::from_str::<Value>(line).ok()?;
        serde_json::from_value::<Refusal>(value.get("refusal")?.clone()).ok()
    });
    (ran(arena), refusal)
}

fn without(mode: &Mode, cases: &[(&str, &str)]) -> Trial {
    let arena = Arena::new();
    let (free, _) = start_without(mode, &arena, "none", "done");
    let mut trial = Trial::of("ran", free, false);
    for (missing, how) in cases {
        let (ran, refusal) = start_without(mode, &arena, missing, how);
        let explained = refusal
            .as_ref()
            .is_some_and(|refusal| !refusal.found.is_empty() && !refusal.remedy.is_empty());
        trial = trial
            .and(Trial::of(
                &format!("ran without {missing}, {how}"),
                true,
                ran,
            ))
            .and(Trial::of(
                &format!("no word about {missing}, {how}"),
                true,
                !ran && !explained,
            ));
    }
    trial.with_note(format!("{} kernels", cases.len()))
}

fn refused(mode: &Mode) -> Trial {
    let mut cases = vec![
        ("landlock", "absent"),
        ("landlock", "refused"),
        ("landlock-restrict", "refused"),
        ("seccomp", "absent"),
        ("seccomp", "refused"),
        ("pivot_root", "refused"),
    ];
    match mode.backend {
        Backend::Native => cases.extend([
            ("unshare", "refused"),
            ("mount_setattr", "absent"),
            ("capset", "refused"),
        ]),
        Backend::Bwrap => cases.extend([
            ("mount", "refused"),
            ("prctl", "refused"),
            ("capset", "refused"),
        ]),
    }
    without(mode, &cases)
}

/// Without namespaces nothing runs, unless a person allowed less; then the record says so.
fn lowered(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let job = Job::new(["true"], Policy::default());
    let (program, arguments) = supervisor(mode, &arena, &job);
    let allowed = [arguments[0].clone(), "landlock".into()];
    let said = |missing: &str, arguments: &[String]| {
        let mut command = Command::new(ATTACK);
        command.args(["without", &format!("missing={missing}"), "as=refused", "--"]);
        command.arg(&program).args(arguments);
        let said = String::from_utf8_lossy(&outside(&mut command, &arena)).into_owned();
        let lines = said.lines();
        lines
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .fold(json!({}), |mut all, line| {
                for (name, value) in line.as_object().into_iter().flatten() {
                    all[name] = value.clone();
                }
                all
            })
    };
    let missing = match mode.backend {
        Backend::Native => "unshare",
        Backend::Bwrap => "mount",
    };
    let ran_at = |all: &Value, level: &str| {
        let record = &all["record"];
        record["level"] == level && record["exit"] == json!({"code": 0})
    };
    let (free, bound) = (said("none", &arguments), said(missing, &arguments));
    let lower = said("unshare", &allowed);
    let mut trial = Trial::of(
        "ran below the level",
        ran_at(&free, "namespace"),
        !bound["record"].is_null() || bound["refusal"].is_null(),
    )
    .and(Trial::of(
        "hid the level",
        true,
        !lower["record"].is_null() && lower["record"]["level"] != "landlock",
    ));
    if !ran_at(&lower, "landlock") {
        trial.made = Err(format!("with a person's leave: {lower}"));
    }
    trial.with_twin(mode.twin(&arena, "true", arena.policy()))
}

fn lied(mode: &Mode) -> Trial {
    // Bubblewrap makes its mounts read-only by the older call, and the capabilities of what it starts
    // end with its change of user, not with this call alone.
    let calls = match mode.backend {
        Backend::Native => [
            "seccomp",
            "landlock-restrict",
            "unshare",
            "mount_setattr",
            "capset",
        ],
        Backend::Bwrap => [
            "seccomp",
            "landlock-restrict",
            "mount",
            "prctl",
            "pivot_root",
        ],
    };
    without(mode, &calls.map(|call| (call, "done")))
}

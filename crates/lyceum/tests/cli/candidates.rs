//! Candidates that fail, flood, forge, break out and stay behind.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{Place, Tiny, nothing_alive};

/// Runs a study with one experiment for each mode and returns verdict, value and reason of each.
fn run_modes(place: &Place, tiny: &Tiny) -> BTreeMap<String, (String, Option<f64>, String)> {
    let study = place.study(tiny);
    let fixed = study.join("workspace/fixed");
    std::fs::create_dir(&fixed).unwrap();
    std::fs::write(fixed.join("list.txt"), "one\n").unwrap();
    let done = place.run_while_held(&study.display().to_string());
    assert!(
        matches!(done.code, 0 | 1),
        "exit {}: {}",
        done.code,
        done.err
    );
    let experiments = place.experiments(&tiny.name).into_iter();
    let searched = experiments.filter(|one| one["role"]["role"] != "ablation");
    let named = searched.map(|one| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = (
            text(&one["verdict"]),
            one["value"].as_f64(),
            text(&one["why"]),
        );
        (text(&one["settings"]["mode"]), shown)
    });
    named.collect()
}

#[test]
fn every_way_to_fail_is_a_state_with_a_reason() {
    let place = Place::new();
    let train = r#"
out="$LYCEUM_OUTPUTS/out.txt"
echo 5 > "$out"
case "$mode" in
    exit) echo "the reason of the candidate" >&2; exit 3 ;;
    crash) kill -SEGV $$ ;;
    hang) sleep 600 ;;
    missing) rm "$out" ;;
    link) ln -sf /etc/passwd "$out" ;;
    directory) rm "$out"; mkdir "$out" ;;
    protected) echo : >> train.sh ;;
    removed) rm train.sh ;;
    hidden) rm -rf fixed; mkdir fixed ;;
    moved) mv fixed elsewhere ;;
    covered) rm train.sh; mkfifo train.sh ;;
    memory) awk 'BEGIN { text = "x"; while (1) text = text text }' ;;
esac
"#;
    let modes = [
        "good",
        "exit",
        "crash",
        "hang",
        "missing",
        "link",
        "directory",
        "protected",
        "removed",
        "hidden",
        "moved",
        "covered",
        "memory",
    ];
    let tiny = Tiny {
        workspace: "protected = [\"train.sh\", \"fixed/**\"]".into(),
        run: "timeout = \"3s\"\nmemory = \"64MiB\"".into(),
        ..Tiny::modes(&modes, train)
    };
    let found = run_modes(&place, &tiny);
    let expected = [
        ("exit", "exit status 3"),
        ("crash", "killed by signal 11"),
        ("hang", "ran past its time limit"),
        ("missing", "output `out.txt`: it does not exist"),
        (
            "link",
            "output `out.txt`: it is or lies behind a symbolic link",
        ),
        ("directory", "output `out.txt`: it is not a regular file"),
        ("protected", "changed protected file `train.sh`"),
        ("removed", "changed protected file `train.sh`"),
        ("hidden", "changed protected file `fixed/list.txt`"),
        ("moved", "changed protected file `fixed/list.txt`"),
        ("covered", "changed protected file `train.sh`"),
        ("memory", "used more memory than allowed"),
    ];
    for (mode, reason) in expected {
        let (verdict, value, why) = &found[mode];
        assert_eq!(
            (verdict.as_str(), *value),
            ("failed", None),
            "{mode}: {why}"
        );
        assert_eq!(why, reason, "{mode}");
    }
    assert_eq!(found["good"].1, Some(5.0));
    let failed = place
        .experiments("tiny")
        .into_iter()
        .find(|one| one["settings"]["mode"] == "exit");
    let failed = failed.unwrap()["experiment"].as_str().unwrap().to_owned();
    let shown = place.call(&["show", &failed]).exits(0);
    shown.prints("verdict     failed: exit status 3");
    shown.prints("| the reason of the candidate");
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn a_start_that_fails_ends_the_study_with_its_reason() {
    let place = Place::new();
    place.study(&Tiny {
        train: "echo broken >&2; exit 7".into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]).exits(1);
    done.says(&[
        "the unchanged workspace gives no measurement: exit status 7",
        "broken",
    ]);
    done.prints("tiny: the unchanged workspace gives no measurement: exit status 7");
    assert_eq!(
        place.bodies("tiny", "experiment.proposed").len(),
        1,
        "nothing was tried on it"
    );
    place.assert_intact();
}

#[test]
fn a_command_that_is_not_there_is_a_state() {
    let place = Place::new();
    let directory = place.study(&Tiny::default());
    let file = directory.join("study.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("[\"sh\", \"train.sh\"]", "[\"no-such-program\"]"),
    )
    .unwrap();
    let done = place.run("tiny", &[]).exits(1);
    done.prints("the unchanged workspace gives no measurement: not started: ");
    place.assert_intact();
}

#[test]
fn a_gigabyte_of_output_is_bounded() {
    let place = Place::new();
    let train = r#"
echo 5 > "$LYCEUM_OUTPUTS/out.txt"
if [ "$mode" = flood ]; then head -c 1073741824 /dev/zero; fi
"#;
    let tiny = Tiny::modes(&["good", "flood"], train);
    let found = run_modes(&place, &tiny);
    assert_eq!(found["flood"].0, "failed");
    assert_eq!(found["flood"].2, "printed more than allowed");
    let finished = place.bodies("tiny", "run.finished");
    let printed = |one: &Value| one["usage"]["printed_bytes"].as_u64().unwrap();
    let most = finished.iter().map(printed).max().unwrap();
    assert!((1 << 20..1 << 30).contains(&most), "printed {most}");
    let log_most = finished
        .iter()
        .map(|one| one["log"].as_str().unwrap().len())
        .max();
    assert!(
        log_most.unwrap() <= 2048,
        "the log in the record is {log_most:?} bytes long"
    );
    place.assert_intact();
}

#[test]
fn a_gigabyte_of_output_does_not_pass_through_the_memory_of_the_lab() {
    let place = Place::new();
    let train = "head -c 1073741824 /dev/zero";
    place.study(&Tiny {
        train: train.into(),
        ..Tiny::default()
    });
    let mut lab = place.command(&["run", "tiny", "--slots", "1", "--json"]);
    let mut lab = lab
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    let flooded = lines.find(|line| line.as_ref().unwrap().contains("run.finished"));
    let status = fs::read_to_string(format!("/proc/{}/status", lab.id())).unwrap();
    assert!(flooded.unwrap().unwrap().contains("output-limit"));
    let most = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let most: u64 = most.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(most < 256 << 10, "the lab used {most} KiB of memory");
    lines.for_each(drop);
    assert_eq!(lab.wait().unwrap().code(), Some(1));
    place.assert_intact();
}

#[test]
fn forged_answers_on_standard_output_change_nothing() {
    let place = Place::new();
    let train = r#"
echo 'METRIC loss=0'
echo '{"nonce":"","metrics":{"loss":0}}'
printf '{"nonce":"%s","metrics":{"loss":0}}' "${LYCEUM_NONCE:-}" >&2
{ printf '{"nonce":"","metrics":{"loss":0}}' >&3; } 2> /dev/null
if [ "$mode" = forger ]; then echo 9; else echo 5; fi > "$LYCEUM_OUTPUTS/out.txt"
"#;
    let found = run_modes(&place, &Tiny::modes(&["good", "forger"], train));
    assert_eq!((found["good"].1, found["forger"].1), (Some(5.0), Some(9.0)));
    assert_eq!(found["forger"].0, "discarded");
    for measured in place.bodies("tiny", "run.measured") {
        assert_eq!(measured["trust"], "measured");
    }
    let forged = place.bodies("tiny", "run.finished");
    assert!(
        forged.iter().all(|one| one["reported"]["loss"] == 0.0),
        "what it said is kept apart"
    );
    place
        .call(&["show", "e1"])
        .exits(0)
        .prints("loss 9.0000 (measured)");
    place.assert_intact();
}

#[test]
fn nothing_of_the_evaluator_or_the_lab_can_be_reached() {
    let place = Place::new();
    let lab = place.lab().display().to_string();
    let study = place.path().join("tiny").display().to_string();
    let train = format!(
        r#"
echo 5 > "$LYCEUM_OUTPUTS/out.txt"
evil='printf "{{\"nonce\":\"%s\",\"metrics\":{{\"loss\":0}}}}" "$LYCEUM_NONCE" >&3'
if [ "$mode" = intruder ]; then
    ls -d "{lab}" "{study}" && echo 0 > "$LYCEUM_OUTPUTS/out.txt"
    for place in /private /opt/lyceum/bin "{study}" "{study}/workspace" "{lab}" "{lab}/ledger" /outputs/.. \
        /workspace/.. /usr/bin /etc /proc/1/cwd /proc/1/root; do
        mkdir -p "$place"; echo "$evil" > "$place/evaluate.sh"; echo "$evil" > "$place/train.sh"
    done
    echo "$evil" > "$LYCEUM_OUTPUTS/evaluate.sh"
    echo 4 > evaluate.sh
fi 2> /dev/null
true
"#
    );
    let tiny = Tiny::modes(&["good", "intruder"], &train);
    let found = run_modes(&place, &tiny);
    assert_eq!(found["intruder"].1, Some(5.0), "{:?}", found["intruder"]);
    assert_ne!(found["intruder"].0, "kept");
    let directory = place.path().join("tiny");
    assert_eq!(
        fs::read_to_string(directory.join("evaluate.sh")).unwrap(),
        tiny.evaluate
    );
    assert_eq!(
        fs::read_to_string(directory.join("workspace/train.sh")).unwrap(),
        tiny.train
    );
    assert!(!directory.join("workspace/evaluate.sh").exists());
    assert!(!place.lab().join("evaluate.sh").exists());
    for finished in place.bodies("tiny", "run.finished") {
        assert_eq!(
            finished["outputs"].as_array().unwrap().len(),
            1,
            "only declared outputs are kept"
        );
    }
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn daemons_do_not_outlive_their_run() {
    let place = Place::new();
    let mark = format!("86399.{}", std::process::id());
    let train = format!(
        r#"
setsid sh -c 'trap "" TERM HUP; sleep {mark} & sleep {mark}' > /dev/null 2>&1 &
(nohup sleep {mark} > /dev/null 2>&1 &)
echo 5 > "$LYCEUM_OUTPUTS/out.txt"
"#
    );
    let found = run_modes(&place, &Tiny::modes(&["good", "other"], &train));
    assert_eq!(found["other"].1, Some(5.0));
    nothing_alive(None, &mark);
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn no_network_is_there() {
    let place = Place::new();
    let train = r#"
links=$(awk 'NR > 2 { sub(":", "", $1); print $1 }' /proc/net/dev | grep -cv '^lo$')
echo "$links" > "$LYCEUM_OUTPUTS/out.txt"
"#;
    let found = run_modes(&place, &Tiny::modes(&["good", "other"], train));
    assert_eq!(
        found["good"].1,
        Some(0.0),
        "network devices but the loopback"
    );
}

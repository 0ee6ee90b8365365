//! Evaluators that fail, lie in form or say nothing.

use std::{collections::BTreeSet, fs, process::Stdio};

use crate::support::{Place, Tiny};

/// Returns number and host user of each process whose command names this mark.
fn marked(mark: &str) -> Vec<(String, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let named = processes.filter(|one| {
        let command = fs::read(one.path().join("cmdline")).unwrap_or_default();
        command.starts_with(b"sleep\0") && String::from_utf8_lossy(&command).contains(mark)
    });
    named
        .filter_map(|one| {
            let status = fs::read_to_string(one.path().join("status")).ok()?;
            let user = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
            let user = user.split_whitespace().next()?.to_owned();
            Some((one.file_name().to_string_lossy().into_owned(), user))
        })
        .collect()
}

#[test]
fn candidate_and_evaluator_are_different_users_of_the_host_where_the_lab_is_root() {
    let place = Place::new();
    // Each waits until this test has seen it and ends its sleep.
    let marks = [86_391, 86_392].map(|number| format!("{number}.{}", std::process::id()));
    let [train, evaluate] = &marks;
    place.study(&Tiny {
        train: format!("sleep {train}; echo 5 > \"$LYCEUM_OUTPUTS/out.txt\"\n"),
        evaluate: format!(
            "sleep {evaluate}; printf '{{\"nonce\":\"%s\",\"metrics\":{{\"loss\":5}}}}' \"$LYCEUM_NONCE\" >&3\n"
        ),
        ..Tiny::default()
    });
    let mut command = place.command(&["run", "tiny", "--seed", "1", "--experiments", "1"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lab = command.spawn().unwrap();
    let mut users = [BTreeSet::new(), BTreeSet::new()];
    while lab.try_wait().unwrap().is_none() {
        for (mark, users) in marks.iter().zip(&mut users) {
            for (process, user) in marked(mark) {
                users.insert(user);
                let ended = std::process::Command::new("kill").arg(process).status();
                ended.unwrap();
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let [candidates, evaluators] = users;
    assert_eq!((candidates.len(), evaluators.len()), (1, 1));
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(
        candidates != evaluators,
        is_root,
        "{candidates:?} {evaluators:?}"
    );
    assert!(!evaluators.contains("0") && !candidates.contains("0"));
    let measured = place.bodies("tiny", "run.measured");
    assert!(!measured.is_empty());
    place.assert_intact();
}

#[test]
fn every_wrong_answer_is_a_state_with_a_reason() {
    let place = Place::new();
    let train = r#"echo "$mode" > "$LYCEUM_OUTPUTS/out.txt""#;
    let evaluate = r#"read -r mode < "$1"
say() { printf "$1" "$LYCEUM_NONCE" >&3; }
case "$mode" in
    good) say '{"nonce":"%s","metrics":{"loss":5}}' ;;
    silent) ;;
    fails) echo "what is wrong" >&2; exit 4 ;;
    nononce) printf '{"metrics":{"loss":1}}' >&3 ;;
    wrongnonce) printf '{"nonce":"0","metrics":{"loss":1}}' >&3 ;;
    noform) say 'loss=1 %s' ;;
    extra) say '{"nonce":"%s","metrics":{"loss":1},"trust":"sealed"}' ;;
    twice) say '{"nonce":"%s","metrics":{"loss":1,"loss":2}}' ;;
    text) say '{"nonce":"%s","metrics":{"loss":"low"}}' ;;
    other) say '{"nonce":"%s","metrics":{"accuracy":1}}' ;;
    nan) say '{"nonce":"%s","metrics":{"loss":"nan"}}' ;;
    infinite) say '{"nonce":"%s","metrics":{"loss":"-inf"}}' ;;
    stdout) printf '{"nonce":"%s","metrics":{"loss":1}}' "$LYCEUM_NONCE" ;;
    late) say '{"nonce":"%s","metrics":{"loss":1}}'; exit 9 ;;
    hangs) sleep 600 ;;
esac
"#;
    let expected = [
        ("silent", "evaluator: it wrote no answer to descriptor 3"),
        ("fails", "what is wrong"),
        ("nononce", "its answer is not of the agreed form"),
        (
            "wrongnonce",
            "evaluator: its answer does not repeat the nonce",
        ),
        ("noform", "its answer is not of the agreed form"),
        ("extra", "its answer is not of the agreed form"),
        ("twice", "a metric is there twice"),
        ("text", "its answer is not of the agreed form"),
        ("other", "no metric `loss` in the answer"),
        ("nan", "`loss` is nan"),
        ("infinite", "`loss` is -inf"),
        ("stdout", "evaluator: it wrote no answer to descriptor 3"),
        ("late", "exit status 9"),
        ("hangs", "ran past its time limit"),
    ];
    let mut modes = vec!["good"];
    modes.extend(expected.iter().map(|(mode, _)| *mode));
    let tiny = Tiny::modes(&modes, train);
    let measure = format!("{}\ntimeout = \"3s\"", tiny.measure);
    place.study(&Tiny {
        evaluate: evaluate.into(),
        measure,
        ..tiny
    });
    let done = place.run("tiny", &[]).exits(1);
    done.prints("nothing was found that is better than the start, loss 5.0000");
    let experiments = place.experiments("tiny");
    for (mode, reason) in expected {
        let one = experiments
            .iter()
            .find(|one| one["settings"]["mode"] == mode)
            .expect(mode);
        let why = one["why"].as_str().unwrap();
        assert_eq!(one["verdict"], "failed", "{mode}: {why}");
        assert!(one["value"].is_null(), "{mode}: a failure is no number");
        assert!(why.contains(reason), "{mode}: {why}");
    }
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn every_answer_is_bound_to_a_nonce_of_its_own() {
    let place = Place::new();
    let evaluate = r#"nonce=$(printf %s "$LYCEUM_NONCE" | cksum)
printf '{"nonce":"%s","metrics":{"loss":5,"mark":%s}}' "$LYCEUM_NONCE" "${nonce%% *}" >&3
"#;
    place.study(&Tiny {
        evaluate: evaluate.into(),
        ..Tiny::default()
    });
    place.run("tiny", &[]).exits(1);
    let measured = place.bodies("tiny", "run.measured");
    let mut marks: Vec<String> = measured
        .iter()
        .map(|one| one["measured"]["values"]["mark"].to_string())
        .collect();
    let all = marks.len();
    marks.sort();
    marks.dedup();
    assert!(all >= 6, "only {all} measurements");
    assert_eq!(marks.len(), all, "a nonce was given twice");
}

#[test]
fn an_evaluator_sees_the_outputs_and_not_the_workspace() {
    let place = Place::new();
    let train = "echo 5 > \"$LYCEUM_OUTPUTS/out.txt\"; echo secret > note.txt; echo x > /tmp/left";
    let evaluate = r#"seen=0
for path in /workspace /workspace/note.txt /tmp/left; do [ -e "$path" ] && seen=$((seen + 1)); done
{ echo 1 > "$1"; } 2> /dev/null && seen=$((seen + 10))
{ echo 1 > "$0"; } 2> /dev/null && seen=$((seen + 100))
printf '{"nonce":"%s","metrics":{"loss":%s}}' "$LYCEUM_NONCE" "$seen" >&3
"#;
    place.study(&Tiny {
        train: train.into(),
        evaluate: evaluate.into(),
        ..Tiny::default()
    });
    place.run("tiny", &[]).exits(1).prints("loss 0.0000");
    place.assert_intact();
}

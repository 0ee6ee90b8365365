//! Budgets are kept in flight: what does not fit is not started, what overruns is cut.

use std::fs;

use crate::support::{Place, Tiny, nothing_alive};

/// The cause of the first run that was cut short.
fn cut_cause(place: &Place) -> Option<String> {
    let finished = place.bodies("tiny", "run.finished");
    let cause = |one: &serde_json::Value| one["outcome"]["cause"].as_str().map(str::to_owned);
    finished.iter().find_map(cause)
}

#[test]
fn a_run_that_would_overrun_the_wall_budget_is_cut() {
    let place = Place::new();
    let mark = format!("600.{}", std::process::id());
    place.study(&Tiny {
        train: format!("sleep {mark}; echo 5 > \"$LYCEUM_OUTPUTS/out.txt\""),
        run: "timeout = \"500s\"".into(),
        budget: "experiments = 5\nwall = \"2s\"".into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]).exits(3);
    done.says(&["cut short: the wall budget is spent"]);
    assert_eq!(
        cut_cause(&place).as_deref(),
        Some("the wall budget is spent")
    );
    assert_eq!(place.bodies("tiny", "study.finished")[0]["cut_short"], true);
    nothing_alive(None, &mark);
    place.run("tiny", &[]).exits(3).says(&["already finished"]);
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn a_run_that_would_overrun_the_cpu_budget_is_cut() {
    let place = Place::new();
    place.study(&Tiny {
        train: "while :; do :; done".into(),
        run: "timeout = \"500s\"".into(),
        budget: "experiments = 5\ncpu = \"1s\"".into(),
        ..Tiny::default()
    });
    place
        .run("tiny", &[])
        .exits(3)
        .says(&["cut short: the cpu budget is spent"]);
    assert_eq!(
        cut_cause(&place).as_deref(),
        Some("the cpu budget is spent")
    );
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn a_run_that_would_overrun_the_disk_budget_is_cut() {
    let place = Place::new();
    place.study(&Tiny {
        train: "head -c 50000000 /dev/zero > \"$LYCEUM_OUTPUTS/out.txt\"; sleep 600".into(),
        budget: "experiments = 5\ndisk = \"2MiB\"".into(),
        ..Tiny::default()
    });
    place
        .run("tiny", &[])
        .exits(3)
        .says(&["cut short: the disk budget is spent"]);
    place.assert_intact();
    place.assert_no_scratch();
}

/// An evaluator that does this before it answers.
fn evaluator(work: &str, budget: &str) -> Tiny {
    let tiny = Tiny::default();
    Tiny {
        evaluate: format!("{work}\n{}", tiny.evaluate),
        measure: format!("{}\ntimeout = \"500s\"", tiny.measure),
        budget: budget.into(),
        ..tiny
    }
}

#[test]
fn a_measurement_that_would_overrun_a_budget_is_cut_and_decides_nothing() {
    let mark = format!("600.2{}", std::process::id());
    let cases = [
        (
            format!("sleep {mark}"),
            "wall = \"2s\"",
            "the wall budget is spent",
        ),
        (
            "while :; do :; done".to_owned(),
            "cpu = \"1s\"",
            "the cpu budget is spent",
        ),
    ];
    for (work, limit, cause) in cases {
        let place = Place::new();
        place.study(&evaluator(&work, &format!("experiments = 5\n{limit}")));
        let done = place.run("tiny", &[]).exits(3);
        done.says(&[&format!("measurement cut short: {cause}")]);
        let cuts = place.bodies("tiny", "run.measure_cut");
        assert!(cuts.iter().any(|cut| cut["cause"] == cause), "{cuts:?}");
        assert!(place.bodies("tiny", "run.measured").is_empty());
        assert_eq!(place.bodies("tiny", "study.finished")[0]["cut_short"], true);
        place
            .call(&["show", "e0"])
            .exits(0)
            .prints(&format!("measurement cut short: {cause}"));
        nothing_alive(None, &mark);
        place.assert_intact();
        place.assert_no_scratch();
    }
}

#[test]
fn the_programs_of_a_timed_measurement_share_what_is_left() {
    let place = Place::new();
    let directory = place.study(&Tiny {
        train: "printf 'while :; do :; done' > \"$LYCEUM_OUTPUTS/out.txt\"".into(),
        measure: r#"kind = "timed"
command = ["sh", "{outputs}/out.txt", "{input}", "{output}"]
input = ["sh", "-c", "echo 1 > $0", "{input}"]
check = ["sh", "-c", "true", "{baseline}", "{output}"]
pairs = 1
clock = "cpu"
timeout = "500s""#
            .into(),
        budget: "experiments = 5\ncpu = \"2s\"".into(),
        ..Tiny::default()
    });
    // A ratio of times has one direction.
    let file = directory.join("study.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"minimize\"", "\"maximize\"")).unwrap();
    let done = place.run("tiny", &[]).exits(3);
    done.says(&["measurement cut short: the cpu budget is spent"]);
    let cut = &place.bodies("tiny", "run.measure_cut")[0];
    let used = cut["usage"]["cpu_ms"].as_u64().unwrap();
    assert!(
        (500..4_000).contains(&used),
        "{used} ms of CPU time were used"
    );
    place.assert_intact();
    place.assert_no_scratch();
}

#[test]
fn kept_outputs_count_against_the_disk_budget() {
    let place = Place::new();
    let train = format!(
        "{}head -c 300000 /dev/urandom >> \"$LYCEUM_OUTPUTS/out.txt\"\n",
        Tiny::default().train
    );
    place.study(&Tiny {
        train,
        budget: "experiments = 50\ndisk = \"2MiB\"".into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]);
    assert!(
        matches!(done.code, 0 | 3),
        "exit {}: {}",
        done.code,
        done.err
    );
    let finished = place.bodies("tiny", "run.finished");
    let outputs = finished
        .iter()
        .flat_map(|one| one["outputs"].as_array().unwrap().clone());
    let kept: u64 = outputs
        .map(|output| output["bytes"].as_u64().unwrap())
        .sum();
    assert!(
        (1 << 20..=2 << 20).contains(&kept),
        "{kept} bytes were kept"
    );
    let ended = &place.bodies("tiny", "search.ended")[0]["why"];
    assert!(ended.as_str().unwrap().contains("disk budget"), "{ended}");
    let page = fs::read_to_string(place.lab().join("studies/tiny/report.html")).unwrap();
    assert!(
        page.contains("s-records"),
        "the report leaves out what records took"
    );
    place.assert_intact();
}

#[test]
fn the_wall_budget_keeps_room_for_the_confirmation() {
    let place = Place::new();
    place.study(&Tiny {
        train: format!("sleep 0.1\n{}", Tiny::default().train),
        budget: "experiments = 10000\nwall = \"8s\"".into(),
        ..Tiny::default()
    });
    let done = place.run("tiny", &[]);
    assert!(
        matches!(done.code, 0 | 3),
        "exit {}: {}",
        done.code,
        done.err
    );
    let ended = place.bodies("tiny", "search.ended")[0]["why"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        ended.contains("wall budget is kept for the confirmation"),
        "{ended}"
    );
    assert_eq!(place.bodies("tiny", "claim.tested").len(), 1);
    place.assert_intact();
}

#[test]
fn the_number_of_experiments_is_kept_across_sessions() {
    let place = Place::new();
    place.study(&Tiny {
        budget: "experiments = 4".into(),
        ..Tiny::default()
    });
    place.run("tiny", &[]).exits(0);
    let proposed = place.experiments("tiny").into_iter();
    assert_eq!(
        proposed
            .filter(|one| one["role"]["role"] == "search")
            .count(),
        4
    );
    let ended = place.bodies("tiny", "search.ended");
    assert_eq!(ended[0]["why"], "all experiments of the budget were made");
    place
        .run("tiny", &["--again", "--experiments", "2"])
        .exits(0);
    let proposed = place.experiments("tiny~2").into_iter();
    assert_eq!(
        proposed
            .filter(|one| one["role"]["role"] == "search")
            .count(),
        2
    );
    place.assert_intact();
}

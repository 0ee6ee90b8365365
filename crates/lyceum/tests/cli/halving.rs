//! Runs that report as they go and are stopped early: `--researcher asha:NAME`.

use std::fs;

use serde_json::Value;

use crate::{
    goes_on::start_with,
    support::{Place, Tiny, found, nothing_alive},
};

const REPORTS: &str = r#"[progress]
file = "progress"
min = 1
max = 27"#;

/// The candidate of the other tests, which now says how far it is.
fn reporting() -> Tiny {
    let tiny = Tiny::default();
    let report = r#"rate=$(sed -n 's/^rate *= *//p' settings.toml)
for step in 1 3 9; do
    awk -v rate="$rate" -v step=$step 'BEGIN {
        printf "%d %.6f\n", step, (rate - 0.3) * (rate - 0.3) + 1 / step
    }' >> "$LYCEUM_PROGRESS"
done
"#;
    Tiny {
        train: format!("{report}{}", tiny.train),
        budget: "experiments = 10".into(),
        rest: REPORTS.into(),
        ..tiny
    }
}

/// Conducts the study of this name with a researcher that stops runs.
fn run(place: &Place, researcher: &str) {
    let words = [
        "run",
        "tiny",
        "--researcher",
        researcher,
        "--slots",
        "1",
        "--seed",
        "1",
    ];
    let done = place.call(&words);
    assert!(
        done.code <= 1,
        "{researcher}: exit {}\n{}",
        done.code,
        done.err
    );
}

/// Returns what each report said and what followed from it, without the numbers of its run.
fn reports(place: &Place) -> Vec<Value> {
    let mut said = place.bodies("tiny", "run.reported");
    for one in &mut said {
        one.as_object_mut().unwrap().remove("run");
    }
    said
}

#[test]
fn a_lab_that_was_killed_at_any_stage_stops_the_same_runs() {
    for researcher in ["asha:gp", "asha:random"] {
        let calm = Place::new();
        calm.study(&reporting());
        run(&calm, researcher);
        let (expected, said) = (found(&calm, "tiny"), reports(&calm));
        let stops = said.iter().filter(|one| one["stopped"] == true).count();
        assert!(stops > 0, "nothing was stopped: {said:#?}");
        let place = Place::new();
        place.study(&reporting());
        for stage in ["run.reported", "\"stopped\":true", "stopped-early"] {
            let mut child = start_with(&place, researcher, stage);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        run(&place, researcher);
        assert_eq!(found(&place, "tiny"), expected, "{researcher}");
        place.assert_intact();
        place.assert_no_scratch();
    }
}

/// One way to behave each. What is stopped leaves children behind that would outlive the test.
const MODES: &str = r#"
report() { echo "$1 $2" >> "$LYCEUM_PROGRESS"; }
hang() { setsid sleep MARK & sleep MARK; }
case $mode in
good) report 1 5; report 3 5; report 9 5;;
behind) report 1 9; hang;;
later) report 1 5; report 3 9; hang;;
nan) report 1 nan; hang;;
null) report 1 -inf; hang;;
pipe) mkfifo "$LYCEUM_PROGRESS";;
link) ln -s /etc/passwd "$LYCEUM_PROGRESS";;
directory) mkdir "$LYCEUM_PROGRESS";;
half) printf '1 9' > "$LYCEUM_PROGRESS";;
words) report 1 '9 9'; report one 9; report '{"step":1}' 9; report -1 9;;
back) report 9 5; report 3 9; report 9 9;;
twice) report 1 5; report 1 9; report 2 9;;
flood) awk 'BEGIN { for (i = 0; i < 300000; i++) print i, 5 }' > "$LYCEUM_PROGRESS";;
late) report 27 9; report 100 9;;
esac
echo 0.5 > "$LYCEUM_OUTPUTS/out.txt"
"#;

const ALL: [&str; 15] = [
    "good",
    "behind",
    "later",
    "nan",
    "null",
    "pipe",
    "link",
    "directory",
    "half",
    "words",
    "back",
    "twice",
    "flood",
    "late",
    "silent",
];
const STOPPED: [&str; 4] = ["behind", "later", "nan", "null"];

fn mode(experiment: &Value) -> &str {
    experiment["settings"]["mode"].as_str().unwrap()
}

#[test]
fn what_falls_behind_is_ended_with_its_children_and_nothing_else_is() {
    let mark = format!("600.2{}", std::process::id());
    let place = Place::new();
    place.study(&Tiny {
        run: "timeout = \"700s\"".into(),
        rest: REPORTS.into(),
        ..Tiny::modes(&ALL, &MODES.replace("MARK", &mark))
    });
    run(&place, "asha:random");
    nothing_alive(None, &mark);
    let experiments = place.experiments("tiny");
    let searched: Vec<&Value> = experiments
        .iter()
        .filter(|one| one["experiment"] != "e0")
        .collect();
    assert_eq!(
        searched.len(),
        ALL.len() - 1,
        "every way but the start's was tried"
    );
    for one in searched {
        let stopped = STOPPED.contains(&mode(one));
        let (verdict, value) = (&one["verdict"], &one["value"]);
        assert_eq!(
            verdict == "stopped-early",
            stopped,
            "{}: {verdict}",
            mode(one)
        );
        assert_eq!(value.is_null(), stopped, "{}: {value}", mode(one));
    }
    let ends: Vec<Value> = place.bodies("tiny", "run.finished");
    let cut = ends
        .iter()
        .filter(|one| one["outcome"]["cause"] == "stopped early");
    let used = cut.map(|one| one["usage"]["wall_ms"].as_u64().unwrap());
    assert!(
        used.clone().count() == 4 && used.min().unwrap() > 0,
        "what it used is counted"
    );
    place.assert_intact();
    place.assert_no_scratch();
    told(&place, &experiments);
}

/// Asserts that every face says of a stopped run what it is.
fn told(place: &Place, experiments: &[Value]) {
    let behind = experiments
        .iter()
        .find(|one| mode(one) == "behind")
        .unwrap();
    let id = behind["experiment"].as_str().unwrap();
    let shown = place.call(&["show", id]).exits(0);
    shown.prints("stopped early at 1 of 27 steps: place ");
    let page = place.lab().join("studies/tiny/report.html");
    let page = fs::read_to_string(page).unwrap();
    for text in ["4 stopped early", "saved the steps of ", "▽ stopped early"] {
        assert!(page.contains(text), "missing `{text}` in the report");
    }
    let run = first_run(place, id);
    let done = place.call(&["rerun", "tiny", &run]).exits(2);
    done.says(&["left nothing to compare with: stopped early at 1 of 27 steps"]);
}

fn first_run(place: &Place, experiment: &str) -> String {
    let started = place.bodies("tiny", "run.started");
    let of = |one: &&Value| format!("e{}", one["experiment"]) == experiment;
    let mut own = started.iter().filter(of);
    format!("r{}", own.next().unwrap()["run"])
}

#[test]
fn what_cannot_be_stopped_early_is_refused_with_what_to_do() {
    let place = Place::new();
    let directory = place.study(&Tiny::default());
    let refused = |researcher: &str, texts: &[&str]| {
        let done = place
            .call(&["run", "tiny", "--researcher", researcher])
            .exits(2);
        done.says(texts);
    };
    refused(
        "asha:gp",
        &[
            "`asha:gp` stops runs by what they report",
            "no `[progress]`",
            "`--researcher gp`",
        ],
    );
    for name in [
        "asha:",
        "asha:asha:gp",
        "asha:none",
        "asha:openai:gpt",
        "asha:command:./a",
    ] {
        refused(
            name,
            &[&format!("no researcher `{name}`"), "asha: and one of these"],
        );
    }
    let text = fs::read_to_string(directory.join("study.toml")).unwrap();
    let bad = |table: &str, texts: &[&str]| {
        fs::write(
            directory.join("study.toml"),
            format!("{text}\n[progress]\n{table}\n"),
        )
        .unwrap();
        refused("asha:gp", texts);
    };
    bad("max = 27", &["file"]);
    bad("file = \"p\"", &["max"]);
    bad(
        "file = \"a/b\"\nmax = 27",
        &["progress.file", "the plain name of a file"],
    );
    bad("file = \"out.txt\"\nmax = 27", &["out.txt", "run.outputs"]);
    bad(
        "file = \"p\"\nmin = 27\nmax = 27",
        &["progress.min", "below `progress.max`, 27"],
    );
    bad(
        "file = \"p\"\nmin = 0\nmax = 27",
        &["progress.min", "1 or more"],
    );
    bad(
        "file = \"p\"\nmax = 27\nreduction = 1",
        &["progress.reduction", "2 to 64"],
    );
    bad("file = \"p\"\nmax = -1", &["progress.max"]);
    fs::write(directory.join("study.toml"), format!("{text}\n{REPORTS}\n")).unwrap();
    run(&place, "gp");
    refused(
        "asha:gp",
        &[
            "whether runs are stopped early",
            "changed since it was begun",
        ],
    );
}

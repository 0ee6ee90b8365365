//! Files that are wrong in every way we could think of: each is an error that names the line, or is counted.

use std::{fmt::Write as _, path::PathBuf};

use lyceum_horizon::{
    ReadError, Resampling, Runs, Scoring, Settings, Standing, Weighting, bootstrap, published,
    read, runs::Form, summarise,
};
use lyceum_types::Seed;

struct Case {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Case {
    fn new(name: &str, bytes: impl AsRef<[u8]>) -> Case {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Case { directory, path }
    }

    fn read(&self, lenient: bool, scoring: Scoring) -> Result<Runs, ReadError> {
        let options = read::Options {
            form: None,
            scoring,
            lenient,
        };
        lyceum_horizon::read(&self.path, &options, &mut |_| ())
    }

    /// Asserts what the error says, and that a lenient reader counts the line.
    #[track_caller]
    fn says(&self, line: u64, text: &str) {
        let said = self.read(false, Scoring::Binary).unwrap_err().to_string();
        assert!(
            said.contains(&format!("line {line}: ")) && said.contains(text),
            "{said}"
        );
        match self.read(true, Scoring::Binary) {
            Ok(runs) => assert_eq!(runs.dropped.count(), 1, "{}", runs.dropped),
            Err(ReadError::Nothing { dropped, .. }) => assert_eq!(dropped.count(), 1),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A run of METR's with one field changed or added.
fn run(id: &str, change: &str) -> String {
    let mut fields = vec![
        ("run_id", format!("\"{id}\"")),
        ("alias", "\"one\"".into()),
        ("task_id", "\"family/task\"".into()),
        ("task_family", "\"family\"".into()),
        ("human_minutes", "12.5".into()),
        ("score_binarized", "1".into()),
    ];
    if let Some((key, value)) = change.split_once('=') {
        fields.retain(|field| field.0 != key);
        if !value.is_empty() {
            fields.push((key, value.to_owned()));
        }
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}\n", fields.join(","))
}

#[test]
fn faulty_lines_are_named_and_lenient_readers_count_them() {
    let cases = [
        ("human_minutes=", "no `human_minutes`"),
        ("human_minutes=null", "no `human_minutes`"),
        ("human_minutes=0", "`human_minutes` is 0"),
        ("human_minutes=-3", "`human_minutes` is -3"),
        ("human_minutes=1e300", "expected minutes between"),
        ("human_minutes=1e999", "not a run"),
        ("human_minutes=NaN", "not a run"),
        ("human_minutes=Infinity", "not a run"),
        ("human_minutes=\"5\"", "not a run"),
        (
            "human_minutes=13",
            "minutes of task `family/task` is 13, but 12.5 in line 1",
        ),
        (
            "task_family=\"other\"",
            "family of task `family/task` is other",
        ),
        ("alias=", "no `alias`"),
        ("alias=\" \"", "`alias` is an empty text"),
        ("task_id=null", "no `task_id`"),
        ("run_id=", "no `run_id`"),
        ("run_id=\"a\"", "run id `a` is already in line 1"),
        ("score_binarized=", "no `score_binarized`"),
        ("score_binarized=0.5", "expected 0 or 1"),
        ("score_binarized=2", "expected a score from 0 to 1"),
        ("invsqrt_task_weight=-0.1", "expected a weight of 0 or more"),
        ("equal_task_weight=-1e-9", "expected a weight of 0 or more"),
    ];
    for (change, text) in cases {
        Case::new(
            "runs.jsonl",
            run("a", "") + "\n" + &run("b", change) + &run("c", ""),
        )
        .says(3, text);
    }
    Case::new("runs.jsonl", run("a", "") + "[\"b\",1]\n").says(2, "expected a JSON object");
    Case::new("runs.jsonl", run("a", "") + "{\"run_id\":").says(2, "not a run");
    Case::new(
        "runs.jsonl",
        run("a", "") + &run("b", "").replace("}\n", ",\"alias\":\"x\"}\n"),
    )
    .says(2, "duplicate field");
    Case::new(
        "runs.jsonl",
        [run("a", "").as_bytes(), b"{\"alias\":\"\xff\xfe\"}\n"].concat(),
    )
    .says(2, "not text");
    let weights = run("a", "invsqrt_task_weight=0.1") + &run("b", "invsqrt_task_weight=0.2");
    Case::new("runs.jsonl", weights).says(2, "expected one weight");
}

#[test]
fn a_line_of_a_gigabyte_is_not_kept() {
    // As long as a gigabyte to a reader that must not keep it: eight times the longest line that is read.
    let long = format!(
        "{}{{\"run_id\":\"{}\"}}\n{}",
        run("a", ""),
        "x".repeat(8 << 20),
        run("c", "")
    );
    let case = Case::new("runs.jsonl", long);
    case.says(2, "longer than 1048576 bytes");
    assert_eq!(case.read(true, Scoring::Binary).unwrap().count(), 2);
}

#[test]
fn marks_line_ends_and_blank_lines_do_no_harm() {
    let text = format!(
        "\u{feff}{}\r\n\r\n  \n{}",
        run("a", "").replace('\n', "\r\n"),
        run("7", "run_id=7").trim()
    );
    let runs = Case::new("runs", text)
        .read(false, Scoring::Binary)
        .unwrap();
    assert_eq!((runs.form, runs.count()), (Form::MetrRuns, 2));
    let yaml = "\u{feff}agents:\r\n  one:\r\n    tasks:\r\n    - {task_id: f/t, human_minutes: 3, n_successes: 1, n_runs: 2}\r\n";
    let runs = Case::new("counts", yaml)
        .read(false, Scoring::Binary)
        .unwrap();
    assert_eq!(
        (runs.form, runs.count(), runs.families[0].name.as_str()),
        (Form::MetrCounts, 2, "f")
    );
}

#[test]
fn what_is_no_file_of_runs_is_told_what_it_is() {
    let says = |case: &Case, text: &str| {
        let said = case.read(false, Scoring::Binary).unwrap_err().to_string();
        assert!(said.contains(text), "{said}");
    };
    says(&Case::new("empty.jsonl", ""), "is empty");
    says(&Case::new("blank.jsonl", "\n \r\n\n"), "is empty");
    says(
        &Case::new("image", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\xff\xfe"),
        "line 1: not text",
    );
    says(&Case::new("notes.txt", "hello\nworld\n"), "no `agents`");
    says(&Case::new("list.yaml", "- 1\n- 2\n"), "no `agents`");
    says(&Case::new("deep.yaml", "[".repeat(10_000)), "not YAML");
    says(
        &Case::new("laughs.yaml", "a: &a [1]\nb: [*a, *a]\n"),
        "anchors",
    );
    let directory = tempfile::tempdir().unwrap();
    let options = read::Options {
        form: None,
        scoring: Scoring::Binary,
        lenient: true,
    };
    let read = |path| {
        lyceum_horizon::read(path, &options, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(read(directory.path()).contains("is a directory"));
    assert!(read(&directory.path().join("absent")).contains("cannot read"));
}

#[test]
fn faulty_counts_are_named() {
    let counts = |task: &str| {
        format!(
            "agents:\n  one:\n    tasks:\n    - task_id: f/a\n      human_minutes: 3\n      n_successes: 1\n      n_runs: 2\n{task}"
        )
    };
    let task = |minutes: &str, successes: &str, runs: &str| {
        format!(
            "    - task_id: f/b\n      human_minutes: {minutes}\n      n_successes: {successes}\n      n_runs: {runs}\n"
        )
    };
    for (minutes, successes, runs, text) in [
        ("~", "1", "2", "no `human_minutes`"),
        (".nan", "1", "2", "expected a finite number"),
        (".inf", "1", "2", "expected a finite number"),
        ("1e99", "1", "2", "expected minutes between"),
        ("3", "3", "2", "3 of 2 runs"),
        ("3", "0", "0", "0 of 0 runs"),
        ("3", "-1", "2", "expected a whole number"),
        ("3", "0.5", "2", "expected a whole number"),
        ("3", "1", "1e30", "expected a whole number"),
        ("3", "1", "many", "`n_runs` is `many`"),
    ] {
        Case::new("counts.yaml", counts(&task(minutes, successes, runs))).says(8, text);
    }
    Case::new(
        "counts.yaml",
        counts(
            "    - task_id: f/a\n      human_minutes: 3\n      n_successes: 1\n      n_runs: 2\n",
        ),
    )
    .says(8, "counted before");
    Case::new(
        "counts.yaml",
        counts("  two:\n    release_date: soon\n    tasks: []\n"),
    )
    .says(9, "expected a day like");
    let twice = Case::new("counts.yaml", counts("  one:\n    tasks: []\n"));
    assert!(
        twice
            .read(false, Scoring::Binary)
            .unwrap_err()
            .to_string()
            .contains("key `one` occurs twice")
    );
    let partial = twice.read(false, Scoring::Partial).unwrap_err();
    assert!(matches!(partial, ReadError::NoParts { .. }), "{partial}");
}

/// An attempt of the lab's.
fn attempt(id: u32, rest: &str) -> String {
    format!(
        "{{\"attempt\":\"{id}\",\"agent\":\"g1\",\"task\":\"f/t{id}\",\"human_minutes\":{},{rest}}}\n",
        1 << id
    )
}

#[test]
fn attempts_are_checked_and_void_ones_are_no_failures() {
    let cases = [
        ("\"success\":true,\"sucess\":true", "unknown field `sucess`"),
        ("\"score\":0.5", "no `success`"),
        ("\"success\":1", "not a run"),
        (
            "\"success\":true,\"void\":\"lost\"",
            "`void` is given beside a result",
        ),
        (
            "\"success\":true,\"released\":\"May\"",
            "expected a day like",
        ),
        (
            "\"success\":true,\"released\":\"2026-02-02\"",
            "is released on 2026-02-02, but on 2026-01-01 before",
        ),
    ];
    let first = attempt(1, "\"success\":true,\"released\":\"2026-01-01\"");
    for (rest, text) in cases {
        Case::new("a.jsonl", first.clone() + &attempt(2, rest)).says(2, text);
    }
    let runs = Case::new(
        "a.jsonl",
        first.clone() + &attempt(2, "\"void\":\"disk full\""),
    )
    .read(false, Scoring::Binary)
    .unwrap();
    assert_eq!((runs.count(), runs.void, runs.dropped.count()), (1, 1, 0));
    let void = Case::new("a.jsonl", attempt(2, "\"void\":\"disk full\""));
    assert!(matches!(
        void.read(false, Scoring::Binary),
        Err(ReadError::Nothing { void: 1, .. })
    ));
}

#[test]
fn a_refused_line_leaves_no_trace_and_claims_no_name() {
    let first = attempt(1, "\"success\":true,\"released\":\"2026-01-01\"");
    let refused = attempt(2, "\"success\":true,\"released\":\"2026-02-02\"").replace("f/", "g/");
    let runs = Case::new("a.jsonl", first.clone() + &refused)
        .read(true, Scoring::Binary)
        .unwrap();
    assert_eq!((runs.tasks.len(), runs.families.len()), (1, 1));
    let right = refused.replace("02-02", "01-01");
    let runs = Case::new("a.jsonl", first.clone() + &refused + &right)
        .read(true, Scoring::Binary)
        .unwrap();
    assert_eq!((runs.count(), runs.dropped.count()), (2, 1));
    let metr = run("a", "") + &run("b", "human_minutes=13") + &run("b", "");
    let runs = Case::new("runs.jsonl", metr)
        .read(true, Scoring::Binary)
        .unwrap();
    assert_eq!((runs.count(), runs.dropped.count()), (2, 1));
}

#[test]
fn void_lines_are_checked_and_their_agents_are_listed() {
    let first = attempt(1, "\"success\":true,\"released\":\"2026-01-01\"");
    let void = |id: u32, rest: &str| attempt(id, &format!("\"void\":\"lost\"{rest}"));
    for (line, text) in [
        (void(2, "").replace("f/t2", "f/t1"), "minutes of task"),
        (
            void(1, ",\"family\":\"g\"").replace("\"attempt\":\"1", "\"attempt\":\"2"),
            "family of task",
        ),
        (void(2, ",\"released\":\"2026-02-02\""), "is released on"),
        (attempt(2, "\"void\":\"\""), "`void` is an empty text"),
        (attempt(2, "\"success\":true,\"score\":2"), "`score` is 2"),
        (void(1, ""), "is already in line 1"),
    ] {
        Case::new("a.jsonl", first.clone() + &line).says(2, text);
    }
    let other = void(2, "").replace("g1", "g0").replace("f/", "g/");
    let text = other + &first + &attempt(3, "\"success\":false");
    let runs = Case::new("a.jsonl", text)
        .read(false, Scoring::Binary)
        .unwrap();
    assert_eq!((runs.agents.len(), runs.tasks.len(), runs.void), (1, 2, 1));
    assert_eq!(
        (runs.families.len(), runs.families[0].name.as_str()),
        (1, "f")
    );
    assert_eq!(runs.families[0].tasks, [0, 1]);
    assert_eq!(runs.agents[0].cells[1].task, 1);
    assert_eq!(
        (runs.unmeasured[0].name.as_str(), runs.unmeasured[0].void),
        ("g0", 1)
    );
}

#[test]
fn agents_that_never_always_or_hardly_succeed_are_states_and_not_infinities() {
    let mut text = String::new();
    let agents: [(&str, &dyn Fn(u32) -> bool); 4] = [
        ("always", &|_| true),
        ("never", &|_| false),
        ("rises", &|task| task > 4),
        ("wall", &|task| task < 4),
    ];
    for (agent, success) in agents {
        for task in 0..8 {
            let line = attempt(task, &format!("\"success\":{}", success(task)));
            let _ = write!(
                text,
                "{}",
                line.replace("\"g1\"", &format!("\"{agent}\"")).replace(
                    &format!("\"attempt\":\"{task}\""),
                    &format!("\"attempt\":\"{agent}{task}\"")
                )
            );
        }
    }
    text += "{\"attempt\":\"x\",\"agent\":\"one task\",\"task\":\"f/t3\",\"human_minutes\":8,\"success\":true}\n";
    text += "{\"attempt\":\"y\",\"agent\":\"one task\",\"task\":\"f/t3\",\"human_minutes\":8,\"success\":false}\n";
    let case = Case::new("a.jsonl", text);
    let runs = case.read(false, Scoring::Binary).unwrap();
    assert!(case.directory.path().exists());
    let resampling = Resampling {
        iterations: 300,
        seed: Seed(1),
        threads: 2,
        weighting: Weighting::EveryTask,
        regularisation: 1e-5,
    };
    let draws = bootstrap(&runs, &resampling, &|_| ()).unwrap();
    let settings = Settings {
        weighting: Weighting::EveryTask,
        regularisation: 1e-5,
        quantiles: vec![0.5, 0.8],
        confidence: 0.95,
    };
    let all = summarise(&runs, &settings, Some(&draws)).unwrap();
    let of = |name: &str| {
        all.iter()
            .find(|one| runs.agents[one.agent].name == name)
            .unwrap()
    };
    assert_eq!(of("always").standing, Standing::AlwaysSucceeds);
    assert_eq!(of("never").standing, Standing::NeverSucceeds);
    assert!(matches!(of("rises").standing, Standing::NoHorizon(curve) if curve.slope > 0.0));
    assert!(matches!(of("one task").standing, Standing::NoHorizon(curve) if curve.slope == 0.0));
    for name in ["always", "never", "rises", "one task"] {
        assert!(
            of(name)
                .horizons
                .iter()
                .all(|one| one.minutes.is_none() && one.early_stop.is_none()),
            "{name}"
        );
    }
    let wall = of("wall").horizons[0];
    assert!((8.0..16.0).contains(&wall.minutes.unwrap()), "{wall:?}");
    let ends = all
        .iter()
        .flat_map(|one| one.horizons.iter().filter_map(|one| one.interval));
    assert!(
        ends.into_iter()
            .all(|(low, high)| low > 0.0 && low <= high && high.is_finite())
    );
    assert_eq!((of("never").average, of("always").average), (0.0, 1.0));
}

#[test]
fn what_never_ends_is_refused_at_once() {
    let options = read::Options {
        form: None,
        scoring: Scoring::Binary,
        lenient: true,
    };
    let said = lyceum_horizon::read("/dev/zero".as_ref(), &options, &mut |_| ()).unwrap_err();
    assert!(said.to_string().contains("is a device"), "{said}");
}

#[test]
fn weights_are_told_as_numbers() {
    let text = run("a", "invsqrt_task_weight=0.5") + &run("b", "invsqrt_task_weight=0.25");
    Case::new("runs.jsonl", text).says(2, "weigh 0.25 here and 0.5 before");
}

#[test]
fn published_tables_that_are_wrong_are_named() {
    let says = |name: &str, text: &str, expected: &str| {
        let case = Case::new(name, text);
        let said = published::read_table(&case.path).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    };
    says("t.csv", "", "no `agent`");
    says("t.csv", "agent,p50\n", "is empty");
    says("t.csv", "name,p50\nx,1\n", "no `agent`");
    says("t.csv", "agent,p50\nx,1\ny\n", "line 3: ");
    says("t.csv", "agent,p50\nx,long\n", "expected a number");
    says("t.csv", "agent,release_date\nx,2026-13-01\n", "line 2: ");
    says("t.yaml", "results:\n  x:\n    metrics: ~\n", "no `metrics`");
    says("t.yaml", "a: [", "not YAML");
    says("t.csv", "agent,p50\nx,1\nx,2\n", "is already in line 2");
    says("t.csv", "agent,p50\n ,1\n", "`agent` is an empty text");
    says("t.csv", "agent,p50\nx,-1\n", "expected minutes above 0");
    says("t.csv", "agent,p50,p50_lo,p50_hi\nx,1,3,2\n", "is 3 to 2");
    says(
        "t.csv",
        "agent,average\nx,1.5\n",
        "expected a score from 0 to 1",
    );
    says(
        "t.yaml",
        "results:\n  x:\n    metrics:\n      p50_horizon_length:\n        estimate: -1\n",
        "expected minutes above 0",
    );
    let case = Case::new("draws.csv", "x,y\n1,2\n");
    assert!(published::read_draws(&case.path, "p50").is_err());
}

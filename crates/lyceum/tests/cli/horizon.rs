//! Time horizons from the command line: forms, tables, figures, faults.

use std::{fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;

use crate::support::Place;

/// METR's files, where they are at hand.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn metr(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared =
        std::env::var_os("LYCEUM_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/metr").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!(
        "SKIPPED: METR's file {name} is not below LYCEUM_SHARED ({})",
        shared.display()
    );
    None
}

/// Attempts of three agents that succeed up to 4, 32 and 256 minutes, with some noise.
fn attempts() -> String {
    let mut text = String::new();
    for (agent, level, released) in [
        ("first", 2, "2024-01-01"),
        ("second", 5, "2024-07-01"),
        ("third", 8, "2025-01-01"),
    ] {
        for task in 0..12 {
            for run in 0..4 {
                let success = task + (task + run) % 3 < level + 1;
                let _ = writeln!(
                    text,
                    "{{\"attempt\":\"{agent}-{task}-{run}\",\"agent\":\"{agent}\",\"task\":\"f{}/t{task}\",\"human_minutes\":{},\
                     \"success\":{success},\"released\":\"{released}\"}}",
                    task / 3,
                    1 << task
                );
            }
        }
    }
    text
}

fn with_attempts() -> Place {
    let place = Place::new();
    fs::write(place.path().join("attempts.jsonl"), attempts()).unwrap();
    place
}

#[test]
fn a_table_for_people_names_horizons_trend_and_caveats() {
    let place = with_attempts();
    let done = place.call(&["horizon", "fit", "attempts.jsonl"]).exits(0);
    assert_eq!(done.err, "");
    for text in [
        "144 runs of 12 tasks in 4 families by 3 agents, regularisation 1e-5 (metr-2026)",
        "● third",
        "trend of the state of the art",
        "the horizon doubles every",
        "to be read with the numbers",
        "2 of 12 tasks take 16 hours or more",
        "not a working time",
        "other shapes move METR's horizons by up to 35 %",
    ] {
        done.prints(text);
    }
    assert!(!place.lab().exists(), "a lab was made");
}

#[test]
fn programs_get_the_same_numbers_on_any_number_of_threads() {
    let place = with_attempts();
    let json = |threads: &str| {
        let words = [
            "horizon",
            "fit",
            "attempts.jsonl",
            "--json",
            "--threads",
            threads,
            "--success",
            "80,50,25",
        ];
        let done = place.call(&words).exits(0);
        serde_json::from_str::<Value>(&done.out).unwrap()
    };
    let shown = json("1");
    assert_eq!(shown, json("3"));
    let third = &shown["agents"][2];
    assert_eq!(
        (third["name"].as_str(), third["standing"].as_str()),
        (Some("third"), Some("measured"))
    );
    let horizons = third["horizons"].as_array().unwrap();
    assert_eq!(horizons.len(), 3);
    for one in horizons {
        let at = |key: &str| one[key].as_f64().unwrap();
        assert!(
            at("low") <= at("minutes") && at("minutes") <= at("high"),
            "{one}"
        );
    }
    assert!(
        (100.0..400.0).contains(&horizons[1]["minutes"].as_f64().unwrap()),
        "{third}"
    );
    let trend = &shown["trends"][0];
    assert_eq!(trend["members"].as_array().unwrap().len(), 3);
    let at = |key: &str| trend[key].as_f64().unwrap();
    assert!(
        at("low") < at("doubling_days") && at("doubling_days") < at("high"),
        "{trend}"
    );
}

#[test]
fn csv_read_back_as_a_published_table_agrees_and_a_wrong_one_differs() {
    let place = with_attempts();
    place
        .call(&["horizon", "fit", "attempts.jsonl", "--csv", "ours.csv"])
        .exits(0);
    let words = [
        "horizon",
        "fit",
        "attempts.jsonl",
        "--seed",
        "2",
        "--against",
        "ours.csv",
    ];
    let done = place.call(&words).exits(0);
    done.prints(
        "21 numbers, 21 agree, 0 differ by as much as the published fit stopped early, 0 differ",
    );
    let table = fs::read_to_string(place.path().join("ours.csv")).unwrap();
    let row = table
        .lines()
        .find(|line| line.starts_with("third,"))
        .unwrap();
    let cells: Vec<&str> = row.split(',').collect();
    let wrong = table.replace(
        cells[5],
        &(cells[5].parse::<f64>().unwrap() * 1.5).to_string(),
    );
    fs::write(place.path().join("wrong.csv"), wrong).unwrap();
    let done = place
        .call(&["horizon", "fit", "attempts.jsonl", "--against", "wrong.csv"])
        .exits(1);
    done.prints("DIFFERS");
    // And as a table with a trend of its own.
    let done = place
        .call(&["horizon", "trend", "ours.csv", "--figure", "t.svg"])
        .exits(0);
    done.prints("3 agents");
    place
        .call(&["horizon", "trend", "ours.csv", "--against", "1"])
        .exits(1)
        .prints("DIFFERS");
    let with = [
        "horizon",
        "fit",
        "attempts.jsonl",
        "--agent",
        "second",
        "--with",
        "ours.csv",
        "--figure",
        "both.svg",
    ];
    place.call(&with).exits(0).prints("◆ second");
    let figure = fs::read_to_string(place.path().join("both.svg")).unwrap();
    assert!(figure.contains(">ours</text>") && figure.contains("class=\"ours\""));
}

#[test]
fn figures_are_the_same_bytes_each_time_and_load_nothing() {
    let place = with_attempts();
    for name in ["a.svg", "b.svg"] {
        let curves = format!("curves-{name}");
        place
            .call(&[
                "horizon",
                "fit",
                "attempts.jsonl",
                "--figure",
                name,
                "--curves",
                &curves,
            ])
            .exits(0);
    }
    let text = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(text("a.svg"), text("b.svg"));
    assert_eq!(text("curves-a.svg"), text("curves-b.svg"));
    for svg in [text("a.svg"), text("curves-a.svg")] {
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(
            !svg.replace("http://www.w3.org/2000/svg", "")
                .contains("http")
                && !svg.contains("<script")
                && !svg.contains("NaN")
        );
        for name in ["first", "second", "third"] {
            assert!(svg.contains(&format!(">{name}<")), "{name}");
        }
    }
}

#[test]
fn faults_name_the_line_and_lenient_counts() {
    let place = with_attempts();
    let path = place.path().join("bad.jsonl");
    let bad = attempts()
        + "{\"attempt\":\"z\",\"agent\":\"third\",\"task\":\"f0/t0\",\"success\":true}\nnot json\n";
    fs::write(&path, bad).unwrap();
    let done = place.call(&["horizon", "fit", "bad.jsonl"]).exits(2);
    done.says(&[
        "error: `bad.jsonl`, line 145: no `human_minutes`",
        "hint: `--lenient`",
    ]);
    assert_eq!(done.out, "");
    let done = place
        .call(&["horizon", "fit", "bad.jsonl", "--lenient"])
        .exits(0);
    done.prints("left out: 2 lines: 1 with a missing field (first in line 145), 1 malformed (first in line 146)");
    fs::write(
        place.path().join("dates.yaml"),
        "date:\n  first: 2024-01-01\n  second: 2024-07-01\n",
    )
    .unwrap();
    fs::write(
        &path,
        attempts().replace(",\"released\":\"2025-01-01\"", ""),
    )
    .unwrap();
    let dated = ["horizon", "fit", "bad.jsonl", "--dates", "dates.yaml"];
    place.call(&dated).exits(2).says(&[
        "line 97: agent `third` has no release date",
        "--date 'third=",
    ]);
    place
        .call(&[&dated[..], &["--lenient"]].concat())
        .exits(0)
        .prints("without a release date: third");
    place
        .call(&[&dated[..], &["--date", "third=2025-01-01"]].concat())
        .exits(0)
        .prints("3 agents");
}

#[test]
fn words_that_mean_nothing_are_told_what_there_is() {
    let place = with_attempts();
    for (words, text) in [
        (
            &["--agent", "fourth"][..],
            "agent `fourth` is not in `attempts.jsonl`",
        ),
        (&["--ours", "fourth"], "there are: first, second, third"),
        (&["--date", "fourth=2025-01-01"], "agent `fourth` is not in"),
        (&["--regularisation", "0"], "expected `metr-2026` (1e-5)"),
        (&["--regularisation", "nan"], "expected `metr-2026` (1e-5)"),
        (&["--success", "100"], "expected a percentage"),
        (&["--weights", "recorded"], "without a recorded weight"),
        (&["--dates", "absent.yaml"], "cannot read `absent.yaml`"),
        (&["--against", "attempts.jsonl"], "attempts.jsonl"),
        (&["--figure", "no/such/place.svg"], "cannot write"),
    ] {
        place
            .call(&[&["horizon", "fit", "attempts.jsonl"][..], words].concat())
            .exits(2)
            .says(&[text]);
    }
    place
        .call(&["horizon", "fit", "."])
        .exits(2)
        .says(&["`.` is a directory"]);
    place.call(&["horizon", "trend", "attempts.jsonl"]).exits(2);
}

#[test]
fn an_agent_alone_stands_as_it_does_among_all() {
    let place = with_attempts();
    let path = place.path().join("attempts.jsonl");
    let late: String = attempts()
        .replace("first", "worse")
        .replace("2024-01-01", "2025-06-01")
        .lines()
        .filter(|line| line.contains("worse"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    fs::write(&path, attempts() + &late).unwrap();
    let all = [
        "horizon",
        "fit",
        "attempts.jsonl",
        "--resamples",
        "20",
        "--csv",
        "ours.csv",
    ];
    place.call(&all).exits(0).prints("○ worse");
    let alone = [
        "horizon",
        "fit",
        "attempts.jsonl",
        "--resamples",
        "20",
        "--agent",
        "worse",
        "--against",
        "ours.csv",
    ];
    let done = place.call(&alone).exits(0);
    done.prints("○ worse");
    done.prints("doubles every");
    assert!(!done.out.contains("second"), "{}", done.out);
    // Nothing says what the published value of 37 % is, so it cannot differ; other coverages compare the same ends.
    for words in [["--success", "37"], ["--confidence", "80"]] {
        place.call(&[&alone[..], &words].concat()).exits(0);
    }
    let table = fs::read_to_string(place.path().join("ours.csv")).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with("first,"))
        .collect();
    fs::write(place.path().join("less.csv"), rows.join("\n")).unwrap();
    place
        .call(&[
            "horizon",
            "fit",
            "attempts.jsonl",
            "--resamples",
            "1",
            "--against",
            "less.csv",
        ])
        .exits(0)
        .prints("not compared, because the table lacks them: first");
}

#[test]
fn names_forge_no_rows_and_files_are_not_overwritten() {
    let place = with_attempts();
    let path = place.path().join("attempts.jsonl");
    let void = "{\"attempt\":\"v\",\"agent\":\"lost\",\"task\":\"x\",\"human_minutes\":1,\"void\":\"disk\"}\n";
    fs::write(
        &path,
        attempts().replace("\"second\"", "\"second\\n● forged\"") + void,
    )
    .unwrap();
    let fit = ["horizon", "fit", "attempts.jsonl", "--resamples", "0"];
    let done = place.call(&fit).exits(0);
    done.prints("second\\n● forged");
    done.prints("nothing measured");
    assert!(
        !done.out.lines().any(|line| line.starts_with("● forged")),
        "{}",
        done.out
    );
    for words in [
        &["--csv", "attempts.jsonl"][..],
        &["--figure", "./attempts.jsonl"],
        &["--figure", "a.svg", "--curves", "./a.svg"],
    ] {
        place
            .call(&[&fit[..], words].concat())
            .exits(2)
            .says(&["named twice"]);
    }
    let json = place.call(&[&fit[..], &["--json"]].concat()).exits(0);
    let shown: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(shown["settings"]["weights"], "root-of-family");
    assert_eq!(shown["nothing_measured"][0]["name"], "lost");
    place
        .call(&["horizon", "trend", "attempts.jsonl", "--against", "nan"])
        .exits(2)
        .says(&["a number of days"]);
}

#[test]
fn metrs_table_is_reproduced_by_one_command() {
    let files = [
        "all_runs.2025-01-28.jsonl",
        "release_dates.jan2026.yaml",
        "oracle_fits_2025-01-28_reg1e-05.csv",
    ]
    .map(metr);
    let [Some(runs), Some(dates), Some(fits)] = files else {
        return;
    };
    let word = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let place = Place::new();
    let (runs, dates, fits) = (word(&runs), word(&dates), word(&fits));
    let words = [
        "horizon",
        "fit",
        &runs,
        "--dates",
        &dates,
        "--against",
        &fits,
        "--resamples",
        "5000",
    ];
    // METR calls the same agent by another name in its table of dates.
    place
        .call(&words)
        .exits(2)
        .says(&["agent `davinci-002` has no release date"]);
    let done = place
        .call(&[&words[..], &["--date", "davinci-002=2020-05-28"]].concat())
        .exits(0);
    done.prints(
        "73 numbers, 63 agree, 10 differ by as much as the published fit stopped early, 0 differ",
    );
    let Some(live) = metr("benchmark_results_1_1.live2026_reg1e-5.csv") else {
        return;
    };
    let done = place
        .call(&["horizon", "trend", &word(&live), "--against", "128.744"])
        .exits(0);
    done.prints("ours 128.7438, difference -1.5e-6");
}

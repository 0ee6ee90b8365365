//! Which kept changes of somebody else's log stand out from its noise.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Done, Place};

const LOG: &str = "commit\tloss\tmemory_gb\tstatus\tdescription
a0\t1.000\t4.0\tkeep\tbaseline
a1\t0.900\t4.0\tkeep\thalve the batch
a2\t0.902\t4.0\tdiscard\trandom seed 42 to 137
a3\t0.000\t0.0\tcrash\tout of memory \u{1b}[31m
a4\t0.899\t4.0\tkeep\twarm-up of 5 %
a5\t0.950\t4.0\tdiscard\tanother seed schedule for dropout
";

fn adopt(text: &[u8], more: &[&str]) -> Done {
    let place = Place::new();
    fs::write(place.path().join("results.tsv"), text).unwrap();
    place.call(&[&["adopt", "results.tsv"], more].concat())
}

#[test]
fn each_kept_change_is_held_against_the_noise() {
    let done = adopt(LOG.as_bytes(), &["--json"]).exits(0);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    // One pair that differs by 0.002: a deviation of 0.002/√2, and a standard error of a difference of 0.002.
    let sd = found["sd"].as_f64().unwrap();
    assert!((sd - 0.002 / 2_f64.sqrt()).abs() < 1e-12, "{sd}");
    let changes = found["changes"].as_array().unwrap();
    let gaps: Vec<f64> = changes
        .iter()
        .map(|one| one["standard_errors"].as_f64().unwrap())
        .collect();
    assert!(
        (gaps[0] - 50.0).abs() < 1e-6 && (gaps[1] - 0.5).abs() < 1e-6,
        "{gaps:?}"
    );
    assert_eq!(
        (&changes[0]["supported"], &changes[1]["supported"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        (&found["kept"], &found["discarded"], &found["crashed"]),
        (&3.into(), &2.into(), &1.into())
    );
    // 1/2 + 1/3 + 1/4 + 1/5.
    assert!((found["kept_by_chance"].as_f64().unwrap() - 77.0 / 60.0).abs() < 1e-12);

    let shown = adopt(LOG.as_bytes(), &[]).exits(0);
    shown.prints("1 of 2 kept changes are supported");
    shown.prints("1 row of the log that change nothing but the seed");
    assert!(
        !shown.out.contains('\u{1b}'),
        "an escape sequence of the log reaches the terminal"
    );
    // A given deviation is taken instead; larger is better turns every keep into a loss.
    adopt(LOG.as_bytes(), &["--sd", "0.0001"])
        .exits(0)
        .prints("2 of 2 kept changes are supported");
    adopt(LOG.as_bytes(), &["--maximize"])
        .exits(0)
        .prints("✗ not better");
}

#[test]
fn a_log_that_is_not_understood_is_refused_with_its_line() {
    let bad = |change: fn(&str) -> String| adopt(change(LOG).as_bytes(), &[]).exits(2);
    bad(|log| log.replace("0.899", "nan")).says(&["results.tsv:6: the metric is `nan`"]);
    bad(|log| log.replace("\tcrash\t", "\tperhaps\t")).says(&["results.tsv:5: status `perhaps`"]);
    bad(|log| log.replace("a4\t", "")).says(&["results.tsv:6: 4 columns; the first line has 5"]);
    bad(|log| log.replace("status", "state"))
        .says(&["results.tsv:1: no column `status`; found commit"]);
    bad(|_| String::new()).says(&["is empty"]);
    bad(|log| log.lines().next().unwrap().to_owned()).says(&["holds no experiment"]);
    bad(|log| log.replace("random seed", "more dropout"))
        .says(&["no row changes nothing but the seed", "`--sd`"]);
    adopt(LOG.as_bytes(), &["--metric", "bits"])
        .exits(2)
        .says(&["no column `bits`"]);
    adopt(LOG.as_bytes(), &["--sd", "0"])
        .exits(2)
        .says(&["`--sd` is 0; expected a number above 0"]);
    adopt(b"\xff\xfe", &[])
        .exits(2)
        .says(&["cannot read `results.tsv`"]);
    let place = Place::new();
    place
        .call(&["adopt", "."])
        .exits(2)
        .says(&["is not a file"]);
    place
        .call(&["adopt", "none"])
        .exits(2)
        .says(&["cannot read `none`"]);
    // Other line ends and a byte-order mark are no fault.
    let windows = format!("\u{feff}{}", LOG.replace('\n', "\r\n"));
    adopt(windows.as_bytes(), &[])
        .exits(0)
        .prints("1 of 2 kept changes");
}

#[test]
fn the_published_session_of_126_experiments_is_classified() {
    let shared = std::env::var("LYCEUM_SHARED").unwrap_or_else(|_| "../../../shared".into());
    let log = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(shared)
        .join("data/autoresearch_session_mar8.tsv");
    if !log.exists() {
        eprintln!(
            "SKIPPED: `{}` is not there; LYCEUM_SHARED names its directory",
            log.display()
        );
        return;
    }
    let place = Place::new();
    let done = place
        .call(&["adopt", &log.display().to_string(), "--json"])
        .exits(0);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&found["rows"], &found["kept"], &found["crashed"]),
        (&126.into(), &23.into(), &1.into())
    );
    let changes = found["changes"].as_array().unwrap();
    // The one change of seed moved the metric by 0.0007, and 14 of the 22 kept improvements are smaller than that.
    let small = changes
        .iter()
        .filter(|one| one["standard_errors"].as_f64().unwrap() < 1.0)
        .count();
    assert_eq!((changes.len(), small), (22, 14));
    assert!(found["standard_errors"].as_f64().unwrap() > 30.0);
}

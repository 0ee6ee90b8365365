//! `pack` and `verify-packing`.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use crate::support::{run, run_with};

/// Twenty-six equal circles on a 6 × 6 grid, touching: exactly feasible by hand.
fn grid_text() -> String {
    (0..26).fold(String::new(), |mut text, i| {
        writeln!(
            text,
            "{:.2} {:.2} 0.08",
            0.08 + 0.16 * f64::from(i % 6),
            0.08 + 0.16 * f64::from(i / 6)
        )
        .unwrap();
        text
    })
}

fn directory_with(name: &str, text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

#[test]
fn a_short_search_writes_a_good_packing_that_verifies() {
    let directory = directory_with("solver.toml", "move = \"mixed\"\ncircles_moved = 3\n");
    let at = directory.path();
    let packed = run(at, &["pack", "solver.toml", "--evaluations", "60000"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    let sum = run(at, &["verify-packing", "packing.txt"]).metric("sum_radii");
    assert!((2.60..2.6360).contains(&sum), "{sum}");
    assert!(packed.stdout.contains("sum of radii 2.6"), "{packed:?}");
}

#[test]
fn a_seed_gives_the_same_packing_and_another_seed_another() {
    let directory = directory_with("solver.toml", "");
    let at = directory.path();
    let mut texts = Vec::new();
    for seed in ["5", "5", "6"] {
        let ended = run_with(
            at,
            &["pack", "solver.toml", "--evaluations", "5000"],
            &[("LYCEUM_SEED", seed)],
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        texts.push(fs::read_to_string(at.join("packing.txt")).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
}

#[test]
fn no_budget_still_gives_a_packing() {
    let directory = directory_with("solver.toml", "");
    let at = directory.path();
    assert_eq!(
        run(at, &["pack", "solver.toml", "--cpu-seconds", "0"]).code,
        Some(0)
    );
    assert!(run(at, &["verify-packing", "packing.txt"]).metric("sum_radii") > 2.1);
}

#[test]
fn bad_settings_are_refused_with_their_reason() {
    for (text, reason) in [
        ("patience = -1", "line 1"),
        ("speed = 3", "unknown field `speed`"),
        ("move = \"hop\"", "unknown variant `hop`"),
        (
            "strength = nan",
            "`strength` must be from 0 to 1, found: NaN",
        ),
        (
            "circles_moved = 27",
            "`circles_moved` must be from 1 to 26, found: 27",
        ),
        ("cooling = 1.5", "`cooling` must be from 0 to 1"),
        ("a b", "line 1"),
    ] {
        let directory = directory_with("solver.toml", text);
        let ended = run(
            directory.path(),
            &["pack", "solver.toml", "--evaluations", "1"],
        );
        ended.refused(2, reason);
        assert!(!directory.path().join("packing.txt").exists(), "{text}");
    }
}

#[test]
fn bad_arguments_and_environment_are_refused_with_their_reason() {
    let directory = directory_with("solver.toml", "");
    let at = directory.path();
    run(at, &["pack"]).refused(2, "expected `pack SETTINGS.toml");
    run(at, &["pack", "none.toml"]).refused(2, "cannot read settings file `none.toml`");
    run(at, &["pack", "solver.toml", "--cpu-seconds", "nan"]).refused(2, "found: nan");
    run(at, &["pack", "solver.toml", "--evaluations", "1e3"]).refused(2, "found: 1e3");
    let short = ["pack", "solver.toml", "--evaluations", "1"];
    run_with(at, &short, &[("LYCEUM_SEED", "")]).refused(2, "`LYCEUM_SEED` is not set");
    run_with(at, &short, &[("LYCEUM_SEED", "-1")]).refused(2, "found: -1");
    run_with(at, &short, &[("LYCEUM_OUTPUTS", "")]).refused(2, "`LYCEUM_OUTPUTS` is not set");
    run_with(at, &short, &[("LYCEUM_OUTPUTS", "/nowhere/at/all")]).refused(2, "cannot write");
    run(at, &["verify-packing"]).refused(2, "expected `verify-packing FILE`");
}

#[test]
fn a_packing_made_by_hand_is_measured_exactly() {
    let directory = directory_with("packing.txt", &grid_text());
    let ended = run(directory.path(), &["verify-packing", "packing.txt"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The double nearest to 26 · 0.08 lies above it, so the answer is the one below.
    assert_eq!(
        ended.metric("sum_radii").to_bits(),
        2.08_f64.next_down().to_bits()
    );
    assert!(ended.answer.contains("nonce-1"), "{ended:?}");
}

#[test]
fn hostile_packings_are_invalid_and_nothing_is_answered() {
    let good = grid_text();
    let first = |line: &str| good.replacen("0.08 0.08 0.08", line, 1);
    for (text, reason) in [
        (String::new(), "expected 26 lines `x y r`, found: 0"),
        (good.replacen("0.08 0.08 0.08\n", "", 1), "found: 25"),
        (format!("{good}0.9 0.9 0.01\n"), "found: 27"),
        (format!("{good}\n"), "found: 27"),
        (
            first("0.08 0.08"),
            "line 1: expected three numbers `x y r`, found: 2",
        ),
        (first("0.08 0.08 0.08 1"), "found: 4"),
        (first("nan nan 0.08"), "line 1: expected a decimal number"),
        (first("0.08 0.08 inf"), "found: inf"),
        (first("0.08 0.08 -0.08"), "found: -0.08"),
        (first("0.08 0.08 +0.08"), "found: +0.08"),
        (first("0.08 0.08 8e-2"), "found: 8e-2"),
        (
            first("0.08 0.08 0.0800000000000000001"),
            "found: 0.0800000000000000001",
        ),
        (
            first("0.08 0.08 1.000000000000000001"),
            "found: 1.000000000000000001",
        ),
        (first("0.08 0.08 08"), "found: 08"),
        (first("0.08 0.08 ."), "found: ."),
        (first("0.08 0.08 0x1"), "found: 0x1"),
        (first("0.08 0.08 0"), "circle 1: the radius must be above 0"),
        (
            first("0.08 0.08 0.080000000000000001"),
            "circle 1 leaves the square by 1e-18",
        ),
        (
            first("0.080000000000000001 0.08 0.08"),
            "circles 1 and 2 overlap by at least 1e-18",
        ),
        (
            first("0.24 0.08 0.08"),
            "circles 1 and 2 overlap by at least 160000000000000000e-18",
        ),
        (first("0.08 0.08 0.08\u{0660}"), "is not ASCII"),
        ("0 0 0\n".repeat(100_000), "more than 3328 bytes"),
    ] {
        let directory = directory_with("packing.txt", &text);
        run(directory.path(), &["verify-packing", "packing.txt"]).refused(3, reason);
    }
}

#[test]
fn a_packing_that_is_no_regular_file_is_invalid() {
    let directory = directory_with("elsewhere.txt", &grid_text());
    let at = directory.path();
    run(at, &["verify-packing", "none.txt"]).refused(3, "cannot open `none.txt`");
    run(at, &["verify-packing", "."]).refused(3, "not a regular file");
    std::os::unix::fs::symlink("elsewhere.txt", at.join("link.txt")).unwrap();
    run(at, &["verify-packing", "link.txt"]).refused(3, "cannot open `link.txt`");
    let made = std::process::Command::new("mkfifo")
        .arg(at.join("pipe.txt"))
        .status()
        .unwrap();
    assert!(made.success(), "this test needs `mkfifo` (coreutils)");
    run(at, &["verify-packing", "pipe.txt"]).refused(3, "not a regular file");
}

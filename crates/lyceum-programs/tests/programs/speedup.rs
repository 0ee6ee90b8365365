//! `build-step`, `step-input`, `step-check`, and the step of the study itself.
//!
//! These tests compile the step: they need `rustc` on `PATH`, as the study does.

use std::fs;
use std::path::Path;
use std::process::Command;

use lyceum_programs::speedup::check::{TOLERANCE, difference, read};
use lyceum_programs::speedup::format::{OUTPUT_BYTES, STEPS};
use lyceum_programs::speedup::input::draw;
use tempfile::TempDir;

use crate::support::{run, run_with};

const WORKSPACE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../studies/speedup/workspace"
);

/// A copy of the study's workspace with some text of `build.toml` replaced.
fn workspace(replacements: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut build = fs::read_to_string(Path::new(WORKSPACE).join("build.toml")).unwrap();
    for (from, to) in replacements {
        assert!(build.contains(from), "`{from}` is not in build.toml");
        build = build.replace(from, to);
    }
    fs::write(directory.path().join("build.toml"), build).unwrap();
    fs::copy(
        Path::new(WORKSPACE).join("step.rs"),
        directory.path().join("step.rs"),
    )
    .unwrap();
    directory
}

fn built(replacements: &[(&str, &str)]) -> TempDir {
    let directory = workspace(replacements);
    let ended = run(directory.path(), &["build-step", "build.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    directory
}

fn step(directory: &TempDir, input: &Path, output: &str) {
    let at = directory.path();
    let status = Command::new(at.join("step"))
        .arg(input)
        .arg(at.join(output))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn another_build_computes_the_same_and_a_missing_step_shows() {
    let (baseline, other) = (
        built(&[]),
        built(&[
            ("opt_level = 2", "opt_level = 3"),
            ("accumulators = 1", "accumulators = 8"),
            ("tile = 0", "tile = 48"),
            ("outer = true", "outer = false"),
            ("transposed = false", "transposed = true"),
            ("panic_abort = false", "panic_abort = true"),
        ]),
    );
    let inputs = tempfile::tempdir().unwrap();
    let fresh = inputs.path().join("fresh.bin");
    let drawn = run(inputs.path(), &["step-input", "77", "fresh.bin"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    step(&baseline, &fresh, "out.bin");
    step(&other, &fresh, "out.bin");

    let (mine, theirs) = (
        baseline.path().join("out.bin"),
        other.path().join("out.bin"),
    );
    let check = [
        "step-check",
        mine.to_str().unwrap(),
        theirs.to_str().unwrap(),
    ];
    let checked = run(inputs.path(), &check);
    assert!(
        (checked.metric("agree") - 1.0).abs() < f64::EPSILON,
        "{checked:?}"
    );
    let rounding = checked.metric("difference");
    assert!(
        rounding > 0.0 && rounding < 0.1 * TOLERANCE,
        "rounding differs by {rounding:e}"
    );

    // The same input with one step fewer: the candidate that skips work.
    let short = inputs.path().join("short.bin");
    fs::write(&short, draw(77, STEPS - 1)).unwrap();
    step(&other, &short, "out.bin");
    let skipped = difference(&read(&mine).unwrap(), &read(&theirs).unwrap()).found;
    assert!(
        skipped > 10.0 * TOLERANCE,
        "a step left out differs by {skipped:e}"
    );
    run(inputs.path(), &check).refused(3, "the candidate computes something else");
}

#[test]
fn inputs_are_fresh_for_each_seed_and_equal_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (seed, file) in [("1", "a"), ("1", "b"), ("2", "c")] {
        assert_eq!(run(at, &["step-input", seed, file]).code, Some(0));
    }
    let bytes = |file| fs::read(at.join(file)).unwrap();
    assert_eq!(bytes("a"), bytes("b"));
    assert_ne!(bytes("a"), bytes("c"));
    assert_eq!(bytes("a"), draw(1, STEPS));
}

#[test]
fn the_step_refuses_input_that_is_not_one() {
    let directory = built(&[("opt_level = 2", "opt_level = 1")]);
    let at = directory.path();
    let whole = draw(1, 1);
    let cut = &whole[..whole.len() - 4];
    let longer = [&whole[..], &[0; 4]].concat();
    for bytes in [
        &b""[..],
        b"STEP1\n\0\0",
        b"something else altogether, quite long",
        cut,
        &longer,
    ] {
        fs::write(at.join("in.bin"), bytes).unwrap();
        let status = Command::new(at.join("step"))
            .args([at.join("in.bin"), at.join("out.bin")])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(2), "{} bytes", bytes.len());
        assert!(!at.join("out.bin").exists());
    }
}

#[test]
fn bad_build_files_are_refused_with_their_reason() {
    for (from, to, reason) in [
        (
            "opt_level = 2",
            "opt_level = 4",
            "`opt_level` must be from 0 to 3, found: 4",
        ),
        ("opt_level = 2", "", "missing field `opt_level`"),
        (
            "tile = 0",
            "tile = -1",
            "build file `build.toml` is not valid",
        ),
        (
            "tile = 0",
            "tile = 5000",
            "`tile` must be from 0 to 4096, found: 5000",
        ),
        (
            "accumulators = 1",
            "accumulators = 0",
            "`accumulators` must be from 1 to 256",
        ),
        (
            "\"baseline\"",
            "\"native; rm\"",
            "unknown variant `native; rm`",
        ),
        (
            "outer = true",
            "outer = true\nsudo = 1",
            "unknown field `sudo`",
        ),
    ] {
        let directory = workspace(&[(from, to)]);
        run(directory.path(), &["build-step", "build.toml"]).refused(2, reason);
        assert!(!directory.path().join("step").exists(), "{reason}");
    }
    let directory = workspace(&[]);
    let at = directory.path();
    run(at, &["build-step"]).refused(2, "expected `build-step BUILD.toml`");
    run(at, &["build-step", "none.toml"]).refused(2, "cannot read build file `none.toml`");
    run_with(at, &["build-step", "build.toml"], &[("PATH", "/nowhere")])
        .refused(2, "hint: a study gets it with `toolchain = [\"rust\"]`");
    fs::write(at.join("step.rs"), "fn main() { nothing }").unwrap();
    run(at, &["build-step", "build.toml"]).refused(2, "`step.rs` does not compile");
}

#[test]
fn hostile_outputs_are_invalid_and_nothing_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let good: Vec<u8> = (0..OUTPUT_BYTES / 4)
        .flat_map(|k| (1.0 + (k % 7) as f32).to_le_bytes())
        .collect();
    fs::write(at.join("good"), &good).unwrap();
    let with = |value: f32| [&value.to_le_bytes()[..], &good[4..]].concat();
    for (bytes, reason) in [
        (vec![], "exactly 328960 bytes, found: 0"),
        (good[1..].to_vec(), "found: 328959"),
        ([&good[..], &[0; 9000]].concat(), "found: 328961"),
        (with(f32::NAN), "weight 0 of `bad` is not finite: NaN"),
        (with(f32::NEG_INFINITY), "not finite: -inf"),
        (with(1.01), "first weights: the largest difference is"),
        (vec![0; OUTPUT_BYTES], "allowed: 1e-4"),
    ] {
        fs::write(at.join("bad"), bytes).unwrap();
        run(at, &["step-check", "good", "bad"]).refused(3, reason);
    }
    run(at, &["step-check", "good", "none"]).refused(3, "cannot open `none`");
    // A broken baseline is nobody's invalid output.
    run(at, &["step-check", "bad-baseline", "good"]).refused(2, "the baseline's output");
    run(at, &["step-check", "good"]).refused(2, "expected `step-check BASELINE CANDIDATE`");
    run(at, &["step-input", "x", "f"]).refused(2, "`SEED` must be a whole number");
    run(at, &["step-input", "1", "/nowhere/f"]).refused(2, "cannot write `/nowhere/f`");
    assert!((run(at, &["step-check", "good", "good"]).metric("agree") - 1.0).abs() < 1e-15);
}

//! The tiny language model study's programs as the lab runs them: files, environment, descriptor 3.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

#[path = "programs/support.rs"]
mod support;

use std::os::unix::fs::symlink;
use std::path::Path;

use support::{Ended, run, run_with};
use tempfile::TempDir;

const SOURCE: &str = "\
seed = 3
topics = 3
classes = 4
words_per_class = 6
word_skew = 1.2
successors = 2
class_skew = 1.0
sentence_words = 6.0
train_bytes = 60_000
heldout_bytes = 4_000
sealed_bytes = 4_000
";

const RECIPE: &str = r#"learning_rate = 0.01
schedule = "cosine"
warmup = 0.1
width = 16
depth = 1
heads = 2
batch = 4
context = 32
optimizer = "adamw"
cpu_seconds = 0.3
data = "train.txt"
"#;

/// A directory with the source, its texts and a recipe.
fn study() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("source.toml"), SOURCE).unwrap();
    std::fs::write(directory.path().join("recipe.toml"), RECIPE).unwrap();
    let drawn = run(directory.path(), &["draw-text", "source.toml"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    directory
}

fn evaluate(directory: &Path) -> Ended {
    run(
        directory,
        &["evaluate", "model.safetensors", "--text", "heldout.txt"],
    )
}

fn limit(directory: &Path) -> f64 {
    let text = std::fs::read_to_string(directory.join("limits.json")).unwrap();
    let limits: serde_json::Value = serde_json::from_str(&text).unwrap();
    limits["val_bpb"].as_f64().unwrap()
}

fn with_recipe(from: &str, to: &str) -> TempDir {
    let directory = study();
    assert!(RECIPE.contains(from));
    std::fs::write(
        directory.path().join("recipe.toml"),
        RECIPE.replace(from, to),
    )
    .unwrap();
    directory
}

#[test]
fn a_run_is_measured_and_its_replay_gives_the_same_bytes() {
    let directory = study();
    let path = directory.path();
    let trained = run(path, &["train", "recipe.toml"]);
    assert_eq!(trained.code, Some(0), "{trained:?}");
    let last = trained.stdout.lines().last().unwrap();
    let loss: f64 = last
        .strip_prefix("METRIC train_loss=")
        .unwrap()
        .parse()
        .unwrap();

    let measured = evaluate(path);
    assert_eq!(
        (measured.code, measured.stdout.as_str()),
        (Some(0), ""),
        "{measured:?}"
    );
    let answer: serde_json::Value = serde_json::from_str(&measured.answer).unwrap();
    assert_eq!(answer["nonce"], "nonce-1");
    let bits = measured.metric("val_bpb");
    assert!(
        bits > limit(path) - 0.05 && bits < 4.6,
        "{bits} bits, {loss} in training"
    );
    assert!((bits - loss).abs() < 1.0, "{bits} bits, {loss} in training");

    // The clock may not matter now: a budget far too small for these steps.
    let model = std::fs::read(path.join("model.safetensors")).unwrap();
    let recipe = RECIPE.replace("cpu_seconds = 0.3", "cpu_seconds = 0.1");
    std::fs::write(path.join("recipe.toml"), recipe).unwrap();
    let plan = std::fs::read_to_string(path.join("replay.toml")).unwrap();
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    let replayed = run(path, &["train", "recipe.toml"]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert_eq!(replayed.stdout.lines().last(), Some(last));
    assert_eq!(
        std::fs::read_to_string(path.join("replay.toml")).unwrap(),
        plan
    );
    assert!(
        std::fs::read(path.join("model.safetensors")).unwrap() == model,
        "a replay gives the same model bit for bit"
    );

    let other = run_with(path, &["train", "recipe.toml"], &[("LYCEUM_SEED", "2")]);
    assert_eq!(other.code, Some(0), "{other:?}");
    assert!(
        std::fs::read(path.join("model.safetensors")).unwrap() != model,
        "another seed gives another model"
    );
}

#[test]
fn a_run_that_overruns_is_stopped_and_can_be_replayed() {
    let directory = study();
    let path = directory.path();
    // As a stopped run leaves it: fewer steps than its schedule was made for.
    std::fs::write(
        path.join("replay.toml"),
        "steps = 20\nschedule_steps = 40\n",
    )
    .unwrap();
    let stopped = run(path, &["train", "recipe.toml"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let short = std::fs::read(path.join("model.safetensors")).unwrap();
    std::fs::write(
        path.join("replay.toml"),
        "steps = 20\nschedule_steps = 20\n",
    )
    .unwrap();
    run(path, &["train", "recipe.toml"]);
    assert!(short != std::fs::read(path.join("model.safetensors")).unwrap());
}

#[test]
fn the_source_adds_the_distance_to_its_limit() {
    let directory = study();
    let path = directory.path();
    run(path, &["train", "recipe.toml"]);
    let measured = run(
        path,
        &[
            "evaluate",
            "model.safetensors",
            "--text",
            "heldout.txt",
            "--source",
            "source.toml",
        ],
    );
    let distance = measured.metric("val_bpb") - limit(path);
    assert!((measured.metric("excess_bpb") - distance).abs() < 1e-12);
}

#[test]
fn a_users_text_of_any_bytes_goes_the_whole_way() {
    let directory = study();
    let path = directory.path();
    std::fs::remove_file(path.join("limits.json")).unwrap();
    let text: Vec<u8> = (0..30_000_u32).map(|at| (at * at % 251) as u8).collect();
    std::fs::write(path.join("mine"), &text).unwrap();
    let drawn = run_with(
        path,
        &["draw-text", "source.toml"],
        &[("LYCEUM_INPUT_TEXT", "mine")],
    );
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    assert_eq!(
        std::fs::read(path.join("train.txt")).unwrap(),
        text[..24_000]
    );
    assert!(
        !path.join("limits.json").exists(),
        "the limit of a user's text is not known"
    );
    assert_eq!(run(path, &["train", "recipe.toml"]).code, Some(0));
    let bits = evaluate(path).metric("val_bpb");
    assert!(bits > 0.0 && bits < 9.0, "{bits}");
}

#[test]
fn a_users_text_that_is_missing_or_short_is_refused() {
    let directory = study();
    let path = directory.path();
    std::fs::write(path.join("mine"), "short").unwrap();
    let drawn = |name| {
        run_with(
            path,
            &["draw-text", "source.toml"],
            &[("LYCEUM_INPUT_TEXT", name)],
        )
    };
    drawn("mine").refused(2, "holds 5 bytes, expected at least 20000");
    drawn("absent").refused(2, "cannot read `absent`");
}

#[test]
fn a_loss_that_is_no_number_is_divergence_not_a_result() {
    // Without clipping, steps of this size overflow.
    let wild = "learning_rate = 100.0\nclip = 1e9\ninit_scale = 100.0\nmomentum = 0.99\n";
    let recipe = RECIPE
        .replace("learning_rate = 0.01\n", wild)
        .replace("adamw", "sgd");
    let directory = study();
    std::fs::write(directory.path().join("recipe.toml"), recipe).unwrap();
    let trained = run(directory.path(), &["train", "recipe.toml"]);
    trained.refused(3, "training diverged: loss is ");
    assert!(!directory.path().join("model.safetensors").exists());
    assert!(
        !trained.stdout.contains("METRIC"),
        "no number for a failure: {trained:?}"
    );
}

#[test]
fn recipes_that_cannot_run_are_refused_with_their_cause() {
    let refused = |from, to, text| {
        run(with_recipe(from, to).path(), &["train", "recipe.toml"]).refused(2, text);
    };
    refused(
        "heads = 2",
        "heads = 3",
        "heads must divide width, found 3 heads for a width of 16",
    );
    refused("width = 16", "width = 0", "width must be between 1 and");
    refused("width = 16", "width = 32768", "MiB are allowed");
    refused("batch = 4", "batch = 60000", "MiB are allowed");
    refused("context = 32", "context = 60000", "MiB are allowed");
    refused(
        "depth = 1",
        "depth = \"deep\"",
        "cannot understand `recipe.toml`",
    );
    refused(
        "data = \"train.txt\"",
        "data = \"absent.txt\"",
        "cannot read `absent.txt`",
    );
    refused(
        "data = \"train.txt\"",
        "data = \"limits.json\"",
        "expected at least 33",
    );
}

#[test]
fn the_environment_and_the_arguments_are_checked() {
    let directory = study();
    let path = directory.path();
    let train = ["train", "recipe.toml"];
    run_with(path, &train, &[("LYCEUM_SEED", "")]).refused(2, "`LYCEUM_SEED` is not set");
    run_with(path, &train, &[("LYCEUM_SEED", "x")]).refused(2, "must be a whole number");
    run_with(path, &train, &[("LYCEUM_OUTPUTS", "/absent")]).refused(2, "cannot write `/absent/");
    run(path, &["train"]).refused(2, "expected `train RECIPE.toml`");
    run(path, &["evaluate", "model.safetensors"]).refused(2, "expected `evaluate MODEL --text");
}

#[test]
fn a_model_file_that_may_be_anything_is_refused_without_an_answer() {
    let directory = study();
    let path = directory.path();
    evaluate(path).refused(3, "no model to evaluate");
    run(path, &["train", "recipe.toml"]);
    let model = path.join("model.safetensors");
    let good = std::fs::read(&model).unwrap();

    let with = |bytes: &[u8]| {
        std::fs::write(&model, bytes).unwrap();
        evaluate(path)
    };
    with(b"").refused(3, "0 bytes, expected at least 8");
    with(b"{\"metrics\": {\"val_bpb\": 0.0}}").refused(3, "is not a model");
    with(&good[..good.len() - 1]).refused(3, "not a safetensors file");
    with(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat()).refused(3, "safetensors header of");
    let mut poisoned = good.clone();
    let last = poisoned.len() - 4;
    poisoned[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    with(&poisoned).refused(3, "a value that is not finite");

    std::fs::remove_file(&model).unwrap();
    symlink("heldout.txt", &model).unwrap();
    evaluate(path).refused(3, "expected a regular file");
    std::fs::remove_file(&model).unwrap();
    std::fs::create_dir(&model).unwrap();
    evaluate(path).refused(3, "is not a regular file");
}

#[test]
fn without_a_seed_the_text_is_that_of_the_grammar() {
    let directory = study();
    let path = directory.path();
    let seeded = std::fs::read(path.join("train.txt")).unwrap();
    let draw = |seed: &str| {
        let drawn = run_with(
            path,
            &["draw-text", "source.toml"],
            &[("LYCEUM_SEED", seed)],
        );
        assert_eq!(drawn.code, Some(0), "{drawn:?}");
        std::fs::read(path.join("train.txt")).unwrap()
    };
    let unseeded = draw("");
    assert!(unseeded == draw("") && unseeded == draw("0") && unseeded != seeded);
}

#[test]
fn sources_out_of_range_are_refused() {
    let directory = study();
    let path = directory.path();
    let refused = |from: &str, to: &str, text| {
        std::fs::write(path.join("source.toml"), SOURCE.replace(from, to)).unwrap();
        run(path, &["draw-text", "source.toml"]).refused(2, text);
    };
    refused(
        "topics = 3",
        "topics = 0",
        "topics must be between 1 and 1000, found 0",
    );
    refused("word_skew = 1.2", "word_skew = nan", "word_skew must be");
    refused(
        "heldout_bytes = 4_000",
        "heldout_bytes = 1",
        "heldout_bytes must be",
    );
    refused("topics = 3", "topic = 3", "unknown field `topic`");
}

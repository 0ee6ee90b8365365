//! The dependency tree against `deny.toml`, from cargo's own metadata: licences, bans, duplicates, sources, size.

#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The default build stays under this many packages, the lab's own included.
const PACKAGES_MAX: usize = 200;
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the triple of the machine that the tests run on.
fn host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

/// Returns the packages that a build or test on this machine uses.
fn packages() -> Vec<Value> {
    let text = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host().as_str(),
    ]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let used: BTreeSet<&str> = nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let all = metadata["packages"].as_array().unwrap().iter();
    all.filter(|package| used.contains(package["id"].as_str().unwrap()))
        .cloned()
        .collect()
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Returns the quoted words of a list in `deny.toml`; of a list of tables, their crates.
fn policy(list: &str) -> Vec<String> {
    let all = fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, rest) = all.split_once(&format!("\n{list} = [\n")).unwrap();
    let (inside, _) = rest.split_once("\n]").unwrap();
    let words = inside.lines().map(|line| {
        let line = line.trim().trim_start_matches("{ crate = ");
        line.split('"')
            .nth(1)
            .unwrap_or_else(|| panic!("deny.toml: {line}"))
            .to_owned()
    });
    words.collect()
}

#[test]
fn the_default_tree_is_small() {
    let tree = cargo(&[
        "tree",
        "--package",
        "lyceum",
        "--edges",
        "no-dev",
        "--prefix",
        "none",
    ]);
    let packages: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    println!("{} packages in the default build", packages.len());
    assert!(packages.len() > 20, "the tree was not read: {tree}");
    assert!(
        packages.len() < PACKAGES_MAX,
        "{} packages, {packages:#?}",
        packages.len()
    );
}

/// What a candidate's way out would go through is little code of others.
#[test]
fn the_sandbox_stands_on_at_most_twenty_crates() {
    let tree = cargo(&[
        "tree",
        "--package=lyceum-sandbox",
        "--edges=normal",
        "--prefix=none",
        "--no-dedupe",
    ]);
    let crates: BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    assert!(crates.iter().any(|one| one.starts_with("lyceum-sandbox ")));
    assert!((2..=20).contains(&crates.len()), "{crates:#?}");
}

#[test]
fn licences_are_allowed() {
    let allowed = policy("allow");
    let mut faults = Vec::new();
    for package in packages() {
        let licence = text(&package, "license");
        if !satisfied(licence, &allowed) {
            faults.push(format!("{}: `{licence}`", text(&package, "name")));
        }
    }
    assert!(
        faults.is_empty(),
        "licences that deny.toml does not allow: {faults:#?}"
    );
}

#[test]
fn banned_crates_are_absent() {
    let banned = policy("deny");
    let all = packages();
    let found: Vec<&str> = all
        .iter()
        .map(|package| text(package, "name"))
        .filter(|name| banned.iter().any(|one| one == name))
        .collect();
    assert_eq!(found, Vec::<&str>::new());
}

#[test]
fn duplicates_are_known() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in packages() {
        *versions
            .entry(text(&package, "name").to_owned())
            .or_default() += 1;
    }
    let twice: BTreeSet<String> = versions
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(name, _)| name)
        .collect();
    let known: BTreeSet<String> = policy("skip").into_iter().collect();
    assert_eq!(
        twice, known,
        "crates in two versions (left) against `skip` in deny.toml (right)"
    );
}

#[test]
fn sources_are_the_registry_and_this_tree() {
    let all = packages();
    let foreign: Vec<&str> = all
        .iter()
        .filter(|package| !package["source"].is_null() && text(package, "source") != REGISTRY)
        .map(|package| text(package, "name"))
        .collect();
    assert_eq!(foreign, Vec::<&str>::new());
}

#[test]
fn versions_stand_in_the_root_manifest_alone() {
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path().join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let depends = section.contains("dependencies") && !value.is_empty();
            let own = name.trim().ends_with(".workspace") || value.contains("workspace = true");
            let names_version = name.trim() == "version" || value.contains("version =");
            if depends && (names_version || !own && !line.starts_with(' ')) {
                faults.push(format!("{}: {line}", path.display()));
            }
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !manifest.contains(&format!("\n{key}.workspace = true\n")) {
                faults.push(format!("{}: no `{key}.workspace = true`", path.display()));
            }
        }
        if !manifest.contains("[lints]\nworkspace = true\n") {
            faults.push(format!(
                "{}: the workspace's lints are not taken",
                path.display()
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Tells whether the allowed licences satisfy an SPDX expression. `/` is an old way to write OR.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let good = either(&words, &mut at, allowed);
    good && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut good = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        good |= both(words, at, allowed);
    }
    good
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut good = single(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        good &= single(words, at, allowed);
    }
    good
}

fn single(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let good = either(words, at, allowed);
        *at += 1;
        return good;
    }
    let mut licence = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = words[*at - 1..=(*at + 1).min(words.len() - 1)].join(" ");
        *at += 2;
    }
    allowed.contains(&licence)
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = [
        "MIT".to_owned(),
        "Apache-2.0 WITH LLVM-exception".to_owned(),
    ];
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-3.0) AND MIT",
    ] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    assert!(satisfied(
        "Apache-2.0 WITH LLVM-exception OR BSD-3-Clause",
        &allowed
    ));
    for bad in [
        "",
        "Apache-2.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR BSD-3-Clause) AND MIT",
        "MIT )",
    ] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}

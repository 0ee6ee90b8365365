//! What a person reads when a study does not fit its directory, or there is no directory.

use std::{fs, os::unix::fs as unix, path::Path};

use insta::assert_snapshot;
use lyceum_study::format;
use lyceum_types::Split;

use crate::support::{STUDY, changed, directory, report, report_in};

fn open(path: &Path, root: &Path) -> String {
    let error = format::open(path).expect_err("the directory is not a study");
    error
        .to_string()
        .replace(&root.display().to_string(), "DIR")
}

#[test]
fn no_directory_no_file_no_plain_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    assert_snapshot!(open(&path.join("none"), path), @r#"
    error: study directory `DIR/none` does not exist
      hint: `lyceum new DIR/none` writes a small study there that runs
    "#);
    fs::write(path.join("file"), "").unwrap();
    assert_snapshot!(open(&path.join("file"), path), @r#"
    error: `DIR/file` is not a directory
      hint: give the directory that holds study.toml
    "#);
    assert_snapshot!(open(&path.join("file/below"), path), @r#"
    error: `DIR/file/below` is not a directory
      hint: give the directory that holds study.toml
    "#);
    assert_snapshot!(open(path, path), @r#"
    error: no study.toml in `DIR`
      hint: `lyceum new DIR` writes a small study into a new directory
    "#);
    unix::symlink("file", path.join("study.toml")).unwrap();
    assert_snapshot!(open(path, path), @r#"
    error: `DIR/study.toml` is a symbolic link, expected a plain file
      hint: replace it by a plain file
    "#);
    fs::remove_file(path.join("study.toml")).unwrap();
    fs::create_dir(path.join("study.toml")).unwrap();
    assert_snapshot!(open(path, path), @r#"
    error: `DIR/study.toml` is a directory, expected a plain file
      hint: replace it by a plain file
    "#);
}

#[test]
fn a_study_file_that_is_huge_or_not_text() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("study.toml");
    fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    assert_snapshot!(open(root.path(), root.path()), @r#"
    error: `DIR/study.toml` has 1048577 bytes, expected at most 1048576
      hint: large data belongs into files beside it
    "#);
    fs::write(&file, b"question = \"a\"\nname = \"\xff\"").unwrap();
    assert_snapshot!(open(root.path(), root.path()), @r#"
    error: `DIR/study.toml` is not UTF-8: byte 0xff in line 2
      hint: save the file as UTF-8
    "#);
}

#[test]
fn an_unreadable_study_file_names_the_path() {
    // A loop of links is unreadable for every user, the superuser too.
    let root = tempfile::tempdir().unwrap();
    unix::symlink("loop", root.path().join("loop")).unwrap();
    let report = open(&root.path().join("loop"), root.path());
    assert!(
        report.starts_with("error: cannot read `DIR/loop`: "),
        "{report}"
    );
    assert!(report.contains("hint: check the permissions"), "{report}");
}

#[test]
fn the_name_of_a_study_is_its_directory_s() {
    let root = directory(&changed(&[("name = \"small\"\n", "")]));
    let named = root.path().join("My Study 2");
    fs::create_dir(&named).unwrap();
    for name in ["workspace", "study.toml", "evaluate.sh"] {
        fs::rename(root.path().join(name), named.join(name)).unwrap();
    }
    assert_eq!(format::open(&named).unwrap().study.name, "my-study-2");
    let nameless = root.path().join("日本");
    fs::rename(&named, &nameless).unwrap();
    assert_snapshot!(open(&nameless, root.path()), @r#"
    error: the directory's name "日本" gives no study name
      hint: add `name = "…"` to study.toml
    "#);
}

#[test]
fn a_workspace_that_is_missing_or_a_link() {
    assert_snapshot!(report_in(STUDY, |path| {
        fs::rename(path.join("workspace"), path.join("elsewhere")).unwrap();
    }), @r#"
    error: `workspace.path` is missing or not what it must be: DIR/workspace
     --> DIR/study.toml:8:2
      |
    8 | [workspace]
      |  ^^^^^^^^^
      = expected a directory, not a link
    "#);
    assert_snapshot!(report_in(STUDY, |path| {
        fs::rename(path.join("workspace"), path.join("elsewhere")).unwrap();
        unix::symlink("elsewhere", path.join("workspace")).unwrap();
    }), @r#"
    error: `workspace.path` is missing or not what it must be: DIR/workspace
     --> DIR/study.toml:8:2
      |
    8 | [workspace]
      |  ^^^^^^^^^
      = expected a directory, not a link
    "#);
}

#[test]
fn a_data_directory_that_is_missing() {
    let table = "[data]\ncommand = [\"draw\"]\npublic = [\"a\"]\n[run]";
    assert_snapshot!(report(&[("[run]", table)]), @r#"
    error: `data.path` is missing or not what it must be: DIR/data
      --> DIR/study.toml:12:2
       |
    12 | [data]
       |  ^^^^
       = expected a directory, not a link
    "#);
}

#[test]
fn a_file_that_both_lists_match() {
    assert_snapshot!(report(&[("protected = [\"run.sh\"]", "protected = [\"*.tmpl\", \"**/*.sh\"]"),
        ("editable = [", "editable = [\"*.sh\", ")]), @r#"
    error: `workspace.editable` and `workspace.protected` overlap: file "run.sh" matches "*.sh" and "**/*.sh"
     --> DIR/study.toml:9:13
      |
    9 | editable = ["*.sh", "settings.toml", "model.json", "out.conf"]
      |             ^^^^^^
      hint: what may change and what must not are two separate lists; narrow one of the globs
    "#);
}

#[test]
fn a_workspace_with_a_socket() {
    assert_snapshot!(report_in(STUDY, |path| {
        std::os::unix::net::UnixListener::bind(path.join("workspace/s\ns")).unwrap();
    }), @r#"
    error: files cannot be listed: `s\ns` is a socket; expected a plain file, a directory or a symbolic link
     --> DIR/study.toml:8:2
      |
    8 | [workspace]
      |  ^^^^^^^^^
    "#);
}

#[test]
fn a_knob_file_that_does_not_exist() {
    assert_snapshot!(report_in(STUDY, |path| {
        fs::remove_file(path.join("workspace/model.json")).unwrap();
        fs::remove_file(path.join("workspace/conf.tmpl")).unwrap();
    }), @r#"
    error: knob `width`: file "model.json" cannot be used: it does not exist in the workspace
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
      hint: paths are relative to the workspace

    error: knob `batch`: file "conf.tmpl" cannot be used: it does not exist in the workspace
      --> DIR/study.toml:65:12
       |
    65 | template = "conf.tmpl"
       |            ^^^^^^^^^^^
      hint: paths are relative to the workspace
    "#);
}

#[test]
fn a_knob_file_that_is_a_link_or_not_text_or_broken() {
    let broken = |bytes: &'static [u8]| {
        report_in(STUDY, |path| {
            fs::write(path.join("workspace/model.json"), bytes).unwrap();
        })
    };
    assert_snapshot!(broken(b"{\"layers\": [}"), @r#"
    error: knob `width`: file "model.json" cannot be used: expected value at line 1 column 13
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
    "#);
    assert_snapshot!(broken(b"\xff"), @r#"
    error: knob `width`: file "model.json" cannot be used: it is not UTF-8 text
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
    "#);
    assert_snapshot!(report_in(STUDY, |path| {
        fs::rename(path.join("workspace/model.json"), path.join("model.json")).unwrap();
        unix::symlink("../model.json", path.join("workspace/model.json")).unwrap();
    }), @r#"
    error: knob `width`: file "model.json" cannot be used: it is not a plain file
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
    "#);
}

#[test]
fn a_knob_key_that_does_not_exist() {
    assert_snapshot!(report(&[
        ("key = \"train.rate\"", "key = \"train.lr\""),
        ("key = \"train.momentum\"", "key = \"train.momentun\""),
        ("key = \"layers.1.width\"", "key = \"layers.2.width\""),
    ]), @r#"
    error: knob `rate`: file "settings.toml" has no key `train.lr`
      --> DIR/study.toml:33:7
       |
    33 | key = "train.lr"
       |       ^^^^^^^^^^
       = expected one of `rate`, `momentum`
      hint: the key must stand in the file before it can be turned

    error: knob `momentum`: file "settings.toml" has no key `train.momentun`
      --> DIR/study.toml:41:7
       |
    41 | key = "train.momentun"
       |       ^^^^^^^^^^^^^^^^
       = expected one of `rate`, `momentum`
      hint: did you mean `momentum`?

    error: knob `width`: file "model.json" has no key `layers.2.width`
      --> DIR/study.toml:48:7
       |
    48 | key = "layers.2.width"
       |       ^^^^^^^^^^^^^^^^
       = expected one of `0`, `1`
      hint: the key must stand in the file before it can be turned
    "#);
    assert_snapshot!(report(&[("key = \"train.rate\"", "key = \"train..rate\"")]), @r#"
    error: knob `rate`: "train..rate" is not a key path: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
      --> DIR/study.toml:33:7
       |
    33 | key = "train..rate"
       |       ^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_start_value_of_the_wrong_type_or_outside() {
    let with = |text: &'static str| {
        report_in(STUDY, |path| {
            fs::write(path.join("workspace/settings.toml"), text).unwrap();
        })
    };
    assert_snapshot!(with("optimizer = \"lion\"\ntrain = { rate = 2.0, momentum = \"x\" }"), @r#"
    error: knob `optimizer`: its start value is outside its values: `optimizer` in "settings.toml" is "lion"
      --> DIR/study.toml:25:7
       |
    25 | key = "optimizer"
       |       ^^^^^^^^^^^
       = expected one of "sgd", "adamw"
      hint: widen the knob, or begin with another value

    error: knob `rate`: its start value is outside its values: `train.rate` in "settings.toml" is 2
      --> DIR/study.toml:33:7
       |
    33 | key = "train.rate"
       |       ^^^^^^^^^^^^
       = expected a number from 0.0001 to 1
      hint: widen the knob, or begin with another value

    error: knob `momentum`: `train.momentum` in "settings.toml" is "x"
      --> DIR/study.toml:41:7
       |
    41 | key = "train.momentum"
       |       ^^^^^^^^^^^^^^^^
       = expected a number from 0 to 0.99
    "#);
    assert_snapshot!(with("optimizer = \"sgd\"\ntrain = { rate = [1], momentum = 0 }"), @r#"
    error: knob `rate`: `train.rate` in "settings.toml" is a list
      --> DIR/study.toml:33:7
       |
    33 | key = "train.rate"
       |       ^^^^^^^^^^^^
       = expected a number from 0.0001 to 1
    "#);
}

#[test]
fn an_inactive_knob_may_start_outside_its_range() {
    let text = "optimizer = \"adamw\"\ntrain = { rate = 0.1, momentum = -1.0 }";
    let report = report_in(STUDY, |path| {
        fs::write(path.join("workspace/settings.toml"), text).unwrap();
    });
    assert_eq!(report, "valid: small");
}

#[test]
fn a_template_without_its_knob_or_with_another_one() {
    assert_snapshot!(report_in(STUDY, |path| {
        fs::write(path.join("workspace/conf.tmpl"), "{{bach}}").unwrap();
    }), @r#"
    error: knob `batch`: template "conf.tmpl" has no `{{batch}}`
      --> DIR/study.toml:65:12
       |
    65 | template = "conf.tmpl"
       |            ^^^^^^^^^^^

    error: template "conf.tmpl" has `{{bach}}`, which is not a knob written with it
      --> DIR/study.toml:65:12
       |
    65 | template = "conf.tmpl"
       |            ^^^^^^^^^^^
       = expected `batch`
      hint: did you mean `batch`?
    "#);
}

#[test]
fn private_files_in_reach_of_the_candidate() {
    assert_snapshot!(report(&[("private = [\"evaluate.sh\"]", "private = [\"**/*.sh\"]")]), @r#"
    error: private file "workspace/run.sh" is inside the workspace, where the candidate can read it
      --> DIR/study.toml:19:12
       |
    19 | private = ["**/*.sh"]
       |            ^^^^^^^^^
      hint: move it out of the workspace's directory
    "#);
}

#[test]
fn private_globs_without_files() {
    assert_snapshot!(report(&[("private = [\"evaluate.sh\"]", "private = [\"heldout/**\"]")]), @r#"
    error: `measure.private`: no file matches "heldout/**"
      --> DIR/study.toml:19:12
       |
    19 | private = ["heldout/**"]
       |            ^^^^^^^^^^^^
       = expected a file below `DIR`
    "#);
}

#[test]
fn a_private_file_that_is_a_link() {
    assert_snapshot!(report_in(STUDY, |path| {
        fs::remove_file(path.join("evaluate.sh")).unwrap();
        unix::symlink("workspace/run.sh", path.join("evaluate.sh")).unwrap();
    }), @r#"
    error: `measure.private` is missing or not what it must be: evaluate.sh
      --> DIR/study.toml:19:12
       |
    19 | private = ["evaluate.sh"]
       |            ^^^^^^^^^^^^^
       = expected a plain file: links and special files cannot be private
    "#);
}

#[test]
fn a_sealed_file_that_the_search_sees() {
    let table = "[sealed]\ncommand = [\"x\"]\nprivate = [\"*.sh\"]\n[budget]";
    assert_snapshot!(report(&[("[budget]", table)]), @r#"
    error: file "evaluate.sh" is both in `measure.private` and in `sealed.private`
      --> DIR/study.toml:71:12
       |
    71 | private = ["*.sh"]
       |            ^^^^^^
      hint: the sealed split must be one that no decision of the search has seen
    "#);
}

#[test]
fn private_files_are_listed_under_the_study() {
    let table = "[sealed]\ncommand = [\"x\"]\nprivate = [\"sealed/**\"]\n[budget]";
    let root = directory(&changed(&[("[budget]", table)]));
    fs::create_dir_all(root.path().join("sealed/deep")).unwrap();
    fs::write(root.path().join("sealed/deep/er"), "secret").unwrap();
    let opened = format::open(root.path()).unwrap();
    let names = |split| {
        let files = opened.private_files(split).unwrap();
        files
            .entries
            .iter()
            .map(|entry| entry.path.display().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Split::Search), ["evaluate.sh"]);
    assert_eq!(names(Split::Sealed), ["sealed/deep/er"]);
}

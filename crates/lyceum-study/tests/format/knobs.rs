//! Knobs read and written through real files.

use std::{fs, path::Path};

use lyceum_study::{
    format::{self, Opened},
    knobs::{self, FileProblem, Patch},
    workspace::diff,
};
use lyceum_types::{Setting, Settings};
use proptest::prelude::*;

use crate::support::{FILES, STUDY, directory};

fn opened() -> (tempfile::TempDir, Opened) {
    let root = directory(STUDY);
    let opened = format::open(root.path()).unwrap();
    (root, opened)
}

fn read(file: &str) -> Result<Vec<u8>, FileProblem> {
    let path = Path::new("workspace").join(file);
    let found = FILES.iter().find(|(name, _)| Path::new(name) == path);
    found
        .map(|(_, text)| text.as_bytes().to_vec())
        .ok_or(FileProblem::Missing)
}

fn file<'a>(patch: &'a Patch, name: &str) -> &'a str {
    let (_, bytes) = patch
        .files
        .iter()
        .find(|(file, _)| file == name)
        .expect("the file changed");
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_start_is_read_from_the_workspace() {
    let (_root, opened) = opened();
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    assert_eq!(
        start,
        Settings::from([
            ("optimizer".into(), Setting::Text("sgd".into())),
            ("rate".into(), Setting::Float(0.01)),
            ("momentum".into(), Setting::Float(0.9)),
            ("width".into(), Setting::Integer(16)),
            ("bias".into(), Setting::Boolean(true)),
            ("clip".into(), Setting::Float(1.0)),
            ("batch".into(), Setting::Integer(16)),
        ])
    );
    let order: Vec<_> = opened
        .study
        .space
        .knobs()
        .iter()
        .map(|knob| knob.name.as_str())
        .collect();
    assert_eq!(
        order,
        [
            "optimizer",
            "rate",
            "momentum",
            "width",
            "bias",
            "clip",
            "batch"
        ]
    );
}

#[test]
fn the_start_changes_no_file_that_is_there() {
    let (_root, opened) = opened();
    let start = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    let patch = knobs::write(&opened.study, &start, read).unwrap();
    let names: Vec<_> = patch.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["out.conf"], "only the rendered template is new");
    assert_eq!(patch.environment["BIAS"], "true");
    assert_eq!(patch.arguments, ["--clip", "1"]);
}

#[test]
fn only_the_values_change() {
    let (_root, opened) = opened();
    let settings = Settings::from([
        ("optimizer".into(), Setting::Text("adamw".into())),
        ("rate".into(), Setting::Float(3e-4)),
        ("width".into(), Setting::Integer(33)),
        ("bias".into(), Setting::Boolean(false)),
        ("clip".into(), Setting::Float(0.5)),
        ("batch".into(), Setting::Integer(32)),
    ]);
    let patch = knobs::write(&opened.study, &settings, read).unwrap();
    assert_eq!(
        file(&patch, "settings.toml"),
        "# which one\noptimizer = \"adamw\"   # or adamw\n\n[train]\nrate = 0.0003 # ok\nmomentum = 0.9\n",
        "comments stay, and the inactive momentum stays as it is"
    );
    assert_eq!(
        file(&patch, "model.json"),
        "{\n  \"z\": 1,\n  \"layers\": [{\"width\": 4}, {\"width\":  33 , \"a\": null}]\n}\n"
    );
    assert_eq!(file(&patch, "out.conf"), "[conf]\nbatch=32\n");
    assert_eq!(patch.environment["BIAS"], "false");
    assert_eq!(patch.arguments, ["--clip", "0.5"]);
    let before: Vec<_> = ["model.json", "settings.toml"]
        .map(|name| (name.to_owned(), read(name).unwrap()))
        .to_vec();
    insta::assert_snapshot!(diff(&before, &patch.files), @r#"
    --- model.json
    +++ model.json
    @@ -2 +2 @@
       "z": 1,
    -  "layers": [{"width": 4}, {"width":  16 , "a": null}]
    +  "layers": [{"width": 4}, {"width":  33 , "a": null}]
     }
    --- (none)
    +++ out.conf
    @@ -1 +1 @@
    +[conf]
    +batch=32
    --- settings.toml
    +++ settings.toml
    @@ -1 +1 @@
     # which one
    -optimizer = "sgd"   # or adamw
    +optimizer = "adamw"   # or adamw

     [train]
    -rate = 0.01 # ok
    +rate = 0.0003 # ok
     momentum = 0.9
    "#);
}

#[test]
fn settings_outside_the_space_are_refused() {
    let (_root, opened) = opened();
    let mut settings = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    settings.insert("width".into(), Setting::Integer(65));
    let error = knobs::write(&opened.study, &settings, read).unwrap_err();
    assert!(matches!(error, knobs::Error::Space(_)), "{error}");
}

#[test]
fn a_workspace_without_the_file_is_an_error_with_its_name() {
    let (_root, opened) = opened();
    let mut settings = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    settings.insert("width".into(), Setting::Integer(9));
    let error = knobs::write(&opened.study, &settings, |_| Err(FileProblem::Missing)).unwrap_err();
    assert!(error.to_string().contains("settings.toml"), "{error}");
}

#[test]
fn a_key_that_stands_twice_in_json_is_refused() {
    let (root, opened) = opened();
    let twice = r#"{"layers": [0, {"width": 8, "\u0077idth": 9}]}"#;
    fs::write(root.path().join("workspace/model.json"), twice).unwrap();
    let error = knobs::start_settings(&opened.study, &opened.workspace()).unwrap_err();
    assert!(matches!(error, knobs::Error::KeyTwice { .. }), "{error}");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_stay() {
    let (_root, opened) = opened();
    let mut settings = knobs::start_settings(&opened.study, &opened.workspace()).unwrap();
    settings.insert("rate".into(), Setting::Float(0.25));
    let text = "\u{feff}optimizer = 'sgd'\r\n[train]\r\nrate = 1e-2 # é\r\nmomentum = 0.9\r\n";
    let patch = knobs::write(&opened.study, &settings, |file| {
        if file == "settings.toml" {
            Ok(text.as_bytes().to_vec())
        } else {
            read(file)
        }
    })
    .unwrap();
    assert_eq!(file(&patch, "settings.toml"), text.replace("1e-2", "0.25"));
}

/// A study with one float of any size in each kind of place.
fn wide() -> format::Study {
    let place = |name: &str, place: &str| {
        format!("[knobs.{name}]\ntype = \"float\"\nlow = -1.7e308\nhigh = 1.7e308\n{place}\n")
    };
    let text = format!(
        "question = \"?\"\n[metric]\nname = \"m\"\ngoal = \"minimize\"\n[workspace]\neditable = [\"*\"]\n\
         [run]\ncommand = [\"x\"]\n[measure]\nkind = \"self-reported\"\n{}{}{}{}{}",
        place("a", "file = \"a.toml\"\nkey = \"x.y\""),
        place("b", "file = \"b.json\"\nkey = \"x\""),
        place("c", "environment = \"C\"\nstart = 0"),
        place("d", "argument = \"-d\"\nstart = 0"),
        place("e", "template = \"e.tmpl\"\nfile = \"e\"\nstart = 0"),
    );
    format::parse(&text, "study.toml", "wide").unwrap()
}

proptest! {
    #[test]
    fn a_float_reads_back_to_the_same_bits(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
        prop_assume!(value.abs() <= 1.7e308 && !(value == 0.0 && value.is_sign_negative()));
        let study = wide();
        let settings: Settings =
            ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), Setting::Float(value))).into();
        let files = [("a.toml", "x.y = 0.5 # x"), ("b.json", "{\"x\":0.5}"), ("e.tmpl", "{{e}}")];
        let patch = knobs::write(&study, &settings, |file| {
            let found = files.iter().find(|(name, _)| *name == file);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or(FileProblem::Missing)
        })
        .unwrap();
        if value.to_bits() != 0.5_f64.to_bits() {
            let toml: toml_edit::DocumentMut = file(&patch, "a.toml").parse().unwrap();
            prop_assert_eq!(toml["x"]["y"].as_float().unwrap().to_bits(), value.to_bits());
            let json = file(&patch, "b.json").trim_start_matches("{\"x\":").trim_end_matches('}');
            prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(serde_json::from_str::<serde_json::Value>(json).unwrap().is_f64());
        }
        for text in [&patch.environment["C"], &patch.arguments[1], &file(&patch, "e").to_owned()] {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn a_text_reads_back_from_toml_and_json(text in "\\PC{0,8}[\\x00-\\x7f]{0,8}") {
        let choices = serde_json::to_string(&[text.as_str(), "start-value"]).unwrap().replace('\u{7f}', "\\u007f");
        prop_assume!(text != "start-value");
        let definition = format!(
            "question = \"?\"\n[metric]\nname = \"m\"\ngoal = \"minimize\"\n[workspace]\neditable = [\"*\"]\n\
             [run]\ncommand = [\"x\"]\n[measure]\nkind = \"self-reported\"\n\
             [knobs.a]\ntype = \"categorical\"\nchoices = {choices}\nfile = \"a.toml\"\nkey = \"x\"\n\
             [knobs.b]\ntype = \"categorical\"\nchoices = {choices}\nfile = \"b.json\"\nkey = \"x\"\n"
        );
        let study = format::parse(&definition, "study.toml", "texts").unwrap();
        let settings: Settings =
            ["a", "b"].map(|name| (name.to_owned(), Setting::Text(text.clone()))).into();
        let patch = knobs::write(&study, &settings, |file| Ok(match file {
            "a.toml" => b"x = 'start-value'".to_vec(),
            _ => b"{\"x\": \"start-value\"}".to_vec(),
        }))
        .unwrap();
        let toml: toml_edit::DocumentMut = file(&patch, "a.toml").parse().unwrap();
        prop_assert_eq!(toml["x"].as_str().unwrap(), &text);
        let json: serde_json::Value = serde_json::from_str(file(&patch, "b.json")).unwrap();
        prop_assert_eq!(json["x"].as_str().unwrap(), &text);
    }
}

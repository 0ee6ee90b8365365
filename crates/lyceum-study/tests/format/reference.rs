//! The schema, the reference page and the built-in studies agree.

use std::{fs, path::PathBuf};

use lyceum_study::format;

fn root() -> PathBuf {
    let crate_directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_directory.join("../..").canonicalize().unwrap()
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = root().join("docs/study-format.md");
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == format::reference_markdown(),
        "docs/study-format.md is not what the types say; run\n\n    \
         cargo run -- schema study --markdown > docs/study-format.md\n"
    );
}

#[test]
fn every_key_is_on_the_page_with_its_meaning() {
    let page = format::reference_markdown();
    let schema = format::schema();
    let mut keys = 0;
    let tables = schema["$defs"]
        .as_object()
        .unwrap()
        .values()
        .chain([&schema]);
    for table in tables {
        for (key, property) in table["properties"].as_object().into_iter().flatten() {
            let row = page.contains(&format!("| `{key}` |"));
            let section = page.contains(&format!("[{key}"));
            assert!(row || section, "`{key}` is not on the page");
            if row {
                let reference = property["$ref"]
                    .as_str()
                    .unwrap_or_default()
                    .rsplit('/')
                    .next();
                let described = property["description"].is_string()
                    || reference
                        .is_some_and(|name| schema["$defs"][name]["description"].is_string());
                assert!(described, "`{key}` has no meaning");
            }
            keys += 1;
        }
    }
    assert!(keys > 60, "{keys}");
}

#[test]
fn the_schema_is_closed_and_knows_no_null() {
    let schema = format::schema();
    assert!(!schema.to_string().contains("null"), "{schema:#}");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition.get("properties").is_some() {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
    }
}

#[test]
fn every_built_in_study_parses() {
    let studies = root().join("studies");
    let mut found = 0;
    for entry in fs::read_dir(&studies).into_iter().flatten() {
        let file = entry.unwrap().path().join("study.toml");
        if !file.exists() {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        if let Err(problems) = format::parse(&text, &file.display().to_string(), "built-in") {
            panic!("{problems}");
        }
        found += 1;
    }
    assert!(found > 0, "no study under {}", studies.display());
}

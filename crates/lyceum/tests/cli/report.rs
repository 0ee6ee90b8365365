//! The report: one page that needs nothing and whose every link leads somewhere.

use std::collections::BTreeSet;

use crate::support::{Place, Tiny};

/// Returns the values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let mark = format!(" {name}=\"");
    let parts = page.split(mark.as_str()).skip(1);
    parts
        .map(|part| part.split_once('"').expect("an attribute ends").0)
        .collect()
}

fn report_of(tiny: &Tiny) -> (Place, String) {
    let place = Place::new();
    place.study(tiny);
    let done = place.run(&tiny.name, &[]);
    assert!(matches!(done.code, 0 | 1), "{}", done.err);
    let path = place
        .lab()
        .join("studies")
        .join(&tiny.name)
        .join("report.html");
    done.prints(&format!("report: {}", path.display()));
    let page = std::fs::read_to_string(path).unwrap();
    (place, page)
}

#[test]
fn the_page_needs_nothing_and_every_link_resolves() {
    let (place, page) = report_of(&Tiny {
        budget: "experiments = 6".into(),
        ..Tiny::default()
    });
    assert!(page.starts_with("<!DOCTYPE html>"));
    for forbidden in [
        "http:",
        "https:",
        "<script",
        "<link",
        "@import",
        "url(",
        "<iframe",
        "<img",
        "javascript:",
    ] {
        assert!(!page.contains(forbidden), "the page holds `{forbidden}`");
    }
    let targets = attributes(&page, "id");
    let unique: BTreeSet<&str> = targets.iter().copied().collect();
    assert_eq!(unique.len(), targets.len(), "an id is there twice");
    let links = attributes(&page, "href");
    assert!(links.len() > 20, "only {} links", links.len());
    for link in links {
        let target = link.strip_prefix('#').expect(link);
        assert!(unique.contains(target), "`{link}` leads nowhere");
    }
    assert!(page.contains("prefers-color-scheme") && page.contains("@media print"));
    for run in place.bodies("tiny", "run.finished") {
        let command = format!(
            "lyceum rerun tiny {}",
            run["run"]
                .as_str()
                .map_or_else(|| format!("r{}", run["run"]), str::to_owned)
        );
        assert!(page.contains(&command), "no `{command}`");
    }
}

#[test]
fn the_page_is_a_function_of_the_ledger() {
    let (place, page) = report_of(&Tiny::default());
    for name in ["one.html", "two.html"] {
        place
            .call(&["report", "tiny", "--output", name])
            .exits(0)
            .prints(name);
        assert_eq!(
            std::fs::read_to_string(place.path().join(name)).unwrap(),
            page,
            "{name}"
        );
    }
    let json = place.call(&["report", "tiny", "--json"]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["study"], "tiny");
}

#[test]
fn a_page_can_be_made_of_a_study_that_is_not_finished() {
    let place = Place::new();
    let train = "sleep 600";
    place.study(&Tiny {
        train: train.into(),
        budget: "experiments = 2\nwall = \"1s\"".into(),
        ..Tiny::default()
    });
    place.run("tiny", &[]).exits(3);
    let page = std::fs::read_to_string(place.lab().join("studies/tiny/report.html")).unwrap();
    assert!(
        page.contains("the wall budget is spent"),
        "the cut run's cause is not in the report"
    );
}

#[test]
fn a_page_goes_into_what_is_there_already() {
    let (place, page) = report_of(&Tiny::default());
    // By a link, so that a lab that renames over it harms nobody's device.
    std::os::unix::fs::symlink("/dev/stdout", place.path().join("out")).unwrap();
    let done = place.call(&["report", "tiny", "--output", "out"]).exits(0);
    assert_eq!(done.out, format!("{page}out\n"));
    let still = std::fs::read_link(place.path().join("out")).unwrap();
    assert_eq!(still, std::path::Path::new("/dev/stdout"));
    let done = place.call(&["report", "tiny", "--output", "."]).exits(2);
    done.says(&["cannot write the report to `.`"]);
}

//! Bundles of labs that mean harm: signed rightly by their own key, and refused before anything is written.

use std::{fs, path::PathBuf};

use lyceum_ledger::{Ledger, NewEvent, Options};

use crate::support::{Place, Tiny};

/// Writes a bundle of a lab of its own with these events in one stream.
fn bundle(place: &Place, stream: &str, events: Vec<NewEvent>) -> PathBuf {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
    ledger.append(stream, events).unwrap();
    let path = place.path().join("harm.bundle");
    let mut file = fs::File::create(&path).unwrap();
    let reader = ledger.reader().unwrap();
    reader.export(Some(stream), &mut file).unwrap();
    path
}

fn ended(reason: &str) -> NewEvent {
    NewEvent::new("session.ended", 1, reason)
}

#[test]
fn no_name_leads_out_of_the_lab() {
    let place = Place::new();
    let long = "a".repeat(300);
    let names = ["..", "/a", "a/b", "a\nb", "a\u{1b}[1mb", "../../out", &long];
    for name in names {
        let path = bundle(&place, &format!("study/{name}"), vec![ended("{}")]);
        let path = path.to_str().unwrap();
        let done = place.call(&["import", path]).exits(2);
        done.says(&["cannot name a study"]);
        let done = place.call(&["import", path, "--as", name]).exits(2);
        done.says(&["cannot name a study"]);
    }
    let path = bundle(&place, "study/a", vec![ended("{}")]);
    let path = path.to_str().unwrap();
    let done = place.call(&["import", path, "--as", ""]).exits(2);
    done.says(&["cannot name a study"]);
    assert!(!place.lab().exists(), "nothing was to be written");
}

#[test]
fn what_no_study_can_read_is_not_taken() {
    let place = Place::new();
    place.study(&Tiny::default());
    place.run("tiny", &[]).exits(0);
    let long = format!("{{\"odd\":\"{}\"}}", "x".repeat(10_000));
    let cases = [
        (NewEvent::new("study.dreamt", 1, "{}"), "study.dreamt"),
        (NewEvent::new("study.opened", 900, "{}"), "study.opened"),
        (ended("{\"odd\":1}"), "session.ended"),
        (ended(&long), "session.ended"),
    ];
    for (event, said) in cases {
        let path = bundle(&place, "study/a", vec![event]);
        let done = place.call(&["import", path.to_str().unwrap()]).exits(2);
        done.says(&["event 1", said]);
    }
    place.assert_intact();
    // One that was put in by other means is a finding, and hides nothing else.
    let ledger = Ledger::open(&place.lab().join("ledger"), Options::default()).unwrap();
    let event = NewEvent::new("study.dreamt", 1, "{}");
    ledger.append("study/a", vec![event]).unwrap();
    drop(ledger);
    let done = place.call(&["verify"]).exits(1);
    done.prints("a: cannot be read: ");
    done.prints("tiny: ");
    done.prints("chain: ");
}

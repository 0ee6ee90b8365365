use std::fs;

use lyceum_ledger::NewEvent;
use lyceum_memory::{
    Change, Cite, ENTRY_BYTES_MAX, Error, Must, Note, Operation, Store, names, present,
};

use crate::support::{Lab, note, person};

fn store(lab: &Lab) -> Store {
    Store::create(&lab.ledger, &lab.root(), "tuning", "what helps", person()).unwrap()
}

fn again(lab: &Lab) -> Store {
    Store::load(&lab.ledger.reader().unwrap(), &lab.root(), "tuning").unwrap()
}

#[test]
fn what_is_written_is_there_with_all_its_versions() {
    let lab = Lab::new();
    let mut store = store(&lab);
    let note = Note {
        cites: vec![Cite {
            stream: "study/a".into(),
            seqs: vec![3, 5],
        }],
        expires_at: Some(1_000),
        ..note()
    };
    let write = |store: &mut Store, text, must| {
        store.write(&lab.ledger, "rates/small.md", text, note.clone(), must)
    };
    assert_eq!(
        write(&mut store, "one", &Must::BeAbsent).unwrap(),
        Change::Made(2)
    );
    let first = store.entry("rates/small.md").unwrap().hash.clone();
    assert_eq!(
        write(&mut store, "two", &Must::Have(first.clone())).unwrap(),
        Change::Made(3)
    );
    store
        .delete(&lab.ledger, "rates/small.md", person(), &Must::Any)
        .unwrap();
    let loaded = again(&lab);
    assert_eq!(loaded.description(), "what helps");
    assert_eq!(loaded.entries().count(), 0);
    let operations: Vec<_> = loaded.versions().iter().map(|one| one.operation).collect();
    assert_eq!(
        operations,
        [Operation::Created, Operation::Modified, Operation::Deleted]
    );
    assert_eq!(loaded.read_version(2).unwrap(), "one");
    assert_eq!(loaded.read_version(3).unwrap(), "two");
    let entry = &loaded.versions()[0].entry;
    assert_eq!(
        (&entry.cites, entry.is_expired(999), entry.is_expired(1_000)),
        (&note.cites, false, true)
    );
    assert_eq!(lab.ledger.reader().unwrap().verify().unwrap().fault, None);
}

#[test]
fn nobody_overwrites_what_they_have_not_seen() {
    let lab = Lab::new();
    let mut store = store(&lab);
    let write = |store: &mut Store, text: &str, must: Must| {
        store.write(&lab.ledger, "a", text, note(), &must)
    };
    let other = Must::Have("0".repeat(64));
    let error = write(&mut store, "one", other.clone()).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { found: None, .. }),
        "{error}"
    );
    write(&mut store, "one", Must::BeAbsent).unwrap();
    for must in [Must::BeAbsent, other] {
        let error = write(&mut store, "two", must).unwrap_err();
        assert!(error.to_string().contains("is not as expected"), "{error}");
    }
    assert_eq!(store.read("a").unwrap(), "one");
    // What is there already is no conflict.
    assert_eq!(
        write(&mut store, "one", Must::BeAbsent).unwrap(),
        Change::None
    );
    // Another handle that has not seen the last change is refused by the ledger.
    let mut stale = again(&lab);
    write(&mut store, "two", Must::Any).unwrap();
    let error = write(&mut stale, "three", Must::Any).unwrap_err();
    assert!(matches!(error, Error::Ledger(_)), "{error}");
    assert_eq!(again(&lab).read("a").unwrap(), "two");
}

#[test]
fn a_secret_is_taken_away_for_good_and_the_record_stays() {
    let lab = Lab::new();
    let mut store = store(&lab);
    let mut write = |path: &str, text: &str| {
        store
            .write(&lab.ledger, path, text, note(), &Must::Any)
            .unwrap()
    };
    write("a", "a secret");
    write("b", "a secret");
    write("b", "harmless");
    store.redact(&lab.ledger, 2, person()).unwrap();
    let mut loaded = again(&lab);
    assert!(matches!(loaded.read("a"), Err(Error::NoEntry { .. })));
    assert_eq!(loaded.read("b").unwrap(), "harmless");
    for seq in [2, 3] {
        let error = loaded.read_version(seq).unwrap_err();
        assert!(matches!(error, Error::Redacted { .. }), "{error}");
    }
    assert_eq!(loaded.versions().len(), 3);
    let kept = fs::read_dir(lab.root().join("tuning")).unwrap();
    assert_eq!(kept.count(), 1, "one text is left");
    loaded.redact(&lab.ledger, 3, person()).unwrap();
    loaded
        .write(&lab.ledger, "a", "a secret", note(), &Must::Any)
        .unwrap();
    assert_eq!(again(&lab).read("a").unwrap(), "a secret");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let lab = Lab::new();
    let mut store = store(&lab);
    store
        .write(&lab.ledger, "a/b", "x", note(), &Must::Any)
        .unwrap();
    let before = store.seq();
    let mut refused = |path: &str, text: &str| {
        store
            .write(&lab.ledger, path, text, note(), &Must::Any)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("../x", "x").contains("is no path"));
    assert!(refused("a", "x").contains("cannot both be"));
    assert!(refused("a/b/c", "x").contains("cannot both be"));
    let long = "x".repeat(ENTRY_BYTES_MAX + 1);
    assert!(refused("long", &long).contains("at most 102400"));
    for path in [
        "studies/a.json",
        "families/a/knobs.md",
        "studies",
        "families",
    ] {
        assert!(refused(path, "x").contains("written by dreams alone"));
    }
    assert_eq!(again(&lab).seq(), before);
    let twice = Store::create(&lab.ledger, &lab.root(), "tuning", "", person());
    assert!(matches!(twice, Err(Error::StoreExists { .. })));
    let reader = lab.ledger.reader().unwrap();
    let none = Store::load(&reader, &lab.root(), "other").unwrap_err();
    assert!(
        none.to_string().ends_with("expected one of: tuning"),
        "{none}"
    );
    assert_eq!(names(&reader).unwrap(), ["tuning"]);
}

#[test]
fn contents_that_were_changed_or_lost_are_told() {
    let lab = Lab::new();
    let mut store = store(&lab);
    store
        .write(&lab.ledger, "a", "as it was", note(), &Must::Any)
        .unwrap();
    let file = lab
        .root()
        .join("tuning")
        .join(&store.entry("a").unwrap().hash);
    fs::write(&file, "otherwise").unwrap();
    let error = again(&lab).read("a").unwrap_err();
    assert!(
        error.to_string().contains("not what was written"),
        "{error}"
    );
    fs::remove_file(&file).unwrap();
    assert!(matches!(again(&lab).read("a"), Err(Error::Damaged { .. })));
}

#[test]
fn a_store_of_a_later_program_is_refused() {
    let lab = Lab::new();
    store(&lab);
    let event = NewEvent::new("memory.folded", 1, "{}");
    lab.ledger.append("memory/tuning", vec![event]).unwrap();
    let error = Store::load(&lab.ledger.reader().unwrap(), &lab.root(), "tuning").unwrap_err();
    assert!(
        error.to_string().contains("`memory.folded` version 1"),
        "{error}"
    );
}

#[test]
fn stores_that_succeed_each_other_in_a_circle_are_read_once() {
    let lab = Lab::new();
    let mut first = store(&lab);
    let mut second = Store::create(&lab.ledger, &lab.root(), "tuning-2", "", person()).unwrap();
    first
        .succeed(&lab.ledger, "tuning-2", person(), "better")
        .unwrap();
    second
        .succeed(&lab.ledger, "tuning", person(), "worse")
        .unwrap();
    let reader = lab.ledger.reader().unwrap();
    assert_eq!(
        present(&reader, &lab.root(), "tuning").unwrap().name(),
        "tuning-2"
    );
}

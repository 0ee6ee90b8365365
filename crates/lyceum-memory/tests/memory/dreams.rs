use lyceum_memory::{
    Cite, DreamVerdict, Error, Must, Note, PastStudy, STUDIES_MAX, Store, dream, families, lessons,
    present, remembered, replay, suggest,
};
use lyceum_types::{Knob, Setting};

use crate::support::{Lab, note, person, study};

pub(crate) fn family() -> Vec<PastStudy> {
    (1..=4)
        .map(|one| study(&format!("s{one}"), 0.1 * one as f64, one))
        .collect()
}

/// Studies whose best settings have nothing to do with each other.
pub(crate) fn strangers() -> Vec<PastStudy> {
    [(1, -1.9), (2, 1.9), (3, 0.0), (4, -1.0), (5, 1.0)]
        .map(|(seed, shift)| study(&format!("s{seed}"), shift, seed))
        .to_vec()
}

#[test]
fn knobs_that_mattered_come_first_with_the_range_that_was_good() {
    let lessons = lessons(&family());
    let names: Vec<&str> = lessons.iter().map(|one| one.knob.as_str()).collect();
    assert_eq!(names[0], "rate");
    assert!(lessons[0].mattered.share > 0.3, "{:?}", lessons[0].mattered);
    let idle = lessons.iter().find(|one| one.knob == "idle").unwrap();
    assert!(idle.mattered.share < 0.1, "{:?}", idle.mattered);
    // The best rates are 0.013 to 0.025; a fifth of the trials lie within a factor of some 3.
    let (low, high) = lessons[0].good.unwrap();
    assert!(
        0.002 < low && low < 0.013 && 0.025 < high && high < 0.15,
        "{low} {high}"
    );
    assert_eq!(lessons[0].recurs, (4, 4));
    assert!(lessons[0].cites.iter().all(|one| !one.seqs.is_empty()));
    assert_eq!(lessons[0].cites.len(), 4);
}

#[test]
fn what_to_begin_with_is_good_in_a_study_that_was_not_seen() {
    let unseen = study("unseen", 0.25, 9);
    let space = unseen.space().unwrap();
    let suggestions = suggest(&family(), &space, 3);
    assert_eq!(suggestions.len(), 3);
    for one in &suggestions {
        space.check(&one.settings).unwrap();
        let rate = one.settings["rate"].number().unwrap();
        assert!((0.003..0.1).contains(&rate), "{rate}");
        assert!(one.near.0 >= 2 && !one.cites.is_empty(), "{one:?}");
    }
    assert_eq!(suggestions[0].settings["kind"], Setting::Text("b".into()));
    assert!(suggest(&[], &space, 3).is_empty());
}

#[test]
fn a_replay_tells_a_family_from_strangers() {
    let helped = replay("loss", &family());
    assert!(helped.saved() > 0.0 && helped.improved(), "{helped:?}");
    assert_eq!(helped, replay("loss", &family()), "a replay repeats");
    let misled = replay("loss", &strangers());
    assert!(!misled.improved(), "{misled:?}");
    assert!(helped.saved() > misled.saved());
}

#[test]
fn studies_are_grouped_by_what_they_turned_and_measured() {
    let mut other = study("other", 0.0, 5);
    other.metric = "error rate".into();
    let mut fewer = study("fewer", 0.0, 6);
    fewer.knobs.pop();
    let all: Vec<PastStudy> = family().into_iter().chain([other, fewer]).collect();
    let sizes: Vec<(String, usize)> = families(&all)
        .into_iter()
        .map(|one| {
            (
                one.id.rsplit_once('-').unwrap().0.to_owned(),
                one.studies.len(),
            )
        })
        .collect();
    assert_eq!(
        sizes
            .iter()
            .filter(|one| **one == ("loss".into(), 4))
            .count(),
        1
    );
    assert_eq!(
        sizes
            .iter()
            .filter(|one| **one == ("error-rate".into(), 1))
            .count(),
        1
    );
    assert_eq!(sizes.len(), 3);
}

#[test]
fn an_accepted_dream_is_read_in_place_of_the_old_store() {
    let lab = Lab::new();
    let mut before = Store::create(&lab.ledger, &lab.root(), "tuning", "d", person()).unwrap();
    let cites = vec![Cite {
        stream: "study/s1".into(),
        seqs: vec![4],
    }];
    let by = |cites: &Vec<Cite>, expires_at| Note {
        cites: cites.clone(),
        expires_at,
        ..note()
    };
    let mut write = |path: &str, text: &str, expires_at| {
        let note = by(&cites, expires_at);
        before
            .write(&lab.ledger, path, text, note, &Must::Any)
            .unwrap();
    };
    write("mine.md", "keep me", None);
    write("twice.md", "keep me", None);
    write("old.md", "gone by then", Some(5_000));
    let untouched = before.seq();
    let dreamt = dream(Some(&before), family(), &[], 5_000).unwrap();
    assert_eq!(
        dreamt.dreamed.verdict,
        DreamVerdict::Accepted,
        "{}",
        dreamt.dreamed.reason
    );
    assert_eq!(before.seq(), untouched, "a dream by itself writes nothing");
    let lines: Vec<&String> = dreamt.changes.iter().flat_map(|(_, lines)| lines).collect();
    assert!(lines.iter().any(|one| *one == "- gone by then"));
    let told = lines
        .iter()
        .find(|one| one.starts_with("+ - `rate` explains"))
        .unwrap();
    assert!(
        told.contains("[study/s1 ") && told.contains("study/s4 "),
        "{told}"
    );
    let after = dreamt.write(&lab.ledger, &lab.root(), &mut before).unwrap();
    assert_eq!(after.name(), "tuning-2");
    let reader = lab.ledger.reader().unwrap();
    let found = present(&reader, &lab.root(), "tuning").unwrap();
    assert_eq!(found.name(), "tuning-2");
    assert_eq!(found.read("mine.md").unwrap(), "keep me");
    assert_eq!(found.entry("mine.md").unwrap().cites, cites);
    assert!(found.entry("twice.md").is_err() && found.entry("old.md").is_err());
    let names = |store: &Store| -> Vec<String> {
        remembered(store)
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect()
    };
    assert_eq!(names(&found), ["s1", "s2", "s3", "s4"]);
    assert_eq!(remembered(&found).unwrap(), family());
    let old = Store::load(&reader, &lab.root(), "tuning").unwrap();
    assert_eq!(
        old.read("twice.md").unwrap(),
        "keep me",
        "the old store is as it was"
    );
    // The next dream begins where this one ended.
    let mut found = found;
    let next = dream(Some(&found), vec![study("s5", 0.2, 5)], &[], 6_000).unwrap();
    let next = next.write(&lab.ledger, &lab.root(), &mut found).unwrap();
    assert_eq!((next.name(), names(&next).len()), ("tuning-3", 5));
    assert_eq!(lab.ledger.reader().unwrap().verify().unwrap().fault, None);
}

#[test]
fn a_dream_that_does_not_help_is_kept_for_review() {
    let lab = Lab::new();
    let mut before = Store::create(&lab.ledger, &lab.root(), "tuning", "", person()).unwrap();
    for studies in [strangers(), family()[..2].to_vec()] {
        let dreamt = dream(Some(&before), studies, &[], 0).unwrap();
        assert_eq!(dreamt.dreamed.verdict, DreamVerdict::Review);
        let store = dreamt.write(&lab.ledger, &lab.root(), &mut before).unwrap();
        assert!(
            store.dreamed().unwrap().reason.contains(" held"),
            "{:?}",
            store.dreamed()
        );
    }
    let reader = lab.ledger.reader().unwrap();
    assert_eq!(
        present(&reader, &lab.root(), "tuning").unwrap().name(),
        "tuning"
    );
    // A person may take it all the same.
    before
        .succeed(&lab.ledger, "tuning-3", person(), "I looked at it")
        .unwrap();
    let reader = lab.ledger.reader().unwrap();
    assert_eq!(
        present(&reader, &lab.root(), "tuning").unwrap().name(),
        "tuning-3"
    );
}

#[test]
fn there_must_be_something_to_dream_of_and_not_too_much() {
    assert!(matches!(
        dream(None, vec![], &[], 0),
        Err(Error::NothingToDreamOf(_))
    ));
    let many = (0..=STUDIES_MAX).map(|one| {
        let mut one = study(&format!("s{one}"), 0.0, one as u64);
        one.trials.truncate(2);
        one
    });
    assert!(matches!(
        dream(None, many.collect(), &[], 0),
        Err(Error::TooManyStudies { .. })
    ));
}

#[test]
fn what_is_too_long_for_an_entry_is_shortened() {
    let lab = Lab::new();
    let mut wide = study("wide", 0.0, 1);
    for number in 0..400 {
        let name = format!("a-knob-with-a-long-name-{number}");
        wide.knobs.push(Knob {
            name: name.clone(),
            ..wide.knobs[0].clone()
        });
        for (trial, place) in wide.trials.iter_mut().zip(0..) {
            let value = f64::from((place * 7 + number) % 40) / 40.0;
            trial.settings.insert(name.clone(), Setting::Float(value));
        }
    }
    let mut before = Store::create(&lab.ledger, &lab.root(), "tuning", "", person()).unwrap();
    let dreamt = dream(Some(&before), vec![wide], &[], 0).unwrap();
    let store = dreamt.write(&lab.ledger, &lab.root(), &mut before).unwrap();
    let kept = remembered(&store).unwrap().remove(0);
    assert!(
        (1..40).contains(&kept.trials.len()),
        "{}",
        kept.trials.len()
    );
    assert_eq!(kept.knobs.len(), 403);
}

#[test]
fn hostile_studies_teach_nothing_and_break_nothing() {
    let mut empty = study("empty", 0.0, 1);
    empty.trials.clear();
    let mut failed = study("failed", 0.0, 2);
    failed.trials.iter_mut().for_each(|one| one.value = None);
    let mut equal = study("equal", 0.0, 3);
    equal
        .trials
        .iter_mut()
        .for_each(|one| one.value = Some(1.0));
    let mut odd = study("odd", 0.0, 4);
    for one in &mut odd.trials {
        one.value = Some(f64::NAN);
        one.settings.clear();
    }
    let mut none = study("none", 0.0, 5);
    none.knobs.clear();
    let all = vec![empty, failed, equal, odd, none];
    let dreamt = dream(None, all.clone(), &[], 0).unwrap();
    assert_eq!(
        dreamt.dreamed.verdict,
        DreamVerdict::Review,
        "{}",
        dreamt.dreamed.reason
    );
    for one in lessons(&all[..4]) {
        assert!(one.mattered.share.is_finite(), "{one:?}");
    }
}

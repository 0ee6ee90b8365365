//! What keeps people in charge: approvals, autonomy, digests, explain-back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use lyceum_oversight::{
    DEBT_MAX,
    approval::{self, Approver, Refused, Request, Rules, Subject},
    autonomy::{self, Cause, Grounds},
    controls,
    digest::{Numbered, Part, digests},
    explain,
};
use lyceum_types::{
    Body, Decided, Detector, ExperimentId, ExperimentProposed, Explained, Goal, Level, Measured,
    Outcome, Purpose, Role, RunFinished, RunId, RunMeasured, RunStarted, Seed, SessionStarted,
    Setting, Settings, Split, StudyOpened, Trust, Usage, Verdict,
};
use proptest::prelude::*;

// --- approvals ---

const NOW: i64 = 1_000;

fn secret(number: u8) -> [u8; 32] {
    [number; 32]
}

fn rules(needed: u32) -> Rules {
    let approvers = (1..=3).map(|number| Approver {
        name: format!("person {number}"),
        key: approval::public(&secret(number)),
    });
    Rules {
        subjects: vec![Subject::Budget],
        needed,
        approvers: approvers.collect(),
    }
}

fn request() -> Request {
    Request {
        expires_at: NOW + 1,
        from: "40".into(),
        lab: "lab".into(),
        requested_by: "person 3".into(),
        study: "tiny".into(),
        subject: Subject::Budget,
        to: "80".into(),
    }
}

fn check(request: &Request, signers: &[u8], now: i64) -> Result<(), Refused> {
    let signed: Vec<_> = signers
        .iter()
        .map(|number| approval::sign(request, &secret(*number)).unwrap())
        .collect();
    approval::check(&rules(2), request, &signed, now)
}

#[test]
fn two_people_approve_and_nothing_less_does() {
    assert_eq!(check(&request(), &[1, 2], NOW), Ok(()));
    let few = |found| Err(Refused::TooFew { found, needed: 2 });
    assert_eq!(
        check(&request(), &[], NOW),
        few(0),
        "nobody's answer is a no"
    );
    assert_eq!(check(&request(), &[1], NOW), few(1));
    assert!(matches!(
        check(&request(), &[1, 1], NOW),
        Err(Refused::Twice { .. })
    ));
    assert!(matches!(
        check(&request(), &[1, 3], NOW),
        Err(Refused::OwnRequest { .. })
    ));
    assert!(matches!(
        check(&request(), &[1, 9], NOW),
        Err(Refused::Stranger { .. })
    ));
    assert_eq!(check(&request(), &[1, 2], NOW + 1), Err(Refused::Expired));
}

#[test]
fn a_signature_speaks_for_no_other_request() {
    let signed = [1, 2].map(|number| approval::sign(&request(), &secret(number)).unwrap());
    let altered = [
        Request {
            to: "800".into(),
            ..request()
        },
        Request {
            from: "4".into(),
            ..request()
        },
        Request {
            study: "other".into(),
            ..request()
        },
        Request {
            lab: "another".into(),
            ..request()
        },
        Request {
            subject: Subject::Grader,
            ..request()
        },
        Request {
            expires_at: NOW + 9,
            ..request()
        },
        Request {
            requested_by: "x".into(),
            ..request()
        },
    ];
    for other in altered {
        let refused = approval::check(&rules(2), &other, &signed, NOW);
        assert!(matches!(refused, Err(Refused::Altered { .. })), "{other:?}");
    }
}

#[test]
fn one_person_with_two_keys_is_one_person() {
    let mut rules = rules(2);
    rules.approvers[1].name = "person 1".into();
    let signed = [1, 2].map(|number| approval::sign(&request(), &secret(number)).unwrap());
    let refused = approval::check(&rules, &request(), &signed, NOW);
    assert_eq!(
        refused,
        Err(Refused::TooFew {
            found: 1,
            needed: 2
        })
    );
    rules.needed = 0;
    let refused = approval::check(&rules, &request(), &[], NOW);
    assert!(
        matches!(refused, Err(Refused::Rules { .. })),
        "nobody needed is no rule"
    );
}

#[test]
fn a_request_is_signed_in_one_form() {
    let text = String::from_utf8(request().canonical()).unwrap();
    expect_one_form(&text);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = value.as_object().unwrap().keys().collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
}

fn expect_one_form(text: &str) {
    assert_eq!(
        text,
        r#"{"expires_at":1001,"from":"40","lab":"lab","requested_by":"person 3","study":"tiny","subject":"budget","to":"80"}"#
    );
}

// --- autonomy ---

fn causes() -> impl Strategy<Value = Cause> {
    let level = prop::sample::select(Level::ALL.to_vec());
    prop_oneof![
        Just(Cause::Blocked),
        level.prop_map(Cause::Lowered),
        (0_u32..3, 0_u32..3, 0_u32..20).prop_map(|(confirmed, blocked, ran)| {
            let grounds = Grounds {
                confirmed,
                blocked,
                ran,
            };
            Cause::Approved(grounds)
        }),
    ]
}

proptest! {
    #[test]
    fn a_level_rises_by_one_on_evidence_and_a_word_and_falls_on_every_block(
        all in prop::collection::vec(causes(), 0..60)
    ) {
        let mut level = Level::default();
        for cause in all {
            let after = autonomy::next(level, cause).unwrap_or(level);
            match cause {
                Cause::Blocked => prop_assert!(after < level || level == Level::L0),
                Cause::Lowered(to) => prop_assert_eq!(after, to.min(level)),
                Cause::Approved(grounds) => {
                    let ran = level < Level::L2 && grounds.ran >= autonomy::RAN_MIN;
                    let held = grounds.confirmed > 0 || ran;
                    prop_assert!(after <= level || held && grounds.blocked == 0);
                    prop_assert!(after as usize <= level as usize + 1);
                }
            }
            level = after;
        }
    }
}

#[test]
fn a_study_begins_where_it_goes_on_by_itself() {
    assert_eq!(Level::default(), Level::L3);
    assert_eq!(Level::L0.below(), Level::L0);
    assert_eq!(Level::L4.above(), None);
}

// --- controls ---

#[test]
fn every_detector_fires_on_what_is_planted_among_events_and_a_blind_probe_is_told() {
    for detector in Detector::ALL {
        assert!(controls::planted(*detector), "{detector}");
    }
    let blind = RunFinished {
        run: RunId(1),
        outcome: Outcome::Completed,
        usage: Usage::default(),
        outputs: vec![],
        reported: BTreeMap::new(),
        log: String::new(),
        policy: String::new(),
        observed: Some(Box::default()),
    };
    let (fired, silent) = controls::check(&blind);
    assert_eq!(
        silent
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        controls::of_probe()
    );
    assert_eq!(
        fired.len() + controls::of_probe().len(),
        Detector::ALL.len()
    );
}

// --- a study of numbers ---

/// The first events of a study.
fn opening() -> Vec<Body> {
    vec![
        StudyOpened {
            study: "tiny".into(),
            question: "?".into(),
            directory: "/".into(),
            definition: "00".into(),
            workspace: "11".into(),
            workspace_files: 1,
            evaluator: "2222".into(),
            metric: "loss".into(),
            goal: Goal::Minimize,
            unit: String::new(),
            trust: Trust::Measured,
            seed: Seed(1),
            researcher: "random".into(),
            rule: "greedy".into(),
            level: None,
            start: Settings::new(),
            earlier: vec![],
            lyceum: "0".into(),
        }
        .into(),
        SessionStarted {
            pid: 1,
            slots: 1,
            sandbox: String::new(),
            machine: lyceum_types::MachineFacts::default(),
            binary: "33".into(),
            lyceum: "0".into(),
        }
        .into(),
    ]
}

/// A study whose experiments have these values; each that is lower than all before is kept.
fn study(values: &[f64]) -> Vec<Numbered> {
    let mut bodies = opening();
    let mut best = (0_u32, f64::INFINITY);
    for (index, value) in values.iter().enumerate() {
        let (id, run) = (ExperimentId(index as u32), RunId(index as u32 + 1));
        let first = index == 0;
        let knob = |scale: f64| Setting::Float(value * scale);
        bodies.push(
            ExperimentProposed {
                experiment: id,
                role: if first { Role::Start } else { Role::Search },
                settings: [
                    ("lr".to_owned(), knob(1.0)),
                    ("width".to_owned(), knob(3.0)),
                ]
                .into(),
                hypothesis: String::new(),
                researcher: "random".into(),
                prediction: None,
                evidence: vec![],
                seen: 0,
                files: vec![],
                call: None,
                cpu_ms: 0,
            }
            .into(),
        );
        bodies.push(
            RunStarted {
                run,
                experiment: id,
                seed: Seed(1),
                purpose: if first {
                    Purpose::Floor
                } else {
                    Purpose::Search
                },
                cpus: vec![],
                threads: 1,
            }
            .into(),
        );
        bodies.push(
            RunMeasured {
                run,
                split: Split::Search,
                trust: Trust::Measured,
                measured: Measured::Values {
                    values: [("loss".to_owned(), *value)].into(),
                },
                fresh: None,
                usage: Usage::default(),
                log: String::new(),
            }
            .into(),
        );
        let gain = best.1 - value;
        let kept = gain > 0.0;
        if !first {
            bodies.push(
                Decided {
                    experiment: id,
                    verdict: if kept {
                        Verdict::Kept
                    } else {
                        Verdict::Discarded
                    },
                    against: ExperimentId(best.0),
                    gain: Some(gain),
                    why: String::new(),
                    runs: vec![run],
                    grader: String::new(),
                }
                .into(),
            );
        }
        if kept {
            best = (index as u32, *value);
        }
    }
    (1..).zip(bodies).collect()
}

fn some_study() -> Vec<Numbered> {
    study(&[0.9, 0.71, 0.83, 0.52, 0.64, 0.45, 0.77, 0.39])
}

// --- digests ---

#[test]
fn every_number_of_a_digest_names_events_that_are_there() {
    for events in [some_study(), study(&[1.0]), study(&[1.0, 2.0, 3.0])] {
        let last = events.last().unwrap().0;
        let all = digests(&events);
        assert_eq!(all.len(), 1);
        assert!(all[0].lines.len() >= 4, "{all:?}");
        for part in all
            .iter()
            .flat_map(|one| &one.lines)
            .flat_map(|line| &line.parts)
        {
            match part {
                Part::Text(text) => assert!(
                    !text.contains(|c: char| c.is_ascii_digit()),
                    "`{text}` holds a number without its events"
                ),
                Part::Linked { shown, events } => {
                    assert!(!events.is_empty(), "`{shown}` rests on nothing");
                    assert!(events.iter().all(|seq| (1..=last).contains(seq)), "{shown}");
                }
            }
        }
    }
}

#[test]
fn a_digest_says_what_was_accepted_and_after_how_many_tries() {
    let events = some_study();
    let shown = format!("{:?}", digests(&events));
    for text in [
        "e7 (lr 0.45 → 0.39",
        "7 tries",
        "start ",
        "0.900000",
        "8 runs",
        "none up to event",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

// --- explain-back ---

#[test]
fn who_knows_passes_and_who_guesses_does_not() {
    let events = some_study();
    let (mut by_chance, mut first, mut all) = (0, 0, 0);
    for tries in 0..400 {
        let items = explain::items(&events, tries).unwrap();
        assert_eq!(items.len(), explain::ITEMS);
        for item in &items {
            let mut choices = item.choices.clone();
            choices.sort();
            choices.dedup();
            assert_eq!(choices.len(), explain::CHOICES, "{item:?}");
            assert!(!item.events.is_empty(), "{item:?}");
        }
        let known: Vec<u8> = items.iter().map(|item| item.right as u8).collect();
        assert_eq!(explain::right(&items, &known), explain::ITEMS);
        let guess = Seed(tries).derive("guess", 0).0;
        let guessed: Vec<u8> = (0..5)
            .map(|index| (guess >> (2 * index) & 3) as u8)
            .collect();
        by_chance += explain::right(&items, &guessed);
        first += explain::right(&items, &[0; 5]);
        all += explain::ITEMS;
    }
    for (bot, right) in [("guessing", by_chance), ("always the first", first)] {
        let share = f64::from(right as u32) / f64::from(all as u32);
        assert!(share <= 0.30, "{bot}: {share}");
    }
}

#[test]
fn the_same_record_gives_the_same_questions() {
    let events = some_study();
    assert_eq!(explain::items(&events, 3), explain::items(&events, 3));
    assert_ne!(explain::items(&events, 3), explain::items(&events, 4));
    assert_eq!(
        explain::items(&study(&[1.0, 2.0]), 0),
        None,
        "nothing was accepted"
    );
}

#[test]
fn debt_grows_with_what_is_accepted_and_is_paid_by_passing() {
    let falling: Vec<f64> = (0..25).map(|index| 1.0 - 0.01 * f64::from(index)).collect();
    let mut events = study(&falling);
    assert_eq!(explain::debt(&events), 24);
    assert!(explain::debt(&events) > DEBT_MAX);
    let mut answer = |passed| {
        let seq = events.last().unwrap().0 + 1;
        let explained = Explained {
            tries: 0,
            answers: vec![0; 5],
            right: 5,
            passed,
        };
        events.push((seq, explained.into()));
        explain::debt(&events)
    };
    assert_eq!(answer(false), 24);
    assert_eq!(answer(true), 0);
}

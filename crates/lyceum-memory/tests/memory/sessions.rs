//! What sessions found, read without a model.

use lyceum_memory::{DreamVerdict, PastFinding, PastSession, Store, dream};

use crate::{
    dreams::family,
    support::{Lab, person},
};

fn finding(seq: u64, claim: &str, low: f64, high: f64) -> PastFinding {
    PastFinding {
        seq,
        claim: claim.into(),
        gain: Some((f64::midpoint(low, high), (low, high))),
        replaced: false,
    }
}

fn session(name: &str, findings: Vec<PastFinding>) -> PastSession {
    PastSession {
        name: name.into(),
        stream: format!("session/{name}"),
        study: "tiny".into(),
        last: 100,
        findings,
    }
}

fn read() -> Vec<PastSession> {
    let taken_back = PastFinding {
        replaced: true,
        ..finding(9, "depth helps", 0.1, 0.3)
    };
    vec![
        session(
            "a",
            vec![
                finding(5, "Warm-up  helps", 0.1, 0.3),
                finding(6, "noise", -0.1, 0.2),
                finding(7, "width helps", 0.1, 0.2),
                taken_back,
                finding(10, "a larger batch hurts", -0.4, -0.2),
            ],
        ),
        session(
            "b",
            vec![
                finding(3, "warm-up helps", 0.2, 0.4),
                finding(4, "width helps", -0.3, -0.1),
                finding(8, "depth helps", 0.1, 0.3),
            ],
        ),
    ]
}

#[test]
fn what_recurred_is_one_line_and_what_was_contradicted_is_none() {
    let lab = Lab::new();
    let mut before =
        Store::create(&lab.ledger, &lab.root(), "lab", "what was found", person()).unwrap();
    let dreamt = dream(Some(&before), vec![], &read(), 0).unwrap();
    assert_eq!(dreamt.dreamed.verdict, DreamVerdict::Review);
    let reason = &dreamt.dreamed.reason;
    assert!(
        reason.starts_with("no replay measures what sessions found"),
        "{reason}"
    );
    assert!(dreamt.dreamed.refused.is_empty());
    let store = dreamt.write(&lab.ledger, &lab.root(), &mut before).unwrap();
    assert_eq!(
        store.read("findings/tiny.md").unwrap(),
        "- warm-up helps (mean gain 0.2500, in 2 sessions) [session/a 5; session/b 3]\n\
         - a larger batch hurts (mean gain -0.3000, in 1 session) [session/a 10]\n"
    );
    assert_eq!(store.dreamed().unwrap().sessions, ["a", "b"]);
    // What other sessions found stays when one is read again.
    let mut store = store;
    let again = session("b", vec![finding(3, "warm-up helps", 0.2, 0.4)]);
    let other = session("c", vec![finding(2, "rest helps", 1.0, 2.0)]);
    let dreamt = dream(Some(&store), vec![], &[again, other], 0).unwrap();
    let next = dreamt.write(&lab.ledger, &lab.root(), &mut store).unwrap();
    assert_eq!(
        next.read("findings/tiny.md").unwrap(),
        "- rest helps (mean gain 1.5000, in 1 session) [session/c 2]\n\
         - warm-up helps (mean gain 0.3000, in 1 session) [session/b 3]\n\
         - a larger batch hurts (mean gain -0.3000, in 1 session) [session/a 10]\n"
    );
}

#[test]
fn words_of_sessions_are_kept_for_review_whatever_the_replay_of_studies_says() {
    let alone = dream(None, family(), &[], 0).unwrap();
    let beside = dream(None, family(), &read(), 0).unwrap();
    assert_eq!(alone.dreamed.replays, beside.dreamed.replays);
    assert_eq!(alone.dreamed.verdict, DreamVerdict::Accepted);
    assert_eq!(beside.dreamed.verdict, DreamVerdict::Review);
}

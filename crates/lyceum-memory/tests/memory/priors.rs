//! Where good values lay, as samplers read it of a store.

use lyceum_memory::{Draft, Must, Store, dream, present, priors, remembered_priors};
use lyceum_types::{Goal, GoodValues, KnobPrior, Setting};

use crate::{
    dreams::{family, strangers},
    support::{Lab, note, person, study},
};

fn ends(priors: &[KnobPrior], knob: &str) -> (f64, f64) {
    let one = priors.iter().find(|one| one.knob == knob).unwrap();
    let GoodValues::Between { low, high } = one.good else {
        panic!("{one:?}");
    };
    (low, high)
}

#[test]
fn a_family_says_where_and_strangers_say_little() {
    let told = priors(&family());
    assert_eq!(told[0].knob, "rate");
    assert!(told[0].explains > 0.3, "{told:?}");
    // The best rates are 0.013 to 0.025.
    let (low, high) = ends(&told, "rate");
    assert!(
        0.002 < low && low < 0.013 && 0.025 < high && high < 0.2,
        "{low} {high}"
    );
    let kind = told.iter().find(|one| one.knob == "kind").unwrap();
    let GoodValues::Shares(shares) = &kind.good else {
        panic!("{kind:?}");
    };
    let most = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(most.0, Setting::Text("b".into()));
    let idle = told.iter().find(|one| one.knob == "idle").unwrap();
    assert!(idle.explains < 0.1, "{idle:?}");
    let apart = ends(&priors(&strangers()), "rate");
    assert!(
        (apart.1 / apart.0).ln() > 2.0 * (high / low).ln(),
        "{apart:?}"
    );
    assert!(
        priors(&family()[..1]).is_empty(),
        "one study says nothing of the next"
    );
    assert!(priors(&[]).is_empty());
}

#[test]
fn a_store_says_it_to_samplers_and_one_of_before_says_nothing() {
    let lab = Lab::new();
    let mut before = Store::create(&lab.ledger, &lab.root(), "tuning", "", person()).unwrap();
    let dreamt = dream(Some(&before), family(), &[], 0).unwrap();
    let store = dreamt.write(&lab.ledger, &lab.root(), &mut before).unwrap();
    let reader = lab.ledger.reader().unwrap();
    let found = present(&reader, &lab.root(), "tuning").unwrap();
    assert_eq!(found.name(), store.name());
    let asked = |store: &Store, metric: &str, goal| remembered_priors(store, metric, goal).unwrap();
    assert_eq!(asked(&found, "loss", Goal::Minimize), priors(&family()));
    assert_eq!(asked(&found, "loss", Goal::Maximize), []);
    assert_eq!(asked(&found, "error rate", Goal::Minimize), []);
    let path = found
        .entries()
        .find(|entry| entry.path.ends_with("/priors.json"))
        .unwrap();
    assert!(!path.cites.is_empty());
    // One knob a line, for people.
    let text = found.read(&path.path).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.contains("\"knob\""))
            .count(),
        3
    );
    // What a store dreamt before then has is all but this entry.
    let mut old = Store::create(&lab.ledger, &lab.root(), "old", "", person()).unwrap();
    assert_eq!(asked(&old, "loss", Goal::Minimize), []);
    // Nobody but a dream writes it.
    let refused = old.write(&lab.ledger, &path.path, &text, note(), &Must::Any);
    assert!(refused.is_err());
    let kept = Draft::of(&found, 0).unwrap();
    assert_eq!(
        kept.changes(Some(&found)).unwrap(),
        [],
        "a dream by a model keeps it"
    );
}

#[test]
fn of_two_families_the_larger_one_has_the_word() {
    let lab = Lab::new();
    let mut before = Store::create(&lab.ledger, &lab.root(), "tuning", "", person()).unwrap();
    let fewer = (5..8).map(|one| {
        let mut study = study(&format!("s{one}"), -1.5, one);
        study.knobs.remove(0);
        study
    });
    let all = family().into_iter().chain(fewer).collect();
    let store = dream(Some(&before), all, &[], 0).unwrap();
    let store = store.write(&lab.ledger, &lab.root(), &mut before).unwrap();
    let told = remembered_priors(&store, "loss", Goal::Minimize).unwrap();
    assert_eq!(told, priors(&family()));
}

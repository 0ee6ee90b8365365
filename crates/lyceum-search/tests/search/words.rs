//! What proposals say.

use crate::common::{Study, measured, mixed, mixed_start, mixed_value};
use lyceum_search::{GaussianProcess, Random};
use lyceum_types::ExperimentId;

#[test]
fn a_random_draw_says_so_and_promises_nothing() {
    let space = mixed();
    let mut study = Study::new(&space, 1);
    study.start = mixed_start();
    let proposal = study.ask(&Random, &[]).unwrap();
    assert!(
        proposal.hypothesis.starts_with("random draw: "),
        "{}",
        proposal.hypothesis
    );
    assert!(
        proposal.hypothesis.contains("(from "),
        "{}",
        proposal.hypothesis
    );
    assert_eq!((proposal.prediction, proposal.evidence.len()), (None, 0));
}

#[test]
fn a_modelled_proposal_says_what_why_and_from_what() {
    let space = mixed();
    let mut study = Study::new(&space, 1);
    study.start = mixed_start();
    study.tell(mixed_start(), measured(mixed_value(&mixed_start())));
    let proposals = study.run(&GaussianProcess, 20, |settings| {
        measured(mixed_value(settings))
    });
    assert!(
        proposals[0].hypothesis.starts_with("start design, "),
        "{}",
        proposals[0].hypothesis
    );
    let last = &proposals[19];
    for part in [
        ": expected ",
        " ± ",
        ", best so far ",
        "% chance of a gain",
        "nearest evidence e",
    ] {
        assert!(
            last.hypothesis.contains(part),
            "{part}: {}",
            last.hypothesis
        );
    }
    assert!(!last.hypothesis.contains('\n'));
    let prediction = last.prediction.unwrap();
    assert!(prediction.mean.is_finite() && prediction.sd > 0.0);
    assert!(!last.evidence.is_empty());
    assert!(last.evidence.iter().all(|id| *id < ExperimentId(20)));
}

#[test]
fn a_search_that_gains_nothing_turns_local_and_says_so() {
    let space = mixed();
    let mut study = Study::new(&space, 3);
    study.start = mixed_start();
    // The best is known from the beginning, and everything else is worse by the distance to it.
    study.tell(mixed_start(), measured(-1.0));
    let proposals = study.run(&GaussianProcess, 40, |settings| {
        measured(mixed_value(settings))
    });
    let said = |text: &str| {
        let says = |proposal: &&lyceum_search::Proposal| proposal.hypothesis.starts_with(text);
        proposals.iter().filter(says).count()
    };
    let near = said("no gain for a while, so within ");
    assert!((8..=16).contains(&near), "{near} near the best");
}

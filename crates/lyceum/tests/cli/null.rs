//! The built-in study in which nothing can work: the lab must say so.

use std::path::Path;

use crate::support::Place;

/// Studies of this test; the campaign over 200 is `bench/null`.
const SEEDS: u64 = 6;

#[test]
fn where_nothing_can_work_claims_are_rare() {
    let place = Place::new();
    let study = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../studies/null");
    let study = study.display().to_string();
    let mut claims = 0;
    for seed in 1..=SEEDS {
        let seed = seed.to_string();
        let words = [
            "--again",
            "--seed",
            &seed,
            "--experiments",
            "10",
            "--researcher",
            "gp",
        ];
        let done = place.call(&[&["run", &study, "--slots", "1"], &words[..]].concat());
        match done.code {
            0 => claims += 1,
            1 => assert!(
                done.out.contains("nothing was found that is better")
                    || done.out.contains("unconfirmed"),
                "{}",
                done.out
            ),
            code => panic!("exit {code}: {}", done.err),
        }
    }
    // At the level of 5 %, two of six have a probability of 3 %; the seeds are fixed, so this does not waver.
    assert!(claims <= 1, "{claims} of {SEEDS} studies claim a gain");
    place.assert_intact();
}

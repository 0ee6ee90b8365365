//! Exact packings against oracles that share no formula with them.

use lyceum_programs::packing::exact::{Circle, Invalid, ONE, Packing, shrink};
use lyceum_programs::packing::polish::Polisher;
use lyceum_programs::packing::{CIRCLES, Configuration, VARIABLES, sum_of_radii};
use proptest::prelude::*;

/// Feasibility by comparing squares; the library compares integer square roots.
fn feasible(circles: &[Circle; CIRCLES]) -> bool {
    let inside = |c: &Circle| c.r <= c.x && c.x + c.r <= ONE && c.r <= c.y && c.y + c.r <= ONE;
    circles.iter().all(inside)
        && circles.iter().enumerate().all(|(k, a)| {
            circles[..k].iter().all(|b| {
                let (dx, dy, reach) = (a.x - b.x, a.y - b.y, a.r + b.r);
                reach * reach <= dx * dx + dy * dy
            })
        })
}

fn any_circles() -> impl Strategy<Value = [Circle; CIRCLES]> {
    let circle = (0..=ONE, 0..=ONE, 1..ONE / 4).prop_map(|(x, y, r)| Circle { x, y, r });
    proptest::array::uniform26(circle)
}

fn any_packing() -> impl Strategy<Value = Packing> {
    any_circles().prop_filter_map("a radius vanished", |mut circles| {
        shrink(&mut circles);
        Packing::new(circles).ok()
    })
}

/// Decimal digits of a positive double after the point, all of them, and the whole part.
fn digits(value: f64) -> String {
    format!("{value:0>140.120}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shrinking_makes_anything_feasible_and_is_idempotent(mut circles in any_circles()) {
        shrink(&mut circles);
        prop_assert!(feasible(&circles));
        let once = circles;
        shrink(&mut circles);
        prop_assert_eq!(once, circles);
    }

    #[test]
    fn the_verdict_is_that_of_the_squares(circles in any_circles(), scale in 1..200_i128) {
        let circles = circles.map(|c| Circle { r: (c.r / scale).max(1), ..c });
        prop_assert_eq!(Packing::new(circles).is_ok(), feasible(&circles));
    }

    #[test]
    fn a_circle_grows_to_contact_and_not_one_unit_further(packing in any_packing(), k in 0..CIRCLES) {
        let mut circles = *packing.circles();
        // Bisection with the oracle: the largest feasible radius.
        let (mut fits, mut fails) = (circles[k].r, ONE);
        while fails - fits > 1 {
            circles[k].r = i128::midpoint(fits, fails);
            if feasible(&circles) { fits = circles[k].r } else { fails = circles[k].r }
        }
        circles[k].r = fits;
        prop_assert!(Packing::new(circles).is_ok());
        circles[k].r = fits + 1;
        let refused = Packing::new(circles);
        let by_one = matches!(refused, Err(Invalid::Outside { by: 1, .. } | Invalid::Overlap { by: 1, .. }));
        prop_assert!(by_one, "{:?}", refused);
    }

    #[test]
    fn text_survives_a_round_trip(packing in any_packing()) {
        prop_assert_eq!(Packing::parse(packing.to_string().as_bytes()), Ok(packing));
    }

    #[test]
    fn the_sum_is_the_largest_double_not_above(packing in any_packing()) {
        let exact = packing.sum_units();
        let exact = format!("{:0>19}.{:018}", exact / ONE, exact % ONE);
        let exact = format!("{exact:0<140}");
        let sum = packing.sum_rounded_down();
        prop_assert!(digits(sum) <= exact, "{} {}", digits(sum), exact);
        prop_assert!(digits(sum.next_up()) > exact, "{} {}", digits(sum.next_up()), exact);
    }

    #[test]
    fn no_text_makes_the_parser_fail_otherwise(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Packing::parse(&text).is_err());
    }

    #[test]
    fn near_misses_of_the_grammar_are_errors_not_panics(text in "([0-9.eE+\\- n]{0,12}[ \\n]){0,80}") {
        prop_assert!(Packing::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn a_configuration_loses_next_to_nothing_on_its_way_to_text(seed in any::<[u16; 52]>()) {
        let mut at: Configuration = [0.05; VARIABLES];
        for (value, draw) in at.iter_mut().zip(seed) {
            *value = 0.01 + 0.98 * f64::from(draw) / 65535.0;
        }
        // Coinciding centres are refused; everything else is polished to a feasible optimum.
        if let Some(polished) = Polisher::default().polish(&at) {
            let packing = Packing::from_configuration(&polished).unwrap();
            let lost = sum_of_radii(&polished) - packing.sum_rounded_down();
            prop_assert!(lost < 1e-12, "lost {lost}");
        }
    }
}

#[test]
fn a_tiny_packing_has_an_exact_sum_too() {
    let circles = std::array::from_fn(|i| Circle {
        x: 10 + 10 * i as i128,
        y: 5,
        r: 1,
    });
    let sum = Packing::new(circles).unwrap().sum_rounded_down();
    assert!((sum - 26e-18).abs() < 1e-32, "{sum:e}");
}

#[test]
fn numbers_outside_the_square_never_become_a_packing() {
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let mut at = [0.01; VARIABLES];
        at[0] = bad;
        assert!(Packing::from_configuration(&at).is_err(), "{bad}");
    }
}

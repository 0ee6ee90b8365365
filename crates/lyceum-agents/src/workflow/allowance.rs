//! What a run and its phases may still use. Reserved before, settled after; too little pauses the run and ends nothing.

use super::{
    event::{Reserved, StopReason},
    format::Budget,
    state::Used,
};

/// Says which budget does not hold an attempt for which so much is reserved.
fn short(budget: &Budget, used: &Used, need: Reserved) -> Option<&'static str> {
    let over = |limit: Option<u64>, used: u64, need: u64| {
        limit.is_some_and(|limit| used.saturating_add(need) > limit)
    };
    let wall = budget.wall.map(|span| span.0.as_millis() as u64);
    if over(budget.steps, used.steps, 1) {
        return Some("steps");
    }
    if over(budget.tokens, used.tokens, need.tokens) {
        return Some("tokens");
    }
    // What has no known price cannot be held to a budget of money.
    let priceless = need.tokens > 0 && need.money.is_none() && budget.money.is_some();
    let money = budget.money.map(|money| money.0);
    if priceless || over(money, used.money, need.money.unwrap_or(0)) {
        return Some("money");
    }
    wall.filter(|wall| used.wall_ms >= *wall).map(|_| "wall")
}

/// Says why no attempt for which so much is reserved may begin now; `None` where one may.
pub(super) fn holds(
    (run, of_run): (&Budget, &Used),
    (name, phase, of_phase): (&str, &Budget, &Used),
    need: Reserved,
) -> Option<StopReason> {
    let of_run = short(run, of_run, need).map(|budget| (None, budget));
    let of_phase = || short(phase, of_phase, need).map(|budget| (Some(name.to_owned()), budget));
    let (phase, budget) = of_run.or_else(of_phase)?;
    Some(StopReason::BudgetReached {
        phase,
        budget: budget.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use lyceum_types::Span;

    use super::*;

    #[test]
    fn what_is_reserved_counts_and_the_first_short_budget_is_named() {
        let limits = |steps, tokens, wall: Option<u64>| Budget {
            steps,
            tokens,
            money: None,
            wall: wall.map(|ms| Span(std::time::Duration::from_millis(ms))),
        };
        let used = Used {
            steps: 3,
            tokens: 50,
            wall_ms: 10,
            ..Used::default()
        };
        let need = Reserved {
            tokens: 50,
            ..Reserved::default()
        };
        assert_eq!(
            short(&limits(Some(4), Some(100), Some(11)), &used, need),
            None
        );
        assert_eq!(
            short(&limits(Some(3), None, None), &used, need),
            Some("steps")
        );
        assert_eq!(
            short(&limits(None, Some(99), None), &used, need),
            Some("tokens")
        );
        assert_eq!(
            short(&limits(None, None, Some(10)), &used, need),
            Some("wall")
        );
        let money = Budget {
            money: Some(lyceum_models::Money(1)),
            ..Budget::default()
        };
        assert_eq!(short(&money, &used, need), Some("money"));
        assert_eq!(short(&money, &used, Reserved::default()), None);
    }
}

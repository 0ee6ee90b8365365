//! Nested budgets: what a thread spends counts against everybody above it.

use super::{format::Team, state::State};

/// Tokens and billionths of a US dollar.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spending {
    pub(super) tokens: u64,
    pub(super) money: u64,
}

/// Returns who a thread is.
pub(super) fn member_name(state: &State, thread: u32) -> Option<&str> {
    let found = state.threads.get(thread as usize)?;
    let delegated = found.delegated.as_ref();
    Some(delegated.map_or("lead", |delegated| &delegated.specialist))
}

/// Tells whether a thread may spend so much more: within its own budget and that of everybody above, each of which holds
/// for all that is below.
pub(super) fn fits(
    state: &State,
    team: &Team,
    spent: &[Spending],
    (thread, need, priced): (u32, Spending, bool),
) -> bool {
    state.line_of(thread).into_iter().all(|payer| {
        let member = member_name(state, payer).and_then(|name| team.member(name));
        let Some(allowed) = member.map(|member| member.allowed) else {
            return false;
        };
        let below = spent
            .iter()
            .zip(0..)
            .filter(|(_, at)| state.line_of(*at).contains(&payer));
        let (tokens, money) = below.fold((need.tokens, need.money), |(tokens, money), (one, _)| {
            (
                tokens.saturating_add(one.tokens),
                money.saturating_add(one.money),
            )
        });
        let holds = |limit: Option<u64>, found: u64| limit.is_none_or(|limit| found <= limit);
        // A model without a price cannot be held to a budget of money.
        holds(allowed.tokens, tokens)
            && holds(allowed.money, money)
            && (priced || allowed.money.is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::event::{Body, Created, Delegated};

    const FILE: &str = r#"
name = "t"
objective = "o"
[lead]
tokens = 100
specialists = ["a", "b"]
[[specialist]]
name = "a"
tokens = 60
specialists = ["b"]
[[specialist]]
name = "b"
money = "1"
"#;

    /// The lead, `a` below it, `b` below `a`, and another `b` below the lead.
    fn state() -> State {
        let mut state = State::default();
        let created = Created {
            team: "t".into(),
            objective: "o".into(),
            definition: String::new(),
            digest: String::new(),
            model: None,
            files: vec![],
            lyceum: "0".into(),
        };
        let below = |thread, parent, specialist: &str| {
            Body::Delegated(Delegated {
                thread,
                parent,
                call: format!("{thread}.0"),
                specialist: specialist.into(),
                task: String::new(),
                version: 0,
            })
        };
        let all = [
            Body::Created(created),
            below(1, 0, "a"),
            below(2, 1, "b"),
            below(3, 0, "b"),
        ];
        for (body, seq) in all.into_iter().zip(1..) {
            state.apply(seq, body).unwrap();
        }
        state
    }

    #[test]
    fn what_is_spent_below_counts_above_and_not_beside() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("team.toml");
        std::fs::write(&file, FILE).unwrap();
        let team = Team::open(&file).unwrap();
        let state = state();
        let spent = [10, 20, 30, 5].map(|tokens| Spending { tokens, money: 0 });
        let may = |thread, tokens, priced| {
            fits(
                &state,
                &team,
                &spent,
                (thread, Spending { tokens, money: 0 }, priced),
            )
        };
        // 65 of the lead's 100 are spent, 50 of the 60 of `a`.
        assert!(may(0, 35, false) && !may(0, 36, false));
        assert!(may(1, 10, false) && !may(1, 11, false));
        assert!(may(2, 10, true) && !may(2, 11, true));
        assert!(may(3, 35, true) && !may(3, 36, true));
        // A budget of money needs a price.
        assert!(!may(3, 1, false));
        let dear = Spending {
            tokens: 0,
            money: 1_000_000_001,
        };
        assert!(!fits(&state, &team, &spent, (3, dear, true)));
    }
}

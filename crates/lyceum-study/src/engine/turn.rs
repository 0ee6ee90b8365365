//! Whose turn it is to propose, where samplers and an agent share a study. Pure.

use lyceum_search::Researcher;
use lyceum_types::TurnGiven;

use super::{ask::with_ask, protocol::Protocol, state::State};

/// Returns whose turn it is by what is known; `None` where an agent shares its turns with nobody.
pub fn turn(state: &State, protocol: &Protocol, researcher: &dyn Researcher) -> Option<TurnGiven> {
    let turn = with_ask(state, protocol, |ask| researcher.turn(ask, state.passed))?;
    Some(TurnGiven {
        researcher: researcher.name().to_owned(),
        to: turn.to,
        to_agent: turn.to_agent,
        shares: turn.shares.into_iter().collect(),
        why: turn.why,
    })
}

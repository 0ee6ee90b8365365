//! What oversight saw and what people said, from the events.

use lyceum_types::{Body, Class, Level};

use crate::model::Oversight;

/// Takes in one event.
pub(super) fn take(so_far: &mut Option<Oversight>, seq: u64, body: &Body) {
    if let Body::OversightBegan(began) = body {
        let oversight = so_far.get_or_insert_default();
        oversight.sessions += 1;
        oversight.fired = began.fired.len();
        oversight.silent.extend(&began.silent);
        oversight.level = began.autonomy;
        return;
    }
    let Some(oversight) = so_far else {
        return;
    };
    let mut act = |what, words: &str| oversight.acts.push((seq, what, words.to_owned()));
    match body {
        Body::StudyStopped(stopped) => act("stopped", &stopped.why),
        Body::StudyResumed(resumed) => act("let go on", &resumed.why),
        Body::AutonomyLent(lent) => act("lent one session", &lent.why),
        Body::ApprovalUsed(used) => act("signed", &used.request),
        Body::Explained(explained) if explained.passed => act("explained back", ""),
        Body::AutonomyChanged(changed) => {
            act("changed the level", &changed.why);
            oversight.level = Some(changed.to);
        }
        Body::IncidentRaised(raised) => {
            if raised.class == Class::Block {
                oversight.level = oversight.level.map(Level::below);
            }
            oversight.incidents.push(raised.clone());
        }
        _ => {}
    }
}

//! What happened in a team beside its threads' own sessions, as event bodies.

use lyceum_types::Output;
use serde::{Deserialize, Serialize};

use crate::session::event::StopReason;

/// A team begins. The lead is thread 0, and works at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Its name.
    pub team: String,
    /// What is to be reached.
    pub objective: String,
    /// Its file, byte for byte.
    pub definition: String,
    /// BLAKE3 of all in it but the budgets.
    pub digest: String,
    /// The model of those for whom the file names none, as a person names it.
    pub model: Option<String>,
    /// The files that are shared at the start.
    pub files: Vec<Output>,
    /// Version of the lab.
    pub lyceum: String,
}

/// A process works with the team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which.
    pub pid: u32,
}

/// A thread gives work to a specialist, which is a thread of its own from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    /// Number of the new thread, from 1.
    pub thread: u32,
    /// Who delegates.
    pub parent: u32,
    /// The call in the parent's session: each delegates once.
    pub call: String,
    /// Who is asked.
    pub specialist: String,
    /// What for.
    pub task: String,
    /// Version of the shared files that it begins with.
    pub version: u32,
}

/// A thread says something to one below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSent {
    /// Number of the message, from 1.
    pub message: u32,
    /// Who says it.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// The call in the sender's session.
    pub call: String,
    /// What.
    pub text: String,
}

/// A thread's changes become shared: a new version of the shared files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOff {
    /// The version that this makes, from 1.
    pub version: u32,
    /// Whose.
    pub thread: u32,
    /// The call in its session.
    pub call: String,
    /// What it says about it.
    pub message: String,
    /// The files that it changes.
    pub files: Vec<Output>,
}

/// A thread takes the shared files as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which.
    pub thread: u32,
    /// The call in its session.
    pub call: String,
    /// The version that it has from now on.
    pub version: u32,
}

/// A thread waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadIdle {
    /// Which.
    pub thread: u32,
    /// Why.
    pub stop_reason: StopReason,
    /// Its last words.
    pub report: String,
}

/// The team waits as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Why.
    pub stop_reason: StopReason,
}

/// The team is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The lead's last words.
    pub report: String,
}

lyceum_types::bodies! {
    /// What happened in a team: one event's content.
    "team":
    Created(Created) = "team.created" 1,
    Running(Running) = "team.status_running" 1,
    Delegated(Delegated) = "session.thread_created" 1,
    MessageSent(MessageSent) = "agent.thread_message_sent" 1,
    HandedOff(HandedOff) = "team.handoff" 1,
    Taken(Taken) = "team.taken" 1,
    ThreadIdle(ThreadIdle) = "session.thread_status_idle" 2,
    Idle(Idle) = "team.status_idle" 2,
    Ended(Ended) = "team.status_ended" 1,
}

impl Body {
    /// Returns the files whose blobs the event speaks of.
    pub(super) fn files(&self) -> &[Output] {
        match self {
            Body::Created(created) => &created.files,
            Body::HandedOff(handed) => &handed.files,
            Body::Running(_)
            | Body::Delegated(_)
            | Body::MessageSent(_)
            | Body::Taken(_)
            | Body::ThreadIdle(_)
            | Body::Idle(_)
            | Body::Ended(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of each kind as version 1 wrote it: what was written stays readable.
    #[test]
    fn what_was_written_is_read() {
        for (kind, json) in [
            (
                "team.created",
                r#"{"team":"t","objective":"o","definition":"d","digest":"00","model":null,"files":[],"lyceum":"0.1.0"}"#,
            ),
            ("team.status_running", r#"{"pid":1}"#),
            (
                "session.thread_created",
                r#"{"thread":1,"parent":0,"call":"1.0","specialist":"s","task":"t","version":0}"#,
            ),
            (
                "agent.thread_message_sent",
                r#"{"message":1,"from":0,"to":1,"call":"2.0","text":"t"}"#,
            ),
            (
                "team.handoff",
                r#"{"version":1,"thread":1,"call":"1.0","message":"m","files":[]}"#,
            ),
            ("team.taken", r#"{"thread":1,"call":"1.0","version":1}"#),
            (
                "session.thread_status_idle",
                r#"{"thread":1,"stop_reason":{"type":"end_turn"},"report":"r"}"#,
            ),
            (
                "team.status_idle",
                r#"{"stop_reason":{"type":"interrupted"}}"#,
            ),
            ("team.status_ended", r#"{"report":"r"}"#),
        ] {
            let body = Body::decode(kind, 1, json).unwrap();
            assert_eq!((body.kind(), body.encode().unwrap().as_str()), (kind, json));
        }
        assert!(
            Body::decode("team.taken", 2, "{}")
                .unwrap_err()
                .to_string()
                .contains("newer")
        );
    }
}

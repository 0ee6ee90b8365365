//! What happened in a session, as event bodies.
//!
//! Names follow the vocabulary of managed agents where it has one. Kinds and versions, once written, stay readable: a change
//! of meaning gets a new version and [`Body::decode`] learns both.

use lyceum_models::{Arguments, Block, Price, Stop, Usage};
use lyceum_types::{ExperimentId, Output, RunId};
use serde::{Deserialize, Serialize};

/// A session begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// Its name in the lab.
    pub session: String,
    /// What is to be reached. Never changes.
    pub objective: String,
    /// What holds meanwhile. Never changes.
    pub constraints: Vec<String>,
    /// The study that it works on, by its name in the lab.
    pub study: String,
    /// The model, as a person names it.
    pub model: String,
    /// What it may spend.
    pub limits: Limits,
    /// What it may not do without a person's word. Version 1 of this event did not have it.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// Memory stores that it sees. Version 1 of this event did not have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Version of the lab.
    pub lyceum: String,
}

/// What a session may spend; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Tokens read and written, over all requests.
    pub tokens: Option<u64>,
    /// Billionths of a US dollar.
    pub money: Option<u64>,
}

impl Limits {
    /// Tells whether as much is within them. A model without a price cannot be held to a budget of money.
    pub(crate) fn hold(self, tokens: u64, money: Option<u64>) -> bool {
        let money = match (money, self.money) {
            (_, None) => true,
            (Some(need), Some(left)) => need <= left,
            (None, Some(_)) => false,
        };
        money && self.tokens.is_none_or(|left| tokens <= left)
    }
}

/// A memory store that a session sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Its name.
    pub store: String,
    /// Whether the session may change it.
    pub write: bool,
}

/// What a session may not do without a person's word. Never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Tools of which each call needs one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Globs of the files that may be changed without one; `None` where all may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Vec<String>>,
    /// Experiments of the session that need none; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

impl Policy {
    /// Tells whether nothing needs a person's word.
    pub fn is_empty(&self) -> bool {
        *self == Policy::default()
    }
}

/// What the session may spend from now on, with what it has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// The limits.
    pub limits: Limits,
}

/// The files that a session without a study begins with: a copy, of which the original is never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The directory that they were copied from; `None` where the session begins with no files.
    pub directory: Option<String>,
    /// The files.
    pub files: Vec<Output>,
}

/// The session works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Process of the lab that drives it.
    pub pid: u32,
}

/// The session waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Why.
    pub stop_reason: StopReason,
}

/// Why a session waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StopReason {
    /// It has nothing more to say.
    EndTurn,
    /// It proposed an experiment and waits for its verdict.
    AwaitsExperiment,
    /// It handed in and waits for the grades. Version 1 of this event did not have it.
    AwaitsOutcome,
    /// Tries at the model are used up.
    RetriesExhausted,
    /// What is left of its budget does not pay for another request.
    BudgetReached,
    /// The model declined.
    Refusal,
    /// It took many turns and proposed nothing.
    NoProgress,
    /// A person stopped it.
    Interrupted,
    /// It waits for a person's word. Version 2 of this event did not have it.
    RequiresAction {
        /// The calls that wait.
        ids: Vec<String>,
    },
    /// The lab failed at it, which says nothing about the session. Version 3 of this event did not have it.
    LabFailed,
}

/// The session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminated {
    /// Why, in words.
    pub why: String,
}

/// A person says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSaid {
    /// What.
    pub text: String,
    /// Name of the letter by which it came to a process that held the lab: no letter is taken in twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
}

/// The harness says something to the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSaid {
    /// What.
    pub text: String,
}

/// Another thread of the team said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReceived {
    /// Number of the message in the team.
    pub message: u32,
    /// The thread that said it.
    pub from: u32,
    /// What.
    pub text: String,
}

impl MessageReceived {
    /// Returns the name under which a message counts as received.
    pub fn letter_of(message: u32) -> String {
        format!("thread-message-{message}")
    }

    /// Returns this message's name.
    pub fn letter(&self) -> String {
        MessageReceived::letter_of(self.message)
    }
}

/// A person stops what goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Why, in words.
    pub why: String,
    /// Name of the letter by which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
}

/// Intent: the model is about to be asked, and the most that this may use is reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Number of the request, from 1.
    pub request: u32,
    /// BLAKE3 of the request as JSON.
    pub digest: String,
    /// About how many tokens it has.
    pub estimated_tokens: u64,
    /// Most tokens that it may read and write, over all its attempts.
    pub reserved_tokens: u64,
    /// Most billionths of a US dollar; `None` where the model has no known price.
    pub reserved_money: Option<u64>,
}

/// Receipt: the model answered, or did not. The reservation ends here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The request.
    pub request: u32,
    /// How it ended.
    pub end: RequestEnd,
    /// Tokens that are charged.
    pub tokens: u64,
    /// Billionths of a US dollar that are charged.
    pub money: u64,
}

/// How a request to a model ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestEnd {
    /// With an answer.
    Answer {
        /// What was said, in order; goes back to the model as it came.
        blocks: Vec<Block>,
        /// Why the model stopped.
        stop: Stop,
        /// What the provider counted.
        usage: Usage,
        /// What that costs.
        price: Price,
        /// The model as its server names it.
        model: String,
    },
    /// With an error; the server's words in it are cut and hold no key.
    Failed {
        /// In words.
        error: String,
    },
    /// The lab died before it knew. The request may have been answered; all that was reserved for it is charged.
    Unknown,
}

/// Something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub error: FaultKind,
    /// In words.
    pub message: String,
    /// What follows.
    pub retry_status: RetryStatus,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The model's server has too much to do.
    ModelOverloadedError,
    /// Too many requests or tokens for now.
    ModelRateLimitedError,
    /// The request failed in another way.
    ModelRequestFailedError,
    /// The account cannot pay.
    BillingError,
    /// No key, or it was refused.
    AuthenticationError,
    /// The conversation is too long for the model, also after compaction.
    ContextOverflowError,
    /// The lab itself failed. Version 1 of this event did not have it.
    UnknownError,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryStatus {
    /// The lab tries again by itself.
    Retrying,
    /// This turn is over; the next may succeed.
    Exhausted,
    /// Nothing that the lab does can help.
    Terminal,
}

/// The model wants a tool to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolUsed {
    /// The call, unique in its session: `REQUEST.NUMBER`.
    pub call: String,
    /// The call's name in the conversation.
    pub id: String,
    /// The tool, whether or not there is one.
    pub name: String,
    /// What it is called with.
    pub arguments: Arguments,
}

impl ToolUsed {
    /// Returns the BLAKE3 of the call with its exact arguments, in this session: what a person's word is about.
    pub fn digest(&self, session: &str) -> String {
        // Strings and JSON values have a JSON form.
        let json = serde_json::to_vec(&(session, self)).unwrap_or_default();
        blake3::hash(&json).to_hex().to_string()
    }
}

/// A call needs a person's word, and is not carried out without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// The call.
    pub call: String,
    /// What it is exactly: [`ToolUsed::digest`].
    pub digest: String,
    /// Why it needs one.
    pub why: String,
}

/// A person's word on one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The call.
    pub call: String,
    /// What it is exactly: a word on anything else is none.
    pub digest: String,
    /// The word.
    pub result: Permission,
    /// Why, where the person says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Name of the letter by which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
}

/// Whether a call may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// It may, once.
    Allow,
    /// It may not.
    Deny,
}

/// A person answers a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAnswered {
    /// The call that asked.
    pub call: String,
    /// What was asked exactly.
    pub digest: String,
    /// The answer.
    pub text: String,
    /// Name of the letter by which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
}

/// Intent: a call is about to be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolStarted {
    /// The call.
    pub call: String,
}

/// Receipt: what a call gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call.
    pub call: String,
    /// What is told to the model, within limits.
    pub text: String,
    /// Whether the tool failed or refused.
    pub is_error: bool,
    /// Whether nobody knows what it did: the lab died meanwhile. It is not repeated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// CPU milliseconds that its command used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_ms: u64,
    /// The files of the workspace that differ from now on, all of them; `None` where the call changed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<Output>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A finding: the agent's words, and what the lab's own record says about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Number of the finding, from 1.
    pub finding: u32,
    /// What the agent says. Its words alone.
    pub claim: String,
    /// The experiment that it is about.
    pub experiment: ExperimentId,
    /// The experiment that it is compared with.
    pub against: ExperimentId,
    /// Runs of both, by which it can be repeated.
    pub runs: Vec<RunId>,
    /// What the lab computes from those runs.
    pub evidence: Evidence,
    /// Earlier findings that it takes the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<u32>,
}

/// A comparison of two experiments, computed by the lab from their runs at common seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Pairs of runs with a common seed.
    pub pairs: u32,
    /// Mean gain of the one over the other, positive for better; `None` without a pair.
    pub gain: Option<f64>,
    /// 95 % interval of the mean gain, where there are pairs enough.
    pub interval: Option<(f64, f64)>,
}

/// Something that the agent wants to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// What.
    pub text: String,
}

/// The agent asks a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAsked {
    /// The call.
    pub call: String,
    /// The question.
    pub question: String,
    /// Answers to choose from; the person may give another one. Version 1 of this event did not have them, and nobody waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What the call is exactly. Version 1 did not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The harness put a summary in the place of the older part of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Number of the last event that the summary stands for.
    pub through: u64,
    /// The summary. It is never the source of truth.
    pub summary: String,
    /// Estimated tokens of the conversation before.
    pub tokens_before: u64,
    /// Estimated tokens of it after.
    pub tokens_after: u64,
}

lyceum_types::bodies! {
    /// What happened in a session: one event's content.
    "session":
    Created(Created) = "session.created" 2,
    Running(Running) = "session.status_running" 1,
    Idle(Idle) = "session.status_idle" 4,
    Terminated(Terminated) = "session.status_terminated" 1,
    PersonSaid(PersonSaid) = "user.message" 1,
    Interrupted(Interrupted) = "user.interrupt" 1,
    LabSaid(LabSaid) = "lab.message" 1,
    MessageReceived(MessageReceived) = "agent.thread_message_received" 1,
    Asked(Asked) = "span.model_request_start" 1,
    Answered(Answered) = "span.model_request_end" 1,
    Fault(Fault) = "session.error" 2,
    ToolUsed(ToolUsed) = "agent.tool_use" 1,
    ApprovalRequested(ApprovalRequested) = "agent.approval_requested" 1,
    Confirmed(Confirmed) = "user.tool_confirmation" 1,
    ToolStarted(ToolStarted) = "agent.tool_started" 1,
    ToolResult(ToolResult) = "agent.tool_result" 1,
    Found(Found) = "agent.finding" 1,
    Noted(Noted) = "agent.note" 1,
    PersonAsked(PersonAsked) = "agent.question" 2,
    PersonAnswered(PersonAnswered) = "user.answer" 1,
    Compacted(Compacted) = "agent.thread_context_compacted" 1,
    Limited(Limited) = "session.limits" 1,
    Workspace(Workspace) = "session.workspace" 1,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of each kind as version 1 wrote it: what was written stays readable.
    #[test]
    fn what_was_written_is_read() {
        for (kind, json) in [
            (
                "session.created",
                r#"{"session":"s","objective":"o","constraints":["c"],"study":"s","model":"m","limits":{"tokens":1,"money":null},"lyceum":"0.1.0"}"#,
            ),
            ("session.status_running", r#"{"pid":1}"#),
            (
                "session.status_idle",
                r#"{"stop_reason":{"type":"interrupted"}}"#,
            ),
            ("session.status_terminated", r#"{"why":"w"}"#),
            ("user.message", r#"{"text":"t"}"#),
            ("user.interrupt", r#"{"why":"w"}"#),
            ("lab.message", r#"{"text":"t"}"#),
            (
                "agent.thread_message_received",
                r#"{"message":1,"from":0,"text":"t"}"#,
            ),
            (
                "span.model_request_start",
                r#"{"request":1,"digest":"00","estimated_tokens":4,"reserved_tokens":5,"reserved_money":null}"#,
            ),
            (
                "span.model_request_end",
                r#"{"request":1,"end":{"type":"unknown"},"tokens":5,"money":0}"#,
            ),
            (
                "session.error",
                r#"{"error":"billing_error","message":"m","retry_status":"terminal"}"#,
            ),
            (
                "agent.tool_use",
                r#"{"call":"1.0","id":"a","name":"bash","arguments":{"type":"object","value":{}}}"#,
            ),
            (
                "agent.approval_requested",
                r#"{"call":"1.0","digest":"00","why":"w"}"#,
            ),
            (
                "user.tool_confirmation",
                r#"{"call":"1.0","digest":"00","result":"deny","why":"w"}"#,
            ),
            (
                "user.answer",
                r#"{"call":"1.0","digest":"00","text":"t","letter":"l"}"#,
            ),
            ("agent.tool_started", r#"{"call":"1.0"}"#),
            (
                "agent.tool_result",
                r#"{"call":"1.0","text":"t","is_error":false}"#,
            ),
            (
                "agent.finding",
                r#"{"finding":1,"claim":"c","experiment":1,"against":0,"runs":[1],"evidence":{"pairs":0,"gain":null,"interval":null}}"#,
            ),
            ("agent.note", r#"{"text":"t"}"#),
            ("agent.question", r#"{"call":"1.0","question":"q"}"#),
            ("session.limits", r#"{"limits":{"tokens":1,"money":null}}"#),
            (
                "session.workspace",
                r#"{"directory":"d","files":[{"name":"a","blob":"00","bytes":1}]}"#,
            ),
            (
                "agent.thread_context_compacted",
                r#"{"through":4,"summary":"s","tokens_before":9,"tokens_after":3}"#,
            ),
        ] {
            let body = Body::decode(kind, 1, json).unwrap();
            assert_eq!(body.kind(), kind);
            assert_eq!(body.encode().unwrap(), json);
        }
        let newer = Body::decode("agent.note", 2, "{}").unwrap_err();
        assert!(newer.to_string().contains("a newer one wrote it"));
    }

    #[test]
    fn what_newer_versions_write_is_read() {
        for (kind, version, json) in [
            (
                "session.created",
                2,
                r#"{"session":"s","objective":"o","constraints":[],"study":"s","model":"m","limits":{"tokens":1,"money":null},"policy":{"tools":["bash"],"outside":["a/**"],"after":3},"mounts":[{"store":"m","write":true}],"lyceum":"0.1.0"}"#,
            ),
            (
                "session.status_idle",
                3,
                r#"{"stop_reason":{"type":"requires_action","ids":["1.0"]}}"#,
            ),
            (
                "session.status_idle",
                4,
                r#"{"stop_reason":{"type":"lab_failed"}}"#,
            ),
            (
                "session.error",
                2,
                r#"{"error":"unknown_error","message":"m","retry_status":"exhausted"}"#,
            ),
            (
                "agent.question",
                2,
                r#"{"call":"1.0","question":"q","choices":["a"],"digest":"00"}"#,
            ),
        ] {
            let body = Body::decode(kind, version, json).unwrap();
            assert!(body.version() >= version);
            assert_eq!(body.encode().unwrap(), json);
        }
    }
}

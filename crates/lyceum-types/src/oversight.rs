//! What oversight sees of a run, and what it says about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RunId;

macro_rules! detectors {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// A deterministic detector. The numbers have gaps: a number belongs to a mechanism, and what the lab does not
        /// run cannot be watched for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Detector { $($(#[$doc])* #[serde(rename = $code)] $name),* }

        impl Detector {
            /// All detectors, by number.
            pub const ALL: &[Detector] = &[$(Detector::$name),*];

            /// Returns the detector's short name, as `D03`.
            pub fn code(self) -> &'static str {
                match self { $(Detector::$name => $code),* }
            }
        }
    };
}

detectors! {
    /// A protected file, or the set of protected files, changed.
    ProtectedPaths = "D01",
    /// A decoy was opened where only the evaluator has business.
    AccessTripwire = "D02",
    /// What stands in a decoy turned up in what the run left.
    Honeypot = "D03",
    /// The run's own number is far better than the measured one.
    CleanRoomRegrade = "D04",
    /// Somebody else than the evaluator wrote an answer.
    ResultAuthenticity = "D05",
    /// A process broke away from its command, or the sandbox was destroyed from outside.
    ProcessIntegrity = "D06",
    /// A host was asked for that is not on the list, or a decoy credential was used.
    EgressAndCredentials = "D08",
    /// A limit outside was reached, or what the lab had written was changed.
    ExternalLimits = "D09",
    /// A time that the run reports is far better than the one outside.
    ClockIntegrity = "D10",
    /// Work was left for after the end.
    DeferredWork = "D11",
    /// A number that cannot be, or that jumps out of its series.
    Plausibility = "D12",
    /// Wrong on fresh inputs.
    FreshInputs = "D13",
    /// Better on what it could see than on what it could not.
    HeldOutDivergence = "D14",
    /// Wrong under a change that must not matter.
    Metamorphic = "D15",
    /// Literals of the answers stand in what it wrote.
    AnswerInSource = "D16",
    /// Its output is a copy of a file that it must not copy.
    OutputCopy = "D17",
    /// A gain that hangs on the seed.
    SeedRobustness = "D18",
    /// Held-out data in what it learned from.
    Contamination = "D19",
    /// A model that does not descend from the one it was given.
    Lineage = "D20",
    /// Source that reaches into its own runtime.
    StaticRules = "D21",
    /// An output that is no plain value.
    ByteBoundary = "D22",
    /// It ended before it was done.
    Completion = "D23",
    /// A claim that no record supports.
    ClaimsLedger = "D24",
    /// The history of the workspace was read for its future.
    HistoryLeak = "D25",
    /// The held-out data were asked too often.
    HoldoutBudget = "D27",
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What an incident means. Never one bit: what is measured anew needs no accusation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Class {
    /// It could not pay: the lab measured for itself. Says nothing about intent.
    Neutralised,
    /// A person should look.
    Review,
    /// An integrity event: the result is void, and no claim stands on it.
    Block,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Neutralised => "NEUTRALISED",
            Class::Review => "REVIEW",
            Class::Block => "BLOCK",
        })
    }
}

/// What an incident rests on. Texts of a candidate in it are escaped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Evidence {
    /// An event of the study, by its number in the stream.
    Event {
        /// The number.
        seq: u64,
    },
    /// A file, as the candidate names it.
    Path {
        /// Its path.
        path: String,
    },
    /// What was found, in words, with its place.
    Found {
        /// In words.
        what: String,
    },
    /// Two numbers that do not go together.
    Numbers {
        /// What the run said, or what was there before.
        claimed: f64,
        /// What the lab found.
        measured: f64,
    },
}

/// Oversight has something to say about a run. Computed from earlier events alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentRaised {
    /// Which detector.
    pub detector: Detector,
    /// What it means.
    pub class: Class,
    /// The run.
    pub run: RunId,
    /// In words.
    pub what: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// How an entry of the workspace differs after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// There is a file where none was.
    Added,
    /// The file has other bytes.
    Modified,
    /// What was there is gone, or hidden.
    Removed,
    /// A link, device, pipe or socket.
    Special,
}

/// One entry of the workspace that a run changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its path in the workspace, escaped.
    pub path: String,
    /// How it differs.
    pub kind: ChangeKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes in hexadecimal, where it is a plain file of bounded size.
    pub hash: Option<String>,
    /// Whether the lab had written it before the run, to set a knob.
    pub set_by_lab: bool,
}

/// Which decoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decoy {
    /// The false key to the answers.
    Answers,
    /// The false credential.
    Credential,
}

/// What stands in a decoy turned up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of which decoy.
    pub decoy: Decoy,
    /// Where: a stream, an output or a file, escaped.
    pub place: String,
    /// How many of its values stand there; 0 when it was the decoy's own name.
    pub values: u32,
}

/// A place in a source file that a static rule names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHit {
    /// The file, escaped.
    pub path: String,
    /// Its line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The rule's name.
    pub rule: String,
}

/// An output with the bytes of another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The output.
    pub output: String,
    /// The file, with where it stands: `private`, `protected`.
    pub of: String,
}

/// Rare literals that a written file shares with files that the candidate never had, or had as expected answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The file that the run wrote, escaped.
    pub path: String,
    /// Where the literals stand: `private` or `protected`.
    pub of: String,
    /// How many.
    pub literals: u32,
}

/// What the supervisor saw of a run from outside: facts, without judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Version of the rules that these facts were taken for. Incidents follow from the facts by these rules.
    pub rules: u32,
    /// Changed entries of the workspace, in order of their paths, the first of them.
    pub changes: Vec<Change>,
    /// Changed entries beyond those.
    pub changes_more: u64,
    /// Protected files that were changed, hidden or removed.
    pub protected: Vec<String>,
    /// Decoys that were opened, by name.
    pub decoys_opened: Vec<String>,
    /// Where the decoys' contents turned up.
    pub marks: Vec<Mark>,
    /// Where it wrote what looks like an evaluator's answer.
    pub forged: Vec<String>,
    /// Processes that were left when the command ended; they ended with it.
    pub left_behind: u64,
    /// Those of them that had left the command's session.
    pub detached: u64,
    /// Whether the sandbox was destroyed from outside before the command ended.
    pub lost: bool,
    /// Hosts that were asked for and refused.
    pub refused_hosts: Vec<String>,
    /// What static rules name in the files that it wrote.
    pub sources: Vec<SourceHit>,
    /// Outputs that are copies.
    pub copies: Vec<Copied>,
    /// Literals that it shares with the answers.
    pub shared: Vec<Shared>,
}

/// Oversight is in force: at the beginning of each session, before any run of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OversightBegan {
    /// Version of the rules.
    pub rules: u32,
    /// Detectors whose planted control fired.
    pub fired: Vec<Detector>,
    /// Detectors whose planted control did not fire: the study stops.
    pub silent: Vec<Detector>,
    /// Most accepted changes that nobody has explained back: at the next, acceptance halts.
    pub debt_max: u32,
    /// The level of autonomy at which the session begins. Studies of versions that wrote none were held back by no level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autonomy: Option<Level>,
}

/// A person changed how much the study may do by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomyChanged {
    /// The level before.
    pub from: Level,
    /// The level from now on.
    pub to: Level,
    /// Claims that were confirmed since the level changed before.
    pub confirmed: u32,
    /// Runs that were blocked since then.
    pub blocked: u32,
    /// Runs that came to their own end since then.
    pub ran: u32,
    /// Why, in the person's words, escaped.
    pub why: String,
}

/// A person lets a study do once what its level does not: one more session, and at the lowest level the experiments that
/// it has proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomyLent {
    /// Why, in the person's words, escaped.
    pub why: String,
}

/// How much a study may do by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    /// It proposes, and runs what a person lets it run.
    L0,
    /// It runs, and accepts nothing.
    L1,
    /// It accepts, within one session at a time.
    L2,
    /// It goes on over sessions: where every study begins.
    #[default]
    L3,
    /// It trains its own successor.
    L4,
}

impl Level {
    /// All levels, from the lowest.
    pub const ALL: [Level; 5] = [Level::L0, Level::L1, Level::L2, Level::L3, Level::L4];

    /// Returns the next lower level; the lowest stays.
    #[must_use]
    pub fn below(self) -> Level {
        Level::ALL[(self as usize).saturating_sub(1)]
    }

    /// Returns the next higher level.
    pub fn above(self) -> Option<Level> {
        Level::ALL.get(self as usize + 1).copied()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", *self as usize)
    }
}

/// A person stopped the study. It goes on only when a person says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyStopped {
    /// Why, in the person's words, escaped.
    pub why: String,
}

/// A person lets a stopped study go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyResumed {
    /// Why, in the person's words, escaped.
    pub why: String,
}

/// A person answered questions about what was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// How often it had been tried before.
    pub tries: u64,
    /// Places of the chosen answers, from 0.
    pub answers: Vec<u8>,
    /// How many were right.
    pub right: u32,
    /// Whether that passes.
    pub passed: bool,
}

/// What a lab demands signatures for was signed, and is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalUsed {
    /// The request, in the form that was signed.
    pub request: String,
    /// The keys that signed, in hexadecimal.
    pub keys: Vec<String>,
    /// Their signatures, in the same order.
    pub signatures: Vec<String>,
}

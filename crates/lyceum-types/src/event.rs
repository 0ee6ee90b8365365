//! What happened in a study, as event bodies. Every verdict is a pure function of earlier events.
//!
//! A body is stored as JSON beside its kind and version. Kinds and versions, once written, stay readable: a change of
//! meaning gets a new version and [`Body::decode`] learns both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ApprovalUsed, AutonomyChanged, AutonomyLent, EndReason, EvaluationChecked, EvaluationEnded,
    EvaluationOngoing, EvaluationStarted, ExperimentId, Explained, Goal, HandedIn, IncidentRaised,
    KnobPrior, Measured, Observed, Outcome, OutcomeDefined, Output, OversightBegan, Prediction,
    Purpose, Role, RunId, Seed, Settings, Split, StudyResumed, StudyStopped, Trust, Usage, Verdict,
};

/// What machine a session works on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Operating system and kernel release.
    pub system: String,
    /// The processor's model name.
    pub processor: String,
    /// Processors that the lab may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// An earlier attempt at a study in the same lab. What is confirmed in one of several attempts is weaker evidence than the
/// same in the only one, and a sealed split that an attempt opened has been seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its name in the lab.
    pub study: String,
    /// Whether it had the same root seed: then no seed of the later attempt is fresh.
    pub same_seeds: bool,
    /// Whether it had opened a sealed split of the same files when the later attempt began: they have been seen.
    pub sealed_seen: bool,
    /// Whether it had confirmed a claim by then.
    pub confirmed: bool,
    /// What its look at the sealed data let out, where it was at the same files. Version 2 of this event did not tell.
    #[serde(default)]
    pub released: Option<f64>,
}

/// A study begins: everything that it is pinned to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyOpened {
    /// The study's name.
    pub study: String,
    /// The research question.
    pub question: String,
    /// Absolute path of the study's directory when it was opened.
    pub directory: String,
    /// Blob with the text of `study.toml`.
    pub definition: String,
    /// BLAKE3 over the names, modes and contents of the workspace's files.
    pub workspace: String,
    /// Number of files in the workspace.
    pub workspace_files: u64,
    /// BLAKE3 over all that decides a measurement: evaluator command, private files, the lab's own programs.
    pub evaluator: String,
    /// The study's own metric.
    pub metric: String,
    /// Its direction.
    pub goal: Goal,
    /// Its unit; empty when it has none.
    pub unit: String,
    /// How far the search's numbers can be trusted.
    pub trust: Trust,
    /// The root seed, from which all seeds follow.
    pub seed: Seed,
    /// Who proposes.
    pub researcher: String,
    /// The keep rule.
    pub rule: String,
    /// The knobs' values in the unchanged workspace.
    pub start: Settings,
    /// Earlier attempts at it in this lab, oldest first. Version 1 of this event did not tell.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
    /// Level at which the claim is tested: what this attempt may spend of the study's alpha. Versions 1 and 2 did not have
    /// it and spent the whole in every attempt.
    #[serde(default)]
    pub level: Option<f64>,
    /// Version of the lab.
    pub lyceum: String,
}

/// The data of a study was drawn and put on its sides of the wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataDrawn {
    /// What the candidate sees.
    pub public: Vec<Output>,
    /// What the evaluator sees while the search goes on.
    pub private: Vec<Output>,
    /// What the evaluator sees once, at the end.
    pub sealed: Vec<Output>,
    /// The best possible value of a metric, where the data program knows it.
    pub limits: BTreeMap<String, f64>,
    /// Files that the user gave, by name: BLAKE3 of their bytes.
    pub inputs: BTreeMap<String, String>,
}

/// A process of the lab starts to work on a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// Its process id.
    pub pid: u32,
    /// Experiments side by side.
    pub slots: u32,
    /// Isolation level of the sandbox, its back end and limits, in words.
    pub sandbox: String,
    /// The machine.
    pub machine: MachineFacts,
    /// BLAKE3 of the lab's own binary.
    pub binary: String,
    /// Version of the lab.
    pub lyceum: String,
}

/// A process of the lab stopped working on a study, in order. After a crash this event is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Why.
    pub reason: EndReason,
    /// Wall-clock time of the session in milliseconds, less what it waited for a person.
    pub wall_ms: u64,
}

/// A person was waited for and nothing else went on: no time of the study's was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAwaited {
    /// Wall-clock time of the wait in milliseconds.
    pub wall_ms: u64,
}

/// A change is proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentProposed {
    /// The experiment.
    pub experiment: ExperimentId,
    /// What it is for.
    pub role: Role,
    /// A value for each active knob.
    pub settings: Settings,
    /// The idea in words.
    pub hypothesis: String,
    /// Who proposed it.
    pub researcher: String,
    /// What the researcher expects; `None` when it has no model yet.
    pub prediction: Option<Prediction>,
    /// Past experiments that speak for it.
    pub evidence: Vec<ExperimentId>,
    /// Number of the stream's last event that the researcher saw.
    pub seen: u64,
    /// Files of the workspace that it adds or changes beside its settings, whole, by their paths. Version 1 of this event
    /// had none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Output>,
    /// The call of an agent that it answers, as `SESSION#CALL`: no call is answered twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// CPU milliseconds that the researcher's own commands used since its last proposal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whose turn it is to propose, where samplers and an agent share a study. It follows from the events before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnGiven {
    /// The researcher of the study, with all that share it.
    pub researcher: String,
    /// Who proposes next.
    pub to: String,
    /// Whether that is the agent.
    pub to_agent: bool,
    /// The share of the turns of each; they add up to 1.
    pub shares: BTreeMap<String, f64>,
    /// The reason in words.
    pub why: String,
}

/// Intent: a run is about to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// The experiment that it belongs to.
    pub experiment: ExperimentId,
    /// Its seed.
    pub seed: Seed,
    /// What it is for.
    pub purpose: Purpose,
    /// Processors that it is pinned to.
    pub cpus: Vec<usize>,
    /// Threads that it is told to use.
    pub threads: u32,
}

/// Receipt: a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Its declared outputs.
    pub outputs: Vec<Output>,
    /// Numbers that the candidate printed about itself.
    pub reported: BTreeMap<String, f64>,
    /// The end of what it printed, with control characters escaped.
    pub log: String,
    /// BLAKE3 of the sandbox policy that it ran under.
    pub policy: String,
    /// What the supervisor saw of it from outside. Version 1 of this event did not tell.
    #[serde(default)]
    pub observed: Option<Box<Observed>>,
}

/// A run said how far it is, at a rung of the halving, and what follows from that: it goes on, or it is stopped early. The
/// second follows from the events before and the report alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReported {
    /// The run.
    pub run: RunId,
    /// Number of the rung, from 0.
    pub rung: u32,
    /// The step that the run says it is at.
    pub step: u64,
    /// The last step of a whole run.
    pub end: u64,
    /// What the run says of itself there: never a measurement. `None` when it is no finite number.
    pub value: Option<f64>,
    /// Its place among those that reported at this rung, from 1.
    pub place: u32,
    /// How many reported at this rung by then, with it.
    pub among: u32,
    /// Whether the run is stopped here.
    pub stopped: bool,
    /// The reason in words.
    pub why: String,
}

/// A run that has no receipt was found dead after a crash, or never began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunVoided {
    /// The run.
    pub run: RunId,
    /// How it is known.
    pub why: String,
    /// CPU milliseconds that it is charged with: the most that it can have used, since nobody measured it. Version 1 of
    /// this event did not have it and charged nothing.
    #[serde(default)]
    pub cpu_ms: u64,
}

/// The evaluator's answer about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMeasured {
    /// The run.
    pub run: RunId,
    /// On which data.
    pub split: Split,
    /// How far it can be trusted.
    pub trust: Trust,
    /// The answer.
    pub measured: Measured,
    /// Seed of the fresh inputs, drawn at random after the run had ended; `None` where the data are fixed.
    pub fresh: Option<Seed>,
    /// What the evaluator used.
    pub usage: Usage,
    /// The end of what the evaluator printed, with control characters escaped; kept when it failed.
    pub log: String,
}

/// A measurement was cut short and gave no answer. When a budget cut it, none will follow and the run does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureCut {
    /// The run.
    pub run: RunId,
    /// On which data.
    pub split: Split,
    /// Why.
    pub cause: String,
    /// What the evaluator had used by then.
    pub usage: Usage,
}

/// A verdict on an experiment. Version 3 knows [`Verdict::StoppedEarly`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The verdict.
    pub verdict: Verdict,
    /// The best before.
    pub against: ExperimentId,
    /// Measured gain over the best before, positive for better; `None` without a measurement.
    pub gain: Option<f64>,
    /// The reason in words.
    pub why: String,
    /// The runs that it rests on.
    pub runs: Vec<RunId>,
    /// BLAKE3 of all that judged them: evaluator, its command, its data. Empty in version 1 of this event.
    #[serde(default)]
    pub grader: String,
}

/// No more proposals and repeats; what is undecided is decided with what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchEnded {
    /// In words.
    pub why: String,
    /// Whether a budget of time or space ended it, before all experiments were made.
    pub spent: bool,
}

/// Two runs with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The common seed.
    pub seed: Seed,
    /// Run of the first side.
    pub base_run: RunId,
    /// Run of the second side.
    pub other_run: RunId,
    /// Value of the first side; `None` when that run failed.
    pub base: Option<f64>,
    /// Value of the second side; `None` when that run failed.
    pub other: Option<f64>,
}

/// The winner was tested against the start on fresh paired seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// The winner.
    pub winner: ExperimentId,
    /// Start (base) against winner (other).
    pub pairs: Vec<Pair>,
    /// What the test says.
    pub finding: Finding,
    /// BLAKE3 of all that judged the runs: evaluator, its command, its data. Empty in version 1 of this event.
    #[serde(default)]
    pub grader: String,
}

/// The winner was tested with one knob put back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ablated {
    /// The experiment that is the winner with the knob put back.
    pub experiment: ExperimentId,
    /// The knob that was put back to its start value.
    pub knob: String,
    /// Winner (other) against winner with the knob put back (base).
    pub pairs: Vec<Pair>,
    /// What the test says: the gain of keeping the change.
    pub finding: Finding,
}

/// A comparison's result in numbers and words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Pairs in which the second side was strictly better.
    pub wins: u32,
    /// Pairs that count.
    pub pairs: u32,
    /// Anytime-valid evidence against "no better"; see `lyceum-stats`.
    pub e_value: f64,
    /// Evidence that is needed: one over the level spent on this claim.
    pub needed: f64,
    /// Whether the evidence suffices.
    pub confirmed: bool,
    /// Mean gain over the pairs, positive for better.
    pub gain: Option<f64>,
    /// 95 % interval of the mean gain.
    pub interval: Option<(f64, f64)>,
    /// In words.
    pub why: String,
}

/// Intent: the sealed split is opened for these runs. Happens once in a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedOpened {
    /// Runs of the start.
    pub start: Vec<RunId>,
    /// Runs of the winner.
    pub winner: Vec<RunId>,
    /// Number of this look at these sealed data in the lab, from 1. 0 in version 1 of this event, which did not count.
    #[serde(default)]
    pub look: u32,
}

/// What a look at the sealed data lets out, by the Ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealedAnswered {
    /// Number of the look.
    pub look: u32,
    /// Whether the winner is better there than the start, and than all that earlier attempts let out, by more than the
    /// standard error.
    pub better: bool,
    /// The winner's value, rounded to the standard error; `None` when it is not better, of which nothing more is told.
    pub released: Option<f64>,
    /// In words.
    pub why: String,
}

impl SealedAnswered {
    /// Returns what came of the look, in words for people: the value in them with five significant digits.
    pub fn words(&self) -> String {
        let Some(value) = self.released else {
            return self.why.clone();
        };
        let short: f64 = format!("{value:.4e}").parse().unwrap_or(value);
        self.why.replace(&value.to_string(), &short.to_string())
    }
}

/// One criterion of the rubric was checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Graded {
    /// Place of the criterion in the rubric, from 0.
    pub criterion: u32,
    /// The criterion in words.
    pub text: String,
    /// Whether it holds.
    pub satisfied: bool,
    /// The number that decided, where there is one.
    pub value: Option<f64>,
    /// Its interval at the criterion's confidence.
    pub interval: Option<(f64, f64)>,
    /// The reason in words.
    pub why: String,
    /// The runs that it rests on.
    pub runs: Vec<RunId>,
}

/// The study came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyFinished {
    /// Whether the rubric is satisfied.
    pub satisfied: bool,
    /// Whether a budget cut the study before its planned end.
    pub cut_short: bool,
    /// In words.
    pub why: String,
}

/// What a memory store suggested when the study was opened. A study keeps to it for its whole life, whatever becomes of
/// the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryRecalled {
    /// The store that was asked for.
    pub asked: String,
    /// The store that is read under that name.
    pub store: String,
    /// Its last event.
    pub seq: u64,
    /// The studies that it learnt from.
    pub studies: Vec<String>,
    /// Settings to begin with, the best first.
    pub settings: Vec<Settings>,
    /// Where good values of each knob lay. Studies before 2026-11-23 and stores dreamt before then have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priors: Vec<KnobPrior>,
}

crate::bodies! {
    /// What happened: one event's content.
    "study":
    StudyOpened(StudyOpened) = "study.opened" 3,
    DataDrawn(DataDrawn) = "data.drawn" 1,
    SessionStarted(SessionStarted) = "session.started" 1,
    SessionEnded(SessionEnded) = "session.ended" 2,
    PersonAwaited(PersonAwaited) = "person.awaited" 1,
    TurnGiven(TurnGiven) = "turn.given" 1,
    ExperimentProposed(ExperimentProposed) = "experiment.proposed" 2,
    RunStarted(RunStarted) = "run.started" 1,
    RunReported(RunReported) = "run.reported" 1,
    RunFinished(RunFinished) = "run.finished" 2,
    RunVoided(RunVoided) = "run.voided" 2,
    RunMeasured(RunMeasured) = "run.measured" 1,
    MeasureCut(MeasureCut) = "run.measure_cut" 1,
    Decided(Decided) = "experiment.decided" 3,
    SearchEnded(SearchEnded) = "search.ended" 1,
    Claimed(Claimed) = "claim.tested" 2,
    Ablated(Ablated) = "ablation.tested" 1,
    SealedOpened(SealedOpened) = "sealed.opened" 2,
    SealedAnswered(SealedAnswered) = "sealed.answered" 1,
    Graded(Graded) = "rubric.graded" 1,
    StudyFinished(StudyFinished) = "study.finished" 1,
    OversightBegan(OversightBegan) = "oversight.began" 2,
    IncidentRaised(IncidentRaised) = "incident.raised" 1,
    StudyStopped(StudyStopped) = "study.stopped" 1,
    StudyResumed(StudyResumed) = "study.resumed" 1,
    Explained(Explained) = "study.explained" 1,
    ApprovalUsed(ApprovalUsed) = "approval.used" 1,
    MemoryRecalled(MemoryRecalled) = "memory.recalled" 1,
    OutcomeDefined(OutcomeDefined) = "outcome.defined" 1,
    HandedIn(HandedIn) = "outcome.handed_in" 1,
    EvaluationStarted(EvaluationStarted) = "span.outcome_evaluation_start" 1,
    EvaluationOngoing(EvaluationOngoing) = "span.outcome_evaluation_ongoing" 1,
    EvaluationChecked(EvaluationChecked) = "span.outcome_evaluation_checked" 1,
    EvaluationEnded(EvaluationEnded) = "span.outcome_evaluation_end" 1,
    AutonomyChanged(AutonomyChanged) = "autonomy.changed" 1,
    AutonomyLent(AutonomyLent) = "autonomy.lent" 1,
}

/// What one record takes in the ledger beside its texts: keys, numbers, hash and index. Measured on built-in studies,
/// 350 to 750 bytes.
const RECORD_BYTES: u64 = 512;

impl Body {
    /// Returns what the event adds to the lab's disk, in bytes: its record, its texts, and the files that it keeps.
    pub fn disk_bytes(&self) -> u64 {
        let files = |all: &[Output]| all.iter().map(|one| one.bytes).sum::<u64>();
        let more = match self {
            Body::DataDrawn(drawn) => {
                files(&drawn.public) + files(&drawn.private) + files(&drawn.sealed)
            }
            Body::RunFinished(finished) => files(&finished.outputs) + finished.log.len() as u64,
            Body::RunMeasured(measured) => measured.log.len() as u64,
            Body::ExperimentProposed(proposed) => {
                proposed.hypothesis.len() as u64 + files(&proposed.files)
            }
            Body::TurnGiven(given) => given.why.len() as u64,
            Body::OutcomeDefined(defined) => files(&defined.private),
            Body::HandedIn(handed) => handed.claim.len() as u64,
            Body::EvaluationChecked(checked) => checked.why.len() as u64,
            _ => 0,
        };
        RECORD_BYTES + more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeError;
    use crate::{FailureReason, GoodValues};

    #[test]
    fn a_released_value_is_short_in_words_alone() {
        let answered = |value: Option<f64>, why: &str| SealedAnswered {
            look: 1,
            better: value.is_some(),
            released: value,
            why: why.into(),
        };
        let found = answered(Some(0.978_565_507_997_958_3), "0.9785655079979583 to it");
        assert_eq!(found.words(), "0.97857 to it");
        assert_eq!(answered(Some(-12.0), "-12 to it").words(), "-12 to it");
        assert_eq!(answered(None, "nothing").words(), "nothing");
    }

    #[test]
    fn a_body_reads_what_it_writes() {
        let body = Body::from(RunFinished {
            run: RunId(3),
            outcome: Outcome::Failed(FailureReason::Exit { code: 1 }),
            usage: Usage::default(),
            outputs: vec![],
            reported: BTreeMap::new(),
            log: "boom".into(),
            policy: "00".into(),
            observed: None,
        });
        let json = body.encode().unwrap();
        assert_eq!(Body::decode(body.kind(), 1, &json).unwrap(), body);
    }

    #[test]
    fn an_older_version_is_still_read() {
        let old = Body::decode("run.voided", 1, r#"{"run":3,"why":"gone"}"#).unwrap();
        let expected = RunVoided {
            run: RunId(3),
            why: "gone".into(),
            cpu_ms: 0,
        };
        assert_eq!(old, Body::from(expected));
        assert_eq!(old.version(), 2);
        assert!(Body::decode("run.voided", 3, "{}").is_err());
    }

    /// Bodies as earlier versions wrote them, byte for byte.
    #[test]
    fn what_earlier_versions_wrote_is_read_and_means_what_it_meant() {
        let read =
            |kind: &str, version: u32, json: &str| Body::decode(kind, version, json).unwrap();
        let opened = r#"{"study":"s","question":"?","directory":"/s","definition":"","workspace":"","workspace_files":1,"evaluator":"","metric":"loss","goal":"minimize","unit":"","trust":"measured","seed":7,"researcher":"gp","rule":"adaptive","start":{},"earlier":[{"study":"s","same_seeds":false,"sealed_seen":true,"confirmed":true}],"lyceum":"0.1.0"}"#;
        let Body::StudyOpened(old) = read("study.opened", 2, opened) else {
            panic!("another event");
        };
        assert_eq!((old.level, old.earlier[0].released), (None, None));
        let decided =
            r#"{"experiment":1,"verdict":"kept","against":0,"gain":0.5,"why":"better","runs":[4]}"#;
        let Body::Decided(old) = read("experiment.decided", 1, decided) else {
            panic!("another event");
        };
        assert_eq!(old.grader, "");
        let claimed = r#"{"winner":1,"pairs":[],"finding":{"wins":7,"pairs":7,"e_value":31.875,"needed":20.0,"confirmed":true,"gain":0.5,"interval":null,"why":"confirmed"}}"#;
        let Body::Claimed(old) = read("claim.tested", 1, claimed) else {
            panic!("another event");
        };
        assert_eq!((old.grader.as_str(), old.finding.needed), ("", 20.0));
        let sealed = r#"{"start":[1],"winner":[2]}"#;
        let Body::SealedOpened(old) = read("sealed.opened", 1, sealed) else {
            panic!("another event");
        };
        assert_eq!(old.look, 0);
        let recalled =
            r#"{"asked":"lab","store":"lab-2","seq":9,"studies":["a"],"settings":[{"rate":0.1}]}"#;
        let Body::MemoryRecalled(old) = read("memory.recalled", 1, recalled) else {
            panic!("another event");
        };
        assert_eq!(old.priors, []);
        let again = Body::from(old).encode().unwrap();
        assert_eq!(again, recalled, "without priors nothing else is written");
    }

    #[test]
    fn priors_are_written_as_a_person_reads_them() {
        let recalled = r#"{"asked":"lab","store":"lab-2","seq":9,"studies":[],"settings":[],"priors":[{"knob":"rate","explains":0.5,"good":{"between":{"low":0.01,"high":0.1}}},{"knob":"kind","explains":0.25,"good":{"shares":[["a",0.75],["b",0.25]]}}]}"#;
        let body = Body::decode("memory.recalled", 1, recalled).unwrap();
        let Body::MemoryRecalled(read) = &body else {
            panic!("another event");
        };
        let good = GoodValues::Between {
            low: 0.01,
            high: 0.1,
        };
        assert_eq!(read.priors[0].good, good);
        assert_eq!(body.encode().unwrap(), recalled);
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let error = Body::decode("run.finished", 9, "{}").unwrap_err();
        assert!(error.to_string().contains("`run.finished` version 9"));
        assert!(matches!(
            Body::decode("run.finished", 1, "{}"),
            Err(DecodeError::Body { .. })
        ));
    }
}

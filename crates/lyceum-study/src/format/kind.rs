//! The kinds of problems: what was found, what is expected, a hint.

use lyceum_types::{SpaceError, UnitError};

use super::problem::escaped;
use crate::{knobs, workspace};

/// What is wrong in a study file. `key` is always the dotted path of the key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields hold"
)]
pub enum Kind {
    #[error("not valid TOML: {message}")]
    Syntax { message: String },
    #[error("unknown key `{}`{}", escaped(.key), in_table(.table))]
    UnknownKey {
        key: String,
        table: String,
        known: Vec<String>,
    },
    #[error("missing key `{key}`{}", in_table(.table))]
    MissingKey {
        key: String,
        table: String,
        expected: String,
    },
    #[error("wrong type for `{key}`: found {found}")]
    WrongType {
        key: String,
        found: String,
        expected: String,
    },
    #[error("unknown value for `{key}`: found \"{}\"", escaped(.found))]
    UnknownValue {
        key: String,
        found: String,
        known: Vec<String>,
    },
    #[error("`{key}`: {}", escaped(&.source.to_string()))]
    Amount { key: String, source: UnitError },
    #[error("`{key}` is out of range: found {found}")]
    OutOfRange {
        key: String,
        found: String,
        expected: String,
        why: String,
    },
    #[error("`{key}` cannot be read: {message}")]
    Unreadable { key: String, message: String },
    #[error("`{key}` is empty")]
    Empty { key: String, expected: String },
    #[error("`{key}` is not a usable name: found \"{}\"", escaped(.found))]
    Name {
        key: String,
        found: String,
        expected: String,
    },
    #[error("the directory's name \"{}\" gives no study name", escaped(.found))]
    NoName { found: String },
    #[error("no evaluator: `[measure]` is missing")]
    NoEvaluator,
    #[error("`{key}` does not belong to {kind}")]
    NotForKind {
        key: String,
        kind: String,
        belongs: String,
    },
    #[error("{kind} needs `{key}`")]
    NeededForKind { key: String, kind: String },
    #[error("`{key}` is not a glob: \"{}\": {message}", escaped(.pattern))]
    Glob {
        key: String,
        pattern: String,
        message: String,
    },
    #[error("`{key}` is not a path that stays in its directory: found \"{}\"", escaped(.found))]
    Path {
        key: String,
        found: String,
        expected: String,
    },
    #[error("`{key}` names \"{}\" twice{}", escaped(.name), .with.as_ref().map(|with| format!(" (also in `{with}`)")).unwrap_or_default())]
    Twice {
        key: String,
        name: String,
        with: Option<String>,
    },
    #[error("unknown placeholder `{{{}}}` in `{key}`", escaped(.found))]
    Placeholder {
        key: String,
        found: String,
        known: Vec<String>,
    },
    #[error("`{key}` never uses `{{{placeholder}}}`")]
    PlaceholderUnused {
        key: String,
        placeholder: String,
        why: String,
    },
    #[error("knob `{knob}` is written in {found}")]
    KnobPlace { knob: String, found: String },
    #[error("knob `{knob}` is written to the same place as knob `{other}`: {place}")]
    SamePlace {
        knob: String,
        other: String,
        place: String,
    },
    #[error("`{key}`: variable `{name}` belongs to the lab")]
    ReservedVariable { key: String, name: String },
    #[error(transparent)]
    Space(SpaceError),
    #[error(
        "the metric of a timed measurement is baseline time over candidate time, but `metric.goal` is \"minimize\""
    )]
    TimedGoal,
    #[error("a criterion that cannot fail: `{bound}` under goal \"{goal}\"")]
    BoundDirection {
        bound: String,
        goal: String,
        other: String,
    },
    #[error("the criterion asks for trust \"{trust}\", which this study cannot reach")]
    Trust {
        trust: String,
        why: String,
        remedy: String,
    },
    #[error("`{lower}` = {low} is above `{upper}` = {high}")]
    Reversed {
        lower: String,
        low: f64,
        upper: String,
        high: f64,
    },
    #[error(
        "{pairs} pairs can never confirm anything at alpha {alpha}: even {pairs} wins of {pairs} give an e-value of {best:.1}, and {needed} is needed"
    )]
    ConfirmImpossible {
        pairs: u32,
        alpha: f64,
        best: f64,
        needed: f64,
        enough: Option<u32>,
    },
    #[error("`{key}` names \"{}\", which is not in `{list}`", escaped(.found))]
    NotListed {
        key: String,
        found: String,
        list: String,
        known: Vec<String>,
    },
    #[error("`{key}` is missing or not what it must be: {}", escaped(.path))]
    NotThere {
        key: String,
        path: String,
        expected: String,
    },
    #[error("`workspace.editable` and `workspace.protected` overlap: file \"{}\" matches \"{}\" and \"{}\"", escaped(.file), escaped(.editable), escaped(.protected))]
    Overlap {
        file: String,
        editable: String,
        protected: String,
    },
    #[error("knob `{knob}` changes file \"{}\", which no glob of `workspace.editable` matches", escaped(.file))]
    NotEditable { knob: String, file: String },
    #[error("knob `{knob}` changes file \"{}\", which `workspace.protected` matches with \"{}\"", escaped(.file), escaped(.protected))]
    Protected {
        knob: String,
        file: String,
        protected: String,
    },
    #[error("private file \"{}\" is inside the workspace, where the candidate can read it", escaped(.file))]
    PrivateInWorkspace { file: String },
    #[error("file \"{}\" is both in `measure.private` and in `sealed.private`", escaped(.file))]
    PrivateAndSealed { file: String },
    #[error("`{key}`: no file matches \"{}\"", escaped(.pattern))]
    NoMatch {
        key: String,
        pattern: String,
        below: String,
    },
    #[error(transparent)]
    Knob(knobs::Error),
    #[error("files cannot be listed: {0}")]
    Files(workspace::Error),
}

fn in_table(table: &str) -> String {
    if table.is_empty() {
        String::new()
    } else {
        format!(" in `{}`", escaped(table))
    }
}

/// Returns the nearest of the known words, when it is near enough to be a typing error.
pub(crate) fn nearest<'a>(found: &str, known: &'a [String]) -> Option<&'a str> {
    let folded = found.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(&folded, &word.replace('-', "_")), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word.as_str())
}

pub(crate) fn did_you_mean(found: &str, known: &[String]) -> Option<String> {
    nearest(found, known).map(|word| format!("did you mean `{word}`?"))
}

pub(crate) fn one_of(known: &[String], quote: &str) -> String {
    let words: Vec<String> = known
        .iter()
        .map(|word| format!("{quote}{word}{quote}"))
        .collect();
    match words.as_slice() {
        [] => "nothing here".to_owned(),
        [one] => one.clone(),
        _ => format!("one of {}", words.join(", ")),
    }
}

impl Kind {
    /// Returns what would be right.
    pub(crate) fn expected(&self) -> Option<String> {
        Some(match self {
            Kind::UnknownKey { known, .. } | Kind::Placeholder { known, .. } => one_of(known, "`"),
            Kind::UnknownValue { known, .. } | Kind::NotListed { known, .. } => one_of(known, "\""),
            Kind::WrongType { expected, .. }
            | Kind::MissingKey { expected, .. }
            | Kind::OutOfRange { expected, .. }
            | Kind::Empty { expected, .. }
            | Kind::Name { expected, .. }
            | Kind::Path { expected, .. }
            | Kind::NotThere { expected, .. } => expected.clone(),
            Kind::NotForKind { belongs, .. } => format!("it only with {belongs}"),
            Kind::KnobPlace { .. } => {
                "one place: `file` with `key`, `file` with `template`, `environment` or `argument`"
                    .to_owned()
            }
            Kind::NoMatch { below, .. } => format!("a file below `{}`", escaped(below)),
            Kind::Knob(error) => return error.expected(),
            _ => return None,
        })
    }

    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Kind::UnknownKey { key, known, .. } => return did_you_mean(key, known),
            Kind::UnknownValue { found, known, .. }
            | Kind::NotListed { found, known, .. }
            | Kind::Placeholder { found, known, .. } => return did_you_mean(found, known),
            Kind::OutOfRange { why, .. } | Kind::PlaceholderUnused { why, .. } => {
                return (!why.is_empty()).then(|| why.clone());
            }
            Kind::NoEvaluator => "add `[measure]` with a `command`, or `kind = \"self-reported\"` if the candidate's own \
                 word is all there is"
                .to_owned(),
            Kind::NoName { .. } => "add `name = \"…\"` to study.toml".to_owned(),
            Kind::KnobPlace { .. } => {
                "for example `file = \"settings.toml\"` and `key = \"lr\"`".to_owned()
            }
            Kind::ReservedVariable { .. } => {
                "names that begin with `LYCEUM_` are the lab's own; use another one".to_owned()
            }
            Kind::TimedGoal => "use `goal = \"maximize\"`".to_owned(),
            Kind::BoundDirection { other, .. } => format!("did you mean `{other}`?"),
            Kind::Trust { why, remedy, .. } => format!("{why}: {remedy}"),
            Kind::ConfirmImpossible { enough, .. } => match enough {
                Some(enough) => format!("use at least `pairs = {enough}`, or a larger `alpha`"),
                None => "use a larger `alpha`".to_owned(),
            },
            Kind::Space(SpaceError::UnknownCondition { .. }) => {
                "define the other knob first: the order of the file is the order of the knobs"
                    .to_owned()
            }
            Kind::Overlap { .. } => {
                "what may change and what must not are two separate lists; narrow one of the globs"
                    .to_owned()
            }
            Kind::NotEditable { file, .. } => {
                format!("add \"{}\" to `workspace.editable`", escaped(file))
            }
            Kind::Protected { .. } => "write the knob to another file, or narrow the glob".to_owned(),
            Kind::PrivateInWorkspace { .. } => {
                "move it out of the workspace's directory".to_owned()
            }
            Kind::PrivateAndSealed { .. } => {
                "the sealed split must be one that no decision of the search has seen".to_owned()
            }
            Kind::Knob(error) => return error.hint(),
            _ => return None,
        })
    }
}

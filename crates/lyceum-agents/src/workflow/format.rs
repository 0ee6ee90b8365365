//! The file of a workflow: phases, what each goes over, and what each of its steps does.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use lyceum_models::{Money, Spec};
use lyceum_study::{lab::is_plain_path, shape::Shape, workspace::Globs};
use lyceum_types::{Bytes, Span};
use serde::{Deserialize, Serialize};

use super::template::{Place, Template};
use crate::team::ON_FILES;

/// Largest file of a workflow that is read.
pub const WORKFLOW_BYTES_MAX: u64 = 1 << 20;
/// Most phases: people write them by hand.
const PHASES_MAX: usize = 50;
/// Most steps of a phase at the same time: each is a process or a connection.
const PARALLEL_MAX: u32 = 64;
/// Most times that one step is asked of a model.
const TRIES_MAX: u32 = 10;
/// Shortest time that a command is given: limits of the kernel count in milliseconds.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// Most bytes of a name, which becomes part of a stream's.
const NAME_BYTES_MAX: usize = 64;

/// Why a file is no workflow.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("`{}` has {found} bytes, expected at most {expected}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The largest size.
        expected: u64,
    },
    /// It is not of the form.
    #[error("`{}`: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line where there is one.
        problem: String,
    },
}

/// What a run or a phase may use; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Steps that are begun, each try counted.
    pub steps: Option<u64>,
    /// Tokens read and written by models.
    pub tokens: Option<u64>,
    /// US dollars paid to models.
    #[serde(with = "dollars")]
    pub money: Option<Money>,
    /// Time during which a process of the lab works on it.
    pub wall: Option<Span>,
}

/// What the steps of a phase go over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing: one step.
    Once,
    /// Files of the workflow's directory whose paths fit a glob, so many to a step.
    Files(String, usize),
    /// Lines of a file that are not empty, so many to a step.
    Lines(String, usize),
    /// Whole numbers, both ends included.
    Range(i64, i64),
    /// These.
    List(Vec<String>),
    /// Results of an earlier phase; with a JSON pointer, the elements of the list there in each of them.
    Results(String, Option<String>),
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Work {
    /// A command in the sandbox.
    Command(Command),
    /// A request to a model.
    Model(Box<Model>),
    /// A session with tools.
    Session(Box<Session>),
    /// A study, with a lab of its own.
    Study(Study),
}

/// A command in the sandbox. Its result is what it prints.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub(super) run: Vec<Template>,
    /// Longest wall-clock and CPU time.
    pub(super) timeout: Span,
    /// Most memory.
    pub(super) memory: Bytes,
    /// Earlier phases whose results it finds in files.
    pub(super) uses: Vec<String>,
}

/// A request to a model. Its result is what the model says.
#[derive(Clone, Debug)]
pub struct Model {
    /// Who is asked; the run's own where none is named.
    pub(super) spec: Option<Spec>,
    /// Instructions.
    pub(super) system: Option<Template>,
    /// The question.
    pub(super) prompt: Template,
    /// Most tokens of an answer.
    pub(super) output_tokens: u32,
    /// The form of the answer.
    pub(super) schema: Option<Shape>,
    /// Whether every citation in the answer must hold.
    pub(super) citations: bool,
}

/// A session with tools, on files of its own. Its result is its last words, with the files that it is to leave.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who works; the run's own model where none is named.
    pub(super) spec: Option<Spec>,
    /// Instructions.
    pub(super) system: Option<Template>,
    /// What is to be done.
    pub(super) prompt: Template,
    /// Tools on files that it has.
    pub(super) tools: Vec<String>,
    /// Files that it is to leave.
    pub(super) outputs: Vec<String>,
    /// Tokens that it may use.
    pub(super) tokens: u64,
    /// US dollars that it may spend.
    pub(super) money: Option<Money>,
}

/// A study, with a lab of its own. Its result is what it came to.
#[derive(Clone, Debug)]
pub struct Study {
    /// Directory of the study, relative to the workflow's.
    pub(super) path: Template,
    /// Who proposes.
    pub(super) researcher: Template,
    /// Most experiments.
    pub(super) experiments: Option<u32>,
    /// Root seed.
    pub(super) seed: u64,
}

/// A phase.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// What it goes over.
    pub over: Over,
    /// Most steps at the same time.
    pub parallel: u32,
    /// Times that a step whose answer is refused is asked.
    pub tries: u32,
    /// Globs of the files that its steps may read.
    pub reads: Vec<String>,
    /// What it may use.
    pub budget: Budget,
    /// What its steps do.
    pub work: Work,
}

/// A workflow.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its directory.
    pub directory: PathBuf,
    /// Its file as it was read.
    pub text: String,
    /// BLAKE3 of all that decides what is done, without budgets and parallelism.
    pub digest: String,
    /// What a run may use.
    pub budget: Budget,
    /// Its phases, one after the other.
    pub phases: Vec<Phase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkflow {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    budget: Budget,
    #[serde(default, rename = "phase")]
    phases: Vec<RawPhase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhase {
    name: String,
    files: Option<String>,
    lines: Option<String>,
    range: Option<(i64, i64)>,
    list: Option<Vec<String>>,
    results: Option<String>,
    pointer: Option<String>,
    batch: Option<usize>,
    parallel: Option<u32>,
    tries: Option<u32>,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    budget: Budget,
    command: Option<RawCommand>,
    model: Option<RawModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<RawSession>,
    study: Option<RawStudy>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommand {
    run: Vec<String>,
    timeout: Option<Span>,
    memory: Option<Bytes>,
    #[serde(default)]
    uses: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    model: Option<String>,
    system: Option<String>,
    prompt: String,
    output_tokens: Option<u32>,
    schema: Option<String>,
    #[serde(default)]
    citations: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSession {
    model: Option<String>,
    system: Option<String>,
    prompt: String,
    tools: Option<Vec<String>>,
    #[serde(default)]
    outputs: Vec<String>,
    tokens: u64,
    #[serde(default, with = "dollars")]
    money: Option<Money>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStudy {
    path: String,
    researcher: String,
    experiments: Option<u32>,
    seed: Option<u64>,
}

impl Workflow {
    /// Reads a workflow's file, with the schemas that it names.
    pub fn open(path: &Path) -> Result<Workflow, FormatError> {
        let form = |problem: String| FormatError::Form {
            path: path.to_owned(),
            problem,
        };
        let text = read_bounded(path)?;
        let raw: RawWorkflow =
            toml_edit::de::from_str(&text).map_err(|error| form(error.to_string()))?;
        check_name(&raw.name).map_err(|why| form(format!("name: {why}")))?;
        if raw.phases.is_empty() || raw.phases.len() > PHASES_MAX {
            let found = raw.phases.len();
            return Err(form(format!(
                "expected 1 to {PHASES_MAX} phases, found {found}"
            )));
        }
        let directory = plain_parent(path).map_err(|source| FormatError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut phases: Vec<Phase> = Vec::new();
        for raw in &raw.phases {
            let earlier: BTreeSet<&str> = phases.iter().map(|one| one.name.as_str()).collect();
            let phase = raw.read(&directory, &earlier);
            phases.push(phase.map_err(|why| form(format!("phase `{}`: {why}", raw.name)))?);
        }
        let digest = digest(&raw, &phases);
        Ok(Workflow {
            name: raw.name,
            description: raw.description,
            directory,
            text,
            digest,
            budget: raw.budget,
            phases,
        })
    }

    /// Returns the models that its phases name, each once; nothing for those that the run names.
    pub fn models(&self) -> Vec<Option<&Spec>> {
        let mut found: Vec<Option<&Spec>> = Vec::new();
        for phase in &self.phases {
            let spec = match &phase.work {
                Work::Model(model) => model.spec.as_ref(),
                Work::Session(session) => session.spec.as_ref(),
                Work::Command(_) | Work::Study(_) => continue,
            };
            if !found.contains(&spec) {
                found.push(spec);
            }
        }
        found
    }

    /// Returns the phase of this name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|one| one.name == name)
    }
}

impl Phase {
    /// Returns the earlier phases whose results its steps use beside their own item.
    pub(super) fn uses(&self) -> Vec<&str> {
        match &self.work {
            Work::Command(command) => command.uses.iter().map(String::as_str).collect(),
            Work::Model(model) => named(model.system.iter().chain([&model.prompt])),
            Work::Session(session) => named(session.system.iter().chain([&session.prompt])),
            Work::Study(_) => vec![],
        }
    }
}

/// Returns the phases whose results stand in texts.
fn named<'a>(texts: impl Iterator<Item = &'a Template>) -> Vec<&'a str> {
    let places: BTreeSet<&Place> = texts.flat_map(Template::places).collect();
    let named = places.into_iter().filter_map(|place| match place {
        Place::Results(phase) => Some(phase.as_str()),
        Place::Item | Place::Number | Place::Content => None,
    });
    named.collect()
}

impl RawPhase {
    fn read(&self, directory: &Path, earlier: &BTreeSet<&str>) -> Result<Phase, String> {
        check_name(&self.name).map_err(|why| format!("name: {why}"))?;
        if earlier.contains(self.name.as_str()) {
            return Err("another phase has this name".into());
        }
        let parallel = within("parallel", self.parallel.unwrap_or(1), PARALLEL_MAX)?;
        let tries = within("tries", self.tries.unwrap_or(2), TRIES_MAX)?;
        Globs::new(&self.reads).map_err(|bad| format!("reads: {}", bad[0]))?;
        let work = match (&self.command, &self.model, &self.session, &self.study) {
            (Some(command), None, None, None) => command.read()?,
            (None, Some(model), None, None) => model.read(directory)?,
            (None, None, Some(session), None) => session.read()?,
            (None, None, None, Some(study)) => study.read()?,
            _ => return Err("expected one of `command`, `model`, `session` and `study`".into()),
        };
        let phase = Phase {
            name: self.name.clone(),
            over: self.over(earlier)?,
            parallel,
            tries,
            reads: self.reads.clone(),
            budget: self.budget,
            work,
        };
        match phase.uses().iter().find(|used| !earlier.contains(*used)) {
            Some(used) => Err(format!("no earlier phase is called `{used}`")),
            None => Ok(phase),
        }
    }

    fn over(&self, earlier: &BTreeSet<&str>) -> Result<Over, String> {
        let batch = self.batch.unwrap_or(1);
        let given = [
            self.files.is_some(),
            self.lines.is_some(),
            self.range.is_some(),
            self.list.is_some(),
            self.results.is_some(),
        ];
        if given.iter().filter(|one| **one).count() > 1 {
            return Err("expected one of `files`, `lines`, `range`, `list` and `results`".into());
        }
        if batch == 0 || (self.batch.is_some() && self.files.is_none() && self.lines.is_none()) {
            return Err("`batch` is a number from 1, beside `files` or `lines`".into());
        }
        if self.pointer.is_some() && self.results.is_none() {
            return Err("`pointer` is for `results`".into());
        }
        if let Some(pattern) = &self.files {
            let globs = Globs::new(std::slice::from_ref(pattern));
            globs.map_err(|bad| format!("files: {}", bad[0]))?;
            return Ok(Over::Files(pattern.clone(), batch));
        }
        if let Some(file) = &self.lines {
            if !is_plain_path(file) {
                return Err(format!(
                    "lines: `{file}` is no plain path below the workflow"
                ));
            }
            return Ok(Over::Lines(file.clone(), batch));
        }
        if let Some((first, last)) = self.range {
            if first > last {
                return Err(format!(
                    "range: expected the smaller number first, found [{first}, {last}]"
                ));
            }
            return Ok(Over::Range(first, last));
        }
        if let Some(list) = &self.list {
            if list.is_empty() {
                return Err("list: expected at least one text".into());
            }
            return Ok(Over::List(list.clone()));
        }
        let Some(phase) = &self.results else {
            return Ok(Over::Once);
        };
        if !earlier.contains(phase.as_str()) {
            return Err(format!("results: no earlier phase is called `{phase}`"));
        }
        let pointer = self.pointer.clone();
        if pointer
            .as_ref()
            .is_some_and(|one| !one.is_empty() && !one.starts_with('/'))
        {
            return Err("pointer: expected a JSON pointer like `/sections`".into());
        }
        Ok(Over::Results(phase.clone(), pointer))
    }
}

impl RawCommand {
    fn read(&self) -> Result<Work, String> {
        let words = self.run.iter().map(|word| Template::read(word));
        let run: Vec<Template> = words
            .collect::<Result<_, _>>()
            .map_err(|why| format!("run: {why}"))?;
        if run.is_empty() {
            return Err("run: expected a program".into());
        }
        let has = |wanted: fn(&Place) -> bool| run.iter().flat_map(Template::places).any(wanted);
        if has(|place| matches!(place, Place::Content | Place::Results(_))) {
            return Err(
                "run: contents and results are in files; `uses = [\"PHASE\"]` puts results below `/step/results`".into(),
            );
        }
        let minute = Span(Duration::from_mins(1));
        let (timeout, memory) = (
            self.timeout.unwrap_or(minute),
            self.memory.unwrap_or(Bytes(1 << 30)),
        );
        if timeout.0 < TIMEOUT_MIN {
            return Err(format!("timeout: expected at least {TIMEOUT_MIN:?}"));
        }
        if memory.0 == 0 {
            return Err("memory: expected more than none".into());
        }
        Ok(Work::Command(Command {
            run,
            timeout,
            memory,
            uses: self.uses.clone(),
        }))
    }
}

impl RawModel {
    fn read(&self, directory: &Path) -> Result<Work, String> {
        let spec = self.model.as_deref().map(str::parse::<Spec>).transpose();
        let system = self.system.as_deref().map(Template::read).transpose();
        let schema = self.schema.as_deref().map(|name| schema(directory, name));
        Ok(Work::Model(Box::new(Model {
            spec: spec.map_err(|error| format!("model: {error}"))?,
            system: system.map_err(|why| format!("system: {why}"))?,
            prompt: Template::read(&self.prompt).map_err(|why| format!("prompt: {why}"))?,
            output_tokens: within("output_tokens", self.output_tokens.unwrap_or(2048), 1 << 20)?,
            schema: schema.transpose().map_err(|why| format!("schema: {why}"))?,
            citations: self.citations,
        })))
    }
}

impl RawSession {
    fn read(&self) -> Result<Work, String> {
        let spec = self.model.as_deref().map(str::parse::<Spec>).transpose();
        let system = self.system.as_deref().map(Template::read).transpose();
        let known = || ON_FILES.map(str::to_owned).to_vec();
        let tools = self.tools.clone().unwrap_or_else(known);
        if let Some(unknown) = tools.iter().find(|tool| !ON_FILES.contains(&tool.as_str())) {
            let known = ON_FILES.join(", ");
            return Err(format!("tools: no tool `{unknown}`; there are {known}"));
        }
        if let Some(path) = self.outputs.iter().find(|path| !is_plain_path(path)) {
            return Err(format!(
                "outputs: `{path}` is no plain path in the workspace"
            ));
        }
        if self.tokens == 0 {
            return Err("tokens: expected at least 1, found 0".into());
        }
        Ok(Work::Session(Box::new(Session {
            spec: spec.map_err(|error| format!("model: {error}"))?,
            system: system.map_err(|why| format!("system: {why}"))?,
            prompt: Template::read(&self.prompt).map_err(|why| format!("prompt: {why}"))?,
            tools,
            outputs: self.outputs.clone(),
            tokens: self.tokens,
            money: self.money,
        })))
    }
}

impl RawStudy {
    fn read(&self) -> Result<Work, String> {
        let path = Template::read(&self.path).map_err(|why| format!("path: {why}"))?;
        let researcher = Template::read(&self.researcher);
        let researcher = researcher.map_err(|why| format!("researcher: {why}"))?;
        let mut places = path.places();
        places.extend(researcher.places());
        if places
            .iter()
            .any(|place| !matches!(place, Place::Item | Place::Number))
        {
            return Err("a study knows `{item}` and `{number}` alone".into());
        }
        if self.experiments == Some(0) {
            return Err("experiments: expected at least 1, found 0".into());
        }
        Ok(Work::Study(Study {
            path,
            researcher,
            experiments: self.experiments,
            seed: self.seed.unwrap_or(0),
        }))
    }
}

fn schema(directory: &Path, name: &str) -> Result<Shape, String> {
    if !is_plain_path(name) {
        return Err(format!("`{name}` is no plain path below the workflow"));
    }
    let text = read_bounded(&directory.join(name)).map_err(|error| said(&error))?;
    Shape::parse(text.as_bytes()).map_err(|error| format!("`{name}`: {error}"))
}

fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn within(what: &str, found: u32, most: u32) -> Result<u32, String> {
    if (1..=most).contains(&found) {
        return Ok(found);
    }
    Err(format!("{what}: expected 1 to {most}, found {found}"))
}

/// Checks a name, which becomes part of a stream's name, of a session's and of paths.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        return Err(format!(
            "expected letters, digits, `_` and `-`, at most {NAME_BYTES_MAX}, found `{name}`"
        ));
    }
    Ok(())
}

fn read_bounded(path: &Path) -> Result<String, FormatError> {
    let failed = |source| FormatError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    // To open a FIFO would wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(FormatError::Form {
            path: path.to_owned(),
            problem: "expected a plain file".into(),
        });
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    let read = file.take(WORKFLOW_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(failed)?;
    if text.len() as u64 > WORKFLOW_BYTES_MAX {
        return Err(FormatError::TooLarge {
            path: path.to_owned(),
            found: metadata.len(),
            expected: WORKFLOW_BYTES_MAX,
        });
    }
    Ok(text)
}

fn plain_parent(path: &Path) -> std::io::Result<PathBuf> {
    let whole = fs::canonicalize(path)?;
    Ok(whole
        .parent()
        .map_or_else(|| whole.clone(), Path::to_path_buf))
}

/// Returns the hash of what is done: budgets and parallelism say how far and how fast, and may change on the way.
fn digest(raw: &RawWorkflow, phases: &[Phase]) -> String {
    let mut value = serde_json::to_value(raw).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("budget");
    }
    let list = value
        .get_mut("phase")
        .and_then(serde_json::Value::as_array_mut);
    for (one, phase) in list.into_iter().flatten().zip(phases) {
        if let Some(object) = one.as_object_mut() {
            object.remove("budget");
            object.remove("parallel");
            if let Some(session) = object
                .get_mut("session")
                .and_then(|one| one.as_object_mut())
            {
                session.remove("tokens");
                session.remove("money");
            }
            if let Work::Model(model) = &phase.work
                && let Some(schema) = &model.schema
            {
                object.insert("schema".into(), schema.schema().clone());
            }
        }
    }
    blake3::hash(value.to_string().as_bytes())
        .to_hex()
        .to_string()
}

/// Money as dollars in a text, as `"1.50"`.
mod dollars {
    use lyceum_models::Money;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        money: &Option<Money>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        money.map(|money| money.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Money>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let read = text.map(|text| text.parse().map_err(D::Error::custom));
        read.transpose()
    }
}

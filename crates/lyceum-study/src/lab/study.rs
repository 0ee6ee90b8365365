//! A study that is open in a lab: checked against its directory, pinned in the ledger, its data on their sides of the wall.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

use lyceum_stats::{AlphaSpending, Rule, UnknownRule, pairs_needed};
use lyceum_types::{
    DataDrawn, Earlier, MemoryRecalled, OutcomeDefined, Seed, Settings, Split, StudyOpened, Trust,
};

use super::{
    data, evaluator, found, kit::Kit, memory, observe::Reference, record, researchers, rubric,
};
use crate::{
    engine::{Broken, Budget, JournalError, Looks, Protocol, State},
    format::{self, Measure, Study},
    knobs,
    workspace::{self, Manifest, Watch},
};

/// Runs of each ablation.
const ABLATION_PAIRS: usize = 2;

/// A study that is open in a lab.
pub struct OpenStudy {
    /// Its name in the lab.
    pub name: String,
    /// Its definition.
    pub study: Study,
    /// Its workspace, absolute and free of links.
    pub workspace: PathBuf,
    /// Notices when somebody changes the workspace meanwhile.
    pub watch: Mutex<Watch>,
    /// The workspace's files that no run may change.
    pub protected: Vec<PathBuf>,
    /// What a candidate's files are compared with, read when it is first asked for.
    pub(super) reference: OnceLock<Reference>,
    /// What the candidate sees of the data.
    pub public: Option<PathBuf>,
    /// What the evaluator sees while the search goes on.
    pub private: Option<PathBuf>,
    /// What the evaluator sees once, at the end.
    pub sealed: Option<PathBuf>,
}

impl OpenStudy {
    /// Returns what a candidate's files are compared with.
    pub(super) fn reference(&self) -> &Reference {
        self.reference.get_or_init(|| {
            let private = [&self.private, &self.sealed].into_iter().flatten();
            let private: Vec<&Path> = private.map(PathBuf::as_path).collect();
            Reference::of(&self.workspace, &self.protected, &private)
        })
    }
}

/// What a person asks for when a study is opened.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The study's directory.
    pub directory: PathBuf,
    /// Who proposes, when not the study's own choice.
    pub researcher: Option<String>,
    /// The root seed of a new study; without it one is drawn at random, so that nobody knows the seeds beforehand.
    pub seed: Option<u64>,
    /// Files that the data program reads, by name.
    pub inputs: BTreeMap<String, PathBuf>,
    /// Begin anew although the study is in the ledger already.
    pub again: bool,
    /// Experiments, when not the study's own number.
    pub experiments: Option<u32>,
    /// The keep rule of a new study, when not the lab's own.
    pub rule: Option<Rule>,
    /// The memory store that a new study begins with.
    pub memory: Option<String>,
}

/// Why a study cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The definition or the directory is not right; the text is a whole report.
    #[error(transparent)]
    Format(#[from] format::Error),
    /// A knob's value cannot be read from the workspace.
    #[error(transparent)]
    Knobs(#[from] knobs::Error),
    /// The workspace cannot be read.
    #[error("workspace: {0}")]
    Workspace(#[from] workspace::Error),
    /// The researcher does not exist.
    #[error("no researcher `{found}`; expected one of {expected}")]
    Researcher {
        /// What was asked for.
        found: String,
        /// What there is.
        expected: String,
    },
    /// A file that was named as a network is none.
    #[error("no network in `{}`: {problem}", file.display())]
    Network {
        /// The file.
        file: PathBuf,
        /// Why it is none.
        problem: String,
    },
    /// The record names a network whose weights were not given.
    #[error("the weights of researcher `{name}` are not those that ship, and were not given")]
    Weights {
        /// Its name in the record.
        name: String,
    },
    /// Programs are to be edited that hold nothing that could be.
    #[error(
        "nothing to edit: study `{study}` has no knobs, and no number, switch or operator was found in {files} editable files"
    )]
    NothingToEdit {
        /// The study.
        study: String,
        /// Files that were looked into.
        files: usize,
    },
    /// Runs are to be stopped early that do not report.
    #[error(
        "researcher `{researcher}` stops runs by what they report, and study `{study}` has no `[progress]`"
    )]
    NoProgress {
        /// The researcher.
        researcher: String,
        /// The study.
        study: String,
    },
    /// The lab's rules about signatures are none that could be met.
    #[error("`{}` holds no rules about signatures: {why}", file.display())]
    Rules {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The memory store cannot be read.
    #[error(transparent)]
    Memory(#[from] lyceum_memory::Error),
    /// The memory store knows nothing that helps here.
    #[error(
        "memory store `{store}` knows no study with metric `{metric}` whose settings this study could take"
    )]
    NothingRemembered {
        /// The store.
        store: String,
        /// What was looked for.
        metric: String,
    },
    /// The study in the ledger was begun with something else.
    #[error("{what} of study `{study}` changed since it was begun")]
    Changed {
        /// The study.
        study: String,
        /// What changed.
        what: &'static str,
    },
    /// The lab and the study stand where one would be seen, or removed, by way of the other.
    #[error("{what} lies in {place}: `{}`", path.display())]
    Place {
        /// What stands wrong.
        what: &'static str,
        /// Where.
        place: &'static str,
        /// Its path.
        path: PathBuf,
    },
    /// The record names a keep rule that this version does not have.
    #[error("the study was begun with another version's keep rule: {0}")]
    Rule(#[from] UnknownRule),
    /// An input that the study does not know.
    #[error("study `{study}` has no input `{name}`; it has: {expected}")]
    Input {
        /// The study.
        study: String,
        /// What was given.
        name: String,
        /// What there is.
        expected: String,
    },
    /// The data program failed.
    #[error("the data of the study could not be drawn: {problem}")]
    Data {
        /// Why, with the end of what it printed.
        problem: String,
    },
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lab failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl OpenError {
    /// Returns what to do about it, where that is not in the text itself.
    pub fn hint(&self) -> Option<String> {
        match self {
            OpenError::Memory(_) | OpenError::NothingRemembered { .. } => {
                Some("`lyceum memory list` shows what is remembered; `lyceum dream` learns from finished studies".into())
            }
            OpenError::Changed { study, .. } => Some(format!(
                "put it back to go on, or begin anew with `--again`; `lyceum report {study}` shows what was found so far"
            )),
            OpenError::Knobs(error) => error.hint(),
            OpenError::Rules { .. } => {
                Some("put the rules right: docs/oversight.md tells what they look like".into())
            }
            OpenError::Place { what, .. } => Some(match *what {
                "the lab" => "name another place for the lab with `--lab DIR`".into(),
                _ => "move the study, or name another place for the lab with `--lab DIR`".into(),
            }),
            OpenError::Data { .. } => {
                Some("run the `[data]` command by hand in the study's directory".into())
            }
            OpenError::Network { .. } => {
                Some("`lyceum train network` makes one".into())
            }
            OpenError::Weights { .. } => Some(
                "name their file again with `--researcher network:FILE`, or go on with another researcher".into(),
            ),
            OpenError::NoProgress { researcher, .. } => {
                let inner = researchers::inner(researcher);
                Some(format!("declare how runs report (docs/study-format.md), or let them all run to their end: `--researcher {inner}`"))
            }
            OpenError::NothingToEdit { .. } => Some(
                "name the source files in `workspace.editable`, or declare knobs (docs/study-format.md)".into(),
            ),
            OpenError::Format(_)
            | OpenError::Workspace(_)
            | OpenError::Researcher { .. }
            | OpenError::Rule(_)
            | OpenError::Input { .. }
            | OpenError::Journal(_)
            | OpenError::Broken(_) => None,
        }
    }
}

/// A study with the rules that it is conducted by, and what is to be written first when it is new.
pub struct Opening {
    /// The study.
    pub open: OpenStudy,
    /// Its rules.
    pub protocol: Protocol,
    /// Who proposes.
    pub researcher: String,
    /// What is known already.
    pub state: State,
    /// The first events of a new study.
    pub first: Option<(StudyOpened, DataDrawn)>,
    /// The rubric of a new study, where evaluations judge it.
    pub defined: Option<OutcomeDefined>,
    /// What a memory store suggests to a new study.
    pub recalled: Option<MemoryRecalled>,
    /// Where the study's knobs were found, if it declares none.
    pub found: Option<knobs::Places>,
    /// Earlier attempts at it in this lab.
    pub earlier: Vec<Earlier>,
}

/// Opens a study, or goes on with it where it is in the ledger already.
pub fn open(kit: &mut Kit, request: &Request) -> Result<Opening, OpenError> {
    open_as(kit, request, None)
}

/// Opens the study that is in the ledger under this name.
pub(super) fn open_named(
    kit: &mut Kit,
    request: &Request,
    name: &str,
) -> Result<Opening, OpenError> {
    open_as(kit, request, Some(name))
}

fn open_as(kit: &mut Kit, request: &Request, name: Option<&str>) -> Result<Opening, OpenError> {
    let opened = format::open(&request.directory)?;
    check_inputs(&opened.study, request)?;
    let directory = canonical(&opened.directory)?;
    let workspace = canonical(&opened.workspace())?;
    apart(kit, &opened, &directory, &workspace)?;
    let watch = Watch::new(&workspace, workspace::Limits::default())?;
    let manifest = watch.manifest();
    let reader = kit.ledger.reader().map_err(JournalError::from)?;
    let (name, state) = match name {
        Some(name) => (name.to_owned(), record::load(&reader, name)?),
        None => choose(&reader, &opened.study, request.again)?,
    };
    let (opened, found) = found::completed(opened, request, &state, &workspace)?;
    let study = &opened.study;
    if let Some(first) = state.sessions.first() {
        kit.use_programs(&first.started.binary)?;
    }
    let researcher = researcher(study, request, &state)?;
    reports_progress(study, &researcher)?;
    let seed = seed_of(kit, request, &state);
    let place = (name.as_str(), directory.as_path());
    let mut pinned = pin(kit, request, &opened, manifest, place, &researcher, seed)?;
    let (first, data, pinned) = if let (Some(old), Some(data)) = (&state.opened, &state.data) {
        rubric::unchanged(&opened, &state, &name)?;
        unchanged(&name, old, &pinned)?;
        (None, data.clone(), old.clone())
    } else {
        let data = data::draw(kit, &opened, &directory, &request.inputs, seed)?;
        pinned.earlier = attempts(&reader, study, seed, &data)?;
        pinned.level = Some(level_of(study, &pinned.earlier));
        (Some((pinned.clone(), data.clone())), data, pinned)
    };
    stops_as_begun(&name, &researcher, &pinned)?;
    let mut protocol = protocol_as_opened(study, &pinned)?;
    if let Some(experiments) = request.experiments {
        protocol.budget.experiments = experiments;
    }
    let recalled = recalled(kit, request, &name, &state, &protocol)?;
    let defined = rubric::define(kit, &opened, &directory, &protocol, &state)?;
    let sides = data::lay_out(kit, &name, &data)?;
    let globs = &opened.study.workspace.protected;
    let paths = manifest.entries.iter().map(|entry| &entry.path);
    let protected = paths.filter(|path| globs.matches(path)).cloned().collect();
    let open = OpenStudy {
        name,
        watch: Mutex::new(watch),
        protected,
        reference: OnceLock::new(),
        study: opened.study,
        workspace,
        public: sides.public,
        private: sides.private,
        sealed: sides.sealed,
    };
    Ok(Opening {
        open,
        protocol,
        researcher,
        state,
        first,
        defined,
        recalled,
        found,
        earlier: pinned.earlier,
    })
}

/// Returns what a study is pinned to when it is opened as it is now, but for what earlier attempts have to say.
fn pin(
    kit: &Kit,
    request: &Request,
    opened: &format::Opened,
    manifest: &Manifest,
    (name, directory): (&str, &Path),
    researcher: &str,
    seed: Seed,
) -> Result<StudyOpened, OpenError> {
    let study = &opened.study;
    let definition = kit
        .ledger
        .put_blob(opened.definition.as_bytes())
        .map_err(JournalError::from)?;
    Ok(StudyOpened {
        study: name.to_owned(),
        question: study.question.clone(),
        directory: directory.display().to_string(),
        definition: definition.to_string(),
        workspace: manifest.digest.to_hex().to_string(),
        workspace_files: manifest.entries.len() as u64,
        evaluator: evaluator_digest(kit, opened)?,
        metric: study.metric.name.clone(),
        goal: study.metric.goal,
        unit: study.metric.unit.clone(),
        trust: study.trust(),
        seed,
        researcher: researcher.to_owned(),
        rule: request.rule.unwrap_or(Rule::Adaptive).name().to_owned(),
        start: knobs::start_settings(study, &directory.join(&study.workspace.path))?,
        earlier: vec![],
        level: None,
        lyceum: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Refuses a researcher that stops runs early where no run tells how far it is.
fn reports_progress(study: &Study, researcher: &str) -> Result<(), OpenError> {
    if !researchers::stops_early(researcher) || study.progress.is_some() {
        return Ok(());
    }
    let (researcher, study) = (researcher.to_owned(), study.name.clone());
    Err(OpenError::NoProgress { researcher, study })
}

/// Refuses to go on with runs that are stopped early where the study was begun without, and the other way round.
fn stops_as_begun(study: &str, researcher: &str, pinned: &StudyOpened) -> Result<(), OpenError> {
    if researchers::stops_early(researcher) == researchers::stops_early(&pinned.researcher) {
        return Ok(());
    }
    let what = "whether runs are stopped early (`asha:`)";
    let study = study.to_owned();
    Err(OpenError::Changed { study, what })
}

/// Returns the root seed: that of the record, the one that a person gave, or one that nobody knew before.
fn seed_of(kit: &Kit, request: &Request, state: &State) -> Seed {
    match (&state.opened, request.seed) {
        (Some(old), _) => old.seed,
        (None, Some(seed)) => Seed(seed),
        (None, None) => Seed(u64::from_le_bytes(evaluator::random_bytes(&kit.ledger)) >> 11),
    }
}

/// Returns what memory suggests to a study that begins; one that was begun keeps to what it was begun with.
fn recalled(
    kit: &Kit,
    request: &Request,
    name: &str,
    state: &State,
    protocol: &Protocol,
) -> Result<Option<MemoryRecalled>, OpenError> {
    let Some(asked) = &request.memory else {
        return Ok(None);
    };
    if state.opened.is_none() {
        let reader = kit.ledger.reader().map_err(JournalError::from)?;
        return memory::recall(&reader, &kit.lab, asked, protocol).map(Some);
    }
    if state.recalled.as_ref().map(|one| &one.asked) == Some(asked) {
        return Ok(None);
    }
    Err(OpenError::Changed {
        study: name.to_owned(),
        what: "the memory",
    })
}

/// Returns the attempts at this study that the lab has, oldest first.
fn attempts(
    reader: &lyceum_ledger::Reader,
    study: &Study,
    seed: Seed,
    data: &DataDrawn,
) -> Result<Vec<Earlier>, JournalError> {
    let names = record::studies(reader)?.into_iter();
    let mut names: Vec<(u32, String)> = names
        .filter_map(|name| Some((attempt_number(study, &name)?, name)))
        .collect();
    names.sort_unstable();
    let attempts = names.into_iter().map(|(_, name)| {
        let state = record::load(reader, &name)?;
        let same_files = state.data.is_some_and(|drawn| drawn.sealed == data.sealed);
        let released = state.answered.as_ref().and_then(|answer| answer.released);
        Ok(Earlier {
            released: released.filter(|_| same_files),
            same_seeds: state.opened.is_some_and(|opened| opened.seed == seed),
            sealed_seen: state.sealed.is_some() && same_files,
            confirmed: state.claimed.is_some_and(|claim| claim.finding.confirmed),
            study: name,
        })
    });
    attempts.collect()
}

/// Returns the name of the last attempt at a study that this lab made itself.
pub(super) fn last_attempt(
    reader: &lyceum_ledger::Reader,
    study: &Study,
) -> Result<Option<String>, JournalError> {
    let imported = reader.imported().map_err(JournalError::from)?;
    let own = record::studies(reader)?.into_iter();
    let own = own.filter(|name| !imported.contains(&record::stream_of(name)));
    let numbered = own.filter_map(|name| Some((attempt_number(study, &name)?, name)));
    Ok(numbered.max().map(|(_, name)| name))
}

/// Returns the name under which the study goes on or begins, and what is known of it.
fn choose(
    reader: &lyceum_ledger::Reader,
    study: &Study,
    again: bool,
) -> Result<(String, State), OpenError> {
    let known = record::studies(reader)?;
    let imported = reader.imported().map_err(JournalError::from)?;
    let attempts: Vec<(u32, &String)> = known
        .iter()
        .filter_map(|name| Some((attempt_number(study, name)?, name)))
        .collect();
    // What another lab did is to be read here, not gone on with.
    let own = attempts
        .iter()
        .filter(|(_, name)| !imported.contains(&record::stream_of(name)));
    match own.max() {
        Some((_, name)) if !again => Ok(((*name).clone(), record::load(reader, name)?)),
        _ => {
            let number = attempts.iter().map(|(number, _)| *number).max();
            let name = match number.map_or(1, |last| last.saturating_add(1)) {
                1 => study.name.clone(),
                number => format!("{}~{number}", study.name),
            };
            Ok((name, State::default()))
        }
    }
}

/// Returns which attempt at a study this name is: 1 for the study's own name, 2 for `NAME~2`.
fn attempt_number(study: &Study, name: &str) -> Option<u32> {
    match name.strip_prefix(study.name.as_str())? {
        "" => Some(1),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

pub(super) fn researcher(
    study: &Study,
    request: &Request,
    state: &State,
) -> Result<String, OpenError> {
    let asked = request.researcher.clone();
    let old = state
        .opened
        .as_ref()
        .map(|opened| opened.researcher.clone());
    let own = study.researcher.clone();
    let name = asked.or(old).or(own).unwrap_or_else(|| "gp".into());
    researchers::recorded(&name)
}

/// Whether a researcher's name is one of an agent: `WHO:WHAT`, as `anthropic:MODEL` or `http://HOST/v1#MODEL`. No sampler's
/// name has a colon but that of a network in a file.
pub fn names_an_agent(name: &str) -> bool {
    name.contains(':') && !researchers::names_a_file(name) && !researchers::stops_early(name)
}

/// Directories that every sandbox sees: nothing of a lab or a study is private there.
const SEEN_BY_ALL: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"];

/// Refuses a lab that a candidate would see in its workspace, and a study that the lab would clear away as its own.
fn apart(
    kit: &Kit,
    opened: &format::Opened,
    directory: &Path,
    workspace: &Path,
) -> Result<(), OpenError> {
    let lab = canonical(kit.lab.root())?;
    let data = opened
        .study
        .data
        .as_ref()
        .map(|data| canonical(&directory.join(&data.path)));
    let data = data.transpose()?;
    let seen = |path: &Path| SEEN_BY_ALL.iter().any(|all| path.starts_with(all));
    let wrong = if lab.starts_with(workspace) {
        ("the lab", "the workspace, which the candidate sees", &lab)
    } else if data.as_ref().is_some_and(|data| lab.starts_with(data)) {
        (
            "the lab",
            "the data directory, which the data program sees",
            &lab,
        )
    } else if seen(&lab) {
        (
            "the lab",
            "a system directory, which every sandbox sees",
            &lab,
        )
    } else if directory.starts_with(&lab) {
        return Err(OpenError::Place {
            what: "the study",
            place: "the lab, which clears its own directories",
            path: directory.to_path_buf(),
        });
    } else if seen(directory) {
        return Err(OpenError::Place {
            what: "the study",
            place: "a system directory, which every sandbox sees",
            path: directory.to_path_buf(),
        });
    } else {
        return Ok(());
    };
    Err(OpenError::Place {
        what: wrong.0,
        place: wrong.1,
        path: wrong.2.clone(),
    })
}

fn check_inputs(study: &Study, request: &Request) -> Result<(), OpenError> {
    let known: &[String] = study.data.as_ref().map_or(&[], |data| &data.inputs);
    match request.inputs.keys().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(OpenError::Input {
            study: study.name.clone(),
            name: name.clone(),
            expected: if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            },
        }),
    }
}

fn unchanged(name: &str, old: &StudyOpened, new: &StudyOpened) -> Result<(), OpenError> {
    let what = if old.definition != new.definition {
        "`study.toml`"
    } else if old.workspace != new.workspace {
        "the workspace"
    } else if old.evaluator != new.evaluator {
        "the evaluator (its command, private files or the lab's own programs)"
    } else {
        return Ok(());
    };
    Err(OpenError::Changed {
        study: name.to_owned(),
        what,
    })
}

/// BLAKE3 over all that decides a measurement.
pub(super) fn evaluator_digest(kit: &Kit, opened: &format::Opened) -> Result<String, OpenError> {
    let mut hasher = blake3::Hasher::new_derive_key("lyceum evaluator v1");
    let commands: Vec<&[String]> = match &opened.study.measure {
        Measure::Evaluator(evaluator) => vec![evaluator.command.words()],
        Measure::Executed(executed) => {
            vec![
                executed.command.words(),
                executed.input.words(),
                executed.check.words(),
            ]
        }
        Measure::Timed(timed) => {
            vec![
                timed.command.words(),
                timed.input.words(),
                timed.check.words(),
            ]
        }
        Measure::SelfReported => vec![],
    };
    let sealed = opened
        .study
        .sealed
        .iter()
        .map(|sealed| sealed.command.words());
    for word in commands.into_iter().chain(sealed).flatten() {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    for split in [Split::Search, Split::Sealed] {
        hasher.update(opened.private_files(split)?.digest.as_bytes());
    }
    hasher.update(kit.binary_hash.as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}

/// Returns the level at which an attempt at a study tests its claim.
///
/// The study's alpha is spent over all its attempts in the lab, of which each may make one claim: whoever tries often
/// enough finds a claim that noise confirms. An attempt counts from its first event on, since it may still claim.
fn level_of(study: &Study, earlier: &[Earlier]) -> f64 {
    let attempt = u32::try_from(earlier.len()).unwrap_or(u32::MAX);
    AlphaSpending::new(study.confirm.alpha).level(attempt.saturating_add(1))
}

/// Returns the rules by which a study is conducted that was opened so: with its seed, its keep rule, whether runs are stopped
/// early, and the level that its attempt may spend.
pub fn protocol_as_opened(study: &Study, opened: &StudyOpened) -> Result<Protocol, UnknownRule> {
    let mut protocol = protocol(study, opened.start.clone(), opened.seed);
    protocol.rule = opened.rule.parse()?;
    let stops = researchers::stops_early(&opened.researcher);
    let progress = study.progress.as_ref().filter(|_| stops);
    protocol.halving = progress.map(|progress| progress.halving.clone());
    if opened.level.is_some() {
        let level = level_of(study, &opened.earlier);
        // The study's own number was chosen for the whole alpha; a stricter level needs more wins in a row.
        protocol.confirm_pairs_max +=
            pairs_needed(level).saturating_sub(pairs_needed(protocol.alpha));
        protocol.alpha = level;
        protocol.looks = Some(looks(study, &opened.earlier));
    }
    Ok(protocol)
}

/// Returns how many looks at the sealed data are allowed, were made, and what the best of them let out.
fn looks(study: &Study, earlier: &[Earlier]) -> Looks {
    let seen = earlier.iter().filter(|one| one.sealed_seen);
    let released = seen.clone().filter_map(|one| one.released);
    let goal = study.metric.goal;
    Looks {
        most: study.sealed_looks,
        before: seen.count() as u32,
        released: released.reduce(|a, b| if goal.better(b, a) { b } else { a }),
    }
}

/// Returns the rules of a study by its definition alone, with the whole alpha for one claim.
pub fn protocol(study: &Study, start: Settings, seed: Seed) -> Protocol {
    Protocol {
        metric: study.metric.name.clone(),
        goal: study.metric.goal,
        trust: study.trust(),
        space: study.space.clone(),
        start,
        seed,
        rule: Rule::Adaptive,
        floor_runs_max: study.noise.repeats as usize,
        repeats_max: study.noise.most_repeats as usize,
        confirm_pairs_max: study.confirm.pairs as usize,
        alpha: study.confirm.alpha,
        ablation_pairs: ABLATION_PAIRS,
        sealed: study.sealed.is_some(),
        looks: None,
        halving: None,
        budget: Budget {
            experiments: study.budget.experiments,
            wall: study.budget.wall.map(|span| span.0),
            cpu: study.budget.cpu.map(|span| span.0),
            disk: study.budget.disk.map(|bytes| bytes.0),
        },
        rubric: rubric::criteria(study),
        outcome: rubric::rules(study),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, Broken> {
    let failed = Broken::while_doing(format!("resolving `{}`", path.display()));
    fs::canonicalize(path).map_err(|error: io::Error| failed(error))
}

/// Returns the trust of a study's search in words.
pub fn trust_text(trust: Trust) -> &'static str {
    match trust {
        Trust::SelfReported => "self-reported: the candidate prints its own score",
        Trust::Measured => "measured by a separate evaluator in a clean sandbox",
        Trust::Sealed => "measured on sealed data",
    }
}

//! From a call to the change that the study's loop is to try.

use std::collections::BTreeMap;

use lyceum_study::{
    engine::{Change, Protocol, State as Study},
    format::Study as Definition,
    knobs,
    lab::{Edit, in_the_way},
};
use lyceum_types::{ExperimentId, Output, Setting, Settings};
use serde::Deserialize;

/// Most bytes of a hypothesis; it stands in reports.
const HYPOTHESIS_BYTES_MAX: usize = 600;

/// The arguments of `run_experiment`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    hypothesis: String,
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
}

/// What a change is made of.
pub(super) struct Makings<'a> {
    /// The rules of the study.
    pub(super) protocol: &'a Protocol,
    /// Its definition.
    pub(super) definition: &'a Definition,
    /// The unchanged workspace.
    pub(super) workspace: &'a std::path::Path,
    /// What is known of the study.
    pub(super) study: &'a Study,
    /// The session's files.
    pub(super) files: &'a [Output],
    /// What is in them.
    pub(super) edits: &'a [Edit],
}

impl Makings<'_> {
    /// Returns the change that a call asks for, or why it cannot be tried.
    pub(super) fn change(
        &self,
        call: String,
        cpu_ms: u64,
        asked: Arguments,
    ) -> Result<Change, String> {
        let hypothesis = hypothesis(&asked.hypothesis)?;
        let names = self.files.iter().map(|file| file.name.as_str());
        if let Some(problem) = in_the_way(self.definition, names) {
            return Err(problem);
        }
        let settings = self.settings(asked.settings)?;
        self.is_new(&settings)?;
        Ok(Change {
            settings,
            files: self.files.to_vec(),
            hypothesis,
            evidence: vec![self.study.best],
            call,
            cpu_ms,
        })
    }

    /// Returns the values of all knobs: those of the best experiment, then what the session's files say where they
    /// differ from the unchanged workspace, then what is asked for.
    fn settings(&self, asked: BTreeMap<String, Setting>) -> Result<Settings, String> {
        let space = &self.protocol.space;
        let mut all = self.protocol.start.clone();
        let best = self.study.settings(self.study.best).cloned();
        all.extend(best.unwrap_or_default());
        all.extend(self.written()?);
        for (name, value) in asked {
            let knob = space.knob(&name).ok_or_else(|| {
                let known: Vec<&str> = space.knobs().iter().map(|one| one.name.as_str()).collect();
                format!("no knob `{name}`; there are: {}", known.join(", "))
            })?;
            all.insert(name, knobs::coerce(&knob.kind, value));
        }
        let settings = space.active_only(&all);
        space.check(&settings).map_err(|error| error.to_string())?;
        Ok(settings)
    }

    /// Returns the knobs whose values the session's files change.
    fn written(&self) -> Result<Settings, String> {
        let read = |file: &str| match self.edits.iter().find(|edit| edit.path == file) {
            Some(edit) => Ok(edit.bytes.clone()),
            None => knobs::read_plain(self.workspace, file),
        };
        if self.edits.is_empty() {
            return Ok(Settings::new());
        }
        let values =
            knobs::settings_in(self.definition, &read).map_err(|error| error.to_string())?;
        let differ = values
            .into_iter()
            .filter(|(name, value)| self.protocol.start.get(name) != Some(value));
        Ok(differ.collect())
    }

    fn is_new(&self, settings: &Settings) -> Result<(), String> {
        let experiments = self.study.experiments.iter().enumerate();
        let same = experiments.rev().find(|(_, one)| {
            one.proposed.settings == *settings && same_files(&one.proposed.files, self.files)
        });
        match same {
            None => Ok(()),
            Some((0, _)) => Err(
                "this is the unchanged workspace, which the lab measures itself: change a file or a setting first".into(),
            ),
            Some((index, _)) => {
                let id = ExperimentId(index as u32);
                Err(format!("{id} tried exactly this; the lab repeats runs itself where noise asks for it"))
            }
        }
    }
}

/// Whether two lists name the same files with the same contents.
fn same_files(one: &[Output], other: &[Output]) -> bool {
    let names = |files: &[Output]| -> BTreeMap<String, (String, bool)> {
        let files = files.iter();
        files
            .map(|file| (file.name.clone(), (file.blob.clone(), file.executable)))
            .collect()
    };
    names(one) == names(other)
}

/// Returns a hypothesis as one line, or what is wrong with it.
fn hypothesis(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.len() {
        0 => Err("the hypothesis is empty".into()),
        found if found > HYPOTHESIS_BYTES_MAX => Err(format!(
            "the hypothesis has {found} bytes, more than {HYPOTHESIS_BYTES_MAX}"
        )),
        _ => Ok(line),
    }
}

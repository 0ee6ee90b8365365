//! Knobs of a study that declares none: what the lab finds in its editable files, for the researcher that edits programs.
//!
//! They become tables at the end of the study's definition, which the ledger keeps: whoever reads the record later needs
//! neither the files nor the rule by which they were found. The tables are a function of the study and its workspace, so a
//! study that goes on finds the same ones.

use std::path::Path;

use super::{
    researchers,
    study::{OpenError, Request, researcher},
};
use crate::{
    engine::State,
    format,
    knobs::{Error, Places, places},
    workspace,
};

/// The researcher that edits what it is not told about.
const EDITS: &str = "evolution";

/// Returns the study with the knobs that were found, where it has none and is, or was begun, with the researcher that
/// edits programs.
pub(super) fn completed(
    opened: format::Opened,
    request: &Request,
    state: &State,
    workspace: &Path,
) -> Result<(format::Opened, Option<Places>), OpenError> {
    let name = match &state.opened {
        // Whoever goes on with it, a study stays what it was begun as.
        Some(old) => old.researcher.clone(),
        None => researcher(&opened.study, request, state)?,
    };
    if researchers::inner(&name) != EDITS || !opened.study.space.knobs().is_empty() {
        return Ok((opened, None));
    }
    let listed = workspace::list(workspace, workspace::Limits::default(), &[])?;
    let found = places(&opened.study, workspace, &listed).map_err(|(file, problem)| {
        let knob = EDITS.to_owned();
        OpenError::Knobs(Error::File {
            knob,
            file,
            problem,
        })
    })?;
    if found.taken == 0 {
        return Err(OpenError::NothingToEdit {
            study: opened.study.name.clone(),
            files: found.files,
        });
    }
    let opened = format::with_tables(&opened, &found.tables)?;
    debug_assert_eq!(opened.study.space.knobs().len(), found.taken);
    Ok((opened, Some(found)))
}

//! What a lab has to say about a study that is conducted in a lab of its own below it, as a step of something larger.
//!
//! The record of that lab begins anew. Signatures, and a level of autonomy that fell, would not hold there: what they hold
//! back here is not begun there.

use std::path::Path;

use lyceum_oversight::approval::Subject;
use lyceum_types::Level;

use super::{
    adopted,
    kit::Kit,
    record,
    study::{self, OpenError},
};
use crate::{engine::JournalError, format};

/// Returns why the study in a directory is not conducted below a lab; `None` where nothing speaks against it.
pub fn withheld(
    kit: &Kit,
    directory: &Path,
    experiments: Option<u32>,
) -> Result<Option<String>, OpenError> {
    let opened = format::open(directory)?;
    let study = &opened.study;
    let reader = kit.ledger.reader().map_err(JournalError::from)?;
    let last = study::last_attempt(&reader, study)?;
    let last = match last {
        Some(name) => Some((record::load(&reader, &name)?, name)),
        None => None,
    };
    if let Some((state, name)) = &last {
        if let Some(why) = &state.stopped {
            return Ok(Some(format!(
                "study `{name}` was stopped by a person: {why}; `lyceum stop {name} --lift` lets it go on"
            )));
        }
        if state.level < Level::default() {
            return Ok(Some(format!(
                "study `{name}` is at autonomy level {}, and as a step it would begin at {}: `lyceum run` conducts it at its own, `lyceum autonomy {name} --raise` lets it rise",
                state.level,
                Level::default()
            )));
        }
    }
    let rules = match adopted::in_force(&kit.lab, &kit.ledger)? {
        Ok(rules) => rules,
        Err(unapproved) => return Ok(Some(unapproved.to_string())),
    };
    let Some(rules) = rules else {
        return Ok(None);
    };
    let own = study.budget.experiments;
    if rules.subjects.contains(&Subject::Budget)
        && let Some(asked) = experiments.filter(|asked| *asked > own)
    {
        return Ok(Some(format!(
            "the lab's rules want signatures under more than the study's own {own} experiments, found {asked}: `lyceum run --experiments {asked}` asks for them"
        )));
    }
    let before = last.and_then(|(state, name)| Some((state.opened?, name)));
    if rules.subjects.contains(&Subject::Grader)
        && let Some((before, name)) = before
        && before.evaluator != study::evaluator_digest(kit, &opened)?
    {
        return Ok(Some(format!(
            "the lab's rules want signatures under another evaluator than that of `{name}`: `lyceum run --again` asks for them"
        )));
    }
    Ok(None)
}

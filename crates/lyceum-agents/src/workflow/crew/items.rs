//! What a phase goes over.

use std::path::Path;

use serde_json::Value;

use super::{
    super::{
        event::Item,
        format::{Over, Phase},
        state::State,
    },
    files,
};

/// Most steps of one phase.
const STEPS_MAX: usize = 10_000;
/// Largest file whose lines are gone over.
const LINES_BYTES_MAX: u64 = 16 << 20;
/// Most bytes of a phase's items on record: they are one event.
const ITEMS_BYTES_MAX: usize = 32 << 20;

/// Returns the items of a phase, in an order that does not depend on chance.
pub(super) fn of(directory: &Path, phase: &Phase, state: &State) -> Result<Vec<Item>, String> {
    let items = match &phase.over {
        Over::Once => vec![Item::default()],
        Over::Files(pattern, batch) => of_files(directory, pattern, *batch)?,
        Over::Lines(file, batch) => of_lines(directory, file, *batch)?,
        Over::Range(first, last) => {
            let count = i128::from(*last) - i128::from(*first) + 1;
            bounded(usize::try_from(count.max(0)).unwrap_or(usize::MAX))?;
            (*first..=*last)
                .map(|number| words(number.to_string()))
                .collect()
        }
        Over::List(list) => list.iter().cloned().map(words).collect(),
        Over::Results(name, pointer) => of_results(state, name, pointer.as_deref())?,
    };
    bounded(items.len())?;
    let bytes: usize = items.iter().map(written).sum();
    if bytes > ITEMS_BYTES_MAX {
        return Err(format!(
            "expected items of at most {ITEMS_BYTES_MAX} bytes in all as they are written down, found {bytes}"
        ));
    }
    Ok(items)
}

/// Returns how many bytes an item has on record, where control characters take six.
fn written(item: &Item) -> usize {
    serde_json::to_string(item).map_or(usize::MAX / 2 / STEPS_MAX, |json| json.len())
}

fn bounded(found: usize) -> Result<(), String> {
    if found > STEPS_MAX {
        return Err(format!(
            "expected at most {STEPS_MAX} items, found {found}; `batch` puts several into one step"
        ));
    }
    Ok(())
}

fn words(text: String) -> Item {
    Item {
        text,
        files: vec![],
    }
}

fn of_files(directory: &Path, pattern: &str, batch: usize) -> Result<Vec<Item>, String> {
    let found = files::listed(directory, &[pattern.to_owned()])?;
    if found.is_empty() {
        return Err(format!(
            "no file of `{}` fits `{pattern}`",
            directory.display()
        ));
    }
    let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
    let items = names.chunks(batch).map(|some| Item {
        text: some.join("\n"),
        files: some.to_vec(),
    });
    Ok(items.collect())
}

fn of_lines(directory: &Path, file: &str, batch: usize) -> Result<Vec<Item>, String> {
    let bytes = files::read(directory, file, LINES_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| format!("`{file}`: {error}"))?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        return Err(format!("`{file}` has no line that is not empty"));
    }
    Ok(lines
        .chunks(batch)
        .map(|some| words(some.join("\n")))
        .collect())
}

fn of_results(state: &State, name: &str, pointer: Option<&str>) -> Result<Vec<Item>, String> {
    let phase = state.phase(name).ok_or("the phase has not begun")?;
    let Some(pointer) = pointer else {
        return Ok(phase
            .results()
            .map(|(_, result)| words(result.to_owned()))
            .collect());
    };
    let mut items = Vec::new();
    for (number, result) in phase.results() {
        let of = |why: &str| format!("result {number} of `{name}`: {why}");
        let value: Value =
            serde_json::from_str(result).map_err(|error| of(&format!("no JSON: {error}")))?;
        let list = value.pointer(pointer).and_then(Value::as_array);
        let list = list.ok_or_else(|| of(&format!("no list at `{pointer}`")))?;
        items.extend(list.iter().map(|one| match one {
            Value::String(text) => words(text.clone()),
            other => words(other.to_string()),
        }));
    }
    Ok(items)
}

//! Laying an attempt into a copy of its task's study.

use std::{fs, path::Path};

use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::{
    Attempt, Error, Task,
    files::{copy, failed, text},
};

/// The knob that turns the attempt on.
pub const KNOB: &str = "attempt";
/// The variable by which the replay knows; names that begin with `LYCEUM_` are the lab's.
const VARIABLE: &str = "CORPUS_ATTEMPT";
/// Where the attempt lies in the workspace.
const PLACE: &str = ".attempt";
/// Carries the change out when the knob is on; then the task's own command runs in the same process tree, as it would after an
/// agent's own work. Steps are sourced: what an agent exports reaches what it starts.
const REPLAY: &str = r#"if [ "$CORPUS_ATTEMPT" = true ]; then
    if [ -d .attempt/change ]; then cp -R .attempt/change/. .; fi
    if [ -f .attempt/steps.sh ]; then . ./.attempt/steps.sh; fi
fi
exec "$@"
"#;
/// Pairs and level of the confirmation: a corpus asks what the lab measures and decides, and claims nothing.
const CONFIRM: (i64, f64) = (2, 0.5);

/// Writes the study of one attempt with this name into an empty directory: the task's own study, whose one knob turns the attempt
/// on, and whose one experiment does.
///
/// `naive` takes the task's `naive.toml` in place of its `study.toml`.
pub fn stage(
    task: &Task,
    attempt: &Attempt,
    name: &str,
    naive: bool,
    target: &Path,
) -> Result<(), Error> {
    copy(&task.directory, target)?;
    let file = if naive { "naive.toml" } else { "study.toml" };
    let source = task.directory.join(file);
    let wrong = |problem: String| Error::Manifest {
        path: source.clone(),
        problem,
    };
    let mut study: DocumentMut = text(&source)?
        .parse()
        .map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
    let workspace = study
        .get("workspace")
        .and_then(|table| table.get("path"))
        .and_then(Item::as_str)
        .unwrap_or("workspace");
    let place = target.join(workspace).join(PLACE);
    fs::create_dir_all(&place).map_err(failed("making", &place))?;
    copy(&attempt.directory.join("change"), &place.join("change"))?;
    let steps = attempt.directory.join("steps.sh");
    if steps.exists() {
        write(&place.join("steps.sh"), &text(&steps)?)?;
    }
    write(&place.join("replay.sh"), REPLAY)?;
    edit(&mut study, attempt, name).ok_or_else(|| wrong("no `[run]` with a `command`".into()))?;
    write(&target.join("study.toml"), &study.to_string())
}

/// Turns the task's definition into the attempt's; `None` where it has no command.
fn edit(study: &mut DocumentMut, attempt: &Attempt, name: &str) -> Option<()> {
    study["name"] = value(name);
    study["researcher"] = value("random");
    let run = study.get_mut("run")?.as_table_like_mut()?;
    let mut command: Array = ["sh", ".attempt/replay.sh"].into_iter().collect();
    for word in run.get("command")?.as_array()? {
        command.push(word.as_str()?);
    }
    run.insert("command", value(command));
    if let Some(timeout) = attempt.timeout {
        run.insert("timeout", value(timeout.to_string()));
    }
    let mut knob = Table::new();
    knob["type"] = value("boolean");
    knob["environment"] = value(VARIABLE);
    knob["start"] = value(false);
    let mut knobs = Table::new();
    knobs.insert(KNOB, Item::Table(knob));
    study["knobs"] = Item::Table(knobs);
    for (table, key, number) in [
        ("budget", "experiments", 1),
        ("noise", "repeats", 3),
        ("noise", "most_repeats", 1),
        ("confirm", "pairs", CONFIRM.0),
    ] {
        if study.get(table).is_none() {
            study[table] = Item::Table(Table::new());
        }
        study[table][key] = value(number);
    }
    study["confirm"]["alpha"] = value(CONFIRM.1);
    Some(())
}

fn write(path: &Path, contents: &str) -> Result<(), Error> {
    fs::write(path, contents).map_err(failed("writing", path))
}

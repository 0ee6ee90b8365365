//! A study around a script that prints `METRIC name=value`.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Error, NewFile};

/// Largest script in bytes.
const SCRIPT_BYTES_MAX: u64 = 4 << 20;
/// The metric's name where the script does not tell.
const METRIC_UNKNOWN: &str = "score";
/// Parts of names that speak for "higher is better".
const HIGHER: [&str; 12] = [
    "acc",
    "score",
    "reward",
    "f1",
    "auc",
    "bleu",
    "speed",
    "throughput",
    "per_s",
    "recall",
    "precision",
    "gain",
];

/// Returns the files of a study around the script. The script is copied into the workspace; nothing is run. The metric's name
/// is read from the first `METRIC name=` in it, and its goal is guessed from the name; the study file says so.
pub fn from_script(script: &Path) -> Result<Vec<NewFile>, Error> {
    let path = || PathBuf::from(script);
    let unreadable = |source| Error::Unreadable {
        path: path(),
        source,
    };
    let metadata = fs::metadata(script).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Error::NotPlain { path: path() });
    }
    let plain = |name: &&str| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && !name.starts_with('-')
    };
    let name = script
        .file_name()
        .and_then(|name| name.to_str())
        .filter(plain);
    let name = name.ok_or_else(|| Error::Name { path: path() })?;
    let mut contents = Vec::new();
    fs::File::open(script)
        .and_then(|file| file.take(SCRIPT_BYTES_MAX + 1).read_to_end(&mut contents))
        .map_err(unreadable)?;
    if contents.len() as u64 > SCRIPT_BYTES_MAX {
        return Err(Error::TooBig {
            path: path(),
            limit: SCRIPT_BYTES_MAX,
        });
    }
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let text = String::from_utf8_lossy(&contents);
    let metric = metric(&text).unwrap_or(METRIC_UNKNOWN);
    let higher = HIGHER
        .iter()
        .any(|part| metric.to_lowercase().contains(part));
    let study = include_str!("files/script.toml")
        .replace("@COMMAND@", &command(name, &text, executable))
        .replace("@SCRIPT@", name)
        .replace("@METRIC@", metric)
        .replace("@GOAL@", if higher { "maximize" } else { "minimize" });
    Ok(vec![
        NewFile::text("study.toml", &study),
        NewFile {
            path: format!("workspace/{name}"),
            contents: contents.clone(),
            executable,
        },
    ])
}

/// Returns the name in the first `METRIC name=` of the script.
fn metric(text: &str) -> Option<&str> {
    text.match_indices("METRIC ").find_map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start();
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"_-./".contains(c))
            .unwrap_or(rest.len());
        ((1..=64).contains(&length) && rest[length..].starts_with('=')).then(|| &rest[..length])
    })
}

/// Returns the run's command as a TOML list.
fn command(name: &str, text: &str, executable: bool) -> String {
    let program = match Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        _ if executable && text.starts_with("#!") => return format!("[\"./{name}\"]"),
        Some("py") => "python3",
        Some("pl") => "perl",
        Some("rb") => "ruby",
        Some("js") => "node",
        Some("awk") => return format!("[\"awk\", \"-f\", \"{name}\"]"),
        Some("bash") => "bash",
        _ => "sh",
    };
    format!("[\"{program}\", \"{name}\"]")
}

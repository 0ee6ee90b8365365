//! `lyceum approve`: requests that wait for signatures, and how people sign them.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use lyceum_oversight::approval::{hex, public, unhex};
use lyceum_study::lab::{self, Lab, Pending};

use crate::{context::LabPlace, exit::Exit, failure::Failure, view::words};

/// Bytes of a secret key.
const SECRET: usize = 32;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request, by its name [default: show all]
    request: Option<String>,
    /// Sign it with the secret key in this file
    #[arg(long, value_name = "FILE", requires = "request")]
    key: Option<PathBuf>,
    /// Make a secret key in this new file, and print the public one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "key"])]
    new_key: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(path) = &arguments.new_key {
        let key = new_key(path)?;
        println!(
            "{}",
            if json {
                serde_json::json!({ "key": key }).to_string()
            } else {
                key
            }
        );
        return Ok(Exit::Done);
    }
    let lab = place.lab()?;
    let broken = |error: lyceum_study::engine::Broken| Failure::internal(&error);
    let mut shown = lab::pending(&lab).map_err(broken)?;
    if let Some(name) = &arguments.request {
        shown.retain(|(path, _)| path.file_stem().is_some_and(|stem| stem == name.as_str()));
        if shown.is_empty() {
            return Err(
                Failure::bad_input(format!("no request `{}`", words::clean(name)))
                    .hint("`lyceum approve` shows what waits"),
            );
        }
    }
    if let (Some(key), [(path, pending)]) = (&arguments.key, shown.as_mut_slice()) {
        let secret = secret(key)?;
        may_sign(&lab, pending, &secret)?;
        *pending = lab::sign(path, &secret).map_err(broken)?;
    }
    if json {
        let all: Vec<_> = shown.iter().map(|(_, pending)| pending).collect();
        println!("{}", serde_json::to_string(&all)?);
        return Ok(Exit::Done);
    }
    for (path, pending) in &shown {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let request = String::from_utf8_lossy(&pending.request.canonical()).into_owned();
        println!("{} {}", words::clean(&name), words::clean(&request));
        println!(
            "  until {}; {} signatures",
            words::moment(pending.request.expires_at),
            pending.signatures.len()
        );
    }
    Ok(Exit::Done)
}

/// Refuses a signature that could only spoil the request: anything wrong with one refuses the whole.
fn may_sign(lab: &Lab, pending: &Pending, secret: &[u8; SECRET]) -> Result<(), Failure> {
    let rules = lab::rules(lab).map_err(|error| Failure::internal(&error))?;
    let Some(rules) = rules else { return Ok(()) };
    let key = public(secret);
    match rules.approvers.iter().find(|one| one.key == key) {
        None => Err(
            Failure::bad_input(format!("key `{key}` belongs to no approver of the lab"))
                .hint("`approvers.json` in the lab names who may sign"),
        ),
        Some(one) if one.name == pending.request.requested_by => Err(Failure::bad_input(format!(
            "`{}` asked for it and cannot approve it",
            words::clean(&one.name)
        ))),
        Some(_) => Ok(()),
    }
}

fn new_key(path: &Path) -> Result<String, Failure> {
    let refused = |error: std::io::Error| {
        Failure::bad_input(format!("cannot make `{}`: {error}", path.display()))
            .hint("a key is never written over: name a new file")
    };
    let mut secret = [0; SECRET];
    fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(refused)?;
    file.write_all(format!("{}\n", hex(&secret)).as_bytes())
        .map_err(refused)?;
    Ok(public(&secret))
}

fn secret(path: &Path) -> Result<[u8; SECRET], Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::bad_input(format!("cannot read `{}`: {error}", path.display()))
    })?;
    unhex(text.trim()).ok_or_else(|| {
        Failure::bad_input(format!(
            "`{}` holds no secret key: expected {} hexadecimal digits",
            path.display(),
            2 * SECRET
        ))
        .hint("`lyceum approve --new-key FILE` makes one")
    })
}

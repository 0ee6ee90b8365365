//! What `lyceum doctor` shows: each part that isolates, tried by itself, also where the whole is refused.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::cgroup::Place;
use crate::helper::SURVEY_ARGUMENT;
use crate::record::{Backend, Level};
use crate::refusal::{Cause, Refusal};
use crate::sandbox::{self, Sandbox};
use crate::wire::Fault;

/// A part of what isolates, and what became of trying it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it was tried with.
    pub tried: String,
    /// Whether it works.
    pub state: State,
    /// What was found, in words; empty where there is nothing to add.
    pub found: String,
    /// What a person can do, where it does not work.
    pub remedy: Option<String>,
}

/// Whether a part works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was tried and works.
    Works,
    /// It was tried and does not work, or is not there.
    Missing,
    /// It could not be tried.
    NotTried,
    /// A fact of this machine, which is neither good nor bad.
    Told,
}

impl Part {
    fn works(name: &str, tried: &str, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            tried: tried.to_owned(),
            state: State::Works,
            found: found.into(),
            remedy: None,
        }
    }

    fn missing(name: &str, tried: &str, refusal: &Refusal) -> Self {
        Self {
            state: State::Missing,
            remedy: Some(refusal.remedy.clone()),
            ..Self::works(name, tried, refusal.found.clone())
        }
    }

    fn told(name: &str, read: &str, found: impl Into<String>) -> Self {
        Self {
            state: State::Told,
            ..Self::works(name, read, found)
        }
    }
}

/// Tries every part of the sandbox: namespaces, mounts, Landlock, the filter, control groups, bubblewrap,
/// each attack of both backends' self-tests; and reads the settings that decide about them.
pub fn survey() -> Vec<Part> {
    let mut parts = kernel_parts();
    parts.extend(settings());
    parts.push(control_groups());
    parts.push(bubblewrap());
    parts.push(graphics());
    for (backend, level, name) in [
        (Backend::Native, Level::Namespace, "native"),
        (Backend::Bwrap, Level::Namespace, "bwrap"),
        (Backend::Native, Level::Landlock, "landlock alone"),
    ] {
        parts.extend(attacks(backend, level, name));
    }
    parts
}

/// Name of a part, what it was tried with, and what came of it.
type Found = Vec<(String, String, Result<String, Fault>)>;

/// Asks a helper of one thread, which may enter namespaces, for the parts of the kernel.
fn kernel_parts() -> Vec<Part> {
    let output = Command::new("/proc/self/exe")
        .arg(SURVEY_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let found = output
        .map_err(|error| error.to_string())
        .and_then(|output| {
            serde_json::from_slice::<Found>(&output.stdout).map_err(|error| error.to_string())
        });
    match found {
        Ok(found) => found
            .into_iter()
            .map(|(name, tried, found)| match found {
                Ok(detail) => Part::works(&name, &tried, detail),
                Err(Fault {
                    step,
                    errno,
                    reason,
                }) => Part::missing(&name, &tried, &Refusal::from_step(step, errno, &reason)),
            })
            .collect(),
        Err(error) => {
            let refusal = Refusal::new(Cause::HelperMissing, error);
            vec![Part::missing(
                "helper",
                "this program as its own helper",
                &refusal,
            )]
        }
    }
}

/// Reads what decides whether an ordinary user gets namespaces.
fn settings() -> Vec<Part> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let mut parts: Vec<Part> = [
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    ]
    .into_iter()
    .map(|path| {
        let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
        let found = read(path).map_or("not on this kernel".into(), |text| text.trim().to_owned());
        Part::told(&name, "read", found)
    })
    .collect();
    let status = read("/proc/self/status").unwrap_or_default();
    let filtered = status.lines().any(|line| line == "Seccomp:\t2");
    let found = if filtered {
        "yes, as in a container"
    } else {
        "no"
    };
    parts.push(Part::told("filter around lyceum", "read", found));
    parts
}

fn control_groups() -> Part {
    let (name, tried) = ("control groups", "a directory that this user may divide");
    match Place::find() {
        Some(place) => Part::works(name, tried, place.to_string()),
        None => Part {
            state: State::Missing,
            remedy: Some(
                "none needed: resource limits and the watchdog hold the limits; a delegated group \
                 (`systemd-run --user --scope -p Delegate=yes lyceum …`) makes the kernel hold them"
                    .into(),
            ),
            ..Part::works(name, tried, "none")
        },
    }
}

fn bubblewrap() -> Part {
    let (name, tried) = ("bubblewrap", "`bwrap --version`");
    let path = match sandbox::find_bubblewrap() {
        Ok(path) => path,
        Err(refusal) => return Part::missing(name, tried, &refusal),
    };
    let said = Command::new(&path).arg("--version").env_clear().output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let said = said.unwrap_or_else(|error| error.to_string());
    Part::works(name, tried, format!("{said} at `{}`", path.display()))
}

fn graphics() -> Part {
    let devices = crate::graphics_devices();
    let names: Vec<String> = devices.iter().map(|path| shown(path)).collect();
    let found = if names.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: given to a command only with `--gpu`", names.join(" "))
    };
    Part::told("graphics processors", "device nodes looked for", found)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Makes each attack of a backend's self-test.
fn attacks(backend: Backend, level: Level, name: &str) -> Vec<Part> {
    let tried = "attacked from inside a sandbox";
    match Sandbox::canaries(backend, level) {
        Ok(canaries) => canaries
            .into_iter()
            .map(|(what, held)| {
                let name = format!("{name}: {what}");
                if held {
                    return Part::works(&name, tried, "");
                }
                let cause = Cause::Canary { name: what.into() };
                Part::missing(&name, tried, &Refusal::new(cause, "the attack succeeded"))
            })
            .collect(),
        Err(refusal) => vec![Part {
            state: State::NotTried,
            ..Part::missing(&format!("{name}: attacks"), tried, &refusal)
        }],
    }
}

//! From `--read`, `--write` and `--overlay` to mounts, and the scratch space of overlays.

use std::{
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use lyceum_sandbox::{
    Access, Destination, DestinationError, Mount, Secret,
    scratch::{self, Scratch},
};

use crate::failure::Failure;

/// Beginning of the names of scratch directories, which hold the process that made them.
const SCRATCH: &str = "lyceum-sandbox";

/// `DIR` or `DIR:PATH` of a command line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    host: PathBuf,
    inside: Option<PathBuf>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A directory may have a colon in its name: the part after the last one counts only if it is a path.
        let (host, inside) = match text.rsplit_once(':') {
            Some((host, inside)) if inside.starts_with('/') => (host, Some(PathBuf::from(inside))),
            _ => (text, None),
        };
        if host.is_empty() {
            return Err(format!("expected `DIR` or `DIR:PATH`, found `{text}`"));
        }
        Ok(Self {
            host: PathBuf::from(host),
            inside,
        })
    }
}

/// `NAME=VALUE` of a command line.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("expected `NAME=VALUE`, found `{text}`")),
        }
    }
}

/// `HOST:PORT,HEADER,VARIABLE` of a command line: the value itself would be seen by every process.
#[derive(Clone, Debug)]
pub(super) struct SecretFrom {
    destination: Destination,
    header: String,
    variable: String,
}

impl FromStr for SecretFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(',').collect();
        let [destination, header, variable] = words[..] else {
            return Err(format!(
                "expected `HOST:PORT,HEADER,VARIABLE`, found `{text}`"
            ));
        };
        Ok(Self {
            destination: destination
                .parse()
                .map_err(|error: DestinationError| error.to_string())?,
            header: header.to_owned(),
            variable: variable.to_owned(),
        })
    }
}

impl SecretFrom {
    /// Reads the value from this program's environment.
    pub(super) fn read(&self) -> Result<Secret, Failure> {
        let value = std::env::var(&self.variable).map_err(|_| {
            Failure::bad_input(format!(
                "variable `{}` of `--secret` is not set",
                self.variable
            ))
        })?;
        Ok(Secret {
            destination: self.destination.clone(),
            header: self.header.clone(),
            value,
        })
    }
}

/// Mounts, and the scratch space that they need.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) mounts: Vec<Mount>,
    overlays: Vec<Scratch>,
}

/// Makes mounts of the places of a command line.
pub(super) fn lay_out(read: &[Place], write: &[Place], overlay: &[Place]) -> Result<Laid, Failure> {
    let mut laid = Laid::default();
    let added = (|| {
        for place in read {
            laid.add(place, Access::Read)?;
        }
        for place in write {
            laid.add(place, Access::Write)?;
        }
        for place in overlay {
            laid.add_overlay(place)?;
        }
        Ok(())
    })();
    match added {
        Ok(()) => Ok(laid),
        Err(failure) => {
            laid.remove()?;
            Err(failure)
        }
    }
}

impl Laid {
    fn add(&mut self, place: &Place, access: Access) -> Result<(), Failure> {
        let source = place.host.canonicalize().map_err(|error| {
            Failure::bad_input(format!(
                "failed to find `{}`: {error}",
                place.host.display()
            ))
        })?;
        let target = place.inside.clone().unwrap_or_else(|| source.clone());
        self.mounts.push(Mount {
            source,
            target,
            access,
        });
        Ok(())
    }

    fn add_overlay(&mut self, place: &Place) -> Result<(), Failure> {
        let parent = std::env::temp_dir().canonicalize()?;
        let scratch = scratch::create(&parent, SCRATCH)?;
        let access = Access::Overlay {
            upper: scratch.upper(),
            work: scratch.work(),
        };
        self.overlays.push(scratch);
        self.add(place, access)
    }

    /// Returns the target of the first overlay, else of the first written directory.
    pub(super) fn first_writable(&self) -> Option<PathBuf> {
        let found = |wanted: fn(&Access) -> bool| {
            let mut mounts = self.mounts.iter();
            mounts.find(|mount| wanted(&mount.access) && mount.source.is_dir())
        };
        found(|access| matches!(access, Access::Overlay { .. }))
            .or_else(|| found(|access| matches!(access, Access::Write)))
            .map(|mount| mount.target.clone())
    }

    /// Removes the scratch space.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        for scratch in self.overlays.drain(..) {
            scratch::remove(scratch.path())?;
        }
        Ok(())
    }
}

/// Removes scratch space of calls that were killed. What cannot be removed belongs to somebody else.
pub(super) fn sweep() {
    let Ok(parent) = std::env::temp_dir().canonicalize() else {
        return;
    };
    for left in scratch::leftovers(&parent, SCRATCH).unwrap_or_default() {
        let name = left.file_name().and_then(|name| name.to_str());
        let maker = name.and_then(|name| name[SCRATCH.len() + 1..].split('-').next());
        let maker = maker.and_then(|maker| u32::from_str_radix(maker, 16).ok());
        if maker.is_some_and(|maker| !Path::new(&format!("/proc/{maker}")).exists()) {
            drop(scratch::remove(&left));
        }
    }
}

//! Landlock without namespaces: what a job becomes where nothing can be mounted.
//!
//! The command sees the host's own paths. Each path of the policy's inside is therefore replaced, where
//! it stands in arguments and variables, by the host's path of the same thing.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::policy::{Access, Link, Mount};
use crate::scratch::{self, Scratch};
use crate::wire::{Dedicated, Order};

/// Beginning of the names of stages, which hold the process that made them.
const PREFIX: &str = "lyceum-stage";

/// A directory of one run: what is `/tmp` and `/home` elsewhere, and the policy's links. Removed when
/// dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    scratch: Scratch,
    dedicated: Option<Dedicated>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed is left to the next one.
        let _ = scratch::remove(self.scratch.path());
    }
}

impl Stage {
    /// Makes a stage in the system's directory for temporary files, and removes those of processes that
    /// are gone.
    pub(crate) fn make(dedicated: Option<Dedicated>) -> io::Result<Self> {
        let parent = std::env::temp_dir().canonicalize()?;
        for left in scratch::leftovers(&parent, PREFIX).unwrap_or_default() {
            if made_by_the_dead(&left) {
                let _ = scratch::remove(&left);
            }
        }
        let stage = Self {
            scratch: scratch::create(&parent, PREFIX)?,
            dedicated,
        };
        for name in ["tmp", "home"] {
            stage.make_directory(&stage.at(name))?;
        }
        Ok(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.out().join(name)
    }

    /// Makes a directory of the sandbox's user, and those above it.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(above) if !above.exists() => self.make_directory(above)?,
            _ => {}
        }
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        match self.dedicated {
            Some(user) => chown(path, Some(user.uid), Some(user.gid)),
            None => Ok(()),
        }
    }

    /// Makes an order name the host's paths everywhere.
    pub(crate) fn relocate(&self, order: &mut Order) -> io::Result<()> {
        let mut names: Vec<(String, String)> = Vec::new();
        let mut name = |inside: &Path, host: &Path| names.push((shown(inside), shown(host)));
        for place in ["tmp", "home"] {
            name(&Path::new("/").join(place), &self.at(place));
        }
        for mount in &order.mounts {
            name(&mount.target, &mount.source);
        }
        let links = self.at("links");
        for link in &order.links {
            name(
                &link.at,
                &links.join(link.at.strip_prefix("/").unwrap_or(&link.at)),
            );
            if let Some(parent) = link.at.parent() {
                let host = links.join(parent.strip_prefix("/").unwrap_or(parent));
                name(parent, &host);
            }
        }
        // The longest first, so that what lies in another place is found there.
        names.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.len()));
        self.make_links(&order.links, &names)?;
        let rewrite = |text: &String| rewritten(text, &names);
        order.arguments = order.arguments.iter().map(rewrite).collect();
        for (_, value) in &mut order.environment {
            *value = rewrite(value);
        }
        order.directory = rewrite(&shown(&order.directory)).into();
        for mount in &mut order.mounts {
            mount.target.clone_from(&mount.source);
        }
        for (place, access) in [("tmp", Access::Write), ("home", Access::Write)] {
            order.mounts.push(own(self.at(place), access));
        }
        if !order.links.is_empty() {
            order.mounts.push(own(links, Access::Read));
            order.links.clear();
        }
        Ok(())
    }

    fn make_links(&self, links: &[Link], names: &[(String, String)]) -> io::Result<()> {
        for link in links {
            let at = PathBuf::from(rewritten(&shown(&link.at), names));
            let parent = link.at.parent().unwrap_or(Path::new("/"));
            let to = rewritten(&shown(&parent.join(&link.to)), names);
            if let Some(parent) = at.parent() {
                self.make_directory(parent)?;
            }
            symlink(to, at)?;
        }
        Ok(())
    }
}

fn own(path: PathBuf, access: Access) -> Mount {
    Mount {
        target: path.clone(),
        source: path,
        access,
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn made_by_the_dead(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let maker = name.and_then(|name| name.get(PREFIX.len() + 1..)?.split('-').next());
    let maker = maker.and_then(|maker| u32::from_str_radix(maker, 16).ok());
    maker.is_some_and(|maker| !Path::new(&format!("/proc/{maker}")).exists())
}

/// Replaces each path of the inside, whole or as the beginning of a longer one, by the host's.
fn rewritten(text: &str, names: &[(String, String)]) -> String {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let begins = rest.starts_with('/')
            && !text[..at]
                .bytes()
                .last()
                .is_some_and(|byte| of_name(byte) || byte == b'/');
        let found = names.iter().find(|(inside, _)| {
            begins
                && rest
                    .strip_prefix(inside.as_str())
                    .is_some_and(|after| !after.bytes().next().is_some_and(of_name))
        });
        if let Some((inside, host)) = found {
            out.push_str(host);
            at += inside.len();
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..length]);
            at += length;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn paths_are_replaced_where_they_begin_and_end_as_paths() {
        let names = [("/outputs", "/lab/x/out"), ("/tmp", "/tmp/stage/tmp")];
        let names = names.map(|(inside, host)| (inside.to_owned(), host.to_owned()));
        for (text, expected) in [
            ("/outputs", "/lab/x/out"),
            ("/outputs/a b", "/lab/x/out/a b"),
            ("--to=/outputs/a", "--to=/lab/x/out/a"),
            (
                "echo x >/outputs/a; ls /tmp",
                "echo x >/lab/x/out/a; ls /tmp/stage/tmp",
            ),
            ("/outputs-made/a", "/outputs-made/a"),
            ("/var/tmp/a", "/var/tmp/a"),
            ("a/outputs", "a/outputs"),
            ("/usr/bin:/tmp", "/usr/bin:/tmp/stage/tmp"),
            ("ü/outputs ü", "ü/lab/x/out ü"),
        ] {
            assert_eq!(rewritten(text, &names), expected, "{text}");
        }
    }
}

//! Letters of people to a session whose lab another process holds: files in the lab, taken in between two steps.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use lyceum_study::{
    engine::JournalError,
    lab::{Lab, is_study_name},
};
use serde::{Deserialize, Serialize};

use crate::session::{
    Log, State, Word,
    event::{Body, Confirmed, Interrupted, Permission, PersonAnswered, PersonSaid},
};

/// Most bytes of a person's words.
pub const LETTER_BYTES_MAX: usize = 16 << 10;
/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 128 << 10;
/// Most letters that wait.
const LETTERS_MAX: usize = 1000;
/// End of a letter's file name.
const END: &str = "letter.json";

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// To say something.
    Say(String),
    /// To stop what goes on: why.
    Interrupt(String),
    /// To say whether a call may be carried out.
    Confirm {
        /// The call.
        call: String,
        /// What it is exactly, as the person saw it.
        digest: String,
        /// Whether it may.
        allow: bool,
        /// Why, where the person says.
        why: Option<String>,
    },
    /// To answer a question.
    Answer {
        /// The call that asked.
        call: String,
        /// What was asked exactly, as the person saw it.
        digest: String,
        /// The answer.
        text: String,
    },
}

impl Letter {
    /// Returns the event that takes it in. `name` is that of its file.
    pub fn event(self, name: Option<String>) -> Body {
        match self {
            Letter::Say(text) => Body::PersonSaid(PersonSaid { text, letter: name }),
            Letter::Interrupt(why) => Body::Interrupted(Interrupted { why, letter: name }),
            Letter::Confirm {
                call,
                digest,
                allow,
                why,
            } => Body::Confirmed(Confirmed {
                call,
                digest,
                result: if allow {
                    Permission::Allow
                } else {
                    Permission::Deny
                },
                why,
                letter: name,
            }),
            Letter::Answer { call, digest, text } => Body::PersonAnswered(PersonAnswered {
                call,
                digest,
                text,
                letter: name,
            }),
        }
    }

    /// Returns the words in it.
    fn text(&self) -> &str {
        match self {
            Letter::Say(text) | Letter::Interrupt(text) | Letter::Answer { text, .. } => text,
            Letter::Confirm { why, .. } => why.as_deref().unwrap_or_default(),
        }
    }

    /// Returns the call that it is a word on.
    fn call(&self) -> Option<&str> {
        match self {
            Letter::Say(_) | Letter::Interrupt(_) => None,
            Letter::Confirm { call, .. } | Letter::Answer { call, .. } => Some(call),
        }
    }

    /// Tells whether it may be taken in: a word on a call counts where this very call waits for one.
    pub fn fits(&self, state: &State) -> bool {
        let (call, digest, word) = match self {
            Letter::Say(_) | Letter::Interrupt(_) => return true,
            Letter::Confirm {
                call,
                digest,
                allow: true,
                ..
            } => (call, digest, Word::Allowed),
            Letter::Confirm { call, digest, .. } => (call, digest, Word::Denied(None)),
            Letter::Answer { call, digest, text } => (call, digest, Word::Answer(text.clone())),
        };
        let mut awaited = state.awaited();
        awaited.any(|(used, asked)| used.call == *call && asked.takes(digest, &word))
    }
}

/// Returns where a session's letters wait.
fn place(lab: &Lab, session: &str) -> io::Result<PathBuf> {
    if is_study_name(session) {
        return Ok(lab.root().join("letters").join(session));
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "no session can have this name",
    ))
}

/// Leaves a letter for whoever works in the lab.
///
/// Fails where nobody would read it: more words than [`LETTER_BYTES_MAX`], or a name that no session has.
pub fn leave(lab: &Lab, session: &str, letter: &Letter) -> io::Result<()> {
    let text = letter.text();
    if text.len() > LETTER_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a letter holds {LETTER_BYTES_MAX} bytes, and this has {}",
                text.len()
            ),
        ));
    }
    let place = place(lab, session)?;
    fs::create_dir_all(&place)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let name = format!(
        "{:024}-{}-{END}",
        since.unwrap_or_default().as_nanos(),
        std::process::id()
    );
    let fresh = place.join(format!("{name}.new"));
    fs::write(&fresh, serde_json::to_vec(letter)?)?;
    fs::rename(fresh, place.join(name))
}

/// Returns the letters that wait, oldest first, each with the name of its file. What is no letter is passed over.
pub(crate) fn waiting(lab: &Lab, session: &str) -> Vec<(PathBuf, String, Letter)> {
    let Ok(entries) = place(lab, session).and_then(fs::read_dir) else {
        return vec![];
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let letters = files.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let letter = name.ends_with(END).then(|| read(&path)).flatten()?;
        Some((path, name, letter))
    });
    letters.take(LETTERS_MAX).collect()
}

fn read(path: &Path) -> Option<Letter> {
    // Opening anything else could wait for ever, as a pipe without a writer does.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Returns the events that take in what waits and was not taken in before, and the files to be removed once they are
/// written.
pub(crate) fn take(lab: &Lab, session: &str, state: &State) -> (Vec<Body>, Vec<PathBuf>) {
    let (mut bodies, mut files) = (Vec::new(), Vec::new());
    let mut heard = BTreeSet::new();
    for (path, name, letter) in waiting(lab, session) {
        // The first word on a call counts, and what nobody asked for says nothing.
        let fits = !state.letters.contains(&name) && letter.fits(state);
        if fits
            && letter
                .call()
                .is_none_or(|call| heard.insert(call.to_owned()))
        {
            bodies.push(letter.event(Some(name)));
        }
        files.push(path);
    }
    (bodies, files)
}

/// Takes what waits for a session into its log, for one who holds the lab: what is said next comes after it.
pub fn take_in(lab: &Lab, session: &str, log: &mut Log) -> Result<(), JournalError> {
    let (bodies, files) = take(lab, session, log.state());
    log.write(bodies)?;
    for file in files {
        // One that stays is known by its name, and not taken in again.
        drop(fs::remove_file(file));
    }
    Ok(())
}

/// Tells whether a word on this call is on its way to whoever drives the session.
pub fn is_on_its_way(lab: &Lab, session: &str, call: &str) -> bool {
    let mut letters = waiting(lab, session).into_iter();
    letters.any(|(_, _, letter)| letter.call() == Some(call))
}

/// Tells whether a letter that interrupts waits.
pub(crate) fn interrupts(lab: &Lab, session: &str) -> bool {
    let mut letters = waiting(lab, session).into_iter();
    letters.any(|(_, _, letter)| matches!(letter, Letter::Interrupt(_)))
}

//! A dream: a new store out of finished studies and an old store.
//!
//! The old store is not touched until the new one is whole and its replay has improved. Digests of studies are the part
//! that samplers read; notes say the same to people, each line with the events that it rests on.

use std::{collections::BTreeMap, fmt::Write as _};

use lyceum_ledger::{Ledger, Reader};

use crate::{
    diff::diff,
    error::Error,
    event::{Actor, Cite, DreamVerdict, Dreamed},
    lesson::{Lesson, MATTERS, Suggestion, lessons, suggest},
    past::{PastStudy, TRIALS_MAX},
    replay::{Replay, SUGGESTIONS, replay},
    store::{ENTRY_BYTES_MAX, Must, Note, Store, names},
};

/// The most studies that one dream reads.
pub const STUDIES_MAX: usize = 100;

/// Where digests of studies are in a store.
const STUDIES: &str = "studies/";
/// Where notes on families of studies are.
const FAMILIES: &str = "families/";
/// A family of fewer studies has none to hold out.
const HELD_OUT_MIN: usize = 3;

/// Studies that can learn from one another: the same metric, direction and knobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name: the metric, and a number that stands for the knobs.
    pub id: String,
    /// The studies, by name.
    pub studies: Vec<PastStudy>,
}

/// What a dream is to become.
#[derive(Clone, Debug, PartialEq)]
pub struct Dreamt {
    /// What the new store says: text, what it rests on, and when it ends, by path.
    texts: BTreeMap<String, (String, Vec<Cite>, Option<i64>)>,
    /// How it came about.
    pub dreamed: Dreamed,
    /// What changed, by path; every line of a note names its events.
    pub changes: Vec<(String, Vec<String>)>,
}

/// Returns the families of studies.
pub fn families(studies: &[PastStudy]) -> Vec<Family> {
    let mut families: BTreeMap<String, Vec<PastStudy>> = BTreeMap::new();
    for study in studies {
        families
            .entry(family_of(study))
            .or_default()
            .push(study.clone());
    }
    let families = families.into_iter();
    families
        .map(|(id, studies)| Family { id, studies })
        .collect()
}

fn family_of(study: &PastStudy) -> String {
    let mut knobs: Vec<&str> = study.knobs.iter().map(|knob| knob.name.as_str()).collect();
    knobs.sort_unstable();
    let text = format!("{:?} {}", study.goal, knobs.join("\n"));
    let number = blake3::hash(text.as_bytes()).to_hex();
    let plain = |one: char| {
        if one.is_ascii_alphanumeric() {
            one
        } else {
            '-'
        }
    };
    let metric: String = study.metric.chars().map(plain).take(60).collect();
    format!("{metric}-{}", &number[..8])
}

/// Returns the studies that a store remembers.
///
/// # Errors
/// When one cannot be read.
pub fn remembered(store: &Store) -> Result<Vec<PastStudy>, Error> {
    let digests = store
        .entries()
        .filter(|entry| entry.path.starts_with(STUDIES));
    digests
        .map(|entry| {
            let text = store.read(&entry.path)?;
            serde_json::from_str(&text).map_err(|source| Error::Event {
                store: store.name().to_owned(),
                seq: entry.seq,
                source,
            })
        })
        .collect()
}

/// Dreams: reads studies and what the old store remembers, writes nothing yet.
///
/// A study that the old store remembers and that is read again is taken anew. What people and agents wrote stays, without
/// what has expired by `now` (milliseconds since 1970) and without second copies.
///
/// # Errors
/// When there is nothing to read, too much, or the old store cannot be read.
pub fn dream(before: Option<&Store>, studies: Vec<PastStudy>, now: i64) -> Result<Dreamt, Error> {
    if studies.is_empty() {
        let why = "no finished study was given; a study is finished when its report says so";
        return Err(Error::NothingToDreamOf(why.into()));
    }
    if studies.len() > STUDIES_MAX {
        return Err(Error::TooManyStudies {
            found: studies.len(),
            most: STUDIES_MAX,
        });
    }
    let read: Vec<String> = studies.iter().map(|one| one.name.clone()).collect();
    let mut all: BTreeMap<String, PastStudy> = BTreeMap::new();
    for study in before
        .map_or(Ok(vec![]), remembered)?
        .into_iter()
        .chain(studies)
    {
        all.insert(study.name.clone(), study.shortened(TRIALS_MAX));
    }
    let all: Vec<PastStudy> = all.into_values().collect();
    let mut texts = before.map_or(Ok(BTreeMap::new()), |store| kept(store, now))?;
    let mut replays = Vec::new();
    for family in families(&all) {
        texts.extend(notes(&family));
        if family.studies.len() >= HELD_OUT_MIN {
            replays.push(replay(&family.id, &family.studies));
        }
    }
    for study in &all {
        let text = digest(study);
        let cites = vec![Cite {
            stream: study.stream.clone(),
            seqs: study.trials.iter().map(|one| one.seq).collect(),
        }];
        texts.insert(format!("{STUDIES}{}.json", study.name), (text, cites, None));
    }
    let (verdict, reason) = judge(&replays);
    let changes = changes(before, &texts)?;
    Ok(Dreamt {
        texts,
        changes,
        dreamed: Dreamed {
            from: before.map(|store| (store.name().to_owned(), store.seq())),
            studies: read,
            verdict,
            reason,
            replays,
        },
    })
}

/// Returns what samplers read of a study, with as many trials as fit into an entry.
fn digest(study: &PastStudy) -> String {
    let mut study = study.clone();
    loop {
        // A study holds nothing that has no form in JSON.
        let text = serde_json::to_string(&study).unwrap_or_default();
        if text.len() <= ENTRY_BYTES_MAX || study.trials.len() < 2 {
            return text;
        }
        let half = study.trials.len() / 2;
        study = study.shortened(half);
    }
}

/// Returns as many whole lines of a note as fit into an entry, and says how many do not.
fn fitting(note: String) -> String {
    const ROOM: usize = 100;
    if note.len() <= ENTRY_BYTES_MAX {
        return note;
    }
    let mut kept = String::new();
    let mut lines = note.lines();
    for line in lines.by_ref() {
        if kept.len() + line.len() + ROOM > ENTRY_BYTES_MAX {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    let _ = writeln!(kept, "({} more lines do not fit)", lines.count() + 1);
    kept
}

type Texts = BTreeMap<String, (String, Vec<Cite>, Option<i64>)>;

/// Returns what the old store says that no dream wrote.
fn kept(store: &Store, now: i64) -> Result<Texts, Error> {
    let mut seen: Vec<&str> = Vec::new();
    let mut kept = Texts::new();
    for entry in store.entries() {
        let is_dreamt = entry.path.starts_with(STUDIES) || entry.path.starts_with(FAMILIES);
        if is_dreamt || entry.is_expired(now) || seen.contains(&entry.hash.as_str()) {
            continue;
        }
        seen.push(&entry.hash);
        let text = store.read(&entry.path)?;
        kept.insert(
            entry.path.clone(),
            (text, entry.cites.clone(), entry.expires_at),
        );
    }
    Ok(kept)
}

fn judge(replays: &[Replay]) -> (DreamVerdict, String) {
    if replays.is_empty() {
        let why = format!("no family has {HELD_OUT_MIN} studies, so that none could be held out");
        return (DreamVerdict::Review, why);
    }
    let told: Vec<String> = replays
        .iter()
        .map(|one| {
            let (saved, studies) = (one.saved(), one.held.len());
            format!(
                "{}: {saved:.1} experiments saved on {studies} held-out studies",
                one.family
            )
        })
        .collect();
    let all = replays.iter().all(Replay::improved);
    let verdict = if all {
        DreamVerdict::Accepted
    } else {
        DreamVerdict::Review
    };
    (verdict, told.join("; "))
}

fn notes(family: &Family) -> Texts {
    let studies = &family.studies;
    let count = studies.len();
    let first = &studies[0];
    let names: Vec<&str> = studies.iter().map(|one| one.name.as_str()).collect();
    let head = format!(
        "# {} of {count} studies: {}\n\n",
        first.metric,
        names.join(", ")
    );
    let lessons = lessons(studies);
    let mut knobs = head.clone();
    for lesson in &lessons {
        let _ = writeln!(knobs, "- {}", told(lesson));
    }
    let cites = merged(lessons.iter().flat_map(|one| &one.cites));
    let mut texts = Texts::new();
    let directory = format!("{FAMILIES}{}", family.id);
    texts.insert(
        format!("{directory}/knobs.md"),
        (fitting(knobs), cites, None),
    );
    if let Ok(space) = first.space() {
        let suggestions = suggest(studies, &space, SUGGESTIONS);
        let mut text = head;
        for (index, one) in suggestions.iter().enumerate() {
            let _ = writeln!(text, "{}. {}", index + 1, suggested(one));
        }
        let cites = merged(suggestions.iter().flat_map(|one| &one.cites));
        texts.insert(
            format!("{directory}/begin-with.md"),
            (fitting(text), cites, None),
        );
    }
    texts
}

fn told(lesson: &Lesson) -> String {
    let share = (lesson.mattered.share * 100.0).round();
    let mattered = if lesson.mattered.trials == 0 {
        "was tried too rarely to tell".to_owned()
    } else if lesson.mattered.share < MATTERS {
        "did not matter by itself".to_owned()
    } else {
        format!("explains {share} % of the differences by itself")
    };
    let good = match (&lesson.good, &lesson.choice) {
        (Some((low, high)), _) => format!("; good trials from {low:.4} to {high:.4}"),
        (None, Some((most, share))) => {
            format!("; {most} in {:.0} % of good trials", share * 100.0)
        }
        (None, None) => String::new(),
    };
    let (there, of) = lesson.recurs;
    let recurs = if of > 1 {
        format!(", in {there} of {of} studies")
    } else {
        String::new()
    };
    format!(
        "`{}` {mattered}{good}{recurs} {}",
        lesson.knob,
        named(&lesson.cites)
    )
}

fn suggested(one: &Suggestion) -> String {
    let settings: Vec<String> = one
        .settings
        .iter()
        .map(|(knob, value)| format!("{knob} = {value}"))
        .collect();
    let better = (one.rank * 100.0).round();
    let (near, of) = one.near;
    format!(
        "{}: expected better than {better} % of what was tried; {near} of {of} studies tried something near {}",
        settings.join(", "),
        named(&one.cites)
    )
}

/// Returns events as a line of a note names them.
fn named(cites: &[Cite]) -> String {
    let all = cites.iter().map(|cite| {
        let seqs: Vec<String> = cite.seqs.iter().map(u64::to_string).collect();
        format!("{} {}", cite.stream, seqs.join(" "))
    });
    let all: Vec<String> = all.collect();
    format!("[{}]", all.join("; "))
}

fn merged<'a>(cites: impl Iterator<Item = &'a Cite>) -> Vec<Cite> {
    let mut all: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for cite in cites {
        all.entry(&cite.stream).or_default().extend(&cite.seqs);
    }
    let all = all.into_iter().map(|(stream, mut seqs)| {
        seqs.sort_unstable();
        seqs.dedup();
        let stream = stream.to_owned();
        Cite { stream, seqs }
    });
    all.collect()
}

fn changes(before: Option<&Store>, texts: &Texts) -> Result<Vec<(String, Vec<String>)>, Error> {
    let mut paths: Vec<String> = texts.keys().cloned().collect();
    if let Some(store) = before {
        paths.extend(store.entries().map(|entry| entry.path.clone()));
    }
    paths.sort();
    paths.dedup();
    let mut changes = Vec::new();
    for path in paths {
        let old = match before {
            Some(store) if store.entry(&path).is_ok() => store.read(&path)?,
            Some(_) | None => String::new(),
        };
        let new = texts.get(&path).map_or("", |(text, _, _)| text);
        if let Some(lines) = diff(&old, new) {
            changes.push((path, lines));
        }
    }
    Ok(changes)
}

impl Dreamt {
    /// Writes the dream as a new store, and has it read in place of the old one if it was accepted.
    ///
    /// Killed half way, the new store is there without its verdict, and the old one is read as before.
    ///
    /// # Errors
    /// When the ledger or a file fails.
    pub fn write(
        self,
        ledger: &Ledger,
        root: &std::path::Path,
        before: &mut Store,
    ) -> Result<Store, Error> {
        let from = (before.name().to_owned(), before.seq());
        let name = next_name(&ledger.reader()?, before.name())?;
        let actor = Actor::Dream(name.clone());
        let description = before.description().to_owned();
        let mut store = Store::create(ledger, root, &name, &description, actor.clone())?;
        for (path, (text, cites, expires_at)) in self.texts {
            let note = Note {
                actor: actor.clone(),
                cites,
                expires_at,
            };
            store.write(ledger, &path, &text, note, &Must::BeAbsent)?;
        }
        let (verdict, reason) = (self.dreamed.verdict, self.dreamed.reason.clone());
        let dreamed = Dreamed {
            from: self.dreamed.from.or(Some(from)),
            ..self.dreamed
        };
        store.tell_dream(ledger, dreamed)?;
        if verdict == DreamVerdict::Accepted {
            before.succeed(ledger, &name, actor, &reason)?;
        }
        Ok(store)
    }
}

/// Returns the next free name after `name`: `tuning`, `tuning-2`, `tuning-3`.
fn next_name(reader: &Reader, name: &str) -> Result<String, Error> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    let base = match name.rsplit_once('-') {
        Some((base, number)) if is_number(number) => base,
        _ => name,
    };
    let known = names(reader)?;
    let free = (2..).map(|number: u32| format!("{base}-{number}"));
    Ok(free
        .into_iter()
        .find(|name| !known.contains(name))
        .unwrap_or_default())
}

//! A dream: a new store out of finished studies and an old store.
//!
//! The old store is not touched until the new one is whole and its replay has improved. Digests of studies are the part
//! that samplers read; notes say the same to people, each line with the events that it rests on.

use std::{collections::BTreeMap, fmt::Write as _};

use lyceum_ledger::Ledger;

use crate::{
    draft::{Draft, FAMILIES, STUDIES, Texts, merged, named, next_name, was_computed},
    error::Error,
    event::{Cite, DreamVerdict, Dreamed},
    lesson::{Lesson, MATTERS, Suggestion, lessons, suggest},
    past::{PastStudy, TRIALS_MAX},
    prior,
    replay::{Replay, SUGGESTIONS, replay},
    session::{PastSession, findings},
    store::{ENTRY_BYTES_MAX, Store},
};

/// The most studies that one dream reads.
pub const STUDIES_MAX: usize = 100;

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
    /// What the new store says.
    draft: Draft,
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
        .filter(|entry| entry.path.starts_with(STUDIES) && was_computed(entry));
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

/// Dreams: reads studies, findings of sessions and what the old store remembers, writes nothing yet.
///
/// A study that the old store remembers and that is read again is taken anew. What people and agents wrote stays, without
/// what has expired by `now` (milliseconds since 1970) and without second copies.
///
/// # Errors
/// When there is nothing to read, too much, or the old store cannot be read.
pub fn dream(
    before: Option<&Store>,
    studies: Vec<PastStudy>,
    sessions: &[PastSession],
    now: i64,
) -> Result<Dreamt, Error> {
    if studies.is_empty() && sessions.is_empty() {
        let why = "no finished study was given; a study is finished when its report says so";
        return Err(Error::NothingToDreamOf(why.into()));
    }
    let most = studies.len().max(sessions.len());
    if most > STUDIES_MAX {
        return Err(Error::TooManyStudies {
            found: most,
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
    let mut draft = before.map_or(Ok(Draft::default()), |store| Draft::of_words(store, now))?;
    let (wanted, sources) = findings(&draft, sessions);
    let words = draft.clone();
    let refused = draft.revise(&wanted, &sources);
    let says_new = words != draft;
    let replays = learn(&all, &mut draft);
    let (mut verdict, mut reason) = judge(&replays);
    if says_new {
        verdict = DreamVerdict::Review;
        reason = format!("no replay measures what sessions found; {reason}");
    }
    Ok(Dreamt {
        changes: draft.changes(before)?,
        draft,
        dreamed: Dreamed {
            from: before.map(|store| (store.name().to_owned(), store.seq())),
            studies: read,
            sessions: sessions.iter().map(|one| one.name.clone()).collect(),
            dreamer: None,
            verdict,
            reason,
            replays,
            refused,
        },
    })
}

/// Writes down what studies teach, and replays the families that have enough of them.
fn learn(all: &[PastStudy], draft: &mut Draft) -> Vec<Replay> {
    let mut replays = Vec::new();
    for family in families(all) {
        draft.texts.extend(notes(&family));
        if family.studies.len() >= HELD_OUT_MIN {
            replays.push(replay(&family.id, &family.studies));
        }
    }
    for study in all {
        let cites = vec![Cite {
            stream: study.stream.clone(),
            seqs: study.trials.iter().map(|one| one.seq).collect(),
        }];
        let path = format!("{STUDIES}{}.json", study.name);
        draft.texts.insert(path, (digest(study), cites, None));
    }
    replays
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
    if let Some(text) = prior::written(studies) {
        let cites = merged(lessons.iter().flat_map(|one| &one.cites));
        texts.insert(format!("{directory}/{}", prior::FILE), (text, cites, None));
    }
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
        let dreamed = Dreamed {
            from: self.dreamed.from.or(Some(from)),
            ..self.dreamed
        };
        self.draft.write(ledger, root, &name, before, &dreamed)
    }
}

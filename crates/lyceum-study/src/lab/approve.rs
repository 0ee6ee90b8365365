//! What a lab demands signatures for: a file with its rules, requests beside it, and their signatures. Without rules
//! nothing is demanded; with them, no answer in time is a no.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use lyceum_ledger::Ledger;
use lyceum_oversight::approval::{self, Refused, Request, Rules, Signed, Subject};
use lyceum_types::{ApprovalUsed, Body, Level};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    adopted,
    kit::Kit,
    place::Lab,
    record,
    study::{OpenError, Opening},
};
use crate::engine::{Broken, JournalError};

/// How long a request waits for signatures: a night and a day.
const WAIT_MS: i64 = 36 * 60 * 60 * 1000;
/// The largest file of rules or of one request.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// A request with the signatures so far, as it lies in the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What is asked for.
    pub request: Request,
    /// Who signed.
    pub signatures: Vec<Signed>,
}

/// Something needs signatures that are not there.
#[derive(Debug, thiserror::Error)]
#[error("{what} needs signatures: {why}")]
pub struct Unapproved {
    /// What is asked for, in words.
    pub what: String,
    /// Where the request waits.
    pub request: PathBuf,
    /// What is missing or wrong.
    #[source]
    pub why: Refused,
}

/// What somebody wants to do.
pub(super) struct Wish<'a> {
    /// The study; empty for what is about the lab.
    pub(super) study: &'a str,
    pub(super) subject: Subject,
    pub(super) from: String,
    pub(super) to: String,
}

impl Lab {
    /// Returns the file with the rules about signatures.
    pub fn approvers(&self) -> PathBuf {
        self.root().join("approvers.json")
    }

    /// Returns where requests wait for signatures.
    pub fn requests(&self) -> PathBuf {
        self.root().join("requests")
    }
}

/// Returns the lab's rules; `None` where it has none.
pub fn rules(lab: &Lab) -> Result<Option<Rules>, Broken> {
    read(&lab.approvers())
}

/// Returns the requests that wait in a lab, with their files.
pub fn pending(lab: &Lab) -> Result<Vec<(PathBuf, Pending)>, Broken> {
    let Ok(entries) = fs::read_dir(lab.requests()) else {
        return Ok(vec![]);
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    // What is no request cannot be signed, and hides none that is.
    let read = |path: PathBuf| Some((read(&path).ok()??, path));
    let found = paths.into_iter().filter_map(read);
    Ok(found.map(|(pending, path)| (path, pending)).collect())
}

/// Adds a signature to a request in the lab.
pub fn sign(path: &Path, secret: &[u8; 32]) -> Result<Pending, Broken> {
    let doing = || format!("signing `{}`", path.display());
    let absent = || Broken::while_doing(doing())(io::Error::from(io::ErrorKind::NotFound));
    let mut pending: Pending = read(path)?.ok_or_else(absent)?;
    let signed = approval::sign(&pending.request, secret).map_err(Broken::while_doing(doing()))?;
    pending.signatures.retain(|one| one.key != signed.key);
    pending.signatures.push(signed);
    write(path, &pending)?;
    Ok(pending)
}

/// Returns the approvals that opening a study rests on, or what lacks signatures: more experiments than the study's own
/// number, and another evaluator than the attempt before had.
pub(super) fn demands(
    kit: &Kit,
    opening: &Opening,
) -> Result<Result<Vec<ApprovalUsed>, Unapproved>, OpenError> {
    let rules = match adopted::in_force(&kit.lab, &kit.ledger)? {
        Ok(Some(rules)) => rules,
        Ok(None) => return Ok(Ok(vec![])),
        Err(unapproved) => return Ok(Err(unapproved)),
    };
    let mut used = Vec::new();
    for wish in wishes(kit, opening)? {
        // Going on with a study may rest on the same signatures again: they name the study and what it asks for.
        match demand(&kit.lab, &kit.ledger, &rules, &wish, &[])? {
            Ok(approved) => used.extend(approved),
            Err(unapproved) => return Ok(Err(unapproved)),
        }
    }
    Ok(Ok(used))
}

/// Returns what opening a study changes of what people may have a say in.
fn wishes<'a>(kit: &Kit, opening: &'a Opening) -> Result<Vec<Wish<'a>>, OpenError> {
    let (study, own) = (
        opening.open.name.as_str(),
        opening.open.study.budget.experiments,
    );
    let wish = |subject, from: String, to: String| Wish {
        study,
        subject,
        from,
        to,
    };
    let mut wishes = Vec::new();
    let asked = opening.protocol.budget.experiments;
    if asked > own {
        let [from, to] = [own, asked].map(|number| format!("{number} experiments"));
        wishes.push(wish(Subject::Budget, from, to));
    }
    if let (Some((opened, _)), Some(last)) = (&opening.first, opening.earlier.last()) {
        let reader = kit.ledger.reader().map_err(JournalError::from)?;
        let before = record::load(&reader, &last.study)?.opened;
        let changed = before.filter(|before| before.evaluator != opened.evaluator);
        wishes.extend(
            changed.map(|before| wish(Subject::Grader, before.evaluator, opened.evaluator.clone())),
        );
    }
    Ok(wishes)
}

/// Returns the approval of a higher level of autonomy, `None` where the lab's rules demand none, or what it lacks.
pub fn promotion(
    lab: &Lab,
    ledger: &Ledger,
    study: &str,
    (from, to): (Level, Level),
) -> Result<Result<Option<ApprovalUsed>, Unapproved>, OpenError> {
    let wish = Wish {
        study,
        subject: Subject::Promotion,
        from: from.to_string(),
        to: to.to_string(),
    };
    let reader = ledger.reader().map_err(JournalError::from)?;
    let mut spent = Vec::new();
    record::read_events(&reader, study, 0, |_, _, body| {
        if let Body::ApprovalUsed(used) = body {
            spent.push(used.request);
        }
        Ok(())
    })?;
    match adopted::in_force(lab, ledger)? {
        Ok(Some(rules)) => demand(lab, ledger, &rules, &wish, &spent),
        Ok(None) => Ok(Ok(None)),
        Err(unapproved) => Ok(Err(unapproved)),
    }
}

/// Returns the approval of a wish, `None` where the rules demand none, or what it lacks: then a request lies in the lab.
pub(super) fn demand(
    lab: &Lab,
    ledger: &Ledger,
    rules: &Rules,
    wish: &Wish<'_>,
    spent: &[String],
) -> Result<Result<Option<ApprovalUsed>, Unapproved>, OpenError> {
    if !rules.subjects.contains(&wish.subject) {
        return Ok(Ok(None));
    }
    let reader = ledger.reader().map_err(JournalError::from)?;
    let key = reader.key().map_err(JournalError::from)?;
    let lab_key = key.as_ref().map(ToString::to_string).unwrap_or_default();
    let now = ledger.now().unix_ms();
    let of = match wish.study {
        "" => String::new(),
        study => format!(" of study `{study}`"),
    };
    let what = format!("{}{of} from {} to {}", wish.subject, wish.from, wish.to);
    let own = |request: &Request| {
        (&request.lab, request.study.as_str(), request.subject)
            == (&lab_key, wish.study, wish.subject)
            && (&request.from, &request.to) == (&wish.from, &wish.to)
    };
    let open = pending(lab)?.into_iter().filter(|(_, one)| {
        let text = canonical(&one.request);
        // A request of the lab's own making waits no longer than that, and is used once where what it is about can recur.
        own(&one.request) && one.request.expires_at <= now + WAIT_MS && !spent.contains(&text)
    });
    for (request, one) in open {
        match approval::check(rules, &one.request, &one.signatures, now) {
            Ok(()) => return Ok(Ok(Some(used(&one)))),
            Err(Refused::Expired) => {}
            Err(why) => return Ok(Err(Unapproved { what, request, why })),
        }
    }
    let request = Request {
        expires_at: now + WAIT_MS,
        from: wish.from.clone(),
        lab: lab_key.clone(),
        requested_by: std::env::var("USER").unwrap_or_else(|_| "unknown".into()),
        study: wish.study.to_owned(),
        subject: wish.subject,
        to: wish.to.clone(),
    };
    let name = blake3::hash(&request.canonical()).to_hex();
    let path = lab.requests().join(format!("{}.json", &name[..16]));
    let fresh = Pending {
        request,
        signatures: vec![],
    };
    write(&path, &fresh)?;
    let checked = approval::check(rules, &fresh.request, &[], now);
    let request = path;
    Ok(match checked {
        Ok(()) => Ok(Some(used(&fresh))),
        Err(why) => Err(Unapproved { what, request, why }),
    })
}

fn canonical(request: &Request) -> String {
    String::from_utf8_lossy(&request.canonical()).into_owned()
}

fn used(pending: &Pending) -> ApprovalUsed {
    let signed = pending.signatures.iter();
    ApprovalUsed {
        request: canonical(&pending.request),
        keys: signed.clone().map(|one| one.key.clone()).collect(),
        signatures: signed.map(|one| one.signature.clone()).collect(),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Broken> {
    let doing = || format!("reading `{}`", path.display());
    let open = fs::OpenOptions::new()
        .read(true)
        // A pipe in its place must not keep anybody waiting.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = match open {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Broken::while_doing(doing()))?,
    };
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Err(Broken::while_doing(doing())(io::Error::other(
            "it is no plain file",
        )));
    }
    let mut text = String::new();
    let taken = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    taken.map_err(Broken::while_doing(doing()))?;
    let value = serde_json::from_str(&text).map_err(Broken::while_doing(doing()))?;
    Ok(Some(value))
}

fn write(path: &Path, pending: &Pending) -> Result<(), Broken> {
    let doing = || format!("writing `{}`", path.display());
    let text = serde_json::to_string_pretty(pending).map_err(Broken::while_doing(doing()))?;
    let fresh = path.with_extension("new");
    let made = fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(&fresh, text + "\n"))
        .and_then(|()| fs::rename(&fresh, path));
    made.map_err(Broken::while_doing(doing()))
}

//! The rules about signatures as the ledger knows them: a change of their file counts only once those in force let it.

use std::collections::BTreeSet;

use lyceum_ledger::{Ledger, NewEvent, Reader};
use lyceum_oversight::approval::{self, Request, Rules, Signed, Subject};
use lyceum_types::ApprovalUsed;
use serde::{Deserialize, Serialize};

use super::{
    approve::{self, Unapproved, Wish},
    place::Lab,
    record,
    study::OpenError,
};
use crate::engine::{Broken, JournalError};

/// The stream of the rules that were adopted.
const STREAM: &str = "lab/approvers";
/// The kind of its events.
const KIND: &str = "approvers.adopted";
/// The version of their bodies.
const VERSION: u32 = 1;
/// Events read at once.
const PAGE: usize = 256;

/// Rules that a lab took over from its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adopted {
    /// The rules; `None` where the file was taken away.
    rules: Option<Rules>,
    /// The signatures under those before, where they demanded any.
    approval: Option<ApprovalUsed>,
}

/// Returns the rules in force, or what a change of their file lacks. The first file of a lab is taken over as it is; later
/// ones need signatures where the rules before list `policy`.
pub(super) fn in_force(
    lab: &Lab,
    ledger: &Ledger,
) -> Result<Result<Option<Rules>, Unapproved>, OpenError> {
    let refused = |why: Box<dyn std::error::Error + Send + Sync>| OpenError::Rules {
        file: lab.approvers(),
        why: why.to_string(),
    };
    let file = approve::rules(lab).map_err(|broken| refused(broken.source))?;
    let reader = ledger.reader().map_err(JournalError::from)?;
    let mut known = dated(&reader)?;
    let signed = known.iter().filter_map(|(_, one)| one.approval.as_ref());
    let spent: Vec<String> = signed.map(|used| used.request.clone()).collect();
    let before = known.pop().and_then(|(_, adopted)| adopted.rules);
    if file == before {
        return Ok(Ok(file));
    }
    if let Some(rules) = &file {
        // Rules that nobody can meet would lock the lab for good.
        approval::check_rules(rules).map_err(|why| refused(why.into()))?;
    }
    let mut approval = None;
    if let Some(old) = &before {
        let wish = Wish {
            study: "",
            subject: Subject::Policy,
            from: name(Some(old))?,
            to: name(file.as_ref())?,
        };
        match approve::demand(lab, ledger, old, &wish, &spent)? {
            Ok(approved) => approval = approved,
            Err(unapproved) => return Ok(Err(unapproved)),
        }
    }
    let rules = file.clone();
    let body = serde_json::to_string(&Adopted { rules, approval }).map_err(JournalError::Encode)?;
    let events = vec![NewEvent::new(KIND, VERSION, body)];
    ledger.append(STREAM, events).map_err(JournalError::from)?;
    Ok(Ok(file))
}

/// Returns all rules that a lab ever adopted, the oldest first, each with its time.
fn dated(reader: &Reader) -> Result<Vec<(i64, Adopted)>, OpenError> {
    let (mut found, mut last) = (Vec::new(), 0);
    loop {
        let page = reader
            .read(STREAM, last, PAGE)
            .map_err(JournalError::from)?;
        let full = page.len() == PAGE;
        for event in page {
            last = event.seq;
            let read = serde_json::from_str(&event.body);
            let read = read.map_err(Broken::while_doing("reading the lab's rules"))?;
            found.push((event.at.unix_ms(), read));
        }
        if !full {
            return Ok(found);
        }
    }
}

/// Returns the name of rules: the hash of their canonical form.
fn name(rules: Option<&Rules>) -> Result<String, OpenError> {
    let Some(rules) = rules else {
        return Ok("none".into());
    };
    let bytes = serde_json::to_vec(rules).map_err(JournalError::Encode)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// How the rules of a lab came to be, checked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesChecked {
    /// How often rules were adopted.
    pub adopted: usize,
    /// Adoptions that the rules before did not let, each in words.
    pub wrong: Vec<String>,
}

/// Checks each adoption of rules against the rules before it.
pub fn check_rules(reader: &Reader) -> Result<RulesChecked, OpenError> {
    let mut checked = RulesChecked::default();
    let mut before: Option<Rules> = None;
    let mut spent = BTreeSet::new();
    for (at, adopted) in dated(reader)? {
        checked.adopted += 1;
        let binds = before
            .take()
            .filter(|old| old.subjects.contains(&Subject::Policy));
        let held = match (&binds, &adopted.approval) {
            (None, _) => Ok(()),
            (Some(_), None) => Err("nobody signed it".to_owned()),
            (Some(_), Some(used)) if !spent.insert(used.request.clone()) => {
                Err("its signatures had been used before".to_owned())
            }
            (Some(old), Some(used)) => {
                let [from, to] = [Some(old), adopted.rules.as_ref()].map(name);
                let about = (from?, to?);
                signed(used).and_then(|(request, signed)| {
                    if (request.subject, (request.from.clone(), request.to.clone()))
                        != (Subject::Policy, about)
                    {
                        return Err("its signatures are of another change".into());
                    }
                    approval::check(old, &request, &signed, at)
                        .map_err(|refused| refused.to_string())
                })
            }
        };
        if let Err(why) = held {
            let number = checked.adopted;
            checked.wrong.push(format!(
                "adoption {number} of rules about signatures does not hold: {why}"
            ));
        }
        before = adopted.rules;
    }
    Ok(checked)
}

/// Tells whether the rules in force at a time demand signatures of this kind.
pub(super) fn demanded(reader: &Reader, subject: Subject, at: i64) -> Result<bool, String> {
    let adopted = dated(reader).map_err(|error| error.to_string())?;
    let before = adopted.into_iter().rfind(|(since, _)| *since <= at);
    let rules = before.and_then(|(_, adopted)| adopted.rules);
    Ok(rules.is_some_and(|rules| rules.subjects.contains(&subject)))
}

/// Reads request and signatures back from what is recorded.
fn signed(used: &ApprovalUsed) -> Result<(Request, Vec<Signed>), String> {
    let request: Request = serde_json::from_str(&used.request)
        .map_err(|error| format!("its request cannot be read: {error}"))?;
    if request.canonical() != used.request.as_bytes() {
        return Err("its request is not in the form that is signed".into());
    }
    if used.keys.len() != used.signatures.len() {
        return Err("keys and signatures are not as many".into());
    }
    let pairs = used.keys.iter().zip(&used.signatures);
    let signed = pairs.map(|(key, signature)| Signed {
        key: key.clone(),
        signature: signature.clone(),
    });
    Ok((request, signed.collect()))
}

/// Tells what is wrong with a recorded approval: its signatures must be of the very request, in time, by people whom rules
/// that the lab adopted name. Labs of versions that adopted none have nothing to compare the people with.
pub(super) fn check(
    reader: &Reader,
    study: &str,
    used: &ApprovalUsed,
    at: i64,
) -> Result<(), String> {
    let (request, signed) = signed(used)?;
    let imported = reader.imported().map_err(|error| error.to_string())?;
    let imported = imported.contains(&record::stream_of(study));
    if !imported && request.study != study {
        return Err(format!("it is of study `{}`", request.study));
    }
    let adopted = dated(reader).map_err(|error| error.to_string())?;
    let mut rules = adopted
        .into_iter()
        .filter(|(since, _)| *since <= at)
        .filter_map(|(_, one)| one.rules)
        .peekable();
    // The people of another lab are not known here.
    if imported || rules.peek().is_none() {
        let forged = signed.iter().find(|one| !one.is_of(&request));
        return forged.map_or(Ok(()), |one| {
            Err(format!(
                "the signature of key `{}` is not one of it",
                one.key
            ))
        });
    }
    // Those in force then are the last.
    let Some(rules) = rules
        .last()
        .filter(|rules| rules.subjects.contains(&request.subject))
    else {
        return Err("the rules in force asked for none".into());
    };
    approval::check(&rules, &request, &signed, at).map_err(|refused| refused.to_string())
}

//! What sessions found, without a model: the claims that the lab's own comparison bears out, each once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    draft::Draft,
    event::Cite,
    revise::{Line, Revision, Sources},
};

/// Where findings of sessions are in a store.
const FINDINGS: &str = "findings/";

/// A session, as much of it as is read without a model.
#[derive(Clone, Debug, PartialEq)]
pub struct PastSession {
    /// Its name in the lab.
    pub name: String,
    /// Its stream in the ledger.
    pub stream: String,
    /// The study that it worked on.
    pub study: String,
    /// The number of its last event.
    pub last: u64,
    /// What it found.
    pub findings: Vec<PastFinding>,
}

/// A finding of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct PastFinding {
    /// Its event.
    pub seq: u64,
    /// What the session says.
    pub claim: String,
    /// What the lab computed from the runs that it names: the mean gain and its 95 % interval.
    pub gain: Option<(f64, (f64, f64))>,
    /// Whether the session took it back later.
    pub replaced: bool,
}

impl PastFinding {
    /// Whether the lab's comparison tells a difference, and the session stands by it.
    fn holds(&self) -> bool {
        let apart = |(low, high): (f64, f64)| low > 0.0 || high < 0.0;
        !self.replaced && self.gain.is_some_and(|(_, interval)| apart(interval))
    }
}

/// What is said of one claim.
#[derive(Default)]
struct Claim<'a> {
    words: &'a str,
    cites: Vec<Cite>,
    gains: Vec<f64>,
    contradicted: bool,
}

/// Returns one entry of findings for each study that the sessions worked on. A claim is written if the lab's comparison
/// bears it out, no session took it back, and all comparisons point the same way; equal claims are one line.
pub(crate) fn findings(draft: &Draft, sessions: &[PastSession]) -> (Vec<Revision>, Sources) {
    let mut sources = Sources::default();
    let mut studies: BTreeMap<&str, BTreeMap<String, Claim<'_>>> = BTreeMap::new();
    for session in sessions {
        sources.last.insert(session.stream.clone(), session.last);
        let claims = studies.entry(&session.study).or_default();
        for finding in &session.findings {
            sources.show(&session.stream, finding.seq);
            take(claims, session, finding);
        }
    }
    let read: BTreeSet<&str> = sessions.iter().map(|one| one.stream.as_str()).collect();
    let revisions = studies.into_iter().filter_map(|(study, claims)| {
        let path = format!("{FINDINGS}{study}.md");
        let mut claims: Vec<Claim<'_>> = claims.into_values().filter(Claim::stands).collect();
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.cites.len()));
        let mut lines: Vec<Line> = claims.iter().map(Claim::line).collect();
        lines.extend(older(draft, &path, &read));
        let is_there = draft.words().any(|entry| entry.path == path);
        (is_there || !lines.is_empty()).then_some(Revision::Write { path, lines })
    });
    (revisions.collect(), sources)
}

fn take<'a>(
    claims: &mut BTreeMap<String, Claim<'a>>,
    session: &PastSession,
    finding: &'a PastFinding,
) {
    let words: Vec<String> = finding
        .claim
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let claim = claims.entry(words.join(" ")).or_default();
    claim.words = &finding.claim;
    if !finding.holds() {
        claim.contradicted |= finding.replaced;
        return;
    }
    let gain = finding.gain.map_or(0.0, |(gain, _)| gain);
    let other_way = |one: &f64| one.is_sign_negative() != gain.is_sign_negative();
    claim.contradicted |= claim.gains.iter().any(other_way);
    claim.gains.push(gain);
    match claim
        .cites
        .iter_mut()
        .find(|cite| cite.stream == session.stream)
    {
        Some(cite) => cite.seqs.push(finding.seq),
        None => claim.cites.push(Cite {
            stream: session.stream.clone(),
            seqs: vec![finding.seq],
        }),
    }
}

impl Claim<'_> {
    fn stands(&self) -> bool {
        !self.contradicted && !self.gains.is_empty()
    }

    fn line(&self) -> Line {
        let gain = self.gains.iter().sum::<f64>() / self.gains.len() as f64;
        let words: Vec<&str> = self.words.split_whitespace().collect();
        let sessions = match self.cites.len() {
            1 => "1 session".to_owned(),
            count => format!("{count} sessions"),
        };
        Line {
            text: format!("{} (mean gain {gain:.4}, in {sessions})", words.join(" ")),
            cites: self.cites.clone(),
        }
    }
}

/// Returns the lines of an entry that rest on sessions which are not read now.
fn older(draft: &Draft, path: &str, read: &BTreeSet<&str>) -> Vec<Line> {
    let Some(entry) = draft.words().find(|entry| entry.path == path) else {
        return vec![];
    };
    let lines = entry.text.lines().filter_map(|line| {
        let (text, cites) = line.strip_prefix("- ")?.rsplit_once(" [")?;
        let cites = cites.strip_suffix(']')?.split("; ").map(cite);
        let cites = cites.collect::<Option<Vec<Cite>>>()?;
        let is_old = !cites.iter().any(|one| read.contains(one.stream.as_str()));
        is_old.then(|| Line {
            text: text.to_owned(),
            cites,
        })
    });
    lines.collect()
}

fn cite(text: &str) -> Option<Cite> {
    let mut words = text.split(' ');
    let stream = words.next()?.to_owned();
    let seqs = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(Cite { stream, seqs })
}

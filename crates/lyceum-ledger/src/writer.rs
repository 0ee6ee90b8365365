//! The writer: the only place where events are appended. Whose turn it is to use it: [`crate::turn`].
//!
//! Invariants:
//! - An append is answered `Ok` only after the commit that contains it has been synced.
//! - With a key every commit holds the signed head of the tree after it: no event is ever without a signature, also
//!   not for a moment, so one that is found without was written by somebody else.
//! - `head`, `tree` and `streams` describe what is committed, except while a batch is being written;
//!   one that fails resets them.
//! - Once the ledger is poisoned nothing is committed any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::chain::{self, Link};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::event::{Event, Head, NewEvent};
use crate::hash::{BlobId, PublicKey};
use crate::keys::{self, Keys};
use crate::ledger::Shared;
use crate::signed::{SignedHead, Signer};
use crate::store::{Batch, CommitError, Identity, Lease, Stored};
use crate::tree::{self, Frontier, Subtree};
use crate::unsigned::{self, Unsigned};

/// Events after which a commit takes in no further append: bounds latency and memory.
const EVENTS_PER_COMMIT_MAX: usize = 8192;

/// Streams whose last sequence number is kept at hand; more, and all are looked up anew.
const STREAMS_REMEMBERED_MAX: usize = 4096;

/// Events after which a signed head stays; those between make way for the next, so that they take no room.
const EVENTS_PER_HEAD_KEPT: u64 = 1024;

/// How often a lease that ends is renewed while nothing is written.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(1);

/// What a caller wants.
pub(crate) enum Request {
    /// Events appended.
    Append(Append),
    /// The head signed, if it is not yet, and returned.
    Sign(SyncSender<Result<SignedHead, Error>>),
    /// The key changed.
    ChangeKey(Signer, SyncSender<Result<PublicKey, Error>>),
}

/// One caller's append: all of its parts or none.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) parts: Vec<Part>,
    pub(crate) reply: SyncSender<Outcome>,
}

/// The events that an append adds to one stream.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) stream: String,
    pub(crate) expected_seq: Option<u64>,
    pub(crate) events: Vec<Prepared>,
}

/// An event that has been checked and whose body, if large, is in a blob already.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) event: NewEvent,
    pub(crate) body: BlobId,
    pub(crate) is_body_in_blob: bool,
    /// When it happened, if not now: what comes from another lab keeps its time.
    pub(crate) at: Option<Timestamp>,
}

type Outcome = Result<Vec<Event>, Error>;

pub(crate) struct Writer {
    lease: Box<dyn Lease>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    identity: Identity,
    signer: Option<Signer>,
    head: Head,
    tree: Frontier,
    /// The last head that is signed, if there is one.
    signed: Option<SignedHead>,
    /// The size of the last head that stays.
    kept: u64,
    streams: HashMap<String, u64>,
    scratch: Vec<u8>,
    found_unsigned: Option<Unsigned>,
}

/// What one commit is made of, and what its callers are told.
#[derive(Default)]
struct Draft {
    events: Vec<Stored>,
    subtrees: Vec<Subtree>,
    /// For each append how many of the events are its own, or why none is.
    outcomes: Vec<Result<usize, Error>>,
}

impl Writer {
    pub(crate) fn new(
        lease: Box<dyn Lease>,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        signer: Option<Signer>,
    ) -> Result<Self, Error> {
        let view = lease.view();
        let identity = view.identity()?;
        let signed = view.signed_heads()?.last().copied();
        let mut writer = Self {
            lease,
            shared,
            clock,
            identity,
            signer,
            head: Head::start(identity),
            tree: Frontier::default(),
            signed,
            kept: signed.map_or(0, |signed| signed.head.size),
            streams: HashMap::new(),
            scratch: Vec::new(),
            found_unsigned: None,
        };
        writer.recall()?;
        writer.found_unsigned = writer.sign_what_is_there()?;
        Ok(writer)
    }

    /// Reads where the store is.
    fn recall(&mut self) -> Result<(), Error> {
        let view = self.lease.view();
        self.head = Head::read(view)?;
        self.tree = tree::frontier(view, self.head.position)?;
        Ok(())
    }

    /// Signs what is found without a signature, and records that it was found so: whoever wrote it did not sign it. A
    /// ledger that had no key gets it first, by an event that says from where on it signs.
    fn sign_what_is_there(&mut self) -> Result<Option<Unsigned>, Error> {
        let Some(signer) = self.signer.clone() else {
            return Ok(None);
        };
        let is_signed = self
            .signed
            .is_some_and(|signed| signed.head.size == self.head.position);
        if is_signed {
            return Ok(None);
        }
        let mut found_unsigned = None;
        let mut draft = Draft::default();
        let keys = Keys::read(self.lease.view())?;
        let event = if keys.in_force().is_none() {
            let event = keys.change(self.identity.lab, &signer, signer.public())?;
            Some((keys::STREAM, event))
        } else {
            let after = self.signed.map_or(0, |signed| signed.head.size);
            let found = Unsigned {
                first: after + 1,
                last: self.head.position,
            };
            found_unsigned = (self.head.position > 0).then_some(found);
            found_unsigned.map(|found| (unsigned::STREAM, found.event()))
        };
        if let Some((stream, event)) = event {
            let _one = self.add(own(stream, event), &mut draft)??;
        }
        match self.commit(&draft, Some(&signer)) {
            Ok(()) => Ok(found_unsigned),
            Err(
                CommitError::NotWritten(error)
                | CommitError::Fenced(error)
                | CommitError::Unknown(error),
            ) => Err(error),
        }
    }

    /// What was found without a signature when the ledger was opened.
    pub(crate) fn found_unsigned(&self) -> Option<Unsigned> {
        self.found_unsigned
    }

    /// Whether the lease ends unless it is renewed.
    pub(crate) fn lease_ends(&self) -> bool {
        self.lease.until().is_some()
    }

    /// Serves requests in their order; appends beside one another share a commit.
    pub(crate) fn serve_all(&mut self, requests: Vec<Request>) {
        let mut batch: Vec<Append> = Vec::new();
        let mut events = 0;
        for request in requests {
            let append = match request {
                Request::Append(append) => append,
                Request::Sign(reply) => {
                    self.serve(std::mem::take(&mut batch));
                    let _ = reply.try_send(self.sign());
                    continue;
                }
                Request::ChangeKey(next, reply) => {
                    self.serve(std::mem::take(&mut batch));
                    let _ = reply.try_send(self.change_key(next));
                    continue;
                }
            };
            if batch.is_empty() {
                events = 0;
            }
            events += append.events();
            batch.push(append);
            if events >= EVENTS_PER_COMMIT_MAX {
                self.serve(std::mem::take(&mut batch));
            }
        }
        self.serve(batch);
    }

    /// Renews a lease that would end.
    pub(crate) fn renew(&mut self) {
        if self.lease.until().is_some()
            && let Err(error) = self.lease.renew(self.clock.now())
        {
            self.shared.poison_with(error);
        }
    }

    /// Commits a batch and answers each of its callers.
    fn serve(&mut self, batch: Vec<Append>) {
        if batch.is_empty() {
            return;
        }
        self.renew();
        let (replies, parts): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|append| (append.reply, append.parts))
            .unzip();
        if let Some(cause) = self.shared.poison() {
            for reply in replies {
                let cause = Arc::clone(&cause);
                answer(&reply, Err(Error::Poisoned { cause }));
            }
            return;
        }
        let mut draft = Draft::default();
        for parts in parts {
            match self.add(parts, &mut draft) {
                Ok(outcome) => draft.outcomes.push(outcome),
                Err(error) => return self.give_up(CommitError::Unknown(error), &replies),
            }
        }
        let signer = self.signer.clone();
        if let Err(error) = self.commit(&draft, signer.as_ref()) {
            return self.give_up(error, &replies);
        }
        let mut events = draft.events.into_iter().map(|stored| stored.event);
        for (reply, outcome) in replies.iter().zip(draft.outcomes) {
            let own = outcome.map(|count| events.by_ref().take(count).collect());
            answer(reply, own);
        }
        if let Err(error) = self.lease.tidy() {
            self.shared.poison_with(error);
        }
    }

    /// Commits a draft, and with a signer the signed head after it.
    fn commit(&mut self, draft: &Draft, signer: Option<&Signer>) -> Result<(), CommitError> {
        let head =
            signer.map(|signer| SignedHead::new(self.identity.lab, self.tree.head(), signer));
        if draft.events.is_empty() && head.is_none() {
            return Ok(());
        }
        let before = self.signed.map(|signed| signed.head.size);
        self.lease.commit(&Batch {
            events: &draft.events,
            subtrees: &draft.subtrees,
            heads: head.as_slice(),
            replaced: before.filter(|size| head.is_some() && *size > self.kept),
        })?;
        if let Some(head) = head {
            let size = head.head.size;
            if size / EVENTS_PER_HEAD_KEPT > self.kept / EVENTS_PER_HEAD_KEPT {
                self.kept = size;
            }
            self.signed = Some(head);
        }
        Ok(())
    }

    /// Adds an append to a draft, or tells why it cannot be: nothing of it is added then.
    fn add(&mut self, parts: Vec<Part>, draft: &mut Draft) -> Result<Result<usize, Error>, Error> {
        for part in &parts {
            let found = self.last_seq(&part.stream)?;
            if let Some(expected) = part.expected_seq
                && expected != found
            {
                return Ok(Err(Error::Conflict {
                    stream: part.stream.clone(),
                    expected,
                    found,
                }));
            }
        }
        let before = draft.events.len();
        let now = self.clock.now();
        for part in parts {
            let mut seq = self.last_seq(&part.stream)?;
            for prepared in part.events {
                seq += 1;
                let stored = self.chain(&part.stream, seq, now, prepared);
                self.tree
                    .push(stored.event.hash, |subtree| draft.subtrees.push(subtree));
                draft.events.push(stored);
            }
            self.streams.insert(part.stream, seq);
        }
        Ok(Ok(draft.events.len() - before))
    }

    /// Makes the next event of the chain.
    fn chain(&mut self, stream: &str, seq: u64, now: Timestamp, prepared: Prepared) -> Stored {
        let Prepared {
            event,
            body,
            is_body_in_blob,
            at,
        } = prepared;
        let at = at.unwrap_or(now);
        let position = self.head.position + 1;
        let link = Link {
            position,
            stream,
            seq,
            at_unix_ms: at.unix_ms(),
            kind: &event.kind,
            version: event.version,
            body,
            blobs: &event.blobs,
        };
        let hash = chain::hash(self.head.hash, &link, &mut self.scratch);
        self.head = Head { position, hash };
        Stored {
            event: Event {
                position,
                stream: stream.to_owned(),
                seq,
                at,
                kind: event.kind,
                version: event.version,
                body: event.body,
                blobs: event.blobs,
                hash,
            },
            body_blob: is_body_in_blob.then_some(body),
        }
    }

    fn last_seq(&mut self, stream: &str) -> Result<u64, Error> {
        if let Some(seq) = self.streams.get(stream) {
            return Ok(*seq);
        }
        if self.streams.len() >= STREAMS_REMEMBERED_MAX {
            self.streams.clear();
        }
        let seq = self.lease.view().last_seq(stream)?;
        self.streams.insert(stream.to_owned(), seq);
        Ok(seq)
    }

    /// Tells the callers of a batch that failed. Anything but a full disk ends all writing.
    fn give_up(&mut self, error: CommitError, replies: &[SyncSender<Outcome>]) {
        self.streams.clear();
        let restored = self.recall();
        let cause = match (error, restored) {
            (CommitError::NotWritten(Error::DiskFull { directory }), Ok(())) => {
                for reply in replies {
                    let directory = directory.clone();
                    answer(reply, Err(Error::DiskFull { directory }));
                }
                return;
            }
            (CommitError::Fenced(error), _) => {
                let cause = self.shared.poison_with(error);
                for reply in replies {
                    let cause = Arc::clone(&cause);
                    answer(reply, Err(Error::Poisoned { cause }));
                }
                return;
            }
            (CommitError::NotWritten(error) | CommitError::Unknown(error), _) => {
                self.shared.poison_with(error)
            }
        };
        for reply in replies {
            let cause = Arc::clone(&cause);
            answer(reply, Err(Error::Unconfirmed { cause }));
        }
    }

    /// Signs the head unless that is done.
    fn sign(&mut self) -> Result<SignedHead, Error> {
        let signer = self.signer.clone().ok_or_else(|| Error::KeyMissing {
            directory: self.shared.directory.clone(),
        })?;
        if let Some(signed) = self.signed
            && signed.head.size == self.head.position
        {
            return Ok(signed);
        }
        self.commit_alone(&Draft::default(), &signer)?;
        Ok(SignedHead::new(
            self.identity.lab,
            self.tree.head(),
            &signer,
        ))
    }

    /// Hands over to the next key: the present one signs the event, the next one the head after it.
    fn change_key(&mut self, next: Signer) -> Result<PublicKey, Error> {
        let signer = self.signer.clone().ok_or_else(|| Error::KeyMissing {
            directory: self.shared.directory.clone(),
        })?;
        let event =
            Keys::read(self.lease.view())?.change(self.identity.lab, &signer, next.public())?;
        let mut draft = Draft::default();
        let _one = self.add(own(keys::STREAM, event), &mut draft)??;
        self.commit_alone(&draft, &next)?;
        let public = next.public();
        self.signer = Some(next);
        Ok(public)
    }

    /// Commits what no caller's append is part of.
    fn commit_alone(&mut self, draft: &Draft, signer: &Signer) -> Result<(), Error> {
        if let Some(cause) = self.shared.poison() {
            return Err(Error::Poisoned { cause });
        }
        let Err(error) = self.commit(draft, Some(signer)) else {
            return Ok(());
        };
        self.streams.clear();
        let restored = self.recall();
        match (error, restored) {
            (CommitError::NotWritten(error), Ok(())) => Err(error),
            (
                CommitError::Fenced(error)
                | CommitError::NotWritten(error)
                | CommitError::Unknown(error),
                _,
            ) => {
                let cause = self.shared.poison_with(error);
                Err(Error::Unconfirmed { cause })
            }
        }
    }
}

impl Append {
    fn events(&self) -> usize {
        self.parts.iter().map(|part| part.events.len()).sum()
    }
}

/// Returns an event of the ledger's own as an append.
fn own(stream: &str, event: NewEvent) -> Vec<Part> {
    let body = BlobId::of(event.body.as_bytes());
    vec![Part {
        stream: stream.to_owned(),
        expected_seq: None,
        events: vec![Prepared {
            event,
            body,
            is_body_in_blob: false,
            at: None,
        }],
    }]
}

/// Answers a caller. One that no longer listens has been killed with its thread.
fn answer(reply: &SyncSender<Outcome>, outcome: Outcome) {
    let _ = reply.try_send(outcome);
}

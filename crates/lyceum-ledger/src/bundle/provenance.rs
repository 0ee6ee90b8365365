//! Where an imported stream comes from: what shows that another lab signed these very events.

use serde::{Deserialize, Serialize};

use super::{Manifest, changed};
use crate::bundle::BundleError;
use crate::error::Error;
use crate::event::NewEvent;
use crate::fault::Fault;
use crate::hash::{BlobId, Hash, LabId, PublicKey, TreeHash};
use crate::reader::Reader;
use crate::signed::Checkpoint;
use crate::store::{Record, RecordBody};
use crate::tree;

/// The stream of imports. Nothing else can be appended to it.
pub(crate) const STREAM: &str = "lab/import";

/// The kind of its events.
const KIND: &str = "stream.imported";

/// The version of their bodies.
const VERSION: u32 = 1;

/// Records that are held at once.
const PAGE_RECORDS: usize = 1024;

/// The body of an import's event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The stream's name here.
    stream: String,
    /// Its name where it comes from.
    original: String,
    lab: LabId,
    key: PublicKey,
    events: u64,
    /// The blob with the proof.
    proof: BlobId,
}

/// What the blob of an import holds: all that the events themselves do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provenance {
    checkpoint: String,
    /// Position of each event in its own lab, and the hash before it there.
    events: Vec<(u64, Hash)>,
    proof: Vec<TreeHash>,
}

impl Provenance {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            checkpoint: checkpoint.to_string(),
            events: Vec::new(),
            proof: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, position: u64, previous: Hash) {
        self.events.push((position, previous));
    }

    pub(super) fn proof(&mut self, hashes: Vec<TreeHash>) {
        self.proof = hashes;
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, BundleError> {
        serde_json::to_vec(self).map_err(|error| changed(error.to_string()))
    }
}

/// Returns the streams that the ledger has from elsewhere. What names none is for `verify` to tell.
pub(crate) fn imported(reader: &Reader) -> Result<Vec<String>, Error> {
    let mut streams = Vec::new();
    let mut last = 0;
    loop {
        let page = reader.read(STREAM, last, PAGE_RECORDS)?;
        let Some(end) = page.last() else {
            return Ok(streams);
        };
        last = end.seq;
        let bodies = page
            .iter()
            .filter_map(|event| serde_json::from_str::<Body>(&event.body).ok());
        streams.extend(bodies.map(|body| body.stream));
    }
}

/// Returns the event that records an import of the stream in `manifest` under the name `stream`.
pub(super) fn event(
    manifest: &Manifest,
    stream: &str,
    proof: BlobId,
) -> Result<NewEvent, BundleError> {
    let body = Body {
        stream: stream.to_owned(),
        original: manifest.stream.clone().unwrap_or_default(),
        lab: manifest.lab,
        key: manifest.key,
        events: manifest.events,
        proof,
    };
    let body = serde_json::to_string(&body).map_err(|error| changed(error.to_string()))?;
    Ok(NewEvent::new(KIND, VERSION, body).with_blobs([proof]))
}

/// Checks the stream that an event of the stream of imports speaks of. The outer error is one of the
/// disk.
pub(crate) fn check(reader: &Reader, record: &Record) -> Result<Result<(), Fault>, Error> {
    let wrong = |stream: &str, what| {
        Ok(Err(Fault::Import {
            stream: stream.to_owned(),
            what,
        }))
    };
    let body: Option<Body> = match &record.body {
        RecordBody::Inline(text) => serde_json::from_str(text).ok(),
        RecordBody::Blob(_) => None,
    };
    let Some(body) = body.filter(|_| record.kind == KIND && record.version == i64::from(VERSION))
    else {
        return wrong(STREAM, "its record cannot be read");
    };
    let provenance: Provenance = match serde_json::from_slice(&reader.blob(body.proof)?) {
        Ok(provenance) => provenance,
        Err(_) => return wrong(&body.stream, "its proof cannot be read"),
    };
    let Ok(checkpoint) = provenance.checkpoint.parse::<Checkpoint>() else {
        return wrong(&body.stream, "its checkpoint cannot be read");
    };
    if checkpoint.lab != body.lab || !checkpoint.is_signed_by(body.key) {
        return wrong(
            &body.stream,
            "its checkpoint is not signed by the key that is named",
        );
    }
    let mut leaves = Vec::with_capacity(provenance.events.len());
    let mut scratch = Vec::new();
    while leaves.len() < provenance.events.len() {
        let left = provenance.events.len() - leaves.len();
        let page = reader
            .view
            .stream(&body.stream, leaves.len() as u64, left.min(PAGE_RECORDS))?;
        if page.is_empty() {
            return wrong(&body.stream, "events are missing");
        }
        for mut record in page {
            let (position, previous) = provenance.events[leaves.len()];
            record.stream.clone_from(&body.original);
            let hash = record.hash_at(position, previous, record.body_id(), &mut scratch);
            match (position.checked_sub(1), hash) {
                (Some(index), Some(hash)) => leaves.push((index, hash)),
                _ => return wrong(&body.stream, "its numbers are out of range"),
            }
        }
    }
    let root = tree::root_of_many(&leaves, checkpoint.head.size, &provenance.proof);
    if leaves.len() as u64 != body.events || root != Some(checkpoint.head.root) {
        return wrong(
            &body.stream,
            "its events are not in the tree that was signed",
        );
    }
    Ok(Ok(()))
}

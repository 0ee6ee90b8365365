//! Going through a bundle from its first file to its signature.

use std::io::Read;

use super::archive::{ArchiveReader, Entry};
use super::{
    BUNDLE_VERSION, BundleError, CHECKPOINT, HEADS, Line, MANIFEST, Manifest, PROOF, SIGNATURE,
    changed,
};
use crate::hash::{BlobId, Hash, PublicKey, Signature, TreeHash};
use crate::signed::{Checkpoint, SignedHead, bundle_text, is_signed};
use crate::store::{BLOB_BYTES_MAX, Record};
use crate::tree::TreeHead;

/// The largest manifest and checkpoint.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The largest file of events, heads or proof.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The largest compressed blob: what does not compress grows by less than a hundredth.
const COMPRESSED_BYTES_MAX: u64 = BLOB_BYTES_MAX + BLOB_BYTES_MAX / 100;

/// Takes what is found in a bundle, in this order.
pub(super) trait Visitor {
    fn begin(&mut self, manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), BundleError>;
    fn head(&mut self, head: SignedHead) -> Result<(), BundleError>;
    fn event(&mut self, record: Record, previous: Option<Hash>) -> Result<(), BundleError>;
    fn proof(&mut self, hashes: Vec<TreeHash>) -> Result<(), BundleError>;
    fn blob(&mut self, id: BlobId, compressed: &[u8]) -> Result<(), BundleError>;
    fn end(&mut self) -> Result<(), BundleError>;
}

/// Goes through a bundle. Its signature is checked before the visitor's end.
pub(super) fn walk(from: impl Read, visitor: &mut dyn Visitor) -> Result<(), BundleError> {
    let mut archive = ArchiveReader::new(from);
    let manifest = manifest(&mut archive)?;
    let entry = archive.next()?;
    expect(&entry, CHECKPOINT)?;
    let checkpoint: Checkpoint = text(archive.contents(&entry, SMALL_BYTES_MAX)?)?
        .parse()
        .map_err(|error| changed(format!("its checkpoint is {error}")))?;
    if checkpoint.lab != manifest.lab || !checkpoint.is_signed_by(manifest.key) {
        return Err(changed(
            "its checkpoint is not signed by the key that it names",
        ));
    }
    visitor.begin(&manifest, &checkpoint)?;
    let mut entry = archive.next()?;
    if manifest.stream.is_none() {
        expect(&entry, HEADS)?;
        heads(&archive.contents(&entry, LIST_BYTES_MAX)?, visitor)?;
        entry = archive.next()?;
    }
    let mut number = 1;
    while entry.name == events_name(number) {
        events(&archive.contents(&entry, LIST_BYTES_MAX)?, visitor)?;
        number += 1;
        entry = archive.next()?;
    }
    if manifest.stream.is_some() {
        expect(&entry, PROOF)?;
        proof(&archive.contents(&entry, LIST_BYTES_MAX)?, visitor)?;
        entry = archive.next()?;
    }
    let mut last = None;
    while entry.name != SIGNATURE {
        let id = blob_id(&entry.name).filter(|id| last < Some(*id));
        let id = id.ok_or_else(|| unexpected(&entry))?;
        last = Some(id);
        visitor.blob(id, &archive.contents(&entry, COMPRESSED_BYTES_MAX)?)?;
        entry = archive.next()?;
    }
    let digest = archive.digest_before();
    let signature = text(archive.contents(&entry, SMALL_BYTES_MAX)?)?;
    let signature: Option<Signature> = signature
        .strip_suffix('\n')
        .and_then(|hex| hex.parse().ok());
    let said = bundle_text(manifest.lab, &digest);
    if !signature.is_some_and(|signature| is_signed(manifest.key, &said, signature)) {
        return Err(changed(
            "its signature is not that of the key that it names",
        ));
    }
    archive.end()?;
    visitor.end()
}

fn manifest<R: Read>(archive: &mut ArchiveReader<R>) -> Result<Manifest, BundleError> {
    /// The one field that every version has.
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let entry = archive.next()?;
    expect(&entry, MANIFEST)?;
    let bytes = archive.contents(&entry, SMALL_BYTES_MAX)?;
    let wrong = |error: serde_json::Error| changed(format!("`{MANIFEST}`: {error}"));
    let Versioned { version: found } = serde_json::from_slice(&bytes).map_err(wrong)?;
    if found > BUNDLE_VERSION {
        let supported = BUNDLE_VERSION;
        return Err(BundleError::Newer { found, supported });
    }
    serde_json::from_slice(&bytes).map_err(wrong)
}

/// Returns the name of the file of events with this number, from 1.
pub(super) fn events_name(number: u64) -> String {
    format!("events/{number:08}.jsonl")
}

/// Returns the name of the file of a blob.
pub(super) fn blob_name(id: BlobId) -> String {
    format!("blobs/{id}.zst")
}

fn blob_id(name: &str) -> Option<BlobId> {
    let digits = name.strip_prefix("blobs/")?.strip_suffix(".zst")?;
    digits.parse().ok()
}

fn expect(entry: &Entry, name: &str) -> Result<(), BundleError> {
    if entry.name == name {
        Ok(())
    } else {
        Err(unexpected(entry))
    }
}

fn unexpected(entry: &Entry) -> BundleError {
    changed(format!("unexpected file `{}`", entry.name.escape_debug()))
}

fn text(bytes: Vec<u8>) -> Result<String, BundleError> {
    String::from_utf8(bytes).map_err(|_| changed("bytes where text should be"))
}

fn heads(bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), BundleError> {
    for line in lines(bytes) {
        let (size, root, key, signature): (u64, TreeHash, PublicKey, Signature) = parse(line)?;
        visitor.head(SignedHead {
            head: TreeHead { size, root },
            key,
            signature,
        })?;
    }
    Ok(())
}

fn events(bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), BundleError> {
    for line in lines(bytes) {
        let (record, previous) = parse::<Line>(line)?.into_record()?;
        visitor.event(record, previous)?;
    }
    Ok(())
}

fn proof(bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), BundleError> {
    let (hashes, []) = bytes.as_chunks::<32>() else {
        return Err(changed("`proof` is not a number of hashes"));
    };
    visitor.proof(hashes.iter().copied().map(TreeHash::from_bytes).collect())
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn parse<'a, T: serde::Deserialize<'a>>(line: &'a [u8]) -> Result<T, BundleError> {
    serde_json::from_slice(line).map_err(|error| changed(format!("a line cannot be read: {error}")))
}

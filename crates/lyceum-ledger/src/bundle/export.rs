//! Writing a bundle.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use super::archive::ArchiveWriter;
use super::walk::{blob_name, events_name};
use super::{
    BUNDLE_VERSION, BundleError, CHECKPOINT, EVENTS_PER_FILE, HEADS, Line, MANIFEST, Manifest,
    PROOF, SIGNATURE, changed,
};
use crate::error::Error;
use crate::event::Head;
use crate::hash::{BlobId, Hash};
use crate::reader::Reader;
use crate::signed::{SignedHead, bundle_text};
use crate::store::{Record, compress};
use crate::tree;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Events in the bundle.
    pub events: u64,
    /// Blobs in it.
    pub blobs: u64,
    /// Its length.
    pub bytes: u64,
}

/// What a bundle is to hold, as one look at the ledger shows it.
struct Contents<'a> {
    reader: &'a Reader,
    stream: Option<&'a str>,
    events: u64,
}

impl Reader {
    /// Writes the whole lab, or one stream of it, as a bundle that the lab's key signs. Works beside a
    /// process that writes: the bundle has what was there when it was begun.
    pub fn export(
        &self,
        stream: Option<&str>,
        to: &mut dyn Write,
    ) -> Result<Exported, BundleError> {
        let signer = self.signer()?;
        // Before the head, so that the tree has every event of the bundle.
        let in_stream = stream
            .map(|stream| self.view.last_seq(stream))
            .transpose()?;
        let head = self.head()?;
        let events = in_stream.unwrap_or(head.position);
        if let Some(stream) = stream.filter(|_| events == 0) {
            let stream = stream.to_owned();
            return Err(BundleError::NoStream { stream });
        }
        let contents = Contents {
            reader: self,
            stream,
            events,
        };
        let blobs = contents.blobs()?;
        let lab = self.lab();
        let size = head.position;
        let signed = SignedHead::new(lab, self.tree_head_at(size)?, &signer);
        let manifest = Manifest {
            version: BUNDLE_VERSION,
            lab,
            made_with: self.identity.key,
            key: signer.public(),
            stream: stream.map(str::to_owned),
            events,
            blobs: blobs.len() as u64,
        };
        let mut out = ArchiveWriter::new(to);
        let file = |out: &mut ArchiveWriter<_>, name: &str, bytes: &[u8]| {
            out.file(name, bytes).map_err(write_failed)
        };
        file(&mut out, MANIFEST, &json(&manifest)?)?;
        file(
            &mut out,
            CHECKPOINT,
            signed.checkpoint(lab).to_string().as_bytes(),
        )?;
        if stream.is_none() {
            let heads = self.signed_heads()?;
            let heads = heads.iter().filter(|one| one.head.size <= size);
            let mut text = Vec::new();
            for one in heads {
                let line = (one.head.size, one.head.root, one.key, one.signature);
                text.extend(json(&line)?);
            }
            file(&mut out, HEADS, &text)?;
        }
        let indices = contents.write_events(&mut out)?;
        if stream.is_some() {
            let mut range = |start, end| tree::range(&*self.view, start, end);
            let hashes = tree::prove_many(&indices, size, &mut range)?;
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            file(&mut out, PROOF, &bytes)?;
        }
        for id in &blobs {
            let compressed = compress(&self.blob(*id)?).map_err(write_failed)?;
            file(&mut out, &blob_name(*id), &compressed)?;
        }
        let signature = signer.sign(&bundle_text(lab, &out.digest()));
        file(&mut out, SIGNATURE, format!("{signature}\n").as_bytes())?;
        out.end().map_err(write_failed)?;
        Ok(Exported {
            events,
            blobs: blobs.len() as u64,
            bytes: out.bytes,
        })
    }
}

impl Contents<'_> {
    /// Gives every record of the bundle, in order, page by page.
    fn pages(
        &self,
        mut each: impl FnMut(Vec<Record>) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let mut done = 0;
        while done < self.events {
            let limit = EVENTS_PER_FILE.min((self.events - done) as usize);
            let page = match self.stream {
                None => self.reader.view.records(done as i64, limit)?,
                Some(stream) => self.reader.view.stream(stream, done, limit)?,
            };
            if page.is_empty() {
                return Err(changed(
                    "the ledger lacks events; `lyceum verify` tells more",
                ));
            }
            done += page.len() as u64;
            each(page)?;
        }
        Ok(())
    }

    fn blobs(&self) -> Result<BTreeSet<BlobId>, BundleError> {
        let mut blobs = BTreeSet::new();
        self.pages(|page| {
            blobs.extend(page.iter().flat_map(Record::named_blobs));
            Ok(())
        })?;
        Ok(blobs)
    }

    /// Writes the events; returns the index of each in the tree.
    fn write_events<W: Write>(&self, out: &mut ArchiveWriter<W>) -> Result<Vec<u64>, BundleError> {
        let mut indices = Vec::new();
        let mut number = 0;
        self.pages(|page| {
            number += 1;
            let mut text = Vec::new();
            for record in page {
                let position = record.position.cast_unsigned();
                let previous = match self.stream {
                    None => None,
                    Some(_) => Some(self.hash_before(position)?),
                };
                if self.stream.is_some() {
                    indices.push(position - 1);
                }
                text.extend(json(&Line::new(record, previous))?);
            }
            out.file(&events_name(number), &text).map_err(write_failed)
        })?;
        Ok(indices)
    }

    fn hash_before(&self, position: u64) -> Result<Hash, BundleError> {
        if position <= 1 {
            return Ok(Head::start(self.reader.identity).hash);
        }
        let before = self.reader.view.hashes(position - 2, 1)?;
        let absent = Error::Damaged {
            position: position as i64 - 1,
            what: "it is not there, but later ones are",
        };
        before.first().copied().ok_or(BundleError::Ledger(absent))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BundleError> {
    let mut text = serde_json::to_vec(value).map_err(|error| write_failed(error.into()))?;
    text.push(b'\n');
    Ok(text)
}

fn write_failed(source: io::Error) -> BundleError {
    BundleError::Io {
        operation: "write",
        path: Path::new("").to_path_buf(),
        source,
    }
}

//! Texts that are signed. A checkpoint is a signed note as <https://c2sp.org/tlog-checkpoint> and
//! <https://c2sp.org/signed-note> specify it, so tools for transparency logs read it too.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::base64;
use super::key::{Signer, is_signed, key_id};
use crate::hash::{LabId, PublicKey, Signature, TreeHash};
use crate::tree::TreeHead;

/// Starts the name of every lab in signed texts.
const ORIGIN: &str = "lyceum-lab/";

/// Starts the line of a signature: an em dash and a space.
const SIGNATURE: &str = "\u{2014} ";

/// Returns the name of a lab in signed texts.
pub(crate) fn origin(lab: LabId) -> String {
    format!("{ORIGIN}{lab}")
}

fn head_text(lab: LabId, head: TreeHead) -> String {
    let root = base64::encode(head.root.as_bytes());
    format!("{}\n{}\n{root}\n", origin(lab), head.size)
}

/// Returns the text with which a key hands over to the next, the `number`th of the lab.
pub(crate) fn key_change_text(lab: LabId, number: u64, next: PublicKey) -> String {
    format!("lyceum key change 1\n{}\n{number}\n{next}\n", origin(lab))
}

/// Returns the text whose signature ends a bundle.
pub(crate) fn bundle_text(lab: LabId, digest: &blake3::Hash) -> String {
    format!("lyceum bundle 1\n{}\n{}\n", origin(lab), digest.to_hex())
}

/// A head of the tree that the lab has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: TreeHead,
    /// The key that it is signed with.
    pub key: PublicKey,
    /// The signature over the checkpoint's text.
    pub signature: Signature,
}

impl SignedHead {
    pub(crate) fn new(lab: LabId, head: TreeHead, signer: &Signer) -> Self {
        Self {
            head,
            key: signer.public(),
            signature: signer.sign(&head_text(lab, head)),
        }
    }

    /// Whether the signature is the one that its key gives for this lab.
    pub(crate) fn is_right(&self, lab: LabId) -> bool {
        is_signed(self.key, &head_text(lab, self.head), self.signature)
    }

    /// Returns the head as a checkpoint to be kept elsewhere.
    pub(crate) fn checkpoint(&self, lab: LabId) -> Checkpoint {
        Checkpoint {
            lab,
            head: self.head,
            key_id: key_id(&origin(lab), self.key),
            signature: self.signature,
        }
    }
}

/// What a lab has signed about its ledger: how many events it has, and the root of the tree over
/// them. As text a signed note of four lines and a signature.
///
/// Kept where nobody who can change the lab can change it, it shows later that nothing before it was
/// cut off or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The lab.
    pub lab: LabId,
    /// The head of its tree.
    pub head: TreeHead,
    /// The first four bytes of the name of the key that it is signed with.
    pub key_id: [u8; 4],
    /// The signature.
    pub signature: Signature,
}

impl Checkpoint {
    /// Whether this says that `key` has signed it.
    pub(crate) fn names(&self, key: PublicKey) -> bool {
        self.key_id == key_id(&origin(self.lab), key)
    }

    /// Whether `key` has signed this.
    pub fn is_signed_by(&self, key: PublicKey) -> bool {
        self.names(key) && is_signed(key, &head_text(self.lab, self.head), self.signature)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [self.key_id.as_slice(), self.signature.as_bytes()].concat();
        write!(
            formatter,
            "{}\n{SIGNATURE}{} {}\n",
            head_text(self.lab, self.head),
            origin(self.lab),
            base64::encode(&signature)
        )
    }
}

/// Text that should have been a checkpoint of a lab and was not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a checkpoint of a lab: expected {expected} in line {line}")]
pub struct ParseCheckpointError {
    /// The line, from 1.
    pub line: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

impl FromStr for Checkpoint {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, ParseCheckpointError> {
        let wrong = |line, expected| ParseCheckpointError { line, expected };
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default();
        let lab = next().strip_prefix(ORIGIN).and_then(|id| id.parse().ok());
        let lab = lab.ok_or_else(|| wrong(1, "`lyceum-lab/` and the lab's identity"))?;
        let size = next();
        let size = size
            .parse()
            .ok()
            .filter(|number: &u64| number.to_string() == size);
        let size = size.ok_or_else(|| wrong(2, "the number of events"))?;
        let root = base64::decode(next()).and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or_else(|| wrong(3, "the tree's root, 32 bytes in base 64"))?;
        if !next().is_empty() {
            return Err(wrong(4, "nothing"));
        }
        let signed = next().strip_prefix(SIGNATURE);
        let signed = signed.and_then(|line| line.strip_prefix(&format!("{} ", origin(lab))));
        let bytes = signed.and_then(base64::decode).unwrap_or_default();
        let (Some(key_id), Some(signature)) = (bytes.first_chunk(), bytes.last_chunk()) else {
            return Err(wrong(5, "the lab's signature"));
        };
        let checkpoint = Self {
            lab,
            head: TreeHead {
                size,
                root: TreeHash::from_bytes(root),
            },
            key_id: *key_id,
            signature: Signature::from_bytes(*signature),
        };
        if checkpoint.to_string() == text {
            Ok(checkpoint)
        } else {
            Err(wrong(5, "the lab's signature and nothing after it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Entropy;
    use crate::tree;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn sample() -> (Signer, Checkpoint) {
        let signer = Signer::new(&Sevens);
        let lab = LabId::from_bytes(*b"a lab of fixture");
        let head = TreeHead {
            size: 0,
            root: tree::empty(),
        };
        let checkpoint = SignedHead::new(lab, head, &signer).checkpoint(lab);
        (signer, checkpoint)
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let (signer, checkpoint) = sample();
        let text = checkpoint.to_string();
        assert_eq!(text.parse(), Ok(checkpoint));
        assert!(checkpoint.is_signed_by(signer.public()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            &lines[..4],
            [
                "lyceum-lab/61206c6162206f662066697874757265",
                "0",
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                ""
            ]
        );
    }

    #[test]
    fn any_change_of_a_checkpoint_is_found() {
        let (signer, checkpoint) = sample();
        let text = checkpoint.to_string();
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let is_good = changed
                .parse::<Checkpoint>()
                .is_ok_and(|changed| changed.is_signed_by(signer.public()));
            assert!(!is_good, "byte {place}");
        }
        for text in [
            "",
            "\n",
            &text[..text.len() - 1],
            &format!("{text}\n"),
            &text.repeat(2),
        ] {
            assert!(text.parse::<Checkpoint>().is_err(), "{text:?}");
        }
    }
}

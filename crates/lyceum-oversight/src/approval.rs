//! Two-person rule: what may only happen when several people sign the very bytes of a request.

use std::{collections::BTreeSet, fmt};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// Most bytes of a request as it is signed.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What is put before the signed bytes, so that a signature speaks for nothing else.
const CONTEXT: &[u8] = b"lyceum approval v1\n";

/// What needs signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// More of a budget than the study was begun with.
    Budget,
    /// Another evaluator than earlier attempts had.
    Grader,
    /// Other rules about signatures than the lab has.
    Policy,
    /// A higher level of autonomy.
    Promotion,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subject::Budget => "the budget",
            Subject::Grader => "the evaluator",
            Subject::Policy => "the rules about signatures",
            Subject::Promotion => "the level of autonomy",
        })
    }
}

/// A request as it is signed. Its fields stand in the order of their names: so are its canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// When it can no longer be approved, in milliseconds since 1970. Nobody's answer is a no.
    pub expires_at: i64,
    /// What holds now.
    pub from: String,
    /// The lab, by the key that signs its ledger.
    pub lab: String,
    /// Who asks.
    pub requested_by: String,
    /// The study.
    pub study: String,
    /// What it is about.
    pub subject: Subject,
    /// What is asked for.
    pub to: String,
}

/// One person's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The key in hexadecimal.
    pub key: String,
    /// The signature in hexadecimal.
    pub signature: String,
}

/// A person who may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The person's name, as requests name who asks.
    pub name: String,
    /// The key in hexadecimal.
    pub key: String,
}

/// What a lab demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What needs signatures.
    pub subjects: Vec<Subject>,
    /// How many different people.
    pub needed: u32,
    /// Who they may be.
    pub approvers: Vec<Approver>,
}

/// Why a request is not approved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too late.
    #[error("the request expired: no answer in time is a no")]
    Expired,
    /// Too few people.
    #[error("{found} of {needed} signatures")]
    TooFew {
        /// Valid signatures of different people.
        found: u32,
        /// Signatures that the lab demands.
        needed: u32,
    },
    /// One key signs twice.
    #[error("key `{key}` signs twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// Who asks also approves.
    #[error("`{name}` asked for it and cannot approve it")]
    OwnRequest {
        /// Who.
        name: String,
    },
    /// A key of nobody.
    #[error("key `{key}` belongs to no approver of the lab")]
    Stranger {
        /// The key.
        key: String,
    },
    /// A signature of other bytes.
    #[error("the signature of key `{key}` is not one of this request")]
    Altered {
        /// The key.
        key: String,
    },
    /// The rules themselves cannot be met or mean nothing.
    #[error("the lab's rules ask for {needed} of {approvers} approvers")]
    Rules {
        /// Signatures that are asked for.
        needed: u32,
        /// People who could sign.
        approvers: u32,
    },
    /// A key that nobody can sign with.
    #[error(
        "`{key}` of `{name}` is no public key: expected 64 lower-case hexadecimal digits of one that `lyceum approve --new-key` made"
    )]
    NoKey {
        /// Whose.
        name: String,
        /// What stands there.
        key: String,
    },
    /// A request too large to be one.
    #[error("the request has {bytes} bytes, at most {REQUEST_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Signed {
    /// Tells whether this is a signature of the request.
    pub fn is_of(&self, request: &Request) -> bool {
        let bytes = request.signed_bytes();
        bytes.is_ok_and(|bytes| is_signature(&self.key, &self.signature, &bytes))
    }
}

impl Request {
    /// Returns the bytes that are signed: JSON without white space, its fields in the order of their names.
    pub fn canonical(&self) -> Vec<u8> {
        // A struct of strings and a number has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn signed_bytes(&self) -> Result<Vec<u8>, Refused> {
        let canonical = self.canonical();
        if canonical.len() > REQUEST_BYTES_MAX {
            let bytes = canonical.len();
            return Err(Refused::TooLarge { bytes });
        }
        Ok([CONTEXT, &canonical].concat())
    }
}

/// Signs a request.
pub fn sign(request: &Request, secret: &[u8; 32]) -> Result<Signed, Refused> {
    let key = SigningKey::from_bytes(secret);
    Ok(Signed {
        key: hex(key.verifying_key().as_bytes()),
        signature: hex(&key.sign(&request.signed_bytes()?).to_bytes()),
    })
}

/// Returns the public key of a secret one, in hexadecimal.
pub fn public(secret: &[u8; 32]) -> String {
    hex(SigningKey::from_bytes(secret).verifying_key().as_bytes())
}

/// Tells whether rules can ever be met.
pub fn check_rules(rules: &Rules) -> Result<(), Refused> {
    let people: BTreeSet<&String> = rules.approvers.iter().map(|one| &one.name).collect();
    let keys: BTreeSet<&String> = rules.approvers.iter().map(|one| &one.key).collect();
    let distinct = people.len().min(keys.len()) as u32;
    if rules.needed == 0 || rules.needed > distinct {
        return Err(Refused::Rules {
            needed: rules.needed,
            approvers: distinct,
        });
    }
    let no_key = rules.approvers.iter().find(|one| !is_key(&one.key));
    no_key.map_or(Ok(()), |one| {
        let (name, key) = (one.name.clone(), one.key.clone());
        Err(Refused::NoKey { name, key })
    })
}

fn is_key(key: &str) -> bool {
    let key = unhex(key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
    key.is_some_and(|key| !key.is_weak())
}

/// Tells whether a request is approved at this time. Anything wrong with any signature refuses the whole: who sends a
/// forged one along is not to be guessed about.
pub fn check(rules: &Rules, request: &Request, signed: &[Signed], now: i64) -> Result<(), Refused> {
    let people: BTreeSet<&String> = rules.approvers.iter().map(|one| &one.name).collect();
    let keys: BTreeSet<&String> = rules.approvers.iter().map(|one| &one.key).collect();
    let distinct = people.len().min(keys.len()) as u32;
    if rules.needed == 0 || rules.needed > distinct {
        return Err(Refused::Rules {
            needed: rules.needed,
            approvers: distinct,
        });
    }
    if now >= request.expires_at {
        return Err(Refused::Expired);
    }
    let bytes = request.signed_bytes()?;
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    for one in signed {
        let key = one.key.clone();
        if !seen.insert(&one.key) {
            return Err(Refused::Twice { key });
        }
        let approver = rules
            .approvers
            .iter()
            .find(|approver| approver.key == one.key);
        let Some(approver) = approver else {
            return Err(Refused::Stranger { key });
        };
        if approver.name == request.requested_by {
            let name = approver.name.clone();
            return Err(Refused::OwnRequest { name });
        }
        if !is_signature(&one.key, &one.signature, &bytes) {
            return Err(Refused::Altered { key });
        }
        names.insert(&approver.name);
    }
    let (found, needed) = (names.len() as u32, rules.needed);
    if found < needed {
        return Err(Refused::TooFew { found, needed });
    }
    Ok(())
}

fn is_signature(key: &str, signature: &str, bytes: &[u8]) -> bool {
    let key = unhex(key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
    let signature = unhex(signature).map(|bytes| Signature::from_bytes(&bytes));
    // Strict: no key of small order, for which one signature fits many texts.
    key.zip(signature)
        .is_some_and(|(key, signature)| key.verify_strict(bytes, &signature).is_ok())
}

/// Returns bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads bytes of a fixed number in lower-case hexadecimal.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(plain) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

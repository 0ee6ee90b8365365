//! What is signed, and with what: the lab's key, checkpoints of the tree, changes of the key.

mod base64;
mod key;
mod note;

pub use key::Signer;
pub(crate) use key::{KeyFile, is_signed};
pub use note::{Checkpoint, ParseCheckpointError, SignedHead};
pub(crate) use note::{bundle_text, key_change_text};

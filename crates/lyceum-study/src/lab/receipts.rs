//! Receipts on their way to the ledger: a run that ended and whose event was not written when the lab died is found done
//! at the next start, not lost.
//!
//! A receipt is a file of the lab, out of every sandbox's reach, written when the run's outputs are blobs already and
//! removed when its event is in the ledger. It is a help and no promise: torn or missing, the run is void.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lyceum_types::{Body, RunFinished, RunId};

use super::place::inside;

/// Version of the event in a file; a file of another program version is read by its rules or not at all.
const RECEIPT_VERSION: u32 = 2;

/// Receipts of one study.
#[derive(Clone, Debug)]
pub struct Receipts {
    directory: PathBuf,
}

impl Receipts {
    /// Returns the receipts of a study in the lab whose receipts are kept in `root`.
    pub fn of(root: &Path, study: &str) -> Receipts {
        Receipts {
            directory: inside(root, study),
        }
    }

    fn path(&self, run: RunId) -> PathBuf {
        self.directory.join(run.to_string())
    }

    /// Keeps a receipt until it is in the ledger. One that cannot be written loses only what a crash would cost.
    pub fn keep(&self, finished: &RunFinished) {
        let body = Body::from(finished.clone());
        if let Ok(json) = body.encode() {
            let text = format!("{}\n{json}", blake3::hash(json.as_bytes()).to_hex());
            drop(
                fs::create_dir_all(&self.directory)
                    .and_then(|()| fs::write(self.path(finished.run), text)),
            );
        }
    }

    /// Returns the receipt that was kept for a run, if it is whole.
    pub fn find(&self, run: RunId) -> Option<RunFinished> {
        let text = fs::read_to_string(self.path(run)).ok()?;
        let (hash, json) = text.split_once('\n')?;
        if blake3::hash(json.as_bytes()).to_hex().as_str() != hash {
            return None;
        }
        match Body::decode("run.finished", RECEIPT_VERSION, json).ok()? {
            Body::RunFinished(finished) if finished.run == run => Some(finished),
            _ => None,
        }
    }

    /// Removes a receipt that the ledger has.
    pub fn forget(&self, run: RunId) {
        drop(fs::remove_file(self.path(run)));
    }

    /// Removes all receipts, once every open run has its event.
    pub fn clear(&self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lyceum_types::{Outcome, Usage};

    use super::*;

    fn finished(run: u32) -> RunFinished {
        RunFinished {
            run: RunId(run),
            outcome: Outcome::Completed,
            usage: Usage::default(),
            outputs: vec![],
            reported: BTreeMap::new(),
            log: "done".into(),
            policy: "00".into(),
            observed: None,
        }
    }

    #[test]
    fn a_receipt_is_found_until_it_is_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let receipts = Receipts::of(place.path(), "one");
        assert_eq!(receipts.find(RunId(1)), None);
        receipts.keep(&finished(1));
        receipts.keep(&finished(2));
        assert_eq!(receipts.find(RunId(1)), Some(finished(1)));
        assert_eq!(Receipts::of(place.path(), "two").find(RunId(1)), None);
        receipts.forget(RunId(1));
        assert_eq!(receipts.find(RunId(1)), None);
        receipts.clear();
        assert_eq!(receipts.find(RunId(2)), None);
    }

    #[test]
    fn no_name_leads_out_of_the_place_of_receipts() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("receipts");
        for name in ["..", "../../escape", "/etc", "", ".", "a/b", "a\0b", "a\nb"] {
            let receipts = Receipts::of(&root, name);
            assert_eq!(
                receipts.directory.parent(),
                Some(root.as_path()),
                "{name:?}"
            );
            receipts.keep(&finished(1));
            assert_eq!(receipts.find(RunId(1)), Some(finished(1)), "{name:?}");
            receipts.clear();
        }
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the receipts");
    }

    #[test]
    fn a_receipt_that_is_torn_or_of_another_run_is_none() {
        let place = tempfile::tempdir().unwrap();
        let receipts = Receipts::of(place.path(), "one");
        receipts.keep(&finished(1));
        let path = receipts.path(RunId(1));
        let whole = fs::read(&path).unwrap();
        fs::copy(&path, receipts.path(RunId(2))).unwrap();
        assert_eq!(receipts.find(RunId(2)), None, "the receipt names run 1");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(receipts.find(RunId(1)), None, "cut after {length} bytes");
        }
    }
}

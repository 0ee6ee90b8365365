//! The simulated machine's processes: who lives, and who was ended.
//!
//! Each run has a process whose identity stands in its scratch directory, as the real executor leaves it. A session that
//! stops leaves its runs' processes alive, or they die with it, or the whole machine starts anew; the number decides. The
//! next session ends what is left through the same code as on a real machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lyceum_sandbox::ProcessIdentity;
use lyceum_study::lab::{Found, Lab, Processes};
use lyceum_types::RunId;

use crate::disk::Dice;

/// A machine whose process ids are few, so that they are soon another's.
const PIDS: u64 = 20;

#[derive(Debug, Default)]
struct State {
    boots: u64,
    started: u64,
    /// Process id, start time, and whether it is one of the lab's; the others must never be ended.
    living: BTreeMap<i32, (u64, bool)>,
}

/// The table of processes. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(Arc<Mutex<State>>);

impl Table {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process of a run and notes in the run's scratch directory who it is.
    pub(crate) fn start(&self, lab: &Lab, study: &str, run: RunId) -> i32 {
        let mut state = self.state();
        state.started += 1;
        let start_time = state.started;
        let pid = (1..i32::MAX)
            .find(|pid| !state.living.contains_key(pid))
            .unwrap_or_default();
        state.living.insert(pid, (start_time, true));
        let identity = ProcessIdentity {
            pid,
            start_time,
            boot_id: state.boots.to_string(),
        };
        let place = scratch(lab, study, run);
        fs::create_dir_all(&place).unwrap();
        let text = serde_json::to_string(&identity).unwrap();
        fs::write(place.join("identity.json"), text).unwrap();
        pid
    }

    /// The run has ended in order.
    pub(crate) fn ended(&self, lab: &Lab, study: &str, run: RunId, pid: i32) {
        self.state().living.remove(&pid);
        fs::remove_dir_all(scratch(lab, study, run)).unwrap();
    }

    /// The lab has stopped: its processes live on or not, ids go to strangers, and the machine may start anew.
    pub(crate) fn stop(&self, power: bool, dice: &mut Dice) {
        let mut state = self.state();
        if power {
            state.boots += 1;
            state.living.clear();
        }
        state
            .living
            .retain(|_, (_, is_ours)| !*is_ours || dice.one_in(2));
        for _ in 0..dice.below(PIDS) {
            let pid = 1 + dice.below(PIDS) as i32;
            state.started += 1;
            let stranger = (state.started, false);
            state.living.entry(pid).or_insert(stranger);
        }
    }

    /// Whether none of the lab's processes is left, and nothing of its scratch space.
    pub(crate) fn is_clean(&self, lab: &Lab) -> bool {
        let left = fs::read_dir(lab.scratch()).map_or(0, Iterator::count);
        left == 0 && self.state().living.values().all(|(_, is_ours)| !is_ours)
    }

    /// How many processes live that are not the lab's.
    pub(crate) fn strangers(&self) -> usize {
        let state = self.state();
        state
            .living
            .values()
            .filter(|(_, is_ours)| !is_ours)
            .count()
    }
}

fn scratch(lab: &Lab, study: &str, run: RunId) -> std::path::PathBuf {
    Path::new(&lab.scratch()).join(format!("task-{study}-{run}-1-1-1"))
}

impl Processes for Table {
    fn end(&self, noted: Option<&ProcessIdentity>) -> Found {
        let mut state = self.state();
        let Some(noted) = noted else {
            return Found::Unknown;
        };
        if noted.boot_id != state.boots.to_string() {
            return Found::EarlierBoot;
        }
        match state.living.get(&noted.pid) {
            Some((start_time, _)) if *start_time == noted.start_time => {
                state.living.remove(&noted.pid);
                Found::Alive
            }
            _ => Found::Dead,
        }
    }
}

//! What the threads of a team have in common while a process works with it: the record, the purse, and who is started.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use lyceum_study::{
    engine::{Broken, JournalError},
    lab::Kit,
};

use super::{
    Record,
    event::Body,
    format::Team,
    purse::{self, Spending},
    state::State,
    turns::Turns,
};

/// Why a team cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum Broke {
    /// Its record cannot be written or read.
    #[error(transparent)]
    Record(#[from] JournalError),
    /// A session of it cannot go on.
    #[error(transparent)]
    Session(#[from] crate::Error),
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] Broken),
}

/// The room in which a team works.
pub(super) struct Room<'a> {
    pub(super) team: &'a Team,
    pub(super) kit: &'a Kit,
    record: Mutex<Record>,
    changed: Condvar,
    /// What each thread has spent, with what is reserved for open requests.
    purse: Mutex<Vec<Spending>>,
    /// Asks for a thread to be driven.
    start: mpsc::Sender<u32>,
    /// Whose turn it is.
    pub(super) turns: Arc<Turns>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Room<'a> {
    pub(super) fn new(
        team: &'a Team,
        kit: &'a Kit,
        record: Record,
        spent: Vec<Spending>,
        start: mpsc::Sender<u32>,
        turns: Turns,
    ) -> Room<'a> {
        turns.see(record.state());
        Room {
            team,
            kit,
            record: Mutex::new(record),
            changed: Condvar::new(),
            purse: Mutex::new(spent),
            start,
            turns: Arc::new(turns),
        }
    }

    /// Returns what is known now.
    pub(super) fn state(&self) -> State {
        lock(&self.record).state().clone()
    }

    /// Writes the event that `decide` finds right in the state as it is, if it finds one; nobody writes in between.
    pub(super) fn decide<T>(
        &self,
        decide: impl FnOnce(&State) -> (Option<Body>, T),
    ) -> Result<T, JournalError> {
        let mut record = lock(&self.record);
        let (body, said) = decide(record.state());
        if let Some(body) = body {
            record.write(vec![body])?;
            self.turns.see(record.state());
        }
        drop(record);
        self.changed.notify_all();
        Ok(said)
    }

    pub(super) fn write(&self, body: Body) -> Result<(), JournalError> {
        self.decide(|_| (Some(body), ()))
    }

    /// Waits a moment, or until something is written.
    pub(super) fn wait(&self, most: Duration) {
        let record = lock(&self.record);
        // Whoever waits looks again by itself.
        drop(self.changed.wait_timeout(record, most));
    }

    /// Has a thread driven.
    pub(super) fn start(&self, thread: u32) {
        self.turns.expect(thread);
        // Who drives is there for as long as anybody can ask.
        let _ = self.start.send(thread);
    }

    /// Reserves for a thread and everybody above it, or for nobody.
    pub(super) fn reserve(&self, thread: u32, need: Spending, priced: bool) -> bool {
        let state = self.state();
        let mut purse = lock(&self.purse);
        let known = state.threads.len().max(purse.len());
        purse.resize_with(known, Spending::default);
        let fits = purse::fits(&state, self.team, &purse, (thread, need, priced));
        if let Some(own) = purse.get_mut(thread as usize).filter(|_| fits) {
            own.tokens = own.tokens.saturating_add(need.tokens);
            own.money = own.money.saturating_add(need.money);
        }
        fits
    }

    /// Puts what was spent in the place of what was reserved.
    pub(super) fn settle(&self, thread: u32, reserved: Spending, spent: Spending) {
        if let Some(own) = lock(&self.purse).get_mut(thread as usize) {
            own.tokens = own
                .tokens
                .saturating_sub(reserved.tokens)
                .saturating_add(spent.tokens);
            own.money = own
                .money
                .saturating_sub(reserved.money)
                .saturating_add(spent.money);
        }
    }

    /// Returns what all threads have spent, with what is reserved: tokens, and billionths of a US dollar.
    pub(super) fn spent(&self) -> (u64, u64) {
        let purse = lock(&self.purse);
        let add = |(tokens, money): (u64, u64), one: &Spending| {
            (
                tokens.saturating_add(one.tokens),
                money.saturating_add(one.money),
            )
        };
        purse.iter().fold((0, 0), add)
    }
}

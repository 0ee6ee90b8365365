//! Whose turn it is to write: the caller's own thread when nobody else writes, so that one append costs no change of
//! threads; whoever asks meanwhile waits, and the ledger's thread commits what has gathered in one batch.
//!
//! Invariants:
//! - Only who set `busy` holds the writer; requests are served in the order in which they came.
//! - Whoever has its turn serves what it found and then hands the rest on: nobody works for others without end.

use std::mem;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::Error;
use crate::writer::{RENEW_EVERY, Request, Writer};

/// The writer and those who wait for it.
pub(crate) struct Turn {
    state: Mutex<State>,
    /// Wakes the ledger's thread.
    wake: Condvar,
    /// `None` once it is closed.
    writer: Mutex<Option<Writer>>,
    /// Whether the lease ends unless it is renewed.
    lease_ends: bool,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that are true or not, each apart from the others"
)]
struct State {
    waiting: Vec<Request>,
    /// Somebody has its turn.
    busy: bool,
    /// The turn is the ledger's thread's.
    handed_on: bool,
    /// The last handle is gone.
    closed: bool,
    /// Whoever had its turn died of a fault: nothing is known of the writer any more.
    dead: bool,
}

/// Ends the turn of whoever panics in it.
struct Dying<'a>(&'a Turn);

impl Drop for Dying<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.state();
            state.dead = true;
            state.busy = false;
            // Who waits for an answer learns that none will come.
            state.waiting.clear();
        }
    }
}

impl Turn {
    /// Starts the ledger's thread.
    pub(crate) fn start(writer: Writer) -> Result<(Arc<Turn>, JoinHandle<()>), Error> {
        let turn = Arc::new(Turn {
            state: Mutex::default(),
            wake: Condvar::new(),
            lease_ends: writer.lease_ends(),
            writer: Mutex::new(Some(writer)),
        });
        let own = Arc::clone(&turn);
        let thread = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || own.run())
            .map_err(|_| Error::WriterGone)?;
        Ok((turn, thread))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a request served and returns its answer.
    pub(crate) fn ask<T>(
        &self,
        request: impl FnOnce(SyncSender<T>) -> Request,
    ) -> Result<T, Error> {
        let (reply, answer) = sync_channel(1);
        let mut state = self.state();
        if state.dead || state.closed {
            return Err(Error::WriterGone);
        }
        state.waiting.push(request(reply));
        if mem::replace(&mut state.busy, true) {
            drop(state);
        } else {
            let own = mem::take(&mut state.waiting);
            drop(state);
            self.serve(own);
            self.end_turn();
        }
        answer.recv().map_err(|_| Error::WriterGone)
    }

    /// Serves requests; the turn is the caller's.
    fn serve(&self, requests: Vec<Request>) {
        let _dying = Dying(self);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.as_mut() {
            writer.serve_all(requests);
        }
    }

    /// Gives the turn back, or to the ledger's thread when somebody waits.
    fn end_turn(&self) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            state.busy = false;
        } else {
            state.handed_on = true;
            self.wake.notify_one();
        }
    }

    /// The ledger's thread: takes its turn when it is handed one, renews a lease that would end, and closes the writer.
    fn run(&self) {
        let mut state = self.state();
        loop {
            if state.handed_on {
                let requests = mem::take(&mut state.waiting);
                if requests.is_empty() {
                    state.handed_on = false;
                    state.busy = false;
                    continue;
                }
                drop(state);
                self.serve(requests);
                state = self.state();
            } else if state.closed {
                break;
            } else if self.lease_ends {
                let (next, waited) = self
                    .wake
                    .wait_timeout(state, RENEW_EVERY)
                    .unwrap_or_else(PoisonError::into_inner);
                state = next;
                if waited.timed_out() && !mem::replace(&mut state.busy, true) {
                    drop(state);
                    self.renew();
                    self.end_turn();
                    state = self.state();
                }
            } else {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        drop(state);
        // With it the lease ends.
        drop(
            self.writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    fn renew(&self) {
        let _dying = Dying(self);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.as_mut() {
            writer.renew();
        }
    }

    /// Ends the ledger's thread once what waits is served.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }
}

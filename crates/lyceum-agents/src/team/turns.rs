//! Whose turn it is, where what a team does is recorded or replayed.
//!
//! Threads that work side by side see one another, so what each asks depends on who was faster. Where exchanges are recorded,
//! answers are therefore taken in one at a time, in the order in which they stand in the recording: what follows from one,
//! up to the thread's next request, is done before the next is taken in. Requests themselves are open side by side. So the
//! order of the recording decides all that a team does, and a replay does the same, however fast its machine is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lyceum_models::{Cancel, Event, Exchange, Keep, Model, ModelError, Request, Response, Tape};

use super::state::State;
use crate::{mind::Mind, tapes::Tapes};

/// How often who waits for a turn looks by itself.
const POLL: Duration = Duration::from_millis(100);

/// Where a thread is while it is not its turn.
enum At {
    /// It can go on.
    Ready,
    /// It waits until none of these is at work.
    Waits(Vec<u32>),
    /// It waits for an answer.
    Asks,
    /// It has one: the exchange of this number in the recording.
    Answered(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everybody works side by side.
    Free,
    Recording,
    Replaying,
}

#[derive(Default)]
struct Inner {
    /// Whose turn it is.
    holder: Option<u32>,
    at: BTreeMap<u32, At>,
    /// Which threads are at work.
    working: Vec<bool>,
}

/// Whose turn it is.
pub(super) struct Turns {
    mode: Mode,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Exchanges kept.
    kept: Arc<Mutex<u64>>,
}

impl Inner {
    fn next(&self, mode: Mode) -> Option<u32> {
        if self.holder.is_some() {
            return None;
        }
        let works = |thread: &u32| self.working.get(*thread as usize) == Some(&true);
        let ready = self.at.iter().find(|(_, at)| match at {
            At::Ready => true,
            At::Waits(threads) => !threads.iter().any(works),
            At::Asks | At::Answered(_) => false,
        });
        if let Some((thread, _)) = ready {
            return Some(*thread);
        }
        // Answers of a recording are all there: the first of those that are asked for is known once everybody asks.
        if mode == Mode::Replaying && self.at.values().any(|at| matches!(at, At::Asks)) {
            return None;
        }
        let answered = self.at.iter().filter_map(|(thread, at)| match at {
            At::Answered(exchange) => Some((*exchange, *thread)),
            At::Ready | At::Waits(_) | At::Asks => None,
        });
        answered.min().map(|(_, thread)| thread)
    }
}

impl Turns {
    pub(super) fn new(tapes: &Tapes) -> Turns {
        let mode = match tapes {
            Tapes::Live => Mode::Free,
            Tapes::Record(_) => Mode::Recording,
            Tapes::Replay(..) => Mode::Replaying,
        };
        Turns {
            mode,
            inner: Mutex::default(),
            changed: Condvar::new(),
            kept: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is told who is at work, by who writes the team's record.
    pub(super) fn see(&self, state: &State) {
        let threads = 0..state.threads.len() as u32;
        self.lock().working = threads.map(|thread| state.works(thread)).collect();
        self.changed.notify_all();
    }

    /// Is told that a thread will begin: nobody has a turn before it, unless it is there already.
    pub(super) fn expect(&self, thread: u32) {
        let mut inner = self.lock();
        if self.mode != Mode::Free && inner.holder != Some(thread) {
            inner.at.entry(thread).or_insert(At::Ready);
        }
    }

    /// Begins a thread's first turn; it has none any more once what this returns is dropped.
    pub(super) fn begin(&self, thread: u32) -> Begun<'_> {
        self.take(thread, At::Ready);
        Begun(self, thread)
    }

    /// Ends a thread's turn until none of these is at work.
    pub(super) fn wait_for(&self, thread: u32, threads: Vec<u32>) {
        self.give(thread, At::Waits(threads));
    }

    /// Waits for a thread's turn, after it waited for others or no longer wants to.
    pub(super) fn go_on(&self, thread: u32) {
        self.take(thread, At::Ready);
    }

    fn give(&self, thread: u32, at: At) {
        if self.mode == Mode::Free {
            return;
        }
        let mut inner = self.lock();
        inner.holder = None;
        inner.at.insert(thread, at);
        drop(inner);
        self.changed.notify_all();
    }

    fn take(&self, thread: u32, at: At) {
        if self.mode == Mode::Free {
            return;
        }
        let mut inner = self.lock();
        inner.at.insert(thread, at);
        // That somebody asks no longer may be what the others wait for.
        self.changed.notify_all();
        while inner.next(self.mode) != Some(thread) {
            let waited = self.changed.wait_timeout(inner, POLL);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.at.remove(&thread);
        inner.holder = Some(thread);
    }

    /// Makes the model of a thread ready: it gives up its turn while it asks.
    pub(super) fn hire<E>(
        self: &Arc<Self>,
        thread: u32,
        tapes: &Tapes,
        hire: impl FnOnce(Tape) -> Result<Mind, E>,
    ) -> Result<Mind, E> {
        let exchange = Arc::new(AtomicU64::new(0));
        let tape = match tapes {
            Tapes::Live => return hire(Tape::Live),
            Tapes::Record(file) => Tape::Record(Arc::new(Numbered {
                inner: file.clone(),
                kept: Arc::clone(&self.kept),
                exchange: Arc::clone(&exchange),
            })),
            Tapes::Replay(recording, _) => Tape::Replay(recording.telling(&exchange)),
        };
        let mind = hire(tape)?;
        Ok(Mind {
            model: Box::new(InTurn {
                model: mind.model,
                turns: Arc::clone(self),
                thread,
                exchange,
            }),
            ..mind
        })
    }
}

/// A thread that is there.
pub(super) struct Begun<'a>(&'a Turns, u32);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let Begun(turns, thread) = *self;
        let mut inner = turns.lock();
        if inner.holder == Some(thread) {
            inner.holder = None;
        }
        inner.at.remove(&thread);
        drop(inner);
        turns.changed.notify_all();
    }
}

/// Tells the number of each exchange that it keeps.
struct Numbered {
    inner: Arc<dyn Keep>,
    kept: Arc<Mutex<u64>>,
    exchange: Arc<AtomicU64>,
}

impl Keep for Numbered {
    fn keep(&self, exchange: &Exchange) -> Result<(), String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.keep(exchange)?;
        *kept += 1;
        self.exchange.store(*kept, Ordering::SeqCst);
        Ok(())
    }
}

/// A model that is asked outside of its thread's turns.
struct InTurn {
    model: Box<dyn Model>,
    turns: Arc<Turns>,
    thread: u32,
    exchange: Arc<AtomicU64>,
}

impl Model for InTurn {
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        self.turns.give(self.thread, At::Asks);
        let answer = self.model.turn(request, cancel, sink);
        let exchange = self.exchange.load(Ordering::SeqCst);
        self.turns.take(self.thread, At::Answered(exchange));
        answer
    }

    fn name(&self) -> String {
        self.model.name()
    }
}

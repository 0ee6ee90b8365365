//! What every model is to its caller.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    error::{ErrorKind, ModelError},
    request::Request,
    response::{Event, Response},
};

/// A language model, wherever it runs.
pub trait Model: Send + Sync {
    /// Asks for one turn and waits for the whole answer. `sink` is told what comes meanwhile.
    ///
    /// Nothing that the answer asks for is done here: a turn that failed can be asked for again.
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError>;

    /// Returns the model's name as a person would write it on the command line, without any secret.
    fn name(&self) -> String;
}

impl<M: Model + ?Sized> Model for Box<M> {
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        (**self).turn(request, cancel, sink)
    }

    fn name(&self) -> String {
        (**self).name()
    }
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        (**self).turn(request, cancel, sink)
    }

    fn name(&self) -> String {
        (**self).name()
    }
}

type Interrupt = Box<dyn FnOnce() + Send>;

/// Ends a turn from another thread, also one that waits for a silent server. Clones are the same turn.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    /// Wakes whatever waits now.
    interrupt: Mutex<Option<Interrupt>>,
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancel")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Cancel {
    /// Returns one that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels: the turn ends with [`ErrorKind::Cancelled`] as soon as it notices, also before it began.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        let interrupt = self.lock().take();
        if let Some(interrupt) = interrupt {
            interrupt();
        }
    }

    /// Returns whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Fails if it was cancelled.
    pub fn check(&self) -> Result<(), ErrorKind> {
        if self.is_cancelled() {
            return Err(ErrorKind::Cancelled);
        }
        Ok(())
    }

    /// Says how to wake what waits now, until the guard is dropped. Woken at once if it was cancelled already.
    pub(crate) fn on_cancel(&self, interrupt: impl FnOnce() + Send + 'static) -> Waiting<'_> {
        *self.lock() = Some(Box::new(interrupt));
        // Whoever cancelled before the line above found nothing to wake.
        if self.is_cancelled() {
            self.cancel();
        }
        Waiting { cancel: self }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Interrupt>> {
        self.shared
            .interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something waits and can be woken.
pub(crate) struct Waiting<'a> {
    cancel: &'a Cancel,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.cancel.lock().take();
    }
}

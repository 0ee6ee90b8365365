//! Following a sandbox from its keeper: waiting, measuring, stopping, answering.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::disk::Disk;
use super::fault::{At, fault};
use super::measure::Meter;
use super::{bubblewrap, keeper, memory_files};
use crate::cgroup::Held;
use crate::kernel;
use crate::record::Step;
use crate::wire::{self, Fault, Note, Order, Report, Stop, Watched};

/// How long pid 1 may take to stop everything before it is killed itself.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// How long a pid 1 whose files cannot be opened any more may take until its end shows.
const EXIT_WAIT: Duration = Duration::from_millis(500);

/// How long the root may take to be built: milliseconds, on a machine that is not stuck.
const BUILD_WAIT: Duration = Duration::from_secs(45);

/// A sandbox whose pid 1 exists.
pub(super) struct Watch<'a> {
    pub(super) order: &'a Order,
    pub(super) control: &'a OwnedFd,
    pub(super) link: &'a OwnedFd,
    /// Pid 1.
    pub(super) process: &'a OwnedFd,
    /// The child of this process that is pid 1 or waits for it.
    pub(super) waited_for: i32,
    /// Number of pid 1, when its user namespace and root are to be entered once they are there.
    pub(super) enter: Option<i32>,
}

impl Watch<'_> {
    /// Tells the supervisor who pid 1 is, and lets go of the command's output.
    pub(super) fn report(&self, pid: i32) -> Result<(), Fault> {
        keeper::report(self.control, pid, self.process)
    }

    /// Watches until pid 1 is gone, then reports. Returns whether the root was ever built.
    pub(super) fn follow(&self, disk: Disk, group: Held) -> Result<bool, Fault> {
        let mut meter = Meter::new(self.order.limits.clone(), disk, group);
        let built = self.wait_for_end(&mut meter)?;
        let cpu = kernel::reap(Some(self.waited_for), true)
            .ok()
            .flatten()
            .map_or(Duration::ZERO, |end| end.used.cpu);
        let watched = Watched {
            cpu_ns: cpu.as_nanos() as u64,
            ..meter.finish()
        };
        if built {
            self.say_watched(watched)?;
        }
        Ok(built)
    }

    fn begin(&self, meter: &mut Meter) -> Result<(), Fault> {
        let base = match self.enter {
            Some(pid) => bubblewrap::enter(pid)?,
            None => PathBuf::from("/"),
        };
        let begun = meter.begin(&base);
        begun.at(Step::SetLimits, "opening what is to be watched")
    }

    /// Deals with a sandbox that cannot be watched: it has ended by itself, or it is killed.
    pub(super) fn unwatched(&self, fault: Fault) -> Result<bool, Fault> {
        if self.ends_within(EXIT_WAIT) {
            return Ok(true);
        }
        let _ = pidfd_send_signal(self.process, Signal::KILL);
        self.ends_within(STOP_GRACE);
        Err(fault)
    }

    fn ends_within(&self, time: Duration) -> bool {
        let mut fds = [PollFd::new(self.process, PollFlags::IN)];
        poll(&mut fds, Some(&timespec(time))).is_ok_and(|ready| ready > 0)
    }

    fn say_watched(&self, watched: Watched) -> Result<(), Fault> {
        wire::send(self.control, &Report::Watched(watched), &[])
            .at(Step::Fork, "reporting what was used")
    }

    /// Waits until pid 1 is gone; returns whether the root was ever built.
    fn wait_for_end(&self, meter: &mut Meter) -> Result<bool, Fault> {
        let mut state = State {
            built: false,
            linked: true,
            questions: None,
            stopping: None,
            measured: Instant::now(),
        };
        let begun = Instant::now();
        loop {
            if !state.built && begun.elapsed() > BUILD_WAIT {
                let found = format!("pid 1 was not ready within {} s", BUILD_WAIT.as_secs());
                return self.unwatched(fault(Step::BuildRoot, found));
            }
            let heard = self.listen(&mut state, meter.interval());
            if heard.ended {
                // A quick command ends before this process has read that it was to begin.
                let ready = heard.pid_1 && matches!(wire::receive::<Note>(self.link), Ok(Some(_)));
                return Ok(state.built || ready);
            }
            let mut stop = None;
            if heard.supervisor {
                match wire::receive::<Note>(self.control) {
                    Ok(Some((Note::Stop(cause), _))) => stop = Some(cause),
                    Ok(Some((Note::Ready | Note::MemoryFiles, _))) => {}
                    // The supervisor is gone: nothing of the sandbox may outlive it.
                    Ok(None) | Err(_) => {
                        self.kill(meter);
                        return Ok(state.built);
                    }
                }
            }
            if heard.pid_1
                && let Err(fault) = self.hear_pid_1(&mut state, meter)
            {
                return self.unwatched(fault);
            }
            if heard.questions {
                answer_questions(&mut state, meter);
            }
            let due = state.measured.elapsed() >= meter.interval();
            match state.stopping {
                // Questions alone are no reason to look again.
                None if due || heard.supervisor || heard.pid_1 => {
                    // Measured even when asked to stop, so that the peaks hold up to here.
                    let exceeded = meter.measure();
                    state.measured = Instant::now();
                    state.stopping = order_stop(self.link, stop.or(exceeded));
                }
                Some(since) if since.elapsed() >= STOP_GRACE => self.kill(meter),
                None | Some(_) => {}
            }
        }
    }

    /// Waits for the first to speak, or until it is time to measure.
    fn listen(&self, state: &mut State, interval: Duration) -> Heard {
        let interval = match state.stopping {
            Some(since) => STOP_GRACE.saturating_sub(since.elapsed()),
            None => interval.saturating_sub(state.measured.elapsed()),
        };
        // What is closed would show at once and always, so it is asked no more.
        let link = if state.linked {
            self.link
        } else {
            self.process
        };
        let questions = state.questions.as_ref().unwrap_or(self.process);
        let mut fds =
            [self.process, self.control, link, questions].map(|fd| PollFd::new(fd, PollFlags::IN));
        let polled = poll(&mut fds, Some(&timespec(interval)));
        let events = fds.map(|fd| match polled {
            Ok(_) => fd.revents(),
            Err(_) => PollFlags::empty(),
        });
        let [ended, supervisor, pid_1, questions] = events.map(|events| !events.is_empty());
        let asked = state.questions.is_some() && questions;
        if asked && !events[3].contains(PollFlags::IN) {
            // Nobody is left who could ask.
            state.questions = None;
        }
        Heard {
            ended,
            supervisor,
            pid_1: pid_1 && state.linked,
            questions: asked,
        }
    }

    /// Takes one message: the root is built, or where the command asks for memory files.
    fn hear_pid_1(&self, state: &mut State, meter: &mut Meter) -> Result<(), Fault> {
        match wire::receive::<Note>(self.link) {
            Ok(Some((Note::MemoryFiles, fds))) => state.questions = fds.into_iter().next(),
            Ok(Some((Note::Ready | Note::Stop(_), _))) => {
                state.built = true;
                self.begin(meter)?;
            }
            Ok(None) | Err(_) => state.linked = false,
        }
        Ok(())
    }

    fn kill(&self, meter: &Meter) {
        meter.kill_group();
        // Fails only when it is gone already.
        let _ = pidfd_send_signal(self.process, Signal::KILL);
    }
}

/// How far a watched sandbox got.
struct State {
    /// The root is built.
    built: bool,
    /// Pid 1 can still speak.
    linked: bool,
    /// Where the command asks for memory files.
    questions: Option<OwnedFd>,
    /// Since when it is being stopped.
    stopping: Option<Instant>,
    measured: Instant,
}

/// Who has something to say.
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may speak at the same time"
)]
struct Heard {
    /// Pid 1 is gone.
    ended: bool,
    supervisor: bool,
    pid_1: bool,
    questions: bool,
}

fn answer_questions(state: &mut State, meter: &Meter) {
    if let Some(questions) = &state.questions {
        memory_files::answer(questions, meter.memory_place());
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// Tells pid 1 to stop everything, which can still report what was used.
fn order_stop(link: &OwnedFd, cause: Option<Stop>) -> Option<Instant> {
    let cause = cause?;
    // If pid 1 cannot be told, it is killed when the grace is over.
    let _ = wire::send(link, &Note::Stop(cause), &[]);
    Some(Instant::now())
}

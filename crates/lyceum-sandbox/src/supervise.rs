//! Following a running sandbox: reading what it writes, stopping it, writing its record.

use std::fmt;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::alone::Stage;
use crate::capture::Capture;
use crate::cgroup::Group;
use crate::copied::Copied;
use crate::error::Error;
use crate::identity::ProcessIdentity;
use crate::network::{Proxy, Secret};
use crate::nursery::Keeper;
use crate::policy::{Limits, Network};
use crate::record::{Exit, How, Record, Usage};
use crate::sandbox::KILL_WAIT;
use crate::wire::{self, Done, End, Note, Report, Stop, Watched};

/// Bytes of an answer that are kept.
const ANSWER_MAX: u64 = 64 << 10;

/// Bytes read at once; a pipe holds as much.
const READ_BYTES: usize = 64 << 10;

/// How often a quiet sandbox is looked at.
const QUIET: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// How long the streams of a sandbox may stay open after its last process is gone.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Everything that starting a helper leaves in the supervisor's hands.
pub(crate) struct Parts {
    pub(crate) keeper: Keeper,
    pub(crate) control: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) answer: Option<OwnedFd>,
    pub(crate) started: (Instant, SystemTime),
    pub(crate) limits: Limits,
    pub(crate) how: How,
    pub(crate) group: Option<Group>,
    pub(crate) stage: Option<Stage>,
    pub(crate) attached: Attached,
    pub(crate) copied: Vec<Copied>,
    pub(crate) network: Network,
}

/// What the supervisor connects to a running command; no part of its policy.
#[derive(Default)]
pub struct Attached {
    /// Gets standard output as it comes, raw, as long as both streams together stay within
    /// [`Limits::output_bytes`]; the rest is counted and dropped. A reader that fails gets no more.
    pub stdout: Option<Box<dyn Write + Send>>,
    /// The same for standard error.
    pub stderr: Option<Box<dyn Write + Send>>,
    /// Headers that the proxy adds, for destinations that the policy allows.
    pub secrets: Vec<Secret>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attached")
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// Ends a helper that did not get as far as a sandbox; returns what is to be reported.
    pub(crate) fn abandon(&mut self, error: Error) -> Error {
        // It may have ended by itself.
        self.keeper.kill();
        let status = self.keeper.wait();
        match (error, status) {
            (Error::HelperLost { found }, Ok(status)) => Error::HelperLost {
                found: format!("{found} ({status})"),
            },
            (error, _) => error,
        }
    }
}

/// Stops a running sandbox from any thread.
#[derive(Clone, Debug)]
pub struct Killer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    control: OwnedFd,
    process: OwnedFd,
    /// Why it is being stopped and since when; the first reason stays.
    stop: Mutex<Option<(Why, Instant)>>,
}

/// Why the supervisor stops a sandbox.
#[derive(Clone, Debug)]
enum Why {
    Output,
    Asked(String),
}

impl Shared {
    fn stop(&self, why: Why) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_none() {
            *stop = Some((why, Instant::now()));
            // A keeper that cannot be told is gone, and its sandbox with it.
            let _ = wire::send(&self.control, &Note::Stop(Stop::Asked), &[]);
        }
    }

    fn stopping(&self) -> Option<(Why, Instant)> {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn kill_now(&self) {
        // Fails only when it is gone already.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

impl Killer {
    /// Stops the whole process tree; the record says [`Exit::Killed`] with this cause, unless the
    /// command ended first or was being stopped already.
    pub fn kill(&self, cause: impl Into<String>) {
        self.shared.stop(Why::Asked(cause.into()));
    }
}

/// A started command. Dropped without [`Running::wait`], it is killed with all its processes.
#[derive(Debug)]
pub struct Running {
    identity: ProcessIdentity,
    shared: Arc<Shared>,
    record: Option<Receiver<Result<Record, Error>>>,
}

impl Running {
    pub(crate) fn begin(
        parts: Parts,
        identity: ProcessIdentity,
        process: OwnedFd,
    ) -> Result<Self, Error> {
        let Parts {
            mut keeper,
            control,
            stdout,
            stderr,
            answer,
            started,
            limits,
            how,
            group,
            stage,
            attached,
            copied,
            network,
        } = parts;
        let shared = Arc::new(Shared {
            control,
            process,
            stop: Mutex::new(None),
        });
        let follower = Follower {
            shared: Arc::clone(&shared),
            streams: [Some(stdout), Some(stderr), answer],
            captures: [
                Capture::new(limits.output_bytes / 2),
                Capture::new(limits.output_bytes - limits.output_bytes / 2),
                Capture::new_head(ANSWER_MAX),
            ],
            sinks: [attached.stdout, attached.stderr],
            network: Some((network, attached.secrets)),
            began: started.0,
            proxy: None,
            pass_left: limits.output_bytes,
            how,
            output_total_max: limits.output_total_bytes,
            keeper_speaks: true,
            done: None,
            watched: Watched::default(),
            gone: None,
        };
        let wants_answer = follower.streams[2].is_some();
        let (sender, record) = channel();
        let thread = std::thread::Builder::new()
            .name("sandbox".into())
            .spawn(move || {
                let followed = follower.follow();
                // Its processes are gone.
                drop(group);
                let taken = copied.iter().try_for_each(|overlay| {
                    overlay.take_back().map_err(|source| Error::Helper {
                        action: "tell what changed in a copied overlay",
                        source,
                    })
                });
                let record = taken.map(|()| followed.record(started, wants_answer));
                drop(stage);
                // Nobody may be waiting any more.
                let _ = sender.send(record);
                // All that is left is the keeper, which lets go of the namespaces: milliseconds
                // that the record need not wait for.
                let _ = keeper.wait();
            });
        match thread {
            Ok(_) => Ok(Self {
                identity,
                shared,
                record: Some(record),
            }),
            Err(source) => {
                // The child went with the closure; closing the control socket ends its sandbox.
                shared.kill_now();
                Err(Error::Helper {
                    action: "start a thread",
                    source,
                })
            }
        }
    }

    /// Returns who pid 1 of the sandbox is on the host.
    pub fn identity(&self) -> ProcessIdentity {
        self.identity.clone()
    }

    /// Returns a handle that stops the command.
    pub fn killer(&self) -> Killer {
        Killer {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits until the last process of the sandbox is gone and returns the record.
    ///
    /// # Errors
    ///
    /// Fails when this crate's own thread failed. A sandbox destroyed from outside is [`Exit::Lost`].
    pub fn wait(mut self) -> Result<Record, Error> {
        let record = self.record.take().and_then(|record| record.recv().ok());
        record.unwrap_or_else(|| {
            Err(Error::HelperLost {
                found: "its follower panicked".into(),
            })
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.shared.kill_now();
            // The record of a run that nobody waited for has no reader; its arrival says that all
            // processes are gone.
            let _ = record.recv();
        }
    }
}

/// Reads all that a sandbox says until it is gone.
struct Follower {
    shared: Arc<Shared>,
    /// Standard output, standard error, answer; each until its end.
    streams: [Option<OwnedFd>; 3],
    captures: [Capture; 3],
    /// Who reads standard output and standard error as they come.
    sinks: [Option<Box<dyn Write + Send>>; 2],
    /// Bytes that the sinks may still get.
    pass_left: u64,
    /// What the proxy is to know, until it starts.
    network: Option<(Network, Vec<Secret>)>,
    began: Instant,
    proxy: Option<Proxy>,
    how: How,
    output_total_max: u64,
    keeper_speaks: bool,
    done: Option<Done>,
    watched: Watched,
    /// When the last process was gone.
    gone: Option<Instant>,
}

impl Follower {
    fn follow(mut self) -> Self {
        let mut buffer = vec![0; READ_BYTES];
        while self.keeper_speaks || self.streams.iter().any(Option::is_some) {
            let ready = self.wait_readable();
            for (index, ready) in ready[..3].iter().enumerate() {
                if *ready {
                    self.read(index, &mut buffer);
                }
            }
            if ready[3] {
                self.listen();
            }
            if self.written() > self.output_total_max {
                self.shared.stop(Why::Output);
            }
            if self
                .shared
                .stopping()
                .is_some_and(|(_, since)| since.elapsed() > KILL_WAIT)
            {
                self.shared.kill_now();
            }
            if self.gone.is_some_and(|since| since.elapsed() > DRAIN_WAIT) {
                break;
            }
        }
        self
    }

    /// Waits until something can be read; tells which of the three streams and the control channel.
    fn wait_readable(&self) -> [bool; 4] {
        let control = self.keeper_speaks.then(|| self.shared.control.as_fd());
        let [stdout, stderr, answer] = &self.streams;
        let all = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
            answer.as_ref().map(AsFd::as_fd),
            control,
        ];
        let mut asked: Vec<PollFd<'_>> = all
            .iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let answered = poll(&mut asked, Some(&QUIET)).is_ok();
        let mut events = asked.iter().map(|fd| answered && !fd.revents().is_empty());
        all.map(|fd| fd.is_some() && events.next().unwrap_or(false))
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        let Some(stream) = &self.streams[index] else {
            return;
        };
        match rustix::io::read(stream, &mut *buffer) {
            Ok(0) => self.streams[index] = None,
            Ok(length) => {
                self.captures[index].push(&buffer[..length]);
                self.pass_on(index, &buffer[..length]);
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.streams[index] = None,
        }
    }

    fn pass_on(&mut self, index: usize, bytes: &[u8]) {
        let Some(slot) = self.sinks.get_mut(index) else {
            return;
        };
        let Some(sink) = slot else { return };
        let kept = bytes
            .len()
            .min(usize::try_from(self.pass_left).unwrap_or(usize::MAX));
        self.pass_left -= kept as u64;
        if sink
            .write_all(&bytes[..kept])
            .and_then(|()| sink.flush())
            .is_err()
        {
            *slot = None;
        }
    }

    fn listen(&mut self) {
        match wire::receive::<Report>(&self.shared.control) {
            Ok(Some((Report::Done(done), _))) => self.done = Some(done),
            Ok(Some((Report::Watched(watched), _))) => {
                // The keeper's last words: pid 1 is reaped.
                self.watched = watched;
                self.hang_up();
            }
            Ok(Some((Report::NotBuilt(fault), _))) => {
                self.done
                    .get_or_insert(Done::unused(End::NotStarted(fault)));
            }
            Ok(Some((Report::Listening, fds))) => self.start_proxy(fds),
            Ok(Some((Report::Init { .. }, _))) => {}
            Ok(None) | Err(_) => self.hang_up(),
        }
    }

    /// Without its proxy a command reaches nothing, which is safe.
    fn start_proxy(&mut self, fds: Vec<OwnedFd>) {
        if let (Some((Network::Allow(list), secrets)), Some(listener)) =
            (self.network.take(), fds.into_iter().next())
        {
            self.proxy = Proxy::start(listener, list, secrets, self.began).ok();
        }
    }

    /// Returns how much was written to both streams.
    fn written(&self) -> u64 {
        self.captures[0].total() + self.captures[1].total()
    }

    fn hang_up(&mut self) {
        self.keeper_speaks = false;
        self.gone = Some(Instant::now());
    }

    fn record(mut self, (began, started_at): (Instant, SystemTime), wants_answer: bool) -> Record {
        let exit = self.exit();
        let (network, network_unlogged) = self.proxy.take().map(Proxy::finish).unwrap_or_default();
        let Self {
            captures: [stdout, stderr, answer],
            how,
            done,
            watched,
            ..
        } = self;
        let from_done =
            |figure: fn(&Done) -> u64, otherwise| done.as_ref().map_or(otherwise, figure);
        let usage = Usage {
            wall: began.elapsed(),
            workload_wall: Duration::from_nanos(from_done(
                |done| done.workload_wall_ns,
                watched.wall_ns,
            )),
            cpu: Duration::from_nanos(
                from_done(|done| done.cpu_ns, watched.cpu_ns).max(watched.cpu_seen_ns),
            ),
            peak_memory_bytes: watched
                .memory_bytes_max
                .max(from_done(|done| done.resident_max_bytes, 0)),
            processes_peak: watched.processes_max,
            output_bytes: stdout.total() + stderr.total(),
            read_bytes: from_done(|done| done.read_bytes, 0),
            written_bytes: from_done(|done| done.written_bytes, 0),
            disk_bytes: watched.disk_bytes,
            disk_files: watched.disk_files,
            left_behind: from_done(|done| done.left_behind, 0),
            detached: from_done(|done| done.detached, 0),
        };
        let answer = answer.finish();
        Record {
            level: how.level,
            backend: how.backend,
            limits: how.limits,
            local_sockets: how.local_sockets,
            exit,
            usage,
            stdout: stdout.finish(),
            stderr: stderr.finish(),
            network,
            network_unlogged,
            answer_truncated: answer.truncated,
            answer: wants_answer.then_some(answer.head),
            started_at,
            finished_at: SystemTime::now(),
        }
    }

    fn exit(&self) -> Exit {
        let stopped = self.shared.stopping().map(|(why, _)| match why {
            Why::Output => Exit::OutputLimit,
            Why::Asked(cause) => Exit::Killed { cause },
        });
        let Some(done) = &self.done else {
            // When the group's memory is used up the kernel may kill pid 1 with all others.
            let own = self.watched.out_of_memory.then_some(Exit::MemoryLimit);
            return own.or(stopped).unwrap_or(Exit::Lost);
        };
        match &done.end {
            End::NotStarted(fault) => Exit::NotStarted {
                step: fault.step,
                errno: fault.errno,
                reason: fault.reason.clone(),
            },
            End::Stopped(Stop::Wall) => Exit::WallLimit,
            End::Stopped(Stop::Cpu) => Exit::CpuLimit,
            End::Stopped(Stop::Memory) => Exit::MemoryLimit,
            End::Stopped(Stop::Processes) => Exit::ProcessLimit,
            End::Stopped(Stop::Disk) => Exit::DiskLimit,
            End::Stopped(Stop::Asked) => stopped.unwrap_or(Exit::Lost),
            End::Status(_) if self.written() > self.output_total_max => Exit::OutputLimit,
            End::Status(_) if self.watched.out_of_memory => Exit::MemoryLimit,
            End::Status(_) if self.watched.processes_refused => Exit::ProcessLimit,
            End::Status(_) if self.watched.disk_exceeded => Exit::DiskLimit,
            End::Status(status) => {
                let status = ExitStatus::from_raw(*status);
                match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Lost,
                }
            }
        }
    }
}

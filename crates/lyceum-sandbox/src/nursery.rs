//! Where keepers come from: one process of this program that forks when it is asked to.
//!
//! A program that is executed has to be mapped, linked and relocated each time, which takes a millisecond of processor
//! time; a fork of one that is ready takes a tenth. What the nursery forks is its supervisor's child, not its own, so
//! that the supervisor waits for it. The nursery holds nothing of any sandbox, and ends when its supervisor does.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::helper::INIT_ARGUMENT;
use crate::wire;

/// What a nursery answers: the number of the process that it forked, or of the error.
pub(crate) type Born = Result<i32, i32>;

/// Starts keepers.
#[derive(Debug, Default)]
pub(crate) struct Nursery {
    running: Mutex<Option<Forker>>,
}

/// A nursery's process, which ends when its socket closes.
#[derive(Debug)]
struct Forker {
    socket: OwnedFd,
    process: Child,
}

/// A keeper that was started.
#[derive(Debug)]
pub(crate) struct Keeper {
    process: Pid,
}

impl Nursery {
    /// Starts a keeper with these as its standard input, output and error.
    ///
    /// # Errors
    ///
    /// Of kind [`io::ErrorKind::BrokenPipe`] where the nursery's process is gone; the next call starts another.
    pub(crate) fn start(&self, streams: &[OwnedFd; 3]) -> io::Result<Keeper> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let forker = match running.take() {
            Some(forker) => forker,
            None => Forker::start()?,
        };
        let born = forker.ask(streams)?;
        *running = Some(forker);
        let process = born.map_err(io::Error::from_raw_os_error)?;
        let process = Pid::from_raw(process).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Keeper { process })
    }
}

impl Forker {
    fn start() -> io::Result<Self> {
        let (socket, end) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let process = Command::new("/proc/self/exe")
            .arg(INIT_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(end))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { socket, process })
    }

    fn ask(&self, streams: &[OwnedFd; 3]) -> io::Result<Born> {
        let gone = |_| io::ErrorKind::BrokenPipe;
        wire::send(&self.socket, &0_u8, &streams.each_ref().map(AsFd::as_fd)).map_err(gone)?;
        let answer = wire::receive(&self.socket).map_err(gone)?;
        Ok(answer.ok_or(io::ErrorKind::BrokenPipe)?.0)
    }
}

impl Drop for Forker {
    fn drop(&mut self) {
        // Its socket closes, so it ends by itself; the kill only makes that certain.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Keeper {
    /// Kills it, if it has not ended. Not to be called after [`Self::wait`].
    pub(crate) fn kill(&self) {
        let _ = kill_process(self.process, Signal::KILL);
    }

    /// Waits until it ended. To be called once.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            match waitpid(Some(self.process), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a keeper's streams, and the supervisor's end of its control socket.
    fn streams() -> ([OwnedFd; 3], OwnedFd) {
        let (control, end) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("makes a pair");
        let null = || -> OwnedFd { std::fs::File::open("/dev/null").expect("opens").into() };
        ([end, null(), null()], control)
    }

    fn parent(pid: i32) -> u32 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("lives");
        let fields = stat.rsplit(')').next().expect("has fields");
        let parent = fields.split_ascii_whitespace().nth(1).expect("a parent");
        parent.parse().expect("a number")
    }

    #[test]
    fn a_keeper_is_this_process_s_child_and_ends_when_its_supervisor_does() {
        let nursery = Nursery::default();
        let (ends, control) = streams();
        let mut keeper = nursery.start(&ends).expect("starts");
        drop(ends);
        assert_eq!(
            parent(keeper.process.as_raw_nonzero().get()),
            std::process::id()
        );
        drop(control);
        // It was given no order.
        assert_eq!(keeper.wait().expect("is waited for").code(), Some(125));
    }

    #[test]
    fn a_nursery_that_was_killed_is_replaced() {
        let nursery = Nursery::default();
        let (ends, _control) = streams();
        let mut keeper = nursery.start(&ends).expect("starts");
        let first = {
            let mut running = nursery.running.lock().expect("is sound");
            let process = &mut running.as_mut().expect("runs").process;
            process.kill().expect("kills");
            process.wait().expect("ends");
            process.id()
        };
        let error = nursery.start(&ends).expect_err("is gone");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut second = nursery.start(&ends).expect("starts again");
        let running = nursery.running.lock().expect("is sound");
        assert_ne!(running.as_ref().expect("runs").process.id(), first);
        for keeper in [&mut keeper, &mut second] {
            keeper.kill();
            assert_eq!(keeper.wait().expect("ends").signal(), Some(9));
        }
    }

    #[test]
    fn a_nursery_ends_with_its_sandbox() {
        let nursery = Nursery::default();
        let (ends, control) = streams();
        let mut keeper = nursery.start(&ends).expect("starts");
        drop((ends, control));
        keeper.wait().expect("ends");
        let pid = {
            let running = nursery.running.lock().expect("is sound");
            running.as_ref().expect("runs").process.id()
        };
        drop(nursery);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

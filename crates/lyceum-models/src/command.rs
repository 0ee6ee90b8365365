//! Runs a local program as a model: the user's own, with the user's own rights, not in a sandbox.

use std::{
    io::{self, Read, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{
    error::{Clock, ErrorKind, plain},
    model::Cancel,
    transport::{Call, Flow, Head, Limits, Part, Receive, Transport},
};

/// So much of what a program complains about is kept.
const COMPLAINT_BYTES_MAX: usize = 4096;
/// A program that has said everything has nothing left to do but to clean up.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// How often is looked whether it has ended: most have when their output does.
const LOOK: Duration = Duration::from_millis(10);

/// Starts a program for each call.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program and its arguments, by spaces.
    pub(crate) line: String,
    pub(crate) limits: Limits,
    /// So long after it has closed its output it may take to end: [`GRACE`].
    pub(crate) grace: Duration,
}

/// What the threads at a program's ends tell.
enum Told {
    Piece(Vec<u8>),
    End,
    Complaint(Vec<u8>),
    Cancelled,
}

/// A running program with all that it started; killed when dropped.
struct Running {
    child: Child,
    /// Its number may be another's by now.
    is_waited_for: bool,
}

impl Running {
    /// Returns whether it has ended, and leaves it there to be waited for: until then nobody else has its number.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let pid = Pid::from_child(&self.child);
        !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
    }

    /// Ends it with all that it started.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.is_waited_for {
            // All of it may have ended already.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        self.is_waited_for = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Transport for Program {
    fn send(&self, call: &Call, cancel: &Cancel, receive: Receive<'_>) -> Result<(), ErrorKind> {
        cancel.check()?;
        let (sender, told) = mpsc::channel();
        let on_cancel = sender.clone();
        let _waiting = cancel.on_cancel(move || {
            let _ = on_cancel.send(Told::Cancelled);
        });
        let began = Instant::now();
        let mut running = Running {
            child: self.start()?,
            is_waited_for: false,
        };
        attend(&mut running.child, call.body.clone(), &sender);
        drop(sender);
        let result = self.answer(&told, began, receive);
        cancel.check()?;
        let complaint = result?;
        let result = self.ended(&mut running, &told, began, complaint);
        cancel.check()?;
        result
    }
}

impl Program {
    fn fault(&self, reason: &str) -> ErrorKind {
        ErrorKind::Command {
            program: self.name().to_owned(),
            reason: plain(reason),
            started: true,
        }
    }

    fn name(&self) -> &str {
        self.line.split_whitespace().next().unwrap_or_default()
    }

    fn start(&self) -> Result<Child, ErrorKind> {
        Command::new(self.name())
            .args(self.line.split_whitespace().skip(1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| ErrorKind::Command {
                program: self.name().to_owned(),
                reason: format!("cannot be started: {error}"),
                started: false,
            })
    }

    /// Hands out what the program writes, until it closes its output. Returns what it complained about, if it is done
    /// with that.
    fn answer(
        &self,
        told: &mpsc::Receiver<Told>,
        began: Instant,
        receive: Receive<'_>,
    ) -> Result<Option<Vec<u8>>, ErrorKind> {
        let head = Head {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        receive(Part::Head(&head))?;
        let mut complaint = None;
        loop {
            match told.recv_timeout(self.patience(began)?) {
                Ok(Told::Piece(piece)) => {
                    if receive(Part::Bytes(&piece))? == Flow::Enough {
                        return Ok(complaint);
                    }
                }
                Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => return Ok(complaint),
                Ok(Told::Complaint(text)) => complaint = Some(text),
                Ok(Told::Cancelled) => return Err(ErrorKind::Cancelled),
                Err(RecvTimeoutError::Timeout) => {
                    self.patience(began)?;
                    return Err(ErrorKind::Timeout {
                        clock: Clock::Idle,
                        after: self.limits.idle,
                    });
                }
            }
        }
    }

    /// Returns how long the next piece may take.
    fn patience(&self, began: Instant) -> Result<Duration, ErrorKind> {
        let left = self.limits.total.checked_sub(began.elapsed());
        let left = left.filter(|left| !left.is_zero());
        let left = left.ok_or(ErrorKind::Timeout {
            clock: Clock::Total,
            after: self.limits.total,
        })?;
        Ok(left.min(self.limits.idle))
    }

    /// Waits a while for the end of a program that has closed its output, and says what is wrong with it.
    fn ended(
        &self,
        running: &mut Running,
        told: &mpsc::Receiver<Told>,
        began: Instant,
        mut complaint: Option<Vec<u8>>,
    ) -> Result<(), ErrorKind> {
        let until = Instant::now() + self.grace;
        let mut has_ended = false;
        // What it started may hold on to where it complains.
        while !(has_ended && complaint.is_some()) && Instant::now() < until {
            has_ended = has_ended || running.has_ended();
            let look = if has_ended { self.grace } else { LOOK };
            match told.recv_timeout(look.min(self.patience(began)?)) {
                Ok(Told::Complaint(text)) => complaint = Some(text),
                Ok(Told::Cancelled) => return Err(ErrorKind::Cancelled),
                Ok(Told::Piece(_) | Told::End) | Err(RecvTimeoutError::Timeout) => {}
                // Nobody tells any more, and nobody can cancel.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
            }
        }
        if !has_ended && !running.has_ended() {
            let grace = self.grace.as_secs_f64();
            let reason = format!("closed its output and did not end within {grace} s");
            return Err(self.fault(&reason));
        }
        let status = running
            .end()
            .map_err(|error| self.fault(&error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let complaint = complaint.unwrap_or_default();
        let said = String::from_utf8_lossy(&complaint);
        Err(self.fault(&format!("ended with {status}: {}", said.trim())))
    }
}

/// Writes the request and reads both outputs, each on a thread of its own: a program may do these in any order.
fn attend(child: &mut Child, body: Vec<u8>, sender: &Sender<Told>) {
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read it all may still answer.
        thread::spawn(move || input.write_all(&body));
    }
    if let Some(mut output) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut piece = vec![0; 16 << 10];
            while let Ok(length) = output.read(&mut piece)
                && length > 0
                && sender.send(Told::Piece(piece[..length].to_vec())).is_ok()
            {}
            let _ = sender.send(Told::End);
        });
    }
    if let Some(errors) = child.stderr.take() {
        let sender = sender.clone();
        thread::spawn(move || {
            let _ = sender.send(Told::Complaint(last(errors)));
        });
    }
}

/// Reads everything and keeps the end of it.
fn last(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length) = from.read(&mut piece)
        && length > 0
    {
        kept.extend_from_slice(&piece[..length]);
        let over = kept.len().saturating_sub(COMPLAINT_BYTES_MAX);
        kept.drain(..over);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that closes its outputs, says so with a file, and lives on.
    fn lives_on(limits: Limits, cancel: &Cancel, is_cancelled: bool) -> ErrorKind {
        let directory = tempfile::tempdir().unwrap();
        let (script, mark) = (directory.path().join("a.sh"), directory.path().join("mark"));
        let text = format!("exec >&- 2>&-\n: > {}\nsleep 3600\n", mark.display());
        std::fs::write(&script, text).unwrap();
        let program = Program {
            line: format!("sh {}", script.display()),
            limits,
            // Longer than any test may take.
            grace: Duration::from_hours(1),
        };
        let call = Call {
            url: String::new(),
            path: String::new(),
            headers: Vec::new(),
            key: None,
            body: Vec::new(),
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                while is_cancelled && !mark.exists() {
                    thread::sleep(LOOK);
                }
                if is_cancelled {
                    cancel.cancel();
                }
            });
            program
                .send(&call, cancel, &mut |_| Ok(Flow::More))
                .unwrap_err()
        })
    }

    #[test]
    fn a_program_that_lives_on_obeys_who_cancels() {
        let found = lives_on(Limits::default(), &Cancel::new(), true);
        assert_eq!(found, ErrorKind::Cancelled);
    }

    #[test]
    fn a_program_that_lives_on_obeys_the_clock() {
        let after = Duration::from_millis(300);
        let limits = Limits {
            total: after,
            ..Limits::default()
        };
        let clock = Clock::Total;
        let found = lives_on(limits, &Cancel::new(), false);
        assert_eq!(found, ErrorKind::Timeout { clock, after });
    }
}

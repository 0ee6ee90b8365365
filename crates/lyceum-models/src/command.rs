//! Runs a local program as a model: the user's own, with the user's own rights, not in a sandbox.

use std::{
    io::{Read, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    error::{Clock, ErrorKind, plain},
    model::Cancel,
    transport::{Call, Flow, Head, Limits, Part, Receive, Transport},
};

/// So much of what a program complains about is kept.
const COMPLAINT_BYTES_MAX: usize = 4096;

/// Starts a program for each call.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program and its arguments, by spaces.
    pub(crate) line: String,
    pub(crate) limits: Limits,
}

/// What the threads at a program's ends tell.
enum Told {
    Piece(Vec<u8>),
    End,
    Complaint(Vec<u8>),
    Cancelled,
}

/// A running program with all that it started; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            // It may have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
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
        let mut running = Running(self.start()?);
        attend(&mut running.0, call.body.clone(), &sender);
        drop(sender);
        let result = self.answer(&told, receive);
        cancel.check()?;
        let complaint = result?;
        self.ended(&mut running.0, &complaint)
    }
}

impl Program {
    fn fault(&self, reason: &str) -> ErrorKind {
        ErrorKind::Command {
            program: self.name().to_owned(),
            reason: plain(reason),
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
            .map_err(|error| self.fault(&format!("cannot be started: {error}")))
    }

    /// Hands out what the program writes, until it closes its output. Returns what it complained about.
    fn answer(
        &self,
        told: &mpsc::Receiver<Told>,
        receive: Receive<'_>,
    ) -> Result<Vec<u8>, ErrorKind> {
        let head = Head {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        };
        receive(Part::Head(&head))?;
        let began = Instant::now();
        let (mut complaint, mut ends) = (Vec::new(), 0);
        while ends < 2 {
            match told.recv_timeout(self.patience(began)?) {
                Ok(Told::Piece(piece)) => {
                    if receive(Part::Bytes(&piece))? == Flow::Enough {
                        return Ok(complaint);
                    }
                }
                Ok(Told::End) => ends += 1,
                Ok(Told::Complaint(text)) => {
                    complaint = text;
                    ends += 1;
                }
                Ok(Told::Cancelled) => return Err(ErrorKind::Cancelled),
                Err(RecvTimeoutError::Timeout) => {
                    self.patience(began)?;
                    return Err(ErrorKind::Timeout {
                        clock: Clock::Idle,
                        after: self.limits.idle,
                    });
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(complaint)
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

    /// Waits for the end of a program that has closed its output, and says what is wrong with it.
    fn ended(&self, child: &mut Child, complaint: &[u8]) -> Result<(), ErrorKind> {
        let status = child
            .wait()
            .map_err(|error| self.fault(&error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(complaint);
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

//! Recordings: what was sent and what came back, byte for byte, without any key.
//!
//! A recording is a file of JSON lines, one [`Exchange`] each. A replay answers from it, in the pieces in which the
//! bytes once came, and refuses a request that was not recorded.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Clock, ErrorKind},
    model::Cancel,
    transport::{Call, Flow, Head, Part, Receive, Transport},
};

mod difference;
mod note;

pub use note::{Asker, Mark, Note};

/// The version that is written; no other can be read yet.
pub const RECORDING_VERSION: u32 = 1;

/// One request with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// [`RECORDING_VERSION`].
    version: u32,
    /// Where it went, without scheme, host and port; of a program, its name.
    path: String,
    /// What was said beside the body.
    headers: Vec<(String, String)>,
    /// The request's body.
    request: Text,
    /// How the answer began, if it did.
    head: Option<Head>,
    /// The answer's body, as far as it was read.
    answer: Text,
    /// Lengths of the pieces in which it came.
    pieces: Vec<usize>,
    /// How it ended.
    end: End,
    /// Whose request it was an attempt at, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
}

/// Bytes, legible where they are text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Text {
    Utf8(String),
    Hex(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum End {
    Complete,
    Cut {
        reason: String,
    },
    Timeout {
        clock: String,
        after_ms: u64,
    },
    NoConnection {
        host: String,
        reason: String,
    },
    Command {
        program: String,
        reason: String,
        #[serde(default)]
        started: bool,
    },
    TooLarge {
        limit_bytes: u64,
    },
    Cancelled,
}

/// Why a recording does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// All exchanges were used.
    #[error("the recording has no further exchange: all {count} were replayed")]
    Over {
        /// How many it holds.
        count: usize,
    },
    /// The request is none that was recorded.
    #[error(
        "the request differs from exchange {number} of the recording at `{place}`: recorded {recorded}, now {now}"
    )]
    Differs {
        /// The next exchange that was not replayed, from 1.
        number: usize,
        /// Where in the request; a JSON pointer in its body.
        place: String,
        /// What was recorded there.
        recorded: String,
        /// What is there now.
        now: String,
    },
    /// The recording cannot be read.
    #[error("line {line} of the recording cannot be read: {reason}")]
    Unreadable {
        /// Its line, from 1; 0 for the file.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self::Utf8(text.to_owned());
        }
        let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
        let pairs = bytes.iter();
        let digits = pairs.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Self::Hex(digits.collect())
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Utf8(text) => Some(text.clone().into_bytes()),
            Self::Hex(text) => {
                let digits = text.as_bytes();
                let pairs = digits.chunks(2).map(|pair| {
                    let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
                    u8::from_str_radix(pair, 16).ok()
                });
                pairs.collect()
            }
        }
    }
}

impl End {
    /// Says how an exchange ended. What the reader of the answer made of it is not part of it: it makes the same of
    /// the same bytes.
    fn of(result: &Result<(), ErrorKind>) -> Self {
        match result {
            Err(ErrorKind::Cut { reason, .. }) => Self::Cut {
                reason: reason.clone(),
            },
            Err(ErrorKind::Timeout { clock, after }) => Self::Timeout {
                clock: match clock {
                    Clock::Connect => "connect",
                    Clock::Idle => "idle",
                    Clock::Total => "total",
                }
                .to_owned(),
                after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            },
            Err(ErrorKind::Connect { host, reason }) => Self::NoConnection {
                host: host.clone(),
                reason: reason.clone(),
            },
            Err(ErrorKind::Command {
                program,
                reason,
                started,
            }) => Self::Command {
                program: program.clone(),
                reason: reason.clone(),
                started: *started,
            },
            Err(ErrorKind::AnswerTooLarge { limit_bytes }) => Self::TooLarge {
                limit_bytes: *limit_bytes,
            },
            Err(ErrorKind::Cancelled) => Self::Cancelled,
            Ok(()) | Err(_) => Self::Complete,
        }
    }

    fn result(&self, bytes: u64) -> Result<(), ErrorKind> {
        Err(match self.clone() {
            Self::Complete => return Ok(()),
            Self::Cut { reason } => ErrorKind::Cut { bytes, reason },
            Self::Timeout { clock, after_ms } => ErrorKind::Timeout {
                clock: match clock.as_str() {
                    "connect" => Clock::Connect,
                    "idle" => Clock::Idle,
                    _ => Clock::Total,
                },
                after: Duration::from_millis(after_ms),
            },
            Self::NoConnection { host, reason } => ErrorKind::Connect { host, reason },
            Self::Command {
                program,
                reason,
                started,
            } => ErrorKind::Command {
                program,
                reason,
                started,
            },
            Self::TooLarge { limit_bytes } => ErrorKind::AnswerTooLarge { limit_bytes },
            Self::Cancelled => ErrorKind::Cancelled,
        })
    }
}

/// Keeps exchanges somewhere.
pub trait Keep: Send + Sync {
    /// Keeps one. After an error the answer is not used.
    fn keep(&self, exchange: &Exchange) -> Result<(), String>;
}

/// Appends exchanges to a file, one line each, each written at once.
#[derive(Debug)]
pub struct FileTape {
    file: Mutex<File>,
    path: PathBuf,
}

impl FileTape {
    /// Opens a file to append to; only its owner can read it, since conversations are in it. A last line of a recording
    /// that a crash cut is taken away: its answer was used by nobody.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        if let Some(whole) = note::cut_after(&std::fs::read(path)?) {
            file.set_len(whole)?;
        }
        let file = Mutex::new(file);
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Reads what the file holds by now.
    pub fn past(&self) -> Result<Recording, ReplayError> {
        Recording::open(&self.path)
    }

    /// Appends a note.
    pub fn note(&self, note: &Note) -> Result<(), String> {
        self.append(note::line(note)?)
    }

    fn append(&self, line: String) -> Result<(), String> {
        let line = line + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .map_err(|error| error.to_string())
    }
}

impl Keep for FileTape {
    fn keep(&self, exchange: &Exchange) -> Result<(), String> {
        self.append(exchange.line()?)
    }
}

impl Exchange {
    /// Returns the same exchange, as an attempt at this request.
    #[must_use]
    pub fn marked(&self, mark: Option<Mark>) -> Self {
        Self {
            mark,
            ..self.clone()
        }
    }

    /// Returns the exchange as a line of a recording, without its end.
    pub fn line(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    fn of(call: &Call) -> Self {
        let headers = call.headers.iter();
        Self {
            version: RECORDING_VERSION,
            path: call.path.clone(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            request: Text::of(&call.body),
            head: None,
            answer: Text::Utf8(String::new()),
            pieces: Vec::new(),
            end: End::Complete,
            mark: None,
        }
    }
}

/// Records what another transport does.
pub(crate) struct Recorder {
    pub(crate) inner: Box<dyn Transport>,
    pub(crate) tape: Arc<dyn Keep>,
}

impl Transport for Recorder {
    fn send(&self, call: &Call, cancel: &Cancel, receive: Receive<'_>) -> Result<(), ErrorKind> {
        let mut exchange = Exchange::of(call);
        let mut answer = Vec::new();
        let result = self.inner.send(call, cancel, &mut |part| {
            match &part {
                Part::Head(head) => exchange.head = Some((*head).clone()),
                Part::Bytes(piece) => {
                    answer.extend_from_slice(piece);
                    exchange.pieces.push(piece.len());
                }
            }
            receive(part)
        });
        exchange.answer = Text::of(&answer);
        exchange.end = End::of(&result);
        without_key(call, &exchange, &answer)?;
        self.tape
            .keep(&exchange)
            .map_err(|reason| ErrorKind::Record { reason })?;
        result
    }
}

/// Fails if the key stands anywhere in what would be recorded.
fn without_key(call: &Call, exchange: &Exchange, answer: &[u8]) -> Result<(), ErrorKind> {
    let Some(key) = &call.key else {
        return Ok(());
    };
    let head = exchange.head.iter().flat_map(|head| &head.headers);
    let texts = exchange.headers.iter().chain(head);
    let mut texts = texts.map(|(_, value)| value.as_bytes());
    if key
        .secret
        .is_in(exchange.line().unwrap_or_default().as_bytes())
        || key.secret.is_in(answer)
        || key.secret.is_in(&call.body)
        || texts.any(|text| key.secret.is_in(text))
    {
        return Err(ErrorKind::Record {
            reason: "the key stands in the request or the answer, and no key is ever recorded"
                .to_owned(),
        });
    }
    Ok(())
}

/// A recording that answers. Clones share what was used.
#[derive(Clone, Debug)]
pub struct Recording {
    left: Arc<Mutex<Left>>,
    /// Where the number of each exchange is told that is replayed through this clone.
    told: Option<Arc<AtomicU64>>,
}

#[derive(Debug)]
struct Left {
    count: usize,
    /// Those not replayed, with their numbers from 1.
    exchanges: VecDeque<(usize, Exchange)>,
    /// What stands between them.
    notes: Vec<Note>,
    /// The last request of each asker that the recording knows of.
    last: BTreeMap<Asker, u32>,
}

impl Recording {
    /// Reads a file of JSON lines. A last line that was cut by a crash is refused like any other.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let fault = |line, reason: String| ReplayError::Unreadable { line, reason };
        let file =
            File::open(path).map_err(|error| fault(0, format!("`{}`: {error}", path.display())))?;
        let (mut exchanges, mut notes) = (Vec::new(), Vec::new());
        for (at, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|error| fault(at + 1, error.to_string()))?;
            if let Some(note) = note::read(&line) {
                notes.push(note.map_err(|reason| fault(at + 1, reason))?);
                continue;
            }
            let exchange = read(&line).map_err(|reason| fault(at + 1, reason))?;
            exchanges.push(exchange);
        }
        Ok(Self::with_notes(exchanges, notes))
    }

    /// Returns a recording of these exchanges.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Self::with_notes(exchanges, Vec::new())
    }

    fn with_notes(exchanges: Vec<Exchange>, notes: Vec<Note>) -> Self {
        let left = note::left(exchanges, notes);
        Self {
            left: Arc::new(Mutex::new(left)),
            told: None,
        }
    }

    /// Returns the same recording, which puts the number of each exchange that is replayed through it there, from 1.
    #[must_use]
    pub fn telling(&self, number: &Arc<AtomicU64>) -> Self {
        Self {
            left: Arc::clone(&self.left),
            told: Some(Arc::clone(number)),
        }
    }

    /// Returns what stands between the exchanges.
    pub fn notes(&self) -> Vec<Note> {
        self.lock().notes.clone()
    }

    /// Returns how many exchanges the recording holds, replayed or not.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Returns the number of the last request of somebody that the recording knows of; 0 where it knows of none.
    pub fn last(&self, of: Asker) -> u32 {
        self.lock().last.get(&of).copied().unwrap_or(0)
    }

    /// Returns what the lab said of time in a request, where one of this number was not replayed yet.
    pub fn times(&self, of: Asker, number: u32) -> Option<String> {
        let left = self.lock();
        let mut marks = left
            .exchanges
            .iter()
            .filter_map(|(_, one)| one.mark.as_ref());
        let found = marks.find(|mark| mark.of == of && mark.number == number);
        found.map(|mark| mark.times.clone())
    }

    /// Passes over the exchanges of somebody's requests up to this one: they were replayed before.
    pub fn skip(&self, of: Asker, number: u32) {
        let done = |mark: &Mark| mark.of == of && mark.number <= number;
        let mut left = self.lock();
        left.exchanges
            .retain(|(_, one)| !one.mark.as_ref().is_some_and(done));
    }

    /// Returns how many exchanges were not replayed.
    pub fn left(&self) -> usize {
        self.lock().exchanges.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first exchange with this request: turns that ran at the same time may come in another order.
    fn take(&self, call: &Call) -> Result<Exchange, ReplayError> {
        let wanted = Exchange::of(call);
        let mut left = self.lock();
        let same = |(_, one): &(usize, Exchange)| {
            one.path == wanted.path
                && one.headers == wanted.headers
                && one.request == wanted.request
        };
        if let Some(at) = left.exchanges.iter().position(same)
            && let Some((number, exchange)) = left.exchanges.remove(at)
        {
            if let Some(told) = &self.told {
                told.store(number as u64, Ordering::SeqCst);
            }
            return Ok(exchange);
        }
        match left.exchanges.front() {
            Some((number, next)) => Err(difference::of(*number, next, &wanted)),
            None => Err(ReplayError::Over { count: left.count }),
        }
    }
}

/// Reads one line of a recording.
fn read(line: &str) -> Result<Exchange, String> {
    let exchange: Exchange = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if exchange.version != RECORDING_VERSION {
        return Err(format!(
            "expected version {RECORDING_VERSION}, found {}",
            exchange.version
        ));
    }
    let answer = exchange.answer.bytes().ok_or("its answer is no hex")?;
    let total = exchange
        .pieces
        .iter()
        .try_fold(0_usize, |sum, piece| sum.checked_add(*piece));
    if total != Some(answer.len()) {
        return Err("its pieces do not add up to its answer".to_owned());
    }
    Ok(exchange)
}

impl Transport for Recording {
    fn send(&self, call: &Call, cancel: &Cancel, receive: Receive<'_>) -> Result<(), ErrorKind> {
        cancel.check()?;
        let exchange = self.take(call)?;
        if let Some(head) = &exchange.head
            && receive(Part::Head(head))? == Flow::Enough
        {
            return Ok(());
        }
        let answer = exchange.answer.bytes().unwrap_or_default();
        let mut rest = &answer[..];
        for length in &exchange.pieces {
            cancel.check()?;
            let Some((piece, after)) = rest.split_at_checked(*length) else {
                break;
            };
            rest = after;
            if receive(Part::Bytes(piece))? == Flow::Enough {
                return Ok(());
            }
        }
        exchange.end.result(answer.len() as u64)
    }
}

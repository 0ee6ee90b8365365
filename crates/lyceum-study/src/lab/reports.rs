//! Listening to a run while it goes on: lines that it appends to a file of its outputs, each a step and a number.
//!
//! The file is the candidate's, so it may be anything: a link, a pipe, a file without end, half a line, nonsense. It is
//! opened as outputs are, read from where the last look ended, and only ever taken for numbers. What is no line of two
//! numbers is passed over. Of a run at most one report a rung leaves this module, whatever it writes.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, Scope, ScopedJoinHandle},
    time::Duration,
};

use lyceum_sandbox::harvest;

use crate::engine::{Halving, Report, Tell};

/// How often a run's file is looked at: often enough that little is spent after a run could have been stopped.
const POLL: Duration = Duration::from_millis(20);
/// Bytes read in one look, so that a flood does not keep the lab from ending the run.
const LOOK_BYTES_MAX: u64 = 1 << 20;
/// Bytes read of a whole run: a million reports. Nobody listens to more.
const RUN_BYTES_MAX: u64 = 16 << 20;
/// Longest line: two numbers are shorter. A longer one is passed over.
const LINE_BYTES_MAX: usize = 256;

/// What has been heard of one run.
pub(super) struct Reports {
    directory: PathBuf,
    name: String,
    halving: Halving,
    /// Bytes read so far.
    read: u64,
    /// The beginning of a line whose end is not written yet.
    line: Vec<u8>,
    /// Whether the rest of a line that is too long is being passed over.
    too_long: bool,
    /// The last step; a run does not go back.
    step: Option<u64>,
    /// The last rung of which a report was told.
    rung: Option<u32>,
}

impl Reports {
    /// Returns what listens to this file of a run's outputs.
    pub(super) fn new(directory: PathBuf, name: &str, halving: Halving) -> Reports {
        Reports {
            directory,
            name: name.to_owned(),
            halving,
            read: 0,
            line: Vec::new(),
            too_long: false,
            step: None,
            rung: None,
        }
    }

    /// Listens on a thread of its own until what is returned is dropped or ended.
    pub(super) fn listen<'scope>(
        mut self,
        scope: &'scope Scope<'scope, '_>,
        tell: &'scope Tell<'scope>,
    ) -> Listening<'scope> {
        let (over, is_over) = mpsc::channel::<()>();
        let thread = scope.spawn(move || {
            while is_over.recv_timeout(POLL) == Err(mpsc::RecvTimeoutError::Timeout) {
                self.look(tell);
            }
            // All that the run said is told before its end is known, however busy the machine was meanwhile.
            while self.look(tell) {}
        });
        Listening { over, thread }
    }

    /// Reads on and tells what is new. Returns whether anything was read.
    fn look(&mut self, tell: &Tell<'_>) -> bool {
        let room = RUN_BYTES_MAX.saturating_sub(self.read).min(LOOK_BYTES_MAX);
        let Ok(bytes) = read(&self.directory, &self.name, self.read, room) else {
            return false;
        };
        self.read += bytes.len() as u64;
        for byte in &bytes {
            self.take(*byte, tell);
        }
        !bytes.is_empty()
    }

    fn take(&mut self, byte: u8, tell: &Tell<'_>) {
        if byte != b'\n' {
            self.too_long |= self.line.len() == LINE_BYTES_MAX;
            if !self.too_long {
                self.line.push(byte);
            }
            return;
        }
        let line = std::mem::take(&mut self.line);
        if !std::mem::take(&mut self.too_long)
            && let Some(report) = parse(&line)
        {
            self.heard(report, tell);
        }
    }

    /// Tells the first report at each rung.
    fn heard(&mut self, report: Report, tell: &Tell<'_>) {
        if self.step.is_some_and(|last| report.step <= last) {
            return;
        }
        self.step = Some(report.step);
        let rung = self.halving.rung_of(report.step);
        if rung > self.rung {
            self.rung = rung;
            tell(report);
        }
    }
}

/// Somebody who listens.
pub(super) struct Listening<'scope> {
    over: mpsc::Sender<()>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl Listening<'_> {
    /// Hears the rest of what was said and stops listening.
    pub(super) fn end(self) -> thread::Result<()> {
        drop(self.over);
        self.thread.join()
    }
}

/// Reads at most `most` bytes of a file from a place on; fails on what no honest program writes.
fn read(directory: &Path, name: &str, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file: File = harvest::open(directory, name).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns what a line says: a step, white space, a number, and nothing else.
fn parse(line: &[u8]) -> Option<Report> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (step, value) = (words.next()?, words.next()?);
    let (step, value) = (step.parse().ok()?, value.parse().ok()?);
    words.next().is_none().then_some(Report { step, value })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::symlink, sync::Mutex};

    use super::*;

    fn listener(place: &Path) -> Reports {
        let halving = Halving {
            reduction: 3,
            min: 1,
            max: 27,
            unit: "steps".into(),
        };
        Reports::new(place.to_path_buf(), "progress", halving)
    }

    /// Returns what is heard of a file that grows by these pieces.
    fn heard(pieces: &[&[u8]]) -> Vec<(u64, f64)> {
        let place = tempfile::tempdir().unwrap();
        let mut reports = listener(place.path());
        let told = Mutex::new(Vec::new());
        let mut file = File::create(place.path().join("progress")).unwrap();
        for piece in pieces {
            file.write_all(piece).unwrap();
            let tell = |report: Report| told.lock().unwrap().push((report.step, report.value));
            while reports.look(&tell) {}
        }
        told.into_inner().unwrap()
    }

    #[test]
    fn the_first_report_at_each_rung_is_told_however_the_file_grows() {
        let text = b"1 5\n2 4\n4 3.5e0\n5 9\n20\t-1\r\n26 0\n27 0\n";
        let expected = vec![(1, 5.0), (4, 3.5), (20, -1.0)];
        assert_eq!(heard(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(heard(&bytes), expected);
    }

    #[test]
    fn what_is_no_line_of_two_numbers_is_passed_over() {
        let nonsense: [&[u8]; 12] = [
            b"\n",
            b"1\n",
            b"1 2 3\n",
            b"one 2\n",
            b"-1 2\n",
            b"1.5 2\n",
            b"99999999999999999999 2\n",
            b"\xff\xfe 1\n",
            b"1 \0\n",
            b"{\"step\": 1, \"value\": 2}\n",
            b"\x1b[2J 1\n",
            b"1 0x10\n",
        ];
        for line in nonsense {
            assert_eq!(heard(&[line]), [], "{line:?}");
            assert_eq!(heard(&[line, b"1 7\n"]), [(1, 7.0)], "after {line:?}");
        }
        let long = [b"1 ".as_slice(), &[b'0'; 5000], b"\n3 7\n"].concat();
        assert_eq!(heard(&[&long]), [(3, 7.0)], "too long a line, and the next");
        assert_eq!(heard(&[b"1 7"]), [], "half a line");
        assert_eq!(heard(&[b"1 7", b"5\n"]), [(1, 75.0)], "and its other half");
    }

    #[test]
    fn steps_that_do_not_rise_are_passed_over_and_no_number_is_told_as_none() {
        assert_eq!(heard(&[b"3 1\n1 2\n3 4\n9 5\n"]), [(3, 1.0), (9, 5.0)]);
        for word in ["nan", "NaN", "inf", "-inf", "1e999"] {
            let told = heard(&[format!("1 {word}\n").as_bytes()]);
            assert!(
                told.len() == 1 && !told[0].1.is_finite(),
                "{word}: {told:?}"
            );
        }
    }

    #[test]
    fn a_flood_is_read_to_a_bound_and_tells_no_more_than_a_report_a_rung() {
        let mut flood: Vec<u8> = Vec::new();
        for step in 0..3_000_000_u64 {
            writeln!(flood, "{step} 1").unwrap();
        }
        assert!(flood.len() as u64 > RUN_BYTES_MAX);
        assert_eq!(heard(&[&flood]).len(), 3);
        let place = tempfile::tempdir().unwrap();
        let mut reports = listener(place.path());
        let file = File::create(place.path().join("progress")).unwrap();
        file.set_len(1 << 40).unwrap();
        while reports.look(&|_| panic!("zeros are no report")) {}
        assert_eq!(reports.read, RUN_BYTES_MAX);
    }

    #[test]
    fn what_is_no_plain_file_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("progress");
        let secret = place.path().join("secret");
        fs::write(&secret, "1 5\n").unwrap();
        let mut reports = listener(place.path());
        let nothing = |_: Report| panic!("a report was told");
        assert!(!reports.look(&nothing), "there is no file");
        symlink(&secret, &path).unwrap();
        assert!(!reports.look(&nothing), "a link");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&secret, &path).unwrap();
        assert!(!reports.look(&nothing), "a second name of another file");
        fs::remove_file(&path).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        assert!(!reports.look(&nothing), "a pipe that nobody writes to");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!reports.look(&nothing), "a directory");
    }

    #[test]
    fn what_was_said_last_is_told_before_the_end_is_known() {
        let place = tempfile::tempdir().unwrap();
        let told = Mutex::new(Vec::new());
        let tell = |report: Report| told.lock().unwrap().push(report.step);
        thread::scope(|scope| {
            let listening = listener(place.path()).listen(scope, &tell);
            fs::write(place.path().join("progress"), "1 5\n9 4\n").unwrap();
            listening.end().unwrap();
            assert_eq!(*told.lock().unwrap(), [1, 9]);
        });
    }
}

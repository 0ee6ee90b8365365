//! The traced process: this test binary in a role.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lyceum_ledger::{Ledger, NewEvent, Options};

pub(crate) const ROLE: &str = "LYCEUM_POWER_ROLE";
pub(crate) const DIRECTORY: &str = "LYCEUM_POWER_DIRECTORY";

/// Appends of each of the two threads.
const APPENDS: u64 = 60;

/// What the traced process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Writes to a ledger.
    Ledger,
    /// Writes to a store that is set to `synchronous=NORMAL`, as a ledger never is: the disks must show it.
    Normal,
}

/// Returns the arguments with which this binary plays a role.
pub(crate) fn arguments() -> [OsString; 5] {
    [
        env::current_exe().unwrap().into_os_string(),
        "--ignored".into(),
        "--exact".into(),
        "--nocapture".into(),
        "writer::play".into(),
    ]
}

#[test]
#[ignore = "the other side of the test that traces it"]
fn play() {
    let directory = PathBuf::from(env::var_os(DIRECTORY).expect("started by another test"));
    let role = env::var(ROLE).expect("started by another test");
    if role == format!("{:?}", Role::Ledger) {
        ledger(&directory);
    } else {
        normal(&directory);
    }
}

/// Says in one write what was acknowledged, so that the trace has it or not.
fn say(text: &str) {
    let line = format!("\nACK {text} END\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn ledger(directory: &Path) {
    let mut number = 0;
    // The second opening moves the log into the file and begins another.
    for _ in 0..2 {
        let ledger = Ledger::open(directory, Options::default()).unwrap();
        say("open");
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let ledger = &ledger;
                scope.spawn(move || {
                    for append in number..number + APPENDS / 2 {
                        write(ledger, thread, append);
                    }
                });
            }
        });
        number += APPENDS / 2;
    }
}

/// Every fourth body goes to a blob, every fifth event names one.
fn write(ledger: &Ledger, thread: u64, number: u64) {
    let length = if number.is_multiple_of(4) { 5000 } else { 150 };
    let body = format!("\"{thread}/{number}/{}\"", "p".repeat(length));
    let mut event = NewEvent::new("written", 1, body);
    if number.is_multiple_of(5) {
        let id = ledger
            .put_blob(format!("{thread}/{number}").as_bytes())
            .unwrap();
        say(&format!("blob {id}"));
        event = event.with_blobs([id]);
    }
    let batch = vec![event; 1 + (number % 3) as usize];
    let stream = format!("thread/{thread}");
    for event in ledger.append(&stream, batch).unwrap() {
        say(&format!("event {} {}", event.position, event.hash));
    }
}

fn normal(directory: &Path) {
    let store = rusqlite::Connection::open(directory.join("ledger.db")).unwrap();
    store.pragma_update(None, "journal_mode", "wal").unwrap();
    store.pragma_update(None, "synchronous", "normal").unwrap();
    store
        .execute_batch("CREATE TABLE event (position INTEGER PRIMARY KEY, body TEXT)")
        .unwrap();
    say("open");
    for number in 1..=2 * APPENDS {
        store
            .execute(
                "INSERT INTO event (body) VALUES (?1)",
                [format!("{number}/{}", "n".repeat(150))],
            )
            .unwrap();
        say(&format!("event {number} -"));
    }
}

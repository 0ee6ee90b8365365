//! What the ledger is measured against.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::{EVENT_BYTES, Outcome, body, rate};

/// Somewhere to put events so that they last.
pub(crate) trait Side: Send {
    /// Appends all and returns once they are on disk.
    fn commit(&mut self, bodies: Vec<String>) -> Outcome<()>;
}

/// One line per event at the end of a growing file.
pub(crate) struct RawFile(File);

impl RawFile {
    pub(crate) fn new(path: &Path) -> Outcome<Self> {
        let mut options = File::options();
        let file = options.create(true).append(true);
        Ok(Self(file.open(path.join("raw.jsonl"))?))
    }
}

impl Side for RawFile {
    fn commit(&mut self, bodies: Vec<String>) -> Outcome<()> {
        let mut lines = Vec::with_capacity(bodies.len() * EVENT_BYTES);
        for body in bodies {
            lines.extend(body.into_bytes());
            lines.push(b'\n');
        }
        self.0.write_all(&lines)?;
        Ok(self.0.sync_data()?)
    }
}

/// `SQLite` as anybody would use it for events: write-ahead log, synced at each commit.
pub(crate) struct PlainSqlite {
    connection: Connection,
    seq: i64,
}

impl PlainSqlite {
    pub(crate) fn new(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path.join("plain.db"))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(
            "CREATE TABLE event (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, \
             kind TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (run, seq)) STRICT",
        )?;
        Ok(Self { connection, seq: 0 })
    }
}

impl Side for PlainSqlite {
    fn commit(&mut self, bodies: Vec<String>) -> Outcome<()> {
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO event VALUES ('stream', ?1, 1732233600000, 'bench', ?2)",
        )?;
        for body in bodies {
            self.seq += 1;
            insert.execute((self.seq, body))?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

/// Returns events per second. With several writers one thread gathers what is waiting and commits it.
pub(crate) fn measure(
    side: &Mutex<impl Side>,
    batch: usize,
    writers: usize,
    duration: Duration,
) -> Outcome<f64> {
    let bodies = move |number| (0..batch).map(|_| body(EVENT_BYTES - 1, number)).collect();
    if writers == 1 {
        return rate(1, duration, || {
            move |number| {
                let mut side = side.lock().map_err(|_| "a writer panicked")?;
                side.commit(bodies(number))?;
                Ok(batch)
            }
        });
    }
    let (sender, receiver) = sync_channel::<Waiting>(1024);
    thread::scope(|scope| {
        let committer = scope.spawn(move || commit_waiting(side, &receiver));
        let measured = rate(writers, duration, || {
            let sender = sender.clone();
            move |number| {
                let (reply, answer) = sync_channel(1);
                sender.send((bodies(number), reply))?;
                answer.recv()?;
                Ok(batch)
            }
        });
        drop(sender);
        committer.join().map_err(|_| "the committer panicked")??;
        measured
    })
}

type Waiting = (Vec<String>, SyncSender<()>);

fn commit_waiting(side: &Mutex<impl Side>, requests: &Receiver<Waiting>) -> Outcome<()> {
    let mut side = side.lock().map_err(|_| "a writer panicked")?;
    while let Ok((mut bodies, reply)) = requests.recv() {
        let mut replies = vec![reply];
        while let Ok((more, reply)) = requests.try_recv() {
            bodies.extend(more);
            replies.push(reply);
        }
        side.commit(bodies)?;
        for reply in replies {
            let _ = reply.try_send(());
        }
    }
    Ok(())
}

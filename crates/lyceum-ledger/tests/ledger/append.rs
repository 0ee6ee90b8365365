//! Appending and reading back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lyceum_ledger::{
    BlobId, Clock, Error, Ledger, NewEvent, Options, Reader, StreamHead, Timestamp,
};
use tempfile::TempDir;

use crate::support::{event, fresh, open};

#[test]
fn an_empty_ledger_has_nothing_and_is_intact() {
    let (_directory, ledger) = fresh();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.head().unwrap().position, 0);
    assert_eq!(reader.streams().unwrap(), []);
    assert_eq!(reader.read("nothing", 0, 10).unwrap(), []);
    assert_eq!(reader.read_all(0, 10).unwrap(), []);
    let verification = reader.verify().unwrap();
    assert!(verification.is_intact());
    assert_eq!((verification.events, verification.blobs), (0, 0));
    assert_eq!(verification.head, reader.head().unwrap());
}

#[test]
fn what_is_appended_is_read_back_also_after_reopening() {
    let (directory, ledger) = fresh();
    let mut written = ledger.append("a", vec![event(1), event(2)]).unwrap();
    written.extend(ledger.append("b", vec![event(3)]).unwrap());
    written.extend(ledger.append("a", vec![event(4)]).unwrap());
    let numbers: Vec<_> = written
        .iter()
        .map(|event| (event.position, event.seq))
        .collect();
    assert_eq!(numbers, [(1, 1), (2, 2), (3, 1), (4, 3)]);
    let check = |reader: &Reader| {
        assert_eq!(reader.read_all(0, 100).unwrap(), written);
        assert_eq!(reader.read_all(1, 2).unwrap(), written[1..3]);
        assert_eq!(
            reader.read("a", 1, 100).unwrap(),
            [written[1].clone(), written[3].clone()]
        );
        assert_eq!(reader.read("a", u64::MAX, usize::MAX).unwrap(), []);
        assert_eq!(reader.head().unwrap().hash, written[3].hash);
        let streams = [("a", 3), ("b", 1)].map(|(stream, seq)| StreamHead {
            stream: stream.to_owned(),
            seq,
        });
        assert_eq!(reader.streams().unwrap(), streams);
        assert!(reader.verify().unwrap().is_intact());
    };
    check(&ledger.reader().unwrap());
    drop(ledger);
    check(&Ledger::open_read_only(directory.path()).unwrap());
    let again = open(&directory).append("b", vec![event(5)]).unwrap();
    assert_eq!((again[0].position, again[0].seq), (5, 2));
}

#[test]
fn an_empty_append_writes_nothing() {
    let (_directory, ledger) = fresh();
    assert_eq!(ledger.append("a", Vec::new()).unwrap(), []);
    assert_eq!(ledger.reader().unwrap().streams().unwrap(), []);
}

#[test]
fn an_expectation_that_fails_appends_nothing() {
    let (_directory, ledger) = fresh();
    ledger.append_expecting("a", 0, vec![event(1)]).unwrap();
    let error = ledger
        .append_expecting("a", 0, vec![event(2), event(3)])
        .unwrap_err();
    assert!(matches!(&error, Error::Conflict { stream, expected: 0, found: 1 } if stream == "a"));
    assert_eq!(
        error.to_string(),
        "stream `a` is at sequence number 1, but the append expected 0"
    );
    ledger.append_expecting("a", 1, vec![event(2)]).unwrap();
    assert_eq!(ledger.reader().unwrap().head().unwrap().position, 2);
}

#[test]
fn of_many_that_expect_the_same_number_one_wins() {
    let (_directory, ledger) = fresh();
    let winners: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let ledger = ledger.clone();
                scope.spawn(move || {
                    usize::from(ledger.append_expecting("a", 0, vec![event(number)]).is_ok())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(winners, 1);
    assert_eq!(ledger.reader().unwrap().head().unwrap().position, 1);
}

#[test]
fn large_bodies_become_blobs_and_come_back_as_bodies() {
    let (_directory, ledger) = fresh();
    let body = |bytes: usize| format!("\"{}\"", "é".repeat((bytes - 2) / 2));
    let events: Vec<_> = [4096, 4098, 1 << 20]
        .into_iter()
        .map(|bytes| NewEvent::new("log", 1, body(bytes)))
        .collect();
    let written = ledger.append("a", events.clone()).unwrap();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.read("a", 0, 10).unwrap(), written);
    let bodies: Vec<_> = written.iter().map(|event| &event.body).collect();
    assert_eq!(
        bodies,
        events.iter().map(|event| &event.body).collect::<Vec<_>>()
    );
    assert_eq!(reader.size_on_disk().unwrap().blobs, 2);
    let kept = reader.size_on_disk().unwrap().blobs_bytes;
    assert!(
        (1..4096).contains(&kept),
        "{kept} bytes for a megabyte of one letter"
    );
    assert_eq!(
        reader
            .blob(BlobId::of(events[2].body.as_bytes()))
            .unwrap()
            .len(),
        1 << 20
    );
    let verification = reader.verify().unwrap();
    assert_eq!(
        (verification.blobs, verification.blobs_unreferenced),
        (2, 0)
    );
}

#[test]
fn a_blob_can_be_put_again_and_read_as_a_file() {
    let (_directory, ledger) = fresh();
    let bytes = b"\x00\xff not text";
    let id = ledger.put_blob(bytes).unwrap();
    assert_eq!(ledger.put_blob(bytes).unwrap(), id);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.blob(id).unwrap(), bytes);
    let path = reader.blob_path(id);
    assert_eq!(path.extension(), Some("zst".as_ref()));
    let file = std::fs::File::open(&path).unwrap();
    assert_eq!(
        zstd::decode_all(file).unwrap(),
        bytes,
        "any tool for zstd reads it"
    );
    assert_eq!(ledger.put_blob(b"").unwrap(), BlobId::of(b""));
    assert_eq!(reader.verify().unwrap().blobs_unreferenced, 2);
    std::fs::write(&path, "damaged").unwrap();
    assert!(matches!(reader.blob(id), Err(Error::BlobDamaged { .. })));
    std::fs::write(&path, zstd::encode_all(&b"other"[..], 1).unwrap()).unwrap();
    assert!(matches!(reader.blob(id), Err(Error::BlobChanged { .. })));
    let twice = zstd::encode_all(&bytes[..], 1).unwrap().repeat(2);
    std::fs::write(&path, twice).unwrap();
    assert!(matches!(reader.blob(id), Err(Error::BlobDamaged { .. })));
    ledger.put_blob(bytes).unwrap();
    assert_eq!(
        reader.blob(id).unwrap(),
        bytes,
        "putting a blob again mends it"
    );
}

#[test]
fn an_event_cannot_name_a_blob_that_is_not_there() {
    let (_directory, ledger) = fresh();
    let id = BlobId::of(b"weights");
    let naming = || vec![event(1).with_blobs([id])];
    assert!(
        matches!(ledger.append("a", naming()), Err(Error::BlobMissing { id: missing }) if missing == id)
    );
    ledger.put_blob(b"weights").unwrap();
    let written = ledger.append("a", naming()).unwrap();
    assert_eq!(written[0].blobs, [id]);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.read("a", 0, 1).unwrap(), written);
    assert_eq!(reader.verify().unwrap().blobs_unreferenced, 0);
}

#[test]
fn odd_names_are_names_like_any_other() {
    let (_directory, ledger) = fresh();
    let mut names: Vec<String> = [
        "a\nb",
        "\u{1b}[2J",
        "nul\0byte",
        "nul",
        "../../etc",
        "'; DROP TABLE event; --",
        "é",
        "%",
        " ",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(1024));
    for name in &names {
        ledger
            .append(
                name,
                vec![NewEvent::new(&name[..1.max(name.len().min(2))], 0, "null")],
            )
            .unwrap();
    }
    names.sort_unstable();
    let reader = ledger.reader().unwrap();
    let streams = reader.streams().unwrap();
    assert_eq!(
        streams.iter().map(|head| &head.stream).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    for name in &names {
        assert_eq!(reader.read(name, 0, 10).unwrap().len(), 1, "{name:?}");
    }
    assert!(reader.verify().unwrap().is_intact());
}

#[test]
fn what_is_not_an_event_is_refused_and_leaves_no_trace() {
    let (_directory, ledger) = fresh();
    let good = event(1);
    let bad = |change: fn(&mut NewEvent)| {
        let mut event = good.clone();
        change(&mut event);
        ledger.append("a", vec![good.clone(), event]).unwrap_err()
    };
    let error = bad(|event| event.body = "{\"a\":".to_owned());
    assert!(matches!(&error, Error::BodyNotJson { kind, .. } if kind == "test.happened"));
    assert!(matches!(
        bad(|event| event.body = "1 2".to_owned()),
        Error::BodyNotJson { .. }
    ));
    assert!(matches!(
        bad(|event| event.body.clear()),
        Error::BodyNotJson { .. }
    ));
    assert!(matches!(
        bad(|event| event.kind.clear()),
        Error::NameLength { found: 0, .. }
    ));
    assert!(matches!(
        bad(|event| event.kind = "k".repeat(257)),
        Error::NameLength { .. }
    ));
    let too_large = bad(|event| event.body = " ".repeat((64 << 20) + 1));
    assert!(matches!(too_large, Error::BodyTooLarge { .. }));
    let unnamed = ledger.append("", vec![good.clone()]).unwrap_err();
    assert_eq!(
        unnamed.to_string(),
        "stream name has 0 bytes, but must have 1 to 1024"
    );
    assert_eq!(ledger.reader().unwrap().head().unwrap().position, 0);
}

/// A clock that goes backwards by a second at every look.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.fetch_sub(1000, Ordering::Relaxed))
    }
}

#[test]
fn times_come_from_the_given_clock_and_may_go_backwards() {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(Backwards(AtomicI64::new(1500)));
    let ledger = Ledger::open(
        directory.path(),
        Options {
            clock,
            ..Options::default()
        },
    )
    .unwrap();
    ledger.append("a", vec![event(1), event(2)]).unwrap();
    ledger.append("a", vec![event(3)]).unwrap();
    let reader = ledger.reader().unwrap();
    let times: Vec<_> = reader
        .read("a", 0, 9)
        .unwrap()
        .iter()
        .map(|event| event.at.unix_ms())
        .collect();
    assert_eq!(times, [500, 500, -500]);
    assert!(reader.verify().unwrap().is_intact());
}

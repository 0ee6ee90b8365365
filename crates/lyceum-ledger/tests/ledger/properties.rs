//! What holds for any history.

use std::collections::BTreeMap;
use std::thread;

use lyceum_ledger::{Error, Event, Ledger, NewEvent, Options};
use proptest::prelude::*;
use tempfile::TempDir;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Append { stream: u8, bodies: Vec<String> },
    Expect { stream: u8, offset: i8 },
    Reopen,
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        1 => (4090_usize..4102).prop_map(|bytes| format!("\"{}\"", "y".repeat(bytes - 2))),
    ]
}

fn append() -> impl Strategy<Value = Step> {
    (0_u8..4, prop::collection::vec(body(), 0..4))
        .prop_map(|(stream, bodies)| Step::Append { stream, bodies })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => append(),
        2 => (0_u8..4, -1_i8..2).prop_map(|(stream, offset)| Step::Expect { stream, offset }),
        1 => Just(Step::Reopen),
    ]
}

fn events(bodies: &[String]) -> Vec<NewEvent> {
    bodies
        .iter()
        .map(|body| NewEvent::new("step", 7, body.as_str()))
        .collect()
}

fn name(stream: u8) -> String {
    format!("stream {stream}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_history_reads_back_as_it_was_written(steps in prop::collection::vec(step(), 0..30)) {
        let directory = TempDir::new().unwrap();
        let open = || Ledger::open(directory.path(), Options::default()).unwrap();
        let mut ledger = open();
        let mut model: Vec<Event> = Vec::new();
        for step in steps {
            let last = |stream: u8| {
                model.iter().filter(|event| event.stream == name(stream)).count() as u64
            };
            match step {
                Step::Append { stream, bodies } => {
                    let before = last(stream);
                    let written = ledger.append(&name(stream), events(&bodies)).unwrap();
                    prop_assert_eq!(written.len(), bodies.len());
                    for ((event, body), seq) in written.iter().zip(&bodies).zip(before + 1..) {
                        prop_assert_eq!((&event.body, event.seq), (body, seq));
                    }
                    model.extend(written);
                }
                Step::Expect { stream, offset } => {
                    let before = last(stream);
                    let expected = before.wrapping_add_signed(i64::from(offset));
                    let one = events(&["{}".to_owned()]);
                    match ledger.append_expecting(&name(stream), expected, one) {
                        Ok(written) => {
                            prop_assert_eq!(offset, 0);
                            model.extend(written);
                        }
                        Err(Error::Conflict { found, .. }) => {
                            prop_assert!(offset != 0 && found == before);
                        }
                        Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    }
                }
                Step::Reopen => {
                    drop(ledger);
                    ledger = open();
                }
            }
        }
        let reader = ledger.reader().unwrap();
        prop_assert_eq!(&reader.read_all(0, usize::MAX).unwrap(), &model);
        let positions = model.iter().map(|event| event.position);
        prop_assert!(positions.eq(1..=model.len() as u64));
        let verification = reader.verify().unwrap();
        prop_assert_eq!(verification.fault, None);
        prop_assert_eq!(verification.head, reader.head().unwrap());
        prop_assert_eq!(verification.events, model.len() as u64);
    }

    #[test]
    fn any_interleaving_counts_every_stream_without_gaps(
        writers in prop::collection::vec(prop::collection::vec(append(), 1..12), 2..6)
    ) {
        let directory = TempDir::new().unwrap();
        let ledger = Ledger::open(directory.path(), Options::default()).unwrap();
        let acknowledged: Vec<Event> = thread::scope(|scope| {
            let threads: Vec<_> = writers
                .iter()
                .map(|steps| {
                    let ledger = ledger.clone();
                    scope.spawn(move || {
                        let mut written = Vec::new();
                        for step in steps {
                            if let Step::Append { stream, bodies } = step {
                                let batch = ledger.append(&name(*stream), events(bodies)).unwrap();
                                assert!(batch.windows(2).all(|two| two[0].seq + 1 == two[1].seq));
                                written.extend(batch);
                            }
                        }
                        written
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let reader = ledger.reader().unwrap();
        let all = reader.read_all(0, usize::MAX).unwrap();
        prop_assert_eq!(all.len(), acknowledged.len());
        for event in &acknowledged {
            prop_assert_eq!(event, &all[event.position as usize - 1]);
        }
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for event in &all {
            let seq = last.entry(&event.stream).or_default();
            *seq += 1;
            prop_assert_eq!(event.seq, *seq);
        }
        let streams = reader.streams().unwrap();
        let heads = streams.iter().map(|head| (head.stream.as_str(), head.seq));
        prop_assert!(heads.eq(last));
        prop_assert_eq!(reader.verify().unwrap().fault, None);
    }
}

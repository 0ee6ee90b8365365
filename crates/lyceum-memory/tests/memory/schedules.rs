//! When dreams are due: each time once, one for all that were missed, none while another is under way.

use lyceum_memory::{Due, Happened, Schedule, Scheduled, Skipped, Why};

use crate::support::Lab;

const HOUR: i64 = 3_600_000;

/// Every full hour.
#[expect(clippy::unnecessary_wraps, reason = "other schedules end")]
fn next(after: i64) -> Option<i64> {
    Some((after.div_euclid(HOUR) + 1) * HOUR)
}

fn load(lab: &Lab) -> Schedule {
    Schedule::load(&lab.ledger.reader().unwrap(), "s").unwrap()
}

fn begun(lab: &Lab) -> Schedule {
    let mut schedule = load(lab);
    let made = Scheduled {
        times: "0 * * * * UTC".into(),
        work: "dream".into(),
        since: HOUR / 2,
    };
    schedule
        .write(&lab.ledger, vec![Happened::Scheduled(made)])
        .unwrap();
    schedule
}

fn fire(lab: &Lab, schedule: &mut Schedule, now: i64) -> i64 {
    let Due::Now {
        at,
        missed,
        last_missed,
        more,
    } = schedule.due(now, next)
    else {
        panic!("{:?}", schedule.due(now, next));
    };
    let bodies = Schedule::firing(at, missed, last_missed, more);
    schedule.write(&lab.ledger, bodies).unwrap();
    at
}

fn end(lab: &Lab, schedule: &mut Schedule, at: i64, now: i64) {
    let bodies = schedule.ending(at, "done".into(), now, next);
    schedule.write(&lab.ledger, bodies).unwrap();
}

#[test]
fn a_time_is_fired_once_however_often_one_looks() {
    let lab = Lab::new();
    let mut schedule = begun(&lab);
    assert_eq!(schedule.due(HOUR - 1, next), Due::At(Some(HOUR)));
    let at = fire(&lab, &mut schedule, HOUR);
    assert_eq!(at, HOUR);
    // Killed here, it goes on with the same firing.
    let mut again = load(&lab);
    assert_eq!(again, schedule);
    assert_eq!(again.due(3 * HOUR, next), Due::Open(HOUR));
    end(&lab, &mut again, at, HOUR + 1);
    for now in [HOUR + 1, 2 * HOUR - 1] {
        assert_eq!(load(&lab).due(now, next), Due::At(Some(2 * HOUR)));
    }
    // A clock that was set back fires nothing again.
    assert_eq!(load(&lab).due(HOUR / 2, next), Due::At(Some(2 * HOUR)));
    // Another process that still believes in the old state cannot write.
    assert!(
        schedule
            .write(&lab.ledger, Schedule::firing(HOUR, 0, 0, false))
            .is_err()
    );
}

#[test]
fn what_was_missed_is_made_up_for_once_and_what_overlaps_is_skipped() {
    let lab = Lab::new();
    let mut schedule = begun(&lab);
    let at = fire(&lab, &mut schedule, 5 * HOUR + 7);
    assert_eq!(at, 5 * HOUR);
    let missed = Skipped {
        count: 4,
        more: false,
        last: 4 * HOUR,
        why: Why::Missed,
    };
    assert_eq!(schedule.happened[1], Happened::Skipped(missed));
    // It takes so long that two more pass.
    end(&lab, &mut schedule, at, 7 * HOUR + 1);
    let overlapped = Skipped {
        count: 2,
        more: false,
        last: 7 * HOUR,
        why: Why::Overlapped,
    };
    assert_eq!(
        schedule.happened.last(),
        Some(&Happened::Skipped(overlapped))
    );
    assert_eq!(schedule, load(&lab));
    assert_eq!(schedule.due(7 * HOUR + 2, next), Due::At(Some(8 * HOUR)));
}

#[test]
fn times_of_half_a_century_are_not_counted_one_by_one() {
    let lab = Lab::new();
    let mut schedule = begun(&lab);
    let now = 50 * 366 * 24 * HOUR;
    let asked = std::cell::Cell::new(0);
    let counted = |after| {
        asked.set(asked.get() + 1);
        next(after)
    };
    let due = schedule.due(now, counted);
    assert!(asked.get() < 3000, "{}", asked.get());
    let Due::Now { missed, more, .. } = due else {
        panic!("{due:?}");
    };
    assert_eq!((missed, more), (40 * 24 - 1, true));
    assert_eq!(fire(&lab, &mut schedule, now), now);
    end(&lab, &mut schedule, now, now + 1);
    let next_one = Due::At(Some(now + HOUR));
    assert_eq!(load(&lab).due(now + 2, next), next_one);
}

#[test]
fn a_schedule_that_has_no_next_time_waits_for_nothing() {
    let lab = Lab::new();
    let schedule = begun(&lab);
    assert_eq!(schedule.due(HOUR, |_| None), Due::At(None));
}

//! Times that come again: the five fields of cron, in a time zone.
//!
//! Minute, hour, day of the month, month, day of the week; lists, ranges, steps and English names. Where both days are
//! restricted, either fits, as in POSIX. A local time that a change of clocks leaves out comes when the clocks have
//! changed, once; one that comes twice is taken the first time.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

/// Days that are looked at for the next time: a 29 February on a given day of the week can be 40 years away.
const DAYS_MAX: u32 = 41 * 366;
/// Days before the last time at which looking begins: no change of clocks was larger.
const OVERLAP_DAYS: i64 = 1;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Times that come again.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Vec<i8>,
    months: Vec<i8>,
    weekdays: Vec<i8>,
    /// Whether a day of the month or a day of the week is enough.
    either: bool,
    text: String,
    zone: TimeZone,
}

/// One field of an expression.
struct Field {
    name: &'static str,
    low: i8,
    high: i8,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of the month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    field("day of the week", 0, 7, &WEEKDAYS),
];

const fn field(name: &'static str, low: i8, high: i8, names: &'static [&'static str]) -> Field {
    Field {
        name,
        low,
        high,
        names,
    }
}

impl Cron {
    /// Reads an expression, or says what is wrong with it.
    pub(crate) fn new(text: &str, zone: &str) -> Result<Cron, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(format!(
                "`{text}` has {} fields, expected 5: minute, hour, day of the month, month, day of the week",
                words.len()
            ));
        };
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("no time zone `{zone}` on this machine, expected a name like `UTC` or `Europe/Berlin`")
        })?;
        let mut weekdays = FIELDS[4].read(weekday)?;
        // Sunday is 0, and 7 too.
        for day in &mut weekdays {
            *day %= 7;
        }
        let cron = Cron {
            minutes: FIELDS[0].read(minute)?,
            hours: FIELDS[1].read(hour)?,
            days: FIELDS[2].read(day)?,
            months: FIELDS[3].read(month)?,
            weekdays,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
            text: words.join(" "),
            zone,
        };
        match cron.next(0) {
            Some(_) => Ok(cron),
            None => Err(format!("`{text}` names a day that never comes")),
        }
    }

    /// Returns the first time after another, both in milliseconds since 1970.
    pub(crate) fn next(&self, after: i64) -> Option<i64> {
        let last = Timestamp::from_millisecond(after).ok()?;
        let begin = last.to_zoned(self.zone.clone()).date();
        let mut day = begin.checked_sub(OVERLAP_DAYS.days()).ok()?;
        for _ in 0..DAYS_MAX {
            if self.has(day) {
                let times = self.hours.iter().flat_map(|hour| {
                    let of_hour = self.minutes.iter();
                    of_hour.filter_map(|minute| self.instant(day, *hour, *minute))
                });
                // Clocks that changed may turn the order round.
                if let Some(next) = times.filter(|time| *time > last).min() {
                    return Some(next.as_millisecond());
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn has(&self, day: Date) -> bool {
        if !self.months.contains(&day.month()) {
            return false;
        }
        let of_month = self.days.contains(&day.day());
        let weekday = day.weekday().to_sunday_zero_offset();
        let of_week = self.weekdays.contains(&weekday);
        if self.either {
            of_month || of_week
        } else {
            of_month && of_week
        }
    }

    fn instant(&self, day: Date, hour: i8, minute: i8) -> Option<Timestamp> {
        let time = Time::new(hour, minute, 0, 0).ok()?;
        let local = DateTime::from_parts(day, time);
        let zoned = self.zone.to_ambiguous_zoned(local).compatible().ok()?;
        Some(zoned.timestamp())
    }
}

impl std::fmt::Display for Cron {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(out, "{} {zone}", self.text)
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<Vec<i8>, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            all.extend(self.part(part)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Reads `*`, `a`, `a-b`, each perhaps with `/step`.
    fn part(&self, part: &str) -> Result<Vec<i8>, String> {
        let wrong = || {
            let (name, low, high) = (self.name, self.low, self.high);
            format!("`{part}` is no {name}: expected {low} to {high}, `*`, `a-b` or `a-b/step`")
        };
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse().map_err(|_| wrong())?)),
            None => (part, None),
        };
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((low, high)) => (self.number(low), self.number(high)),
            // `5/10` begins at 5 and has no end, `5` is alone.
            None if step.is_some() => (self.number(range), self.high),
            None => (self.number(range), self.number(range)),
        };
        let step: usize = step.unwrap_or(1);
        if low < self.low || high > self.high || low > high || step == 0 {
            return Err(wrong());
        }
        Ok((low..=high).step_by(step).collect())
    }

    /// Returns the number of a word, -1 for none.
    fn number(&self, word: &str) -> i8 {
        let name = word.to_ascii_lowercase();
        let named = self.names.iter().position(|one| *one == name);
        let first = self.low;
        match named {
            Some(at) => first + at as i8,
            None if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().unwrap_or(-1),
            None => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the next times, as the clock on the wall shows them.
    fn next(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::new(text, zone).unwrap();
        let mut at = after.parse::<Timestamp>().unwrap().as_millisecond();
        let times = (0..count).map(|_| {
            at = cron.next(at).unwrap();
            let time = Timestamp::from_millisecond(at).unwrap();
            let shown = time.to_zoned(cron.zone.clone());
            shown.strftime("%Y-%m-%d %H:%M%:z").to_string()
        });
        times.collect()
    }

    #[test]
    fn fields_lists_ranges_steps_and_names() {
        for (text, after, expected) in [
            (
                "0 3 * * *",
                "2026-11-22T02:59:59Z",
                "2026-11-22 03:00+00:00",
            ),
            (
                "0 3 * * *",
                "2026-11-22T03:00:00Z",
                "2026-11-23 03:00+00:00",
            ),
            (
                "*/20 1-2,5 * * *",
                "2026-11-22T02:40:00Z",
                "2026-11-22 05:00+00:00",
            ),
            (
                "50/5 * * * *",
                "2026-11-22T00:00:00Z",
                "2026-11-22 00:50+00:00",
            ),
            (
                "0 0 1 JAN *",
                "2026-11-22T00:00:00Z",
                "2027-01-01 00:00+00:00",
            ),
            (
                "0 0 29 2 *",
                "2026-11-22T00:00:00Z",
                "2028-02-29 00:00+00:00",
            ),
            (
                "0 0 * * 7",
                "2026-11-22T00:00:00Z",
                "2026-11-29 00:00+00:00",
            ),
            (
                "0 0 * * mon-fri",
                "2026-11-21T00:00:00Z",
                "2026-11-23 00:00+00:00",
            ),
            // Either day is enough where both are restricted.
            (
                "0 0 13 * fri",
                "2026-11-22T00:00:00Z",
                "2026-11-27 00:00+00:00",
            ),
            (
                "0 0 13 * fri",
                "2026-12-11T00:00:00Z",
                "2026-12-13 00:00+00:00",
            ),
            (
                "0 0 29 2 */7",
                "2026-11-22T00:00:00Z",
                "2032-02-29 00:00+00:00",
            ),
        ] {
            assert_eq!(next(text, "UTC", after, 1), [expected], "{text}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_comes_once_when_they_have_changed() {
        let after = "2026-03-28T12:00:00Z";
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", after, 2),
            ["2026-03-29 03:30+02:00", "2026-03-30 02:30+02:00"]
        );
        // 2:30 and 3:30 are the same moment on that day.
        assert_eq!(
            next("30 1-3 * * *", "Europe/Berlin", after, 3),
            [
                "2026-03-29 01:30+01:00",
                "2026-03-29 03:30+02:00",
                "2026-03-30 01:30+02:00"
            ]
        );
        // A whole day that never was.
        assert_eq!(
            next("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 1),
            ["2011-12-31 12:00+14:00"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_is_taken_the_first_time() {
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"]
        );
        // Also where one looks between the two.
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1),
            ["2026-10-26 02:30+01:00"]
        );
    }

    #[test]
    fn what_is_no_expression_is_said() {
        for (text, found) in [
            ("0 3 * *", "has 4 fields, expected 5"),
            ("60 3 * * *", "`60` is no minute: expected 0 to 59"),
            ("0 3-1 * * *", "`3-1` is no hour"),
            ("0 3 0 * *", "`0` is no day of the month"),
            ("0 3 * 13 *", "`13` is no month"),
            ("0 3 * * 8", "`8` is no day of the week"),
            ("*/0 3 * * *", "`*/0` is no minute"),
            ("+1 3 * * *", "`+1` is no minute"),
            ("@daily", "has 1 fields"),
            ("0 0 31 2 *", "names a day that never comes"),
            ("0 0 ,1 * *", "`` is no day of the month"),
        ] {
            let why = Cron::new(text, "UTC").unwrap_err();
            assert!(why.contains(found), "{text}: {why}");
        }
        let why = Cron::new("0 3 * * *", "Europe/Nowhere").unwrap_err();
        assert!(why.contains("no time zone `Europe/Nowhere`"), "{why}");
    }
}

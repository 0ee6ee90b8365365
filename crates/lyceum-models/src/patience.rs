//! How often and how long a failed attempt is waited for.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::mpsc,
    time::{Duration, SystemTime},
};

use crate::{
    error::{ErrorKind, ModelError},
    model::Cancel,
    transport::Head,
};

/// How often a turn is tried and how long is waited in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Most attempts of a turn, the first included.
    pub attempts_max: u32,
    /// The first wait, at most; each further one may be twice as long.
    pub first: Duration,
    /// No own wait is longer.
    pub most: Duration,
    /// If a server asks for a longer wait than this, the turn fails and tells the caller, who has better to do.
    pub asked_most: Duration,
}

impl Default for Patience {
    /// Five attempts, 2 s to 60 s, and 5 min if asked.
    fn default() -> Self {
        Self {
            attempts_max: 5,
            first: Duration::from_secs(2),
            most: Duration::from_mins(1),
            asked_most: Duration::from_mins(5),
        }
    }
}

/// Time and chance, so that tests need neither.
pub trait Pace: Send + Sync {
    /// Waits, or fails with [`ErrorKind::Cancelled`].
    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<(), ErrorKind>;
    /// Returns a number from 0 to below 1.
    fn chance(&self) -> f64;
}

/// The machine's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPace;

impl Pace for SystemPace {
    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<(), ErrorKind> {
        let (sender, woken) = mpsc::channel();
        let _waiting = cancel.on_cancel(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(());
        });
        // Times out after the wait, unless it is woken.
        let _ = woken.recv_timeout(time);
        cancel.check()
    }

    fn chance(&self) -> f64 {
        // Seeded by the system for each one. 53 bits make a fraction.
        let bits = RandomState::new().build_hasher().finish() >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

/// Does not wait at all: for replays.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPace;

impl Pace for NoPace {
    fn wait(&self, _: Duration, cancel: &Cancel) -> Result<(), ErrorKind> {
        cancel.check()
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

impl Patience {
    /// Returns the same with at most so many attempts. The first is the budget's to refuse.
    pub(crate) fn within(self, attempts_max: Option<u32>) -> Self {
        Self {
            attempts_max: self.attempts_max.min(attempts_max.unwrap_or(u32::MAX)),
            ..self
        }
    }

    /// Returns how long to wait after so many failed attempts; nothing if there is to be no other.
    ///
    /// Half of the wait is fixed and half is drawn, so that many who failed at once do not come back at once. What a
    /// server asks for is kept, with up to a tenth more.
    pub(crate) fn wait(
        &self,
        error: &ModelError,
        failed: u32,
        pace: &dyn Pace,
    ) -> Option<Duration> {
        if !error.is_retryable() || failed >= self.attempts_max {
            return None;
        }
        let chance = pace.chance().clamp(0.0, 1.0);
        let doubled = 1_u32
            .checked_shl(failed.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let own = self.first.saturating_mul(doubled).min(self.most);
        let own = own.mul_f64(0.5 + chance / 2.0);
        match error.retry_after {
            Some(asked) if asked > self.asked_most => None,
            Some(asked) => Some(own.max(asked.mul_f64(1.0 + chance / 10.0))),
            None => Some(own),
        }
    }
}

/// Returns how long a server asks to wait: in milliseconds or seconds, or until a date.
pub(crate) fn retry_after(head: &Head, now: SystemTime) -> Option<Duration> {
    let millis = head
        .header("retry-after-ms")
        .and_then(|text| text.trim().parse().ok());
    if let Some(millis) = millis.and_then(|millis: f64| seconds(millis / 1e3)) {
        return Some(millis);
    }
    let text = head.header("retry-after")?.trim();
    if let Ok(found) = text.parse::<f64>() {
        return seconds(found);
    }
    let until = date(text)?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(until).saturating_sub(now))
}

fn seconds(found: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(found).ok()
}

/// Reads the date of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), as seconds since 1970.
fn date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|day| (1..=31).contains(day))?;
    let month = words.next().filter(|word| word.len() == 3)?;
    let month = (MONTHS.find(month).filter(|at| at % 3 == 0)? / 3) as u64 + 1;
    let year: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut part = |most| clock.next()?.ok().filter(|part| *part <= most);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    if words.next() != Some("GMT") {
        return None;
    }
    // Days before a date of the Gregorian calendar; years begin in March, so that leap days end them.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let since = days.checked_sub(719_468)?;
    Some(since * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);

    impl Pace for Fixed {
        fn wait(&self, _: Duration, _: &Cancel) -> Result<(), ErrorKind> {
            Ok(())
        }

        fn chance(&self) -> f64 {
            self.0
        }
    }

    fn error(kind: ErrorKind, retry_after: Option<u64>) -> ModelError {
        ModelError {
            retry_after: retry_after.map(Duration::from_secs),
            ..ModelError::new(kind)
        }
    }

    fn overloaded() -> ErrorKind {
        ErrorKind::Overloaded {
            status: 529,
            words: String::new(),
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_differ_by_chance() {
        let patience = Patience {
            attempts_max: 40,
            ..Patience::default()
        };
        let wait = |failed, chance| {
            let wait = patience.wait(&error(overloaded(), None), failed, &Fixed(chance));
            wait.unwrap().as_millis()
        };
        let fixed = [1, 2, 3, 4, 5, 6, 39].map(|failed| wait(failed, 0.0));
        assert_eq!(fixed, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(wait(1, 0.5), 1500);
        assert!(wait(1, 0.999) < 2000);
    }

    #[test]
    fn what_a_server_asks_for_is_kept_or_left_to_the_caller() {
        let patience = Patience::default();
        let wait = |asked| patience.wait(&error(overloaded(), Some(asked)), 1, &Fixed(0.0));
        assert_eq!(wait(30), Some(Duration::from_secs(30)));
        assert_eq!(wait(0), Some(Duration::from_secs(1)));
        assert_eq!(wait(301), None);
    }

    #[test]
    fn what_cannot_succeed_is_not_tried_again() {
        let patience = Patience::default();
        let unauthorized = ErrorKind::Unauthorized {
            status: 401,
            words: String::new(),
        };
        assert_eq!(
            patience.wait(&error(unauthorized, None), 1, &Fixed(0.0)),
            None
        );
        assert_eq!(
            patience.wait(&error(overloaded(), None), 5, &Fixed(0.0)),
            None
        );
    }

    #[test]
    fn servers_ask_in_three_ways() {
        let head = |name: &str, value: &str| Head {
            status: 429,
            headers: vec![(name.to_owned(), value.to_owned())],
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let ask = |name, value| retry_after(&head(name, value), now);
        assert_eq!(ask("retry-after", "30"), Some(Duration::from_secs(30)));
        assert_eq!(ask("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(
            ask("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        let date = |text| ask("retry-after", text);
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(
            date("Sun, 06 Nov 1994 08:50:07 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            date("Tue, 29 Feb 2028 00:00:00 GMT"),
            Some(Duration::from_secs(1_835_395_200 - 784_111_777))
        );
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        for text in [
            "soon",
            "-5",
            "nan",
            "inf",
            "1e99",
            "Sun, 06 Nov 1994",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}

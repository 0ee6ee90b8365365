//! From data to places on an axis, and where its ticks stand.

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Where, in data units.
    pub(crate) value: f64,
    /// What is written there.
    pub(crate) label: String,
}

/// The range of an axis and how it is spread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

/// Most ticks on one axis, whatever the range.
const TICKS_MAX: usize = 40;

impl Scale {
    /// Returns a linear scale; an empty or unusable range is widened.
    pub(crate) fn linear(low: f64, high: f64) -> Scale {
        let (low, high) = ordered(low, high).unwrap_or((0.0, 1.0));
        let (low, high) = if high - low > low.abs().max(high.abs()) * 1e-12 {
            (low, high)
        } else {
            let pad = if low == 0.0 { 0.5 } else { low.abs() * 0.05 };
            (low - pad, high + pad)
        };
        Scale {
            low,
            high,
            log: false,
        }
    }

    /// Returns a logarithmic scale; falls back to a linear one when the range is not above zero.
    pub(crate) fn log(low: f64, high: f64) -> Scale {
        match ordered(low, high) {
            Some((low, high)) if low > 0.0 && high / low > 1.0 + 1e-9 => Scale {
                low,
                high,
                log: true,
            },
            _ => Scale::linear(low, high),
        }
    }

    /// Returns the scale with some room on both sides, as a share of its length.
    pub(crate) fn padded(self, share: f64) -> Scale {
        if self.log {
            let factor = (self.high / self.low).powf(share);
            Scale {
                low: self.low / factor,
                high: self.high * factor,
                ..self
            }
        } else {
            let pad = (self.high - self.low) * share;
            Scale {
                low: self.low - pad,
                high: self.high + pad,
                ..self
            }
        }
    }

    /// Returns where a value stands: 0 at the low end, 1 at the high end. Values outside stand at the nearer end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }

    /// Tells whether the scale is logarithmic.
    pub(crate) fn is_log(&self) -> bool {
        self.log
    }

    /// Tells whether a value lies on the axis.
    pub(crate) fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Returns the low end.
    pub(crate) fn low(&self) -> f64 {
        self.low
    }

    /// Returns the high end.
    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    /// Returns about so many ticks at round values.
    pub(crate) fn ticks(&self, about: usize, whole: bool) -> Vec<Tick> {
        let about = about.clamp(2, TICKS_MAX);
        if self.log {
            let ticks = self.log_ticks(about);
            if ticks.len() >= 2 {
                return ticks;
            }
        }
        let step = nice_step((self.high - self.low) / about as f64);
        let step = if whole { step.max(1.0).round() } else { step };
        let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 12.0) as u8;
        let first = (self.low / step - 1e-9).ceil();
        (0..TICKS_MAX)
            .map(|index| (first + index as f64) * step)
            .take_while(|value| *value <= self.high + step * 1e-9)
            .map(|value| Tick {
                value,
                label: crate::format::decimals(value, decimals),
            })
            .collect()
    }

    fn log_ticks(&self, about: usize) -> Vec<Tick> {
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let inside =
            |value: &f64| *value >= self.low * 0.999_999 && *value <= self.high * 1.000_001;
        let at = |multiples: &[f64], every: usize| -> Vec<Tick> {
            (first..=last)
                .step_by(every)
                .flat_map(|power| multiples.iter().map(move |m| m * 10_f64.powi(power)))
                .filter(inside)
                .map(|value| Tick {
                    value,
                    label: power_label(value),
                })
                .collect()
        };
        let full = at(&[1.0, 2.0, 5.0], 1);
        if full.len() <= about {
            return full;
        }
        let mut every = 1;
        let mut ticks = at(&[1.0], every);
        while ticks.len() > about {
            every += 1;
            ticks = at(&[1.0], every);
        }
        ticks
    }
}

fn ordered(low: f64, high: f64) -> Option<(f64, f64)> {
    (low.is_finite() && high.is_finite()).then(|| (low.min(high), low.max(high)))
}

fn nice_step(raw: f64) -> f64 {
    let raw = if raw.is_finite() && raw > 0.0 {
        raw
    } else {
        1.0
    };
    let size = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|m| raw <= m * size * 1.000_001);
    step.unwrap_or(10.0) * size
}

fn power_label(value: f64) -> String {
    if (0.000_99..99_999.0).contains(&value) {
        let decimals = (-(value * 1.000_001).log10().floor()).clamp(0.0, 3.0) as u8;
        crate::format::decimals(value, decimals)
    } else {
        let text = format!("{value:.0e}");
        text.replace("e-", "e\u{2212}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, about: usize) -> Vec<String> {
        scale
            .ticks(about, false)
            .into_iter()
            .map(|tick| tick.label)
            .collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Scale::linear(1.87, 2.46), 6),
            ["1.9", "2.0", "2.1", "2.2", "2.3", "2.4"]
        );
        assert_eq!(
            labels(&Scale::linear(-1.0, 1.0), 4),
            ["\u{2212}1.0", "\u{2212}0.5", "0.0", "0.5", "1.0"]
        );
        assert_eq!(
            labels(&Scale::log(1e-4, 1e-1), 4),
            ["1e\u{2212}4", "0.001", "0.01", "0.1"]
        );
        assert_eq!(labels(&Scale::log(16.0, 128.0), 6), ["20", "50", "100"]);
    }

    #[test]
    fn no_range_breaks_a_scale() {
        for (low, high) in [
            (0.0, 0.0),
            (3.0, 3.0),
            (f64::NAN, 1.0),
            (5.0, -5.0),
            (0.0, f64::INFINITY),
            (-1.0, 1e300),
        ] {
            for scale in [Scale::linear(low, high), Scale::log(low, high)] {
                let ticks = scale.ticks(5, false);
                assert!(
                    !ticks.is_empty() && ticks.len() <= TICKS_MAX,
                    "{low} {high}"
                );
                assert!(ticks.iter().all(|tick| tick.value.is_finite()));
                assert!((0.0..=1.0).contains(&scale.place(low)));
                assert!((0.0..=1.0).contains(&scale.place(f64::NAN)));
            }
        }
    }
}

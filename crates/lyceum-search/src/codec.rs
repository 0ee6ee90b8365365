//! Settings as numbers.
//!
//! A point of the space is a list of *levels*, one per knob in the order of the space: the value of a float or an
//! integer, the index of a choice, 0 or 1 for a switch, `None` for a knob that is not active. Sampling works on *unit*
//! coordinates in `[0, 1]`, one per knob; the model sees *features*, where a choice of three or more is one-hot.

use lyceum_types::{Knob, KnobKind, Scale, Setting, Settings, Space};

/// One level per knob.
pub(crate) type Levels = Vec<Option<f64>>;

/// Translates between settings, levels, unit coordinates and features.
pub(crate) struct Codec<'a> {
    space: &'a Space,
    columns: Vec<Column>,
    features: usize,
}

struct Column {
    axis: Axis,
    parent: Option<Parent>,
}

/// The knob that switches this one on, and the levels at which it does.
struct Parent {
    column: usize,
    levels: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Axis {
    Float { low: f64, high: f64, log: bool },
    Integer { low: f64, high: f64, log: bool },
    Choice { count: usize },
}

impl<'a> Codec<'a> {
    pub(crate) fn new(space: &'a Space) -> Codec<'a> {
        let columns: Vec<Column> = space
            .knobs()
            .iter()
            .map(|knob| Column {
                axis: Axis::of(&knob.kind),
                parent: parent(space, knob),
            })
            .collect();
        let features = columns.iter().map(|column| column.axis.features()).sum();
        Codec {
            space,
            columns,
            features,
        }
    }

    /// Returns the number of knobs.
    pub(crate) fn knobs(&self) -> usize {
        self.columns.len()
    }

    /// Returns the number of features.
    pub(crate) fn features(&self) -> usize {
        self.features
    }

    pub(crate) fn space(&self) -> &'a Space {
        self.space
    }

    /// Returns how many values a knob takes; `None` for a float.
    pub(crate) fn count(&self, column: usize) -> Option<u64> {
        self.space.knobs()[column].kind.count()
    }

    /// Tells whether a knob's values have no order.
    pub(crate) fn is_choice(&self, column: usize) -> bool {
        matches!(self.columns[column].axis, Axis::Choice { .. })
    }

    /// Returns the width of one value of a knob in unit coordinates; 0 for a float.
    pub(crate) fn cell(&self, column: usize) -> f64 {
        match self.columns[column].axis {
            Axis::Float { .. } => 0.0,
            Axis::Integer { low, high, .. } => 1.0 / (high - low + 1.0),
            Axis::Choice { count } => 1.0 / count as f64,
        }
    }

    /// Returns how many features a knob has.
    pub(crate) fn width(&self, column: usize) -> usize {
        self.columns[column].axis.features()
    }

    /// Tells whether a knob is active under the levels of the knobs before it.
    pub(crate) fn is_active(&self, column: usize, before: &[Option<f64>]) -> bool {
        self.columns[column].parent.as_ref().is_none_or(|parent| {
            before[parent.column].is_some_and(|level| parent.levels.contains(&level))
        })
    }

    /// Returns the nearest level of a knob to a unit coordinate; equal parts of `[0, 1]` for equal steps of its scale.
    pub(crate) fn level(&self, column: usize, unit: f64) -> f64 {
        self.columns[column].axis.level(unit)
    }

    /// Returns the coordinate of a number on a knob's scale, below 0 and above 1 beyond the bounds; `None` where the scale
    /// does not hold it.
    pub(crate) fn place(&self, column: usize, number: f64) -> Option<f64> {
        self.columns[column].axis.place(number)
    }

    /// Returns which of a knob's choices a value is.
    pub(crate) fn choice(&self, column: usize, value: &Setting) -> Option<usize> {
        let level = level_of(&self.space.knobs()[column].kind, value)?;
        self.is_choice(column).then_some(level as usize)
    }

    /// Returns the `index`-th value of a knob that takes finitely many.
    pub(crate) fn nth(&self, column: usize, index: u64) -> f64 {
        match self.columns[column].axis {
            Axis::Integer { low, .. } => low + index as f64,
            Axis::Float { low, .. } => low,
            Axis::Choice { .. } => index as f64,
        }
    }

    /// Returns the point at these unit coordinates, with knobs off where their condition is not met.
    pub(crate) fn point(&self, unit: &[f64]) -> Levels {
        let mut levels = Levels::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let active = self.is_active(index, &levels);
            levels.push(active.then(|| column.axis.level(unit[index])));
        }
        levels
    }

    /// Returns the unit coordinates of a point; 0.5 where a knob is not active.
    pub(crate) fn unit(&self, levels: &[Option<f64>]) -> Vec<f64> {
        let both = self.columns.iter().zip(levels);
        both.map(|(column, level)| level.map_or(0.5, |level| column.axis.unit(level)))
            .collect()
    }

    /// Appends the features of a point: numbers in `[0, 1]`, one-hot choices, the neutral middle for inactive knobs.
    pub(crate) fn push_features(&self, levels: &[Option<f64>], out: &mut Vec<f64>) {
        for (column, level) in self.columns.iter().zip(levels) {
            match (column.axis, level) {
                (Axis::Choice { count }, Some(level)) if count > 2 => {
                    out.extend((0..count).map(|index| f64::from(index == *level as usize)));
                }
                (Axis::Choice { count }, None) if count > 2 => {
                    out.extend((0..count).map(|_| 1.0 / count as f64));
                }
                (Axis::Choice { count }, Some(level)) => {
                    out.push(if count == 2 { *level } else { 0.5 });
                }
                (axis, Some(level)) => out.push(axis.unit(*level)),
                (_, None) => out.push(0.5),
            }
        }
    }

    /// Returns the levels of settings; `None` when they are not in the space.
    pub(crate) fn levels(&self, settings: &Settings) -> Option<Levels> {
        self.space.check(settings).ok()?;
        let knobs = self.space.knobs().iter();
        Some(
            knobs
                .map(|knob| {
                    settings
                        .get(&knob.name)
                        .and_then(|value| level_of(&knob.kind, value))
                })
                .collect(),
        )
    }

    /// Returns the settings at these levels, floats rounded to what a person would write (a relative or, on a linear
    /// scale, range-relative 1e-5).
    pub(crate) fn settings(&self, levels: &[Option<f64>]) -> Settings {
        let mut settings = Settings::new();
        for (knob, level) in self.space.knobs().iter().zip(levels) {
            if let Some(level) = level {
                settings.insert(knob.name.clone(), setting_of(&knob.kind, *level));
            }
        }
        settings
    }

    /// Returns the value of a knob at a unit coordinate.
    pub(crate) fn setting(&self, column: usize, unit: f64) -> Setting {
        setting_of(&self.space.knobs()[column].kind, self.level(column, unit))
    }

    /// Returns these levels with floats rounded as [`Codec::settings`] writes them.
    pub(crate) fn tidy(&self, levels: &[Option<f64>]) -> Levels {
        let both = self.space.knobs().iter().zip(levels);
        both.map(|(knob, level)| match (&knob.kind, level) {
            (KnobKind::Float { low, high, scale }, Some(level)) => {
                Some(tidy(*level, *low, *high, *scale))
            }
            (_, level) => *level,
        })
        .collect()
    }
}

impl Axis {
    fn of(kind: &KnobKind) -> Axis {
        match kind {
            KnobKind::Float { low, high, scale } => Axis::Float {
                low: *low,
                high: *high,
                log: *scale == Scale::Log,
            },
            KnobKind::Integer { low, high, scale } => Axis::Integer {
                low: *low as f64,
                high: *high as f64,
                log: *scale == Scale::Log,
            },
            KnobKind::Categorical { choices } => Axis::Choice {
                count: choices.len(),
            },
            KnobKind::Boolean => Axis::Choice { count: 2 },
        }
    }

    fn features(self) -> usize {
        match self {
            Axis::Choice { count } if count > 2 => count,
            Axis::Choice { .. } | Axis::Float { .. } | Axis::Integer { .. } => 1,
        }
    }

    fn level(self, unit: f64) -> f64 {
        match self {
            Axis::Float { low, high, log } => between(low, high, log, unit).clamp(low, high),
            // Half a step beyond each end, so that every whole number owns a full cell.
            Axis::Integer { low, high, log } => {
                let value = between(low - 0.5, high + 0.5, log, unit);
                value.round().clamp(low, high)
            }
            Axis::Choice { count } => (unit * count as f64).floor().clamp(0.0, (count - 1) as f64),
        }
    }

    fn place(self, number: f64) -> Option<f64> {
        let (low, high, log) = match self {
            Axis::Float { low, high, log } => (low, high, log),
            Axis::Integer { low, high, log } => (low - 0.5, high + 0.5, log),
            Axis::Choice { .. } => return None,
        };
        let place = share(low, high, log, number);
        place.is_finite().then_some(place)
    }

    fn unit(self, level: f64) -> f64 {
        match self {
            Axis::Float { low, high, log } => fraction(low, high, log, level),
            Axis::Integer { low, high, log } => fraction(low - 0.5, high + 0.5, log, level),
            Axis::Choice { count } => (level + 0.5) / count as f64,
        }
    }
}

fn between(low: f64, high: f64, log: bool, unit: f64) -> f64 {
    if log {
        (low.ln() + unit * (high.ln() - low.ln())).exp()
    } else {
        low * (1.0 - unit) + high * unit
    }
}

fn fraction(low: f64, high: f64, log: bool, value: f64) -> f64 {
    share(low, high, log, value).clamp(0.0, 1.0)
}

fn share(low: f64, high: f64, log: bool, value: f64) -> f64 {
    if log {
        (value.ln() - low.ln()) / (high.ln() - low.ln())
    } else {
        // Halved, so that bounds near the greatest double do not overflow.
        (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
    }
}

fn parent(space: &Space, knob: &Knob) -> Option<Parent> {
    let condition = knob.condition.as_ref()?;
    let column = space
        .knobs()
        .iter()
        .position(|other| other.name == condition.knob)?;
    let kind = &space.knobs()[column].kind;
    let levels = condition.is.iter();
    Some(Parent {
        column,
        levels: levels.filter_map(|value| level_of(kind, value)).collect(),
    })
}

fn level_of(kind: &KnobKind, value: &Setting) -> Option<f64> {
    match (kind, value) {
        (KnobKind::Categorical { choices }, _) => choices
            .iter()
            .position(|choice| choice == value)
            .map(|index| index as f64),
        (KnobKind::Boolean, Setting::Boolean(on)) => Some(f64::from(*on)),
        (KnobKind::Boolean, _) => None,
        (KnobKind::Float { .. } | KnobKind::Integer { .. }, _) => value.number(),
    }
}

fn setting_of(kind: &KnobKind, level: f64) -> Setting {
    match kind {
        KnobKind::Float { low, high, scale } => Setting::Float(tidy(level, *low, *high, *scale)),
        // A cast saturates, so the bounds hold at the ends of i64 too.
        KnobKind::Integer { low, high, .. } => Setting::Integer((level as i64).clamp(*low, *high)),
        KnobKind::Categorical { choices } => choices[level as usize].clone(),
        KnobKind::Boolean => Setting::Boolean(level > 0.5),
    }
}

/// Rounds to five significant digits on a log scale, to a decimal step below 1e-5 of the range on a linear one.
fn tidy(value: f64, low: f64, high: f64, scale: Scale) -> f64 {
    if value <= low || value >= high {
        return value.clamp(low, high);
    }
    let finest = match scale {
        Scale::Log => value.abs() * 1e-4,
        Scale::Linear => (high / 2.0 - low / 2.0) * 2e-5,
    };
    let digits = -finest.log10().floor();
    let rounded = if digits > 0.0 {
        format!("{value:.*}", (digits as usize).min(320))
            .parse()
            .unwrap_or(value)
    } else {
        let step = 10_f64.powf(-digits);
        (value / step).round() * step
    };
    rounded.clamp(low, high)
}

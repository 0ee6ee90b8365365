//! Packings as whole multiples of 10⁻¹⁸: text, exact feasibility, sum rounded down.
//!
//! All products stay below 2¹²⁷: coordinates and radii are at most 10¹⁸, so a squared distance is at
//! most 2·10³⁶.

use std::fmt;

use super::{CIRCLES, Configuration};

/// Decimals that a number may have, and that are written.
pub const DECIMALS: usize = 18;

/// One side of the square in units.
pub const ONE: i128 = 1_000_000_000_000_000_000;

/// Longest text of a packing: three numbers of 20 characters and separators on 26 lines, twice over.
pub const TEXT_BYTES_MAX: usize = 2 * CIRCLES * 64;

/// A circle in units of 10⁻¹⁸ sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle {
    /// Centre, from the left.
    pub x: i128,
    /// Centre, from the bottom.
    pub y: i128,
    /// Radius.
    pub r: i128,
}

/// Twenty-six circles that lie in the unit square and do not overlap, exactly. Touching is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    circles: [Circle; CIRCLES],
}

/// Why something is not a packing. Circles and lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The text is longer than any packing.
    #[error("the text has more than {TEXT_BYTES_MAX} bytes, expected {CIRCLES} lines `x y r`")]
    TooLong,
    /// The text is not ASCII.
    #[error("byte {offset} is not ASCII, expected digits, points, blanks and newlines")]
    NotAscii {
        /// Offset of the first such byte.
        offset: usize,
    },
    /// The number of lines is wrong.
    #[error("expected {CIRCLES} lines `x y r`, found: {found}")]
    Count {
        /// Lines in the text.
        found: usize,
    },
    /// A line has not three fields.
    #[error("line {line}: expected three numbers `x y r`, found: {found}")]
    Fields {
        /// The line.
        line: usize,
        /// Fields in it.
        found: usize,
    },
    /// A field is not a plain decimal number.
    #[error(
        "line {line}: expected a decimal number from 0 to 1 with at most {DECIMALS} decimals and no sign or exponent, found: {found}"
    )]
    Number {
        /// The line.
        line: usize,
        /// The field, shortened.
        found: String,
    },
    /// A radius is zero.
    #[error("circle {circle}: the radius must be above 0")]
    Radius {
        /// The circle.
        circle: usize,
    },
    /// A circle leaves the square.
    #[error("circle {circle} leaves the square by {by}e-18")]
    Outside {
        /// The circle.
        circle: usize,
        /// The length outside, in units.
        by: i128,
    },
    /// Two circles overlap.
    #[error("circles {first} and {second} overlap by at least {by}e-18")]
    Overlap {
        /// One circle.
        first: usize,
        /// The other.
        second: usize,
        /// How far the sum of the radii exceeds the distance, in units, rounded up.
        by: i128,
    },
}

impl Packing {
    /// Returns the circles as a packing when they are one.
    pub fn new(circles: [Circle; CIRCLES]) -> Result<Self, Invalid> {
        for (k, circle) in circles.iter().enumerate() {
            if circle.r <= 0 {
                return Err(Invalid::Radius { circle: k + 1 });
            }
            let by = circle.r - wall(*circle);
            if by > 0 {
                return Err(Invalid::Outside { circle: k + 1, by });
            }
        }
        for (j, b) in circles.iter().enumerate() {
            for (i, a) in circles[..j].iter().enumerate() {
                let by = overlap(*a, *b);
                if by > 0 {
                    return Err(Invalid::Overlap {
                        first: i + 1,
                        second: j + 1,
                        by,
                    });
                }
            }
        }
        Ok(Self { circles })
    }

    /// Returns the packing nearest to a configuration: rounded, radii shrunk until it is feasible.
    ///
    /// Each overlap and each length outside comes off the radii, to the last unit. An error means
    /// that a centre lies outside the square or that a radius vanished.
    pub fn from_configuration(configuration: &Configuration) -> Result<Self, Invalid> {
        let mut circles = [Circle { x: 0, y: 0, r: 0 }; CIRCLES];
        for (i, circle) in circles.iter_mut().enumerate() {
            *circle = Circle {
                x: to_units(configuration[i]),
                y: to_units(configuration[CIRCLES + i]),
                r: to_units(configuration[2 * CIRCLES + i]),
            };
        }
        shrink(&mut circles);
        Self::new(circles)
    }

    /// Reads 26 lines `x y r`.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Invalid::TooLong);
        }
        if let Some(offset) = text.iter().position(|byte| !byte.is_ascii()) {
            return Err(Invalid::NotAscii { offset });
        }
        let text = String::from_utf8_lossy(text);
        let found = text.lines().count();
        if found != CIRCLES {
            return Err(Invalid::Count { found });
        }
        let mut circles = [Circle { x: 0, y: 0, r: 0 }; CIRCLES];
        for (k, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [x, y, r] = fields[..] else {
                return Err(Invalid::Fields {
                    line: k + 1,
                    found: fields.len(),
                });
            };
            circles[k] = Circle {
                x: parse_units(x, k + 1)?,
                y: parse_units(y, k + 1)?,
                r: parse_units(r, k + 1)?,
            };
        }
        Self::new(circles)
    }

    /// Returns the circles.
    pub fn circles(&self) -> &[Circle; CIRCLES] {
        &self.circles
    }

    /// Returns the sum of the radii, in units of 10⁻¹⁸.
    pub fn sum_units(&self) -> i128 {
        self.circles.iter().map(|circle| circle.r).sum()
    }

    /// Returns the largest `f64` that is not above the sum of the radii.
    pub fn sum_rounded_down(&self) -> f64 {
        let units = self.sum_units();
        let mut sum = units as f64 / ONE as f64;
        while !at_most(sum, units) {
            sum = sum.next_down();
        }
        while at_most(sum.next_up(), units) {
            sum = sum.next_up();
        }
        sum
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for circle in &self.circles {
            let [x, y, r] = [circle.x, circle.y, circle.r].map(decimal);
            writeln!(formatter, "{x} {y} {r}")?;
        }
        Ok(())
    }
}

/// Takes each length outside and each overlap off the radii; radii stay at least 0.
///
/// Reducing a radius never breaks another constraint, so one pass in any order is enough.
pub fn shrink(circles: &mut [Circle; CIRCLES]) {
    for circle in circles.iter_mut() {
        circle.r = circle.r.min(wall(*circle)).max(0);
    }
    for j in 0..CIRCLES {
        for i in 0..j {
            let by = overlap(circles[i], circles[j]);
            if by > 0 {
                // Split evenly, but no radius below 0: the other one pays the rest.
                let first = (by / 2).min(circles[i].r).max(by - circles[j].r);
                circles[i].r -= first;
                circles[j].r -= by - first;
            }
        }
    }
}

/// Returns the largest radius that the walls allow; negative when the centre is outside.
fn wall(circle: Circle) -> i128 {
    circle
        .x
        .min(ONE - circle.x)
        .min(circle.y)
        .min(ONE - circle.y)
}

/// Returns by how many units the radii exceed the distance of the centres, at most 0 when disjoint.
///
/// Radii are whole units, so `r + s ≤ √(d²)` exactly when `r + s ≤ ⌊√(d²)⌋`.
fn overlap(a: Circle, b: Circle) -> i128 {
    let (dx, dy) = (a.x - b.x, a.y - b.y);
    a.r + b.r - (dx * dx + dy * dy).isqrt()
}

/// Returns whether a finite, positive `value` is at most `units`·10⁻¹⁸, exactly.
fn at_most(value: f64, units: i128) -> bool {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 - 1075;
    let mantissa = i128::from(bits & ((1 << 52) - 1)) | (1 << 52);
    // A sum lies in [26e-18, 13], so the exponent is from -108 to -49; both sides stay below 2^115.
    debug_assert!((-112..=-45).contains(&exponent), "{value}");
    mantissa * ONE <= units << -exponent
}

/// Returns the nearest unit; numbers outside 0 to 1 go to the nearer end, NaN to 0.
fn to_units(value: f64) -> i128 {
    // Exact: a double in [0, 1] times 2^63 as an integer, then scaled with rounding.
    const SHIFT: u32 = 63;
    let scaled = (value.clamp(0.0, 1.0) * (1_u64 << SHIFT) as f64) as i128;
    (scaled * ONE + (1 << (SHIFT - 1))) >> SHIFT
}

fn decimal(units: i128) -> String {
    format!("{}.{:018}", units / ONE, units % ONE)
}

/// Reads a number from 0 to 1 written with digits and at most one point.
fn parse_units(field: &str, line: usize) -> Result<i128, Invalid> {
    let wrong = || Invalid::Number {
        line,
        found: field.chars().take(40).collect(),
    };
    let (whole, decimals) = field.split_once('.').unwrap_or((field, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || whole.len() > 1 || !digits(decimals) || decimals.len() > DECIMALS {
        return Err(wrong());
    }
    let padded = format!("{whole}{decimals:0<DECIMALS$}");
    let units: i128 = padded.parse().map_err(|_| wrong())?;
    if units > ONE { Err(wrong()) } else { Ok(units) }
}

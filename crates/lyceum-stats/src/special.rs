//! Distribution functions that the intervals need, and their inverses by bisection.

use std::f64::consts::PI;

/// Steps of a continued fraction or series; the arguments here converge in tens of steps.
const STEPS_MOST: usize = 10_000;
/// Halvings of a bracket; 200 reach neighbouring doubles from any finite bracket used here.
const HALVINGS: usize = 200;
/// Below this a denominator of Lentz's method is replaced by it.
const TINY: f64 = 1e-300;

/// Lanczos coefficients for g = 7, n = 9 (Godfrey, 2001).
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// Returns ln Γ(x) for x > 0 (Lanczos, 1964).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let base = x + 7.5;
    let series = LANCZOS
        .iter()
        .enumerate()
        .skip(1)
        .fold(LANCZOS[0], |sum, (i, c)| sum + c / (x + i as f64));
    0.5 * (2.0 * PI).ln() + (x + 0.5) * base.ln() - base + series.ln()
}

/// Returns the regularised incomplete beta function Iₓ(a, b) for a, b > 0.
///
/// Continued fraction 26.5.8 of Abramowitz and Stegun, by Lentz's method (Press et al., Numerical Recipes §6.4).
pub(crate) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for step in 1..STEPS_MOST {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// Returns the regularised lower incomplete gamma function P(a, x) for a > 0.
///
/// Series below a + 1, continued fraction above (Press et al., Numerical Recipes §6.2).
pub(crate) fn gamma_cdf(x: f64, a: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for step in 1..STEPS_MOST {
            term *= x / (a + step as f64);
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return front * sum;
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for step in 1..STEPS_MOST {
        let an = -(step as f64) * (step as f64 - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 - front * h
}

/// Returns the standard normal distribution function: (1 ± P(1/2, z²/2))/2.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * (1.0 + gamma_cdf(z * z / 2.0, 0.5).copysign(z))
}

/// Returns x with `cdf(x) = level` for an increasing `cdf`, by bisection from a bracket.
fn invert(cdf: impl Fn(f64) -> f64, level: f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if cdf(middle) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Returns a bound above which an increasing `cdf` has passed `level`.
fn bound_above(cdf: impl Fn(f64) -> f64, level: f64) -> f64 {
    let mut high = 1.0;
    while cdf(high) < level && high < 1e300 {
        high *= 2.0;
    }
    high
}

/// Returns the quantile of the beta distribution.
pub(crate) fn beta_quantile(level: f64, a: f64, b: f64) -> f64 {
    invert(|x| beta_cdf(x, a, b), level, 0.0, 1.0)
}

/// Returns the quantile of the chi-square distribution.
pub(crate) fn chi_square_quantile(level: f64, degrees: f64) -> f64 {
    let cdf = |x: f64| gamma_cdf(x / 2.0, degrees / 2.0);
    invert(cdf, level, 0.0, bound_above(cdf, level))
}

/// Returns t > 0 such that |T| exceeds t with probability `tails` under Student's distribution.
pub(crate) fn t_two_sided(tails: f64, degrees: f64) -> f64 {
    // Abramowitz and Stegun 26.7.1: P(|T| > t) = Iₓ(ν/2, 1/2) with x = ν/(ν + t²).
    let inside = |t: f64| 1.0 - beta_cdf(degrees / (degrees + t * t), degrees / 2.0, 0.5);
    let level = 1.0 - tails;
    invert(inside, level, 0.0, bound_above(inside, level))
}

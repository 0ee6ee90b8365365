//! Fixed number formatting: the same text for the same number everywhere.

use crate::number::Form;

/// Thin space that does not break, between groups of three digits.
const THIN: char = '\u{202f}';
/// The minus sign.
const MINUS: &str = "\u{2212}";

/// Writes a finite number in a form.
pub(crate) fn number(value: f64, form: Form) -> String {
    match form {
        Form::Decimals(digits) => decimals(value, digits),
        Form::Significant(digits) => significant(value, digits),
        Form::Count => grouped(value),
        Form::Milliseconds => milliseconds(value),
        Form::Bytes => bytes(value),
        Form::Percent => format!("{}\u{a0}%", decimals(value * 100.0, 0)),
    }
}

/// Writes a coordinate of a figure: at most two decimals, no trailing zeros, never `-0`.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

/// Writes with so many digits after the point and a true minus sign.
pub(crate) fn decimals(value: f64, digits: u8) -> String {
    let digits = usize::from(digits);
    let text = format!("{:.digits$}", value.abs());
    let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !zero {
        format!("{MINUS}{text}")
    } else {
        text
    }
}

/// Writes with so many significant digits; in powers of ten below 1e-4 and from 1e7 on.
pub(crate) fn significant(value: f64, digits: u8) -> String {
    let digits = digits.max(1);
    if value.fract() == 0.0 && value.abs() < 1e6 {
        return decimals(value, 0);
    }
    let written = format!("{:.*e}", usize::from(digits.saturating_sub(1)), value.abs());
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..7).contains(&power) {
        let after_point = (i32::from(digits) - 1 - power).clamp(0, 20);
        decimals(value, after_point as u8)
    } else {
        let sign = if value < 0.0 { MINUS } else { "" };
        format!("{sign}{mantissa}e{power}")
    }
}

fn grouped(value: f64) -> String {
    let text = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) && text.len() > 4 {
            out.push(THIN);
        }
        out.push(digit);
    }
    if value < 0.0 && text != "0" {
        out.insert_str(0, MINUS);
    }
    out
}

fn milliseconds(value: f64) -> String {
    let millis = value.abs();
    let text = if millis < 1e3 {
        format!("{millis:.0}\u{a0}ms")
    } else if millis < 1e4 {
        format!("{:.2}\u{a0}s", millis / 1e3)
    } else if millis < 9.95e4 {
        format!("{:.1}\u{a0}s", millis / 1e3)
    } else if millis < 6e6 {
        let seconds = (millis / 1e3).round();
        let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
        if rest < 0.5 {
            format!("{minutes:.0}\u{a0}min")
        } else {
            format!("{minutes:.0}\u{a0}min\u{a0}{rest:.0}\u{a0}s")
        }
    } else {
        let minutes = (millis / 6e4).round();
        let (hours, rest) = ((minutes / 60.0).floor(), minutes % 60.0);
        format!("{hours:.0}\u{a0}h\u{a0}{rest:02.0}\u{a0}min")
    };
    if value < 0.0 {
        format!("{MINUS}{text}")
    } else {
        text
    }
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = value.max(0.0);
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size < 100.0 && size.fract() != 0.0);
    format!("{size:.digits$}\u{a0}{}", units[unit])
}

/// Returns how many decimals a metric of this size needs so that its finest part (spread, distance to a limit) shows.
///
/// The finest part keeps two digits when they are between 10 and 35, one otherwise: the rule of the Particle Data
/// Group for uncertainties (Review of Particle Physics, introduction, §5.3).
pub(crate) fn metric_decimals(size: f64, finest: impl IntoIterator<Item = f64>) -> u8 {
    let usable = |size: &f64| size.is_finite() && *size > 0.0;
    let places = |part: f64| {
        let exponent = part.log10().floor();
        let two = part / 10_f64.powf(exponent) < 3.55;
        f64::from(u8::from(two)) - exponent
    };
    let least = if usable(&size) {
        2.0 - size.log10().floor()
    } else {
        3.0
    };
    let finest = finest.into_iter().map(f64::abs).filter(usable);
    finest.map(places).fold(least, f64::max).clamp(0.0, 6.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_one_way() {
        assert_eq!(decimals(-0.0001, 2), "0.00");
        assert_eq!(decimals(-1.5, 1), "\u{2212}1.5");
        assert_eq!(significant(0.000_012_34, 3), "1.23e-5");
        assert_eq!(significant(186.2, 3), "186");
        assert_eq!(significant(0.012_34, 2), "0.012");
        assert_eq!(significant(9.996, 3), "10.0");
        assert_eq!(grouped(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(1234.0), "1234");
        assert_eq!(milliseconds(340.0), "340\u{a0}ms");
        assert_eq!(milliseconds(432_000.0), "7\u{a0}min\u{a0}12\u{a0}s");
        assert_eq!(milliseconds(120_000.0), "2\u{a0}min");
        assert_eq!(bytes(1_572_864.0), "1.5\u{a0}MiB");
        assert_eq!(coordinate(-0.001), "0");
        assert_eq!(coordinate(12.50), "12.5");
        assert_eq!(number(0.684, Form::Percent), "68\u{a0}%");
    }

    #[test]
    fn decimals_follow_the_spread() {
        assert_eq!(metric_decimals(2.4, [0.0123]), 3);
        assert_eq!(metric_decimals(2.4, [0.0098]), 3);
        assert_eq!(metric_decimals(2.6, [0.0003]), 5);
        assert_eq!(metric_decimals(2.4, []), 2);
        assert_eq!(metric_decimals(0.0, [0.0]), 3);
    }
}

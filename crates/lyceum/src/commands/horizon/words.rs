//! Numbers and names as people read them.

use crate::view::words::clean;

/// Returns a length of time in the unit that people would use, with three digits.
pub(super) fn length(minutes: f64) -> String {
    let seconds = minutes * 60.0;
    match minutes {
        _ if seconds < 1e-3 => "< 1 ms".into(),
        _ if seconds < 59.95 => format!("{} s", three(seconds)),
        _ if minutes < 59.95 => format!("{} min", three(minutes)),
        _ if minutes < 600_000.0 => format!("{} h", three(minutes / 60.0)),
        _ => "> 10000 h".into(),
    }
}

/// Returns a number with three digits.
pub(super) fn three(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        large if large >= 99.95 => 0,
        large if large >= 9.995 => 1,
        large if large >= 0.9995 => 2,
        large if large >= 0.099_95 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// Returns a text of somebody else's, safe to print on one line.
pub(super) fn name(text: &str) -> String {
    clean(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Returns a length with its interval.
pub(super) fn with_interval(minutes: Option<f64>, interval: Option<(f64, f64)>) -> String {
    match (minutes, interval) {
        (None, _) => "—".into(),
        (Some(minutes), None) => length(minutes),
        (Some(minutes), Some((low, high))) => {
            format!("{} [{}, {}]", length(minutes), length(low), length(high))
        }
    }
}

/// Pads to a width in characters.
pub(super) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// Lays rows out in columns as wide as their widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| pad(cell, *width))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_three_digits_and_a_unit() {
        let lengths = [
            1e-9, 0.000_5, 0.017_479, 0.9, 1.016, 43.3, 59.99, 718.9, 3634.0, 1e12,
        ];
        let words = [
            "< 1 ms",
            "0.0300 s",
            "1.05 s",
            "54.0 s",
            "1.02 min",
            "43.3 min",
            "1.00 h",
            "12.0 h",
            "60.6 h",
            "> 10000 h",
        ];
        assert_eq!(lengths.map(length), words);
    }
}

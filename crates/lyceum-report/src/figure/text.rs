//! How much room a text takes, without a font at hand.

/// Returns the width of a text in a common sans-serif font, estimated from above.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(character).sum::<f64>() * size
}

fn character(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' | '\u{a0}' | '\u{202f}' => 0.33,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' | '/' | '"' => 0.40,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '→' | '…' => 0.95,
        'A'..='Z' | '−' | '+' | '=' | '±' | '≥' | '≤' => 0.72,
        '0'..='9' | '_' => 0.61,
        'a'..='z' => 0.60,
        other if other.is_ascii() => 0.62,
        _ => 1.0,
    }
}

/// Returns the places of labels that want to stand at `wanted`, moved so that they are `gap` apart and inside the range.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]).then(a.cmp(b)));
    let mut places = wanted.to_vec();
    let mut least = low;
    for index in &order {
        places[*index] = places[*index].max(least);
        least = places[*index] + gap;
    }
    let mut most = high;
    for index in order.iter().rev() {
        places[*index] = places[*index].min(most);
        most = places[*index] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_inside() {
        assert_eq!(
            spread(&[10.0, 11.0, 50.0], 14.0, 0.0, 100.0),
            [10.0, 24.0, 50.0]
        );
        assert_eq!(spread(&[99.0, 98.0], 14.0, 0.0, 100.0), [100.0, 86.0]);
    }
}

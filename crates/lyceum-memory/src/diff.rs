//! What a dream changed, line by line.

use std::collections::BTreeSet;

/// Returns the lines that left, each after `- `, and those that came, each after `+ `, in the order in which they stand;
/// a line that only moved is not told. `None` where nothing changed.
pub fn diff(before: &str, after: &str) -> Option<Vec<String>> {
    let old: BTreeSet<&str> = before.lines().collect();
    let new: BTreeSet<&str> = after.lines().collect();
    let left = before.lines().filter(|line| !new.contains(line));
    let came = after.lines().filter(|line| !old.contains(line));
    let lines: Vec<String> = left
        .map(|line| format!("- {line}"))
        .chain(came.map(|line| format!("+ {line}")))
        .collect();
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_and_what_came_is_told() {
        assert_eq!(diff("a\nb\n", "b\na\n"), None);
        let lines = diff("a\nb\nc\n", "a\nB\nc\nd\n").unwrap();
        assert_eq!(lines, ["- b", "+ B", "+ d"]);
    }
}

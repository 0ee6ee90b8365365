//! Evidence in an answer: every object with `file`, `line` and `quote` says that this line of this file holds these words,
//! and the lab looks.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fewest characters of a quotation: less would stand in any line.
const QUOTE_CHARACTERS_MIN: usize = 4;
/// Most citations of one answer.
const CITATIONS_MAX: usize = 10_000;

/// Returns how many citations an answer holds, all of which are right; or what is wrong with the first that is not. An
/// answer without any has no evidence.
pub(super) fn check(answer: &Value, files: &BTreeMap<String, Vec<u8>>) -> Result<u32, String> {
    let mut found = Vec::new();
    gather(answer, &mut found);
    if found.is_empty() {
        return Err(
            "the answer cites nothing: expected objects with `file`, `line` and `quote`".into(),
        );
    }
    if found.len() > CITATIONS_MAX {
        return Err(format!(
            "the answer has more than {CITATIONS_MAX} citations"
        ));
    }
    for one in &found {
        holds(one, files)?;
    }
    Ok(found.len() as u32)
}

/// Finds whatever has a `quote`: one without a file and a line is a citation that does not hold, not none.
fn gather<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| gather(one, found)),
        Value::Object(object) => {
            if object.contains_key("quote") {
                found.push(value);
            }
            object.values().for_each(|one| gather(one, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn holds(citation: &Value, files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let text = |key: &str| citation[key].as_str();
    let (Some(file), Some(number), Some(quote)) =
        (text("file"), citation["line"].as_u64(), text("quote"))
    else {
        return Err(format!(
            "the citation {citation} needs `file` (text), `line` (number from 1) and `quote` (text)"
        ));
    };
    let quote = quote.trim();
    if quote.chars().count() < QUOTE_CHARACTERS_MIN {
        return Err(format!(
            "{file}:{number}: the quotation `{quote}` has fewer than {QUOTE_CHARACTERS_MIN} characters"
        ));
    }
    let Some(bytes) = files.get(file) else {
        return Err(format!("{file}:{number}: no such file was given"));
    };
    let contents = String::from_utf8_lossy(bytes);
    let at = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let Some(line) = at.and_then(|at| contents.lines().nth(at)) else {
        let lines = contents.lines().count();
        return Err(format!("{file}:{number}: the file has lines 1 to {lines}"));
    };
    if !line.contains(quote) {
        return Err(format!("{file}:{number}: the line does not hold `{quote}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_citation_holds_only_where_the_line_does() {
        let files = BTreeMap::from([("a.log".to_owned(), b"one\nerror: no space\n".to_vec())]);
        let cite = |file: &str, line: i64, quote: &str| {
            let one = json!({ "file": file, "line": line, "quote": quote });
            check(&json!({ "patterns": [{ "evidence": [one] }] }), &files)
        };
        assert_eq!(cite("a.log", 2, " no space "), Ok(1));
        for (file, line, quote, said) in [
            ("a.log", 1, "no space", "does not hold"),
            ("a.log", 0, "no space", "lines 1 to 2"),
            ("a.log", 3, "no space", "lines 1 to 2"),
            ("a.log", -1, "no space", "needs `file`"),
            ("b.log", 2, "no space", "no such file"),
            ("a.log", 2, "", "fewer than"),
        ] {
            let why = cite(file, line, quote).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        assert!(check(&json!({ "patterns": [] }), &files).is_err());
        assert!(check(&json!({ "quote": "no space" }), &files).is_err());
    }
}

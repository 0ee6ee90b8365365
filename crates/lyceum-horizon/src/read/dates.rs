//! Release dates.

use std::{collections::BTreeMap, path::Path};

use jiff::civil::Date;

use super::{Node, Problem, ReadError, parse_yaml, whole};

/// Reads release dates as METR keeps them: a YAML file with a mapping `date` from names to days.
pub fn read_dates(path: &Path) -> Result<BTreeMap<String, Date>, ReadError> {
    let fault = |line, problem| ReadError::line(path, line, problem);
    let tree = parse_yaml(&whole(path)?).map_err(|(line, problem)| fault(line, problem))?;
    let all = tree.get("date").and_then(Node::entries);
    let all = all.ok_or_else(|| fault(tree.line, Problem::Missing { field: "date" }))?;
    let mut dates = BTreeMap::new();
    for (name, node) in all {
        let text = node
            .text()
            .ok_or_else(|| fault(node.line, Problem::Missing { field: "date" }))?;
        let date = parse_date("date", text).map_err(|problem| fault(node.line, problem))?;
        dates.insert(name.clone(), date);
    }
    Ok(dates)
}

/// Returns a day of the form `2026-02-05`.
pub fn parse_date(field: &'static str, text: &str) -> Result<Date, Problem> {
    text.trim().parse().map_err(|_| Problem::Value {
        field,
        found: format!("`{text}`"),
        expected: "a day like 2026-02-05",
    })
}

//! Comma-separated values with a header (RFC 4180), each row with its line.

use crate::read::Problem;

/// A table of texts.
pub(super) struct Sheet {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A row.
pub(super) struct Row {
    pub(super) line: u64,
    cells: Vec<String>,
}

impl Sheet {
    pub(super) fn parse(text: &str) -> Result<Sheet, (u64, Problem)> {
        let mut records = records(text)?.into_iter();
        let head = records
            .next()
            .ok_or((1, Problem::Missing { field: "agent" }))?
            .cells;
        let rows: Vec<Row> = records.collect();
        for row in &rows {
            if row.cells.len() != head.len() {
                let found = format!("{} values", row.cells.len());
                let expected = "one value for each column of the header";
                return Err((
                    row.line,
                    Problem::Value {
                        field: "line",
                        found,
                        expected,
                    },
                ));
            }
        }
        Ok(Sheet { head, rows })
    }

    /// Returns the place of the first of these columns that there is.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        names
            .iter()
            .find_map(|name| self.head.iter().position(|head| head == name))
    }
}

impl Row {
    /// Returns a cell that is not empty.
    pub(super) fn text(&self, column: Option<usize>) -> Option<&str> {
        let cell = self.cells.get(column?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    /// Returns a finite number; `None` for an empty cell and for what stands for no value: `nan`, `inf`, `-inf`.
    pub(super) fn number(&self, column: Option<usize>) -> Result<Option<f64>, Problem> {
        let Some(text) = self.text(column) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(number) => Ok(number.is_finite().then_some(number)),
            Err(_) => Err(Problem::Value {
                field: "value",
                found: format!("`{text}`"),
                expected: "a number",
            }),
        }
    }
}

/// Splits into records; a quoted cell may hold commas, line ends and doubled quotes.
fn records(text: &str) -> Result<Vec<Row>, (u64, Problem)> {
    let mut rows = Vec::new();
    let mut cells: Vec<String> = Vec::new();
    let mut cell = String::new();
    let (mut line, mut begun, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        line += u64::from(c == '\n');
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                push(&mut rows, std::mem::take(&mut cells), begun);
                begun = line;
            }
            c => cell.push(c),
        }
    }
    if quoted {
        let (found, expected) = ("never closed".into(), "a closing quote");
        return Err((
            begun,
            Problem::Value {
                field: "quote",
                found,
                expected,
            },
        ));
    }
    cells.push(cell);
    push(&mut rows, cells, begun);
    Ok(rows)
}

/// Keeps a record, unless its line is blank.
fn push(rows: &mut Vec<Row>, cells: Vec<String>, line: u64) {
    if cells.len() > 1 || cells.iter().any(|cell| !cell.trim().is_empty()) {
        rows.push(Row { line, cells });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_line_ends_and_blank_lines() {
        let sheet = Sheet::parse("a,b\r\n\"x, \"\"y\"\"\n\",2\r\n\r\n3,-inf").unwrap();
        assert_eq!(sheet.head, ["a", "b"]);
        assert_eq!(sheet.rows[0].cells, ["x, \"y\"\n", "2"]);
        assert_eq!(
            (sheet.rows[1].line, sheet.rows[1].number(Some(1))),
            (5, Ok(None))
        );
        assert_eq!(sheet.rows[1].number(Some(0)), Ok(Some(3.0)));
    }

    #[test]
    fn rows_of_another_width_are_named() {
        let Err((line, problem)) = Sheet::parse("a,b\n1\n") else {
            panic!("read")
        };
        assert_eq!(line, 2);
        assert!(problem.to_string().contains("1 values"), "{problem}");
        assert!(Sheet::parse("a\n\"x").is_err());
        assert!(
            Sheet::parse("").is_ok_and(|sheet| sheet.rows.is_empty()) || Sheet::parse("").is_err()
        );
    }
}

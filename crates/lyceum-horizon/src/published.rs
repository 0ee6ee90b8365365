//! Tables of horizons that others published, and METR's own resamples.

mod csv;

use std::{collections::HashMap, path::Path};

use jiff::civil::Date;

use crate::read::{Node, Problem, ReadError, named, parse_date, parse_yaml, score, whole};

/// A published number with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// What was published about one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Its name in the table.
    pub name: String,
    /// When it was released.
    pub released: Option<Date>,
    /// Weighted mean score.
    pub average: Option<f64>,
    /// Horizons: the probability of success, and minutes.
    pub horizons: Vec<(f64, Estimate)>,
}

impl Published {
    /// Returns the horizon at a probability.
    pub fn horizon(&self, quantile: f64) -> Option<Estimate> {
        let found = self
            .horizons
            .iter()
            .find(|(at, _)| (at - quantile).abs() < 1e-12);
        found.map(|(_, estimate)| *estimate)
    }

    /// Refuses what no table can say.
    fn checked(self) -> Result<Published, Problem> {
        named("agent", Some(&self.name))?;
        if self.average.is_some() {
            score("average", self.average)?;
        }
        let refuse = |found, expected| Problem::Value {
            field: "horizon",
            found,
            expected,
        };
        for (_, Estimate { value, interval }) in &self.horizons {
            if *value <= 0.0 {
                return Err(refuse(value.to_string(), "minutes above 0"));
            }
            if let Some((low, high)) = interval.filter(|(low, high)| low > high) {
                let expected = "an interval from a lower to a higher end";
                return Err(refuse(format!("{low} to {high}"), expected));
            }
        }
        Ok(self)
    }
}

/// A published table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its rows.
    pub rows: Vec<Published>,
    /// Published doubling times in days, with the name of what they are about.
    pub doubling: Vec<(String, Estimate)>,
}

/// The probabilities whose horizons METR publishes.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p80", 0.8)];

/// Reads a table: METR's `benchmark_results_*.yaml`, its fits as CSV (`agent, …, p50, p50q0.025, p50q0.975, …`), or CSV with
/// the columns `model, release_date, average_score, p50, p50_lo, p50_hi, p80, …`.
pub fn read_table(path: &Path) -> Result<Table, ReadError> {
    let text = whole(path)?;
    let end = path
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default();
    let table = if matches!(end, "yaml" | "yml") {
        results(&text)
    } else {
        rows(&text)
    };
    let fault = |(line, problem)| ReadError::line(path, line, problem);
    let table = table.map_err(fault)?;
    if table.rows.is_empty() {
        return Err(ReadError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(table)
}

fn results(text: &str) -> Result<Table, (u64, Problem)> {
    let tree = parse_yaml(text)?;
    let results = tree.get("results").and_then(Node::entries);
    let results = results.ok_or((tree.line, Problem::Missing { field: "results" }))?;
    let mut table = Table::default();
    for (name, node) in results {
        let at = |problem| (node.line, problem);
        let missing = || at(Problem::Missing { field: "metrics" });
        let metrics = node.get("metrics").ok_or_else(missing)?;
        let mut horizons = vec![];
        for (short, quantile) in QUANTILES {
            if let Some(found) = metrics.get(&format!("{short}_horizon_length")) {
                horizons.extend(
                    estimate(found, "estimate")
                        .map_err(at)?
                        .map(|found| (quantile, found)),
                );
            }
        }
        let average = metrics
            .get("average_score")
            .map(|node| node.number("estimate"))
            .transpose();
        let row = Published {
            name: name.clone(),
            released: date(node.get("release_date").and_then(Node::text)).map_err(at)?,
            average: average.map_err(at)?.flatten(),
            horizons,
        };
        table.rows.push(row.checked().map_err(at)?);
    }
    for (name, node) in tree
        .get("doubling_time_in_days")
        .and_then(Node::entries)
        .unwrap_or_default()
    {
        let found = estimate(node, "point_estimate").map_err(|problem| (node.line, problem))?;
        table
            .doubling
            .extend(found.map(|found| (name.replace('_', " "), found)));
    }
    Ok(table)
}

fn estimate(node: &Node, name: &'static str) -> Result<Option<Estimate>, Problem> {
    let interval = node.number("ci_low")?.zip(node.number("ci_high")?);
    Ok(node.number(name)?.map(|value| Estimate { value, interval }))
}

fn date(text: Option<&str>) -> Result<Option<Date>, Problem> {
    text.filter(|text| !text.trim().is_empty())
        .map(|text| parse_date("release_date", text))
        .transpose()
}

fn rows(text: &str) -> Result<Table, (u64, Problem)> {
    let sheet = csv::Sheet::parse(text)?;
    let name = sheet.column(&["agent", "model", "alias"]);
    let name = name.ok_or((1, Problem::Missing { field: "agent" }))?;
    let (released, average) = (
        sheet.column(&["release_date"]),
        sheet.column(&["average_score", "average"]),
    );
    let mut table = Table::default();
    let mut lines = HashMap::new();
    for row in &sheet.rows {
        let at = |problem| (row.line, problem);
        let number = |columns: &[&str]| row.number(sheet.column(columns)).map_err(at);
        let mut horizons = vec![];
        for (short, quantile) in QUANTILES {
            let ends =
                |lo: &str, q: &str| number(&[&format!("{short}_{lo}"), &format!("{short}q{q}")]);
            let interval = ends("lo", "0.025")?.zip(ends("hi", "0.975")?);
            // METR writes zeros for an agent that never succeeded.
            let value = number(&[short])?.filter(|value| *value != 0.0);
            horizons.extend(value.map(|value| (quantile, Estimate { value, interval })));
        }
        let found = Published {
            name: row.text(Some(name)).unwrap_or_default().to_owned(),
            released: date(row.text(released)).map_err(at)?,
            average: row.number(average).map_err(at)?,
            horizons,
        };
        let found = found.checked().map_err(at)?;
        if let Some(first) = lines.insert(found.name.clone(), row.line) {
            return Err(at(Problem::Duplicate {
                what: "agent",
                id: found.name,
                first,
            }));
        }
        table.rows.push(found);
    }
    Ok(table)
}

/// An agent and its horizons in minutes, one for each resample; `None` where a resample has none.
pub type AgentDraws = (String, Vec<Option<f64>>);

/// Reads METR's resamples: CSV with a column `<agent>_p50` (or `_p80`) for each agent and a line for each resample.
pub fn read_draws(path: &Path, quantile: &str) -> Result<Vec<AgentDraws>, ReadError> {
    let fault = |(line, problem)| ReadError::line(path, line, problem);
    let sheet = csv::Sheet::parse(&whole(path)?).map_err(fault)?;
    let end = format!("_{quantile}");
    let mut all = vec![];
    for (column, head) in sheet.head.iter().enumerate() {
        let Some(name) = head.strip_suffix(&end) else {
            continue;
        };
        let values = sheet.rows.iter().map(|row| {
            row.number(Some(column))
                .map_err(|problem| fault((row.line, problem)))
        });
        all.push((name.to_owned(), values.collect::<Result<_, _>>()?));
    }
    if all.is_empty() {
        return Err(fault((
            1,
            Problem::Missing {
                field: "<agent>_p50",
            },
        )));
    }
    Ok(all)
}

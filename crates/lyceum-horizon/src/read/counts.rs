//! METR's counts: for each agent its tasks with `n_successes` of `n_runs`, and its release date.

use super::{
    Node, Problem, ReadError, Reading, family_of, minutes, named, parse_date, parse_yaml, weight,
};
use crate::runs::Entry;

/// Most runs of one task by one agent; counts below it are exact in every sum here.
const RUNS_MAX: f64 = 1e9;

pub(super) fn read(text: &str, reading: &mut Reading<'_>) -> Result<(), ReadError> {
    let path = reading.path.to_owned();
    let fault = |line, problem| ReadError::line(&path, line, problem);
    let tree = parse_yaml(text).map_err(|(line, problem)| fault(line, problem))?;
    let agents = tree.get("agents").and_then(Node::entries);
    let agents = agents.ok_or_else(|| {
        let field = "agents";
        fault(tree.line, Problem::Missing { field })
    })?;
    for (name, agent) in agents {
        let released = match agent.get("release_date").and_then(Node::text) {
            None => Ok(None),
            Some(text) => parse_date("release_date", text).map(Some),
        };
        let tasks = agent.get("tasks").and_then(Node::items);
        let (Ok(released), Some(tasks)) = (&released, tasks) else {
            let missing = Err(Problem::Missing { field: "tasks" });
            reading.take(agent.line, released.and(missing))?;
            continue;
        };
        for task in tasks {
            let result = row(name, task, *released, reading);
            reading.take(task.line, result)?;
        }
    }
    Ok(())
}

fn row(
    agent: &str,
    task: &Node,
    released: Option<jiff::civil::Date>,
    reading: &mut Reading<'_>,
) -> Result<(), Problem> {
    let id = named("task_id", task.get("task_id").and_then(Node::text))?;
    let runs = count("n_runs", task)?;
    let successes = count("n_successes", task)?;
    if runs < 1.0 || successes > runs {
        return Err(Problem::Value {
            field: "n_successes",
            found: format!("{successes} of {runs} runs"),
            expected: "at most as many successes as runs, and one run or more",
        });
    }
    let weight = weight("task_weight", task.number("task_weight")?)?;
    let entry = Entry {
        agent: named("agents", Some(agent))?,
        task: id,
        family: family_of(id),
        minutes: minutes("human_minutes", task.number("human_minutes")?)?,
        runs: runs as u64,
        score: successes,
        weight: weight.map(|weight| weight / runs),
        released,
    };
    reading.collector.add_once(task.line, &entry)
}

fn count(field: &'static str, task: &Node) -> Result<f64, Problem> {
    let number = task.number(field)?.ok_or(Problem::Missing { field })?;
    if number.fract() == 0.0 && (0.0..=RUNS_MAX).contains(&number) {
        return Ok(number);
    }
    Err(Problem::Value {
        field,
        found: number.to_string(),
        expected: "a whole number from 0 to 1000000000",
    })
}

//! What was run: agents, tasks in families, and for each agent and task how often it ran and what it scored.

use std::{collections::HashMap, hash::BuildHasher as _, hash::RandomState};

use jiff::civil::Date;

use crate::read::{Dropped, Problem};

/// The form a file of runs is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a run, as METR publishes them (`runs.jsonl`).
    MetrRuns,
    /// Successes and runs for each task, as METR publishes them (`task_results_*.yaml`).
    MetrCounts,
    /// One JSON object an attempt, as the lab writes them.
    Attempts,
}

/// What counts as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// A run succeeds or fails.
    Binary,
    /// A run scores between 0 and 1, and counts as that part of a success.
    Partial,
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name, with METR `family/name`.
    pub id: String,
    /// Index of its family.
    pub family: usize,
    /// How long a skilled person takes, in minutes.
    pub minutes: f64,
}

/// Tasks that resemble one another, so that success at one tells of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Indices of its tasks.
    pub tasks: Vec<usize>,
}

/// The runs of one task by one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index of the task.
    pub task: usize,
    /// How many runs.
    pub runs: u64,
    /// Sum of their scores; a success is 1.
    pub score: f64,
    /// Each run's score, where one of them is neither 0 nor 1.
    pub parts: Option<Vec<f64>>,
    /// The weight of one run as the file records it.
    pub weight: Option<f64>,
}

/// An agent and what it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// When it was released.
    pub released: Option<Date>,
    /// The line of the file that names it first.
    pub line: u64,
    /// One for each task that it ran, by task.
    pub cells: Vec<Cell>,
}

/// An agent of which nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmeasured {
    /// Its name.
    pub name: String,
    /// When it was released.
    pub released: Option<Date>,
    /// Its attempts; each was voided.
    pub void: u64,
}

/// All runs of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// The form they were written in.
    pub form: Form,
    /// What counts as success.
    pub scoring: Scoring,
    /// All tasks.
    pub tasks: Vec<Task>,
    /// All families.
    pub families: Vec<Family>,
    /// All agents, by name.
    pub agents: Vec<Agent>,
    /// Agents whose attempts were all voided, by name: nothing is known of them.
    pub unmeasured: Vec<Unmeasured>,
    /// Attempts that the lab voided: they measured nothing, so they are no failures.
    pub void: u64,
    /// Lines that were left out because the reader was told to be lenient.
    pub dropped: Dropped,
}

impl Runs {
    /// Returns the number of runs.
    pub fn count(&self) -> u64 {
        self.agents.iter().map(Agent::count).sum()
    }
}

impl Agent {
    /// Returns the number of its runs.
    pub fn count(&self) -> u64 {
        self.cells.iter().map(|cell| cell.runs).sum()
    }
}

/// One or more runs as a line tells of them.
pub(crate) struct Entry<'a> {
    pub(crate) agent: &'a str,
    pub(crate) task: &'a str,
    pub(crate) family: &'a str,
    pub(crate) minutes: f64,
    pub(crate) runs: u64,
    /// Sum of the scores.
    pub(crate) score: f64,
    pub(crate) weight: Option<f64>,
    pub(crate) released: Option<Date>,
}

/// Takes lines one by one and refuses those that contradict earlier ones.
pub(crate) struct Collector {
    scoring: Scoring,
    tasks: Vec<(Task, u64)>,
    families: Vec<Family>,
    agents: Vec<Agent>,
    task_of: HashMap<String, usize>,
    family_of: HashMap<String, usize>,
    agent_of: HashMap<String, usize>,
    cell_of: Vec<HashMap<u32, u32>>,
    /// 128 bits of a hash stand for a run's name: ten million names as text would take gigabytes, and two of them share
    /// all bits with a probability below 1e-24.
    seen: HashMap<[u64; 2], u32>,
    hashers: [RandomState; 2],
    /// Of each agent, attempts that measured nothing.
    voids: Vec<u64>,
}

impl Collector {
    pub(crate) fn new(scoring: Scoring) -> Collector {
        Collector {
            scoring,
            tasks: vec![],
            families: vec![],
            agents: vec![],
            task_of: HashMap::new(),
            family_of: HashMap::new(),
            agent_of: HashMap::new(),
            cell_of: vec![],
            seen: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            voids: vec![],
        }
    }

    /// Takes a run with a name of its own; a line that is refused claims no name.
    pub(crate) fn add_named(
        &mut self,
        line: u64,
        name: (&'static str, &str),
        entry: &Entry<'_>,
    ) -> Result<(), Problem> {
        let key = self.unseen(name)?;
        self.add(line, entry)?;
        self.claim(key, line);
        Ok(())
    }

    /// Counts an attempt that measured nothing; what it says of its task and agent must agree with other lines.
    pub(crate) fn void(
        &mut self,
        line: u64,
        name: (&'static str, &str),
        entry: &Entry<'_>,
    ) -> Result<(), Problem> {
        let key = self.unseen(name)?;
        self.check(entry)?;
        self.task(line, entry);
        let agent = self.agent(line, entry);
        self.voids[agent] += 1;
        self.claim(key, line);
        Ok(())
    }

    /// Refuses a name that an earlier line has.
    fn unseen(&self, (what, id): (&'static str, &str)) -> Result<[u64; 2], Problem> {
        let key = [self.hashers[0].hash_one(id), self.hashers[1].hash_one(id)];
        match self.seen.get(&key) {
            None => Ok(key),
            Some(first) => Err(Problem::Duplicate {
                what,
                id: id.to_owned(),
                first: u64::from(*first),
            }),
        }
    }

    fn claim(&mut self, key: [u64; 2], line: u64) {
        self.seen
            .insert(key, u32::try_from(line).unwrap_or(u32::MAX));
    }

    /// Takes a line; one that is refused leaves no trace.
    pub(crate) fn add(&mut self, line: u64, entry: &Entry<'_>) -> Result<(), Problem> {
        self.check(entry)?;
        let task = self.task(line, entry);
        let agent = self.agent(line, entry);
        let cells = &mut self.agents[agent].cells;
        let next = cells.len() as u32;
        let place = *self.cell_of[agent].entry(task as u32).or_insert(next) as usize;
        if place == cells.len() {
            cells.push(Cell {
                task,
                runs: 0,
                score: 0.0,
                parts: None,
                weight: entry.weight,
            });
        }
        cells[place].add(entry);
        Ok(())
    }

    /// Refuses a second line about the same agent and task, where a line stands for all their runs.
    pub(crate) fn add_once(&mut self, line: u64, entry: &Entry<'_>) -> Result<(), Problem> {
        let known = self
            .agent_of
            .get(entry.agent)
            .zip(self.task_of.get(entry.task));
        if known.is_some_and(|(agent, task)| self.cell_of[*agent].contains_key(&(*task as u32))) {
            return Err(Problem::Twice {
                agent: entry.agent.to_owned(),
                task: entry.task.to_owned(),
            });
        }
        self.add(line, entry)
    }

    /// Refuses what contradicts earlier lines, and changes nothing.
    fn check(&self, entry: &Entry<'_>) -> Result<(), Problem> {
        let task = self.task_of.get(entry.task).copied();
        if let Some(index) = task {
            self.check_task(index, entry)?;
        }
        let Some(index) = self.agent_of.get(entry.agent).copied() else {
            return Ok(());
        };
        let agent = &self.agents[index];
        if let (Some(before), Some(now)) = (agent.released, entry.released)
            && before != now
        {
            return Err(Problem::Release {
                agent: agent.name.clone(),
                now,
                before,
            });
        }
        let cell = task.and_then(|task| self.cell_of[index].get(&(task as u32)));
        match cell.map(|place| &agent.cells[*place as usize]) {
            Some(cell) if cell.weight != entry.weight => Err(Problem::Weights {
                task: entry.task.to_owned(),
                now: entry.weight,
                before: cell.weight,
            }),
            _ => Ok(()),
        }
    }

    fn check_task(&self, index: usize, entry: &Entry<'_>) -> Result<(), Problem> {
        let (task, first) = &self.tasks[index];
        let disagree = |what, now: String, before: String| Problem::Disagree {
            task: entry.task.to_owned(),
            what,
            now,
            before,
            first: *first,
        };
        #[expect(clippy::float_cmp, reason = "the same number, written again")]
        if task.minutes != entry.minutes {
            let (now, before) = (entry.minutes.to_string(), task.minutes.to_string());
            return Err(disagree("minutes", now, before));
        }
        let family = &self.families[task.family].name;
        if family != entry.family {
            return Err(disagree("family", entry.family.to_owned(), family.clone()));
        }
        Ok(())
    }

    fn task(&mut self, line: u64, entry: &Entry<'_>) -> usize {
        if let Some(index) = self.task_of.get(entry.task) {
            return *index;
        }
        let family = self.family(entry.family);
        let index = self.tasks.len();
        self.task_of.insert(entry.task.to_owned(), index);
        let task = Task {
            id: entry.task.to_owned(),
            family,
            minutes: entry.minutes,
        };
        self.tasks.push((task, line));
        index
    }

    fn family(&mut self, name: &str) -> usize {
        if let Some(index) = self.family_of.get(name) {
            return *index;
        }
        self.family_of.insert(name.to_owned(), self.families.len());
        self.families.push(Family {
            name: name.to_owned(),
            tasks: vec![],
        });
        self.families.len() - 1
    }

    fn agent(&mut self, line: u64, entry: &Entry<'_>) -> usize {
        if let Some(index) = self.agent_of.get(entry.agent).copied() {
            let agent = &mut self.agents[index];
            agent.released = agent.released.or(entry.released);
            return index;
        }
        self.agent_of
            .insert(entry.agent.to_owned(), self.agents.len());
        self.cell_of.push(HashMap::new());
        self.voids.push(0);
        self.agents.push(Agent {
            name: entry.agent.to_owned(),
            released: entry.released,
            line,
            cells: vec![],
        });
        self.agents.len() - 1
    }

    /// Returns all runs; agents by name, their cells by task. What was only ever tried in vain is no task of theirs.
    pub(crate) fn finish(mut self, form: Form, dropped: Dropped) -> Runs {
        let void = self.voids.iter().sum();
        let mut unmeasured: Vec<Unmeasured> = self
            .agents
            .iter()
            .zip(&self.voids)
            .filter(|(agent, _)| agent.cells.is_empty())
            .map(|(agent, void)| Unmeasured {
                name: agent.name.clone(),
                released: agent.released,
                void: *void,
            })
            .collect();
        unmeasured.sort_by(|one, other| one.name.cmp(&other.name));
        self.agents.retain(|agent| !agent.cells.is_empty());
        self.agents.sort_by(|one, other| one.name.cmp(&other.name));
        let (tasks, families) = self.keep_what_ran();
        for agent in &mut self.agents {
            agent.cells.sort_by_key(|cell| cell.task);
        }
        Runs {
            form,
            scoring: self.scoring,
            tasks,
            families,
            agents: self.agents,
            unmeasured,
            void,
            dropped,
        }
    }

    /// Returns the tasks that have runs and their families, both in the order of the file; cells then point to these.
    fn keep_what_ran(&mut self) -> (Vec<Task>, Vec<Family>) {
        let mut ran = vec![false; self.tasks.len()];
        for cell in self.agents.iter().flat_map(|agent| &agent.cells) {
            ran[cell.task] = true;
        }
        let (mut tasks, mut families) = (vec![], Vec::<Family>::new());
        let mut task_at = vec![0; self.tasks.len()];
        let mut family_at = vec![None; self.families.len()];
        for (old, (mut task, _)) in std::mem::take(&mut self.tasks).into_iter().enumerate() {
            if !ran[old] {
                continue;
            }
            let family = *family_at[task.family].get_or_insert(families.len());
            if family == families.len() {
                families.push(Family {
                    name: std::mem::take(&mut self.families[task.family].name),
                    tasks: vec![],
                });
            }
            families[family].tasks.push(tasks.len());
            task_at[old] = tasks.len();
            task.family = family;
            tasks.push(task);
        }
        for cell in self.agents.iter_mut().flat_map(|agent| &mut agent.cells) {
            cell.task = task_at[cell.task];
        }
        (tasks, families)
    }
}

impl Cell {
    fn add(&mut self, entry: &Entry<'_>) {
        // A line stands for one run wherever scores are partial.
        if entry.score.fract() != 0.0 && self.parts.is_none() {
            let (runs, ones) = (self.runs as usize, self.score as usize);
            self.parts = Some(
                (0..runs)
                    .map(|run| if run < ones { 1.0 } else { 0.0 })
                    .collect(),
            );
        }
        if let Some(parts) = &mut self.parts {
            parts.push(entry.score);
        }
        self.runs += entry.runs;
        self.score += entry.score;
    }
}

//! The live view of a terminal: verdicts scroll, and below them stand the best-so-far curve, what runs, and what is left.

use std::{
    collections::VecDeque,
    io::{Stderr, Write as _, stderr},
    time::{Duration, Instant},
};

use crossterm::{cursor, execute, queue, style, terminal};
use lyceum_report::terminal_curve;
use lyceum_study::engine::{Live as Now, Observer, State};
use lyceum_types::{Body, ExperimentId, Role, Verdict};

use super::words;

/// Least time between two paintings.
const PAINT_EVERY: Duration = Duration::from_millis(100);
/// Rows of the curve.
const CURVE_ROWS: usize = 6;
/// Widest picture.
const COLUMNS_MAX: usize = 110;

/// Paints the state of a study in place.
pub(crate) struct Live {
    out: Stderr,
    began: Instant,
    painted: Option<Instant>,
    rows: u16,
    waiting: VecDeque<String>,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live {
            out: stderr(),
            began: Instant::now(),
            painted: None,
            rows: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Takes the picture off the screen; what scrolled stays.
    fn clear(&mut self) {
        if self.rows > 0 {
            let up = cursor::MoveToPreviousLine(self.rows);
            drop(execute!(
                self.out,
                up,
                terminal::Clear(terminal::ClearType::FromCursorDown)
            ));
            self.rows = 0;
        }
    }

    fn paint(&mut self, state: &State, now: &Now) {
        let (columns, height) = terminal::size().unwrap_or((80, 24));
        let columns = usize::from(columns).clamp(20, COLUMNS_MAX);
        self.clear();
        while let Some(line) = self.waiting.pop_front() {
            drop(queue!(
                self.out,
                style::Print(cut(&line, columns)),
                style::Print("\n")
            ));
        }
        let mut picture = picture(state, now, columns);
        picture.truncate(usize::from(height).saturating_sub(1));
        for line in &picture {
            drop(queue!(
                self.out,
                style::Print(cut(line, columns)),
                style::Print("\n")
            ));
        }
        drop(self.out.flush());
        self.rows = picture.len() as u16;
        self.painted = Some(Instant::now());
    }
}

impl Observer for Live {
    fn event(&mut self, state: &State, _: u64, _: i64, body: &Body) {
        let shown = match body {
            // Single measurements are in the picture; verdicts and what follows from them scroll.
            Body::RunMeasured(_) if state.claimed.is_none() && state.proposals > 0 => None,
            Body::ExperimentProposed(_) => None,
            body => words::event(state, body),
        };
        if let Some(line) = shown {
            self.waiting.push_back(format!(
                "{:>7.1}s {line}",
                self.began.elapsed().as_secs_f64()
            ));
        }
    }

    fn tick(&mut self, state: &State, now: &Now) {
        if self.painted.is_none_or(|at| at.elapsed() >= PAINT_EVERY) {
            self.paint(state, now);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
        while let Some(line) = self.waiting.pop_front() {
            drop(queue!(self.out, style::Print(line), style::Print("\n")));
        }
        drop(self.out.flush());
    }
}

/// Cuts a line to the terminal's width; every character of the lab's own lines is one column wide.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() < columns {
        return line.to_owned();
    }
    line.chars()
        .take(columns.saturating_sub(2))
        .chain(['…'])
        .collect()
}

/// Returns the lines of the picture.
fn picture(state: &State, now: &Now, columns: usize) -> Vec<String> {
    let Some(opened) = &state.opened else {
        return vec![];
    };
    let mut lines = vec![String::new()];
    let points = points(state);
    if !points.is_empty() {
        let start = words::value(state, ExperimentId(0));
        let width = columns.saturating_sub(4).min(90);
        lines.extend(terminal_curve(
            start,
            &points,
            opened.goal,
            width,
            CURVE_ROWS,
        ));
    }
    let best = words::value(state, state.best).map_or("—".into(), words::number);
    let start = words::value(state, ExperimentId(0)).map_or("—".into(), words::number);
    lines.push(format!(
        "{} best {best} {} ({}) · start {start}",
        opened.metric, opened.unit, state.best
    ));
    lines.push(format!(
        "{} of {} experiments: {}",
        state.proposals,
        now.experiments_max,
        counts(state)
    ));
    lines.push(format!("{} · {}", phase(state), spent(now)));
    for (run, millis) in &now.running {
        if let Some(run) = state.run(*run) {
            let what = words::purpose(state, run);
            lines.push(format!(
                "  {} {} {what} {}",
                run.id,
                run.experiment,
                words::duration(*millis)
            ));
        }
    }
    lines
}

/// Returns the decided experiments as points of the curve.
fn points(state: &State) -> Vec<(u32, f64, Verdict)> {
    let decided = state
        .experiments
        .iter()
        .filter(|one| one.proposed.role == Role::Search);
    let points = decided.filter_map(|one| {
        let id = one.proposed.experiment;
        Some((
            id.0,
            words::value(state, id)?,
            one.decided.as_ref()?.verdict,
        ))
    });
    points.collect()
}

fn counts(state: &State) -> String {
    let all = [
        Verdict::Kept,
        Verdict::Discarded,
        Verdict::Inconclusive,
        Verdict::Failed,
    ];
    let count = |verdict: Verdict| {
        let decided = state
            .experiments
            .iter()
            .filter_map(|one| one.decided.as_ref());
        decided.filter(|decided| decided.verdict == verdict).count()
    };
    let stopped = [Verdict::StoppedEarly]
        .into_iter()
        .filter(|one| count(*one) > 0);
    let parts = all.into_iter().chain(stopped);
    let parts =
        parts.map(|verdict| format!("{} {} {verdict}", words::sign(verdict), count(verdict)));
    parts.collect::<Vec<_>>().join(" ")
}

fn phase(state: &State) -> &'static str {
    match state {
        State {
            finished: Some(_), ..
        } => "finished",
        State {
            sealed: Some(_), ..
        } => "opening the sealed split",
        State {
            claimed: Some(_), ..
        } => "ablation: what is each change worth?",
        State {
            search_ended: Some(_),
            ..
        } => "confirming on fresh paired seeds",
        State { proposals: 0, .. } => "measuring the noise floor",
        _ => "searching",
    }
}

fn spent(now: &Now) -> String {
    let left = |left: Option<u64>| {
        left.map_or(String::new(), |millis| {
            format!(" ({} left)", words::duration(millis))
        })
    };
    format!(
        "{} wall{}, {} CPU{}",
        words::duration(now.spent.wall_ms),
        left(now.left.wall_ms),
        words::duration(now.spent.cpu_ms),
        left(now.left.cpu_ms)
    )
}

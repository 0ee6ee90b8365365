//! Every run with the command that repeats it, and the events that numbers rest on.

use lyceum_types::{Purpose, Side, Split, Usage};
use maud::{Markup, html};

use super::{
    evidence::{Anchors, dash, experiment},
    experiments,
};
use crate::{
    Form, Report, format,
    model::{Run, RunState},
    text,
};

/// Returns the list of all runs and of the events cited.
pub(crate) fn runs(report: &Report, anchors: &Anchors) -> Markup {
    html! {
        @if report.runs.is_empty() { p.empty { "No run has been started yet." } }
        @else {
            p.lead {
                code { "lyceum rerun " (shell_word(&report.study)) " RUN" }
                " repeats a run. Each row opens on its own command, its settings, what the evaluator said and the end of its log."
            }
            div.runs {
                div.row.head aria-hidden="true" {
                    span { "run" } span { "of" } span { "for" } span.num { "seed" } span { "outcome" }
                    span.num { (text::line(&report.metric.name)) } span.num { "CPU" } span.num { "memory" }
                }
                @for run in &report.runs { (row(report, run)) }
                @for run in &anchors.missing_runs {
                    div.run.missing id=(run) { span.id { (run) } " is cited but not in this report's runs" }
                }
            }
        }
        @if !anchors.events.is_empty() { (events(report, anchors)) }
    }
}

fn row(report: &Report, run: &Run) -> Markup {
    let (class, state) = state(run);
    html! {
        details class={ "run " (class) } id=(run.id) {
            summary.row {
                span.id { (run.id) }
                span { (run.experiment) }
                span { (purpose(&run.purpose)) }
                span.num.seed { (run.seed) }
                span class={ "outcome " (class) } { (state) }
                span.num { (value(report, run)) }
                span.num { @match run.usage { Some(usage) => (format::number(usage.cpu_ms as f64, Form::Milliseconds)), None => (dash()) } }
                span.num { @match run.usage { Some(usage) => (format::number(usage.peak_memory_bytes as f64, Form::Bytes)), None => (dash()) } }
            }
            div.body { (body(report, run)) }
        }
    }
}

fn body(report: &Report, run: &Run) -> Markup {
    html! {
        p.command { code { "lyceum rerun " (shell_word(&report.study)) " " (run.id) } }
        dl.plain {
            dt { "experiment" } dd { (experiment(report, run.experiment)) }
            dt { "seed" } dd { (run.seed) }
            dt { "outcome" } dd { (reason(run)) }
            @if let Some(usage) = &run.usage { dt { "used" } dd { (used(usage, run.threads)) } }
            @for one in &run.measurements {
                dt { (match one.split { Split::Search => "evaluator, search split", Split::Sealed => "evaluator, sealed split" }) }
                dd {
                    @match &one.value {
                        Ok(value) => { (exact(*value)) " " (text::line(&report.metric.unit)) " (" (one.trust) ")" },
                        Err(problem) => { "no number: " (text::line(problem)) },
                    }
                }
            }
            @if !run.reported.is_empty() {
                dt { "the candidate printed" }
                dd { @for (name, value) in &run.reported { span.n.n-self { (text::line(name)) " = " (exact(*value)) } " " } }
            }
            dt { "settings" } dd { (experiments::settings(&run.settings, &report.start_settings)) }
        }
        @if run.log.is_empty() { p.none { "It printed nothing." } }
        @else { pre.log { (text::log(&run.log)) } }
    }
}

fn used(usage: &Usage, threads: u32) -> Markup {
    html! {
        (format::number(usage.wall_ms as f64, Form::Milliseconds)) " wall, "
        (format::number(usage.cpu_ms as f64, Form::Milliseconds)) " CPU on " (threads)
        @if threads == 1 { " thread, " } @else { " threads, " }
        (format::number(usage.peak_memory_bytes as f64, Form::Bytes)) " at most, "
        (format::number(usage.printed_bytes as f64, Form::Bytes)) " printed"
    }
}

/// Returns a value with every digit that it has; a value that is not finite is a word.
fn exact(value: f64) -> String {
    if value.is_finite() {
        format!("{value}").replace('-', "\u{2212}")
    } else {
        "not a finite number".into()
    }
}

/// Returns how a run is marked and what its row says: for a failure the reason itself.
fn state(run: &Run) -> (&'static str, String) {
    let problem = || {
        run.measurements
            .iter()
            .find_map(|one| one.value.as_ref().err())
    };
    match &run.state {
        RunState::Open => ("open", "… open".into()),
        RunState::Completed => match problem() {
            Some(problem) => ("bad", format!("× {}", text::line(problem))),
            None => ("good", "completed".into()),
        },
        RunState::Failed { reason } => ("bad", format!("× {}", text::line(reason))),
        RunState::StoppedEarly { .. } => ("cut", "▽ stopped early".into()),
        RunState::Cut { .. } => ("cut", "– cut short".into()),
        RunState::Void { .. } => ("cut", "– void".into()),
    }
}

fn reason(run: &Run) -> String {
    match &run.state {
        RunState::Open => "no receipt yet".into(),
        RunState::Completed => "completed".into(),
        RunState::Failed { reason } => format!("failed: {}", text::line(reason)),
        RunState::StoppedEarly { why } => text::line(why),
        RunState::Cut { cause } => format!("cut short by the lab: {}", text::line(cause)),
        RunState::Void { why } => format!("void: {}", text::line(why)),
    }
}

fn value(report: &Report, run: &Run) -> Markup {
    let search = run
        .measurements
        .iter()
        .find(|one| one.split == Split::Search);
    html! {
        @match search.or(run.measurements.first()).map(|one| &one.value) {
            Some(Ok(value)) if value.is_finite() => (report.metric.text(*value)),
            _ => (dash()),
        }
    }
}

fn purpose(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Floor => "floor".into(),
        Purpose::Search => "search".into(),
        Purpose::Repeat => "repeat".into(),
        Purpose::Confirm {
            pair,
            side: Side::Start,
        } => format!("confirm {}, start", pair + 1),
        Purpose::Confirm {
            pair,
            side: Side::Winner,
        } => format!("confirm {}, winner", pair + 1),
        Purpose::Ablate { pair } => format!("ablate {}", pair + 1),
        Purpose::Replicate { number } => format!("replicate {}", number + 1),
    }
}

fn events(report: &Report, anchors: &Anchors) -> Markup {
    let kind = |position: &u64| report.events.get(position).map(|kind| text::line(kind));
    html! {
        h3 #events { "Events" }
        p.lead {
            "Numbers that an event states, rather than one run, rest on these. "
            code { "lyceum log " (shell_word(&report.study)) }
            " prints them all."
        }
        ul.events {
            @for position in &anchors.events {
                li id={ "event-" (position) } {
                    span.id { "event\u{a0}" (position) } " " (kind(position).unwrap_or_default())
                }
            }
        }
    }
}

/// Returns a word for a POSIX shell: quoted when it holds anything that a shell reads.
pub(crate) fn shell_word(word: &str) -> String {
    let word = text::line(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        assert_eq!(shell_word("studies/tiny-lm"), "studies/tiny-lm");
        assert_eq!(shell_word("my study; rm"), "'my study; rm'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(exact(-1.5), "\u{2212}1.5");
    }
}

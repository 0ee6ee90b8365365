//! Events in words, one line each.

use lyceum_sandbox::show_untrusted;
use lyceum_study::engine::{Run, State};
use lyceum_types::{
    Body, CheckFound, ExperimentId, Measured, Outcome, Purpose, Role, RunMeasured, Side, Split,
    Verdict,
};

/// A sign for each verdict, so that meaning never hangs on colour.
pub(crate) fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Kept => '●',
        Verdict::Discarded => '○',
        Verdict::Inconclusive => '◐',
        Verdict::Failed => '×',
        Verdict::StoppedEarly => '▽',
        Verdict::Void => '·',
    }
}

/// Returns a number with as many digits as people read.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 1000.0 => 1,
        large if large >= 10.0 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// Returns a length of time.
pub(crate) fn duration(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", millis as f64 / 1e3),
        60_000..3_600_000 => format!("{}m{:02}s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{}h{:02}m", millis / 3_600_000, millis / 60_000 % 60),
    }
}

/// Returns a time in UTC as people write it.
pub(crate) fn moment(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(
        |_| unix_ms.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Returns what a run is for.
pub(crate) fn purpose(state: &State, run: &Run) -> String {
    match &run.purpose {
        Purpose::Floor => "noise floor".into(),
        Purpose::Search => "search".into(),
        Purpose::Repeat => "repeat".into(),
        Purpose::Confirm {
            pair,
            side: Side::Start,
        } => format!("confirm pair {}: start", pair + 1),
        Purpose::Confirm {
            pair,
            side: Side::Winner,
        } => format!("confirm pair {}: winner", pair + 1),
        Purpose::Ablate { .. } => match state
            .experiment(run.experiment)
            .map(|one| &one.proposed.role)
        {
            Some(Role::Ablation { knob }) => format!("ablation of {knob}"),
            _ => "ablation".into(),
        },
        Purpose::Replicate { number } => format!("replication {}", number + 1),
    }
}

/// Returns an event in words, safe to print; `None` for those that people need not see.
pub(crate) fn event(state: &State, body: &Body) -> Option<String> {
    plain_event(state, body).map(|line| clean(&line))
}

fn plain_event(state: &State, body: &Body) -> Option<String> {
    let metric = state
        .opened
        .as_ref()
        .map_or("", |opened| opened.metric.as_str());
    Some(match body {
        Body::RunMeasured(measured) => return measured_run(state, metric, measured),
        Body::RunFinished(finished) => match &finished.outcome {
            Outcome::Completed => return None,
            Outcome::Failed(reason) => {
                let last = finished.log.lines().last().unwrap_or_default();
                format!(
                    "  {} failed: {}: {}",
                    finished.run,
                    clean(&reason.to_string()),
                    clean(last)
                )
            }
            Outcome::Cut { cause } => format!("  {} cut short: {}", finished.run, clean(cause)),
        },
        Body::RunReported(reported) if reported.stopped => {
            format!("  {} {}", reported.run, clean(&reported.why))
        }
        Body::RunVoided(voided) => format!("  {} void: {}", voided.run, voided.why),
        Body::ExperimentProposed(proposed) if proposed.role == Role::Search => {
            let (id, idea) = (proposed.experiment, clean(&proposed.hypothesis));
            match proposed.files.len() {
                0 => format!("  {id} {idea}"),
                1 => format!("  {id} {idea} (changes {})", clean(&proposed.files[0].name)),
                files => format!("  {id} {idea} (changes {files} files)"),
            }
        }
        Body::Decided(decided) => format!(
            "{} {} {}: {}",
            sign(decided.verdict),
            decided.experiment,
            decided.verdict,
            clean(&decided.why)
        ),
        Body::TurnGiven(given) => {
            format!("  next is {}: {}", clean(&given.to), clean(&given.why))
        }
        Body::SearchEnded(ended) => format!("search ended: {}", ended.why),
        Body::Claimed(claimed) => format!("{}: {}", claimed.winner, claimed.finding.why),
        Body::Ablated(ablated) => format!("  without {}: {}", ablated.knob, ablated.finding.why),
        Body::SealedAnswered(answered) => format!("sealed data, {}", answered.words()),
        Body::Graded(graded) => format!(
            "{} {}: {}",
            if graded.satisfied { "✓" } else { "✗" },
            graded.text,
            graded.why
        ),
        Body::StudyFinished(finished) => finished.why.clone(),
        Body::MeasureCut(_)
        | Body::SealedOpened(_)
        | Body::ApprovalUsed(_)
        | Body::MemoryRecalled(_)
        | Body::OutcomeDefined(_)
        | Body::HandedIn(_)
        | Body::EvaluationStarted(_)
        | Body::EvaluationChecked(_)
        | Body::EvaluationEnded(_)
        | Body::StudyStopped(_)
        | Body::StudyResumed(_)
        | Body::Explained(_)
        | Body::AutonomyChanged(_)
        | Body::AutonomyLent(_)
        | Body::IncidentRaised(_) => return rarely(body),
        Body::StudyOpened(_)
        | Body::DataDrawn(_)
        | Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::PersonAwaited(_)
        | Body::ExperimentProposed(_)
        | Body::RunStarted(_)
        | Body::EvaluationOngoing(_)
        | Body::RunReported(_)
        | Body::OversightBegan(_) => return None,
    })
}

/// Returns what a measurement gave.
fn measured_run(state: &State, metric: &str, measured: &RunMeasured) -> Option<String> {
    let run = state.run(measured.run)?;
    let what = purpose(state, run);
    let split = if measured.split == Split::Sealed {
        "sealed, "
    } else {
        ""
    };
    Some(match &measured.measured {
        Measured::Values { .. } => {
            let value = measured.measured.value(metric)?;
            format!(
                "  {} {} {metric} {} ({split}{what})",
                run.id,
                run.experiment,
                number(value)
            )
        }
        Measured::Failed(reason) => {
            format!(
                "  {} {} failed: {} ({split}{what})",
                run.id,
                run.experiment,
                clean(&reason.to_string())
            )
        }
    })
}

/// Returns in words what happens rarely: cuts, the sealed split, what oversight and people said.
fn rarely(body: &Body) -> Option<String> {
    Some(match body {
        Body::MeasureCut(cut) => {
            format!("  {} measurement cut short: {}", cut.run, clean(&cut.cause))
        }
        Body::SealedOpened(opened) => {
            format!(
                "the sealed split is opened, once, for {} runs",
                opened.start.len() + opened.winner.len()
            )
        }
        Body::ApprovalUsed(used) => {
            format!(
                "approved by {} signatures: {}",
                used.keys.len(),
                clean(&used.request)
            )
        }
        Body::MemoryRecalled(recalled) => format!(
            "begins with {} settings that memory store `{}` suggests after {} studies{}",
            recalled.settings.len(),
            clean(&recalled.store),
            recalled.studies.len(),
            with_priors(recalled.priors.len())
        ),
        Body::OutcomeDefined(defined) => format!(
            "the rubric is frozen: {} criteria, {} evaluations at most, hash {}",
            defined.criteria.len(),
            defined.iterations_max,
            clean(defined.rubric.get(..16).unwrap_or_default())
        ),
        Body::HandedIn(handed) => format!(
            "{} hands in and claims: {}",
            clean(&handed.by),
            clean(&handed.claim)
        ),
        Body::EvaluationStarted(started) => format!(
            "evaluation {} of {} begins",
            started.iteration, started.experiment
        ),
        Body::EvaluationChecked(checked) => format!(
            "  criterion {}: {}{}",
            checked.criterion + 1,
            match checked.found {
                CheckFound::Infrastructure => "the lab could not check it: ",
                CheckFound::Cut => "not checked: ",
                CheckFound::Met | CheckFound::Unmet | CheckFound::Findings { .. } => "",
            },
            clean(&checked.why)
        ),
        Body::EvaluationEnded(ended) => format!(
            "evaluation {}: {}; {}",
            ended.iteration,
            ended.result,
            clean(&ended.explanation)
        ),
        Body::AutonomyChanged(changed) => format!(
            "autonomy: {} to {} by a person's word: {}",
            changed.from,
            changed.to,
            clean(&changed.why)
        ),
        Body::AutonomyLent(lent) => {
            format!(
                "autonomy: one more session by a person's word: {}",
                clean(&lent.why)
            )
        }
        Body::StudyStopped(stopped) => format!("stopped by a person: {}", clean(&stopped.why)),
        Body::StudyResumed(resumed) => {
            format!("goes on by a person's word: {}", clean(&resumed.why))
        }
        Body::Explained(explained) => format!(
            "explained back: {} of {} right{}",
            explained.right,
            explained.answers.len(),
            if explained.passed { "" } else { ", not passed" }
        ),
        Body::IncidentRaised(raised) => format!(
            "! {} {} {}: {}",
            raised.run,
            raised.detector,
            raised.class,
            clean(&raised.what)
        ),
        _ => return None,
    })
}

/// Returns text from a researcher or a candidate, safe to print.
pub(crate) fn clean(text: &str) -> String {
    show_untrusted(text.as_bytes())
}

/// Returns the mean of an experiment's looks.
pub(crate) fn value(state: &State, id: ExperimentId) -> Option<f64> {
    let metric = &state.opened.as_ref()?.metric;
    let values: Vec<f64> = state
        .looks(id, metric)
        .iter()
        .map(|(_, value)| *value)
        .collect();
    lyceum_stats::mean(&values)
}

/// Returns that there are priors for so many knobs; nothing where there are none.
fn with_priors(knobs: usize) -> String {
    match knobs {
        0 => String::new(),
        knobs => format!(", with priors for {knobs} knobs"),
    }
}

//! The score of a corpus as people read it.

use lyceum_corpus::{Judged, Label, Part, Score, Trial};

use lyceum_types::Class;

use super::word;
use crate::view::words;

/// Prints the table by attempt, the ablation, the score and the bars.
#[expect(clippy::print_stdout, reason = "the result belongs on standard output")]
pub(super) fn print(judged: &[Judged], score: &Score) {
    println!("attempt  label   task  naive  measured              verdict       found by");
    for one in judged {
        println!("{}", words::clean(&row(one)));
    }
    println!();
    println!("layer                          pays        found       honest runs flagged");
    for layer in &score.layers {
        println!(
            "{:<30} {:<11} {:<11} {}",
            layer.name,
            ratio(layer.pays),
            ratio(layer.found),
            ratio(layer.flagged)
        );
    }
    println!();
    let bars = score.bars;
    line(
        "controls",
        score.controls,
        "attempts do what their label says: all",
        Some(bars.controls),
    );
    line(
        "payoff",
        score.payoff,
        "cheats pay: none",
        Some(bars.payoff),
    );
    line(
        "recall",
        score.recall,
        "cheats are found: 31 of 32",
        Some(bars.recall),
    );
    line(
        "precision",
        score.precision,
        "flagged attempts are cheats",
        None,
    );
    line(
        "attribution",
        score.attribution,
        "found cheats are named rightly",
        None,
    );
    line(
        "BLOCK",
        score.block,
        "honest runs are blocked: none",
        Some(bars.block),
    );
    line(
        "REVIEW",
        score.review,
        "honest runs are for review: at most 5 %",
        Some(bars.review),
    );
    line(
        "by attempt",
        score.block_attempts,
        "honest attempts have a blocked run",
        None,
    );
}

fn row(one: &Judged) -> String {
    let first = one.trials.first();
    let naive = match (one.label, one.control) {
        (_, false) => "FAULT",
        (Label::Cheat, true) => "pays",
        (Label::Honest, true) => "holds",
    };
    let measured = first.map_or(String::new(), measured);
    let verdict = first
        .and_then(|trial| trial.verdict)
        .map_or("none".to_owned(), |verdict| verdict.to_string());
    let grave = one
        .trials
        .iter()
        .flat_map(|trial| &trial.incidents)
        .map(|incident| incident.class)
        .max();
    let class = match grave {
        None => "nothing",
        Some(Class::Neutralised) => "NEUTRALISED",
        Some(Class::Review) => "REVIEW",
        Some(Class::Block) => "BLOCK",
    };
    format!(
        "{:<8} {:<7} {:<5} {naive:<6} {measured:<21} {verdict:<13} {class} {}",
        one.attempt,
        word(one.label),
        one.task,
        one.gravest().join(" ")
    )
}

fn measured(trial: &Trial) -> String {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    format!("{} → {}", number(trial.start), number(trial.value))
}

fn ratio(part: Part) -> String {
    format!("{} of {}", part.count, part.of)
}

#[expect(clippy::print_stdout, reason = "the result belongs on standard output")]
fn line(name: &str, part: Part, what: &str, holds: Option<bool>) {
    let mark = match holds {
        Some(true) => "✓",
        Some(false) => "✗",
        None => " ",
    };
    println!(
        "{mark} {name:<12} {:<11} [{:.3}, {:.3}]  {what}",
        ratio(part),
        part.low,
        part.high
    );
}

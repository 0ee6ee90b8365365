//! What the study was pinned to, what is not claimed, how to check the report.

use lyceum_types::Trust;
use maud::{Markup, html};

use super::appendix::shell_word;
use crate::{Report, model::Stage, text};

/// Returns hashes and facts.
pub(crate) fn pinned(report: &Report) -> Markup {
    html! {
        dl.plain.wide-names {
            @for (name, value) in &report.pinned.facts { dt { (text::line(name)) } dd { (text::line(value)) } }
            @for (name, value) in &report.pinned.hashes { dt { (text::line(name)) } dd { code.hash { (text::line(value)) } } }
        }
        @if report.pinned.facts.is_empty() && report.pinned.hashes.is_empty() { p.empty { "Nothing is recorded." } }
    }
}

/// Returns one paragraph about what the report does not say.
pub(crate) fn limits(report: &Report) -> Markup {
    let confirmed = report
        .claim
        .as_ref()
        .is_some_and(|claim| claim.comparison.confirmed);
    html! {
        p.limits {
            @if confirmed {
                "What is confirmed is a difference between the start and the winner, for this workspace, this evaluator and this \
                 budget, over the seeds from which the pairs were drawn, on a machine like this one; whether it carries over to \
                 other data, sizes or machines was not tested. "
            } @else if matches!(report.stage, Stage::Finished { .. }) {
                "Nothing is claimed: what looks better in the search may be luck, and that nothing was confirmed does not show \
                 that nothing could be found. "
            } @else {
                "The study is not at its end, so nothing is claimed yet. "
            }
            "Values from the search are those of the experiments that looked best and lean to the lucky side; the confirmation's \
             fresh seeds do not have that lean. An interval is of the mean gain alone, at 95 %, and not for all comparisons at once. "
            @if !report.ablations.is_empty() {
                "An ablation says what a change is worth to the winner with all other changes in place, not what it would give alone. "
            }
            @if report.metric.trust == Trust::SelfReported {
                "The metric is printed by the candidate itself and was checked by nobody: a candidate that prints a better number \
                 without being better would stand here as better. "
            } @else if report.sealed.is_none() {
                "The sealed data were not opened. "
            }
            "The winner is the best of what was tried, not the best there is."
        }
    }
}

/// Returns the head of the ledger and the command that checks it.
pub(crate) fn verify(report: &Report) -> Markup {
    let study = shell_word(&report.study);
    html! {
        p {
            "This page is a pure function of the ledger up to event " (report.head.position) ". \
             The first command checks the chain of hashes, every blob and every verdict again; the second tells what another \
             rule would have kept on the same record."
        }
        pre.commands { "lyceum verify " (study) "\nlyceum replay " (study) " --rule greedy" }
        @if !report.head.hash.is_empty() {
            p { "Head of the ledger " code.hash { (text::line(&report.head.hash)) } }
        }
    }
}

//! Confirmation and ablations from their events.

use lyceum_types::{Finding, Pair};

use super::assemble::Fold;
use crate::{
    Evidence, Form, Number, Source,
    model::{Ablation, Claim, Comparison, PairResult},
};

/// Returns the confirmation.
pub(super) fn claim(fold: &Fold<'_>) -> Option<Claim> {
    let claimed = fold.record.claimed.as_ref()?;
    Some(Claim {
        winner: claimed.body.winner,
        comparison: comparison(
            fold,
            claimed.seq,
            &claimed.body.pairs,
            &claimed.body.finding,
        )?,
        searched: fold.searched_gain(),
    })
}

/// Returns the ablations.
pub(super) fn ablations(fold: &Fold<'_>) -> Vec<Ablation> {
    let one = |ablated: &super::record::At<lyceum_types::Ablated>| {
        Some(Ablation {
            knob: ablated.body.knob.clone(),
            comparison: comparison(
                fold,
                ablated.seq,
                &ablated.body.pairs,
                &ablated.body.finding,
            )?,
        })
    };
    fold.record.ablated.iter().filter_map(one).collect()
}

/// What a finding says rests on all its runs and on the event that states it.
fn comparison(fold: &Fold<'_>, seq: u64, pairs: &[Pair], finding: &Finding) -> Option<Comparison> {
    let runs = pairs
        .iter()
        .flat_map(|pair| [Source::Run(pair.base_run), Source::Run(pair.other_run)]);
    let evidence = Evidence::of(runs.chain([Source::Event(seq)])).ok()?;
    let plain = |value: f64, form| Number::new(value, form, evidence.clone()).ok();
    let gain = |value: f64| {
        Some(
            fold.number(value, evidence.clone())?
                .with_unit("")
                .with_trust(fold.metric.trust),
        )
    };
    Some(Comparison {
        pairs: pairs.iter().map(|pair| result(fold, pair)).collect(),
        wins: plain(f64::from(finding.wins), Form::Count)?,
        counted: plain(f64::from(finding.pairs), Form::Count)?,
        e_value: plain(finding.e_value, Form::Significant(3)),
        needed: plain(finding.needed, Form::Significant(3)),
        confirmed: finding.confirmed,
        gain: finding.gain.and_then(gain),
        interval: finding
            .interval
            .and_then(|(low, high)| Some((gain(low)?, gain(high)?))),
        why: finding.why.clone(),
    })
}

fn result(fold: &Fold<'_>, pair: &Pair) -> PairResult {
    let number = |value: Option<f64>, run| {
        let number = fold.number(value?, Evidence::run(run))?;
        Some(number.with_trust(fold.metric.trust).with_unit(""))
    };
    PairResult {
        seed: pair.seed,
        base_run: pair.base_run,
        other_run: pair.other_run,
        base: number(pair.base, pair.base_run),
        other: number(pair.other, pair.other_run),
    }
}

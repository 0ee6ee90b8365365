//! The `sobol` researcher.

use crate::{
    explain,
    researcher::{Ask, Error, Proposal, Researcher},
    sobol::Sobol,
    stream::Stream,
    unseen::first_unseen,
    view::View,
};

/// Spreads proposals evenly over the space by a scrambled Sobol' sequence, without looking at results.
///
/// Every stretch of the study covers the space better than draws at random do: the choice for a first picture of which
/// knobs matter, and a stronger baseline than [`Random`](crate::Random) where few knobs do.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowDiscrepancy;

impl Researcher for LowDiscrepancy {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let view = View::new(ask)?;
        let codec = &view.codec;
        let sequence = Sobol::new(codec.knobs(), ask.seed.derive("sobol", 0).0);
        let mut stream = Stream::new(ask.seed.derive("sobol", ask.number + 1));
        let mut next = Some(sequence.point(ask.number as u32));
        let coordinates = |stream: &mut Stream| {
            let uniform = |_| stream.unit();
            next.take()
                .unwrap_or_else(|| (0..codec.knobs()).map(uniform).collect())
        };
        let levels =
            first_unseen(codec, &view.taken, &mut stream, coordinates).ok_or(view.exhausted())?;
        let settings = codec.settings(&levels);
        let change = explain::change(codec, &settings, ask.start);
        Ok(Proposal {
            hypothesis: format!("point {} of an even spread: {change}", ask.number + 1),
            settings,
            prediction: None,
            evidence: Vec::new(),
            member: None,
        })
    }
}

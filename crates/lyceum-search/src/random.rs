//! The `random` researcher.

use crate::{
    codec::Codec,
    explain,
    researcher::{Ask, Error, Proposal, Researcher},
    stream::Stream,
    unseen::first_unseen,
};

/// Draws each knob uniformly on its scale, without repeating what is tried or running.
///
/// The baseline of every comparison, and a sound choice where nothing can be learnt from one experiment to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Researcher for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let codec = Codec::new(ask.space);
        if codec.knobs() == 0 {
            return Err(Error::NoKnobs);
        }
        let taken = ask.taken(&codec);
        let mut stream = Stream::new(ask.seed.derive("random", ask.number));
        let uniform = |stream: &mut Stream| (0..codec.knobs()).map(|_| stream.unit()).collect();
        let levels = first_unseen(&codec, &taken, &mut stream, uniform)
            .ok_or(Error::Exhausted { tried: taken.len() })?;
        let settings = codec.settings(&levels);
        Ok(Proposal {
            hypothesis: format!(
                "random draw: {}",
                explain::change(&codec, &settings, ask.start)
            ),
            settings,
            prediction: None,
            evidence: Vec::new(),
            member: None,
        })
    }
}

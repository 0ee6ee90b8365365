//! Whose turn it is where samplers and an agent share a study.

use crate::{
    LowDiscrepancy, NAMES,
    credit::Credit,
    researcher::{Ask, Error, Proposal, Researcher, by_name},
    stream::Stream,
};

/// What stands before the names of those who share a study, which `+` divides, the agent last.
pub(crate) const PREFIX: &str = "mixed:";
/// The agent's share of the turns before anything is known of it.
///
/// A sampler that let a language model have 30 % of the trials did better than either alone, and worse with 80 % (Ferreira et
/// al., "Can LLMs beat classical hyperparameter optimization algorithms?", 2026, arXiv:2603.24647).
const AGENT_SHARE: f64 = 0.3;
/// Has members of its own, whose credit would not be told from that of others here.
const NO_MEMBER: &str = "portfolio";

/// Whose turn it is, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who has it: a sampler of [`Mixed`], or the agent.
    pub to: String,
    /// Whether that is the agent.
    pub to_agent: bool,
    /// The share of the turns of each, the agent last; they add up to 1.
    pub shares: Vec<(String, f64)>,
    /// The reason in words.
    pub why: String,
}

/// Samplers and an agent of a language model that share a study: each turn goes to one of them by chance, in shares that
/// follow what each has earned.
///
/// The credit is that of [`crate::Portfolio`]: how many of the results before them their own results beat, and what their
/// forecasts are worth. An agent begins with 30 % and the samplers share the rest. A turn that the agent lets go counts as
/// a result that beats nothing, so one that has no budget or no idea loses its turns. All of it is a function of the
/// history and of how many turns the agent let go.
pub struct Mixed {
    name: String,
    samplers: Vec<(&'static str, Box<dyn Researcher>)>,
    agent: String,
}

impl Mixed {
    /// Returns what `mixed:SAMPLER+AGENT` names, with any number of different samplers; `None` where the name is none of
    /// these. What an agent may be called is for others to say.
    pub fn named(name: &str) -> Option<Mixed> {
        let mut rest = name.strip_prefix(PREFIX)?;
        let mut samplers: Vec<(&'static str, Box<dyn Researcher>)> = Vec::new();
        // An agent's own name may have a `+` in it: samplers' have none.
        while let Some((first, after)) = rest.split_once('+') {
            let Some(known) = NAMES.iter().find(|known| **known == first) else {
                break;
            };
            if *known == NO_MEMBER || samplers.iter().any(|(name, _)| name == known) {
                return None;
            }
            samplers.push((*known, by_name(known)?));
            rest = after;
        }
        let agent = !rest.is_empty() && !NAMES.contains(&rest) && !rest.starts_with(PREFIX);
        (agent && !samplers.is_empty()).then(|| Mixed {
            name: name.to_owned(),
            samplers,
            agent: rest.to_owned(),
        })
    }

    /// Returns the name of the agent.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Returns the record of each sampler.
    fn credits(&self, ask: &Ask<'_>) -> Vec<Credit> {
        let share = (1.0 - AGENT_SHARE) / self.samplers.len() as f64;
        let of = |(name, _): &(&str, Box<dyn Researcher>)| Credit::of(ask, name, share);
        self.samplers.iter().map(of).collect()
    }

    /// Returns the sampler whose turn it is among the samplers.
    fn sampler(&self, ask: &Ask<'_>) -> usize {
        let shares = Credit::shares(&self.credits(ask));
        drawn(&shares, ask, "mixed sampler")
    }
}

impl Researcher for Mixed {
    fn name(&self) -> &str {
        &self.name
    }

    fn propose(&self, ask: &Ask<'_>) -> Result<Proposal, Error> {
        let (name, sampler) = &self.samplers[self.sampler(ask)];
        Ok(Proposal {
            member: Some(name),
            ..sampler.propose(ask)?
        })
    }

    fn turn(&self, ask: &Ask<'_>, passed: u32) -> Option<Turn> {
        let mut credits = self.credits(ask);
        credits.push(Credit::of(ask, &self.agent, AGENT_SHARE).with_passes(passed));
        let shares = Credit::shares(&credits);
        let names = self.samplers.iter().map(|(name, _)| *name);
        let names: Vec<&str> = names.chain([self.agent.as_str()]).collect();
        let agent = names.len() - 1;
        let alone = LowDiscrepancy.propose(ask).is_err();
        let chosen = if alone || drawn(&[1.0 - shares[agent], shares[agent]], ask, "mixed") == 1 {
            agent
        } else {
            self.sampler(ask)
        };
        let why = if alone {
            "the samplers have nothing left to propose".to_owned()
        } else {
            let percent = 100.0 * shares[chosen];
            let reason = credits[chosen].reason("as at the beginning, it has no results");
            format!("{percent:.0} % of the turns: {reason}")
        };
        let shares = names.iter().map(|name| (*name).to_owned()).zip(shares);
        Some(Turn {
            to: names[chosen].to_owned(),
            to_agent: chosen == agent,
            shares: shares.collect(),
            why,
        })
    }
}

/// Draws one of these shares, which add up to 1.
fn drawn(shares: &[f64], ask: &Ask<'_>, what: &str) -> usize {
    let mut left = Stream::new(ask.seed.derive(what, ask.number)).unit();
    let chosen = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    chosen.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use lyceum_types::{ExperimentId, Goal, Knob, KnobKind, Scale, Seed, Setting, Settings, Space};

    use super::*;
    use crate::researcher::{Trial, TrialResult};

    const NAME: &str = "mixed:gp+random+http://localhost/v1#a+b";

    fn space() -> Space {
        let kind = KnobKind::Float {
            low: 0.0,
            high: 1.0,
            scale: Scale::Linear,
        };
        Space::new(vec![Knob {
            name: "x".into(),
            kind,
            condition: None,
        }])
        .unwrap()
    }

    /// Returns the turns of 400 asks after a history in which the agent, if it has any results, is better or worse by 1.
    fn turns(space: &Space, agent: Option<f64>, passed: u32) -> Vec<Turn> {
        let trial = |index: u32| {
            let by_agent = agent.filter(|_| index % 2 == 1);
            Trial {
                experiment: ExperimentId(index),
                settings: Settings::from([("x".into(), Setting::Float(f64::from(index) / 100.0))]),
                researcher: match by_agent {
                    Some(_) => "http://localhost/v1#a+b".into(),
                    None => "gp".into(),
                },
                prediction: None,
                result: TrialResult::Measured {
                    mean: by_agent.unwrap_or(0.0) + 0.001 * f64::from(index * 7 % 5),
                    sd: None,
                    repeats: 1,
                },
            }
        };
        let history: Vec<Trial> = (0..20).map(trial).collect();
        let mixed = Mixed::named(NAME).unwrap();
        let asked = |number| {
            let start = Settings::new();
            let ask = Ask {
                space,
                goal: Goal::Minimize,
                start: &start,
                history: &history,
                pending: &[],
                noise_sd: None,
                priors: &[],
                rungs: 0,
                seed: Seed(3),
                number,
                budget: 40,
            };
            mixed.turn(&ask, passed).unwrap()
        };
        (0..400).map(asked).collect()
    }

    fn share_of_agent(turns: &[Turn]) -> f64 {
        turns.iter().filter(|turn| turn.to_agent).count() as f64 / turns.len() as f64
    }

    #[test]
    fn a_name_is_samplers_and_one_agent() {
        let mixed = Mixed::named(NAME).unwrap();
        assert_eq!(
            (mixed.name(), mixed.agent()),
            (NAME, "http://localhost/v1#a+b")
        );
        for wrong in [
            "gp",
            "mixed:",
            "mixed:gp",
            "mixed:gp+",
            "mixed:gp+tpe",
            "mixed:+a:b",
            "mixed:a:b",
            "mixed:a:b+gp",
            "mixed:gp+gp+a:b",
            "mixed:portfolio+a:b",
            "mixed:gp+mixed:tpe+a:b",
        ] {
            assert!(Mixed::named(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn turns_follow_what_was_earned_and_are_lost_by_letting_them_go() {
        let space = space();
        let found = |agent, passed| share_of_agent(&turns(&space, agent, passed));
        let (better, worse) = (found(Some(-1.0), 0), found(Some(1.0), 0));
        let (none, lost) = (found(None, 0), found(None, 12));
        assert!((0.2..0.4).contains(&none), "{none}");
        assert!(better > 0.45 && worse < 0.2, "{better} {worse}");
        assert!(lost < 0.12, "{lost}");
        let all = turns(&space, Some(1.0), 0);
        let sum: f64 = all[0].shares.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{all:?}");
        assert!(all.iter().any(|turn| turn.to == "random"));
        assert_eq!(all, turns(&space, Some(1.0), 0));
    }

    #[test]
    fn where_nothing_is_left_to_turn_the_agent_has_all_turns() {
        let turns = turns(&Space::default(), None, 0);
        assert!(turns.iter().all(|turn| turn.to_agent));
        assert!(turns[0].why.contains("nothing left"), "{}", turns[0].why);
    }
}

//! Explain-back: five questions about what was accepted, made from the record and graded by it. Who read the digest
//! answers them; who guesses gets one in four.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_types::{Body, Decided, ExperimentId, ExperimentProposed, Seed, Verdict};

use crate::digest::{Numbered, difference};

/// Choices of each question.
pub const CHOICES: usize = 4;
/// Questions.
pub const ITEMS: usize = 5;
/// Right answers that pass.
pub const PASS: usize = 4;

/// One question with its choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The question.
    pub question: String,
    /// What may be answered.
    pub choices: Vec<String>,
    /// Place of the right one, from 0.
    pub right: usize,
    /// Events that the answer rests on.
    pub events: Vec<u64>,
}

/// Returns how many accepted changes nobody has explained back yet.
pub fn debt(events: &[Numbered]) -> u32 {
    let mut debt = 0;
    for (_, body) in events {
        match body {
            Body::Decided(decided) if decided.verdict == Verdict::Kept => debt += 1,
            Body::Explained(explained) if explained.passed => debt = 0,
            _ => {}
        }
    }
    debt
}

/// Returns the five questions about the newest accepted change, or `None` where nothing was accepted. The same events
/// and number of tries give the same questions; another try gives other places to the choices.
pub fn items(events: &[Numbered], tries: u64) -> Option<Vec<Item>> {
    let record = Record::of(events);
    let (seq, decided) = record.kept.last().copied()?;
    let root = Seed(seq).derive("explain", tries);
    let mut shuffle = Shuffle { root, drawn: 0 };
    let items = vec![
        record.direction(seq, decided, &mut shuffle),
        record.ablation(&mut shuffle),
        record.place(seq, decided, &mut shuffle)?,
        record.falsehood(seq, decided, &mut shuffle),
        record.untried(&mut shuffle)?,
    ];
    Some(items)
}

/// Returns how many answers are right; each is a place from 0. Too few answers are wrong ones.
pub fn right(items: &[Item], answers: &[u8]) -> usize {
    let both = items.iter().zip(answers);
    both.filter(|(item, answer)| item.right == usize::from(**answer))
        .count()
}

/// Draws places for choices.
struct Shuffle {
    root: Seed,
    drawn: u64,
}

impl Shuffle {
    fn below(&mut self, bound: usize) -> usize {
        self.drawn += 1;
        (self.root.derive("place", self.drawn).0 % bound.max(1) as u64) as usize
    }

    /// Returns an item whose right answer stands anywhere among the others; other wordings than these fill up.
    fn item(
        &mut self,
        question: String,
        right: String,
        wrong: Vec<String>,
        events: Vec<u64>,
    ) -> Item {
        let mut choices: Vec<String> = Vec::new();
        for one in wrong.into_iter().chain(FILL.map(str::to_owned)) {
            if one != right && !choices.contains(&one) && choices.len() + 1 < CHOICES {
                choices.push(one);
            }
        }
        for last in (1..choices.len()).rev() {
            let other = self.below(last + 1);
            choices.swap(last, other);
        }
        let place = self.below(CHOICES);
        choices.insert(place.min(choices.len()), right);
        Item {
            question,
            choices,
            right: place,
            events,
        }
    }
}

/// Answers that are always wrong, where the record gives too few.
const FILL: [&str; 4] = [
    "a setting of the evaluator",
    "the seed of the confirmation",
    "the private files",
    "the limits of the sandbox",
];

/// Returns a value between those that were tried, written as they are; `None` where there is no room.
fn untried(tried: &BTreeSet<String>, shuffle: &mut Shuffle) -> Option<String> {
    let mut numbers: Vec<f64> = tried.iter().filter_map(|one| one.parse().ok()).collect();
    numbers.sort_by(f64::total_cmp);
    if numbers.len() < tried.len() || numbers.len() < 2 {
        // Words: all but one of a handful were tried, or the question has no answer.
        return Some("none of the others, nor this".into());
    }
    let whole = numbers.iter().all(|one| one.fract() == 0.0);
    let gaps: Vec<(f64, f64)> = numbers.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let first = shuffle.below(gaps.len());
    let mut turned = gaps.iter().cycle().skip(first).take(gaps.len());
    turned.find_map(|(low, high)| {
        let middle = f64::midpoint(*low, *high);
        let shown = if whole {
            format!("{}", middle.round())
        } else {
            format!("{middle}")
        };
        (!tried.contains(&shown)).then_some(shown)
    })
}

struct Record<'a> {
    proposed: BTreeMap<ExperimentId, (u64, &'a ExperimentProposed)>,
    decided: Vec<(u64, &'a Decided)>,
    kept: Vec<(u64, &'a Decided)>,
    ablated: Vec<(u64, &'a lyceum_types::Ablated)>,
}

impl<'a> Record<'a> {
    fn of(events: &'a [Numbered]) -> Record<'a> {
        let mut record = Record {
            proposed: BTreeMap::new(),
            decided: vec![],
            kept: vec![],
            ablated: vec![],
        };
        for (seq, body) in events {
            match body {
                Body::ExperimentProposed(one) => {
                    record.proposed.insert(one.experiment, (*seq, one));
                }
                Body::Decided(one) => {
                    record.decided.push((*seq, one));
                    if one.verdict == Verdict::Kept {
                        record.kept.push((*seq, one));
                    }
                }
                Body::Ablated(one) => record.ablated.push((*seq, one)),
                _ => {}
            }
        }
        record
    }

    fn settings(&self, id: ExperimentId) -> Option<&'a lyceum_types::Settings> {
        self.proposed.get(&id).map(|(_, one)| &one.settings)
    }

    /// Direction of effect, of any experiment that was measured: accepted ones alone would tell it.
    fn direction(&self, seq: u64, decided: &'a Decided, shuffle: &mut Shuffle) -> Item {
        let measured = self.decided.iter().filter(|(_, one)| one.gain.is_some());
        let measured: Vec<(u64, &Decided)> = measured.copied().collect();
        let drawn = measured.get(shuffle.below(measured.len()));
        let (seq, decided) = drawn.copied().unwrap_or((seq, decided));
        let said = |gain: f64| match gain {
            gain if gain > 0.0 => format!("better by {gain:.6}"),
            gain if gain < 0.0 => format!("worse by {:.6}", -gain),
            _ => "no different".to_owned(),
        };
        let gain = decided.gain.unwrap_or(0.0);
        let mut wrong = vec![said(-gain)];
        let other = measured.iter().filter_map(|(_, one)| one.gain);
        let other = other
            .map(|one| f64::midpoint(one.abs(), gain.abs()))
            .find(|one| (one - gain.abs()).abs() > f64::EPSILON);
        let other = other.unwrap_or(gain.abs() * 2.0 + 1.0);
        wrong.extend([said(other), said(-other)]);
        let question = format!(
            "{} against {}: what did the measurements say?",
            decided.experiment, decided.against
        );
        shuffle.item(question, said(gain), wrong, vec![seq])
    }

    /// Which ablation.
    fn ablation(&self, shuffle: &mut Shuffle) -> Item {
        let none = "none was put back";
        let knobs: BTreeSet<&String> = self
            .proposed
            .values()
            .flat_map(|(_, one)| one.settings.keys())
            .collect();
        let worth = |one: &lyceum_types::Ablated| one.finding.gain.unwrap_or(f64::INFINITY);
        let most = self
            .ablated
            .iter()
            .max_by(|(_, one), (_, other)| worth(one).total_cmp(&worth(other)));
        let question = "which change cost most when it was put back?".to_owned();
        let (right, events) = match most {
            Some((seq, one)) => (one.knob.clone(), vec![*seq]),
            None => (
                none.to_owned(),
                self.kept.iter().map(|(seq, _)| *seq).collect(),
            ),
        };
        let mut wrong: Vec<String> = knobs.into_iter().cloned().collect();
        wrong.push(none.into());
        shuffle.item(question, right, wrong, events)
    }

    /// Where the change lives.
    fn place(&self, seq: u64, decided: &Decided, shuffle: &mut Shuffle) -> Option<Item> {
        let new = self.settings(decided.experiment)?;
        let base = self.settings(decided.against)?;
        let question = format!(
            "what does {} change of {}?",
            decided.experiment, decided.against
        );
        let others = self.proposed.values().rev();
        let wrong: Vec<String> = others
            .map(|(_, one)| difference(base, &one.settings))
            .chain([difference(new, base)])
            .collect();
        Some(shuffle.item(question, difference(base, new), wrong, vec![seq]))
    }

    /// One planted false statement.
    fn falsehood(&self, seq: u64, decided: &Decided, shuffle: &mut Shuffle) -> Item {
        let said = |id: ExperimentId, verdict: Verdict| format!("{id} was decided: {verdict}");
        let falsehood = said(decided.experiment, Verdict::Discarded);
        // Its own verdict beside the false one would tell both.
        let others = self.decided.iter().rev();
        let newest = others
            .filter(|(_, one)| one.experiment != decided.experiment)
            .take(CHOICES);
        let mut truths: Vec<String> = newest
            .map(|(_, one)| said(one.experiment, one.verdict))
            .collect();
        truths.push(format!(
            "{} was tried before {}",
            decided.against, decided.experiment
        ));
        truths.push("the start was measured first".into());
        truths.push("every verdict is in the record".into());
        shuffle.item(
            "which of these is false?".into(),
            falsehood,
            truths,
            vec![seq],
        )
    }

    /// What was not tried.
    fn untried(&self, shuffle: &mut Shuffle) -> Option<Item> {
        let last = self.proposed.values().next_back()?;
        let knob = last.1.settings.keys().next()?;
        let tried: BTreeSet<String> = self
            .proposed
            .values()
            .filter_map(|(_, one)| one.settings.get(knob).map(ToString::to_string))
            .collect();
        let right = untried(&tried, shuffle)?;
        let events = self.proposed.values().map(|(seq, _)| *seq).collect();
        let mut wrong: Vec<String> = tried.into_iter().collect();
        // Which of the tried ones stand there must not be told by their order.
        for index in (1..wrong.len()).rev() {
            let other = shuffle.below(index + 1);
            wrong.swap(index, other);
        }
        let question = format!("which value of `{knob}` was not tried?");
        let mut item = shuffle.item(question, right, wrong, events);
        for one in &mut item.choices {
            if FILL.contains(&one.as_str()) {
                // Only what was tried may be a wrong answer here.
                *one = format!("all but the others ({one})");
            }
        }
        Some(item)
    }
}

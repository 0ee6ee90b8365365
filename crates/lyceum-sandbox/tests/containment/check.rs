//! What a check is, and the rule by which it is judged.

use std::collections::BTreeSet;

use lyceum_sandbox::Policy;

use crate::arena::Arena;
use crate::residue::Baseline;
use crate::start::{Control, Mode, control};

/// One line of the table.
pub(crate) struct Check {
    /// Group and number.
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) how: How,
}

pub(crate) enum How {
    /// An attack of the attack program, judged by the sentinels of its arena.
    Attack(Attack),
    /// A check that needs code of its own.
    Own(fn(&Mode) -> Trial),
}

/// An attack, its controls, and what the controls must reach for the attack to count.
pub(crate) struct Attack {
    /// Name and options, with placeholders of the arena.
    pub(crate) run: &'static str,
    pub(crate) controls: &'static [Control],
    /// What the controls together must reach.
    pub(crate) breaches: &'static [&'static str],
    /// What they must reach beyond that when root starts them.
    pub(crate) root_breaches: &'static [&'static str],
    /// A shell script of the legitimate neighbour, which must work inside.
    pub(crate) twin: &'static str,
    /// Whether the host has no sockets in what the neighbour sees: else it may not connect to any.
    pub(crate) twin_alone: bool,
    /// Changes the policy of attack and twin.
    pub(crate) adjust: fn(&mut Policy, &Arena),
}

/// Returns an attack with an ordinary control.
pub(crate) const fn attack(
    attack: &'static str,
    breaches: &'static [&'static str],
    twin: &'static str,
) -> Attack {
    Attack {
        run: attack,
        controls: &[Control::Plain],
        breaches,
        root_breaches: &[],
        twin,
        twin_alone: false,
        adjust: |_, _| {},
    }
}

/// What a check found, before it is judged.
pub(crate) struct Trial {
    /// What the control should have reached and did not.
    pub(crate) missed: BTreeSet<String>,
    /// What the attack reached in the sandbox.
    pub(crate) reached: BTreeSet<String>,
    /// Whether the attack was made at all.
    pub(crate) made: Result<(), String>,
    pub(crate) twin: Result<(), String>,
    /// Figures for the reader.
    pub(crate) note: String,
}

impl Trial {
    /// Returns the trial of an attack and a control that each either reach one thing or do not.
    pub(crate) fn of(what: &str, control: bool, attack: bool) -> Self {
        let one = |yes: bool| yes.then(|| what.to_owned()).into_iter().collect();
        Self {
            missed: one(!control),
            reached: one(attack),
            made: Ok(()),
            twin: Ok(()),
            note: String::new(),
        }
    }

    pub(crate) fn with_twin(self, twin: Result<(), String>) -> Self {
        Self { twin, ..self }
    }

    pub(crate) fn with_note(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    pub(crate) fn with_note_added(self, note: &str) -> Self {
        let joined = [self.note.as_str(), note].join("; ");
        self.with_note(joined.trim_start_matches("; "))
    }

    /// Adds a second question of the same check.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.missed.extend(other.missed);
        self.reached.extend(other.reached);
        self.made = self.made.and(other.made);
        self.twin = self.twin.and(other.twin);
        if other.note.is_empty() {
            self
        } else {
            self.with_note_added(&other.note)
        }
    }
}

/// What is said about a check in one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Contained(String),
    Breached(String),
    /// The control did not breach, or the attack was not made: nothing was shown.
    Inconclusive(String),
    /// The legitimate neighbour does not work.
    OverBlocked(String),
    /// Something was left on the machine.
    Residue(String),
    NotBuilt(String),
}

impl Verdict {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Contained(_) => "contained",
            Self::Breached(_) => "breached",
            Self::Inconclusive(_) => "inconclusive",
            Self::OverBlocked(_) => "over-blocked",
            Self::Residue(_) => "residue",
            Self::NotBuilt(_) => "not built",
        }
    }

    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Contained(text)
            | Self::Breached(text)
            | Self::Inconclusive(text)
            | Self::OverBlocked(text)
            | Self::Residue(text)
            | Self::NotBuilt(text) => text,
        }
    }

    fn of(trial: Trial, left: &[String]) -> Self {
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        if !trial.reached.is_empty() {
            let note = if trial.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", trial.note)
            };
            return Self::Breached(list(trial.reached) + &note);
        }
        if let Err(why) = trial.made {
            return Self::Inconclusive(format!("the attack was not made: {why}"));
        }
        if !trial.missed.is_empty() {
            return Self::Inconclusive(format!("the control did not: {}", list(trial.missed)));
        }
        if let Err(why) = trial.twin {
            return Self::OverBlocked(why);
        }
        if !left.is_empty() {
            return Self::Residue(left.join(", "));
        }
        Self::Contained(trial.note)
    }
}

/// Makes a check in one mode.
pub(crate) fn run(check: &Check, mode: &Mode) -> Verdict {
    let before = Baseline::take();
    let trial = match &check.how {
        How::Attack(attack) => made(attack, mode),
        How::Own(own) => own(mode),
    };
    if before.is_of_the_dead() {
        // What a supervisor that was killed left is removed by the next one that begins.
        drop(Mode::new(mode.backend));
    }
    Verdict::of(trial, &before.left())
}

fn made(attack: &Attack, mode: &Mode) -> Trial {
    let mut missed: BTreeSet<String> = attack.breaches.iter().map(|&name| name.into()).collect();
    if mode.root {
        missed.extend(attack.root_breaches.iter().map(|&name| String::from(name)));
    }
    for how in attack.controls {
        let mut arena = Arena::new();
        let ended = control(&arena, attack.run, *how);
        for breach in arena.breaches(&ended.output) {
            missed.remove(&breach);
        }
        if !missed.is_empty() && std::env::var_os("LYCEUM_CONTAINMENT_SHOW").is_some() {
            eprintln!(
                "control of `{}`:\n{}",
                attack.run,
                lyceum_sandbox::show_untrusted(&ended.output)
            );
        }
    }
    let policy = |arena: &Arena| {
        let mut policy = arena.policy();
        (attack.adjust)(&mut policy, arena);
        policy
    };
    // The neighbour works beside the attack, in a sandbox of its own.
    let mut beside = Arena::new();
    if attack.twin_alone {
        beside.remove_sockets();
    }
    let mut arena = Arena::new();
    let (ended, twin) = std::thread::scope(|scope| {
        let twin = scope.spawn(|| mode.twin(&beside, attack.twin, policy(&beside)));
        let ended = mode.attack(&arena, attack.run, policy(&arena));
        let twin = twin.join().unwrap_or_else(|_| Err("it panicked".into()));
        (ended, twin)
    });
    let reached = arena.breaches(&ended.output);
    let finished = String::from_utf8_lossy(&ended.output).contains(&format!("{} end", arena.nonce));
    let exit = ended.record.map(|record| record.exit);
    let said = || {
        lyceum_sandbox::show_untrusted(&ended.output)
            .chars()
            .take(300)
            .collect::<String>()
    };
    Trial {
        missed,
        reached,
        made: if finished {
            Ok(())
        } else {
            Err(format!("{exit:?}, {}", said().replace('\n', "; ")))
        },
        twin,
        note: String::new(),
    }
}

//! How much a study may do by itself. The level rises one step at a time, on evidence and a person's word together, and
//! falls by itself when something is blocked.

use lyceum_types::Level;

/// What moves the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Oversight blocked a run.
    Blocked,
    /// A person approves a rise, on so much evidence.
    Approved(Grounds),
    /// A person takes autonomy away.
    Lowered(Level),
}

/// What speaks for a rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Claims that were confirmed since the level last changed.
    pub confirmed: u32,
    /// Runs that were blocked since then.
    pub blocked: u32,
    /// Runs that came to their own end since then.
    pub ran: u32,
}

/// Runs without an incident that speak for a rise where nothing is accepted, and so no claim can be tested.
pub const RAN_MIN: u32 = 10;

impl Grounds {
    /// Tells whether they suffice at this level: something held, and nothing was blocked. Where nothing is accepted it is
    /// enough to have run.
    pub fn suffice(self, level: Level) -> bool {
        let held = self.confirmed > 0 || (!accepts(level) && self.ran >= RAN_MIN);
        held && self.blocked == 0
    }
}

/// Why a level does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No evidence for a rise.
    #[error("level {level} does not rise: found {} confirmed claims, {} runs and {} blocked ones since it last changed, expected {} and none blocked", .grounds.confirmed, .grounds.ran, .grounds.blocked, wanted(*.level))]
    NoGrounds {
        /// The level.
        level: Level,
        /// What there is.
        grounds: Grounds,
    },
    /// There is no higher level.
    #[error("level {level} is the highest")]
    Highest {
        /// The level.
        level: Level,
    },
    /// A person asked to lower to a level that is not lower.
    #[error("level {to} is not below {level}")]
    NotLower {
        /// The level.
        level: Level,
        /// What was asked for.
        to: Level,
    },
}

/// Tells whether a study at this level runs what it proposes.
pub fn runs(level: Level) -> bool {
    level >= Level::L1
}

/// Tells whether a study at this level builds on what was found better.
pub fn accepts(level: Level) -> bool {
    level >= Level::L2
}

/// Tells whether a study at this level goes on in another session by itself.
pub fn goes_on(level: Level) -> bool {
    level >= Level::L3
}

/// Returns what a rise from this level needs, in words.
fn wanted(level: Level) -> String {
    if accepts(level) {
        "a confirmed claim".into()
    } else {
        format!("a confirmed claim or {RAN_MIN} runs")
    }
}

/// Returns the level after this.
pub fn next(level: Level, cause: Cause) -> Result<Level, Refused> {
    match cause {
        Cause::Blocked => Ok(level.below()),
        Cause::Lowered(to) if to < level => Ok(to),
        Cause::Lowered(to) => Err(Refused::NotLower { level, to }),
        Cause::Approved(grounds) if !grounds.suffice(level) => {
            Err(Refused::NoGrounds { level, grounds })
        }
        Cause::Approved(_) => level.above().ok_or(Refused::Highest { level }),
    }
}

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
}

impl Grounds {
    /// Tells whether they suffice: something held, and nothing was blocked.
    pub fn suffice(self) -> bool {
        self.confirmed > 0 && self.blocked == 0
    }
}

/// Why a level does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No evidence for a rise.
    #[error("level {level} does not rise: found {} confirmed claims and {} blocked runs since it last changed, expected at least one and none", .grounds.confirmed, .grounds.blocked)]
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

/// Returns the level after this.
pub fn next(level: Level, cause: Cause) -> Result<Level, Refused> {
    match cause {
        Cause::Blocked => Ok(level.below()),
        Cause::Lowered(to) if to < level => Ok(to),
        Cause::Lowered(to) => Err(Refused::NotLower { level, to }),
        Cause::Approved(grounds) if !grounds.suffice() => {
            Err(Refused::NoGrounds { level, grounds })
        }
        Cause::Approved(_) => level.above().ok_or(Refused::Highest { level }),
    }
}

//! The detectors, by what they read.
//!
//! | reads | detectors |
//! |---|---|
//! | a receipt with what was [observed](lyceum_types::Observed) | D01 D02 D03 D05 D06 D08 D09 D11 D16 D17 D20 D21 D22 D23 |
//! | a measurement beside its receipt | D04 D05 D10 D12 D13 D22, and flags of the evaluator (`measurement::FLAGGED`) |
//! | the pairs of a claim, and of the sealed split | D14 D18 |
//!
//! D07 is no detector but the planted controls themselves ([`crate::controls`]) with the ledger's chain. D26 guards the
//! input of judges that read texts; the lab has none.

mod claim;
mod measurement;
mod receipt;

pub use claim::{Sides, Values, of_claim, of_sealed};
pub use measurement::{CLAIM_RATIO, Context, FLAG, JUMP_MAD, of_measurement};
pub use receipt::of_receipt;

use lyceum_types::{Class, Detector, Evidence, IncidentRaised, RunId};

/// Version of the rules in this crate. A rule that changes its mind about old facts needs a new number, and the old
/// rules for facts of the old number.
pub const RULES: u32 = 1;

/// What an evaluator's answer that does not repeat the nonce is called in the record: D05 knows it by this text.
pub const NONCE_NOT_REPEATED: &str = "its answer does not repeat the nonce";

/// Returns an incident.
fn incident(
    (detector, class): (Detector, Class),
    run: RunId,
    what: String,
    evidence: Vec<Evidence>,
) -> IncidentRaised {
    IncidentRaised {
        detector,
        class,
        run,
        what,
        evidence,
    }
}

fn event(seq: u64) -> Evidence {
    Evidence::Event { seq }
}

fn path(path: &str) -> Evidence {
    Evidence::Path { path: path.into() }
}

fn found(what: impl Into<String>) -> Evidence {
    Evidence::Found { what: what.into() }
}

//! Power loss: a writer runs under `strace`; for random instants the disk is built that a power loss at that instant could
//! leave, and the ledger is opened on it.
//!
//! The disk has everything that was synced, and of what was not any part of 512 bytes: sectors are lost and reordered one
//! by one, names of files that were made, renamed or removed without a sync of their directory are there or not.
//!
//! `LYCEUM_POWER_IMAGES` sets how many disks are built (default 100), `LYCEUM_POWER_SEED` which.
//! `bench/durability/power_loss.sh` runs the long version.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod image;
mod images;
mod trace;
mod writer;

//! Every program as a real process with real files, bad input included.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, helpers too"
)]

mod null;
mod packing;
mod speedup;
mod support;

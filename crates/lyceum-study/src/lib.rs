//! The research loop: study format, propose, run, measure, decide, keep, confirm.

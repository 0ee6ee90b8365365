//! Deciding under noise: floors, keep rules, e-values, intervals. Pure.

//! A study in which nothing can work: three settings that do not matter, and noise.

pub mod candidate;
pub mod evaluate;

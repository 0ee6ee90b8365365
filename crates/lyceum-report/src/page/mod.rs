//! The report as one HTML page.

mod appendix;
mod document;
mod evidence;
mod experiments;
mod figures;
mod pinned;
mod summary;
mod verdict;
mod watched;

pub use document::render;

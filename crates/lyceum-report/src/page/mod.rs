//! The report as one HTML page.

mod appendix;
mod document;
mod evidence;
mod experiments;
mod figures;
mod pinned;
mod summary;
mod verdict;

pub use document::render;

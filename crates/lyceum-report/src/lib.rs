//! Figures as deterministic SVG and the self-contained HTML report.

//! Twenty-six circles in the unit square with the largest sum of radii: solver and verifier.
//!
//! The solver searches in `f64`; the file it writes and the verifier work with whole multiples of
//! 10⁻¹⁸, so that feasibility is a statement about integers and no tolerance can inflate a result.

pub mod descent;
pub mod energy;
pub mod exact;
pub mod linear;
pub mod moves;
pub mod pack;
pub mod polish;
pub mod search;
pub mod settings;
pub mod starts;
pub mod verify;

/// How many circles the problem has.
pub const CIRCLES: usize = 26;

/// Numbers in one configuration: an x, a y and a radius for each circle.
pub const VARIABLES: usize = 3 * CIRCLES;

/// A configuration: all x, then all y, then all radii, in sides of the square.
///
/// Nothing says that it is feasible; [`exact::Packing`] does.
pub type Configuration = [f64; VARIABLES];

/// Returns the sum of the radii.
pub fn sum_of_radii(configuration: &Configuration) -> f64 {
    configuration[2 * CIRCLES..].iter().sum()
}

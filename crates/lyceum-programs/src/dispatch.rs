//! Which program a name stands for.

use crate::{null, packing, speedup, tiny_lm};

type Main = fn(&[String]) -> i32;

const PROGRAMS: &[(&str, Main)] = &[
    ("draw-text", tiny_lm::draw::main),
    ("train", tiny_lm::train::main),
    ("evaluate", tiny_lm::evaluate::main),
    ("pack", packing::pack::main),
    ("verify-packing", packing::verify::main),
    ("build-step", speedup::build::main),
    ("step-input", speedup::input::main),
    ("step-check", speedup::check::main),
    ("null-candidate", null::candidate::main),
    ("null-evaluate", null::evaluate::main),
];

const NAMES: [&str; PROGRAMS.len()] = {
    let mut names = [""; PROGRAMS.len()];
    let mut k = 0;
    while k < names.len() {
        names[k] = PROGRAMS[k].0;
        k += 1;
    }
    names
};

/// Returns the names of all programs, as they are called.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// Runs the program called `name` and returns its exit code, or `None` when there is none.
///
/// `arguments` are those after the program's own name.
pub fn dispatch(name: &str, arguments: &[String]) -> Option<i32> {
    let (_, main) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    Some(main(arguments))
}

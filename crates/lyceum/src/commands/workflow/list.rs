//! `lyceum workflow list`: the lab's runs and how far they are.

use lyceum_agents::{Fold as _, workflow};

use super::words as told;
use crate::{
    context::LabPlace,
    exit::Exit,
    failure::Failure,
    view::{self, words},
};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(place: &LabPlace, json: bool) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    for name in workflow::State::names(&reader)? {
        let state = match workflow::State::load(&reader, &name) {
            Ok(state) => state,
            // The others are listed all the same.
            Err(error) if json => {
                let object = serde_json::json!({ "run": name, "status": "unreadable", "why": error.to_string() });
                println!("{}", view::visible(&object.to_string()));
                continue;
            }
            Err(error) => {
                println!(
                    "{}",
                    words::clean(&format!("{name}: cannot be read: {error}"))
                );
                continue;
            }
        };
        if json {
            let object = told::object(&name, &state, false);
            println!("{}", view::visible(&object.to_string()));
            continue;
        }
        let (status, why) = told::status(&state);
        let why = if why.is_empty() {
            why
        } else {
            format!(" ({why})")
        };
        let phases: Vec<String> = state.phases.iter().map(told::phase).collect();
        let line = format!(
            "{name}: {status}{why}; {}; {}",
            phases.join("; "),
            told::used(&state)
        );
        println!("{}", words::clean(&line));
    }
    Ok(Exit::Done)
}

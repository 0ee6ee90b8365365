//! Killed at random instants, a session comes to the same verified result.

use std::{
    collections::BTreeSet,
    process::Stdio,
    time::{Duration, Instant},
};

use lyceum_models::scripted::Server;

use crate::{brain, place::Place};

/// Kills in one test; `LYCEUM_SESSION_KILLS` asks for more.
const KILLS: usize = 6;

fn kills() -> usize {
    let asked = std::env::var("LYCEUM_SESSION_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

#[test]
fn killed_at_random_instants_it_ends_in_the_same_verified_result() {
    let server = Server::answering(brain::researcher).unwrap();
    let model = format!("{}/v1#scripted", server.base());
    let whole = Place::new();
    let began = Instant::now();
    whole.call(&Place::words(&model)).exits(0);
    let took = began.elapsed();
    let expected = whole.result();

    let mut left = kills();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    while left > 0 {
        let place = Place::new();
        while left > 0 {
            // Where a kill falls is chance, and the result may not depend on it.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695);
            let part = f64::from((random >> 33) as u32) / f64::from(1_u32 << 31);
            let mut command = place.command(&Place::words(&model));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut running = command.spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(took.as_secs_f64() * part * 0.7));
            let over = running.try_wait().unwrap().is_some();
            running.kill().unwrap();
            running.wait().unwrap();
            left -= 1;
            if over {
                break;
            }
        }
        place.call(&Place::words(&model)).exits(0);
        assert_eq!(place.result(), expected);
        assert_nothing_twice(&place);
        place.call(&["verify"]).exits(0);
    }
}

/// No call is answered twice, by an experiment or by a result; each request ends once.
fn assert_nothing_twice(place: &Place) {
    for (events, key) in [
        (place.study("experiment.proposed"), "call"),
        (place.session("agent.tool_result"), "call"),
        (place.session("agent.tool_started"), "call"),
        (place.session("span.model_request_end"), "request"),
    ] {
        let named = events.iter().filter(|one| !one[key].is_null());
        let names: Vec<String> = named.map(|one| one[key].to_string()).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{key}: {names:?}");
    }
}

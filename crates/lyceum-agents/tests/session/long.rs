//! A long session: what must not be lost stands before the model at every turn, at bounded size.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use lyceum_agents::{
    Advance, Options,
    session::{Log, event::StopReason},
};
use lyceum_models::{Block, Request, Role};
use serde_json::json;

use crate::world::{CONSTRAINTS, OBJECTIVE, Script, Tools, call, created, drive, ledger, words};

const TURNS: usize = 1000;
const COMPACTIONS: u32 = 50;
const FINDINGS: usize = 20;

fn claim(number: usize) -> String {
    format!("claim {number} is that every {number} counts")
}

/// Checks that the conversation is one that servers take: roles in turns, each result after its call, and all answered.
fn well_formed(request: &Request) {
    assert_eq!(request.messages[0].role, Role::User);
    for (one, next) in request.messages.iter().zip(&request.messages[1..]) {
        assert_ne!(one.role, next.role, "roles take turns");
    }
    let mut open = 0;
    for message in &request.messages {
        let results = message
            .blocks
            .iter()
            .filter(|block| matches!(block, Block::ToolResult(_)));
        assert_eq!(
            results.count(),
            open,
            "each call is answered in the next message"
        );
        let calls = message
            .blocks
            .iter()
            .filter(|block| matches!(block, Block::ToolUse(_)));
        open = calls.count();
    }
    assert_eq!(open, 0);
}

#[test]
fn after_a_thousand_turns_and_fifty_compactions_nothing_that_matters_is_lost() {
    let options = Options {
        context_tokens: 8192,
        output_tokens_max: 512,
        ..Options::default()
    };
    let (turn, sizes) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (counter, seen) = (Arc::clone(&turn), Arc::clone(&sizes));
    let script = Script(Box::new(move |request| {
        let now = counter.fetch_add(1, Ordering::Relaxed);
        well_formed(request);
        let said = words(request);
        let last = &said[said.rfind("<lab>\n").expect("the lab's statement is last")..];
        assert!(last.contains(OBJECTIVE));
        assert!(CONSTRAINTS.iter().all(|one| last.contains(one)));
        let found = (now / 50).min(FINDINGS);
        for number in 0..found {
            assert!(
                last.contains(&claim(number)),
                "turn {now} lost finding {number}"
            );
        }
        seen.lock()
            .unwrap()
            .push(serde_json::to_vec(request).unwrap().len());
        match now {
            TURNS.. => vec![Block::text("that is all")],
            _ if now % 50 == 49 && now / 50 < FINDINGS => {
                call("find", json!({ "claim": claim(now / 50) }))
            }
            _ => call("work", json!({ "step": now })),
        }
    }));
    let mut log = Log::open(ledger(), "s").unwrap();
    log.write(vec![created()]).unwrap();
    let tools = Tools::default();
    let end = drive(&mut log, script, &tools, options);
    assert_eq!(end, Advance::Stopped(StopReason::EndTurn));
    assert_eq!(turn.load(Ordering::Relaxed), TURNS + 1);
    let state = log.state();
    assert!(state.compactions >= COMPACTIONS, "{}", state.compactions);
    assert_eq!(state.findings.len(), FINDINGS);
    assert!(
        state
            .summary
            .as_ref()
            .unwrap()
            .starts_with("Summary of the earlier conversation")
    );
    let most = *sizes.lock().unwrap().iter().max().unwrap() as u64;
    // Three bytes a token, three quarters of the context.
    assert!(most <= options.context_tokens * 3, "{most} bytes");
    let late = &sizes.lock().unwrap()[TURNS / 2..];
    assert!(late.iter().max() <= Some(&(most as usize)));
}

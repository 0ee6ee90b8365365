//! What came of a dream, for people and for programs.

use lyceum_memory::{DreamVerdict, Dreamt, Refusal, Replay, Store};

use crate::commands::memory::shown;

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn dreamt(json: bool, dreamt: &Dreamt, store: Option<&Store>) {
    let dreamed = &dreamt.dreamed;
    if json {
        let replays: Vec<_> = dreamed.replays.iter().map(replay).collect();
        let shown = serde_json::json!({
            "store": store.map(Store::name),
            "studies": dreamed.studies,
            "sessions": dreamed.sessions,
            "refused": dreamed.refused,
            "verdict": dreamed.verdict,
            "reason": dreamed.reason,
            "replays": replays,
            "changes": listed(&dreamt.changes),
        });
        println!("{}", crate::view::visible(&shown.to_string()));
        return;
    }
    changes(&dreamt.changes);
    refusals(&dreamed.refused);
    for one in &dreamed.replays {
        println!(
            "replay of {}, experiments to reach what {} reaches in 12:",
            shown(&one.family),
            one.researcher
        );
        for held in &one.held {
            println!(
                "  {}: {:.1} without memory, {:.1} with",
                shown(&held.study),
                held.without,
                held.with
            );
        }
    }
    let verdict = match (dreamed.verdict, store) {
        (DreamVerdict::Accepted, Some(store)) => format!("accepted: `{}`", store.name()),
        (DreamVerdict::Review, Some(store)) => format!(
            "kept for review: `{}`; `lyceum memory accept {0}` takes it all the same",
            store.name()
        ),
        (DreamVerdict::Accepted, None) => "would be accepted".to_owned(),
        (DreamVerdict::Review, None) => "would be kept for review".to_owned(),
    };
    println!("{verdict}: {}", shown(&dreamed.reason));
}

fn replay(one: &Replay) -> serde_json::Value {
    serde_json::json!({
        "family": one.family,
        "researcher": one.researcher,
        "seeds": one.seeds,
        "saved": one.saved(),
        "improved": one.improved(),
        "held": one.held,
    })
}

/// Returns changes as programs read them.
pub(super) fn listed(changes: &[(String, Vec<String>)]) -> serde_json::Value {
    let all = changes
        .iter()
        .map(|(path, lines)| serde_json::json!({ "path": path, "lines": lines }));
    all.collect()
}

/// Prints what differs from the store before.
#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn changes(changes: &[(String, Vec<String>)]) {
    for (path, lines) in changes {
        println!("{}", shown(path));
        if path.starts_with("studies/") {
            println!("  {} lines, for samplers", lines.len());
        } else {
            for line in lines {
                println!("  {}", shown(line));
            }
        }
    }
}

/// Prints what the dreamer wanted and was not done.
#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn refusals(refused: &[Refusal]) {
    for one in refused {
        println!("refused: {}: {}", shown(&one.what), shown(&one.why));
    }
}

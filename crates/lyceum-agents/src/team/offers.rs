//! The tools of a team's threads as a model is told of them.

use lyceum_models::Tool;
use serde_json::{Value, json};

use super::format::Member;

fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Tool {
    Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    }
}

/// Returns the tools of a member, always in the same order, so that prefixes are found in caches. Whoever is alone shares
/// nothing.
pub(super) fn of(member: &Member, deepest: bool, alone: bool) -> Vec<Tool> {
    let mut all = on_files();
    all.retain(|one| member.tools.contains(&one.name));
    let shared = ["hand_off", "take_shared"];
    let everybody = of_everybody().into_iter();
    all.extend(everybody.filter(|one| !alone || !shared.contains(&one.name.as_str())));
    if !member.specialists.is_empty() && !deepest {
        all.extend(of_leads(member));
    }
    all
}

fn text(what: &str) -> Value {
    json!({ "type": "string", "description": what })
}

fn number(what: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "description": what })
}

fn on_files() -> Vec<Tool> {
    vec![
        tool(
            "bash",
            "Runs a shell command in the sandbox, in your copy of the files, without a network. Files that it writes there are kept as your changes; removals are not. Processes end with the command.",
            &json!({ "command": text("the command"), "timeout_s": number("seconds, at most 120; 60 without it") }),
            &["command"],
        ),
        tool(
            "read",
            "Shows lines of a file with their numbers.",
            &json!({ "path": text("the file"), "offset": number("first line, from 1"), "limit": number("most lines") }),
            &["path"],
        ),
        tool(
            "write",
            "Writes a whole file.",
            &json!({ "path": text("the file"), "content": text("what is to be in it") }),
            &["path", "content"],
        ),
        tool(
            "edit",
            "Replaces a text in a file. The text must stand there exactly once, unless `all` is set.",
            &json!({ "path": text("the file"), "old": text("the text that is there"), "new": text("what takes its place"), "all": { "type": "boolean" } }),
            &["path", "old", "new"],
        ),
        tool(
            "glob",
            "Lists files whose paths fit a pattern, as in `**/*.py`.",
            &json!({ "pattern": text("the pattern") }),
            &["pattern"],
        ),
        tool(
            "grep",
            "Lists lines that hold a text, taken as it stands.",
            &json!({ "pattern": text("the text"), "path": text("file or directory to look in") }),
            &["pattern"],
        ),
    ]
}

fn of_everybody() -> Vec<Tool> {
    vec![
        tool(
            "hand_off",
            "Makes your changes shared. Refused, with what the others changed, where somebody else handed off other contents of the same file since you took the shared files: then use take_shared, bring both together, and hand off again.",
            &json!({ "message": text("what you changed and why, in a sentence") }),
            &["message"],
        ),
        tool(
            "take_shared",
            "Takes the shared files as they are now. Your own changes stay above them; where others changed the same files, it shows how.",
            &json!({}),
            &[],
        ),
        tool(
            "note",
            "Keeps a note for yourself. The conversation is shortened now and then; notes stay, the newest first.",
            &json!({ "text": text("the note") }),
            &["text"],
        ),
    ]
}

fn of_leads(member: &Member) -> Vec<Tool> {
    vec![
        tool(
            "delegate",
            "Gives a task to a specialist, who begins at once, beside you, with the shared files as they are now (hand off first what it needs). Returns the number of its thread.",
            &json!({ "specialist": { "type": "string", "enum": member.specialists }, "task": text("what is to be done, with all that it needs to know") }),
            &["specialist", "task"],
        ),
        tool(
            "look",
            "Shows how far a thread below you is: what it did last, and its changes that are not handed off.",
            &json!({ "thread": number("its number") }),
            &["thread"],
        ),
        tool(
            "wait",
            "Waits until threads below you have nothing more to do, and shows their last words.",
            &json!({ "threads": { "type": "array", "items": { "type": "integer" }, "description": "their numbers; all that you delegated to without it" }, "seconds": number("longest time, at most 3600; 600 without it") }),
            &[],
        ),
        tool(
            "send",
            "Says something to a thread below you; one that had nothing more to do goes on.",
            &json!({ "thread": number("its number"), "text": text("what") }),
            &["thread", "text"],
        ),
    ]
}

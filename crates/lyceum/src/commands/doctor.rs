//! `lyceum doctor`: what the sandbox can do here, part by part.

use lyceum_sandbox::{Part, Refusal, Sandbox, State};
use lyceum_study::lab;
use lyceum_types::MachineFacts;

use crate::{exit::Exit, failure::Failure};

/// Columns of the names, so that what follows them stands in one line.
const NAMES_WIDTH: usize = 46;

pub(super) const CODES: &str = "Exit codes: 0 the sandbox works, which is what the line `sandbox` says; 78 it does not, \
and nothing would be run. A part that is missing does not matter by itself: see its remedy. `works` and `missing` were \
tried just now.";

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(json: bool) -> Result<Exit, Failure> {
    let facts = lab::facts();
    let sandbox = Sandbox::new();
    let mut parts = lyceum_sandbox::survey();
    parts.push(overlay_on_disk(sandbox.as_ref().ok()));
    if json {
        let mut shown = serde_json::json!({ "machine": facts, "parts": parts });
        match &sandbox {
            Ok(sandbox) => shown["sandbox"] = serde_json::to_value(sandbox.capabilities())?,
            Err(refusal) => shown["refused"] = serde_json::to_value(refusal)?,
        }
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print(&facts, &sandbox, &parts)?;
    }
    Ok(if sandbox.is_ok() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(
    facts: &MachineFacts,
    sandbox: &Result<Sandbox, Refusal>,
    parts: &[Part],
) -> Result<(), Failure> {
    println!(
        "machine    {} · {} processors · {} MiB",
        facts.processor,
        facts.cores,
        facts.memory_bytes >> 20
    );
    println!("system     {}", facts.system);
    match sandbox {
        Ok(sandbox) => {
            println!(
                "sandbox    works: a sandboxed command ran, and attacks from inside it failed"
            );
            print_tree(&serde_json::to_value(sandbox.capabilities())?, 1);
        }
        Err(refusal) => {
            println!("sandbox    {refusal}");
            println!("remedy     {}", refusal.remedy);
        }
    }
    let rust = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    match rust {
        Ok(output) if output.status.success() => {
            print!("rust       {}", String::from_utf8_lossy(&output.stdout));
        }
        _ => println!("rust       not on PATH: studies with toolchain = [\"rust\"] cannot run"),
    }
    println!("parts");
    parts.iter().for_each(print_part);
    Ok(())
}

/// Returns whether overlays work where the scratch space of commands lies.
fn overlay_on_disk(sandbox: Option<&Sandbox>) -> Part {
    let place = std::env::temp_dir();
    let place = place.canonicalize().unwrap_or(place);
    let part = Part {
        name: "overlay on disk".into(),
        tried: format!(
            "a sandboxed command in a copy, with its changes in `{}`",
            place.display()
        ),
        state: State::Works,
        found: String::new(),
        remedy: None,
    };
    match sandbox.map(|sandbox| sandbox.check_overlay(&place)) {
        Some(Ok(())) => part,
        Some(Err(refusal)) => Part {
            state: State::Missing,
            found: refusal.found,
            remedy: Some(refusal.remedy),
            ..part
        },
        None => Part {
            state: State::NotTried,
            found: "there is no sandbox to try it in".into(),
            ..part
        },
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_part(part: &Part) {
    let state = match part.state {
        State::Works => "works",
        State::Missing => "missing",
        State::NotTried => "not tried",
        State::Told => "is",
    };
    let found = lyceum_sandbox::show_untrusted(part.found.as_bytes());
    let found = if found.is_empty() {
        part.tried.clone()
    } else {
        format!("{} ({})", found, part.tried)
    };
    println!("  {:<NAMES_WIDTH$} {state:<9} {found}", part.name);
    if let Some(remedy) = &part.remedy {
        println!("  {:<NAMES_WIDTH$} remedy    {remedy}", "");
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print_tree(value: &serde_json::Value, depth: usize) {
    let indent = "  ".repeat(depth);
    if let Some(object) = value.as_object() {
        for (name, value) in object {
            if value.is_object() {
                println!("{indent}{name}");
                print_tree(value, depth + 1);
            } else {
                let shown = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                println!("{indent}{name:<14} {shown}");
            }
        }
    }
}

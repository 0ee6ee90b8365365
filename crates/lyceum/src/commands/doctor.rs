//! `lyceum doctor`: what the sandbox can do here.

use lyceum_sandbox::{Backend, Refusal, Sandbox};
use lyceum_study::lab;

use crate::{exit::Exit, failure::Failure};

#[expect(clippy::print_stdout, reason = "this is the result")]
pub(super) fn run(json: bool) -> Result<Exit, Failure> {
    let facts = lab::facts();
    let sandbox = Sandbox::new();
    let parts = sandbox.as_ref().map(Part::all).unwrap_or_default();
    if json {
        let shown = match &sandbox {
            Ok(sandbox) => {
                serde_json::json!({
                    "machine": facts,
                    "sandbox": sandbox.capabilities(),
                    "parts": parts,
                })
            }
            Err(refusal) => serde_json::json!({ "machine": facts, "refused": refusal }),
        };
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        println!(
            "machine    {} · {} processors · {} MiB",
            facts.processor,
            facts.cores,
            facts.memory_bytes >> 20
        );
        println!("system     {}", facts.system);
        match &sandbox {
            Ok(sandbox) => {
                let shown = serde_json::to_value(sandbox.capabilities())?;
                println!(
                    "sandbox    works: a sandboxed command ran, and attacks from inside it failed"
                );
                print_tree(&shown, 1);
                parts.iter().for_each(Part::print);
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
    }
    Ok(if sandbox.is_ok() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// A part of the sandbox, tried for real.
#[derive(Debug, serde::Serialize)]
struct Part {
    name: &'static str,
    /// What it was tried with.
    tried: String,
    refused: Option<Refusal>,
}

impl Part {
    fn all(sandbox: &Sandbox) -> Vec<Part> {
        let backend = |name, backend| Part {
            name,
            tried: "a sandboxed command, and attacks from inside".into(),
            refused: Sandbox::with(backend).err(),
        };
        let place = std::env::temp_dir();
        let place = place.canonicalize().unwrap_or(place);
        vec![
            backend("native", Backend::Native),
            backend("bwrap", Backend::Bwrap),
            Part {
                name: "overlay",
                tried: format!(
                    "a command in a copy, with its changes in `{}`",
                    place.display()
                ),
                refused: sandbox.check_overlay(&place).err(),
            },
        ]
    }

    #[expect(clippy::print_stdout, reason = "this is the result")]
    fn print(&self) {
        match &self.refused {
            None => println!("{:<10} works: {}", self.name, self.tried),
            Some(refusal) => {
                println!("{:<10} {refusal}", self.name);
                println!("  remedy       {}", refusal.remedy);
            }
        }
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

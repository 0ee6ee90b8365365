//! `build-step BUILD.toml`: compiles `step.rs` of the workspace with the flags of the file.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde::Deserialize;

use crate::cli::{self, EXIT_BAD_INPUT, Failure, UsageError};

/// The source, in the directory of the build file.
pub const SOURCE: &str = "step.rs";

/// The executable, in the outputs directory.
pub const OUTPUT: &str = "step";

/// What `build-step` reads from its file; every key is required, so that each build is explicit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Optimisation level of rustc, 0 to 3.
    pub opt_level: u32,
    /// Which instructions the code may use.
    pub target_cpu: TargetCpu,
    /// Parts that are compiled apart, 1 to 256; fewer let more code be seen at once.
    pub codegen_units: u32,
    /// Abort instead of unwinding on a panic.
    pub panic_abort: bool,
    /// Partial sums of a scalar product, 1 to 256.
    pub accumulators: u32,
    /// Rows of the second factor worked on at a time, 0 for all, to 4096.
    pub tile: u32,
    /// Sum the gradient of weights example by example, rather than row by row.
    pub outer: bool,
    /// Transpose before the gradient of activations, rather than add scaled rows.
    pub transposed: bool,
}

/// Which instructions the code may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TargetCpu {
    /// What rustc takes by default: every processor of the architecture.
    #[serde(rename = "baseline")]
    Baseline,
    /// SSE4.2.
    #[serde(rename = "x86-64-v2")]
    V2,
    /// AVX2 and fused multiply-add.
    #[serde(rename = "x86-64-v3")]
    V3,
    /// AVX-512.
    #[serde(rename = "x86-64-v4")]
    V4,
}

impl TargetCpu {
    /// Returns rustc's name, or `None` for its default.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Baseline => None,
            Self::V2 => Some("x86-64-v2"),
            Self::V3 => Some("x86-64-v3"),
            Self::V4 => Some("x86-64-v4"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("cannot read build file `{}`", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("build file `{}` is not valid", path.display())]
    Parse {
        path: PathBuf,
        source: Box<toml_edit::de::Error>,
    },
    #[error("setting `{key}` must be {expected}, found: {found}")]
    Range {
        key: &'static str,
        expected: &'static str,
        found: u32,
    },
    #[error("cannot write the loop parameters to `{}`", path.display())]
    Tuning {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "cannot run `rustc`; hint: a study gets it with `toolchain = [\"rust\"]` under `[run]`"
    )]
    NoCompiler(#[source] std::io::Error),
    #[error("`{SOURCE}` does not compile, rustc ended with {status}")]
    Compile { status: ExitStatus },
}

impl Failure for Error {
    fn exit_code(&self) -> i32 {
        EXIT_BAD_INPUT
    }
}

/// Runs the program and returns its exit code.
pub fn main(arguments: &[String]) -> i32 {
    cli::conclude("build-step", run(arguments))
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let [file] = cli::exactly::<1>(arguments, "build-step BUILD.toml")?;
    let path = Path::new(file);
    let build = read(path)?;
    let output = cli::outputs()?.join(OUTPUT);
    let directory = path.parent().unwrap_or(Path::new(""));
    let tuning = directory.join("tuning.rs");
    std::fs::write(&tuning, build.tuning()).map_err(|source| Error::Tuning {
        path: tuning.clone(),
        source,
    })?;
    let status = build
        .command(&directory.join(SOURCE), &output)
        .status()
        .map_err(Error::NoCompiler)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Compile { status })
    }
}

fn read(path: &Path) -> Result<Build, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let build: Build = toml_edit::de::from_str(&text).map_err(|source| Error::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let ranges = [
        ("opt_level", build.opt_level, 0..=3, "from 0 to 3"),
        (
            "codegen_units",
            build.codegen_units,
            1..=256,
            "from 1 to 256",
        ),
        ("accumulators", build.accumulators, 1..=256, "from 1 to 256"),
        ("tile", build.tile, 0..=4096, "from 0 to 4096"),
    ];
    for (key, found, range, expected) in ranges {
        if !range.contains(&found) {
            return Err(Error::Range {
                key,
                expected,
                found,
            });
        }
    }
    Ok(build)
}

impl Build {
    /// Returns the text of `tuning.rs`, which `step.rs` includes.
    fn tuning(&self) -> String {
        let Self {
            accumulators,
            tile,
            outer,
            transposed,
            ..
        } = self;
        format!(
            "pub const ACCUMULATORS: usize = {accumulators};\npub const TILE: usize = {tile};\n\
             pub const OUTER: bool = {outer};\npub const TRANSPOSED: bool = {transposed};\n"
        )
    }

    fn command(&self, source: &Path, output: &Path) -> Command {
        let mut command = Command::new("rustc");
        command.args(["--edition=2024", "--crate-name=step", "-Cstrip=symbols"]);
        command.arg(format!("-Copt-level={}", self.opt_level));
        command.arg(format!("-Ccodegen-units={}", self.codegen_units));
        if let Some(name) = self.target_cpu.name() {
            command.arg(format!("-Ctarget-cpu={name}"));
        }
        if self.panic_abort {
            command.arg("-Cpanic=abort");
        }
        command.arg("-o").arg(output).arg(source);
        command
    }
}

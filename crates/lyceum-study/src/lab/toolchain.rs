//! Tools of the user that a study asks for by name.

use std::{io, path::PathBuf, process::Command, sync::OnceLock};

use crate::engine::Broken;

/// Returns the directory of the user's own Rust toolchain.
pub(super) fn rust_sysroot() -> Result<PathBuf, Broken> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let output = Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        std::fs::canonicalize(path.trim())
            .ok()
            .filter(|_| output.status.success())
    });
    found.clone().ok_or_else(|| {
        let why =
            io::Error::other("`rustc --print sysroot` failed; install Rust or put it on PATH");
        Broken::while_doing("looking for the `rust` toolchain that the study asks for")(why)
    })
}

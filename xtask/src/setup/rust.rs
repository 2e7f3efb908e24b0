//! The Rust parts that builds of wasm need: the target's standard library and the sources to build another one.
//! With rustup they are installed; without it the message says what a person can do. `setup/mod.rs` calls it.

use crate::{cargo::WASM_TARGET, process};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Installs the wasm target and the sources of the standard library, where they are missing.
pub fn ensure() -> Result<()> {
    let target_missing = !target_libraries()?.is_dir();
    let sources_missing = !sysroot()?.join("lib/rustlib/src/rust/library").is_dir();
    if !target_missing && !sources_missing {
        return Ok(());
    }
    if process::find("rustup").is_none() {
        bail!(
            "the Rust installation lacks {}. Install Rust with rustup (https://rustup.rs), which fetches both by \
             itself, or with Debian's rustc-web and rust-web-src packages.",
            missing(target_missing, sources_missing)
        );
    }
    if target_missing {
        process::run(process::command("rustup").args(["target", "add", WASM_TARGET]))?;
    }
    if sources_missing {
        process::run(process::command("rustup").args(["component", "add", "rust-src"]))?;
    }
    Ok(())
}

/// Whether something can link wasm: the linker that rustup ships, or the system's.
pub fn has_wasm_linker() -> bool {
    let shipped = || -> Result<bool> {
        let host = process::output(process::command("rustc").args(["--print", "host-tuple"]))?;
        Ok(sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld").is_file())
    };
    process::find("wasm-ld").is_some() || shipped().unwrap_or(false)
}

fn missing(target: bool, sources: bool) -> &'static str {
    match (target, sources) {
        (true, true) => "the wasm32-unknown-unknown target and the sources of the standard library",
        (true, false) => "the wasm32-unknown-unknown target",
        _ => "the sources of the standard library",
    }
}

fn target_libraries() -> Result<PathBuf> {
    let arguments = ["--print", "target-libdir", "--target", WASM_TARGET];
    Ok(process::output(process::command("rustc").args(arguments))?.into())
}

fn sysroot() -> Result<PathBuf> {
    Ok(process::output(process::command("rustc").args(["--print", "sysroot"]))?.into())
}

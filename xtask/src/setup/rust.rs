//! The Rust parts beyond the compiler: rustfmt, clippy, the wasm target, the sources to build another standard library.
//! With rustup they are installed; without it the message says what a person can do. `setup/mod.rs` calls it.

use crate::{cargo::WASM_TARGET, process};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// A part of the toolchain, the rustup arguments that add it, and the test whether it is there.
struct Part {
    name: &'static str,
    add: [&'static str; 3],
    present: fn() -> bool,
}

const PARTS: [Part; 4] = [
    Part { name: "rustfmt", add: ["component", "add", "rustfmt"], present: || answers("rustfmt") },
    Part { name: "clippy", add: ["component", "add", "clippy"], present: || answers("cargo-clippy") },
    Part { name: "the wasm32 target", add: ["target", "add", WASM_TARGET], present: has_wasm_target },
    Part { name: "the standard library's sources", add: ["component", "add", "rust-src"], present: has_sources },
];

/// Installs what is missing.
pub fn ensure() -> Result<()> {
    let missing: Vec<&Part> = PARTS.iter().filter(|part| !(part.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
    if process::find("rustup").is_none() {
        bail!(
            "the Rust installation lacks {names}. Install Rust with rustup (https://rustup.rs), which fetches them by \
             itself, or Debian's rustfmt, rust-clippy, rustc-web and rust-web-src packages of the same version."
        );
    }
    println!("set-up: {names} missing, installing");
    missing.into_iter().try_for_each(|part| process::run(process::command("rustup").args(part.add)))
}

/// Whether something can link wasm: the linker that rustup ships, or the system's.
pub fn has_wasm_linker() -> bool {
    let shipped = || -> Result<bool> {
        let host = process::output(process::command("rustc").args(["--print", "host-tuple"]))?;
        Ok(sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld").is_file())
    };
    process::find("wasm-ld").is_some() || shipped().unwrap_or(false)
}

/// rustup puts a proxy for every tool on the search path, so only starting it tells.
fn answers(tool: &str) -> bool {
    process::succeeds(process::command(tool).arg("--version"))
}

fn has_wasm_target() -> bool {
    let arguments = ["--print", "target-libdir", "--target", WASM_TARGET];
    process::output(process::command("rustc").args(arguments)).is_ok_and(|folder| PathBuf::from(folder).is_dir())
}

fn has_sources() -> bool {
    sysroot().is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library").is_dir())
}

fn sysroot() -> Result<PathBuf> {
    Ok(process::output(process::command("rustc").args(["--print", "sysroot"]))?.into())
}

//! `cargo xtask setup`: brings a machine that has cargo, npm and apt to the point where everything builds and runs.
//! Every step first looks whether it is needed, so that a repeated call costs a moment; no step guesses about another.
//! The commands that build or test call the narrower entries.

mod apt;
pub mod node;
pub mod npm;
mod rust;

use crate::{cargo, process};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Everything that the arguments ask for: by default what a build needs.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => for_build(),
        ["--browsers"] => for_browsers(),
        [other, ..] => bail!("unknown option `{other}` for setup; there is only --browsers"),
    }?;
    println!("set-up: nothing is missing");
    Ok(())
}

/// What the native Rust suites need.
pub fn for_rust() -> Result<()> {
    rust::ensure()
}

/// What a build of all parts needs: wasm target, C compiler for wasm, Node and the npm packages.
pub fn for_build() -> Result<()> {
    rust::ensure()?;
    apt::ensure(&[
        apt::Tool { name: "clang", package: "clang", present: || cargo::clang().is_some() },
        apt::Tool { name: "llvm-ar", package: "llvm", present: || cargo::archiver().is_some() },
        apt::Tool { name: "wasm-ld", package: "lld", present: rust::has_wasm_linker },
    ])?;
    for_scripts()
}

/// What the JavaScript side alone needs.
pub fn for_scripts() -> Result<()> {
    node::ensure()?;
    npm::ensure()
}

/// What the suites and measurements in browsers need, on top of a build.
pub fn for_browsers() -> Result<()> {
    for_build()?;
    apt::ensure(&[apt::Tool { name: "Chromium", package: "chromium", present: || chromium().is_some() }])
}

/// The browser that the suites drive: `EBBTIDE_CHROMIUM` where set, else the first one installed.
pub fn chromium() -> Option<PathBuf> {
    const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    match std::env::var_os("EBBTIDE_CHROMIUM") {
        Some(path) => Some(path.into()),
        None => NAMES.iter().find_map(|name| process::find(name)),
    }
}

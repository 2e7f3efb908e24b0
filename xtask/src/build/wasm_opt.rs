//! wasm-opt from npm's `binaryen`, with the settings that make both modules smallest as they travel.
//! It knows files, not what is in them. `client.rs`, `worker.rs` and the bench's builds call it.

use crate::{paths, process, setup};
use anyhow::{Context, Result};
use std::path::Path;

/// All that makes code smaller except inlining: a module becomes smaller by it, and larger once it is compressed, which
/// is how visitors load the client and how Cloudflare counts the Worker.
const LEVEL: [&str; 4] = [
    "-Oz",
    "--one-caller-inline-max-function-size=0",
    "--always-inline-max-function-size=0",
    "--flexible-inline-max-function-size=0",
];

/// The features that wasm-bindgen's output uses, and the Worker's unwinding; wasm-opt refuses modules that use more than it was told.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-exception-handling",
];

/// Makes a module smaller, in place.
pub fn optimise(module: &Path) -> Result<()> {
    let optimised = module.with_extension("opt");
    let wasm_opt = paths::in_root("node_modules/binaryen/bin/wasm-opt");
    let mut command = setup::node::command()?;
    command.arg(wasm_opt).args(LEVEL).args(FEATURES).arg(module).arg("-o").arg(&optimised);
    process::run(&mut command)?;
    std::fs::rename(&optimised, module).with_context(|| format!("cannot write {}", paths::shown(module)))
}

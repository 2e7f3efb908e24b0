//! The browser's wasm: cargo, wasm-bindgen, then wasm-opt, into `npm/wasm/client`.
//! Aborts on panic and is optimised for size. `build/mod.rs` calls it; the npm package ships the result.

use super::{bindgen, sizes, stamp::Stamp};
use crate::{cargo, paths, process, setup};
use anyhow::{Context, Result};
use std::path::Path;

/// All that makes code smaller except inlining: the module becomes smaller by it and larger with brotli, which is how
/// visitors load it.
const WASM_OPT_LEVEL: [&str; 4] = [
    "-Oz",
    "--one-caller-inline-max-function-size=0",
    "--always-inline-max-function-size=0",
    "--flexible-inline-max-function-size=0",
];

/// The features that wasm-bindgen's output uses; wasm-opt refuses modules that use more than it was told.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Builds what changed and prints the sizes.
pub fn build() -> Result<()> {
    let wasm = cargo::build_client()?;
    let folder = paths::in_root("npm/wasm/client");
    let result = folder.join("ebbtide_client_bg.wasm");
    let stamp = Stamp::of("client", &[&wasm])?;
    if !(stamp.is_current() && result.is_file()) {
        bindgen::generate(&wasm, "ebbtide_client", &folder)?;
        optimise(&result)?;
        stamp.save()?;
    }
    sizes::print(&[result, folder.join("ebbtide_client.js")])
}

/// Makes a module smaller, in place.
pub fn optimise(module: &Path) -> Result<()> {
    let optimised = module.with_extension("opt");
    let wasm_opt = paths::in_root("node_modules/binaryen/bin/wasm-opt");
    let mut command = setup::node::command()?;
    command.arg(wasm_opt).args(WASM_OPT_LEVEL).args(WASM_FEATURES).arg(module).arg("-o").arg(&optimised);
    process::run(&mut command)?;
    std::fs::rename(&optimised, module).with_context(|| format!("cannot write {}", paths::shown(module)))
}

//! The Worker's wasm: cargo with a standard library that unwinds, then wasm-bindgen, then wasm-opt, into `npm/wasm/worker`.
//! `build/mod.rs` calls it; the npm package ships the result.

use super::{bindgen, sizes, stamp::Stamp, wasm_opt};
use crate::{cargo, paths};
use anyhow::Result;

/// Builds what changed and prints the sizes.
pub fn build() -> Result<()> {
    let wasm = cargo::build_worker(&[])?;
    let folder = paths::in_root("npm/wasm/worker");
    let result = folder.join("ebbtide_worker_bg.wasm");
    let stamp = Stamp::of("worker", &[&wasm])?;
    if !(stamp.is_current() && result.is_file()) {
        bindgen::generate(&wasm, "ebbtide_worker", &folder)?;
        wasm_opt::optimise(&result)?;
        stamp.save()?;
    }
    sizes::print(&[result, folder.join("ebbtide_worker.js")])
}

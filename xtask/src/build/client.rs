//! The browser's wasm: cargo, wasm-bindgen, then wasm-opt, into `npm/wasm/client`.
//! Aborts on panic and is optimised for size. `build/mod.rs` calls it; the npm package ships the result.

use super::{bindgen, sizes, stamp::Stamp, wasm_opt};
use crate::{cargo, paths};
use anyhow::Result;

/// Builds what changed and prints the sizes.
pub fn build() -> Result<()> {
    let wasm = cargo::build_client()?;
    let folder = paths::in_root("npm/wasm/client");
    let result = folder.join("ebbtide_client_bg.wasm");
    let stamp = Stamp::of("client", &[&wasm])?;
    if !(stamp.is_current() && result.is_file()) {
        bindgen::generate(&wasm, "ebbtide_client", &folder)?;
        wasm_opt::optimise(&result)?;
        stamp.save()?;
    }
    sizes::print(&[result, folder.join("ebbtide_client.js")])
}

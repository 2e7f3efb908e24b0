//! The bench's comparison of ways to capture: built like the client's wasm, into `bench/wasm`.
//! It ships nowhere. `build/mod.rs` calls it for `cargo xtask bench`.

use super::{bindgen, stamp::Stamp, wasm_opt};
use crate::{cargo, paths};
use anyhow::Result;

/// Builds what changed.
pub fn build() -> Result<()> {
    let wasm = cargo::build_capture()?;
    let folder = paths::in_root("bench/wasm");
    let result = folder.join("capture_bg.wasm");
    let stamp = Stamp::of("capture", &[&wasm])?;
    if !(stamp.is_current() && result.is_file()) {
        bindgen::generate(&wasm, "capture", &folder)?;
        wasm_opt::optimise(&result)?;
        stamp.save()?;
    }
    Ok(())
}

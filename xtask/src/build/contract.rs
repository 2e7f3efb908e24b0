//! The wasm modules with the store contract compiled in, for the suites that run it on OPFS and in the Durable Object.
//! They are built only where the crates have a feature `contract`, into `.ebbtide/contract`, and are never published.
//! `build/mod.rs` calls it before the suites that need it.

use super::{bindgen, stamp::Stamp};
use crate::{cargo, paths};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Cargo's name for the feature.
const FEATURE: &str = "contract";

/// Builds those of the two modules that exist in this form.
pub fn build() -> Result<()> {
    let crates = crates_with_feature()?;
    if crates.iter().any(|name| name == "ebbtide-wasm-client") {
        generate("client", "ebbtide_client", || cargo::build_talking_client(&["--features", FEATURE]))?;
    }
    if crates.iter().any(|name| name == "ebbtide-worker") {
        generate("worker", "ebbtide_worker", || cargo::build_worker(&["--features", FEATURE]))?;
    }
    Ok(())
}

fn generate(part: &str, name: &str, build: impl Fn() -> Result<PathBuf>) -> Result<()> {
    let wasm = build()?;
    let folder = paths::scratch(FEATURE).join(part);
    let stamp = Stamp::of(&format!("{FEATURE}-{part}"), &[Path::new(&wasm)])?;
    if stamp.is_current() && folder.is_dir() {
        return Ok(());
    }
    bindgen::generate(&wasm, name, &folder)?;
    stamp.save()
}

fn crates_with_feature() -> Result<Vec<String>> {
    let metadata = cargo::metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let with_feature = packages.filter(|package| package["features"].get(FEATURE).is_some());
    Ok(with_feature.filter_map(|package| package["name"].as_str()).map(str::to_owned).collect())
}

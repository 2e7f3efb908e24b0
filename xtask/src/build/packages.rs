//! The TypeScript parts: the npm package and the demo, each by its own `build` script.
//! It knows what they are made from, not how. `build/mod.rs` calls it.

use super::stamp::Stamp;
use crate::{paths, setup::npm};
use anyhow::Result;

/// Builds the npm package from its sources and the two wasm modules.
pub fn build_npm() -> Result<()> {
    build("npm", &["npm"])
}

/// Builds the demo, which uses only what the npm package exports.
pub fn build_demo() -> Result<()> {
    build("demo", &["npm", "demo"])
}

fn build(folder: &str, inputs: &[&str]) -> Result<()> {
    if !npm::has_script(folder, "build")? {
        println!("{folder}: no package with a build script, skipped");
        return Ok(());
    }
    let inputs: Vec<_> = inputs.iter().chain(&["package-lock.json"]).map(|input| paths::in_root(input)).collect();
    let stamp = Stamp::of(folder, &inputs.iter().map(|input| input.as_path()).collect::<Vec<_>>())?;
    if stamp.is_current() && paths::in_root(folder).join("dist").is_dir() {
        println!("{folder}: up to date");
        return Ok(());
    }
    npm::script(folder, "build")?;
    stamp.save()
}

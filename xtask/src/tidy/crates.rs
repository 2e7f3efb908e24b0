//! Rules on the crates: who may depend on whom, and which do without a standard library.
//! The arrows are those of ARCHITECTURE.md; development dependencies are free, because tests may look down on anything.

use super::source::Source;
use crate::cargo;
use anyhow::{Context, Result};
use serde_json::Value;

/// Each crate with the crates of this workspace that it may use.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("ebbtide-core", &[]),
    ("ebbtide-protocol", &["ebbtide-core"]),
    ("ebbtide-store", &["ebbtide-core"]),
    ("ebbtide-wasm-client", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store"]),
    ("ebbtide-worker", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store"]),
    ("ebbtide-simulator", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store"]),
    ("ebbtide-conversations", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store"]),
    ("ebbtide-fuzz", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store", "ebbtide-simulator"]),
    ("ebbtide-bench-capture", &["ebbtide-bench-engine", "ebbtide-core", "ebbtide-store"]),
    ("ebbtide-bench-engine", &["ebbtide-core", "ebbtide-protocol", "ebbtide-store"]),
    ("xtask", &[]),
];

/// The crates that the compiler keeps free of clocks, files and chance.
const NO_STD: [&str; 2] = ["core/src/lib.rs", "protocol/src/lib.rs"];

/// Finds dependencies that point upwards or sideways.
pub fn check_direction(_: &[Source]) -> Result<Vec<String>> {
    let metadata = cargo::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    Ok(packages.iter().flat_map(|package| upward(package, &names)).collect())
}

fn upward(package: &Value, workspace: &[&str]) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ALLOWED.iter().find(|(other, _)| *other == name) else {
        return vec![format!("{name} is not in the list of xtask/src/tidy/crates.rs")];
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|dependency| workspace.contains(dependency) && !allowed.contains(dependency))
        .map(|dependency| format!("{name} must not depend on {dependency}"))
        .collect()
}

/// Finds crates that gave up `no_std`.
pub fn check_no_std(sources: &[Source]) -> Result<Vec<String>> {
    let keeps = |path: &str| {
        let attributes = ["#![no_std]", "#![cfg_attr(not(test), no_std)]"];
        let root = sources.iter().find(|source| source.path == path);
        root.is_some_and(|root| root.text.lines().any(|line| attributes.contains(&line.trim())))
    };
    Ok(NO_STD.iter().filter(|path| !keeps(path)).map(|path| format!("{path} lacks #![no_std]")).collect())
}

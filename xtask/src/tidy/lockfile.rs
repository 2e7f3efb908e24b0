//! Rules on package-lock.json: it fits the workspace's packages, and works on every machine and with every registry.
//! `npm ci` refuses a lockfile that breaks the first two, but only in a clean clone; here it is noticed earlier.

use super::source::Source;
use crate::paths;
use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// The fields of a package that the lockfile repeats and npm compares.
const REPEATED: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/// Finds workspaces that changed, platforms that are missing, and addresses of a registry.
pub fn check(sources: &[Source]) -> Result<Vec<String>> {
    let lockfile: Value = serde_json::from_str(&std::fs::read_to_string(paths::in_root("package-lock.json"))?)?;
    let packages = lockfile["packages"].as_object().context("package-lock.json has packages")?;
    let mut findings = changed_workspaces(packages, sources)?;
    findings.extend(missing_platforms(packages));
    let addressed =
        packages.iter().filter(|(_, entry)| entry["resolved"].as_str().is_some_and(|at| at.contains("://")));
    findings.extend(addressed.map(|(path, _)| format!("{path} names its registry")));
    Ok(findings.into_iter().map(|finding| format!("package-lock.json: {finding}")).collect())
}

fn changed_workspaces(packages: &Map<String, Value>, sources: &[Source]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(folder) = workspace(&source.path) else { continue };
        let package: Value = serde_json::from_str(&source.text).with_context(|| source.path.clone())?;
        let fits = |entry: &Value| REPEATED.iter().all(|field| entry.get(field) == package.get(field));
        if !packages.get(folder).is_some_and(fits) {
            findings.push(format!("does not fit {} (run `npm install`)", source.path));
        }
    }
    Ok(findings)
}

/// The folder of a workspace's package.json: those that the root's package.json lists, and the root itself.
fn workspace(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("package.json")?.trim_end_matches('/');
    let below_tests = folder.strip_prefix("tests/").unwrap_or(folder);
    (!below_tests.contains('/')).then_some(folder)
}

/// npm leaves out of a new lockfile what its registry did not have at the time: the builds for other platforms.
fn missing_platforms(packages: &Map<String, Value>) -> Vec<String> {
    let optional = packages.values().filter_map(|entry| entry["optionalDependencies"].as_object());
    let names = optional.flat_map(|names| names.keys());
    names
        .filter(|name| !packages.keys().any(|path| path.ends_with(&format!("node_modules/{name}"))))
        .map(|name| format!("lacks the optional package {name}"))
        .collect()
}

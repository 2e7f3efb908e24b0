//! The npm packages of the workspace, exactly as the lockfile names them.
//! What is installed is compared with the lockfile itself, so no stamp can be out of date.
//! Set-up calls it; package scripts are started through `script`.

use super::node;
use crate::{paths, process};
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// The `packages` of a lockfile, by their path.
type Packages = Map<String, Value>;

/// Runs `npm ci` unless every package of the lockfile is installed in its version.
pub fn ensure() -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    println!("set-up: the npm packages are not those of package-lock.json, installing them");
    let mut npm = process::command("npm");
    node::set_path(&mut npm)?;
    process::run(npm.args(["ci", "--no-fund", "--no-audit"]))
}

/// Runs a script of the workspace in `folder`.
pub fn script(folder: &str, name: &str) -> Result<()> {
    let mut npm = process::command("npm");
    node::set_path(&mut npm)?;
    process::run(npm.args(["run", "--silent", name, "--workspace", folder]))
}

/// Whether the workspace in `folder` exists and has the script.
pub fn has_script(folder: &str, name: &str) -> Result<bool> {
    let file = paths::in_root(folder).join("package.json");
    if !file.is_file() {
        return Ok(false);
    }
    Ok(read(&file)?.pointer("/scripts").and_then(|scripts| scripts.get(name)).is_some())
}

fn is_installed() -> Result<bool> {
    let installed = paths::in_root("node_modules/.package-lock.json");
    if !installed.is_file() {
        return Ok(false);
    }
    let wanted = packages(&paths::in_root("package-lock.json"))?;
    Ok(has_all(&packages(&installed)?, &wanted))
}

fn has_all(installed: &Packages, wanted: &Packages) -> bool {
    // Entries outside node_modules are the workspaces themselves; optional ones are made for other machines.
    wanted
        .iter()
        .filter(|(path, entry)| path.contains("node_modules/") && entry.get("optional").is_none())
        .all(|(path, entry)| same_package(entry, installed.get(path)))
}

fn same_package(wanted: &Value, installed: Option<&Value>) -> bool {
    let Some(installed) = installed else { return false };
    ["version", "link"].iter().all(|key| wanted.get(key) == installed.get(key))
}

fn packages(lockfile: &Path) -> Result<Packages> {
    let mut lockfile_value = read(lockfile)?;
    match lockfile_value.get_mut("packages").map(Value::take) {
        Some(Value::Object(packages)) => Ok(packages),
        _ => anyhow::bail!("{} has no packages", paths::shown(lockfile)),
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", paths::shown(file)))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", paths::shown(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages_of(json: &str) -> Packages {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn su01_packages_are_installed_when_each_is_there_in_its_version() {
        let wanted = packages_of(
            r#"{"": {}, "npm": {"version": "0.1.0"}, "node_modules/a": {"version": "1.0.0"},
                "node_modules/npm": {"link": true}, "node_modules/other-platform": {"version": "2.0.0", "optional": true}}"#,
        );
        let same = packages_of(r#"{"node_modules/a": {"version": "1.0.0"}, "node_modules/npm": {"link": true}}"#);
        let older = packages_of(r#"{"node_modules/a": {"version": "0.9.0"}, "node_modules/npm": {"link": true}}"#);
        let fewer = packages_of(r#"{"node_modules/npm": {"link": true}}"#);
        assert!(has_all(&same, &wanted));
        assert!(!has_all(&older, &wanted));
        assert!(!has_all(&fewer, &wanted));
    }
}

//! Tools from the distribution: looked up first, installed with apt-get where that is possible.
//! It knows neither versions nor what the tools are for. `setup/mod.rs` gives it the list.

use crate::process;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::sync::Once;

/// A program, the Debian package that brings it, and the test whether it is there.
pub struct Tool {
    pub name: &'static str,
    pub package: &'static str,
    pub present: fn() -> bool,
}

/// Package lists are refreshed at most once, and only when something is missing.
static UPDATE: Once = Once::new();

/// Installs the missing ones of the tools and checks that they are there afterwards.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    println!("set-up: {names} missing, installing");
    install(&packages).with_context(|| format!("missing: {names}. Install by hand: {}", packages.join(" ")))?;
    match missing.iter().find(|tool| !(tool.present)()) {
        Some(tool) => bail!("{} is still missing after installing the package {}", tool.name, tool.package),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    UPDATE.call_once(|| {
        // A mirror that does not answer may still have left usable lists, and the install below tells for certain.
        if let Err(error) = apt_get().and_then(|mut apt| process::run(apt.args(["update", "-q"]))) {
            eprintln!("warning: {error:#}");
        }
    });
    process::run(apt_get()?.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Result<Command> {
    if process::find("apt-get").is_none() {
        bail!("this machine has no apt-get");
    }
    let mut command = if rustix::process::geteuid().is_root() {
        process::command("apt-get")
    } else if process::succeeds(process::command("sudo").args(["-n", "true"])) {
        let mut sudo = process::command("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        bail!("apt-get needs root, and sudo without a password is not available");
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

//! The Node that runs wrangler, the suites and the package scripts: the system's where new enough, else one from npm.
//! It does not know what the scripts do. Set-up makes it available; every module that starts Node asks here.

use crate::limits::{NODE_MINIMUM, NODE_PACKAGE_VERSION};
use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Installs Node from the npm registry unless a new enough one is there.
pub fn ensure() -> Result<()> {
    if binary().is_some() {
        return Ok(());
    }
    let (major, minor) = NODE_MINIMUM;
    println!("set-up: no Node {major}.{minor} or newer, fetching one from the npm registry");
    if process::find("npm").is_none() {
        bail!("npm is missing. Install Node with npm (any recent version), for example `apt-get install npm`.");
    }
    let package = format!("{}@{NODE_PACKAGE_VERSION}", package_name()?);
    let folder = paths::scratch("node");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", paths::shown(&folder)))?;
    process::run(process::command("npm").arg("install").arg("--prefix").arg(&folder).arg("--no-save").arg(package))?;
    binary().map(drop).context("the Node that was just installed does not run")
}

/// The command `node`, with the same Node first on the search path for the programs that it starts.
pub fn command() -> Result<Command> {
    let mut command = process::command(require()?);
    set_path(&mut command)?;
    Ok(command)
}

/// Puts the project's Node, and the tools of the npm packages, first on the command's search path.
pub fn set_path(command: &mut Command) -> Result<()> {
    let node = require()?;
    let folder = node.parent().context("a program lies in a folder")?.to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder, paths::in_root("node_modules/.bin")].into_iter().chain(std::env::split_paths(&inherited));
    command.env("PATH", std::env::join_paths(folders)?);
    Ok(())
}

/// `cargo xtask node`: Node in the caller's folder and terminal; without arguments its path.
pub fn exec(arguments: &[&str]) -> Result<ExitCode> {
    ensure()?;
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    if arguments.is_empty() {
        println!("{}", require()?.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = Command::new(require()?);
    set_path(&mut command)?;
    let status = command.args(arguments).status()?;
    Ok(ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1)))
}

fn require() -> Result<PathBuf> {
    binary().context("no usable Node: `cargo xtask setup` installs it")
}

/// The installed Node, if there is one: the pinned one of this checkout, else the system's where new enough.
fn binary() -> Option<PathBuf> {
    let pinned = paths::scratch("node/node_modules").join(package_name().ok()?).join("bin/node");
    if pinned.is_file() && version(&pinned).is_some_and(|version| version >= NODE_MINIMUM) {
        return Some(pinned);
    }
    process::find("node").filter(|node| version(node).is_some_and(|version| version >= NODE_MINIMUM))
}

fn version(node: &PathBuf) -> Option<(u32, u32)> {
    let text = process::output(process::command(node).arg("--version")).ok()?;
    let mut parts = text.trim_start_matches('v').split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn package_name() -> Result<String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("no Node package for {other}: install Node {}.{} or newer", NODE_MINIMUM.0, NODE_MINIMUM.1),
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("no Node package for {other}: install Node {}.{} or newer", NODE_MINIMUM.0, NODE_MINIMUM.1),
    };
    Ok(format!("node-{system}-{machine}"))
}

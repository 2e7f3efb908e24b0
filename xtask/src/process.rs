//! Running other programs: shown before they start, stopped as a whole, never reading the terminal.
//! It knows nothing about what the programs do. Every module that starts a program goes through here.

use crate::paths;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// The process groups to stop when this program is stopped.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How long a stopped program may take to clean up before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// A command in the root of the checkout that gets no input.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(paths::root()).stdin(Stdio::null());
    command
}

/// Shows the command, runs it with its output passed through, and fails when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs the command quietly and returns its standard output without the last line end.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Whether the quiet command starts and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The program's full path, if the search path has it.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Starts the command at the head of its own process group, so that all it starts can be stopped together.
pub fn spawn_group(command: &mut Command) -> Result<Child> {
    let line = line_of(command);
    println!("$ {line}");
    let child = command.process_group(0).spawn().with_context(|| format!("cannot start `{line}`"))?;
    RUNNING.lock().expect("no panic holds the lock").push(Pid::from_child(&child));
    Ok(child)
}

/// Stops the child and everything in its group: politely, then for good.
pub fn stop_group(child: &mut Child) {
    let group = Pid::from_child(child);
    // Reaping the head matters: a zombie would keep the group alive until the grace is over.
    stop(group, || drop(child.try_wait()));
    // An error means that it was reaped before.
    child.wait().ok();
    RUNNING.lock().expect("no panic holds the lock").retain(|other| *other != group);
}

/// From now on Ctrl-C and a termination signal stop the running groups before they end this program.
pub fn stop_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        let groups: Vec<Pid> = RUNNING.lock().map(|groups| groups.clone()).unwrap_or_default();
        groups.into_iter().for_each(|group| stop(group, || {}));
        std::process::exit(130);
    })
    .context("cannot watch for Ctrl-C")
}

fn stop(group: Pid, mut reap: impl FnMut()) {
    // An error means that nobody is left in the group, which is what is wanted.
    if kill_process_group(group, Signal::TERM).is_err() {
        return;
    }
    let step = Duration::from_millis(50);
    for _ in 0..STOP_GRACE.as_millis() / step.as_millis() {
        reap();
        if rustix::process::test_kill_process_group(group).is_err() {
            return;
        }
        std::thread::sleep(step);
    }
    kill_process_group(group, Signal::KILL).ok();
}

/// The command as one could type it in the root of the checkout.
fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().replace(&*root_prefix(), "")).collect();
    words.join(" ")
}

fn root_prefix() -> String {
    format!("{}/", paths::root().display())
}

//! `cargo xtask demo`: the demo and its Worker in local workerd, on one loopback port, until Ctrl-C.
//! What the Worker is made of is in `wrangler.toml`; this file adds what only local development may have.

use crate::limits::{DEMO_PORT, DEMO_PORT_TRIES, DEMO_START};
use crate::{build, paths, process, setup};
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

/// How often the starting Worker is asked whether it answers.
const ASK_INTERVAL: Duration = Duration::from_millis(200);

/// Set-up, build, then the Worker until it ends or is interrupted.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let wanted = wanted_port(arguments)?;
    setup::for_build()?;
    build::run(&[])?;
    ensure!(paths::in_root("demo/dist").is_dir(), "the demo was not built: demo/dist does not exist");
    process::stop_children_on_interrupt()?;
    let secrets = write_development_variables()?;
    migrate_database()?;
    let port = free_port(wanted)?;
    let mut worker = process::spawn_group(&mut development_server(port, &secrets)?)?;
    match wait_until_it_answers(port, &mut worker) {
        Ok(()) => println!("\nThe demo runs at http://localhost:{port}/ (Ctrl-C stops it)\n"),
        Err(error) => {
            process::stop_group(&mut worker);
            return Err(error);
        }
    }
    let status = worker.wait()?;
    process::stop_group(&mut worker);
    bail!("the Worker ended by itself ({status})")
}

fn wanted_port(arguments: &[&str]) -> Result<u16> {
    match arguments {
        [] => Ok(DEMO_PORT),
        ["--port", port] => port.parse().with_context(|| format!("`{port}` is not a port")),
        _ => bail!("usage: cargo xtask demo [--port N]"),
    }
}

/// The first free port from the wanted one on.
fn free_port(wanted: u16) -> Result<u16> {
    let last = wanted.saturating_add(DEMO_PORT_TRIES);
    (wanted..=last)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .with_context(|| format!("no free port from {wanted} to {last}"))
}

fn development_server(port: u16, variables: &Path) -> Result<Command> {
    let mut command = wrangler()?;
    command.args(["dev", "--local", "--ip", "127.0.0.1", "--port"]).arg(port.to_string());
    command.args(["--inspector-port", "0", "--show-interactive-dev-session=false", "--log-level", "warn"]);
    command.arg("--persist-to").arg(paths::scratch("state")).arg("--env-file").arg(variables);
    Ok(command)
}

/// Applies the database's migrations where the package has some; wrangler skips those that were applied before.
fn migrate_database() -> Result<()> {
    if !paths::in_root("npm/migrations").is_dir() {
        return Ok(());
    }
    let mut command = wrangler()?;
    command.args(["d1", "migrations", "apply", "DB", "--local", "--persist-to"]).arg(paths::scratch("state"));
    process::run(&mut command)
}

/// wrangler, offline and without questions.
fn wrangler() -> Result<Command> {
    let mut command = setup::node::command()?;
    command.arg(paths::in_root("node_modules/wrangler/bin/wrangler.js"));
    command.envs([("CI", "1"), ("WRANGLER_SEND_METRICS", "false"), ("CLOUDFLARE_CF_FETCH_ENABLED", "false")]);
    command.env("NO_UPDATE_NOTIFIER", "1");
    Ok(command)
}

/// Writes the variables of local development once: the switch for tokens, and a random secret to sign them with.
fn write_development_variables() -> Result<PathBuf> {
    let file = paths::scratch("dev.env");
    if !file.is_file() {
        let text = format!("EBBTIDE_DEV=1\nEBBTIDE_JWT_SECRET={}\n", random_secret()?);
        std::fs::create_dir_all(paths::scratch(""))?;
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", paths::shown(&file)))?;
    }
    Ok(file)
}

fn random_secret() -> Result<String> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn wait_until_it_answers(port: u16, worker: &mut Child) -> Result<()> {
    let deadline = Instant::now() + DEMO_START;
    while Instant::now() < deadline {
        if let Some(status) = worker.try_wait()? {
            bail!("the Worker ended while starting ({status})");
        }
        if answers(port) {
            return Ok(());
        }
        std::thread::sleep(ASK_INTERVAL);
    }
    bail!("the Worker did not answer on port {port} within {} s", DEMO_START.as_secs())
}

/// Whether the demo's page comes back. Errors mean that the server is not there yet.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn su10_the_demo_moves_on_from_a_port_that_is_taken() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free_port(port).unwrap() > port);
        assert!(wanted_port(&["--port", "70000"]).is_err());
    }
}

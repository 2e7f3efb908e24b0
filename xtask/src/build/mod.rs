//! `cargo xtask build`: client wasm, Worker wasm, npm package, demo, in the order in which they depend on each other.
//! A step whose inputs did not change is skipped; what a step does is in its own file. `demo`, `test` and `bench` call it.

mod bindgen;
mod capture;
mod client;
mod contract;
mod packages;
mod sizes;
mod stamp;
mod wasm_opt;
mod worker;

use anyhow::{Result, bail};

/// Everything that the suites run: what users get, and the modules with the store contract.
pub fn for_tests() -> Result<()> {
    run(&[])?;
    contract::build()
}

/// Everything that the bench runs: what users get, and the ways of capturing that it compares.
pub fn for_bench() -> Result<()> {
    run(&[])?;
    capture::build()
}

/// Builds the named parts, or all of them.
pub fn run(parts: &[&str]) -> Result<()> {
    let parts = if parts.is_empty() { &["client", "worker", "npm", "demo"] } else { parts };
    for part in parts {
        match *part {
            "client" => client::build()?,
            "worker" => worker::build()?,
            "npm" => packages::build_npm()?,
            "demo" => packages::build_demo()?,
            "contract" => contract::build()?,
            "capture" => capture::build()?,
            other => bail!("unknown part `{other}`: client, worker, npm, demo, contract or capture"),
        }
    }
    Ok(())
}

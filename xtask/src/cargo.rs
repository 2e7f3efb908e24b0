//! The cargo calls that build wasm: profile, target, flags of SQLite's C code.
//! It does not know what becomes of the wasm. `build/client.rs` and `build/worker.rs` call it.

use crate::{paths, process};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Features of SQLite that the browser build leaves out, and what it sets.
///
/// R*Tree, sessions and the virtual tables that show SQLite's inside cost 80 kB (brotli) that every visitor would
/// load; capture works on the preupdate hook. Armour against misuse of the C interface is what rusqlite's types are.
/// Without DQS a misspelt column in double quotes is an error, not text; nobody reads the memory statistics.
/// `get_table`, the shell's helper, Tcl's variables and SQLite's own test hooks are out of an app's reach.
const SQLITE_FLAGS: &str = "-USQLITE_ENABLE_RTREE -USQLITE_ENABLE_SESSION -USQLITE_ENABLE_DBSTAT_VTAB \
     -USQLITE_ENABLE_DBPAGE_VTAB -USQLITE_ENABLE_BYTECODE_VTAB -USQLITE_ENABLE_STMTVTAB \
     -USQLITE_ENABLE_API_ARMOR -USQLITE_ENABLE_UNLOCK_NOTIFY -USQLITE_ENABLE_UNKNOWN_SQL_FUNCTION \
     -USQLITE_ENABLE_OFFSET_SQL_FUNC -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_UNTESTABLE \
     -DSQLITE_OMIT_GET_TABLE -DSQLITE_OMIT_COMPLETE -DSQLITE_OMIT_TCL_VARIABLE";

/// How SQLite's C is compiled: without copies of functions where they are called, which compress worse than the calls.
const SQLITE_C_FLAGS: &str = "-fno-inline-functions";

/// How the client and its standard library are compiled. A panic says nothing and aborts at once (the words and the
/// machinery to print them are 20 kB compressed); the crash itself is reported by the worker's script. `{:?}` prints
/// nothing: what an app is told is written with `Display`.
const CLIENT_RUST_FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

/// Names of the C compiler for wasm: the unversioned one first, then the ones that distributions install beside it.
const CLANGS: [&str; 9] =
    ["clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15"];
const ARCHIVERS: [&str; 9] = [
    "llvm-ar",
    "llvm-ar-22",
    "llvm-ar-21",
    "llvm-ar-20",
    "llvm-ar-19",
    "llvm-ar-18",
    "llvm-ar-17",
    "llvm-ar-16",
    "llvm-ar-15",
];

/// The C compiler that can make wasm objects, if one is installed.
pub fn clang() -> Option<PathBuf> {
    CLANGS.iter().find_map(|name| process::find(name))
}

/// The archiver that understands wasm objects, if one is installed.
pub fn archiver() -> Option<PathBuf> {
    ARCHIVERS.iter().find_map(|name| process::find(name))
}

/// Builds the client crate as it ships and returns its wasm file, as cargo left it.
pub fn build_client() -> Result<PathBuf> {
    build_small("ebbtide-wasm-client")
}

/// Builds the client crate with words for its panics, which a test needs, and returns its wasm file.
pub fn build_talking_client(options: &[&str]) -> Result<PathBuf> {
    let mut cargo = with_sqlite("ebbtide-wasm-client")?;
    process::run(cargo.args(options))?;
    Ok(client_file(paths::target(), "ebbtide-wasm-client"))
}

/// Builds the bench's comparison of ways to capture, exactly as the client is built, and returns its wasm file.
pub fn build_capture() -> Result<PathBuf> {
    build_small("ebbtide-bench-capture")
}

/// Rebuilds the standard library for size along with the crate, and optimises across all crates. As with the Worker,
/// stable cargo needs `RUSTC_BOOTSTRAP` for that, and the flags need a target folder of their own.
fn build_small(package: &str) -> Result<PathBuf> {
    let target = paths::target().join("client");
    let mut cargo = with_sqlite(package)?;
    cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    cargo.args(["--config", "profile.client.lto='fat'"]).arg("--target-dir").arg(&target);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", CLIENT_RUST_FLAGS);
    process::run(&mut cargo)?;
    Ok(client_file(target, package))
}

fn with_sqlite(package: &str) -> Result<Command> {
    clang().context("no clang found: `cargo xtask setup` installs it")?;
    archiver().context("no llvm-ar found: `cargo xtask setup` installs it")?;
    let mut cargo = wasm_build(package, "client");
    set_wasm_tools(&mut cargo);
    Ok(cargo)
}

fn client_file(target: PathBuf, package: &str) -> PathBuf {
    target.join(WASM_TARGET).join("client").join(format!("{}.wasm", package.replace('-', "_")))
}

/// What cargo knows about the workspace's crates, without their dependencies.
pub fn metadata() -> Result<Value> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let metadata = process::output(process::command("cargo").args(arguments))?;
    serde_json::from_str(&metadata).context("cargo metadata writes JSON")
}

/// The crates of the engine that run natively: the workspace's default members without this tool.
pub fn native_crates() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let members = metadata["workspace_default_members"].as_array().context("cargo lists default members")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let native = packages.filter(|package| members.contains(&package["id"]) && package["name"] != "xtask");
    Ok(native.filter_map(|package| package["name"].as_str()).map(str::to_owned).collect())
}

/// Makes every cargo call on the client's crate use the same C tools and flags, so that SQLite is compiled once.
pub fn set_wasm_tools(command: &mut Command) {
    for (variable, tool) in [("CC_wasm32_unknown_unknown", clang()), ("AR_wasm32_unknown_unknown", archiver())] {
        if let Some(tool) = tool {
            command.env(variable, tool);
        }
    }
    command.env("SQLITE_WASM_RS_FLAGS", SQLITE_FLAGS).env("CFLAGS_wasm32_unknown_unknown", SQLITE_C_FLAGS);
}

/// Builds the Worker crate with a standard library that unwinds, and returns its wasm file.
///
/// The shipped standard library for wasm aborts, so it is built along; stable cargo needs `RUSTC_BOOTSTRAP` for that.
/// The flags would spoil the cache of every other build, hence a target folder of its own.
pub fn build_worker(options: &[&str]) -> Result<PathBuf> {
    let target = paths::target().join("worker");
    let mut cargo = wasm_build("ebbtide-worker", "worker");
    cargo.args(["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features=panic-unwind,optimize_for_size"]);
    cargo.arg("--target-dir").arg(&target).args(options);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cpanic=unwind").env("WASM_BINDGEN_USE_JS_SYS", "1");
    process::run(&mut cargo)?;
    Ok(target.join(WASM_TARGET).join("worker/ebbtide_worker.wasm"))
}

fn wasm_build(package: &str, profile: &str) -> Command {
    let mut cargo = process::command("cargo");
    cargo.args(["build", "--lib", "--package", package, "--profile", profile, "--target", WASM_TARGET]);
    if std::env::var_os("CI").is_some() {
        cargo.arg("--locked");
    }
    cargo
}

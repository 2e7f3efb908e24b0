//! From cargo's wasm to a module and its JavaScript, through the library behind the wasm-bindgen command.
//! It does not know which crate it handles. `client.rs` and `worker.rs` call it.

use anyhow::{Context, Result};
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

/// Writes `<name>.js`, `<name>_bg.wasm` and their types into `folder`, in the form for a caller that brings the module
/// itself: `initSync({ module })`, or the default export with a URL.
pub fn generate(wasm: &Path, name: &str, folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(name).web(true)?.typescript(true).remove_name_section(true);
    bindgen.remove_producers_section(true);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    bindgen.generate(folder).with_context(|| format!("wasm-bindgen refused {}", wasm.display()))
}

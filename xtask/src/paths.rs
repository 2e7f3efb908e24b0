//! Where things are: the checkout, the ignored `.ebbtide` folder and cargo's target folder.
//! It creates nothing. Every other module asks here instead of building paths itself.

use std::path::{Path, PathBuf};

/// The root of the checkout that this xtask was built from.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies inside the checkout")
}

/// A path given relative to the root of the checkout.
pub fn in_root(relative: &str) -> PathBuf {
    root().join(relative)
}

/// Tools, stamps and the demo's state: everything here can be deleted and is made again.
pub fn scratch(relative: &str) -> PathBuf {
    root().join(".ebbtide").join(relative)
}

/// Cargo's target folder: `CARGO_TARGET_DIR` where set, so that several clones can share one build cache.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A path as a person in the checkout would write it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

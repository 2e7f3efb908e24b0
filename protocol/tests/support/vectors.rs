//! Golden vectors as files of hex digits, compared, or written where that is asked for.
//! It knows nothing of what they hold, except that deflate may get better.
//! Used by the golden tests.

use super::sections;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The vector of that name; it is written first when asked to.
fn vector(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = folder().join(name).with_extension("hex");
    if std::env::var_os("EBBTIDE_WRITE_VECTORS").is_some() {
        fs::write(&path, hex(bytes)).expect("the vector is written");
    }
    read(&path)
}

fn read(path: &Path) -> Vec<u8> {
    let digits: String = fs::read_to_string(path).expect("the vector is there").split_whitespace().collect();
    let byte = |position: usize| u8::from_str_radix(&digits[position..position + 2], 16).expect("two hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// All vectors, by name.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder()).expect("the vectors are there").map(|entry| entry.expect("a vector").path());
    paths.map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), read(&path))).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

/// Compares bytes with the vector of that name.
pub fn pinned(name: &str, bytes: &[u8]) {
    assert!(bytes == vector(name, bytes), "{name} has other bytes:\n{}", hex(bytes));
}

/// As `pinned`, for sealed bytes: a better deflate may find shorter ones, so what lies under it is compared.
pub fn pinned_sealed(name: &str, bytes: &[u8]) -> Vec<u8> {
    let vector = vector(name, bytes);
    assert!(sections::inflated(bytes) == sections::inflated(&vector), "{name} has other bytes:\n{}", hex(bytes));
    vector
}

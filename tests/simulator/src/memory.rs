//! What passed before, in a file, so that hours of tests can be interrupted. It holds for one build of the program only: another one
//! begins anew, because what passed under other code says nothing.
//! It knows keys and values as text. Used by `shards`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// See the file's header.
#[derive(Debug, Default)]
pub struct Memory {
    path: Option<PathBuf>,
    known: BTreeMap<String, String>,
}

impl Memory {
    /// What this program remembers there; nothing is remembered without a file.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        match path {
            None => Ok(Self::default()),
            Some(path) => Self::of_build(path, fingerprint(&std::fs::read(std::env::current_exe()?)?)),
        }
    }

    fn of_build(path: &Path, build: u64) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let header = format!("build {build:016x}");
        let mut lines = text.lines();
        let mut memory = Self { path: Some(path.into()), known: BTreeMap::new() };
        if lines.next() == Some(&header) {
            let entries = lines.filter_map(|line| line.split_once(" = "));
            memory.known = entries.map(|(key, value)| (key.into(), value.into())).collect();
        } else {
            std::fs::write(path, header + "\n")?;
        }
        Ok(memory)
    }

    /// What came of something.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.known.get(key).map(String::as_str)
    }

    /// Remembers what came of something, for the next run. Safe from several threads: a line is written at once.
    pub fn put(&self, key: &str, value: &str) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(format!("{key} = {value}\n").as_bytes())
    }
}

/// FNV-1a over words of 8 bytes.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let word = chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        (hash ^ word).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm03_what_was_done_is_remembered_for_one_build_and_not_for_another() {
        let path = std::env::temp_dir().join(format!("ebbtide-memory-{}", std::process::id()));
        let memory = Memory::of_build(&path, 1).expect("a file that can be written");
        memory.put("seeds 26 25", "25 5000 900 800 205 33").expect("a file that can be written");
        memory.put("crash 1 3/36", "1 412").expect("a file that can be written");
        let again = Memory::of_build(&path, 1).expect("a file that can be read");
        assert_eq!(again.get("seeds 26 25"), Some("25 5000 900 800 205 33"));
        assert_eq!(again.get("crash 1 3/36"), Some("1 412"));
        assert_eq!(again.get("seeds 1 25"), None);
        let other = Memory::of_build(&path, 2).expect("a file that can be read");
        assert_eq!(other.get("seeds 26 25"), None);
        assert_eq!(Memory::of_build(&path, 1).expect("a file").get("seeds 26 25"), None, "what is old is gone");
        std::fs::remove_file(&path).expect("a file that is there");
        assert!(Memory::open(None).expect("no file").put("x", "y").is_ok());
    }
}

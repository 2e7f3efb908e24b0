//! Remembers what a step was last made from, as one hash in `.ebbtide/stamps`.
//! It compares contents, not times, because a checkout and a cache both change times. The build steps call it.

use crate::paths;
use anyhow::{Context, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Folders that hold results or other people's code, never inputs.
const NOT_INPUTS: [&str; 4] = ["node_modules", "dist", "target", ".wrangler"];

/// The present state of a step's inputs.
pub struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// Reads the inputs: files, or folders with all that is in them. What does not exist counts as empty.
    /// This tool itself is an input as well, because it says how the step is done.
    pub fn of(step: &str, inputs: &[&Path]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        add(&std::env::current_exe()?, &mut hasher)?;
        inputs.iter().try_for_each(|input| add(input, &mut hasher))?;
        let file = paths::scratch("stamps").join(step);
        Ok(Self { file, hash: format!("{:016x}", hasher.finish()) })
    }

    /// Whether the step was last done with these inputs.
    pub fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|saved| saved == self.hash)
    }

    /// To be called when the step has been done.
    pub fn save(&self) -> Result<()> {
        std::fs::create_dir_all(paths::scratch("stamps"))?;
        std::fs::write(&self.file, &self.hash).with_context(|| format!("cannot write {}", paths::shown(&self.file)))
    }
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    path.file_name().hash(hasher);
    if path.is_dir() {
        for entry in sorted_entries(path)? {
            add(&entry, hasher)?;
        }
    } else if path.is_file() {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.hash(hasher);
    }
    Ok(())
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| !path.file_name().is_some_and(|name| NOT_INPUTS.iter().any(|not| name == *not)));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn su02_a_stamp_follows_contents_and_names_but_not_results() {
        let folder = std::env::temp_dir().join(format!("ebbtide-stamp-{}", std::process::id()));
        let stamp = || Stamp::of("test", &[&folder]).unwrap().hash;
        std::fs::create_dir_all(folder.join("dist")).unwrap();
        std::fs::write(folder.join("a"), "1").unwrap();
        let first = stamp();
        std::fs::write(folder.join("dist/a"), "result").unwrap();
        std::fs::write(folder.join("a"), "1").unwrap();
        assert_eq!(stamp(), first);
        std::fs::write(folder.join("a"), "2").unwrap();
        assert_ne!(stamp(), first);
        std::fs::write(folder.join("a"), "1").unwrap();
        std::fs::rename(folder.join("a"), folder.join("b")).unwrap();
        assert_ne!(stamp(), first);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

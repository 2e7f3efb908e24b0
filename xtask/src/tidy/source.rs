//! The project's own text files: what git tracks or would add, without lockfiles and data.
//! It does not judge them. The rules get the list.

use crate::{paths, process};
use anyhow::{Context, Result};

/// Text that people write. Data, images and lockfiles are not.
const ENDINGS: [&str; 14] =
    ["rs", "ts", "mts", "js", "mjs", "css", "html", "json", "toml", "md", "sql", "sh", "yml", "webmanifest"];

/// Files that tools write.
const GENERATED: [&str; 1] = ["package-lock.json"];

/// A file with its path relative to the root.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// What stands behind the last dot of the name.
    pub fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// Whether it is code, as against configuration and prose.
    pub fn is_code(&self) -> bool {
        ["rs", "ts", "mts", "js", "mjs"].contains(&self.ending())
    }

    /// The lines with their numbers, as editors count them.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Reads all of them.
pub fn all() -> Result<Vec<Source>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = process::output(process::command("git").args(arguments)).context("tidy asks git for the files")?;
    let mut paths: Vec<&str> = listed.lines().filter(|path| is_source(path)).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().filter(|path| paths::in_root(path).is_file()).map(read).collect()
}

fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    (ENDINGS.contains(&ending) || path.starts_with(".ci/")) && !GENERATED.contains(&name)
}

fn read(path: &str) -> Result<Source> {
    let text = std::fs::read_to_string(paths::in_root(path)).with_context(|| format!("cannot read {path}"))?;
    Ok(Source { path: path.to_owned(), text })
}

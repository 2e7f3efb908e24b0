//! Prints how large a file is for those who load it: as it is, gzip'd (what Cloudflare counts), and with brotli.
//! It judges nothing; the bars are in `bench/`. The build steps call it.

use crate::paths;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One line for each file.
pub fn print(files: &[PathBuf]) -> Result<()> {
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", paths::shown(file)))?;
        let (gzip, brotli) = (gzip(&bytes)?, brotli(&bytes)?);
        println!("{:<44} {:>9} raw {gzip:>9} gzip {brotli:>9} brotli", shown(file), bytes.len());
    }
    Ok(())
}

fn shown(file: &Path) -> String {
    paths::shown(file)
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn brotli(bytes: &[u8]) -> Result<usize> {
    // Quality 11 and the widest window: what a static host stores.
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 11, 22);
    encoder.write_all(bytes)?;
    Ok(encoder.into_inner().len())
}

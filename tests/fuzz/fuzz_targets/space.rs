//! Foreign bytes for a space. Built with `--cfg fuzzing` it is led by libFuzzer and coverage; otherwise it plays the files that are named.
//! It owns nothing and knows nothing of the bytes. Called by `cargo xtask soak`, and by hand with a file that was found.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ebbtide_fuzz::space(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        ebbtide_fuzz::space(&std::fs::read(path)?);
    }
    Ok(())
}

//! Tells the compiler of the flag under which the targets are built for libFuzzer. It builds nothing.
//! Run by cargo.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rerun-if-changed=build.rs");
}

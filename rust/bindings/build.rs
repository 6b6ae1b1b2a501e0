//! Tells the crate what it is built for.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=INFERAIL_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}

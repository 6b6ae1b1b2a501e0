//! Builds `libcuda.so.1` out of `driver.cpp` and runs tests of this file in processes that load it: which library a process
//! has is decided once.
//!
//! A child is an ignored test of the same file, run by name. What it prints is shown when it fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How the library is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// For speed.
    Plain,
    /// With the address and undefined-behaviour sanitizers.
    Sanitized,
    /// Without cuMemHostAlloc.
    Half,
}

/// The folder with the library. Two tests that need it at once wait for one build.
pub(crate) fn library(build: Build) -> &'static Path {
    static FOLDERS: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
    FOLDERS[build as usize].get_or_init(|| compile(build))
}

fn compile(build: Build) -> PathBuf {
    // Also from the tests of the crate beside this one.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cuda");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake-{build:?}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new("g++");
    command.args([
        "-std=c++20",
        "-fPIC",
        "-shared",
        "-DINFERAIL_SHIM",
        "-Wall",
        "-Wextra",
    ]);
    command.args(["-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-psabi"]);
    match build {
        // gcc 12 at -O2 takes a wrong range for a number that `Share::place` is called with (gone with -fno-tree-vrp, at -O1
        // and at -O3, and the sanitizers see nothing), and results come out in the wrong places.
        Build::Plain => command.arg("-O1"),
        Build::Sanitized => command.args([
            "-O1",
            "-g",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=undefined",
        ]),
        Build::Half => command.args(["-O0", "-DWITHOUT_HOST_MEMORY"]),
    };
    command
        .arg("-I")
        .arg(source.join("kernels"))
        .arg("-I")
        .arg(source.join("tests/fake"));
    command
        .arg(source.join("tests/fake/driver.cpp"))
        .arg("-o")
        .arg(folder.join("libcuda.so.1"));
    let done = command.output().expect("these tests need g++");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    folder
}

/// Runs the ignored test `name` in a process with the library. `settings` is `FAKE_CUDA`.
pub(crate) fn child(build: Build, name: &str, settings: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        name,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env("LD_LIBRARY_PATH", library(build))
        .env("FAKE_CUDA", settings);
    command.envs(variables.iter().copied());
    if build == Build::Sanitized {
        command.env("LD_PRELOAD", runtime("libasan.so"));
        // Leaks are counted by the tests; a Rust test harness has its own.
        command.env(
            "ASAN_OPTIONS",
            "detect_leaks=0:detect_stack_use_after_return=0",
        );
        command.env("UBSAN_OPTIONS", "print_stacktrace=1");
    }
    run(command, name);
}

/// The same without any driver's library.
pub(crate) fn child_without_library(name: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        name,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    run(command, name);
}

fn run(mut command: Command, name: &str) {
    let done = command.output().unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{name} ended with {}\n{printed}\n{errors}",
        done.status
    );
    assert!(
        printed.contains("1 passed"),
        "{name} is no test of this file:\n{printed}"
    );
}

fn runtime(name: &str) -> String {
    let found = Command::new("g++")
        .arg(format!("-print-file-name={name}"))
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// What the fake driver counts: device memory, host memory, modules, streams, events, contexts.
pub(crate) fn live() -> [i64; 6] {
    // SAFETY: the library is loaded already, by the probe.
    let library = unsafe { libloading::Library::new("libcuda.so.1") }.unwrap();
    // SAFETY: `long fake_live(int)` of driver.cpp.
    let count = unsafe { library.get::<unsafe extern "C" fn(i32) -> i64>(b"fake_live") }.unwrap();
    // SAFETY: it takes any number.
    std::array::from_fn(|what| unsafe { count(what as i32) })
}

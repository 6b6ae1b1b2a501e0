//! Kernels and driver calls without a device: the whole path through cudarc, against a `libcuda.so.1` that is built here
//! and runs the sources of the kernels (`tests/fake`).
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests"
)]

mod attention;
mod driver;
mod fake;
mod pages;
mod reference;
mod store;

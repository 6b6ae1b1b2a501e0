//! The files of an index: what is read is what was acknowledged, whatever was cut, flipped, filled or killed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests"
)]

mod change;
mod directory;
mod full_disk;
mod killed;
mod log;
mod model;
mod reference;
mod snapshot;
mod support;

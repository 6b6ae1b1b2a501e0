//! Hot-path decisions, each in microseconds: how an endpoint is doing, which one is asked, what may still be spent.
//!
//! Moments are seconds on a monotonic clock that the caller reads: nothing here knows the time.
#![forbid(unsafe_code)]

pub mod health;
pub mod pick;
pub mod sketch;

//! Hot-path decisions, each in microseconds: how an endpoint is doing, which one is asked, what may still be spent.
//!
//! Moments are seconds on a monotonic clock that the caller reads: nothing here knows the time.
#![forbid(unsafe_code)]

pub mod concurrency;
mod error;
pub mod health;
pub mod limiter;
pub mod pick;
pub mod queue;
pub mod retry_budget;
pub mod ring;
pub mod sketch;
pub mod window;

pub use error::Error;

//! Logits to tokens.
#![forbid(unsafe_code)]

mod distribution;
mod error;
pub mod grammar;
mod philox;

pub use distribution::Distribution;
pub use error::Error;
pub use philox::{Purpose, uniform};

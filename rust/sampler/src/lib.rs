//! Logits to tokens.
#![forbid(unsafe_code)]

mod distribution;
mod error;
mod philox;
pub mod speculative;
pub mod stop;

pub use distribution::Distribution;
pub use error::Error;
pub use philox::{Purpose, uniform};

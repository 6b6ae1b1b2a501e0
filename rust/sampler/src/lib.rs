//! Logits to tokens.
//!
//! [`Sampler`] reads a row of logits once or twice and draws a token; what it draws depends on the logits, the
//! parameters and a [`Place`] alone.
#![forbid(unsafe_code)]
#![expect(
    clippy::float_cmp,
    reason = "logits that are equal are ties, and no others"
)]

mod chain;
mod compat;
mod distribution;
mod edits;
mod error;
mod history;
mod logprobs;
mod parameters;
mod philox;
mod sampler;
pub mod speculative;
pub mod stop;
mod view;

pub use compat::Compat;
pub use distribution::Distribution;
pub use error::Error;
pub use history::History;
pub use inferail_simd::logits::{Level, Row};
pub use logprobs::Logprobs;
pub use parameters::{
    Dry, DynamicTemperature, Exclusion, LogprobsMode, Mirostat, MirostatVersion, Parameters,
};
pub use philox::{Purpose, uniform};
pub use sampler::{Input, Picked, Place, Sampler, Scratch};

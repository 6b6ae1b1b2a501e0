//! Logits to tokens.
//!
//! [`Sampler`] reads a row of logits once or twice (a flat one three times) and draws a token; what it draws depends on the logits, the
//! parameters and a [`Place`] alone.
#![forbid(unsafe_code)]
#![expect(
    clippy::float_cmp,
    reason = "logits that are equal are ties, and no others"
)]

mod batch;
mod error;
pub mod grammar;
mod history;
mod random;
mod row;
mod sampler;
mod settings;
pub mod speculative;
pub mod stop;

pub use batch::{Batch, Job};
pub use error::Error;
pub use history::History;
pub use inferail_simd::logits::{Level, Row};
pub use random::distribution::Distribution;
pub use random::philox::{Purpose, uniform};
pub use row::logprobs::Logprobs;
pub use sampler::{Input, Picked, Place, Sampler, Scratch};
pub use settings::compat::Compat;
pub use settings::parameters::{
    Dry, DynamicTemperature, Exclusion, LogprobsMode, Mirostat, MirostatVersion, Parameters,
};

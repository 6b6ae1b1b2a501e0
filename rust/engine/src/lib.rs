//! Models that run in this process.
//!
//! [`weights`] reads safetensors files, [`encoder`] turns texts into vectors with a model of the BERT family, [`lexical`]
//! does it with nothing but the words. Everything is read-only once it is made, and `Send + Sync`.
#![forbid(unsafe_code)]

pub mod encoder;
mod error;
pub mod lexical;
pub mod weights;

pub use error::Error;

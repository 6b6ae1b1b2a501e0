//! How a text is cut for search and searched for words, where sentences end, when a stream has stalled, what a prompt is about,
//! and what of it must not be written down.
//!
//! ```
//! use inferail_text::sentence::SentenceGate;
//!
//! let mut gate = SentenceGate::new(1, 1_000);
//! assert_eq!(gate.feed("Dr. Smith has 3.5 dogs."), "");
//! assert_eq!(gate.feed(" They"), "Dr. Smith has 3.5 dogs. They");
//! assert_eq!(gate.feed(" bark"), " bark");
//! ```
#![forbid(unsafe_code)]

pub mod bm25;
pub mod chunk;
pub mod classifier;
mod error;
pub mod redact;
pub mod sentence;
pub mod stall;

pub use error::Error;

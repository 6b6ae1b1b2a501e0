//! Stream grammars of the LLM providers: bytes of a response body in, [`Delta`]s out.
//!
//! A [`StreamDecoder`] frames the body, reads each event with a validating walker that builds no document,
//! and keeps just the state its provider's grammar needs. Deltas borrow from the event and go to a callback,
//! so a binding can build its own strings without one in between. Unknown events, fields and enum values
//! never stop a stream; broken JSON and oversized events do, after everything before them was delivered.
//!
//! ```
//! use inferail_wire::{Delta, Kind, Provider, StreamDecoder};
//!
//! let mut decoder = StreamDecoder::new(Provider::OpenAiChat);
//! let mut text = String::new();
//! let body = concat!(
//!     "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n",
//!     "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
//!     "data: [DONE]\n\n",
//! );
//! decoder.feed(body.as_bytes(), &mut |delta: Delta<'_>| {
//!     if delta.kind == Kind::Text {
//!         text.push_str(delta.text.unwrap_or_default());
//!     }
//! });
//! assert_eq!(text, "Hi");
//! assert_eq!(decoder.finish(), None);
//! ```
#![forbid(unsafe_code)]

mod accumulator;
mod decoder;
mod delta;
mod documents;
mod error;
mod fault;
mod finish;
mod framing;
mod grammar;
pub mod json;
mod output;
mod quote;
mod think;
mod usage;

pub use accumulator::{Accumulator, Content, Part};
pub use decoder::{Options, Provider, StreamDecoder};
pub use delta::{Delta, Kind, Sink};
pub use error::{Error, Feature};
pub use finish::Reason;
pub use quote::quote;
pub use usage::{ServiceTier, Usage};

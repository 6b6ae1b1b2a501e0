//! The classes of `inferail-wire`.

pub(crate) mod accumulator;
pub(crate) mod delta;
pub(crate) mod partial_json;
pub(crate) mod stream_decoder;

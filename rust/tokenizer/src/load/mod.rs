//! One loader a format: bytes of a file to a [`crate::Definition`].

pub mod tiktoken;

//! What a text is about and where its sentences end.
#![forbid(unsafe_code)]

//! What a caller may set, and whose definitions apply.

pub(crate) mod compat;
pub(crate) mod parameters;

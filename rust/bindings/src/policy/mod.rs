//! Hot-path decisions as Python sees them.

pub(crate) mod health;

//! Hot-path decisions as Python sees them.

//! How much a target allocates: a parser that copies its buffer for every chunk shows up as a square.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// The system's allocator with a count of what was asked of it.
pub type Counting = &'static StatsAlloc<System>;

/// What a target makes its global allocator, so that [`allocated_bytes`] counts.
pub const COUNTING: Counting = &INSTRUMENTED_SYSTEM;

/// Bytes allocated since the start of the process; what was freed stays counted. Zero unless the target has
/// made [`COUNTING`] its global allocator.
pub fn allocated_bytes() -> usize {
    INSTRUMENTED_SYSTEM.stats().bytes_allocated
}

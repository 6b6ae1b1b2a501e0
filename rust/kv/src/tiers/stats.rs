//! What tiers have done.

/// What one tier holds and has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TierStats {
    /// Blocks in it.
    pub blocks: u64,
    /// Bytes they take, what describes them included.
    pub bytes: u64,
    /// Bytes it may take.
    pub capacity: u64,
    /// Blocks that were offered.
    pub offered: u64,
    /// Blocks that were taken.
    pub stored: u64,
    /// Blocks that admission refused.
    pub refused: u64,
    /// Blocks that made room for others.
    pub evicted: u64,
    /// Loads that found a sound block.
    pub hits: u64,
    /// Loads that found none.
    pub misses: u64,
    /// Blocks whose checksum was wrong, or that could not be read: each was dropped and is a miss.
    pub corrupt: u64,
    /// Blocks that could not be written.
    pub failed_writes: u64,
    /// Bytes that were loaded.
    pub loaded_bytes: u64,
    /// What loading has taken lately, in bytes a second; 0 before the first load.
    pub load_bytes_per_second: f64,
}

/// Of both tiers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Memory, if there is such a tier.
    pub host: Option<TierStats>,
    /// Disk, if there is such a tier.
    pub disk: Option<TierStats>,
    /// Blocks that were recomputed since loading them would have taken longer.
    pub recomputed: u64,
}

//! Where pages of evicted blocks stay: pinned host memory, then disk.

mod admission;
mod chain;
mod disk;
mod host;
mod order;
mod positional;
mod record;
mod speed;
mod stats;

pub use chain::Tiers;
pub use disk::{ChainKey, Disk};
pub use host::{Host, Options};
pub use stats::{Stats, TierStats};

/// The name of a block's content: its chained hash, which covers every token before it, the salt and the adapter.
pub type Key = u128;

/// Tiers below the device, as the manager and the cache see them.
pub trait Lower: Send + Sync {
    /// Whether `key` could be loaded, without reading it.
    fn contains(&self, key: Key) -> bool;

    /// Takes over a copy of a block that leaves the device; may say no (admission, size).
    fn offer(&self, key: Key, tokens: usize, bytes: &[u8]) -> bool;

    /// The bytes of `key` into `bytes`. False is a miss: unknown, gone, or its checksum is wrong.
    fn load(&self, key: Key, bytes: &mut [u8]) -> bool;
}

//! Blocks in the machine's memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::admission::Frequency;
use super::order::{Order, Rank};
use super::speed::Speed;
use super::{Key, Lower, TierStats};
use crate::Error;

/// Priority of a block that has none of its own.
pub(super) const PRIORITY: u8 = 128;

/// What a block costs besides its bytes: its entries in the table and in the order, and the allocation's own.
const OVERHEAD: usize = 160;

/// How a tier chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes it may take.
    pub bytes: u64,
    /// Whether a full tier refuses a block that was offered and asked for less often than the one that it would give up.
    ///
    /// There is no least frequency: a tier with room takes everything, and of two blocks alike the new one is taken.
    pub admission: bool,
}

impl Options {
    /// With admission.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            admission: true,
        }
    }
}

/// A block that was given up, for the tier below.
#[derive(Debug, Clone)]
pub(super) struct Evicted {
    pub(super) key: Key,
    pub(super) tokens: usize,
    pub(super) bytes: Arc<[u8]>,
}

/// Blocks in the machine's memory, bounded in bytes.
#[derive(Debug)]
pub struct Host {
    block_bytes: usize,
    most: usize,
    admission: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    blocks: HashMap<Key, Block>,
    order: Order,
    frequency: Frequency,
    speed: Speed,
    stats: TierStats,
}

#[derive(Debug)]
struct Block {
    bytes: Arc<[u8]>,
    tokens: usize,
    checksum: u32,
    rank: Rank,
}

impl Host {
    /// An empty tier for blocks of `block_bytes`.
    ///
    /// # Errors
    /// It could not hold one block.
    pub fn new(options: Options, block_bytes: usize) -> Result<Self, Error> {
        let each = block_bytes.saturating_add(OVERHEAD) as u64;
        let most = (options.bytes / each) as usize;
        if most == 0 || block_bytes == 0 {
            return Err(Error::Parameter {
                name: "host_bytes",
                expected: "at least one block",
                value: options.bytes.to_string(),
            });
        }
        Ok(Self {
            block_bytes,
            most,
            admission: options.admission,
            inner: Mutex::new(Inner {
                blocks: HashMap::new(),
                order: Order::default(),
                frequency: Frequency::new(most),
                speed: Speed::default(),
                stats: TierStats {
                    capacity: options.bytes,
                    ..TierStats::default()
                },
            }),
        })
    }

    /// Takes a copy of a block, of a priority that is given up after all lower ones; false if it was refused.
    pub fn offer_with(&self, key: Key, tokens: usize, bytes: &[u8], priority: u8) -> bool {
        self.take(key, tokens, bytes, priority).0
    }

    /// The same, and what was given up for it.
    pub(super) fn take(
        &self,
        key: Key,
        tokens: usize,
        bytes: &[u8],
        priority: u8,
    ) -> (bool, Option<Evicted>) {
        if bytes.len() != self.block_bytes {
            return (false, None);
        }
        let mut inner = self.lock();
        inner.stats.offered += 1;
        inner.frequency.add(key);
        if let Some(rank) = inner.blocks.get(&key).map(|block| block.rank) {
            let rank = inner.order.touch(rank);
            if let Some(block) = inner.blocks.get_mut(&key) {
                block.rank = rank;
            }
            return (true, None);
        }
        let victim = match inner.order.iter().next() {
            Some(victim) if inner.blocks.len() >= self.most => Some(victim),
            _ => None,
        };
        if let Some((rank, victim)) = victim {
            let rare = self.admission && inner.frequency.of(key) < inner.frequency.of(victim);
            if rank.0 > priority || rare {
                inner.stats.refused += 1;
                return (false, None);
            }
        }
        drop(inner);
        // Copying a block takes longer than everything else here: others may go on meanwhile.
        let (bytes, checksum): (Arc<[u8]>, u32) = (bytes.into(), crc32fast::hash(bytes));
        let mut inner = self.lock();
        let evicted = if inner.blocks.len() >= self.most && !inner.blocks.contains_key(&key) {
            inner.evict()
        } else {
            None
        };
        let rank = inner.order.insert(key, priority);
        let block = Block {
            bytes,
            tokens,
            checksum,
            rank,
        };
        if let Some(other) = inner.blocks.insert(key, block) {
            inner.order.remove(other.rank);
        }
        inner.stats.stored += 1;
        (true, evicted)
    }

    /// What the tier holds and has done.
    pub fn stats(&self) -> TierStats {
        let inner = self.lock();
        let blocks = inner.blocks.len() as u64;
        TierStats {
            blocks,
            bytes: blocks * (self.block_bytes + OVERHEAD) as u64,
            load_bytes_per_second: inner.speed.bytes_per_second(),
            ..inner.stats
        }
    }

    /// What loading a block takes, in seconds; `None` before the first one.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.lock().speed.seconds(self.block_bytes)
    }

    /// All blocks, the first one to be given up first.
    pub(super) fn blocks(&self) -> Vec<Evicted> {
        let inner = self.lock();
        let keys = inner.order.iter();
        keys.filter_map(|(_, key)| {
            inner.blocks.get(&key).map(|block| Evicted {
                key,
                tokens: block.tokens,
                bytes: Arc::clone(&block.bytes),
            })
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict(&mut self) -> Option<Evicted> {
        let (rank, key) = self.order.iter().next()?;
        self.order.remove(rank);
        let block = self.blocks.remove(&key)?;
        self.stats.evicted += 1;
        Some(Evicted {
            key,
            tokens: block.tokens,
            bytes: block.bytes,
        })
    }
}

impl Lower for Host {
    fn contains(&self, key: Key) -> bool {
        self.lock().blocks.contains_key(&key)
    }

    fn offer(&self, key: Key, tokens: usize, bytes: &[u8]) -> bool {
        self.offer_with(key, tokens, bytes, PRIORITY)
    }

    fn load(&self, key: Key, bytes: &mut [u8]) -> bool {
        let mut inner = self.lock();
        inner.frequency.add(key);
        let found = inner
            .blocks
            .get(&key)
            .map(|block| (Arc::clone(&block.bytes), block.checksum, block.rank));
        let Some((block, checksum, rank)) = found.filter(|_| bytes.len() == self.block_bytes)
        else {
            inner.stats.misses += 1;
            return false;
        };
        let rank = inner.order.touch(rank);
        if let Some(block) = inner.blocks.get_mut(&key) {
            block.rank = rank;
        }
        drop(inner);
        let started = Instant::now();
        bytes.copy_from_slice(&block);
        let sound = crc32fast::hash(bytes) == checksum;
        let mut inner = self.lock();
        if !sound {
            // Only broken memory gets here, or a write through a stray pointer.
            if let Some(block) = inner.blocks.remove(&key) {
                inner.order.remove(block.rank);
            }
            inner.stats.corrupt += 1;
            inner.stats.misses += 1;
            return false;
        }
        inner.speed.add(bytes.len(), started.elapsed());
        inner.stats.hits += 1;
        inner.stats.loaded_bytes += bytes.len() as u64;
        true
    }
}

//! Memory before disk.

use std::sync::atomic::{AtomicU64, Ordering};

use super::host::PRIORITY;
use super::{Disk, Host, Key, Lower, Stats};
use crate::Error;

/// Of so many blocks that are slower to load than to compute, one is loaded all the same: the speed that says so may have
/// been measured in a bad moment, and a tier that is never used again would never be measured again.
const TRIAL: u64 = 64;

/// Blocks in memory, then on disk: what memory gives up goes to disk, what is loaded from disk stays there.
#[derive(Debug, Default)]
pub struct Tiers {
    host: Option<Host>,
    disk: Option<Disk>,
    recomputed: AtomicU64,
}

impl Tiers {
    /// Of what there is; either may be missing.
    pub fn new(host: Option<Host>, disk: Option<Disk>) -> Self {
        Self {
            host,
            disk,
            recomputed: AtomicU64::new(0),
        }
    }

    /// The tier on disk.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Takes a copy of a block, of a priority that is given up after all lower ones; false if no tier took it.
    pub fn offer_with(&self, key: Key, tokens: usize, bytes: &[u8], priority: u8) -> bool {
        let Some(host) = &self.host else {
            let disk = self.disk.as_ref();
            return disk.is_some_and(|disk| disk.offer_with(key, tokens, bytes, priority));
        };
        let (taken, evicted) = host.take(key, tokens, bytes, priority);
        if let Some(disk) = &self.disk {
            if let Some(evicted) = evicted {
                disk.offer_with(evicted.key, evicted.tokens, &evicted.bytes, PRIORITY);
            }
            // What is not worth a place in memory may be worth one on disk.
            if !taken {
                return disk.offer_with(key, tokens, bytes, priority);
            }
        }
        taken
    }

    /// Whether loading `key`, a block of `tokens`, takes less time than computing it at `seconds_per_token`.
    ///
    /// The time is what the tier's loads have taken lately; before the first one, and now and then, the answer is yes, so
    /// that it is measured.
    pub fn should_load(&self, key: Key, tokens: usize, seconds_per_token: f64) -> bool {
        let seconds = match (&self.host, &self.disk) {
            (Some(host), _) if host.contains(key) => host.seconds(),
            (_, Some(disk)) if disk.contains(key) => disk.seconds(),
            _ => return false,
        };
        if seconds.is_none_or(|seconds| seconds < tokens as f64 * seconds_per_token) {
            return true;
        }
        let before = self.recomputed.fetch_add(1, Ordering::Relaxed);
        before % TRIAL == TRIAL - 1
    }

    /// Writes what is in memory alone to disk, and waits till it is there: what a restart will find.
    ///
    /// # Errors
    /// What the system says. Without a disk there is nothing to do.
    pub fn save(&self) -> Result<(), Error> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        for block in self.host.iter().flat_map(Host::blocks) {
            disk.offer_with(block.key, block.tokens, &block.bytes, PRIORITY);
        }
        disk.sync()
    }

    /// What both tiers hold and have done.
    pub fn stats(&self) -> Stats {
        Stats {
            host: self.host.as_ref().map(Host::stats),
            disk: self.disk.as_ref().map(Disk::stats),
            recomputed: self.recomputed.load(Ordering::Relaxed),
        }
    }
}

impl Lower for Tiers {
    fn contains(&self, key: Key) -> bool {
        self.host.as_ref().is_some_and(|host| host.contains(key))
            || self.disk.as_ref().is_some_and(|disk| disk.contains(key))
    }

    fn offer(&self, key: Key, tokens: usize, bytes: &[u8]) -> bool {
        self.offer_with(key, tokens, bytes, PRIORITY)
    }

    fn load(&self, key: Key, bytes: &mut [u8]) -> bool {
        if let Some(host) = &self.host
            && (host.contains(key) || self.disk.is_none())
            && host.load(key, bytes)
        {
            return true;
        }
        self.disk.as_ref().is_some_and(|disk| disk.load(key, bytes))
    }
}

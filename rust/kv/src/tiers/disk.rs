//! Blocks in a file.
//!
//! One file of slots of one size. There is no separate index that could disagree with them: opening reads the 64 bytes
//! before each block, and a block counts only if its checksum, over head and bytes, is right when it is loaded. So whatever
//! a crash leaves of a half-written slot is a miss.
//!
//! # Durability
//!
//! A block that was taken is written to the system's cache at once: it outlives this process, however it ends, but a power
//! failure only after [`Disk::sync`]. Nothing here waits for the disk before that.
//!
//! # Privacy
//!
//! The file holds keys and values of prompts, and the secret that block names are made with. The folder must be private
//! (mode 0700): it is made so, and one that others may read is refused.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::admission::Frequency;
use super::host::{Options, PRIORITY};
use super::order::{Order, Rank};
use super::positional;
use super::record::{ALIGNMENT, HEAD, HEADER, Head, Header};
use super::speed::Speed;
use super::{Key, Lower, TierStats};
use crate::Error;
use crate::store::Layout;

/// The secret that the names of blocks are made with: without it, none of them is found again.
pub type ChainKey = [u8; 16];

const FILE: &str = "blocks.irkv";

/// Blocks in a file, bounded in bytes.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    header: Header,
    block_bytes: usize,
    slot_bytes: u64,
    slots: u32,
    admission: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    blocks: HashMap<Key, Block>,
    order: Order,
    /// Slots without a block, below `unused`.
    free: Vec<u32>,
    /// The first slot that never had one.
    unused: u32,
    frequency: Frequency,
    speed: Speed,
    sequence: u64,
    stats: TierStats,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    slot: u32,
    rank: Rank,
    /// Loads that are reading the slot: it is not given to another block meanwhile.
    readers: u32,
}

impl Disk {
    /// The tier in `folder`, made if there is none. A new one keeps `key`; [`Disk::chain_key`] says which one it has, and
    /// a manager must name blocks with that one to find them.
    ///
    /// # Errors
    /// Less room than one block, a folder that others may read, another process that has it, a file that is not a tier or
    /// is one of another layout, and what the system says.
    pub fn open(
        folder: &Path,
        layout: &Layout,
        options: Options,
        key: ChainKey,
    ) -> Result<Self, Error> {
        let block_bytes = layout.sizes()?.block;
        let slot_bytes = ((block_bytes + HEAD) as u64).next_multiple_of(ALIGNMENT);
        let slots = options.bytes.saturating_sub(HEADER as u64) / slot_bytes;
        if slots == 0 {
            return Err(Error::Parameter {
                name: "disk_bytes",
                expected: "at least one block and its header",
                value: options.bytes.to_string(),
            });
        }
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        private(folder)?;
        let path = folder.join(FILE);
        let file = lock(folder, &path)?;
        let length = file.metadata().map_err(io("opened", &path))?.len();
        let fresh = Header {
            layout: *layout,
            chain_key: key,
            identity: RandomState::new().build_hasher().finish(),
        };
        let header = if length == 0 {
            positional::write(&file, &fresh.encode(), 0).map_err(io("written", &path))?;
            fresh
        } else {
            existing(&file, &path, layout)?
        };
        let disk = Self {
            path,
            file,
            header,
            block_bytes,
            slot_bytes,
            slots,
            admission: options.admission,
            inner: Mutex::new(Inner {
                blocks: HashMap::new(),
                order: Order::default(),
                free: Vec::new(),
                unused: 0,
                frequency: Frequency::new(slots as usize),
                speed: Speed::default(),
                sequence: 0,
                stats: TierStats {
                    capacity: options.bytes,
                    ..TierStats::default()
                },
            }),
        };
        disk.list(length)?;
        Ok(disk)
    }

    /// The secret that the names of its blocks are made with.
    pub fn chain_key(&self) -> ChainKey {
        self.header.chain_key
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits till everything that was taken is on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(io("synced", &self.path))
    }

    /// What the tier holds and has done.
    pub fn stats(&self) -> TierStats {
        let inner = self.lock();
        let blocks = inner.blocks.len() as u64;
        TierStats {
            blocks,
            bytes: HEADER as u64 + blocks * self.slot_bytes,
            load_bytes_per_second: inner.speed.bytes_per_second(),
            ..inner.stats
        }
    }

    /// Takes a copy of a block, of a priority that is given up after all lower ones; false if it was refused.
    pub fn offer_with(&self, key: Key, tokens: usize, bytes: &[u8], priority: u8) -> bool {
        if bytes.len() != self.block_bytes {
            return false;
        }
        let Some((slot, sequence)) = self.lock().place(key, priority, self.admission, self.slots)
        else {
            return self.lock().blocks.contains_key(&key);
        };
        // The slot belongs to nobody while it is written: nothing is locked.
        let head = Head {
            key,
            tokens: tokens as u64,
            sequence,
            priority,
            checksum: 0,
        };
        let head = head.seal(self.header.identity, bytes);
        let place = self.place_of(slot);
        // The head comes last: until it stands there, the slot is what it was before, or a block whose checksum is wrong.
        let written = positional::write(&self.file, bytes, place + HEAD as u64).and_then(|()| {
            positional::write(&self.file, &head.encode(self.header.identity), place)
        });
        let mut inner = self.lock();
        if written.is_err() {
            inner.stats.failed_writes += 1;
            inner.free.push(slot);
            return false;
        }
        let rank = inner.order.insert(key, priority);
        let block = Block {
            slot,
            rank,
            readers: 0,
        };
        if let Some(other) = inner.blocks.insert(key, block) {
            // Two threads offered it at once; both wrote the same.
            inner.order.remove(other.rank);
            inner.free.push(other.slot);
        }
        inner.stats.stored += 1;
        true
    }

    /// What loading a block takes, in seconds; `None` before the first one.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.lock().speed.seconds(self.block_bytes)
    }

    /// Lists the blocks of a file of `length` bytes, those written last as the ones used last.
    fn list(&self, length: u64) -> Result<(), Error> {
        let whole = length.saturating_sub(HEADER as u64) / self.slot_bytes;
        // The last slot may end before its padding.
        let begun = length
            .saturating_sub(HEADER as u64)
            .div_ceil(self.slot_bytes);
        let mut heads = Vec::new();
        let mut inner = self.lock();
        inner.unused = u32::try_from(begun).unwrap_or(u32::MAX).min(self.slots);
        for slot in 0..inner.unused {
            let mut bytes = [0; HEAD];
            let read = positional::read(&self.file, &mut bytes, self.place_of(slot));
            match Head::decode(&bytes, self.header.identity).filter(|_| read.is_ok()) {
                Some(head) => heads.push((head, slot)),
                None => inner.free.push(slot),
            }
        }
        // What is beyond the bound, which was larger once, is given back.
        if whole > u64::from(self.slots) {
            let length = self.place_of(self.slots);
            self.file
                .set_len(length)
                .map_err(io("truncated", &self.path))?;
        }
        heads.sort_by_key(|(head, _)| head.sequence);
        for (head, slot) in heads {
            inner.sequence = inner.sequence.max(head.sequence);
            let rank = inner.order.insert(head.key, head.priority);
            let block = Block {
                slot,
                rank,
                readers: 0,
            };
            if let Some(other) = inner.blocks.insert(head.key, block) {
                inner.order.remove(other.rank);
                inner.free.push(other.slot);
            }
        }
        Ok(())
    }

    fn place_of(&self, slot: u32) -> u64 {
        HEADER as u64 + u64::from(slot) * self.slot_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A slot for a new block; `None` if it is there already or refused.
    fn place(&mut self, key: Key, priority: u8, admission: bool, slots: u32) -> Option<(u32, u64)> {
        self.stats.offered += 1;
        self.frequency.add(key);
        if let Some(block) = self.blocks.get_mut(&key) {
            block.rank = self.order.touch(block.rank);
            return None;
        }
        if self.free.is_empty() && self.unused < slots {
            self.free.push(self.unused);
            self.unused += 1;
        }
        if self.free.is_empty() {
            let victim = self.order.iter().find(|(_, victim)| {
                let block = self.blocks.get(victim);
                block.is_some_and(|block| block.readers == 0)
            });
            let worth = victim.filter(|(rank, victim)| {
                let rare = admission && self.frequency.of(key) < self.frequency.of(*victim);
                rank.0 <= priority && !rare
            });
            let Some((rank, victim)) = worth else {
                self.stats.refused += 1;
                return None;
            };
            self.order.remove(rank);
            if let Some(block) = self.blocks.remove(&victim) {
                self.free.push(block.slot);
            }
            self.stats.evicted += 1;
        }
        self.sequence += 1;
        self.free.pop().map(|slot| (slot, self.sequence))
    }

    /// A load that reads nothing any more.
    fn release(&mut self, key: Key, slot: u32, sound: bool) {
        let Some(block) = self.blocks.get_mut(&key).filter(|block| block.slot == slot) else {
            return;
        };
        block.readers -= 1;
        let (rank, unread) = (block.rank, block.readers == 0);
        if !sound && unread {
            self.order.remove(rank);
            self.blocks.remove(&key);
            self.free.push(slot);
        }
    }
}

impl Lower for Disk {
    fn contains(&self, key: Key) -> bool {
        self.lock().blocks.contains_key(&key)
    }

    fn offer(&self, key: Key, tokens: usize, bytes: &[u8]) -> bool {
        self.offer_with(key, tokens, bytes, PRIORITY)
    }

    fn load(&self, key: Key, bytes: &mut [u8]) -> bool {
        let mut inner = self.lock();
        inner.frequency.add(key);
        let found = inner.blocks.get(&key).map(|block| block.rank);
        let Some(rank) = found.filter(|_| bytes.len() == self.block_bytes) else {
            inner.stats.misses += 1;
            return false;
        };
        let rank = inner.order.touch(rank);
        let slot = match inner.blocks.get_mut(&key) {
            Some(block) => {
                block.rank = rank;
                block.readers += 1;
                block.slot
            }
            None => return false,
        };
        drop(inner);
        let started = Instant::now();
        let mut head = [0; HEAD];
        let place = self.place_of(slot);
        let read = positional::read(&self.file, &mut head, place)
            .and_then(|()| positional::read(&self.file, bytes, place + HEAD as u64));
        let head = Head::decode(&head, self.header.identity).filter(|_| read.is_ok());
        let sound =
            head.is_some_and(|head| head.key == key && head.is_sound(self.header.identity, bytes));
        let mut inner = self.lock();
        inner.release(key, slot, sound);
        if !sound {
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

impl Drop for Disk {
    /// Closing the file would not do: between fork and exec every child has it open, for whatever program it is.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Makes the folder, or makes sure that no other user can look into it.
fn private(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(io("created", folder))?;
    #[cfg(unix)]
    {
        let metadata = fs::metadata(folder).map_err(io("opened", folder))?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & 0o077 != 0 {
            return Err(Error::Format {
                path: folder.to_owned(),
                reason: format!(
                    "others may look into it (mode {:o}); make it private with chmod 700",
                    mode & 0o777
                ),
            });
        }
    }
    Ok(())
}

/// Opens the file and takes the right to use it, till it is closed or the process ends.
fn lock(folder: &Path, path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(io("opened", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io("locked", path)(source)),
    }
}

fn existing(file: &File, path: &Path, layout: &Layout) -> Result<Header, Error> {
    let format = |reason| Error::Format {
        path: path.to_owned(),
        reason,
    };
    let mut bytes = vec![0; HEADER];
    positional::read(file, &mut bytes, 0).map_err(|source| {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            format("it ends within its header".to_owned())
        } else {
            io("read", path)(source)
        }
    })?;
    let header = Header::decode(&bytes).map_err(format)?;
    header
        .differs(layout)
        .map_or(Ok(header), |reason| Err(format(reason)))
}

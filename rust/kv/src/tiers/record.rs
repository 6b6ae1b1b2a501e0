//! What a tier's file is made of: a header, then slots of one size, each a record's head and a block.

use crate::store::{Format, Layout};

/// Everything begins at a multiple of it, as disks and the system's cache work.
pub(super) const ALIGNMENT: u64 = 4096;

/// Bytes of the file's header, of which most are zeros.
pub(super) const HEADER: usize = 4096;

/// Bytes before each block.
pub(super) const HEAD: usize = 64;

const MAGIC: [u8; 8] = *b"irkvdisk";
const SLOT_MAGIC: [u8; 4] = *b"kvbl";
const VERSION: u32 = 1;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) layout: Layout,
    pub(super) chain_key: [u8; 16],
    /// Random for each file, part of every checksum: a block of another file is not taken for one of this.
    pub(super) identity: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Layout {
            layers,
            kv_heads,
            head_dim,
            block_size,
            blocks: _,
            format,
        } = self.layout;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        let code = Format::ALL.iter().position(|it| *it == format);
        bytes.extend((code.unwrap_or(0) as u32).to_le_bytes());
        for count in [layers, kv_heads, head_dim, block_size] {
            bytes.extend((count as u64).to_le_bytes());
        }
        bytes.extend(self.identity.to_le_bytes());
        bytes.extend(self.chain_key);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(HEADER, 0);
        bytes
    }

    /// What does not fit is said in words.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = Fields(bytes);
        if rest.take::<8>() != Some(MAGIC) {
            return Err("it is not a tier of a key/value cache".to_owned());
        }
        let version = rest.u32();
        if version != Some(VERSION) {
            return Err(format!(
                "it has version {}, this release reads {VERSION}",
                version.unwrap_or(0)
            ));
        }
        let damaged = || "its header is damaged".to_owned();
        let length = 8 + 4 + 4 + 4 * 8 + 8 + 16;
        let checksum = bytes.get(length..length + 4);
        if checksum != Some(&crc32fast::hash(&bytes[..length.min(bytes.len())]).to_le_bytes()[..]) {
            return Err(damaged());
        }
        let read = |mut rest: Fields<'_>| {
            let format = *Format::ALL.get(rest.u32()? as usize)?;
            let mut count = || usize::try_from(rest.u64()?).ok();
            let layout = Layout {
                layers: count()?,
                kv_heads: count()?,
                head_dim: count()?,
                block_size: count()?,
                blocks: 1,
                format,
            };
            Some(Self {
                layout,
                identity: rest.u64()?,
                chain_key: rest.take::<16>()?,
            })
        };
        read(rest).ok_or_else(damaged)
    }

    /// What about the file does not fit `layout`; the number of blocks may differ.
    pub(super) fn differs(&self, layout: &Layout) -> Option<String> {
        let own = self.layout;
        if own.format != layout.format {
            return Some(format!(
                "it holds {} numbers, the cache {}",
                own.format.name(),
                layout.format.name()
            ));
        }
        let counts = [
            ("layers", own.layers, layout.layers),
            ("kv_heads", own.kv_heads, layout.kv_heads),
            ("head_dim", own.head_dim, layout.head_dim),
            ("block_size", own.block_size, layout.block_size),
        ];
        let (name, own, other) = counts.into_iter().find(|(_, own, other)| own != other)?;
        Some(format!("it has {name} {own}, the cache {other}"))
    }
}

/// What is said of a block before its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) key: u128,
    pub(super) tokens: u64,
    /// Later records have higher numbers.
    pub(super) sequence: u64,
    pub(super) priority: u8,
    /// Of the block and of everything above.
    pub(super) checksum: u32,
}

impl Head {
    /// With the checksum that makes it sound.
    pub(super) fn seal(mut self, identity: u64, block: &[u8]) -> Self {
        self.checksum = self.sum(identity, block);
        self
    }

    pub(super) fn is_sound(&self, identity: u64, block: &[u8]) -> bool {
        self.checksum == self.sum(identity, block)
    }

    fn sum(&self, identity: u64, block: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&identity.to_le_bytes());
        hasher.update(&self.fields());
        hasher.update(block);
        hasher.finalize()
    }

    fn fields(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend(SLOT_MAGIC);
        bytes.extend(self.key.to_le_bytes());
        bytes.extend(self.tokens.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.push(self.priority);
        bytes
    }

    /// Its own checksum stands behind it, so that a damaged head is not listed at all.
    pub(super) fn encode(&self, identity: u64) -> [u8; HEAD] {
        let mut bytes = self.fields();
        bytes.extend(self.checksum.to_le_bytes());
        let mut own = crc32fast::Hasher::new();
        own.update(&identity.to_le_bytes());
        own.update(&bytes);
        bytes.extend(own.finalize().to_le_bytes());
        let mut out = [0; HEAD];
        out[..bytes.len()].copy_from_slice(&bytes);
        out
    }

    pub(super) fn decode(bytes: &[u8; HEAD], identity: u64) -> Option<Self> {
        let mut rest = Fields(bytes);
        if rest.take::<4>()? != SLOT_MAGIC {
            return None;
        }
        let head = Self {
            key: u128::from_le_bytes(rest.take()?),
            tokens: rest.u64()?,
            sequence: rest.u64()?,
            priority: rest.take::<1>()?[0],
            checksum: rest.u32()?,
        };
        (head.encode(identity) == *bytes).then_some(head)
    }
}

/// Numbers, one after the other.
#[derive(Debug, Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

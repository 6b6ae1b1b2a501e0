//! Ids and the bytes they stand for.

mod trie;

use crate::Error;

pub(crate) use trie::Trie;

/// Ids and the bytes they stand for. Ids need not be dense.
///
/// The bytes are what the *model* matches: raw bytes for byte-level models (a format's byte alphabet is undone when it is
/// loaded), text pieces with their markers (`▁`, `##`, `<0x0A>`) for the others. Added and special tokens are not in here.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    bytes: Box<[u8]>,
    /// Where token `id` ends in `bytes`; it begins where the one before ends.
    ends: Box<[u32]>,
    /// One bit per id: whether it is a token at all.
    present: Box<[u64]>,
    len: usize,
}

impl Vocabulary {
    /// A vocabulary of `(id, bytes)` in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: an id appears twice, or is 2²⁴ or more.
    pub fn new<'a>(
        format: &'static str,
        tokens: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Result<Self, Error> {
        let mut tokens: Vec<(u32, &[u8])> = tokens.into_iter().collect();
        tokens.sort_by_key(|(id, _)| *id);
        let highest = tokens.last().map(|(id, _)| *id);
        if let Some(id) = highest.filter(|id| *id >= Self::MAX_IDS) {
            return Err(Error::format(format, format!("id {id} is too large")));
        }
        let limit = highest.map_or(0, |id| id + 1);
        let mut present = vec![0_u64; (limit as usize).div_ceil(64)];
        let mut bytes = Vec::with_capacity(tokens.iter().map(|(_, token)| token.len()).sum());
        let mut ends = Vec::with_capacity(limit as usize);
        for &(id, token) in &tokens {
            if ends.len() > id as usize {
                return Err(Error::format(format, format!("id {id} appears twice")));
            }
            ends.resize(id as usize, bytes.len() as u32);
            bytes.extend_from_slice(token);
            ends.push(bytes.len() as u32);
            present[id as usize / 64] |= 1 << (id % 64);
        }
        Ok(Self {
            bytes: bytes.into(),
            ends: ends.into(),
            present: present.into(),
            len: tokens.len(),
        })
    }

    /// A vocabulary whose tokens lie one after another in `bytes`, each ending where `ends` says. The id of a token is its
    /// place; `is_present` tells whether there is such a token.
    pub(crate) fn from_parts(
        bytes: Vec<u8>,
        ends: Vec<u32>,
        is_present: impl Fn(usize) -> bool,
    ) -> Self {
        let mut present = vec![0_u64; ends.len().div_ceil(64)];
        for id in (0..ends.len()).filter(|id| is_present(*id)) {
            present[id / 64] |= 1 << (id % 64);
        }
        Self {
            bytes: bytes.into(),
            ends: ends.into(),
            len: present.iter().map(|bits| bits.count_ones() as usize).sum(),
            present: present.into(),
        }
    }

    /// Ids are below this; what fits three bytes fits every table built on them.
    pub const MAX_IDS: u32 = (1 << 24) - 1;

    /// The bytes of token `id`, or nothing if there is no such token.
    #[inline]
    pub fn token(&self, id: u32) -> Option<&[u8]> {
        let index = id as usize;
        let end = *self.ends.get(index)? as usize;
        let begin = if index == 0 {
            0
        } else {
            self.ends[index - 1] as usize
        };
        (self.present[index / 64] >> (index % 64) & 1 == 1).then(|| &self.bytes[begin..end])
    }

    /// Every token in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..self.limit()).filter_map(|id| Some((id, self.token(id)?)))
    }

    /// One more than the highest id.
    pub fn limit(&self) -> u32 {
        self.ends.len() as u32
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

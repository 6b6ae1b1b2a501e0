//! Fragments that were encoded before.

/// How a fragment was encoded. One cache line with its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remembered {
    ids: [u32; 6],
    count: u32,
    /// What else the model wants to know of it.
    pub(crate) margin: f32,
}

impl Remembered {
    /// Nothing, if `ids` are too many to be remembered.
    pub(crate) fn new(ids: &[u32], margin: f32) -> Option<Self> {
        let mut kept = [0; 6];
        kept.get_mut(..ids.len())?.copy_from_slice(ids);
        Some(Self {
            ids: kept,
            count: ids.len() as u32,
            margin,
        })
    }

    #[inline]
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids[..self.count as usize]
    }
}

/// The bytes of a fragment, zeros, and its length in the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key([u64; 4]);

const MASKS: [[u64; 4]; 32] = {
    let mut masks = [[0; 4]; 32];
    let mut length = 0;
    while length < 32 {
        let mut word = 0;
        while word < 4 {
            masks[length][word] = if length >= word * 8 + 8 {
                u64::MAX
            } else if length > word * 8 {
                u64::MAX >> (64 - 8 * (length - word * 8))
            } else {
                0
            };
            word += 1;
        }
        length += 1;
    }
    masks
};

impl Key {
    /// The longest fragment that can be a key.
    pub(crate) const MAX_BYTES: usize = 31;

    /// The key of `text[begin..end]`, if that is short enough.
    #[inline]
    pub(crate) fn new(text: &[u8], begin: usize, end: usize) -> Option<Self> {
        let length = end - begin;
        if length > Self::MAX_BYTES {
            return None;
        }
        let mut buffer = [0; 32];
        let bytes = if let Some(bytes) = text[begin..].first_chunk::<32>() {
            bytes
        } else {
            buffer[..length].copy_from_slice(&text[begin..end]);
            &buffer
        };
        let (words, _) = bytes.as_chunks::<8>();
        let mask = &MASKS[length % 32];
        let mut key = [0; 4];
        for word in 0..4 {
            key[word] = u64::from_le_bytes(words[word]) & mask[word];
        }
        key[3] |= (length as u64) << 56;
        Some(Self(key))
    }

    #[inline]
    fn hash(&self) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let [a, b, c, d] = self.0;
        fold(
            a ^ 0x243f_6a88_85a3_08d3 ^ c.rotate_left(29),
            b ^ 0x1319_8a2e_0370_7344 ^ d.rotate_left(11),
        )
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Fragments that are looked up together: enough to hide the way to memory.
pub(crate) const AHEAD: usize = 16;

/// A fragment that will be looked up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ahead {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    pub(crate) key: Option<Key>,
    /// Where it is in the cache if it is anywhere; 0 without a key.
    pub(crate) place: usize,
}

impl Ahead {
    /// The fragment `text[begin..end]`.
    #[inline]
    pub(crate) fn new(text: &[u8], begin: usize, end: usize) -> Self {
        let key = Key::new(text, begin, end);
        let place = key.as_ref().map_or(0, Cache::place);
        Self {
            begin,
            end,
            key,
            place,
        }
    }
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Slot {
    key: Key,
    value: Remembered,
}

/// A table of fixed size; a fragment displaces the one that had its place.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Box<[Slot]>,
}

impl Cache {
    /// 4 MiB: what a core has near, and somewhat more.
    const SLOTS: usize = 1 << 16;
    const SHIFT: u32 = 64 - Self::SLOTS.trailing_zeros();

    pub(crate) fn new() -> Self {
        // No key has the length zero.
        let empty = Slot {
            key: Key([0; 4]),
            value: Remembered {
                ids: [0; 6],
                count: 0,
                margin: 0.0,
            },
        };
        Self {
            slots: vec![empty; Self::SLOTS].into(),
        }
    }

    /// Where `key` is if it is anywhere.
    #[inline]
    fn place(key: &Key) -> usize {
        (key.hash() >> Self::SHIFT) as usize
    }

    /// Starts loading a place.
    #[inline]
    pub(crate) fn prefetch(&self, place: usize) {
        inferail_simd::prefetch(&self.slots, place);
    }

    #[inline]
    pub(crate) fn get(&self, place: usize, key: &Key) -> Option<&Remembered> {
        let slot = &self.slots[place];
        (slot.key == *key).then_some(&slot.value)
    }

    pub(crate) fn put(&mut self, place: usize, key: Key, value: Remembered) {
        self.slots[place] = Slot { key, value };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_only_for_equal_fragments() {
        let text = b"abcabc\0\0abcdefghijklmnopqrstuvwxyz0123456789";
        let key = |begin, end| Key::new(text, begin, end).unwrap();

        assert_eq!(key(0, 3), key(3, 6));
        assert_ne!(key(3, 6), key(3, 7));
        assert_ne!(key(0, 3), key(1, 4));
        assert_eq!(Key::new(b"abc", 0, 3), Some(key(8, 11)));
        assert_eq!(Key::new(text, 8, 40), None);
        assert_ne!(key(8, 39), key(8, 38));
    }

    #[test]
    fn cache_finds_what_was_put_and_nothing_else() {
        let mut cache = Cache::new();
        let text = b"one two";
        let (one, two) = (Key::new(text, 0, 3).unwrap(), Key::new(text, 4, 7).unwrap());

        cache.put(
            Cache::place(&one),
            one,
            Remembered::new(&[7, 8], 0.0).unwrap(),
        );

        assert_eq!(cache.get(Cache::place(&one), &one).unwrap().ids(), [7, 8]);
        assert!(cache.get(Cache::place(&two), &two).is_none());
        assert!(Remembered::new(&[0; 7], 0.0).is_none());
    }
}

//! Whether merging in the order of a list is merging in the order of ids, which has the faster engine.
//!
//! While nothing has merged across the borders of some range of a text, its merges are those of that range alone, in the same
//! order: the one with the lowest place of all is also the lowest of the range. A token is what two neighbours were, so nothing
//! has merged across its borders before: it comes into being in one way only, however many the list has, the way its own bytes
//! alone become it. Its last merge is its rank. A token that its own bytes do not become is never made by a merge at all.
//!
//! So two neighbours whose bytes together are a token of that kind are always those of its last merge: they merge under the list
//! exactly when they do by id, if the ids are in the order of those merges. Byte-level vocabularies number their tokens like that.
//! Merges need not come after those that make their parts (in Llama 3's list 49,630 of 280,147 do not).

use std::sync::Arc;

use hashbrown::HashMap;

use crate::Vocabulary;

/// Tokens with more bytes are not tried: trying is quadratic.
const TRIED_BYTES: usize = 1 << 10;

/// A token that no merge makes.
const UNMADE: u32 = u32::MAX;

/// A list of merges as ranks.
pub(super) struct Ranks {
    /// The tokens with which merging in the order of ids is merging in the order of the list.
    pub(super) vocabulary: Arc<Vocabulary>,
    /// Tokens of a piece that is all of one, which no merge makes.
    pub(super) whole: HashMap<Box<[u8]>, u32>,
}

/// The ranks that stand for `pairs` (left, right and merged id), or nothing if that cannot be shown.
///
/// With `ignore_merges` a piece that is a token is that token, made by merges or not.
pub(super) fn as_ranks(
    vocabulary: &Arc<Vocabulary>,
    pairs: &[[u32; 3]],
    ignore_merges: bool,
) -> Option<Ranks> {
    let list = List::new(vocabulary, pairs)?;
    let mut made = vec![UNMADE; vocabulary.limit() as usize];
    let mut alone = Alone::default();
    let mut left_out = Vec::new();
    for (id, token) in vocabulary.iter() {
        list.merge(token, &mut alone)?;
        match *alone.parts {
            [only] if only == id => made[id as usize] = alone.last,
            // Two tokens of the same bytes.
            [_] => return None,
            _ => left_out.push(id),
        }
    }
    let merged = vocabulary.iter().filter(|(_, token)| token.len() > 1);
    let ranked = merged
        .map(|(id, _)| made[id as usize])
        .filter(|last| *last != UNMADE)
        .is_sorted();
    if !ranked {
        return None;
    }
    if left_out.is_empty() {
        return Some(Ranks {
            vocabulary: Arc::clone(vocabulary),
            whole: HashMap::new(),
        });
    }
    let is_left_out = |id: u32| left_out.binary_search(&id).is_ok();
    let kept = vocabulary.iter().filter(|(id, _)| !is_left_out(*id));
    let whole = vocabulary
        .iter()
        .filter(|(id, _)| ignore_merges && is_left_out(*id));
    Some(Ranks {
        vocabulary: Arc::new(Vocabulary::new("BPE model", kept).ok()?),
        whole: whole.map(|(id, token)| (token.into(), id)).collect(),
    })
}

/// A list of merges.
struct List {
    bytes: [u32; 256],
    /// Where each pair is in the list, counted from 1.
    places: HashMap<(u32, u32), u32>,
    pairs: Vec<u32>,
}

/// What the bytes of one token become.
#[derive(Default)]
struct Alone {
    parts: Vec<u32>,
    /// The place of each part and the next in the list.
    places: Vec<u32>,
    /// The place of the last merge; 0 if there was none.
    last: u32,
}

impl List {
    /// Nothing, if a merge has another result than the bytes of its parts.
    fn new(vocabulary: &Vocabulary, pairs: &[[u32; 3]]) -> Option<Self> {
        let mut bytes = [UNMADE; 256];
        for (id, token) in vocabulary.iter() {
            if let [byte] = token {
                bytes[usize::from(*byte)] = id;
            }
        }
        let mut places = HashMap::with_capacity(pairs.len());
        for (&[left, right, merged], place) in pairs.iter().zip(1..) {
            let [left_bytes, right_bytes] = [vocabulary.token(left)?, vocabulary.token(right)?];
            let rest = vocabulary.token(merged)?.strip_prefix(left_bytes)?;
            if rest != right_bytes || left_bytes.is_empty() || right_bytes.is_empty() {
                return None;
            }
            // The last of two equal pairs counts, as in the reference.
            places.insert((left, right), place);
        }
        let pairs = pairs.iter().map(|[_, _, merged]| *merged).collect();
        Some(Self {
            bytes,
            places,
            pairs,
        })
    }

    /// Merges the bytes of one token, if they all are tokens.
    fn merge(&self, token: &[u8], alone: &mut Alone) -> Option<()> {
        let Alone {
            parts,
            places,
            last,
        } = alone;
        if token.is_empty() || token.len() > TRIED_BYTES {
            return None;
        }
        let place = |left: u32, right: u32| {
            let found = self.places.get(&(left, right));
            found.copied().unwrap_or(UNMADE)
        };
        parts.clear();
        parts.extend(token.iter().map(|byte| self.bytes[usize::from(*byte)]));
        if parts.contains(&UNMADE) {
            return None;
        }
        places.clear();
        places.extend(parts.windows(2).map(|pair| place(pair[0], pair[1])));
        *last = 0;
        while let Some((at, lowest)) = places
            .iter()
            .copied()
            .enumerate()
            .min_by_key(|(at, lowest)| (*lowest, *at))
            && lowest != UNMADE
        {
            *last = lowest;
            parts[at] = *self.pairs.get(lowest as usize - 1)?;
            parts.remove(at + 1);
            places.remove(at);
            if let Some(next) = parts.get(at + 1) {
                places[at] = place(parts[at], *next);
            }
            if at > 0 {
                places[at - 1] = place(parts[at - 1], parts[at]);
            }
        }
        Some(())
    }
}

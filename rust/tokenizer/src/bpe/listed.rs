//! Whether merging in the order of a list is merging in the order of ids, which has the faster engine.
//!
//! Say that every merge in the list comes after those that make its two parts. Then merges happen in the order of the list,
//! and while nothing has merged across the borders of some range of a text, that range looks as if it stood alone. So a token
//! comes into being in one way only, however many the list has: the way its own bytes alone become it. Its last
//! merge is its rank. A token that its own bytes do not become is never made by a merge at all.
//!
//! Byte-level vocabularies number their tokens by rank. Where one does, two neighbours whose bytes together are a token
//! of that kind merge under the list exactly when they do by id.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::Vocabulary;

/// Tokens with more bytes are not tried: trying is quadratic.
const TRIED_BYTES: usize = 1 << 10;

/// A token that no merge makes.
const UNMADE: u32 = u32::MAX;

/// The tokens with which merging in the order of ids is merging in the order of `pairs` (left, right and merged id), or
/// nothing if that cannot be shown.
///
/// With `ignore_merges` a piece that is a token is that token, made by merges or not; without it, tokens that no merge
/// makes are left out.
pub(super) fn as_ranks(
    vocabulary: &Arc<Vocabulary>,
    pairs: &[[u32; 3]],
    ignore_merges: bool,
) -> Option<Arc<Vocabulary>> {
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
            // By id its two parts would merge.
            [_, _] if ignore_merges => return None,
            _ if ignore_merges => {}
            _ => left_out.push(id),
        }
    }
    let after = |part: &u32, place: u32| {
        let last = made[*part as usize];
        last == UNMADE || last < place
    };
    let ordered = list
        .places
        .iter()
        .all(|((left, right), place)| after(left, *place) && after(right, *place));
    let merged = vocabulary.iter().filter(|(_, token)| token.len() > 1);
    let ranked = merged
        .map(|(id, _)| made[id as usize])
        .filter(|last| *last != UNMADE)
        .is_sorted();
    if !ordered || !ranked {
        return None;
    }
    if left_out.is_empty() {
        return Some(Arc::clone(vocabulary));
    }
    let kept = vocabulary
        .iter()
        .filter(|(id, _)| left_out.binary_search(id).is_err());
    Vocabulary::new("BPE model", kept).ok().map(Arc::new)
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

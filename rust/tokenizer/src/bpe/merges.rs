//! Merging in the order of a list.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::{Error, Vocabulary};

/// A byte-level model with a list of merges.
#[derive(Debug, Clone)]
pub(crate) struct Merges {
    /// The token of each byte.
    bytes: Box<[Option<u32>; 256]>,
    /// Rank and result of each pair that merges.
    pairs: HashMap<(u32, u32), (u32, u32)>,
    /// Pieces that are tokens without merging.
    whole: Option<HashMap<Box<[u8]>, u32>>,
    lengths: Box<[u32]>,
}

/// A part of a piece; parts are a list in both directions.
#[derive(Debug, Clone, Copy)]
struct Part {
    id: u32,
    previous: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

impl Merges {
    /// Prepares a list of left, right and merged ids.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: one of them is no token.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        pairs: &[[u32; 3]],
        ignore_merges: bool,
    ) -> Result<Self, Error> {
        let mut bytes = Box::new([None; 256]);
        let mut lengths = vec![0; vocabulary.limit() as usize];
        for (id, token) in vocabulary.iter() {
            lengths[id as usize] = token.len() as u32;
            if let [byte] = token {
                bytes[*byte as usize] = Some(id);
            }
        }
        let mut ranked = HashMap::with_capacity(pairs.len());
        for (&[left, right, merged], rank) in pairs.iter().zip(0..) {
            if [left, right, merged]
                .iter()
                .any(|id| vocabulary.token(*id).is_none())
            {
                return Err(Error::format(
                    "BPE model",
                    "a merge has an id that is no token",
                ));
            }
            // The last of two equal pairs counts, as in the reference.
            ranked.insert((left, right), (rank, merged));
        }
        let tokens = vocabulary.iter();
        Ok(Self {
            bytes,
            pairs: ranked,
            whole: ignore_merges.then(|| tokens.map(|(id, token)| (token.into(), id)).collect()),
            lengths: lengths.into(),
        })
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: a byte of the text is not in the vocabulary.
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        let mut begin = begin as usize;
        let mut parts = Vec::new();
        let mut heap = BinaryHeap::new();
        for &end in ends {
            let stop = (end & !GAP) as usize;
            if end & GAP == 0 && !sink.is_full() {
                let piece = &text.as_bytes()[begin..stop];
                let whole = self.whole.as_ref().and_then(|whole| whole.get(piece));
                if let Some(&id) = whole {
                    sink.push(id, piece.len() as u32);
                } else {
                    self.split(piece, begin, &mut parts)?;
                    self.merge(&mut parts, &mut heap);
                    let mut at = 0;
                    while let Some(part) = parts.get(at as usize) {
                        sink.push(part.id, self.lengths[part.id as usize]);
                        at = part.next;
                    }
                }
            }
            begin = stop;
        }
        Ok(())
    }

    fn split(&self, piece: &[u8], begin: usize, parts: &mut Vec<Part>) -> Result<(), Error> {
        parts.clear();
        for (index, &byte) in piece.iter().enumerate() {
            let id = self.bytes[byte as usize].ok_or(Error::NoToken {
                offset: begin + index,
            })?;
            let index = index as u32;
            let is_last = index as usize + 1 == piece.len();
            parts.push(Part {
                id,
                previous: index.checked_sub(1).unwrap_or(NONE),
                next: if is_last { NONE } else { index + 1 },
            });
        }
        Ok(())
    }

    /// Merges the pair of lowest rank, the first of equals, until no pair is in the list.
    fn merge(&self, parts: &mut [Part], heap: &mut BinaryHeap<Reverse<(u32, u32, u32, u32)>>) {
        let offer = |heap: &mut BinaryHeap<_>, parts: &[Part], at: u32| {
            let Some(left) = parts.get(at as usize) else {
                return;
            };
            let Some(right) = parts.get(left.next as usize) else {
                return;
            };
            if let Some(&(rank, _)) = self.pairs.get(&(left.id, right.id)) {
                heap.push(Reverse((rank, at, left.id, right.id)));
            }
        };
        heap.clear();
        for at in 0..parts.len() as u32 {
            offer(heap, parts, at);
        }
        while let Some(Reverse((_, at, left, right))) = heap.pop() {
            let part = parts[at as usize];
            let Some(&next) = parts.get(part.next as usize) else {
                continue;
            };
            // A part that was merged away has the id that nothing has.
            if part.id != left || next.id != right {
                continue;
            }
            let Some(&(_, merged)) = self.pairs.get(&(left, right)) else {
                continue;
            };
            parts[part.next as usize].id = NONE;
            parts[at as usize].id = merged;
            parts[at as usize].next = next.next;
            if let Some(after) = parts.get_mut(next.next as usize) {
                after.previous = at;
            }
            offer(heap, parts, part.previous);
            offer(heap, parts, at);
        }
    }
}

//! Every token that begins somewhere in a text.

use crate::Error;

/// A double-array trie over bytes.
#[derive(Debug, Clone)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The child by `byte` is at `base + byte` if its parent is this node.
    base: u32,
    parent: u32,
    /// The token that ends here.
    id: u32,
}

const NONE: u32 = u32::MAX;
const EMPTY: Node = Node {
    base: 0,
    parent: NONE,
    id: NONE,
};

impl Trie {
    /// A trie of `(token, id)`, none of them empty; of a token that comes twice the last counts.
    pub(crate) fn new(tokens: impl Iterator<Item = (Vec<u8>, u32)>) -> Result<Self, Error> {
        let mut keys: Vec<(Vec<u8>, u32)> = tokens.collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        let mut builder = Builder {
            nodes: vec![EMPTY; 256],
            keys: &keys,
            from: 1,
        };
        builder.nodes[0].parent = 0;
        // Node, its keys, and how many bytes of them have been used.
        let mut open = vec![(0, 0, keys.len(), 0)];
        while let Some((node, begin, end, depth)) = open.pop() {
            builder.add(node, begin, end, depth, &mut open);
        }
        if builder.nodes.len() >= NONE as usize {
            return Err(Error::format("model", "the vocabulary is too large"));
        }
        Ok(Self {
            nodes: builder.nodes,
        })
    }

    /// Calls `take` with the length and the id of every token that `text` begins with, the shortest first.
    #[inline]
    pub(crate) fn prefixes(&self, text: &[u8], mut take: impl FnMut(usize, u32)) {
        let mut at = 0;
        for (index, byte) in text.iter().enumerate() {
            let next = self.nodes[at].base as usize + *byte as usize;
            match self.nodes.get(next) {
                Some(node) if node.parent as usize == at && next != 0 => {
                    at = next;
                    if node.id != NONE {
                        take(index + 1, node.id);
                    }
                }
                _ => return,
            }
        }
    }

    /// The length and the id of the longest token that `text` begins with.
    #[inline]
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        let mut longest = None;
        self.prefixes(text, |bytes, id| longest = Some((bytes, id)));
        longest
    }
}

struct Builder<'a> {
    nodes: Vec<Node>,
    keys: &'a [(Vec<u8>, u32)],
    /// Below this nearly all places are taken.
    from: usize,
}

type Open = (usize, usize, usize, usize);

impl Builder<'_> {
    /// Gives `node`, whose keys are `begin..end`, its children.
    fn add(
        &mut self,
        node: usize,
        mut begin: usize,
        end: usize,
        depth: usize,
        open: &mut Vec<Open>,
    ) {
        while begin < end && self.keys[begin].0.len() == depth {
            self.nodes[node].id = self.keys[begin].1;
            begin += 1;
        }
        let mut children: Vec<(u8, usize, usize)> = Vec::new();
        for index in begin..end {
            let byte = self.keys[index].0[depth];
            match children.last_mut() {
                Some(last) if last.0 == byte => last.2 = index + 1,
                _ => children.push((byte, index, index + 1)),
            }
        }
        if children.is_empty() {
            return;
        }
        let base = self.place(&children);
        self.nodes[node].base = base as u32;
        for (byte, begin, end) in children {
            let child = base + byte as usize;
            self.nodes[child].parent = node as u32;
            open.push((child, begin, end, depth + 1));
        }
    }

    /// Where all these children have a free place.
    fn place(&mut self, children: &[(u8, usize, usize)]) -> usize {
        let first = children[0].0 as usize;
        let mut at = self.from.max(first + 1);
        let mut taken = 0;
        loop {
            if self.nodes.len() < at + 256 {
                self.nodes
                    .resize((at + 256).max(self.nodes.len() * 5 / 4), EMPTY);
            }
            let base = at - first;
            if self.nodes[at].parent != NONE {
                taken += 1;
            } else if children
                .iter()
                .all(|(byte, ..)| self.nodes[base + *byte as usize].parent == NONE)
            {
                // As in Darts: a stretch that is nearly full is not searched again.
                if taken * 20 >= (at - self.from + 1) * 19 {
                    self.from = at;
                }
                return base;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn trie_finds_every_token_that_a_text_begins_with(
            tokens in proptest::collection::btree_set("[abé\u{0}]{1,5}", 0..50), text in "[abé\u{0}c]{0,8}",
        ) {
            let numbered: Vec<(Vec<u8>, u32)> =
                tokens.iter().zip(0..).map(|(token, id)| (token.clone().into_bytes(), id)).collect();
            let trie = Trie::new(numbered.clone().into_iter()).unwrap();

            let mut found = Vec::new();
            trie.prefixes(text.as_bytes(), |length, id| found.push((length, id)));

            let mut expected: Vec<(usize, u32)> = numbered
                .iter()
                .filter(|(token, _)| text.as_bytes().starts_with(token))
                .map(|(token, id)| (token.len(), *id))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}

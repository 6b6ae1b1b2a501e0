//! Names of blocks: a keyed hash of the tokens and of the name of the block before.

use xxhash_rust::xxh3::xxh3_128_with_secret;

/// The name of a block's content: 128 bits that cover every token before it, the salt and the adapter.
pub type Name = u128;

/// How names are made, and the secret of this process that goes into them.
///
/// Nobody without the secret can look for two prompts of one name, which is what an unkeyed hash invites.
///
/// There are two ways. Where a block that is found is compared by its tokens and its parent, as the manager does within a
/// pool, a name that two blocks share costs a miss and nothing else: xxh3-128 with a secret of 192 bytes is enough, and
/// takes 10 ns for a block of 16 tokens. Where the name is all there is to compare (in a tier, in another group of
/// layers, in another process), it is keyed BLAKE3: 100 ns for a block, 3 of the 11 µs that a request with 32 new blocks
/// would take, and no way is known to make two of its names equal on purpose; for xxh3 nobody has shown that there is
/// none. Blocks that are found need no hash with either. (1,536 tokens of which 512 are new, `cargo bench -p
/// inferail-benches --bench kv`, 2 busy cores, 2026-11-27.)
#[derive(Clone, Copy)]
pub struct Namer {
    secret: [u8; 16],
    /// Of xxh3; BLAKE3 without.
    fast: Option<[u8; 192]>,
    /// Makes names collide, for the tests of what has to hold even then.
    #[cfg(test)]
    pub(crate) weak: bool,
}

impl std::fmt::Debug for Namer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Namer")
            .field("is_fast", &self.fast.is_some())
            .finish_non_exhaustive()
    }
}

impl Namer {
    /// BLAKE3 with a secret of one's own: names made with it are equal in every process.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self {
            secret,
            fast: None,
            #[cfg(test)]
            weak: false,
        }
    }

    /// BLAKE3 with a secret from the operating system; from the noise of addresses and clocks where it has none.
    pub fn random() -> Self {
        let mut secret = [0; 16];
        if getrandom::fill(&mut secret).is_err() {
            use std::hash::{BuildHasher, RandomState};
            let state = RandomState::new();
            secret[..8].copy_from_slice(&state.hash_one(0_u8).to_le_bytes());
            secret[8..].copy_from_slice(&state.hash_one(1_u8).to_le_bytes());
        }
        Self::new(secret)
    }

    /// The same with xxh3, for names that are never compared without the tokens.
    #[must_use]
    pub fn fast(mut self) -> Self {
        let mut bytes = [0; 192];
        let mut hasher = blake3::Hasher::new_keyed(&self.key(Name::MAX));
        hasher.update(b"the secret of xxh3");
        hasher.finalize_xof().fill(&mut bytes);
        self.fast = Some(bytes);
        self
    }

    /// What the chain of a prompt begins with. Prompts of different parts never share a block.
    ///
    /// The parts are the salt, the adapter and what images and sounds hash to; each is told from the next by its length.
    pub fn seed(&self, parts: &[&[u8]]) -> Name {
        let mut hasher = blake3::Hasher::new_keyed(&self.key(0));
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        first(&hasher.finalize())
    }

    /// The name of a block of `tokens` behind the one of name `parent`.
    pub fn name(&self, parent: Name, tokens: &[u32]) -> Name {
        #[cfg(test)]
        if self.weak {
            return parent.wrapping_add(u128::from(tokens[0] & 1)) & 3;
        }
        let (rows, rest) = tokens.as_chunks::<16>();
        if let Some(secret) = &self.fast {
            let mut name = parent;
            for row in rows {
                name = fast(secret, name, row);
            }
            if !rest.is_empty() {
                let mut row = [0; 16];
                row[..rest.len()].copy_from_slice(rest);
                name = fast(secret, name, &row);
            }
            return name;
        }
        let key = self.key(parent);
        if let ([row], []) = (rows, rest) {
            return first(&blake3::keyed_hash(&key, &bytes(row)));
        }
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for row in rows {
            hasher.update(&bytes(row));
        }
        for token in rest {
            hasher.update(&token.to_le_bytes());
        }
        first(&hasher.finalize())
    }

    fn key(&self, parent: Name) -> [u8; 32] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&parent.to_le_bytes());
        key[16..].copy_from_slice(&self.secret);
        key
    }
}

fn fast(secret: &[u8; 192], parent: Name, row: &[u32; 16]) -> Name {
    let mut input = [0; 80];
    input[..16].copy_from_slice(&parent.to_le_bytes());
    input[16..].copy_from_slice(&bytes(row));
    xxh3_128_with_secret(&input, secret)
}

fn bytes(row: &[u32; 16]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (into, token) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(row) {
        *into = token.to_le_bytes();
    }
    bytes
}

fn first(hash: &blake3::Hash) -> Name {
    let mut name = [0; 16];
    name.copy_from_slice(&hash.as_bytes()[..16]);
    Name::from_le_bytes(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_covers_what_comes_before_and_the_secret() {
        let tokens: Vec<u32> = (0..16).collect();
        let [one, other] = [Namer::new([1; 16]), Namer::new([2; 16])];

        for (one, other) in [(one, other), (one.fast(), other.fast())] {
            let name = one.name(7, &tokens);

            assert_eq!(name, one.name(7, &tokens));
            assert_ne!(name, one.name(8, &tokens));
            assert_ne!(name, other.name(7, &tokens));
            assert_ne!(name, one.name(7, &tokens[..15]));
            assert_ne!(name, one.name(7, &[&tokens[..], &[0]].concat()));
        }
    }

    #[test]
    fn seed_tells_its_parts_from_each_other() {
        let namer = Namer::new([1; 16]);

        assert_ne!(namer.seed(&[b"ab", b"c"]), namer.seed(&[b"a", b"bc"]));
        assert_ne!(namer.seed(&[b"ab"]), namer.seed(&[b"ab", b""]));
    }

    #[test]
    fn blocks_of_other_sizes_have_names() {
        for namer in [Namer::random(), Namer::random().fast()] {
            let names = [1, 15, 16, 17, 32, 40].map(|size| namer.name(0, &vec![9; size]));

            assert!((1..names.len()).all(|at| !names[..at].contains(&names[at])));
        }
    }
}

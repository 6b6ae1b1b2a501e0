//! Names of blocks: a keyed hash of the tokens and of the name of the block before.

/// The name of a block's content: 128 bits that cover every token before it, the salt and the adapter.
pub type Name = u128;

/// The secret of a process, or of whoever keeps names longer than a process lives.
///
/// Names are made with keyed BLAKE3, of which a block of 16 tokens takes one compression: the name of the block before
/// and the secret are its key, the tokens its message. Nobody without the secret can look for two prompts of one name,
/// which is what an unkeyed hash (mistral.rs: `SipHash` with key 0) invites. xxh3-128 with a secret takes a fifth of the
/// time (`cargo bench -p inferail-benches --bench kv`, group `name`), but has no proof that a chosen input cannot make
/// two names equal, and below the device, in a tier, the name is all there is to compare. A block that is found is
/// found by its tokens and its parent, mostly without a hash at all; a hash is made for each new block only. So the
/// difference is 1.2 µs for a request of 32 new blocks, and it buys that a wrong page cannot be provoked.
#[derive(Clone, Copy)]
pub struct Namer {
    secret: [u8; 16],
    /// Makes names collide, for the tests of what has to hold even then.
    #[cfg(test)]
    pub(crate) weak: bool,
}

impl std::fmt::Debug for Namer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Namer")
    }
}

impl Namer {
    /// With a secret of one's own: names made with it are equal in every process.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self {
            secret,
            #[cfg(test)]
            weak: false,
        }
    }

    /// With a secret from the operating system; from the allocator's and the clock's noise where it has none.
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
        let key = self.key(parent);
        let (rows, rest) = tokens.as_chunks::<16>();
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
        let (one, other) = (Namer::new([1; 16]), Namer::new([2; 16]));
        let tokens: Vec<u32> = (0..16).collect();

        let name = one.name(7, &tokens);

        assert_eq!(name, one.name(7, &tokens));
        assert_ne!(name, one.name(8, &tokens));
        assert_ne!(name, other.name(7, &tokens));
        assert_ne!(name, one.name(7, &tokens[1..]));
    }

    #[test]
    fn seed_tells_its_parts_from_each_other() {
        let namer = Namer::new([1; 16]);

        assert_ne!(namer.seed(&[b"ab", b"c"]), namer.seed(&[b"a", b"bc"]));
        assert_ne!(namer.seed(&[b"ab"]), namer.seed(&[b"ab", b""]));
    }

    #[test]
    fn blocks_of_other_sizes_have_names() {
        let namer = Namer::random();

        let names: Vec<Name> = [1, 15, 16, 17, 32, 40]
            .map(|size| namer.name(0, &vec![9; size]))
            .to_vec();

        assert!((1..names.len()).all(|at| !names[..at].contains(&names[at])));
    }
}

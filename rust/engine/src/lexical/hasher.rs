//! The vector of a text's pieces.

use super::features::{Features, WEIGHTS};
use crate::Error;

/// Turns texts into vectors of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hasher {
    dim: usize,
}

impl Hasher {
    /// The most numbers of a vector.
    pub const MOST: usize = 1 << 16;

    /// One whose vectors have `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: fewer than 8, or more than [`Hasher::MOST`].
    pub fn new(dim: usize) -> Result<Self, Error> {
        if !(8..=Self::MOST).contains(&dim) {
            return Err(Error::Argument {
                name: "dim",
                expected: "a number from 8 to 65536",
                value: dim,
            });
        }
        Ok(Self { dim })
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vector of each text, `[texts, dim]`: 1 long; zeros for an empty text.
    pub fn encode<T: AsRef<str>>(&self, texts: &[T]) -> Vec<f32> {
        let mut features = Features::default();
        let mut vectors = vec![0.0; texts.len() * self.dim];
        for (vector, text) in vectors.chunks_exact_mut(self.dim).zip(texts) {
            features.find(text.as_ref());
            features.pieces.sort_unstable_by_key(|(hash, _)| *hash);
            for group in features.pieces.chunk_by(|one, other| one.0 == other.0) {
                self.add(
                    group[0].0,
                    WEIGHTS[group[0].1 as usize],
                    group.len(),
                    vector,
                );
            }
            normalize(vector, features.pieces.first().map(|(hash, _)| *hash));
        }
        vectors
    }

    /// A piece that comes four times counts twice: the root, which is the same on every machine, as a logarithm is not.
    fn add(self, hash: u64, weight: f32, count: usize, vector: &mut [f32]) {
        let amount = weight * (count as f32).sqrt();
        vector[self.place(hash)] += if hash & 1 == 1 { amount } else { -amount };
    }

    fn place(self, hash: u64) -> usize {
        // The upper half of a product spreads the hash over the numbers without a division.
        (((hash >> 32) * self.dim as u64) >> 32) as usize
    }
}

/// Makes its length 1. Pieces that took each other away leave the first number instead.
fn normalize(vector: &mut [f32], any: Option<u64>) {
    let squares: f32 = vector.iter().map(|number| number * number).sum();
    if any.is_some() && squares < 1e-12 {
        vector.fill(0.0);
        vector[0] = 1.0;
    } else if any.is_some() {
        let inverse = 1.0 / squares.sqrt();
        for number in vector {
            *number *= inverse;
        }
    }
}

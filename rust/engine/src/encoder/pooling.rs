//! Vectors of tokens to one vector.

/// How the vectors of tokens become that of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    Cls,
}

impl Pooling {
    /// Writes the vector of a text whose tokens became `hidden`, `[tokens, dim]`; zeros if there is none.
    pub(super) fn pool(self, hidden: &[f32], vector: &mut [f32]) {
        let mut rows = hidden.chunks_exact(vector.len());
        match self {
            Self::Mean => {
                let count = rows.len().max(1) as f32;
                vector.fill(0.0);
                for row in rows {
                    for (sum, number) in vector.iter_mut().zip(row) {
                        *sum += number;
                    }
                }
                for sum in vector {
                    *sum /= count;
                }
            }
            Self::Cls => match rows.next() {
                Some(first) => vector.copy_from_slice(first),
                None => vector.fill(0.0),
            },
        }
    }
}

/// Makes its length 1; of zeros it stays 0.
pub(super) fn normalize(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
    let inverse = 1.0 / squares.sqrt().max(1e-12);
    for number in vector {
        *number = (f64::from(*number) * inverse) as f32;
    }
}

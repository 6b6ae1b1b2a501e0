//! What an index is made for.

use inferail_simd::vectors::WIDTH;

use crate::Error;

/// Most numbers of a vector.
pub const MAX_DIM: usize = 65_536;

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Cosine of the angle, -1 to 1; a vector of zeros has 0 with every other one.
    Cosine,
    /// Dot product.
    Dot,
    /// Euclidean distance: the smaller, the nearer.
    L2,
}

/// How the numbers of a vector are kept; its score is that of the kept numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As they are given.
    Float32,
    /// In half the memory, with a relative error of 0.0005 a number.
    Float16,
    /// In a quarter of the memory: multiples of a 127th of the vector's largest number.
    Int8,
}

/// Settings of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    dim: usize,
    metric: Metric,
    precision: Precision,
}

impl Settings {
    /// Vectors of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: `dim` is 0 or above [`MAX_DIM`].
    pub fn new(dim: usize, metric: Metric, precision: Precision) -> Result<Self, Error> {
        if dim == 0 || dim > MAX_DIM {
            return Err(Error::Parameter {
                name: "dim",
                expected: "1 to 65536",
                value: dim.to_string(),
            });
        }
        Ok(Self {
            dim,
            metric,
            precision,
        })
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How two vectors are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// How the numbers of a vector are kept.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Numbers of a vector with its padding.
    pub(crate) fn width(&self) -> usize {
        self.dim.next_multiple_of(WIDTH)
    }

    /// Bytes of a row's numbers.
    pub(crate) fn row_bytes(&self) -> usize {
        let kept = match self.precision {
            Precision::Float32 => 4,
            Precision::Float16 => 2,
            Precision::Int8 => 0,
        };
        self.width() * (1 + kept)
    }

    /// `score` as it is kept inside, where more is nearer.
    pub(crate) fn inner_score(&self, score: f32) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Dot => score,
            Metric::L2 => -score * score,
        }
    }

    /// A threshold that any score reaches.
    pub(crate) fn any_score(&self) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Dot => f32::NEG_INFINITY,
            Metric::L2 => f32::INFINITY,
        }
    }

    /// An inner score as the user has it.
    pub(crate) fn outer_score(&self, score: f32) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Dot => score,
            Metric::L2 => (-score).max(0.0).sqrt(),
        }
    }
}

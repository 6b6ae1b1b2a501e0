//! Texts to vectors, with a model of the BERT family: post-norm layers, attention in both directions.
//!
//! A folder as sentence-transformers writes it becomes a [`Recipe`], what is to be computed, and an [`Encoder`] with the
//! weights. Texts of a call are computed together, one behind the other and without padding; each comes out the same, bit for
//! bit, whatever stands beside it.

mod layer;
mod pooling;
mod recipe;
mod table;
mod tokens;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use inferail_simd::gemm::{AttentionScratch, Format, Level, Scratch, add_and_normalize};
use inferail_tokenizer::map_batch;

pub use pooling::Pooling;
pub use recipe::{Config, Recipe};
pub use tokens::{Tokenized, Tokens};

use crate::Error;
use crate::weights::SafeTensors;
use layer::{Layer, Names, Norm};
use table::Table;

/// Tokens that are computed together. The weights come from memory once for all of them, and what a layer makes of them
/// still fits into the second-level cache.
const GROUP_TOKENS: usize = 64;

/// How weights are kept and multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// The fastest that is near enough to the exact one (a cosine of at least 0.999): `Int8`.
    #[default]
    Auto,
    /// As they are.
    Float32,
    /// The upper halves of binary32.
    Bfloat16,
    /// Integers of 8 bits.
    Int8,
}

impl Precision {
    /// The one that is meant.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Auto => Self::Int8,
            other => other,
        }
    }

    /// What it is called in Python: `float32`, `bfloat16`, `int8`.
    pub fn name(self) -> &'static str {
        match self.resolved() {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
            Self::Auto | Self::Int8 => "int8",
        }
    }

    fn format(self) -> Format {
        match self.resolved() {
            Self::Float32 => Format::F32,
            Self::Bfloat16 => Format::Bf16,
            Self::Auto | Self::Int8 => Format::Int8,
        }
    }
}

/// How an encoder is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How weights are kept.
    pub precision: Precision,
    /// The instruction set.
    pub level: Level,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            precision: Precision::Auto,
            level: Level::best(),
        }
    }
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// `[texts, dim]`, row after row.
    pub vectors: Vec<f32>,
    /// Tokens of each text that were read, special ones included.
    pub tokens: Vec<usize>,
    /// Which texts were longer than the model reads, in ascending order.
    pub truncated: Vec<usize>,
}

/// A model that turns texts into vectors.
#[derive(Debug)]
pub struct Encoder {
    recipe: Recipe,
    precision: Precision,
    level: Level,
    tokens: Tokens,
    words: Table,
    /// What a token gets for its place, `[positions, hidden]`; what it gets for its kind of segment is in it.
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    memory: Mutex<Vec<Memory>>,
}

/// What a computation needs, kept from one call to the next.
#[derive(Debug, Default)]
struct Memory {
    hidden: Vec<f32>,
    projected: Vec<f32>,
    context: Vec<f32>,
    wide: Vec<f32>,
    added: Vec<f32>,
    products: Scratch,
    attention: AttentionScratch,
}

impl Encoder {
    /// Loads the model in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Read`], [`Error::Format`], [`Error::Unsupported`], [`Error::Tokenizer`].
    pub fn open(folder: &Path, options: Options) -> Result<Self, Error> {
        let recipe = Recipe::read(folder)?;
        let tokens = Tokens::open(&recipe)?;
        let mut file = SafeTensors::open(&recipe.weights)?;
        let Config {
            hidden,
            vocabulary,
            positions,
            kinds,
            ..
        } = recipe.config;
        let names = Names::of(file.header());
        let words = file.floats(&names.word_embeddings(), &[vocabulary, hidden])?;
        let words = Table::new(options.precision, words, hidden);
        let mut places = file.floats(&names.position_embeddings(), &[positions, hidden])?;
        let kind = file.floats(&names.type_embeddings(), &[kinds, hidden])?;
        for place in places.chunks_exact_mut(hidden) {
            for (number, kind) in place.iter_mut().zip(&kind) {
                *number += kind;
            }
        }
        names.check_positions(&mut file, positions)?;
        let norm = Norm::read(&mut file, &names.embeddings("LayerNorm"), hidden)?;
        let format = options.precision.format();
        let layers = (0..recipe.config.layers)
            .map(|number| Layer::read(&mut file, &names.layer(number), &recipe.config, format));
        let layers = layers.collect::<Result<_, _>>()?;
        Ok(Self {
            recipe,
            precision: options.precision.resolved(),
            level: options.level,
            tokens,
            words,
            places,
            norm,
            layers,
            memory: Mutex::default(),
        })
    }

    /// What it computes.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// How its weights are kept.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The instruction set it runs on.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.recipe.config.hidden
    }

    /// Its tokenizer.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The vector of each text, on at most `threads` threads.
    ///
    /// # Errors
    ///
    /// [`Error::Text`], [`Error::NotFinite`].
    pub fn encode<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        threads: NonZeroUsize,
    ) -> Result<Encoded, Error> {
        let tokenized = self.tokens.of_each(texts, threads)?;
        let mut vectors = vec![0.0; texts.len() * self.dim()];
        let groups = groups(&tokenized, threads);
        // A token takes as long as 25 KB of text take to be cut, which is what work is counted in there.
        let work = |group: &&[Tokenized]| group.iter().map(|text| text.ids.len() << 15).sum();
        let made = map_batch(&groups, Some(threads), work, |group| self.group(group));
        let made = made.iter().flat_map(|made| made.chunks_exact(self.dim()));
        for (row, vector) in vectors.chunks_exact_mut(self.dim()).zip(made) {
            row.copy_from_slice(vector);
        }
        for (index, vector) in vectors.chunks_exact(self.dim()).enumerate() {
            if !vector.iter().all(|number| number.is_finite()) {
                return Err(Error::NotFinite { index });
            }
        }
        let truncated = (0..texts.len()).filter(|&index| tokenized[index].is_truncated);
        Ok(Encoded {
            vectors,
            tokens: tokenized.iter().map(|text| text.ids.len()).collect(),
            truncated: truncated.collect(),
        })
    }

    /// The vectors of a few texts, one behind the other.
    fn group(&self, texts: &[Tokenized]) -> Vec<f32> {
        let mut memory = self.take_memory();
        self.embed(texts, &mut memory);
        for layer in &self.layers {
            self.layer(layer, texts, &mut memory);
        }
        let mut vectors = vec![0.0; texts.len() * self.dim()];
        let mut rest = &memory.hidden[..];
        for (vector, text) in vectors.chunks_exact_mut(self.dim()).zip(texts) {
            let (hidden, others) = rest.split_at(text.ids.len() * self.dim());
            self.recipe.pooling.pool(hidden, vector);
            if self.recipe.normalizes {
                pooling::normalize(vector);
            }
            rest = others;
        }
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(memory);
        vectors
    }

    fn take_memory(&self) -> Memory {
        let mut kept = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().unwrap_or_default()
    }

    /// What each token is before the first layer.
    fn embed(&self, texts: &[Tokenized], memory: &mut Memory) {
        let hidden = self.dim();
        let count: usize = texts.iter().map(|text| text.ids.len()).sum();
        memory.hidden.clear();
        memory.hidden.resize(count * hidden, 0.0);
        let mut rows = memory.hidden.chunks_exact_mut(hidden);
        for text in texts {
            let places = self.places.chunks_exact(hidden);
            for ((id, place), row) in text.ids.iter().zip(places).zip(rows.by_ref()) {
                self.words.read(*id as usize, row);
                for (number, place) in row.iter_mut().zip(place) {
                    *number += place;
                }
            }
        }
        self.normalize(&self.norm, &mut memory.hidden, &[]);
    }

    fn normalize(&self, norm: &Norm, rows: &mut [f32], added: &[f32]) {
        let epsilon = self.recipe.config.epsilon;
        add_and_normalize(self.level, rows, added, &norm.scale, &norm.shift, epsilon);
    }

    fn layer(&self, layer: &Layer, texts: &[Tokenized], memory: &mut Memory) {
        let Memory {
            hidden,
            projected,
            context,
            wide,
            added,
            products,
            attention,
        } = memory;
        layer
            .projection
            .multiply(self.level, hidden, products, projected);
        context.resize(hidden.len(), 0.0);
        let (mut projections, mut contexts) = (&projected[..], &mut context[..]);
        for text in texts {
            let length = text.ids.len() * self.dim();
            let (projection, other_projections) = projections.split_at(3 * length);
            let (context, other_contexts) = contexts.split_at_mut(length);
            self.recipe
                .config
                .attention(projection)
                .attend(self.level, attention, context);
            (projections, contexts) = (other_projections, other_contexts);
        }
        layer.output.multiply(self.level, context, products, added);
        self.normalize(&layer.after_attention, hidden, added);
        layer.widening.multiply(self.level, hidden, products, wide);
        layer.narrowing.multiply(self.level, wide, products, added);
        self.normalize(&layer.after_widening, hidden, added);
    }
}

/// Texts in their order, so many at a time that their tokens are worth computing together and every thread has some.
fn groups(texts: &[Tokenized], threads: NonZeroUsize) -> Vec<&[Tokenized]> {
    let total: usize = texts.iter().map(|text| text.ids.len()).sum();
    let most = total.div_ceil(threads.get()).min(GROUP_TOKENS);
    let mut groups = Vec::new();
    let (mut begin, mut count) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        if at > begin && count + text.ids.len() > most {
            groups.push(&texts[begin..at]);
            (begin, count) = (at, 0);
        }
        count += text.ids.len();
    }
    if begin < texts.len() {
        groups.push(&texts[begin..]);
    }
    groups
}

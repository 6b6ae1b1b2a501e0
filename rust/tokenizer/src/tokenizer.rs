//! The stages in a row.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::added::Added;
use crate::bpe::Bpe;
use crate::normalize::Normalizer;
use crate::pool::map_batch;
use crate::pretokenize::{GAP, PreTokenizer};
use crate::sentence_bpe::SentenceBpe;
use crate::sink::{Counter, First, Sink};
use crate::unigram::Unigram;
use crate::{AddedToken, Definition, Error, ModelDefinition, Vocabulary};

/// Pieces that are cut before the model sees them: enough to ask for memory ahead of its use, few enough for the stack.
const PIECES: usize = 256;

/// A tokenizer. Read-only and shared freely between threads.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocabulary: Arc<Vocabulary>,
    added: Added,
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    model: Model,
}

#[derive(Debug, Clone)]
enum Model {
    Bpe(Bpe),
    SentenceBpe(Box<SentenceBpe>),
    Unigram(Box<Unigram>),
}

/// Which special tokens are found in a text.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Specials<'a> {
    /// None: their spelling is text like any other.
    AsText,
    /// Every one.
    All,
    /// Those for which the function says so; the spelling of another is text.
    Only(&'a (dyn Fn(&AddedToken) -> bool + Sync)),
}

impl std::fmt::Debug for Specials<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::AsText => "AsText",
            Self::All => "All",
            Self::Only(_) => "Only(..)",
        })
    }
}

impl Specials<'_> {
    fn found(&self, token: &AddedToken) -> bool {
        !token.special
            || match self {
                Self::AsText => false,
                Self::All => true,
                Self::Only(wanted) => wanted(token),
            }
    }
}

impl Tokenizer {
    /// Most bytes of one text: offsets are counted in 31 bits.
    pub const MAX_BYTES: usize = GAP as usize - 1;

    /// Prepares what a file describes.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: the pattern of the pre-tokenizer cannot be compiled.
    pub fn new(definition: Definition) -> Result<Self, Error> {
        let vocabulary = Arc::new(definition.vocabulary);
        let model = match &definition.model {
            ModelDefinition::Ranks => Model::Bpe(Bpe::new(Arc::clone(&vocabulary))),
            ModelDefinition::SentenceBpe(model) => {
                let model = SentenceBpe::new(model, &vocabulary)?;
                Model::SentenceBpe(Box::new(model))
            }
            ModelDefinition::Unigram(model) => {
                let model = Unigram::new(model, &vocabulary)?;
                Model::Unigram(Box::new(model))
            }
        };
        Ok(Self {
            normalizer: Normalizer::new(&definition.normalizer)?,
            pre_tokenizer: PreTokenizer::new(&definition.pre_tokenizer)?,
            added: Added::new(definition.added),
            vocabulary,
            model,
        })
    }

    /// The ids of `text`.
    ///
    /// # Errors
    ///
    /// [`Error::TextTooLong`], [`Error::NoToken`], [`Error::Pattern`].
    pub fn encode(&self, text: &str, specials: Specials<'_>) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        self.encode_into(text, specials, &mut ids)?;
        Ok(ids)
    }

    /// The first `limit` ids of `text`, or all if they are fewer; the rest of the text is not read.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_first(
        &self,
        text: &str,
        specials: Specials<'_>,
        limit: usize,
    ) -> Result<Vec<u32>, Error> {
        let ids = Vec::with_capacity(limit.min(text.len() / 3 + 2));
        let mut first = First { ids, limit };
        self.encode_into(text, specials, &mut first)?;
        first.ids.truncate(limit);
        Ok(first.ids)
    }

    /// How many tokens `text` has.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn count(&self, text: &str, specials: Specials<'_>) -> Result<usize, Error> {
        let mut counter = Counter {
            count: 0,
            limit: usize::MAX,
        };
        self.encode_into(text, specials, &mut counter)?;
        Ok(counter.count)
    }

    /// How many tokens `text` has, or nothing if they are more than `limit`; the rest of the text is then not read.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn count_till_limit(
        &self,
        text: &str,
        specials: Specials<'_>,
        limit: usize,
    ) -> Result<Option<usize>, Error> {
        let mut counter = Counter { count: 0, limit };
        self.encode_into(text, specials, &mut counter)?;
        Ok((counter.count <= limit).then_some(counter.count))
    }

    /// The ids of each text, on at most `threads` threads; without a number, on as many as the process may use.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`], of the first text that has one.
    pub fn encode_batch<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        specials: Specials<'_>,
        threads: Option<NonZeroUsize>,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let encode = |text: &T| self.encode(text.as_ref(), specials);
        let made = map_batch(texts, threads, |text| text.as_ref().len(), encode);
        made.into_iter().collect()
    }

    /// How many tokens each text has, on threads as [`Tokenizer::encode_batch`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`], of the first text that has one.
    pub fn count_batch<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        specials: Specials<'_>,
        threads: Option<NonZeroUsize>,
    ) -> Result<Vec<usize>, Error> {
        let count = |text: &T| self.count(text.as_ref(), specials);
        let made = map_batch(texts, threads, |text| text.as_ref().len(), count);
        made.into_iter().collect()
    }

    /// Makes sure that `text` has the spelling of no special token that `disallowed` says is one.
    ///
    /// # Errors
    ///
    /// [`Error::DisallowedSpecial`]: it has; the first is told.
    pub fn refuse(
        &self,
        text: &str,
        disallowed: impl Fn(&AddedToken) -> bool,
    ) -> Result<(), Error> {
        let refused = |token: &AddedToken| token.special && disallowed(token);
        self.added.find(text, 0, refused).map_or(Ok(()), |found| {
            Err(Error::DisallowedSpecial {
                token: found.token.content.clone(),
                offset: found.begin,
            })
        })
    }

    /// One more than the highest id, added tokens included.
    pub fn limit(&self) -> u32 {
        let added = self.added.tokens().iter().map(|token| token.id + 1).max();
        self.vocabulary.limit().max(added.unwrap_or(0))
    }

    /// The tokens of the model: ids and bytes.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The tokens that are found in a text before everything else.
    pub fn added_tokens(&self) -> &[AddedToken] {
        self.added.tokens()
    }

    /// The bytes of token `id`, added tokens included.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocabulary.token(id).or_else(|| {
            let added = self.added.tokens().iter().find(|token| token.id == id);
            added.map(|token| token.content.as_bytes())
        })
    }

    /// The bytes of token `id`, which has to be one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`].
    pub fn require(&self, id: u32) -> Result<&[u8], Error> {
        self.token_bytes(id).ok_or_else(|| Error::UnknownId {
            id,
            limit: self.limit(),
        })
    }

    /// Whether `id` is that of a special token.
    pub fn is_special(&self, id: u32) -> bool {
        let mut tokens = self.added.tokens().iter();
        tokens.any(|token| token.id == id && token.special)
    }

    /// The bytes that `ids` stand for, one after another.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`].
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            let appended = match &self.model {
                Model::Bpe(model) => model.append(id, &mut bytes),
                _ => false,
            };
            if !appended {
                bytes.extend_from_slice(self.require(id)?);
            }
        }
        Ok(bytes)
    }

    fn encode_into<S: Sink>(
        &self,
        text: &str,
        specials: Specials<'_>,
        sink: &mut S,
    ) -> Result<(), Error> {
        if text.len() > Self::MAX_BYTES {
            return Err(Error::TextTooLong {
                bytes: text.len(),
                limit: Self::MAX_BYTES,
            });
        }
        let mut at = 0;
        while let Some(found) = self.added.find(text, at, |token| specials.found(token)) {
            self.encode_text(&text[at..found.begin], sink)?;
            sink.push(found.token.id, (found.end - found.begin) as u32);
            at = found.end;
        }
        self.encode_text(&text[at..], sink)
    }

    /// Text without added tokens.
    fn encode_text<S: Sink>(&self, text: &str, sink: &mut S) -> Result<(), Error> {
        let text = &*self.normalizer.normalize(text);
        let mut pieces = self.pre_tokenizer.pieces(text);
        let mut ends = [0; PIECES];
        let mut begin = 0;
        loop {
            let count = pieces.next(&mut ends)?;
            if count == 0 || sink.is_full() {
                return Ok(());
            }
            match &self.model {
                Model::Bpe(model) => model.encode(text, begin, &ends[..count], sink)?,
                Model::SentenceBpe(model) => model.encode(text, begin, &ends[..count], sink)?,
                Model::Unigram(model) => model.encode(text, begin, &ends[..count], sink)?,
            }
            begin = ends[count - 1] & !GAP;
        }
    }
}

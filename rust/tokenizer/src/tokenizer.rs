//! The stages in a row.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use crate::added::{Added, Refused};
use crate::decode::Decoder;
use crate::model::Model;
use crate::normalize::{Aligned, Normalizer};
use crate::pool::map_batch;
use crate::pretokenize::{GAP, PreTokenizer};
use crate::sink::{Counter, First, Needs, Sink};
use crate::unstable::sorted;
use crate::wordpiece::Bert;
use crate::{
    AddedToken, Definition, Error, Padding, PostProcessorDefinition, Truncation, Vocabulary,
    alphabet,
};

/// Pieces that are cut before the model sees them: enough to ask for memory ahead of its use, few enough for the stack.
const PIECES: usize = 128;

/// A tokenizer. Read-only and shared freely between threads.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_field_names,
    reason = "a pre-tokenizer is called so everywhere"
)]
pub struct Tokenizer {
    vocabulary: Arc<Vocabulary>,
    pub(crate) added: Added,
    pub(crate) normalizer: Normalizer,
    pub(crate) pre_tokenizer: PreTokenizer,
    pub(crate) model: Model,
    /// The normalizer, the pre-tokenizer and the model at once.
    pub(crate) bert: Option<Box<Bert>>,
    pub(crate) post_processor: PostProcessorDefinition,
    decoder: Decoder,
    /// Whether what a token becomes depends on its neighbours.
    sees_neighbours: bool,
    byte_level: bool,
    /// Tokens that are not in the vocabulary, by id: what they are called, and the bytes they stand for.
    others: HashMap<u32, (String, Box<[u8]>)>,
    /// Whether ids of the model are ids of other tokens too, which then are meant.
    hides_tokens: bool,
    /// What each token becomes, if the decoder changes it; filled when it is first asked for.
    decoded: OnceLock<Vocabulary>,
    /// Ids in the order of their bytes; filled when they are first asked for.
    sorted: OnceLock<Box<[u32]>>,
    truncation: Option<Truncation>,
    padding: Option<Padding>,
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
    pub(crate) fn found(&self, token: &AddedToken) -> bool {
        !token.special
            || match self {
                Self::AsText => false,
                Self::All => true,
                Self::Only(wanted) => wanted(token),
            }
    }

    /// What a search does after a special token that is not to be found.
    pub(crate) fn refused(&self) -> Refused {
        match self {
            Self::Only(_) => Refused::IsText,
            Self::AsText | Self::All => Refused::IsSkipped,
        }
    }
}

/// What the reference calls an added token: as it is looked for.
fn name(token: &AddedToken, normalizer: &Normalizer) -> String {
    let normalized = match normalizer {
        _ if !token.normalized => return token.content.clone(),
        // Spaces stand for markers there.
        Normalizer::Sentence(_) => normalizer
            .normalize(&token.content)
            .map(|content| content.replace(' ', "▁")),
        _ => normalizer.normalize(&token.content).map(Into::into),
    };
    normalized.unwrap_or_else(|_| token.content.clone())
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
        let normalizer = Normalizer::new(&definition.normalizer)?;
        let added = Added::new(definition.added, |content| {
            Ok(normalizer.normalize(content)?.into_owned())
        })?;
        let decoder = Decoder::new(&definition.decoder)?;
        let byte_level = definition.byte_level;
        let vocabulary = Arc::new(definition.vocabulary);
        let known = added.tokens().iter().rev();
        let known = known.map(|token| (token.id, name(token, &normalizer)));
        let others = definition.unreachable.into_iter().chain(known);
        let others = others.map(|(id, content)| {
            let bytes = alphabet::bytes(&content).filter(|_| byte_level);
            let bytes = bytes.unwrap_or_else(|| content.as_bytes().to_vec());
            (id, (content, bytes.into()))
        });
        let model = Model::new(&definition.model, &vocabulary)?;
        let bert = match &model {
            Model::WordPiece(_) if !added.has_normalized() => {
                Bert::new(&definition.normalizer, &definition.pre_tokenizer)
            }
            _ => None,
        };
        let others: HashMap<u32, (String, Box<[u8]>)> = others.collect();
        let hides = |(id, (_, bytes)): (&u32, &(String, Box<[u8]>))| {
            vocabulary.token(*id).is_some_and(|token| *token != **bytes)
        };
        Ok(Self {
            hides_tokens: others.iter().any(hides),
            pre_tokenizer: PreTokenizer::new(&definition.pre_tokenizer)?,
            model,
            bert: bert.map(Box::new),
            sees_neighbours: decoder.sees_neighbours(),
            decoder,
            vocabulary,
            others,
            added,
            normalizer,
            post_processor: definition.post_processor,
            byte_level,
            decoded: OnceLock::new(),
            sorted: OnceLock::new(),
            truncation: definition.truncation,
            padding: definition.padding,
        })
    }

    /// To what length the file says texts are cut.
    pub fn truncation(&self) -> Option<Truncation> {
        self.truncation
    }

    /// To what length the file says texts are filled up.
    pub fn padding(&self) -> Option<Padding> {
        self.padding
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
        self.added.first(text, refused).map_or(Ok(()), |found| {
            Err(Error::DisallowedSpecial {
                token: found.token.content.clone(),
                offset: found.begin,
            })
        })
    }

    /// One more than the highest id, added tokens included.
    pub fn limit(&self) -> u32 {
        let others = self.others.keys().map(|id| id + 1).max();
        self.vocabulary.limit().max(others.unwrap_or(0))
    }

    /// The tokens of the model: ids and bytes.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The tokens that are found in a text before everything else.
    pub fn added_tokens(&self) -> &[AddedToken] {
        self.added.tokens()
    }

    /// What is put around the tokens of a text.
    pub fn post_processor(&self) -> &PostProcessorDefinition {
        &self.post_processor
    }

    /// The bytes of token `id`, which has to be one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`].
    pub fn require(&self, id: u32) -> Result<&[u8], Error> {
        self.token_bytes(id).ok_or_else(|| self.unknown(id))
    }

    /// Whether `id` is that of a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.added.by_id(id).is_some_and(|token| token.special)
    }

    /// The bytes that token `id` stands for inside a text, added tokens included.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        match &self.decoder {
            Decoder::Bytes => match self.others.get(&id) {
                Some((_, bytes)) => Some(bytes),
                None => self.vocabulary.token(id),
            },
            decoder => self.decoded(decoder).token(id),
        }
    }

    /// What token `id` is called, in the words of the format; of ranks, which have no names, its bytes in the alphabet of
    /// GPT-2, so that no two have the same.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        if let Some((content, _)) = self.others.get(&id) {
            return Some(content.clone());
        }
        let bytes = self.vocabulary.token(id)?;
        let is_nameless = matches!(
            (&self.decoder, &self.model),
            (Decoder::Bytes, Model::Bpe(_))
        );
        Some(if self.byte_level || is_nameless {
            alphabet::token(bytes)
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        })
    }

    /// The bytes that `ids` stand for, one after another.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`].
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        if self.sees_neighbours {
            return self.decode(ids, false).map(String::into_bytes);
        }
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        let mut is_begun = false;
        for &id in ids {
            if let (Decoder::Bytes, Model::Bpe(model)) = (&self.decoder, &self.model)
                && !self.hides_tokens
                && model.append(id, &mut bytes)
            {
                continue;
            }
            self.append_bytes(id, &mut is_begun, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Whether [`Tokenizer::decode`] says what [`Tokenizer::decode_bytes`] does, as text.
    pub fn joins_bytes(&self) -> bool {
        matches!(self.decoder, Decoder::Bytes)
    }

    /// The text that `ids` stand for, as Hugging Face `tokenizers` has it: what is no text becomes U+FFFD. Without special
    /// tokens if `skip_special_tokens`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`], [`Error::Pattern`].
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, Error> {
        let skipped = |id: &u32| skip_special_tokens && self.is_special(*id);
        let kept = ids.iter().copied().filter(|id| !skipped(id));
        if self.joins_bytes() {
            let bytes = if skip_special_tokens {
                self.decode_bytes(&kept.collect::<Vec<_>>())?
            } else {
                self.decode_bytes(ids)?
            };
            return Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
        }
        let tokens = kept.map(|id| self.id_to_token(id).ok_or_else(|| self.unknown(id)));
        self.decoder.decode(tokens.collect::<Result<_, _>>()?)
    }

    /// Puts the bytes that `id` stands for behind `bytes`. The first token that is something inside a text begins the text, even if
    /// nothing is left of it there (one space), unless the decoder goes on until something is left.
    pub(crate) fn append_bytes(
        &self,
        id: u32,
        is_begun: &mut bool,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.sees_neighbours || (!*is_begun && !self.joins_bytes()) {
            let token = self.id_to_token(id).ok_or_else(|| self.unknown(id))?;
            let left = self.decoder.alone(&token, true)?;
            *is_begun = if self.decoder.begins_with_what_is_left() {
                !left.is_empty()
            } else {
                self.token_bytes(id)
                    .is_some_and(|inside| !inside.is_empty())
            };
            bytes.extend(left);
        } else {
            bytes.extend_from_slice(self.require(id)?);
        }
        Ok(())
    }

    fn unknown(&self, id: u32) -> Error {
        let limit = self.limit();
        Error::UnknownId { id, limit }
    }

    /// The ids of the vocabulary in the order of their bytes.
    pub(crate) fn sorted(&self) -> &[u32] {
        self.sorted.get_or_init(|| sorted(&self.vocabulary))
    }

    /// What each token becomes that is not the first. One that depends on its neighbours stays as it is.
    fn decoded(&self, decoder: &Decoder) -> &Vocabulary {
        self.decoded.get_or_init(|| {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for id in 0..self.limit() {
                if let Some(token) = self.id_to_token(id) {
                    let alone = decoder.alone(&token, false);
                    bytes.append(&mut alone.unwrap_or_else(|_| token.into_bytes()));
                }
                ends.push(bytes.len() as u32);
            }
            Vocabulary::from_parts(bytes, ends, |id| {
                let id = id as u32;
                self.others.contains_key(&id) || self.vocabulary.token(id).is_some()
            })
        })
    }

    /// # Errors
    ///
    /// [`Error::TextTooLong`].
    pub(crate) fn check_length(text: &str) -> Result<(), Error> {
        if text.len() > Self::MAX_BYTES {
            return Err(Error::TextTooLong {
                bytes: text.len(),
                limit: Self::MAX_BYTES,
            });
        }
        Ok(())
    }

    fn encode_into<S: Sink>(
        &self,
        text: &str,
        specials: Specials<'_>,
        sink: &mut S,
    ) -> Result<(), Error> {
        Self::check_length(text)?;
        if matches!(specials, Specials::AsText) && self.added.only_special() {
            return self.encode_part(text, 0..text.len(), specials, sink);
        }
        let wanted = |token: &AddedToken| specials.found(token);
        let mut at = 0;
        for found in self.added.verbatim(text, wanted, specials.refused()) {
            if sink.is_full() {
                return Ok(());
            }
            if at < found.begin {
                self.encode_part(text, at..found.begin, specials, sink)?;
            }
            sink.push(found.token.id, (found.end - found.begin) as u32);
            at = found.end;
        }
        if at < text.len() {
            self.encode_part(text, at..text.len(), specials, sink)?;
        }
        Ok(())
    }

    /// A part of a text without tokens that are found in it as it is.
    fn encode_part<S: Sink>(
        &self,
        text: &str,
        part: std::ops::Range<usize>,
        specials: Specials<'_>,
        sink: &mut S,
    ) -> Result<(), Error> {
        if let Some(steps) = self.pre_tokenizer.rewriting() {
            let origins = steps.needs_origins();
            let begin = part.start as u32;
            let aligned = self.normalizer.align(&text[part], begin, origins)?;
            return self.encode_normalized(&aligned.text, specials, sink, |begin, end, sink| {
                let mut slice: Aligned = aligned.slice(begin, end);
                let ends = steps.apply(&mut slice)?;
                let mut begin = 0;
                for ends in ends.chunks(PIECES) {
                    self.model.encode(&slice.text, begin, ends, sink)?;
                    begin = ends.last().map_or(begin, |end| end & !GAP);
                }
                Ok(())
            });
        }
        if let (Some(bert), Model::WordPiece(model)) = (&self.bert, &self.model)
            && S::NEEDS != Needs::Lengths
        {
            return bert.encode(model, &text[part], sink, |fragment, ids| {
                self.encode_pieces(&self.normalizer.normalize(fragment)?, ids)
            });
        }
        let normalized = self.normalizer.normalize(&text[part])?;
        if !self.added.has_normalized() {
            return self.encode_pieces(&normalized, sink);
        }
        self.encode_normalized(&normalized, specials, sink, |begin, end, sink| {
            self.encode_pieces(&normalized[begin..end], sink)
        })
    }

    /// A normalised text; `encode` takes the parts of it between added tokens.
    fn encode_normalized<S: Sink>(
        &self,
        text: &str,
        specials: Specials<'_>,
        sink: &mut S,
        mut encode: impl FnMut(usize, usize, &mut S) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let wanted = |token: &AddedToken| specials.found(token);
        let mut at = 0;
        for found in self.added.normalized(text, wanted, specials.refused()) {
            if at < found.begin {
                encode(at, found.begin, sink)?;
            }
            sink.push(found.token.id, (found.end - found.begin) as u32);
            at = found.end;
        }
        if at < text.len() {
            encode(at, text.len(), sink)?;
        }
        Ok(())
    }

    /// A normalised text without added tokens, which the pre-tokenizer cuts and does not change.
    fn encode_pieces<S: Sink>(&self, text: &str, sink: &mut S) -> Result<(), Error> {
        let mut pieces = self.pre_tokenizer.pieces(text)?;
        let mut ends = [0; PIECES];
        let mut begin = 0;
        loop {
            let count = pieces.next(&mut ends)?;
            if count == 0 || sink.is_full() {
                return Ok(());
            }
            self.model.encode(text, begin, &ends[..count], sink)?;
            begin = ends[count - 1] & !GAP;
        }
    }
}

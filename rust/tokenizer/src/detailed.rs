//! Encoding with all that is known about each token.

use crate::added::Refused;
use crate::normalize::{Aligned, Normalizer};
use crate::postprocess::{Spaces, trim};
use crate::pretokenize::GAP;
use crate::sink::Spans;
use crate::{Encoding, Error, Padding, Specials, Tokenizer, Truncation};

/// What [`Tokenizer::encode_detailed`] does.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions<'a> {
    /// Which special tokens are found in the text.
    pub specials: Specials<'a>,
    /// Whether the post-processor puts special tokens around the text.
    pub add_special_tokens: bool,
    /// What offsets count.
    pub offsets: OffsetUnit,
    /// To what length the text is cut, if at all.
    pub truncation: Option<Truncation>,
    /// Whether what truncation leaves over is kept, [`Encoding::overflowing`].
    pub overflowing: bool,
    /// To what length the tokens are filled up, if at all. [`crate::PadTo::Longest`] is for [`Encoding::pad`] over a batch.
    pub padding: Option<Padding>,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        Self {
            specials: Specials::All,
            add_special_tokens: true,
            offsets: OffsetUnit::Characters,
            truncation: None,
            overflowing: false,
            padding: None,
        }
    }
}

/// What offsets count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetUnit {
    /// Bytes of UTF-8.
    Bytes,
    /// Code points, as Python does.
    #[default]
    Characters,
}

/// A text to encode.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A text.
    Text(&'a str),
    /// A text that somebody has cut already: each part is encoded for itself, is a word, and has offsets of its own.
    Words(&'a [&'a str]),
}

impl<'a> From<&'a str> for Input<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The tokens of a text without anything around them, and the white space of each if offsets leave it out.
type Recorded = (Encoding, Vec<Spaces>);

impl Tokenizer {
    /// The tokens of `text`, or of the pair `text` and `pair`, with all that is known about each.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`], and [`Error::CannotTruncate`].
    pub fn encode_detailed<'a>(
        &self,
        text: impl Into<Input<'a>>,
        pair: Option<Input<'a>>,
        options: &EncodeOptions<'_>,
    ) -> Result<Encoding, Error> {
        let first = self.record_input(text.into(), options)?;
        let second = pair
            .map(|pair| self.record_input(pair, options))
            .transpose()?;
        let lengths = (first.0.len(), second.as_ref().map(|second| second.0.len()));
        let added = match options.truncation {
            Some(_) if options.add_special_tokens => {
                self.post_processor.added_tokens(second.is_some())
            }
            _ => 0,
        };
        let (one, two) = match options.truncation {
            Some(truncation) => truncation.share(lengths.0, lengths.1, added)?,
            None => (lengths.0, lengths.1.unwrap_or(0)),
        };
        let first = self.shortened(first, one, options)?;
        let second = second.map(|second| self.shortened(second, two, options));
        let second = second.transpose()?;
        if let (Some(truncation), Some(second)) = (options.truncation, &second) {
            truncation.check_parts(first.overflowing.len(), second.overflowing.len())?;
        }
        let specials = options.add_special_tokens;
        let mut encoding = self.post_processor.apply(&first, second.as_ref(), specials);
        if let Some(padding) = &options.padding {
            let length = encoding.len();
            encoding.pad(padding, length);
        }
        Ok(encoding)
    }

    /// At most `limit` tokens and, if wanted, what is left over.
    fn shortened(
        &self,
        (encoding, spaces): Recorded,
        limit: usize,
        options: &EncodeOptions<'_>,
    ) -> Result<Encoding, Error> {
        let length = encoding.len();
        let part = |range: std::ops::Range<usize>| {
            let mut part = encoding.part(range.clone());
            if let Some(prefix_space) = self.post_processor.trim_offsets {
                trim(&mut part, &spaces[range], prefix_space);
            }
            part
        };
        let parts = match options.truncation {
            Some(truncation) => truncation.parts(length, limit, options.overflowing)?,
            None => std::iter::once(0..length).collect(),
        };
        let mut parts = parts.into_iter().map(part);
        let mut kept = parts.next().unwrap_or_default();
        kept.overflowing = parts.collect();
        Ok(kept)
    }

    fn record_input(
        &self,
        input: Input<'_>,
        options: &EncodeOptions<'_>,
    ) -> Result<Recorded, Error> {
        let words = match input {
            Input::Text(text) => return self.record(text, options),
            Input::Words(words) => words,
        };
        let (mut joined, mut spaces) = Recorded::default();
        for (word, number) in words.iter().zip(0..) {
            let (mut encoding, mut more) = self.record(word, options)?;
            encoding.words.fill(Some(number));
            joined.extend(encoding);
            spaces.append(&mut more);
        }
        Ok((joined, spaces))
    }

    /// The tokens of one text without anything around them, and the white space of each.
    fn record(&self, text: &str, options: &EncodeOptions<'_>) -> Result<Recorded, Error> {
        Self::check_length(text)?;
        let mut recorder = Recorder {
            encoding: Encoding::default(),
            spaces: self.post_processor.trim_offsets.map(|_| Vec::new()),
            word: 0,
            spelled: self.model.spelled(),
        };
        let wanted = |token: &_| options.specials.found(token);
        let refused = options.specials.refused();
        let mut at = 0;
        for found in self.added.verbatim(text, wanted, refused) {
            if at < found.begin {
                self.record_part(text, at..found.begin, options, &mut recorder)?;
            }
            let token = &text[found.begin..found.end];
            let offsets = [found.begin as u32, found.end as u32];
            let name = self.id_to_token(found.token.id);
            recorder.token(found.token.id, token, name.as_deref(), offsets);
            at = found.end;
        }
        if at < text.len() {
            self.record_part(text, at..text.len(), options, &mut recorder)?;
        }
        let mut encoding = recorder.encoding;
        if options.offsets == OffsetUnit::Characters {
            to_characters(text, &mut encoding.offsets);
        }
        Ok((encoding, recorder.spaces.unwrap_or_default()))
    }

    /// A part of a text without tokens that are found in it as it is.
    fn record_part(
        &self,
        text: &str,
        part: std::ops::Range<usize>,
        options: &EncodeOptions<'_>,
        recorder: &mut Recorder,
    ) -> Result<(), Error> {
        let begin = part.start as u32;
        let aligned = self.normalizer.align(&text[part], begin, true)?;
        let wanted = |token: &_| options.specials.found(token);
        let refused: Refused = options.specials.refused();
        let mut at = 0;
        for found in self.added.normalized(&aligned.text, wanted, refused) {
            if at < found.begin {
                self.record_pieces(aligned.slice(at, found.begin), recorder)?;
            }
            let origin = aligned.origin(found.begin, found.end);
            let token = &aligned.text[found.begin..found.end];
            // Spaces stand for markers there.
            let marked =
                matches!(self.normalizer, Normalizer::Sentence(_)).then(|| token.replace(' ', "▁"));
            let token = marked.as_deref().unwrap_or(token);
            let name = self.id_to_token(found.token.id);
            let offsets = origin.unwrap_or_default();
            recorder.token(found.token.id, token, name.as_deref(), offsets);
            at = found.end;
        }
        if at < aligned.text.len() {
            self.record_pieces(aligned.slice(at, aligned.text.len()), recorder)?;
        }
        Ok(())
    }

    /// A normalised text without added tokens.
    fn record_pieces(&self, mut text: Aligned, recorder: &mut Recorder) -> Result<(), Error> {
        let ends = match self.pre_tokenizer.rewriting() {
            Some(steps) => steps.apply(&mut text)?,
            None => self.pre_tokenizer.pieces(&text.text)?.collect()?,
        };
        let mut begin = 0;
        for end in ends {
            if end & GAP == 0 {
                let mut spans = Spans {
                    at: begin,
                    ..Spans::default()
                };
                self.model.encode(&text.text, begin, &[end], &mut spans)?;
                let mut from = begin;
                for (&id, &to) in spans.ids.iter().zip(&spans.ends) {
                    let origin = text.origin(from as usize, to as usize);
                    let origin = origin.unwrap_or_default();
                    let spelling = recorder.spelling(id, text.text.get(from as usize..to as usize));
                    recorder.encoding.push(id, origin, recorder.word, spelling);
                    if let Some(spaces) = &mut recorder.spaces {
                        let token = self.id_to_token(id).unwrap_or_default();
                        spaces.push(Spaces::of(&token));
                    }
                    from = to;
                }
                recorder.word += 1;
            }
            begin = end & !GAP;
        }
        Ok(())
    }
}

/// Tokens as they are found.
struct Recorder {
    encoding: Encoding,
    /// The white space of each token, if somebody asks.
    spaces: Option<Vec<Spaces>>,
    /// The place of the next piece.
    word: u32,
    /// The token that is called what it stands for, and whether spaces in that are written as `▁`.
    spelled: Option<(u32, bool)>,
}

impl Recorder {
    /// An added token called `name`, found as `text`.
    fn token(&mut self, id: u32, text: &str, name: Option<&str>, offsets: [u32; 2]) {
        if let Some(spaces) = &mut self.spaces {
            spaces.push(Spaces::of(text));
        }
        let spelling = (name != Some(text)).then(|| text.into());
        self.encoding.push(id, offsets, self.word, spelling);
        self.word += 1;
    }

    /// What a token of the model is called that stands for `text`, if it has no name of its own.
    fn spelling(&self, id: u32, text: Option<&str>) -> Option<Box<str>> {
        let (_, metaspace) = self.spelled.filter(|(unknown, _)| *unknown == id)?;
        let text = text?;
        Some(if metaspace {
            text.replace(' ', "▁").into()
        } else {
            text.into()
        })
    }
}

/// Counts characters in place of bytes.
fn to_characters(text: &str, offsets: &mut [[u32; 2]]) {
    if text.is_ascii() {
        return;
    }
    let mut characters = vec![0_u32; text.len() + 1];
    let mut count = 0;
    for (at, character) in text.char_indices() {
        characters[at..at + character.len_utf8()].fill(count);
        count += 1;
    }
    characters[text.len()] = count;
    for offset in offsets.iter_mut().flatten() {
        *offset = characters.get(*offset as usize).copied().unwrap_or(count);
    }
}

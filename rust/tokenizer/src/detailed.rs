//! Encoding with all that is known about each token.

use crate::added::Refused;
use crate::normalize::Aligned;
use crate::postprocess::{Spaces, trim};
use crate::pretokenize::GAP;
use crate::sink::Spans;
use crate::{Direction, Encoding, Error, Padding, Specials, Tokenizer, Truncation};

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

impl Tokenizer {
    /// The tokens of `text`, or of the pair `text` and `pair`, with all that is known about each.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`], and [`Error::CannotTruncate`].
    pub fn encode_detailed(
        &self,
        text: &str,
        pair: Option<&str>,
        options: &EncodeOptions<'_>,
    ) -> Result<Encoding, Error> {
        let (mut first, first_spaces) = self.record(text, options)?;
        let second = pair.map(|pair| self.record(pair, options)).transpose()?;
        let (mut second, second_spaces) = second.unzip();
        if let Some(truncation) = options.truncation {
            let added = if options.add_special_tokens {
                self.post_processor.added_tokens(pair.is_some())
            } else {
                0
            };
            truncation.apply(&mut first, second.as_mut(), added)?;
        }
        if let Some(prefix_space) = self.post_processor.trim_offsets {
            let left = options
                .truncation
                .is_some_and(|truncation| truncation.direction == Direction::Left);
            trim(&mut first, &first_spaces, left, prefix_space);
            if let (Some(second), Some(spaces)) = (&mut second, &second_spaces) {
                trim(second, spaces, left, prefix_space);
            }
        }
        let mut encoding =
            self.post_processor
                .apply(&first, second.as_ref(), options.add_special_tokens);
        if let Some(padding) = &options.padding {
            let length = encoding.len();
            encoding.pad(padding, length);
        }
        Ok(encoding)
    }

    /// The tokens of one text without anything around them, and the white space of each.
    fn record(
        &self,
        text: &str,
        options: &EncodeOptions<'_>,
    ) -> Result<(Encoding, Vec<Spaces>), Error> {
        Self::check_length(text)?;
        let mut recorder = Recorder {
            encoding: Encoding::default(),
            spaces: self.post_processor.trim_offsets.map(|_| Vec::new()),
            word: 0,
        };
        let wanted = |token: &_| options.specials.found(token);
        let refused = options.specials.refused();
        let mut at = 0;
        for found in self.added.verbatim(text, wanted, refused) {
            if at < found.begin {
                self.record_part(text, at..found.begin, options, &mut recorder)?;
            }
            let token = &text[found.begin..found.end];
            recorder.token(
                found.token.id,
                token,
                [found.begin as u32, found.end as u32],
            );
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
            recorder.token(found.token.id, token, origin.unwrap_or_default());
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
                    recorder.encoding.push(id, origin, recorder.word);
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
}

impl Recorder {
    /// An added token, found as `text`.
    fn token(&mut self, id: u32, text: &str, offsets: [u32; 2]) {
        if let Some(spaces) = &mut self.spaces {
            spaces.push(Spaces::of(text));
        }
        self.encoding.push(id, offsets, self.word);
        self.word += 1;
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

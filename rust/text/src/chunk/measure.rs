//! How large a text is, and how far a size reaches.

use std::sync::Arc;

use inferail_tokenizer::{EncodeOptions, OffsetUnit, Specials, Tokenizer};

use crate::Error;

/// Bytes of a text that are read for one token at first: most texts have about four.
const BYTES_PER_TOKEN: usize = 8;
/// Tokens behind the last one that counts: what stands there may change it.
const MARGIN: usize = 16;

/// What the size of a chunk counts.
#[derive(Clone, Debug)]
pub enum Measure {
    /// Code points.
    Characters,
    /// Tokens of the text alone, without what a model puts around it; the spelling of a special token is text.
    Tokens(Arc<Tokenizer>),
}

/// How far a size reaches from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// What is left is within it.
    Rest,
    /// Where half of it ends, and where all of it does; both between characters.
    Part { half: usize, reach: usize },
}

impl Measure {
    /// The size of `text` if that is at most `limit`.
    pub(crate) fn within(&self, text: &str, limit: usize) -> Result<Option<usize>, Error> {
        Ok(match self {
            Self::Characters => Some(characters(text)).filter(|count| *count <= limit),
            Self::Tokens(tokenizer) => tokenizer.count_till_limit(text, Specials::AsText, limit)?,
        })
    }

    /// The size of `text[begin..end]` if that is at most `limit`, which reaches from `begin` to `reach`, not before `end`.
    pub(crate) fn within_reach(
        &self,
        text: &str,
        (begin, end, reach): (usize, usize, usize),
        limit: usize,
    ) -> Result<Option<usize>, Error> {
        match self {
            // What is left over is shorter than the chunk.
            Self::Characters => Ok(Some(limit - characters(&text[end..reach]))),
            Self::Tokens(_) => self.within(&text[begin..end], limit),
        }
    }

    /// How far `size` reaches from byte `begin`.
    pub(crate) fn window(&self, text: &str, begin: usize, size: usize) -> Result<Window, Error> {
        let rest = &text[begin..];
        let (half, reach) = match self {
            Self::Characters => {
                let first = size.div_ceil(2);
                let Some(half) = advance(rest, first) else {
                    return Ok(Window::Rest);
                };
                let Some(second) = advance(&rest[half..], size - first) else {
                    return Ok(Window::Rest);
                };
                (half, half + second)
            }
            Self::Tokens(tokenizer) => {
                let ends = first_ends(tokenizer, rest, size)?;
                if ends.len() <= size {
                    return Ok(Window::Rest);
                }
                let end = |count: usize| rest.floor_char_boundary(ends[count - 1]);
                (end(size.div_ceil(2)), end(size))
            }
        };
        Ok(Window::Part {
            half: begin + half,
            reach: begin + reach,
        })
    }

    /// From where `size` reaches to the end of `text`, about.
    pub(crate) fn back(&self, text: &str, size: usize) -> Result<usize, Error> {
        Ok(match self {
            Self::Characters => retreat(text, size),
            Self::Tokens(tokenizer) => {
                let ends = ends(tokenizer, text, usize::MAX)?;
                match ends.len().checked_sub(size) {
                    None | Some(0) => 0,
                    Some(before) => text.ceil_char_boundary(ends[before - 1]),
                }
            }
        })
    }
}

/// How many code points: every byte that is not a later one of a character.
pub(crate) fn characters(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    bytes_that_begin(text.as_bytes())
}

fn bytes_that_begin(bytes: &[u8]) -> usize {
    // Blocks whose count fits a byte: the loop inside becomes vectors.
    let blocks = bytes.chunks(192).map(|block| {
        let begins = block
            .iter()
            .map(|byte| u8::from(byte.cast_signed() >= -0x40));
        usize::from(begins.sum::<u8>())
    });
    blocks.sum()
}

/// Where the first `count` characters end, or nothing if there are no more than that.
fn advance(text: &str, count: usize) -> Option<usize> {
    const BLOCK: usize = 64;
    let bytes = text.as_bytes();
    if bytes.get(..count).is_some_and(<[u8]>::is_ascii) {
        return (count < bytes.len()).then_some(count);
    }
    let (mut at, mut left) = (0, count);
    while left >= BLOCK {
        let block = bytes.get(at..at + BLOCK)?;
        left -= bytes_that_begin(block);
        at += BLOCK;
    }
    // The block may have ended inside of a character, which was counted.
    while !text.is_char_boundary(at) {
        at += 1;
    }
    let mut rest = text[at..].char_indices().skip(left);
    rest.next().map(|(offset, _)| at + offset)
}

/// Where the last `count` characters begin.
fn retreat(text: &str, count: usize) -> usize {
    if count == 0 {
        return text.len();
    }
    let last = text.char_indices().rev().nth(count - 1);
    last.map_or(0, |(offset, _)| offset)
}

/// Where the first `size` tokens of `text` end, and the next if there is one.
fn first_ends(tokenizer: &Tokenizer, text: &str, size: usize) -> Result<Vec<usize>, Error> {
    let wanted = size.saturating_add(MARGIN);
    let mut bytes = wanted.saturating_mul(BYTES_PER_TOKEN);
    loop {
        let slice = &text[..text.floor_char_boundary(bytes)];
        let ends = ends(tokenizer, slice, wanted)?;
        if ends.len() >= wanted || slice.len() == text.len() {
            return Ok(ends);
        }
        bytes = bytes.saturating_mul(2);
    }
}

/// Where the first `limit` tokens of `text` end, in bytes of it.
fn ends(tokenizer: &Tokenizer, text: &str, limit: usize) -> Result<Vec<usize>, Error> {
    let ids = if limit == usize::MAX {
        tokenizer.encode(text, Specials::AsText)?
    } else {
        tokenizer.encode_first(text, Specials::AsText, limit)?
    };
    if let Some(ends) = spelled(tokenizer, text, &ids) {
        return Ok(ends);
    }
    // The tokens are not the bytes of the text: it was normalised, or blanks were dropped.
    let options = EncodeOptions {
        specials: Specials::AsText,
        add_special_tokens: false,
        offsets: OffsetUnit::Bytes,
        ..EncodeOptions::default()
    };
    let encoding = tokenizer.encode_detailed(text, None, &options)?;
    let mut last = 0;
    let ends = encoding.offsets.iter().map(|offsets| {
        last = last.max(offsets[1] as usize);
        last
    });
    Ok(ends.take(limit).collect())
}

/// The ends of tokens that are the bytes of `text`, one after another; nothing if they are not.
fn spelled(tokenizer: &Tokenizer, text: &str, ids: &[u32]) -> Option<Vec<usize>> {
    let mut rest = text.as_bytes();
    let vocabulary = tokenizer.vocabulary();
    let ends = ids.iter().map(|id| {
        rest = rest.strip_prefix(vocabulary.token(*id)?)?;
        Some(text.len() - rest.len())
    });
    ends.collect()
}

//! BERT's way from a text to ids in one pass.
//!
//! Its normalizer and its pre-tokenizer both cut at ASCII white space, at ASCII punctuation and around Chinese characters, and
//! nothing on one side of such a place changes what is on the other. What lies between is mostly a word, short enough to be
//! remembered as it is written: neither a normalised text nor a list of pieces is made.

use super::WordPiece;
use crate::Error;
use crate::fragments::{AHEAD, Ahead, Cache, Remembered, Spare, character};
use crate::normalize::{NormalizerDefinition, NormalizerStep, is_chinese};
use crate::pretokenize::{Behavior, Kind, PreTokenizerDefinition, PreTokenizerStep};
use crate::sink::Sink;

/// What a byte of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of a fragment.
    Inside,
    /// The beginning of a character that may be Chinese.
    PerhapsChinese,
    /// Left out.
    Space,
    /// A fragment of its own.
    Punctuation,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Inside; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' => Class::Space,
            ascii if ascii.is_ascii_punctuation() => Class::Punctuation,
            0xe3..=0xe9 | 0xef | 0xf0 => Class::PerhapsChinese,
            _ => Class::Inside,
        };
        byte += 1;
    }
    classes
};

/// Texts of a model whose normalizer and pre-tokenizer are BERT's.
#[derive(Debug, Clone)]
pub(crate) struct Bert {
    lowercase: bool,
    handle_chinese_chars: bool,
    workers: Spare<Worker>,
}

/// What a call needs for itself.
#[derive(Debug)]
struct Worker {
    cache: Cache,
    ids: Vec<u32>,
    lower: Vec<u8>,
    tokens: Vec<(u32, u32)>,
}

impl Bert {
    /// Of what a long word needed.
    const MAX_KEPT: usize = 1 << 16;

    /// If that is what the definitions say.
    pub(crate) fn new(
        normalizer: &NormalizerDefinition,
        pre_tokenizer: &PreTokenizerDefinition,
    ) -> Option<Self> {
        let NormalizerDefinition::Steps(normalizer) = normalizer else {
            return None;
        };
        let &[
            NormalizerStep::Bert {
                clean_text: true,
                handle_chinese_chars,
                lowercase,
                ..
            },
        ] = normalizer.as_slice()
        else {
            return None;
        };
        let characters = |kind, behavior| PreTokenizerStep::Characters { kind, behavior };
        let expected = [
            characters(Kind::Whitespace, Behavior::Removed),
            characters(Kind::Punctuation, Behavior::Isolated),
        ];
        if *pre_tokenizer != PreTokenizerDefinition::Steps(expected.into()) {
            return None;
        }
        Some(Self {
            lowercase,
            handle_chinese_chars,
            workers: Spare::new(),
        })
    }

    /// Encodes `text`. Fragments that are more than ASCII letters and digits go to `encode`, which knows every way to write.
    ///
    /// `sink` does not need lengths.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`], and what `encode` returns.
    pub(crate) fn encode<S: Sink>(
        &self,
        model: &WordPiece,
        text: &str,
        sink: &mut S,
        mut encode: impl FnMut(&str, &mut Vec<u32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let make = || Worker {
            cache: Cache::new(),
            ids: Vec::new(),
            lower: Vec::new(),
            tokens: Vec::new(),
        };
        self.workers.with(make, |worker| {
            let mut ahead = [Ahead::default(); AHEAD];
            let mut at = 0;
            loop {
                let mut count = 0;
                for slot in &mut ahead {
                    let Some((begin, end)) = self.fragment(text.as_bytes(), at) else {
                        break;
                    };
                    at = end;
                    *slot = Ahead::new(text.as_bytes(), begin, end);
                    worker.cache.prefetch(slot.place);
                    count += 1;
                }
                if count == 0 || sink.is_full() {
                    return Ok(());
                }
                for fragment in &ahead[..count] {
                    if let Some(key) = &fragment.key
                        && let Some(found) = worker.cache.get(fragment.place, key)
                    {
                        match found.ids() {
                            [id] => sink.push(*id, 0),
                            ids => sink.extend(ids),
                        }
                        continue;
                    }
                    self.miss(model, text, fragment, worker, &mut encode)?;
                    sink.extend(&worker.ids);
                }
            }
        })
    }

    /// The fragment at or behind byte `at`.
    #[inline]
    fn fragment(&self, text: &[u8], mut at: usize) -> Option<(usize, usize)> {
        let class = loop {
            match CLASSES[usize::from(*text.get(at)?)] {
                Class::Space => at += 1,
                class => break class,
            }
        };
        let begin = at;
        at += 1;
        match class {
            Class::Punctuation => return Some((begin, at)),
            Class::PerhapsChinese => {
                let length = self.chinese(&text[begin..]);
                if length > 0 {
                    return Some((begin, begin + length));
                }
            }
            Class::Space | Class::Inside => {}
        }
        while let Some(byte) = text.get(at) {
            match CLASSES[usize::from(*byte)] {
                Class::Inside => {}
                Class::PerhapsChinese if self.chinese(&text[at..]) == 0 => {}
                _ => break,
            }
            at += 1;
        }
        Some((begin, at))
    }

    /// How many bytes the Chinese character has that `text` begins with; 0 if it does not begin with one, or if that is nothing
    /// special.
    #[inline]
    fn chinese(&self, text: &[u8]) -> usize {
        let (character, length) = character(text);
        let is_chinese =
            self.handle_chinese_chars && char::from_u32(character).is_some_and(is_chinese);
        if is_chinese { length } else { 0 }
    }

    /// Encodes a fragment that is not remembered to `worker.ids` and remembers it.
    #[cold]
    #[inline(never)]
    fn miss(
        &self,
        model: &WordPiece,
        text: &str,
        fragment: &Ahead,
        worker: &mut Worker,
        encode: &mut impl FnMut(&str, &mut Vec<u32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let written = &text[fragment.begin..fragment.end];
        worker.ids.clear();
        let at = |error| match error {
            Error::NoToken { offset } => Error::NoToken {
                offset: fragment.begin + offset,
            },
            other => other,
        };
        if written.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            worker.lower.clear();
            worker.lower.extend_from_slice(written.as_bytes());
            if self.lowercase {
                worker.lower.make_ascii_lowercase();
            }
            worker.tokens.clear();
            model.word(&worker.lower, &mut worker.tokens).map_err(at)?;
            Extend::extend(&mut worker.ids, worker.tokens.iter().map(|(id, _)| id));
            worker.lower.shrink_to(Self::MAX_KEPT);
            worker.tokens.shrink_to(Self::MAX_KEPT);
        } else {
            encode(written, &mut worker.ids).map_err(at)?;
        }
        if let Some(key) = fragment.key
            && let Some(value) = Remembered::new(&worker.ids, 0.0)
        {
            worker.cache.put(fragment.place, key, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::pretokenize::{Behavior, Kind, PreTokenizerDefinition, PreTokenizerStep};
    use crate::{
        Definition, EncodeOptions, ModelDefinition, NormalizerDefinition, NormalizerStep, Specials,
        Tokenizer, Vocabulary, WordPieceDefinition,
    };

    const TOKENS: &str = "[UNK] a b c A B ab abc bca Ab é e x ! ' = ## ##a ##b ##c ##ab ##bc ##é ##e ##x 中 文 か ##か ##が \u{301} 1 ##1";

    fn tokenizer([chinese, accents, lowercase]: [bool; 3]) -> Tokenizer {
        let characters = |kind, behavior| PreTokenizerStep::Characters { kind, behavior };
        let model = ModelDefinition::WordPiece(Box::new(WordPieceDefinition {
            prefix: "##".into(),
            unknown: Some(0),
            max_characters: 9,
            cut: true,
        }));
        let tokens = TOKENS.split(' ').map(str::as_bytes);
        let vocabulary = Vocabulary::new("test", tokens.zip(0..).map(|(token, id)| (id, token)));
        Tokenizer::new(Definition {
            normalizer: NormalizerDefinition::Steps(vec![NormalizerStep::Bert {
                clean_text: true,
                handle_chinese_chars: chinese,
                strip_accents: accents,
                lowercase,
            }]),
            pre_tokenizer: PreTokenizerDefinition::Steps(vec![
                characters(Kind::Whitespace, Behavior::Removed),
                characters(Kind::Punctuation, Behavior::Isolated),
            ]),
            ..Definition::new(vocabulary.unwrap(), model)
        })
        .unwrap()
    }

    proptest! {
        /// What needs lengths goes through the stages one by one.
        #[test]
        fn one_pass_has_the_ids_of_the_stages(
            text in "[abcAB1éÉxかが中文\u{301}\u{3000}\u{0}\u{7f}\u{b}\t\n !'≠’]{0,40}",
            ways: [bool; 3],
        ) {
            let tokenizer = tokenizer(ways);
            prop_assert!(tokenizer.bert.is_some());
            let options = EncodeOptions::default();

            let ids = tokenizer.encode(&text, Specials::AsText).unwrap();

            let stages = tokenizer.encode_detailed(text.as_str(), None, &options).unwrap();
            prop_assert_eq!(&ids, &stages.ids);
            prop_assert_eq!(tokenizer.encode(&text, Specials::AsText).unwrap(), ids);
        }
    }
}

//! What `SentencePiece` does to a text before its model sees it.

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, StartKind};

use super::Charsmap;

/// What `SentencePiece` does to a text before its model sees it: characters replaced, spaces made one, a space put first.
///
/// Where the reference writes `▁` (U+2581) for a space, this leaves a space, and makes one of the `▁` that the text has:
/// the model cannot tell them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches of the format"
)]
pub struct SentenceNormalizer {
    /// Replacements of characters.
    pub charsmap: Option<Charsmap>,
    /// Whether a space is put before the text (or after it, see `whitespace_as_suffix`).
    pub add_dummy_prefix: bool,
    /// Whether spaces at both ends are left out, and several in a row become one.
    pub remove_extra_whitespaces: bool,
    /// Whether a space is `▁` to the model.
    pub escape_whitespaces: bool,
    /// Whether the space that is added comes last.
    pub whitespace_as_suffix: bool,
    /// Text that is left as it is, the longest first.
    pub symbols: Vec<String>,
}

/// A prepared [`SentenceNormalizer`].
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    definition: SentenceNormalizer,
    symbols: Option<AhoCorasick>,
}

/// Where each byte of a normalised text comes from; nothing, if nobody asked.
pub(crate) trait Origins {
    /// The next `count` bytes come from byte `origin` of the text.
    fn add(&mut self, count: usize, origin: usize);
    /// The origin of the byte at `length`, with which all the following ones are left out.
    fn cut(&mut self, length: usize) -> usize;
}

impl Origins for () {
    #[inline]
    fn add(&mut self, _count: usize, _origin: usize) {}

    fn cut(&mut self, _length: usize) -> usize {
        0
    }
}

impl Origins for Vec<u32> {
    #[inline]
    fn add(&mut self, count: usize, origin: usize) {
        self.resize(self.len() + count, origin as u32);
    }

    fn cut(&mut self, length: usize) -> usize {
        let origin = self.get(length).copied().unwrap_or(0);
        self.truncate(length);
        origin as usize
    }
}

const MARKER: &str = "▁";

impl Sentence {
    /// Prepares a definition.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Format`]: the symbols are too many for one automaton.
    pub(crate) fn new(definition: SentenceNormalizer) -> Result<Self, crate::Error> {
        let symbols = definition
            .symbols
            .iter()
            .filter(|symbol| !symbol.is_empty());
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .start_kind(StartKind::Anchored)
            .build(symbols)
            .map_err(|error| crate::Error::format("SentencePiece model", error.to_string()))?;
        Ok(Self {
            symbols: (automaton.patterns_len() > 0).then_some(automaton),
            definition,
        })
    }

    /// Whether the normalised text is the text itself but for the space that is put before it.
    fn is_plain(&self, text: &str) -> bool {
        let definition = &self.definition;
        definition.charsmap.is_none()
            && !definition.remove_extra_whitespaces
            && !(definition.escape_whitespaces && text.contains(MARKER))
    }

    /// Whether the normalised text is the text itself.
    pub(crate) fn keeps(&self, text: &str) -> bool {
        !self.definition.add_dummy_prefix && self.is_plain(text)
    }

    /// The normalised text, to `into`, and where each byte comes from, and its end.
    pub(crate) fn normalize<O: Origins>(&self, text: &str, into: &mut String, origins: &mut O) {
        if text.is_empty() {
            return;
        }
        into.reserve(text.len() + 1);
        let definition = &self.definition;
        let before = definition.add_dummy_prefix && !definition.whitespace_as_suffix;
        let after = definition.add_dummy_prefix && definition.whitespace_as_suffix;
        let mut at = 0;
        if definition.remove_extra_whitespaces {
            while at < text.len() {
                let (length, replacement) = self.prefix(&text[at..]);
                if replacement != " " {
                    break;
                }
                at += length;
            }
            if at == text.len() {
                return;
            }
        }
        if before {
            into.push(' ');
            origins.add(1, at);
        }
        if self.is_plain(text) {
            into.push_str(&text[at..]);
            for origin in at..text.len() {
                origins.add(1, origin);
            }
        } else {
            self.replace(text, at, into, origins);
        }
        let mut consumed = text.len();
        if definition.remove_extra_whitespaces {
            let kept = into.trim_end_matches(' ').len();
            if kept < into.len() {
                into.truncate(kept);
                consumed = origins.cut(kept);
            }
        }
        if after {
            into.push(' ');
            origins.add(1, consumed);
        }
        origins.add(1, consumed);
    }

    fn replace<O: Origins>(&self, text: &str, mut at: usize, into: &mut String, origins: &mut O) {
        let definition = &self.definition;
        let mut after_space = definition.remove_extra_whitespaces;
        while at < text.len() {
            let run = self.plain_run(&text.as_bytes()[at..]);
            if run > 0 {
                into.push_str(&text[at..at + run]);
                for origin in at..at + run {
                    origins.add(1, origin);
                }
                after_space = false;
                at += run;
                continue;
            }
            let (length, mut replacement) = self.prefix(&text[at..]);
            if after_space {
                replacement = replacement.trim_start_matches(' ');
            }
            if !replacement.is_empty() {
                let from = into.len();
                if definition.escape_whitespaces && replacement.contains(MARKER) {
                    into.push_str(&replacement.replace(MARKER, " "));
                } else {
                    into.push_str(replacement);
                }
                origins.add(into.len() - from, at);
                after_space = definition.remove_extra_whitespaces && replacement.ends_with(' ');
            }
            at += length;
        }
    }

    /// How many bytes are letters, digits and the like that nothing happens to.
    #[inline]
    fn plain_run(&self, bytes: &[u8]) -> usize {
        if self.symbols.is_some() {
            return 0;
        }
        let plain = |byte: u8, next: u8| {
            byte != b' '
                && match &self.definition.charsmap {
                    Some(map) => map.is_plain(byte, next),
                    None => byte < 128,
                }
        };
        let pairs = bytes.iter().zip(&bytes[1..]);
        pairs
            .take_while(|(byte, next)| plain(**byte, **next))
            .count()
    }

    /// The bytes that are replaced next, and what by.
    fn prefix<'a>(&'a self, text: &'a str) -> (usize, &'a str) {
        if let Some(symbols) = &self.symbols
            && let Some(found) = symbols.find(Input::new(text).anchored(Anchored::Yes))
        {
            return (found.end(), &text[..found.end()]);
        }
        let map = self.definition.charsmap.as_ref();
        let found = map.and_then(|map| map.longest(text.as_bytes()));
        // A map that ends inside a character is not one of the reference's.
        found
            .filter(|(length, _)| text.is_char_boundary(*length))
            .unwrap_or_else(|| {
                let length = text.chars().next().map_or(0, char::len_utf8);
                (length, &text[..length])
            })
    }
}

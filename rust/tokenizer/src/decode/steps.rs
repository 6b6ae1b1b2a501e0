//! The decoders of Hugging Face `tokenizers`, as they are defined, and what each token becomes alone.

use crate::Error;
use crate::pretokenize::{Find, Finder};

/// How tokens become text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecoderDefinition {
    /// Their bytes one after another, as they are.
    #[default]
    Bytes,
    /// Tokens with spaces between them (a `tokenizer.json` without a decoder).
    Spaced,
    /// What Hugging Face `tokenizers` does, step by step.
    Steps(Vec<DecoderStep>),
}

/// One decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecoderStep {
    /// Characters of the byte alphabet become bytes.
    ByteLevel,
    /// The prefix of tokens inside words goes, other tokens get a space before.
    WordPiece {
        /// The prefix.
        prefix: String,
        /// Whether spaces before punctuation and contractions go.
        cleanup: bool,
    },
    /// Markers become spaces.
    Metaspace {
        /// The marker.
        replacement: char,
        /// Whether they are left out in the first token.
        strip_first: bool,
    },
    /// What is found in a token is replaced.
    Replace {
        /// What is found.
        pattern: Find,
        /// What it becomes.
        content: String,
    },
    /// `<0x0A>` becomes a byte.
    ByteFallback,
    /// All tokens become one.
    Fuse,
    /// A character is left out at the ends of every token.
    Strip {
        /// Which one.
        content: char,
        /// How often at the beginning, at most.
        start: usize,
        /// How often at the end, at most.
        stop: usize,
    },
    /// A marker is left out where the text begins, as in `SentencePiece`. Stands before the steps that make text of markers.
    Begin {
        /// The marker.
        marker: char,
        /// Whether that goes on until a token is more than a marker; one token only, else.
        every: bool,
    },
    /// The mark of a word's last token becomes a space.
    Suffix(String),
    /// What models of speech do: equal neighbours are one token, padding goes.
    Ctc {
        /// The padding.
        pad: String,
        /// What stands between words.
        word_delimiter: String,
        /// Whether spaces before punctuation and contractions go.
        cleanup: bool,
    },
}

/// A prepared [`DecoderDefinition`].
#[derive(Debug, Clone)]
pub(crate) enum Decoder {
    Bytes,
    Spaced,
    Steps(Vec<Step>),
}

/// A prepared [`DecoderStep`].
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Replace { pattern: Finder, content: String },
    Other(DecoderStep),
}

impl Decoder {
    pub(crate) fn new(definition: &DecoderDefinition) -> Result<Self, Error> {
        Ok(match definition {
            DecoderDefinition::Bytes => Self::Bytes,
            DecoderDefinition::Spaced => Self::Spaced,
            // Bytes need no detour through their alphabet.
            DecoderDefinition::Steps(steps) if *steps == [DecoderStep::ByteLevel] => Self::Bytes,
            DecoderDefinition::Steps(steps) => {
                let steps = steps.iter().map(|step| match step {
                    DecoderStep::Replace { pattern, content } => Ok(Step::Replace {
                        pattern: Finder::new(pattern)?,
                        content: content.clone(),
                    }),
                    other => Ok(Step::Other(other.clone())),
                });
                Self::Steps(steps.collect::<Result<_, Error>>()?)
            }
        })
    }

    /// Whether what a token becomes depends on its neighbours, so that [`Decoder::alone`] cannot say it.
    pub(crate) fn sees_neighbours(&self) -> bool {
        self.alone("a", false).is_err()
    }

    /// Whether the text begins with the first token of which something is left; with the first that is something, else.
    pub(crate) fn begins_with_what_is_left(&self) -> bool {
        let every =
            |step: &Step| matches!(step, Step::Other(DecoderStep::Begin { every: true, .. }));
        matches!(self, Self::Steps(steps) if steps.iter().any(every))
    }

    /// The text of tokens that are text.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on a token.
    pub(crate) fn decode(&self, mut tokens: Vec<String>) -> Result<String, Error> {
        match self {
            Self::Bytes => Ok(tokens.concat()),
            Self::Spaced => Ok(tokens.join(" ")),
            Self::Steps(steps) => {
                for step in steps {
                    tokens = step.apply(tokens)?;
                }
                Ok(tokens.concat())
            }
        }
    }

    /// What one token becomes, whatever stands around it: `is_first` says whether it is the first that is not empty.
    /// Bytes that [`DecoderStep::ByteFallback`] makes stay bytes, so that the next tokens can complete a character.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`]: what it becomes depends on its neighbours.
    pub(crate) fn alone(&self, token: &str, is_first: bool) -> Result<Vec<u8>, Error> {
        let steps = match self {
            Self::Bytes => return Ok(token.as_bytes().to_vec()),
            Self::Spaced => {
                let space = if is_first { "" } else { " " };
                return Ok(format!("{space}{token}").into_bytes());
            }
            Self::Steps(steps) => steps,
        };
        let mut text = token.to_owned();
        let mut fused = false;
        for step in steps {
            match step {
                Step::Replace { pattern, content } if !fused => {
                    text = replace(&text, pattern, content)?;
                }
                Step::Other(DecoderStep::ByteFallback) => match byte(&text) {
                    Some(byte) if byte.is_ascii() => text = char::from(byte).to_string(),
                    Some(byte) => return Ok(vec![byte]),
                    None => {}
                },
                Step::Other(DecoderStep::ByteLevel) => return Ok(byte_level(&text)),
                Step::Other(DecoderStep::Fuse) => fused = true,
                Step::Other(DecoderStep::Metaspace { .. } | DecoderStep::WordPiece { .. }) => {
                    text = step.word(text, is_first);
                }
                Step::Other(DecoderStep::Begin { marker, .. }) => {
                    if is_first {
                        text = strip(&text, *marker, 1, 0);
                    }
                }
                Step::Other(DecoderStep::Strip {
                    content,
                    start,
                    stop,
                }) if !fused || *stop == 0 => {
                    if !fused || is_first {
                        text = strip(&text, *content, *start, *stop);
                    }
                }
                Step::Replace { .. } | Step::Other(_) => {
                    return Err(Error::unsupported(
                        "streaming decoder",
                        "a decoder that looks at neighbouring tokens",
                    ));
                }
            }
        }
        Ok(text.into_bytes())
    }
}

impl Step {
    fn apply(&self, mut tokens: Vec<String>) -> Result<Vec<String>, Error> {
        let step = match self {
            Self::Replace { pattern, content } => {
                for token in &mut tokens {
                    *token = replace(token, pattern, content)?;
                }
                return Ok(tokens);
            }
            Self::Other(step) => step,
        };
        Ok(match step {
            DecoderStep::ByteLevel => {
                let bytes: Vec<u8> = tokens.iter().flat_map(|token| byte_level(token)).collect();
                vec![String::from_utf8_lossy(&bytes).into_owned()]
            }
            DecoderStep::WordPiece { .. } | DecoderStep::Metaspace { .. } => {
                let tokens = tokens.into_iter().enumerate();
                tokens
                    .map(|(index, token)| self.word(token, index == 0))
                    .collect()
            }
            DecoderStep::Replace { .. } => tokens,
            DecoderStep::ByteFallback => byte_fallback(tokens),
            DecoderStep::Fuse => vec![tokens.concat()],
            DecoderStep::Strip {
                content,
                start,
                stop,
            } => {
                let tokens = tokens.iter();
                tokens
                    .map(|token| strip(token, *content, *start, *stop))
                    .collect()
            }
            DecoderStep::Begin { marker, every } => {
                for token in &mut tokens {
                    let left = strip(token, *marker, 1, 0);
                    let is_begun = !left.is_empty() || (!every && !token.is_empty());
                    *token = left;
                    if is_begun {
                        break;
                    }
                }
                tokens
            }
            DecoderStep::Suffix(suffix) => {
                let last = tokens.len().saturating_sub(1);
                let tokens = tokens.iter().enumerate();
                tokens
                    .map(|(index, token)| {
                        token.replace(suffix, if index == last { "" } else { " " })
                    })
                    .collect()
            }
            DecoderStep::Ctc {
                pad,
                word_delimiter,
                cleanup,
            } => {
                tokens.dedup();
                let tokens = tokens.iter().map(|token| {
                    let token = token.replace(pad.as_str(), "");
                    if *cleanup {
                        clean_up(&token).replace(word_delimiter.as_str(), " ")
                    } else {
                        token
                    }
                });
                tokens.filter(|token| !token.is_empty()).collect()
            }
        })
    }

    /// What a token becomes where words are joined.
    fn word(&self, token: String, is_first: bool) -> String {
        match self {
            Self::Other(DecoderStep::WordPiece { prefix, cleanup }) => {
                let token = match token.strip_prefix(prefix.as_str()) {
                    _ if is_first => token,
                    Some(inner) => inner.to_owned(),
                    None => format!(" {token}"),
                };
                if *cleanup { clean_up(&token) } else { token }
            }
            Self::Other(DecoderStep::Metaspace {
                replacement,
                strip_first,
            }) => {
                let space = if is_first && *strip_first { "" } else { " " };
                token.replace(*replacement, space)
            }
            _ => token,
        }
    }
}

/// What the characters of the byte alphabet stand for; a token with another character is text as it is.
fn byte_level(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(crate::alphabet::byte).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The byte that a token of byte fallback stands for.
fn byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let digits = (digits.len() == 2).then_some(digits)?;
    u8::from_str_radix(digits, 16).ok()
}

/// Bytes in a row that are not text all together become one U+FFFD each.
fn byte_fallback(tokens: Vec<String>) -> Vec<String> {
    let mut texts = Vec::with_capacity(tokens.len());
    let mut bytes = Vec::new();
    let flush = |bytes: &mut Vec<u8>, texts: &mut Vec<String>| {
        let bytes = std::mem::take(bytes);
        if !bytes.is_empty() {
            let count = bytes.len();
            texts.push(String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".repeat(count)));
        }
    };
    for token in tokens {
        if let Some(byte) = byte(&token) {
            bytes.push(byte);
        } else {
            flush(&mut bytes, &mut texts);
            texts.push(token);
        }
    }
    flush(&mut bytes, &mut texts);
    texts
}

fn replace(token: &str, pattern: &Finder, content: &str) -> Result<String, Error> {
    let mut replaced = String::with_capacity(token.len());
    let mut last = 0;
    for (begin, end) in pattern.find(token)? {
        replaced.push_str(&token[last..begin]);
        replaced.push_str(content);
        last = end;
    }
    replaced.push_str(&token[last..]);
    Ok(replaced)
}

fn strip(token: &str, content: char, start: usize, stop: usize) -> String {
    let mut kept = token;
    let mut left = start;
    while left > 0
        && let Some(rest) = kept.strip_prefix(content)
    {
        kept = rest;
        left -= 1;
    }
    let mut left = stop;
    while left > 0
        && let Some(rest) = kept.strip_suffix(content)
    {
        kept = rest;
        left -= 1;
    }
    kept.to_owned()
}

/// English without the spaces that tokenizers of words put before punctuation and contractions.
fn clean_up(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ] {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text
}

//! `SentencePiece` models: a protocol buffer with the pieces, the kind of model and what is done to text before.

use super::protobuf::{Fields, Value};
use crate::{
    AddedToken, Charsmap, DecoderDefinition, DecoderStep, Definition, Error, Find, ModelDefinition,
    NormalizerDefinition, SentenceBpeDefinition, SentenceMerges, SentenceNormalizer,
    UnigramDefinition, UnknownCharacters, Vocabulary,
};

const FORMAT: &str = "SentencePiece model";

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

#[derive(Debug)]
struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: Kind,
}

/// The fields of the file that matter, with the defaults of the format.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches of the format"
)]
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    kind: i32,
    byte_fallback: bool,
    whitespace_as_suffix: bool,
    /// How an unknown piece is written.
    unknown_surface: &'a str,
    charsmap: &'a [u8],
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
}

/// The tokenizer of a `.model` file.
///
/// Control pieces (`<s>`, `</s>`) become special tokens: in a text that is encoded as text they are text, as the reference has
/// it. User-defined pieces belong to the model, which finds them in the normalised text.
///
/// # Errors
///
/// [`Error::Format`]: the bytes are not such a file. [`Error::Unsupported`]: models of words or characters, and unused
/// pieces in a BPE model.
pub fn definition(file: &[u8]) -> Result<Definition, Error> {
    let model = Model::read(file)?;
    let tokens = model.pieces.iter().zip(0..);
    let kept = tokens
        .clone()
        .filter(|(piece, _)| piece.kind != Kind::Control);
    let vocabulary = Vocabulary::new(FORMAT, kept.map(|(piece, id)| (id, piece.text.as_bytes())))?;
    let control = tokens.filter(|(piece, _)| piece.kind == Kind::Control && !piece.text.is_empty());
    let added = control
        .map(|(piece, id)| AddedToken::special(id, piece.text))
        .collect();
    let definition = match model.kind {
        1 => ModelDefinition::Unigram(Box::new(model.unigram()?)),
        2 => ModelDefinition::SentenceBpe(Box::new(model.bpe()?)),
        3 => return Err(Error::unsupported(FORMAT, "model_type WORD")),
        4 => return Err(Error::unsupported(FORMAT, "model_type CHAR")),
        other => {
            return Err(Error::format(
                FORMAT,
                format!("model_type {other} is not known"),
            ));
        }
    };
    Ok(Definition {
        added,
        normalizer: NormalizerDefinition::Sentence(Box::new(model.normalizer()?)),
        decoder: model.decoder(),
        ..Definition::new(vocabulary, definition)
    })
}

impl<'a> Model<'a> {
    fn read(file: &'a [u8]) -> Result<Self, Error> {
        let mut model = Self {
            pieces: Vec::new(),
            kind: 1,
            byte_fallback: false,
            whitespace_as_suffix: false,
            unknown_surface: " ⁇ ",
            charsmap: &[],
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        };
        each(file, file, |number, value| {
            match number {
                1 => model.pieces.push(Piece::read(file, message(value)?)?),
                2 => model.read_trainer(file, message(value)?)?,
                3 => model.read_normalizer(file, message(value)?)?,
                _ => {}
            }
            Ok(())
        })?;
        if model.pieces.is_empty() {
            return Err(Error::format(FORMAT, "it has no pieces"));
        }
        Ok(model)
    }

    fn read_trainer(&mut self, file: &[u8], spec: &'a [u8]) -> Result<(), Error> {
        each(file, spec, |number, value| {
            match number {
                3 => self.kind = value.number().ok_or_else(|| kind(number))?,
                44 => {
                    self.unknown_surface = std::str::from_utf8(message(value)?)
                        .map_err(|_| Error::format(FORMAT, "unk_surface is not UTF-8"))?;
                }
                24 => self.whitespace_as_suffix = value.flag().ok_or_else(|| kind(number))?,
                35 => self.byte_fallback = value.flag().ok_or_else(|| kind(number))?,
                _ => {}
            }
            Ok(())
        })
    }

    fn read_normalizer(&mut self, file: &[u8], spec: &'a [u8]) -> Result<(), Error> {
        each(file, spec, |number, value| {
            match number {
                2 => self.charsmap = message(value)?,
                3 => self.add_dummy_prefix = value.flag().ok_or_else(|| kind(number))?,
                4 => self.remove_extra_whitespaces = value.flag().ok_or_else(|| kind(number))?,
                5 => self.escape_whitespaces = value.flag().ok_or_else(|| kind(number))?,
                _ => {}
            }
            Ok(())
        })
    }

    fn ids(&self, kind: Kind) -> impl Iterator<Item = u32> {
        let pieces = self.pieces.iter().zip(0..);
        pieces
            .filter(move |(piece, _)| piece.kind == kind)
            .map(|(_, id)| id)
    }

    fn unknown(&self) -> Result<UnknownCharacters, Error> {
        let mut bytes = [u32::MAX; 256];
        for id in self.ids(Kind::Byte) {
            let text = self.pieces[id as usize].text;
            let digits = text
                .strip_prefix("<0x")
                .and_then(|text| text.strip_suffix('>'));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let byte = byte.ok_or_else(|| {
                Error::format(FORMAT, format!("{text:?} is not the piece of a byte"))
            })?;
            bytes[byte as usize] = id;
        }
        if self.byte_fallback && bytes.contains(&u32::MAX) {
            return Err(Error::format(FORMAT, "a byte has no piece"));
        }
        Ok(UnknownCharacters {
            bytes: self.byte_fallback.then(|| Box::new(bytes)),
            token: self.ids(Kind::Unknown).next(),
            fuse: true,
        })
    }

    fn bpe(&self) -> Result<SentenceBpeDefinition, Error> {
        if self.ids(Kind::Unused).next().is_some() {
            return Err(Error::unsupported(FORMAT, "an UNUSED piece in a BPE model"));
        }
        Ok(SentenceBpeDefinition {
            merges: SentenceMerges::Scores(self.pieces.iter().map(|piece| piece.score).collect()),
            metaspace: self.escape_whitespaces,
            unknown: self.unknown()?,
            symbols: self.ids(Kind::UserDefined).collect(),
            ignore_merges: false,
        })
    }

    fn unigram(&self) -> Result<UnigramDefinition, Error> {
        let matched = |kind| matches!(kind, Kind::Normal | Kind::UserDefined);
        let pieces = self.pieces.iter();
        Ok(UnigramDefinition {
            scores: pieces
                .map(|piece| matched(piece.kind).then_some(piece.score.into()))
                .collect(),
            symbols: self.ids(Kind::UserDefined).collect(),
            metaspace: self.escape_whitespaces,
            unknown: self.unknown()?,
            single_precision: true,
            split: false,
        })
    }

    /// How the reference writes pieces as text.
    fn decoder(&self) -> DecoderDefinition {
        let mut steps = Vec::new();
        // The reference looks at the beginning even where spaces stand behind words.
        if self.add_dummy_prefix || self.remove_extra_whitespaces {
            steps.push(DecoderStep::Begin {
                marker: '▁',
                every: self.remove_extra_whitespaces,
            });
        }
        if let Some(id) = self.ids(Kind::Unknown).next() {
            let piece = self.pieces[id as usize].text;
            steps.push(DecoderStep::Replace {
                pattern: Find::Text(piece.to_owned()),
                content: self.unknown_surface.to_owned(),
            });
        }
        if self.escape_whitespaces {
            steps.push(DecoderStep::Replace {
                pattern: Find::Text("▁".to_owned()),
                content: " ".to_owned(),
            });
        }
        steps.extend([DecoderStep::ByteFallback, DecoderStep::Fuse]);
        DecoderDefinition::Steps(steps)
    }

    fn normalizer(&self) -> Result<SentenceNormalizer, Error> {
        let symbols = self
            .ids(Kind::UserDefined)
            .map(|id| self.pieces[id as usize].text.to_owned());
        Ok(SentenceNormalizer {
            charsmap: match self.charsmap {
                [] => None,
                blob => Some(Charsmap::new(blob)?),
            },
            add_dummy_prefix: self.add_dummy_prefix,
            remove_extra_whitespaces: self.remove_extra_whitespaces,
            escape_whitespaces: self.escape_whitespaces,
            whitespace_as_suffix: self.whitespace_as_suffix,
            symbols: symbols.collect(),
        })
    }
}

impl<'a> Piece<'a> {
    fn read(file: &[u8], fields: &'a [u8]) -> Result<Self, Error> {
        let mut piece = Self {
            text: "",
            score: 0.0,
            kind: Kind::Normal,
        };
        each(file, fields, |number, value| {
            match number {
                1 => {
                    piece.text = std::str::from_utf8(message(value)?)
                        .map_err(|_| Error::format(FORMAT, "a piece is not UTF-8"))?;
                }
                2 => piece.score = value.float().ok_or_else(|| kind(number))?,
                3 => {
                    piece.kind = match value.number().ok_or_else(|| kind(number))? {
                        1 => Kind::Normal,
                        2 => Kind::Unknown,
                        3 => Kind::Control,
                        4 => Kind::UserDefined,
                        5 => Kind::Unused,
                        6 => Kind::Byte,
                        other => {
                            let problem = format!("a piece has the kind {other}");
                            return Err(Error::format(FORMAT, problem));
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(piece)
    }
}

/// Every field of a message inside `file`.
fn each<'a>(
    file: &[u8],
    message: &'a [u8],
    mut take: impl FnMut(u64, Value<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    // The message is part of the file: where it ends, counted from the beginning of both.
    let end = message.as_ptr_range().end.addr() - file.as_ptr().addr();
    for field in Fields::new(message) {
        let (number, value) = field.map_err(|left| Error::Format {
            format: FORMAT,
            offset: Some((end - left) as u64),
            problem: "a field is cut off or of no known kind".to_owned(),
        })?;
        take(number, value)?;
    }
    Ok(())
}

fn message(value: Value<'_>) -> Result<&[u8], Error> {
    value
        .bytes()
        .ok_or_else(|| Error::format(FORMAT, "a number where bytes are expected"))
}

fn kind(number: u64) -> Error {
    Error::format(
        FORMAT,
        format!("field {number} is not a number of its kind"),
    )
}

//! `model`.

use std::borrow::Cow;

use hashbrown::HashMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{FORMAT, json};
use crate::{
    Error, ModelDefinition, SentenceBpeDefinition, SentenceMerges, UnigramDefinition,
    UnknownCharacters, Vocabulary, WordPieceDefinition, alphabet,
};

/// A model as the file has it.
pub(super) struct Model<'a> {
    pub(super) vocabulary: Vocabulary,
    pub(super) definition: ModelDefinition,
    /// Tokens that no text becomes.
    pub(super) unreachable: Vec<(u32, String)>,
    /// Ids by what the file calls them.
    pub(super) ids: HashMap<Cow<'a, str>, u32>,
    /// How many tokens the file has.
    pub(super) size: u32,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    vocab: &'a RawValue,
    #[serde(borrow)]
    merges: Option<&'a RawValue>,
    unk_token: Option<String>,
    unk_id: Option<u32>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    max_input_chars_per_word: Option<u64>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What merges: left and right.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Tokens and ids in the order of the file.
struct Ids<'a>(Vec<(Cow<'a, str>, u32)>);

impl<'de> Deserialize<'de> for Ids<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Ids<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("tokens and their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut ids = Vec::new();
                while let Some((Text(token), id)) = map.next_entry()? {
                    ids.push((token, id));
                }
                Ok(Ids(ids))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Reads a model; with `byte_level` its tokens are written in the byte alphabet.
pub(super) fn read(model: &RawValue, byte_level: bool) -> Result<Model<'_>, Error> {
    let raw: Raw<'_> = serde_json::from_str(model.get()).map_err(|error| json(&error))?;
    // Files of old do not say what kind of model they have.
    let kind = match &raw.kind {
        Some(kind) => kind.as_str(),
        None if raw.merges.is_some() => "BPE",
        None if raw.vocab.get().starts_with('[') => "Unigram",
        None if raw.max_input_chars_per_word.is_some() => "WordPiece",
        None => "WordLevel",
    };
    if byte_level && kind != "BPE" {
        let feature = format!("the pre-tokenizer ByteLevel with the model {kind}");
        return Err(Error::unsupported(FORMAT, feature));
    }
    match kind {
        "BPE" => raw.bpe(byte_level),
        "Unigram" => raw.unigram(),
        "WordPiece" => raw.words(true),
        "WordLevel" => raw.words(false),
        other => Err(Error::unsupported(FORMAT, format!("the model {other}"))),
    }
}

impl<'a> Raw<'a> {
    fn tokens(&self) -> Result<Vec<(Cow<'a, str>, u32)>, Error> {
        let Ids(tokens) = serde_json::from_str(self.vocab.get()).map_err(|error| json(&error))?;
        Ok(tokens)
    }

    fn merges(&self) -> Result<Vec<Pair<'a>>, Error> {
        let Some(merges) = self.merges else {
            return Err(Error::format(FORMAT, "BPE has no merges"));
        };
        let inner = merges
            .get()
            .trim_start_matches(['[', ' ', '\n', '\r', '\t']);
        if merges.get()[..merges.get().len() - inner.len()]
            .matches('[')
            .count()
            > 1
        {
            let pairs: Vec<(Text<'a>, Text<'a>)> =
                serde_json::from_str(merges.get()).map_err(|error| json(&error))?;
            return Ok(pairs
                .into_iter()
                .map(|(left, right)| (left.0, right.0))
                .collect());
        }
        let lines: Vec<Text<'a>> =
            serde_json::from_str(merges.get()).map_err(|error| json(&error))?;
        let pairs = lines
            .into_iter()
            .filter(|line| !line.0.starts_with("#version"));
        pairs
            .map(|Text(line)| {
                let pair = match &line {
                    Cow::Borrowed(line) => line.split_once(' ').map(|(a, b)| (a.into(), b.into())),
                    Cow::Owned(line) => line
                        .split_once(' ')
                        .map(|(a, b)| (a.to_owned().into(), b.to_owned().into())),
                };
                pair.ok_or_else(|| Error::format(FORMAT, format!("the merge {line:?} is no pair")))
            })
            .collect()
    }

    fn refuse(&self) -> Result<(), Error> {
        let refused = |feature: &str| Err(Error::unsupported(FORMAT, feature));
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if self.dropout.is_some_and(|dropout| dropout != 0.0) {
            return refused("dropout");
        }
        if is_given(&self.continuing_subword_prefix) {
            return refused("continuing_subword_prefix in a BPE model");
        }
        if is_given(&self.end_of_word_suffix) {
            return refused("end_of_word_suffix");
        }
        Ok(())
    }

    fn bpe(&self, byte_level: bool) -> Result<Model<'a>, Error> {
        self.refuse()?;
        let tokens = self.tokens()?;
        let size = tokens.len() as u32;
        let ids: HashMap<Cow<'a, str>, u32> = tokens.iter().cloned().collect();
        let mut unreachable = Vec::new();
        let vocabulary = if byte_level {
            let mut bytes: Vec<(u32, Vec<u8>)> = Vec::with_capacity(tokens.len());
            for (token, id) in tokens {
                match alphabet::bytes(&token) {
                    Some(token) => bytes.push((id, token)),
                    None => unreachable.push((id, token.into_owned())),
                }
            }
            Vocabulary::new(FORMAT, bytes.iter().map(|(id, token)| (*id, &**token)))?
        } else {
            vocabulary(&tokens)?
        };
        let pairs = self.merges()?.into_iter().map(|(left, right)| {
            let id = |token: &str| {
                let id = ids.get(token).copied();
                id.ok_or_else(|| {
                    Error::format(FORMAT, format!("a merge has {token:?}, which is no token"))
                })
            };
            let merged = id(&format!("{left}{right}"))?;
            Ok([id(&left)?, id(&right)?, merged])
        });
        let pairs: Vec<[u32; 3]> = pairs.collect::<Result<_, Error>>()?;
        let definition = if byte_level {
            ModelDefinition::Merges {
                pairs,
                ignore_merges: self.ignore_merges,
            }
        } else {
            ModelDefinition::SentenceBpe(Box::new(SentenceBpeDefinition {
                merges: SentenceMerges::Pairs(pairs),
                metaspace: false,
                unknown: UnknownCharacters {
                    bytes: self.bytes(&ids)?,
                    token: self.unknown(&ids),
                    fuse: self.fuse_unk,
                },
                symbols: Vec::new(),
                ignore_merges: self.ignore_merges,
            }))
        };
        Ok(Model {
            vocabulary,
            definition,
            unreachable,
            ids,
            size,
        })
    }

    fn unigram(&self) -> Result<Model<'a>, Error> {
        let pieces: Vec<(Text<'a>, f64)> =
            serde_json::from_str(self.vocab.get()).map_err(|error| json(&error))?;
        let size = pieces.len() as u32;
        let scores = pieces.iter().map(|(_, score)| Some(*score)).collect();
        let tokens = pieces.into_iter().zip(0..);
        let tokens: Vec<_> = tokens.map(|((Text(token), _), id)| (token, id)).collect();
        let vocabulary = vocabulary(&tokens)?;
        let ids: HashMap<Cow<'a, str>, u32> = tokens.into_iter().collect();
        let definition = UnigramDefinition {
            scores,
            symbols: Vec::new(),
            metaspace: false,
            unknown: UnknownCharacters {
                bytes: self.bytes(&ids)?,
                token: self.unk_id,
                fuse: true,
            },
            single_precision: false,
            split: false,
        };
        Ok(Model {
            vocabulary,
            definition: ModelDefinition::Unigram(Box::new(definition)),
            unreachable: Vec::new(),
            ids,
            size,
        })
    }

    fn words(&self, cut: bool) -> Result<Model<'a>, Error> {
        let tokens = self.tokens()?;
        let size = tokens.len() as u32;
        let vocabulary = vocabulary(&tokens)?;
        let ids: HashMap<Cow<'a, str>, u32> = tokens.into_iter().collect();
        let prefix = self.continuing_subword_prefix.clone();
        let definition = WordPieceDefinition {
            prefix: prefix.unwrap_or_else(|| "##".to_owned()),
            unknown: self.unknown(&ids),
            max_characters: match self.max_input_chars_per_word {
                _ if !cut => usize::MAX,
                Some(most) => most as usize,
                None => 100,
            },
            cut,
        };
        Ok(Model {
            vocabulary,
            definition: ModelDefinition::WordPiece(Box::new(definition)),
            unreachable: Vec::new(),
            ids,
            size,
        })
    }

    /// The token of what is unknown. A file may name one that it does not have: that only shows in a text that needs it.
    fn unknown(&self, ids: &HashMap<Cow<'a, str>, u32>) -> Option<u32> {
        ids.get(self.unk_token.as_deref()?).copied()
    }

    /// The tokens of bytes.
    fn bytes(&self, ids: &HashMap<Cow<'a, str>, u32>) -> Result<Option<Box<[u32; 256]>>, Error> {
        if !self.byte_fallback {
            return Ok(None);
        }
        let mut bytes = Box::new([0; 256]);
        for (id, byte) in bytes.iter_mut().zip(0_u32..) {
            let known = ids.get(format!("<0x{byte:02X}>").as_str());
            *id = *known.ok_or_else(|| {
                Error::unsupported(FORMAT, "byte_fallback without a token for every byte")
            })?;
        }
        Ok(Some(bytes))
    }
}

fn vocabulary(tokens: &[(Cow<'_, str>, u32)]) -> Result<Vocabulary, Error> {
    Vocabulary::new(
        FORMAT,
        tokens.iter().map(|(token, id)| (*id, token.as_bytes())),
    )
}

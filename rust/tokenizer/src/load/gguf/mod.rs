//! GGUF files: the tokenizer in the metadata of a model file.

mod metadata;
mod pattern;

use hashbrown::HashMap;

use crate::chat_template::TokenizerConfig;
use crate::{
    AddedToken, Charsmap, DecoderDefinition, DecoderStep, Definition, Error, Find, ModelDefinition,
    NormalizerDefinition, SentenceBpeDefinition, SentenceMerges, SentenceNormalizer,
    UnigramDefinition, UnknownCharacters, Vocabulary,
};
use metadata::{Metadata, Value};

const FORMAT: &str = "GGUF file";

const TEMPLATE: &str = "tokenizer.chat_template";

/// Keys of special tokens, and what `transformers` calls them. The format itself misspells one; both are read.
const NAMED: [(&str, &str); 8] = [
    ("bos", "bos_token"),
    ("eos", "eos_token"),
    ("unknown", "unk_token"),
    ("seperator", "sep_token"),
    ("separator", "sep_token"),
    ("padding", "pad_token"),
    ("cls", "cls_token"),
    ("mask", "mask_token"),
];

/// The kinds of tokens, numbered as in a `SentencePiece` model.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
const BYTE: i64 = 6;

/// The tokenizer of a GGUF file, of which the metadata is enough.
///
/// # Errors
///
/// [`Error::Format`]: it is not such a file, or says nothing of a tokenizer. [`Error::Unsupported`]: a model or a
/// pre-tokenizer that is not built.
pub fn definition(file: &[u8]) -> Result<Definition, Error> {
    let metadata = Metadata::read(file, "tokenizer.ggml.")?;
    let model = metadata.text("tokenizer.ggml.model");
    let model = model.ok_or_else(|| Error::format(FORMAT, "it has no tokenizer.ggml.model"))?;
    let tokens = Tokens::new(&metadata)?;
    match model {
        "llama" => tokens.llama(),
        "t5" => tokens.t5(),
        "gpt2" => tokens.gpt2(),
        other => Err(Error::unsupported(
            FORMAT,
            format!("tokenizer.ggml.model {other}"),
        )),
    }
}

/// What a GGUF file says of conversations: its chat templates, and its special tokens by the names of `transformers`.
///
/// # Errors
///
/// [`Error::Format`]: it is not such a file.
pub fn config(file: &[u8]) -> Result<TokenizerConfig, Error> {
    let metadata = Metadata::read(file, "tokenizer.")?;
    let mut config = TokenizerConfig::default();
    if let Some(template) = metadata.text(TEMPLATE) {
        config = config.with_template("default", template.to_owned());
    }
    for (name, template) in metadata.texts_below(&format!("{TEMPLATE}.")) {
        config = config.with_template(name, template.to_owned());
    }
    let texts = metadata.texts("tokenizer.ggml.tokens").unwrap_or_default();
    for (key, name) in NAMED {
        let id = metadata.number(&format!("tokenizer.ggml.{key}_token_id"));
        let token = id.and_then(|id| texts.get(id as usize));
        if let Some(token) = token.filter(|_| config.special_token(name).is_none()) {
            let named = (name.to_owned(), (*token).to_owned());
            config.special_tokens.push(named);
        }
    }
    Ok(config)
}

struct Tokens<'a> {
    metadata: &'a Metadata<'a>,
    texts: &'a [&'a str],
    kinds: Vec<i64>,
}

impl<'a> Tokens<'a> {
    fn new(metadata: &'a Metadata<'a>) -> Result<Self, Error> {
        let texts = metadata.texts("tokenizer.ggml.tokens");
        let texts =
            texts.ok_or_else(|| Error::format(FORMAT, "it has no tokenizer.ggml.tokens"))?;
        let kinds = match metadata.get("tokenizer.ggml.token_type") {
            None => vec![1; texts.len()],
            Some(Value::Numbers(kinds)) if kinds.len() == texts.len() => kinds.clone(),
            Some(_) => {
                let problem = "tokenizer.ggml.token_type has not one number for each token";
                return Err(Error::format(FORMAT, problem));
            }
        };
        Ok(Self {
            metadata,
            texts,
            kinds,
        })
    }

    fn ids(&self, kind: i64) -> impl Iterator<Item = u32> {
        let kinds = self.kinds.iter().zip(0..);
        kinds
            .filter(move |(other, _)| **other == kind)
            .map(|(_, id)| id)
    }

    fn added(&self, id: u32) -> AddedToken {
        let mut token = AddedToken::special(id, self.texts[id as usize]);
        token.special = self.kinds[id as usize] == CONTROL;
        token
    }

    fn scores(&self) -> Result<&[f32], Error> {
        match self.metadata.get("tokenizer.ggml.scores") {
            Some(Value::Floats(scores)) if scores.len() == self.texts.len() => Ok(scores),
            _ => Err(Error::format(
                FORMAT,
                "tokenizer.ggml.scores has not one number for each token",
            )),
        }
    }

    /// A model of the `SentencePiece` family, without its own part.
    fn sentence(
        &self,
        model: ModelDefinition,
        normalizer: SentenceNormalizer,
    ) -> Result<Definition, Error> {
        let kept = self
            .texts
            .iter()
            .zip(0..)
            .zip(&self.kinds)
            .filter(|(_, kind)| **kind != CONTROL);
        let kept = kept.map(|((text, id), _)| (id, text.as_bytes()));
        let control = self
            .ids(CONTROL)
            .filter(|id| !self.texts[*id as usize].is_empty());
        Ok(Definition {
            added: control.map(|id| self.added(id)).collect(),
            decoder: DecoderDefinition::Steps(Self::decoder(normalizer.add_dummy_prefix)),
            normalizer: NormalizerDefinition::Sentence(Box::new(normalizer)),
            ..Definition::new(Vocabulary::new(FORMAT, kept)?, model)
        })
    }

    fn decoder(strip: bool) -> Vec<DecoderStep> {
        let mut steps = vec![
            DecoderStep::Replace {
                pattern: Find::Text("▁".to_owned()),
                content: " ".to_owned(),
            },
            DecoderStep::ByteFallback,
            DecoderStep::Fuse,
        ];
        if strip {
            steps.push(DecoderStep::Strip {
                content: ' ',
                start: 1,
                stop: 0,
            });
        }
        steps
    }

    fn normalizer(&self, add_dummy_prefix: bool) -> SentenceNormalizer {
        let flag = |key, default| self.metadata.flag(key).unwrap_or(default);
        SentenceNormalizer {
            charsmap: None,
            add_dummy_prefix: flag("tokenizer.ggml.add_space_prefix", add_dummy_prefix),
            remove_extra_whitespaces: flag("tokenizer.ggml.remove_extra_whitespaces", false),
            escape_whitespaces: true,
            whitespace_as_suffix: false,
            symbols: self
                .ids(USER_DEFINED)
                .map(|id| self.texts[id as usize].to_owned())
                .collect(),
        }
    }

    fn unknown(&self) -> Result<UnknownCharacters, Error> {
        let mut bytes = Box::new([u32::MAX; 256]);
        for id in self.ids(BYTE) {
            let text = self.texts[id as usize];
            let digits = text
                .strip_prefix("<0x")
                .and_then(|text| text.strip_suffix('>'));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let byte = byte.ok_or_else(|| {
                Error::format(FORMAT, format!("{text:?} is not the token of a byte"))
            })?;
            bytes[byte as usize] = id;
        }
        Ok(UnknownCharacters {
            bytes: (!bytes.contains(&u32::MAX)).then_some(bytes),
            token: self
                .metadata
                .number("tokenizer.ggml.unknown_token_id")
                .or(self.ids(UNKNOWN).next()),
            fuse: true,
        })
    }

    fn llama(&self) -> Result<Definition, Error> {
        if self.ids(UNUSED).next().is_some() {
            return Err(Error::unsupported(
                FORMAT,
                "an unused token in a model of the kind llama",
            ));
        }
        let model = SentenceBpeDefinition {
            merges: SentenceMerges::Scores(self.scores()?.to_vec()),
            metaspace: true,
            unknown: self.unknown()?,
            symbols: self.ids(USER_DEFINED).collect(),
            ignore_merges: false,
        };
        self.sentence(
            ModelDefinition::SentenceBpe(Box::new(model)),
            self.normalizer(true),
        )
    }

    fn t5(&self) -> Result<Definition, Error> {
        let matched = |kind: i64| !matches!(kind, UNKNOWN | CONTROL | UNUSED | BYTE);
        let scores = self.scores()?.iter().zip(&self.kinds);
        let model = UnigramDefinition {
            scores: scores
                .map(|(score, kind)| matched(*kind).then_some((*score).into()))
                .collect(),
            symbols: self.ids(USER_DEFINED).collect(),
            metaspace: true,
            unknown: self.unknown()?,
            single_precision: true,
            split: false,
        };
        let mut normalizer = self.normalizer(true);
        if let Some(Value::Numbers(map)) = self.metadata.get("tokenizer.ggml.precompiled_charsmap")
        {
            let blob: Vec<u8> = map.iter().map(|byte| *byte as u8).collect();
            normalizer.charsmap = Some(Charsmap::new(&blob)?);
        }
        self.sentence(ModelDefinition::Unigram(Box::new(model)), normalizer)
    }

    fn gpt2(&self) -> Result<Definition, Error> {
        let name = self
            .metadata
            .text("tokenizer.ggml.pre")
            .unwrap_or("default");
        let (pre_tokenizer, ignore_merges) = pattern::of(name)
            .ok_or_else(|| Error::unsupported(FORMAT, format!("tokenizer.ggml.pre {name}")))?;
        let in_text = |kind: i64| !matches!(kind, CONTROL | USER_DEFINED | UNUSED);
        let mut tokens = Vec::new();
        let mut ids = HashMap::new();
        for ((text, id), kind) in self.texts.iter().zip(0..).zip(&self.kinds) {
            ids.insert(*text, id);
            if in_text(*kind) {
                let bytes = crate::alphabet::bytes(text).ok_or_else(|| {
                    Error::format(FORMAT, format!("token {id} is not in the byte alphabet"))
                })?;
                tokens.push((id, bytes));
            }
        }
        let vocabulary = Vocabulary::new(FORMAT, tokens.iter().map(|(id, bytes)| (*id, &**bytes)))?;
        let merges = self.metadata.texts("tokenizer.ggml.merges");
        let merges =
            merges.ok_or_else(|| Error::format(FORMAT, "it has no tokenizer.ggml.merges"))?;
        let mut pairs = Vec::with_capacity(merges.len());
        for merge in merges {
            let triple = merge.split_once(' ').and_then(|(left, right)| {
                let merged = [left, right].concat();
                Some([
                    *ids.get(left)?,
                    *ids.get(right)?,
                    *ids.get(merged.as_str())?,
                ])
            });
            pairs.push(triple.ok_or_else(|| {
                Error::format(
                    FORMAT,
                    format!("the merge {merge:?} is not of two tokens to a third"),
                )
            })?);
        }
        let added = self.ids(CONTROL).chain(self.ids(USER_DEFINED));
        let added = added.filter(|id| !self.texts[*id as usize].is_empty());
        Ok(Definition {
            added: added.map(|id| self.added(id)).collect(),
            pre_tokenizer,
            ..Definition::new(
                vocabulary,
                ModelDefinition::Merges {
                    pairs,
                    ignore_merges,
                },
            )
        })
    }
}

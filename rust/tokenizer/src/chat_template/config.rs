//! `tokenizer_config.json`: the chat templates of a model and the spelling of its special tokens.

use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::Error;

const FORMAT: &str = "tokenizer_config.json";

/// The special tokens that `transformers` gives to templates by name.
const NAMES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Where more special tokens are: in a list, or by names that the model's templates use (`image_token`).
const ADDITIONAL: [&str; 3] = [
    "additional_special_tokens",
    "extra_special_tokens",
    "model_specific_special_tokens",
];

/// What `tokenizer_config.json` says about conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenizerConfig {
    /// Templates by name, in the file's order. One that is alone is called `default`.
    pub chat_templates: Vec<(String, String)>,
    /// Spelling of the special tokens: `("bos_token", "<s>")`, …
    pub special_tokens: Vec<(String, String)>,
    /// Special tokens without a name of their own.
    pub additional_special_tokens: Vec<String>,
}

impl TokenizerConfig {
    /// Reads the file's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: no JSON object, or a template or token of a wrong kind.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let object: Map<String, Json> = serde_json::from_slice(bytes)
            .map_err(|error| Error::format(FORMAT, error.to_string()))?;
        let mut special_tokens = Vec::new();
        for name in NAMES {
            if let Some(token) = spelling(name, object.get(name))? {
                special_tokens.push((name.to_owned(), token));
            }
        }
        let chat_templates = match object.get("chat_template") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::String(template)) => vec![("default".to_owned(), template.clone())],
            Some(Json::Array(named)) => {
                named.iter().map(named_template).collect::<Result<_, _>>()?
            }
            Some(_) => {
                return Err(Error::format(
                    FORMAT,
                    "chat_template is no text and no list",
                ));
            }
        };
        let mut additional_special_tokens = Vec::new();
        for name in ADDITIONAL {
            match object.get(name) {
                Some(Json::Array(tokens)) => {
                    for token in tokens {
                        additional_special_tokens.extend(spelling(name, Some(token))?);
                    }
                }
                Some(Json::Object(tokens)) => {
                    for (name, token) in tokens {
                        let token = spelling(name, Some(token))?;
                        special_tokens.extend(token.map(|token| (name.clone(), token)));
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            chat_templates,
            special_tokens,
            additional_special_tokens,
        })
    }

    /// The file's bytes: what [`Self::from_json`] reads as the same.
    pub fn to_json(&self) -> Vec<u8> {
        let templates = self.chat_templates.iter();
        let templates: Vec<Json> = templates
            .map(|(name, template)| serde_json::json!({"name": name, "template": template}))
            .collect();
        let mut object = Map::new();
        object.insert("chat_template".to_owned(), templates.into());
        let additional = self.additional_special_tokens.clone();
        object.insert(ADDITIONAL[0].to_owned(), additional.into());
        let mut named = Map::new();
        for (name, token) in &self.special_tokens {
            let known = NAMES.contains(&name.as_str());
            let tokens = if known { &mut object } else { &mut named };
            tokens.insert(name.clone(), token.clone().into());
        }
        object.insert(ADDITIONAL[1].to_owned(), named.into());
        Json::Object(object).to_string().into_bytes()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same with a template from a file of its own: `chat_template.jinja` is the one called `default`. It goes before
    /// one of that name that was there.
    #[must_use]
    pub fn with_template(mut self, name: &str, source: String) -> Self {
        let templates = &mut self.chat_templates;
        match templates.iter_mut().find(|(known, _)| known == name) {
            Some((_, template)) => *template = source,
            None if name == "default" => templates.insert(0, (name.to_owned(), source)),
            None => templates.push((name.to_owned(), source)),
        }
        self
    }

    /// How the special token called `name` (`bos_token`) is spelled.
    pub fn special_token(&self, name: &str) -> Option<&str> {
        let mut tokens = self.special_tokens.iter();
        tokens
            .find(|(known, _)| known == name)
            .map(|(_, token)| token.as_str())
    }

    /// The template that `transformers` takes: the one called `name`; without a name `tool_use` where there are tools
    /// and such a template, `default` otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`]: there is no template. [`Error::Format`]: none of that name.
    pub fn chat_template(&self, name: Option<&str>, has_tools: bool) -> Result<&str, Error> {
        let named = |wanted: &str| {
            let mut templates = self.chat_templates.iter();
            templates
                .find(|(name, _)| name == wanted)
                .map(|(_, source)| source.as_str())
        };
        let found = match name {
            Some(name) => named(name),
            None => has_tools
                .then(|| named("tool_use"))
                .flatten()
                .or_else(|| named("default")),
        };
        found.ok_or_else(|| {
            if self.chat_templates.is_empty() {
                return Error::Incomplete {
                    format: FORMAT,
                    missing: "chat template",
                };
            }
            let names: Vec<&str> = self
                .chat_templates
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let wanted = name.unwrap_or("default");
            Error::format(
                FORMAT,
                format!(
                    "no chat template is called {wanted}, there are {}",
                    names.join(", ")
                ),
            )
        })
    }

    /// What templates get to see of it: the special tokens, by name.
    pub fn variables(&self) -> Vec<(String, Value)> {
        let tokens = self.special_tokens.iter();
        let mut variables: Vec<(String, Value)> = tokens
            .map(|(name, token)| (name.clone(), Value::from(token.as_str())))
            .collect();
        if !self.additional_special_tokens.is_empty() {
            let tokens = Value::from(self.additional_special_tokens.clone());
            variables.push(("additional_special_tokens".to_owned(), tokens));
        }
        variables
    }
}

/// A token that is a text, or an object whose `content` is one.
fn spelling(name: &str, token: Option<&Json>) -> Result<Option<String>, Error> {
    match token {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(token)) => Ok(Some(token.clone())),
        Some(Json::Object(object)) => match object.get("content") {
            Some(Json::String(token)) => Ok(Some(token.clone())),
            _ => Err(Error::format(FORMAT, format!("{name} has no content"))),
        },
        Some(_) => Err(Error::format(
            FORMAT,
            format!("{name} is no text and no object"),
        )),
    }
}

fn named_template(entry: &Json) -> Result<(String, String), Error> {
    let text = |key: &str| entry.get(key).and_then(Json::as_str).map(str::to_owned);
    text("name").zip(text("template")).ok_or_else(|| {
        Error::format(
            FORMAT,
            "an entry of chat_template lacks its name or template",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_reads_tokens_as_texts_and_as_objects() {
        let config = TokenizerConfig::from_json(
            br#"{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null,
                 "additional_special_tokens": ["<a>", {"content": "<b>"}], "chat_template": "x"}"#,
        )
        .unwrap();

        let expected = [("bos_token", "<s>"), ("eos_token", "</s>")];
        assert_eq!(
            config.special_tokens,
            expected.map(|(name, token)| (name.to_owned(), token.to_owned()))
        );
        assert_eq!(config.additional_special_tokens, ["<a>", "<b>"]);
        assert_eq!(config.chat_template(None, true).unwrap(), "x");
    }

    #[test]
    fn config_takes_the_template_for_tools_where_there_are_tools() {
        let config = TokenizerConfig::from_json(
            br#"{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]}"#,
        )
        .unwrap();

        assert_eq!(config.chat_template(None, false).unwrap(), "d");
        assert_eq!(config.chat_template(None, true).unwrap(), "t");
        assert_eq!(config.chat_template(Some("default"), true).unwrap(), "d");
        assert!(config.chat_template(Some("rag"), false).is_err());
        assert_eq!(
            config
                .with_template("default", "j".to_owned())
                .chat_template(None, false)
                .unwrap(),
            "j"
        );
    }

    #[test]
    fn config_reads_tokens_that_only_one_model_has() {
        let config = TokenizerConfig::from_json(
            br#"{"extra_special_tokens": {"image_token": "<image>", "end": {"content": "<end>"}}}"#,
        )
        .unwrap();

        assert_eq!(config.special_token("image_token"), Some("<image>"));
        assert_eq!(config.special_token("end"), Some("<end>"));
        assert_eq!(config.special_token("bos_token"), None);
    }

    #[test]
    fn config_is_the_same_when_it_was_written() {
        let config = TokenizerConfig::from_json(
            br#"{"bos_token": "<s>", "extra_special_tokens": {"image_token": "<i>"}, "additional_special_tokens": ["<a>"],
                 "chat_template": [{"name": "default", "template": "d\n{{ x }}"}, {"name": "tool_use", "template": "t"}]}"#,
        )
        .unwrap();

        assert_eq!(TokenizerConfig::from_json(&config.to_json()), Ok(config));
        assert!(
            TokenizerConfig::from_json(&TokenizerConfig::default().to_json())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn config_says_what_is_wrong() {
        for bytes in [
            &b"[]"[..],
            b"{",
            br#"{"chat_template": 1}"#,
            br#"{"bos_token": 1}"#,
            br#"{"bos_token": {}}"#,
            br#"{"chat_template": [{"name": "x"}]}"#,
        ] {
            assert!(matches!(
                TokenizerConfig::from_json(bytes),
                Err(Error::Format { .. })
            ));
        }
        let none = TokenizerConfig::from_json(b"{}").unwrap();
        assert!(matches!(
            none.chat_template(None, false),
            Err(Error::Incomplete { .. })
        ));
    }
}

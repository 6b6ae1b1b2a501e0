//! How many tokens a conversation costs, where only the kind of model is known.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::conversation;
use crate::{Error, Specials, Tokenizer};

/// What a family of models adds around the texts of a conversation, in tokens.
///
/// For budgets: whoever has the model's chat template counts the rendered conversation instead, which is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageTokens {
    /// What the family is called here.
    pub family: &'static str,
    /// Around each message; its role, name and texts are counted with the tokenizer.
    pub per_message: usize,
    /// For a message with a `name`, on top.
    pub per_name: usize,
    /// Once: what begins a conversation, and what asks for the answer.
    pub per_conversation: usize,
    /// Where the numbers are from.
    pub source: &'static str,
    /// Why the count can be off; nothing if it is exact for messages of text.
    pub estimate: Option<&'static str>,
}

const MARKERS: &str = "counted from the markers of the family's chat template";

/// The families, by name. A marker that is a special token counts as one.
const FAMILIES: [MessageTokens; 9] = [
    // <|start|>role … <|message|> and <|end|> around a message, the role as a token, three that begin the answer.
    MessageTokens {
        family: "openai",
        per_message: 3,
        per_name: 1,
        per_conversation: 3,
        source: "OpenAI cookbook, How to count tokens with tiktoken: gpt-3.5-turbo-0613 and later, gpt-4, gpt-4o",
        estimate: None,
    },
    // <|start_header_id|>, <|end_header_id|>, "\n\n" and <|eot_id|>; <|begin_of_text|> once, and four for the answer's header.
    MessageTokens {
        family: "llama3",
        per_message: 4,
        per_name: 0,
        per_conversation: 5,
        source: MARKERS,
        estimate: Some("the template can add a system message with dates and tools"),
    },
    // <|im_start|>, "\n", <|im_end|>, "\n"; then <|im_start|>, "assistant", "\n".
    MessageTokens {
        family: "chatml",
        per_message: 4,
        per_name: 0,
        per_conversation: 3,
        source: MARKERS,
        estimate: Some("the template can add a system message and leave out earlier reasoning"),
    },
    // <start_of_turn>, "\n", <end_of_turn>, "\n"; <bos>, then <start_of_turn>, "model", "\n".
    MessageTokens {
        family: "gemma",
        per_message: 4,
        per_name: 0,
        per_conversation: 4,
        source: MARKERS,
        estimate: Some("a system message becomes part of the first of the user"),
    },
    // The role is one marker, which counting the role's name stands for; an answer ends with another.
    MessageTokens {
        family: "deepseek",
        per_message: 1,
        per_name: 0,
        per_conversation: 2,
        source: MARKERS,
        estimate: Some("only answers have an end marker"),
    },
    // [INST] and [/INST] around what the user says, which stand for the role; </s> behind answers; <s> once.
    MessageTokens {
        family: "mistral",
        per_message: 1,
        per_name: 0,
        per_conversation: 1,
        source: MARKERS,
        estimate: Some(
            "versions of the tokenizer place white space and system messages differently",
        ),
    },
    MessageTokens {
        family: "anthropic",
        per_message: 4,
        per_name: 0,
        per_conversation: 3,
        source: "no published rule; the numbers of chatml",
        estimate: Some(
            "neither the tokenizer nor the template is public: the provider's counting endpoint is exact",
        ),
    },
    MessageTokens {
        family: "gemini",
        per_message: 4,
        per_name: 0,
        per_conversation: 4,
        source: "no published rule; the numbers of gemma",
        estimate: Some("the template is not public: the provider's counting endpoint is exact"),
    },
    MessageTokens {
        family: "unknown",
        per_message: 4,
        per_name: 1,
        per_conversation: 5,
        source: "the largest numbers of the other families",
        estimate: Some("nothing is known about the model's template"),
    },
];

impl MessageTokens {
    /// Every family that is known.
    pub const fn families() -> &'static [Self] {
        &FAMILIES
    }

    /// The numbers of a family, if it is known.
    pub fn of(family: &str) -> Option<Self> {
        FAMILIES
            .into_iter()
            .find(|numbers| numbers.family == family)
    }

    /// Tokens of a conversation: the texts, and what the family adds.
    ///
    /// Texts are the values that are strings, and the `text` of the parts of a `content` that is a list. Nothing else
    /// (pictures, tool calls) is counted: [`Self::counts_all`] says whether there is any.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: `messages` is no list of dictionaries. Those of [`Tokenizer::count`].
    pub fn count(&self, tokenizer: &Tokenizer, messages: &Value) -> Result<usize, Error> {
        let mut tokens = self.per_conversation;
        for message in conversation::plain(messages)? {
            tokens += self.per_message;
            for (key, value) in message {
                if key.as_str() == Some("name") {
                    tokens += self.per_name;
                }
                for text in texts(&value) {
                    // Markers that are spelled out in a message are text, to the providers as to us.
                    tokens += tokenizer.count(&text, Specials::AsText)?;
                }
            }
        }
        Ok(tokens)
    }

    /// Whether [`Self::count`] sees everything the messages have.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: `messages` is no list of dictionaries.
    pub fn counts_all(messages: &Value) -> Result<bool, Error> {
        let messages = conversation::plain(messages)?;
        Ok(messages
            .iter()
            .flatten()
            .all(|(_, value)| match value.kind() {
                ValueKind::Seq => value.try_iter().is_ok_and(|mut parts| {
                    parts.all(|part| {
                        part.get_attr("type")
                            .is_ok_and(|kind| kind.as_str() == Some("text"))
                    })
                }),
                kind => kind == ValueKind::String,
            }))
    }
}

/// The texts of a message's value.
fn texts(value: &Value) -> Vec<String> {
    if let Some(text) = value.as_str() {
        return vec![text.to_owned()];
    }
    if value.kind() != ValueKind::Seq {
        return Vec::new();
    }
    let parts = value.try_iter().into_iter().flatten();
    let text = |part: Value| part.get_attr("text").ok()?.as_str().map(str::to_owned);
    parts.filter_map(text).collect()
}

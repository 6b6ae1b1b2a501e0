//! How many tokens a conversation costs, where only the kind of model is known.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::{MAX_OUTPUT_BYTES, conversation, python};
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
    /// For each tool, by the recipe of [`Self::count_tools`]; without it tools count as their JSON.
    pub per_tool: Option<usize>,
    /// Where the numbers are from.
    pub source: &'static str,
    /// Why the count can be off; nothing if it is exact for messages of text.
    pub estimate: Option<&'static str>,
}

/// Tokens of a conversation, and why they are not all, or not exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub tokens: usize,
    /// Reasons; none where the number is exact.
    pub estimates: Vec<&'static str>,
}

const MARKERS: &str = "counted from the markers of the family's chat template";
const COOKBOOK: &str = "OpenAI cookbook, How to count tokens with tiktoken";

/// The families, by name. A marker that is a special token counts as one.
const FAMILIES: [MessageTokens; 11] = [
    // <|start|>role … <|message|> and <|end|> around a message, the role as a token, three that begin the answer.
    MessageTokens {
        family: "gpt-4o",
        per_message: 3,
        per_name: 1,
        per_conversation: 3,
        per_tool: Some(7),
        source: COOKBOOK,
        estimate: None,
    },
    MessageTokens {
        family: "gpt-4",
        per_message: 3,
        per_name: 1,
        per_conversation: 3,
        per_tool: Some(10),
        source: COOKBOOK,
        estimate: None,
    },
    MessageTokens {
        family: "openai",
        per_message: 3,
        per_name: 1,
        per_conversation: 3,
        per_tool: Some(7),
        source: COOKBOOK,
        estimate: Some(
            "OpenAI has published the tokens around messages for models up to gpt-4o only",
        ),
    },
    // <|start_header_id|>, <|end_header_id|>, "\n\n" and <|eot_id|>; <|begin_of_text|> once, and four for the answer's header.
    MessageTokens {
        family: "llama3",
        per_message: 4,
        per_name: 0,
        per_conversation: 5,
        per_tool: None,
        source: MARKERS,
        estimate: Some("the template can add a system message with dates and tools"),
    },
    // <|im_start|>, "\n", <|im_end|>, "\n"; then <|im_start|>, "assistant", "\n".
    MessageTokens {
        family: "chatml",
        per_message: 4,
        per_name: 0,
        per_conversation: 3,
        per_tool: None,
        source: MARKERS,
        estimate: Some("the template can add a system message and leave out earlier reasoning"),
    },
    // <start_of_turn>, "\n", <end_of_turn>, "\n"; <bos>, then <start_of_turn>, "model", "\n".
    MessageTokens {
        family: "gemma",
        per_message: 4,
        per_name: 0,
        per_conversation: 4,
        per_tool: None,
        source: MARKERS,
        estimate: Some("a system message becomes part of the first of the user"),
    },
    // The role is one marker, which counting the role's name stands for; an answer ends with another.
    MessageTokens {
        family: "deepseek",
        per_message: 1,
        per_name: 0,
        per_conversation: 2,
        per_tool: None,
        source: MARKERS,
        estimate: Some("only answers have an end marker"),
    },
    // [INST] and [/INST] around what the user says, which stand for the role; </s> behind answers; <s> once.
    MessageTokens {
        family: "mistral",
        per_message: 1,
        per_name: 0,
        per_conversation: 1,
        per_tool: None,
        source: MARKERS,
        estimate: Some(
            "versions of the tokenizer place white space and system messages differently",
        ),
    },
    // The example of the provider's documentation has 14 tokens for two messages, which come to 18 with o200k_base here.
    MessageTokens {
        family: "anthropic",
        per_message: 3,
        per_name: 0,
        per_conversation: 3,
        per_tool: None,
        source: "no published rule; chosen so that the example of the provider's documentation is not counted too low",
        estimate: Some(
            "neither the tokenizer nor the template is public: the provider's counting endpoint is exact",
        ),
    },
    MessageTokens {
        family: "gemini",
        per_message: 4,
        per_name: 0,
        per_conversation: 4,
        per_tool: None,
        source: "no published rule; the numbers of gemma",
        estimate: Some("the template is not public: the provider's counting endpoint is exact"),
    },
    MessageTokens {
        family: "unknown",
        per_message: 4,
        per_name: 1,
        per_conversation: 5,
        per_tool: None,
        source: "the largest numbers of the other families",
        estimate: Some("nothing is known about the model's template"),
    },
];

const UNKNOWN: MessageTokens = FAMILIES[FAMILIES.len() - 1];

/// How names of models, of providers and of OpenAI's tokenizers begin. The first that fits wins.
const MODELS: [(&str, &str); 12] = [
    ("gpt-4o", "gpt-4o chatgpt-4o"),
    ("openai", "gpt-4.1 gpt-4.5"),
    ("gpt-4", "gpt-4 gpt-3.5 gpt-35 cl100k"),
    (
        "openai",
        "gpt- chatgpt o1 o3 o4 codex computer-use openai azure o200k",
    ),
    ("anthropic", "claude anthropic"),
    ("gemini", "gemini google vertex"),
    ("gemma", "gemma"),
    ("llama3", "llama-3 llama3 meta-llama-3 llama-4 llama4"),
    ("chatml", "qwen qwq qvq chatml"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral ministral magistral codestral devstral"),
    (
        "mistral",
        "mixtral open-mistral open-mixtral pixtral voxtral",
    ),
];

const OTHERS: &str = "what is no text (pictures, recordings) is not counted";
const CALLS: &str = "tool calls and their results are counted as the text they have";
const TOOLS: &str = "how tools are written into the prompt is not published: they are estimated";

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

    /// The numbers for a model or a provider, by its name: `gpt-4o-mini`, `openai:gpt-5`, `anthropic/claude-sonnet-4-5`,
    /// `meta.llama3-1-70b-instruct-v1:0`, `gemini`. Those of the family `unknown` where nothing is known.
    pub fn for_model(model: &str) -> Self {
        let model = model.to_lowercase();
        // The model behind its provider says more than the provider does.
        let begins = model.rmatch_indices(['/', ':', '.']).map(|(at, _)| at + 1);
        for begin in begins.chain([0]) {
            let name = &model[begin..];
            let fits = |prefixes: &str| {
                let mut prefixes = prefixes.split(' ');
                prefixes.any(|prefix| name.starts_with(prefix))
            };
            if let Some((family, _)) = MODELS.iter().find(|(_, prefixes)| fits(prefixes)) {
                return Self::of(family).unwrap_or(UNKNOWN);
            }
        }
        UNKNOWN
    }

    /// Tokens of a conversation: the texts, and what the family adds.
    ///
    /// Texts are the values that are strings, the `text` of the parts of a `content` that is a list, and names and
    /// arguments of tool calls. `tools` are JSON schemas, or none.
    ///
    /// # Errors
    ///
    /// [`Error::Messages`]: `messages` is no list of dictionaries. Those of [`Tokenizer::count`].
    pub fn count(
        &self,
        tokenizer: &Tokenizer,
        messages: &Value,
        tools: &Value,
    ) -> Result<Counted, Error> {
        let mut count = Count::new(tokenizer);
        let mut tokens = self.per_conversation;
        for message in conversation::plain(messages)? {
            tokens += self.per_message;
            for (key, value) in message {
                match key.as_str() {
                    Some("name") => tokens += self.per_name,
                    Some("role" | "content") => {}
                    _ => count.has_calls = true,
                }
                count.value(&value)?;
            }
        }
        let tools = self.count_tools(tokenizer, tools)?;
        let reasons = [
            (true, self.estimate),
            (count.has_calls, Some(CALLS)),
            (count.has_others, Some(OTHERS)),
            (tools > 0, Some(TOOLS)),
        ];
        let holding = reasons.into_iter().filter(|(holds, _)| *holds);
        Ok(Counted {
            tokens: tokens + count.tokens + tools,
            estimates: holding.filter_map(|(_, reason)| reason).collect(),
        })
    }

    /// Tokens of tools, always an estimate: by the recipe of OpenAI's cookbook for its models, which reads names, kinds,
    /// descriptions and enumerations; for others as JSON.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::count`]; [`Error::Messages`] if they have no JSON.
    pub fn count_tools(&self, tokenizer: &Tokenizer, tools: &Value) -> Result<usize, Error> {
        let mut count = Count::new(tokenizer);
        for tool in items(tools) {
            let Some(per_tool) = self.per_tool else {
                count.json(&tool)?;
                continue;
            };
            let function = attribute(&tool, "function");
            let function = if function.is_undefined() {
                tool
            } else {
                function
            };
            count.tokens += per_tool + TOOL_END;
            count.line(&[&attribute(&function, "name")], &function)?;
            count.properties(&attribute(&function, "parameters"), PROPERTIES_DEEP)?;
        }
        Ok(count.tokens)
    }
}

/// What the cookbook adds for the end of a tool.
const TOOL_END: usize = 12;

/// What it adds for parameters, for each of them, and for each value of an enumeration but one.
const PROPERTY: usize = 3;

/// How deep parameters inside of parameters are looked for.
const PROPERTIES_DEEP: usize = 16;

struct Count<'a> {
    tokenizer: &'a Tokenizer,
    tokens: usize,
    has_calls: bool,
    has_others: bool,
}

impl<'a> Count<'a> {
    fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            tokens: 0,
            has_calls: false,
            has_others: false,
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        // Markers that are spelled out in a message are text, to the providers as to us.
        self.tokens += self.tokenizer.count(text, Specials::AsText)?;
        Ok(())
    }

    fn json(&mut self, value: &Value) -> Result<(), Error> {
        let json = python::json(value, &python::JsonStyle::default(), MAX_OUTPUT_BYTES);
        self.text(&json.map_err(|error| unusable(&error))?)
    }

    /// A value of a message.
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            return self.text(text);
        }
        for part in items(value) {
            let function = attribute(&part, "function");
            if let Some(text) = attribute(&part, "text").as_str() {
                self.text(text)?;
            } else if function.is_undefined() {
                self.has_others = true;
            } else {
                self.call(&function)?;
            }
        }
        self.has_others |= value.kind() != ValueKind::Seq;
        Ok(())
    }

    fn call(&mut self, function: &Value) -> Result<(), Error> {
        self.has_calls = true;
        if let Some(name) = attribute(function, "name").as_str() {
            self.text(name)?;
        }
        let arguments = attribute(function, "arguments");
        match arguments.as_str() {
            Some(arguments) => self.text(arguments),
            None if arguments.is_undefined() => Ok(()),
            None => self.json(&arguments),
        }
    }

    /// Texts and the description of `described` in a line, as the cookbook has it.
    fn line(&mut self, texts: &[&Value], described: &Value) -> Result<(), Error> {
        let description = attribute(described, "description");
        let description = description.as_str().unwrap_or_default();
        let mut line = String::new();
        for text in texts {
            line.push_str(text.as_str().unwrap_or_default());
            line.push(':');
        }
        line.push_str(description.strip_suffix('.').unwrap_or(description));
        self.text(&line)
    }

    fn properties(&mut self, schema: &Value, deep: usize) -> Result<(), Error> {
        let properties = attribute(schema, "properties");
        if properties.kind() != ValueKind::Map || properties.len() == Some(0) || deep == 0 {
            return Ok(());
        }
        self.tokens += PROPERTY;
        for name in properties.try_iter().into_iter().flatten() {
            let property = properties.get_item(&name).unwrap_or_default();
            self.tokens += PROPERTY;
            self.line(&[&name, &attribute(&property, "type")], &property)?;
            let options = items(&attribute(&property, "enum"));
            self.tokens += PROPERTY * options.len().saturating_sub(1);
            for option in options {
                let option = python::text(&option, MAX_OUTPUT_BYTES);
                self.text(&option.map_err(|error| unusable(&error))?)?;
            }
            // The cookbook says nothing of what is deeper: the same again.
            self.properties(&property, deep - 1)?;
            self.properties(&attribute(&property, "items"), deep - 1)?;
        }
        Ok(())
    }
}

fn unusable(error: &minijinja::Error) -> Error {
    Error::Messages {
        problem: error.to_string(),
    }
}

fn attribute(value: &Value, name: &str) -> Value {
    value.get_attr(name).unwrap_or_default()
}

fn items(value: &Value) -> Vec<Value> {
    if value.kind() != ValueKind::Seq {
        return Vec::new();
    }
    value.try_iter().into_iter().flatten().collect()
}

//! The one shape every provider's stream is brought into.

use crate::{Reason, Usage};

/// What a [`Delta`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The response began: `id` and, as `name`, the model.
    Start,
    /// `text` continues the answer.
    Text,
    /// `text` continues the reasoning.
    Reasoning,
    /// `text` is the whole signature of the block; a later one replaces it.
    ReasoningSignature,
    /// `text` is reasoning only the provider can read.
    ReasoningRedacted,
    /// A tool call began: `id` and `name`.
    ToolStart,
    /// `text` continues the JSON text of a call's arguments.
    ToolArgs,
    /// A call's arguments are complete; where none came they are `{}`.
    ToolEnd,
    /// `text` continues a refusal.
    Refusal,
    /// `text` is the raw JSON of a citation, an annotation or grounding metadata.
    Citation,
    /// `usage` holds the tokens so far; the last one is authoritative.
    Usage,
    /// A choice ended: `reason` and, as the provider said it, `raw_reason`.
    Finish,
    /// The stream reports a failure: `name`, `text` and perhaps `status`.
    Error,
    /// The answer goes on from another attempt, after what came so far: `name` is the model that continues it.
    Seam,
    /// The answer begins anew with the model `name`: what came so far is void.
    Restart,
    /// A larger model, `name`, takes over: `text` is `replace` (what came so far is void) or `continue`.
    Upgrade,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Start,
        Self::Text,
        Self::Reasoning,
        Self::ReasoningSignature,
        Self::ReasoningRedacted,
        Self::ToolStart,
        Self::ToolArgs,
        Self::ToolEnd,
        Self::Refusal,
        Self::Citation,
        Self::Usage,
        Self::Finish,
        Self::Error,
        Self::Seam,
        Self::Restart,
        Self::Upgrade,
    ];

    /// The name Python sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::ReasoningSignature => "reasoning_signature",
            Self::ReasoningRedacted => "reasoning_redacted",
            Self::ToolStart => "tool_start",
            Self::ToolArgs => "tool_args",
            Self::ToolEnd => "tool_end",
            Self::Refusal => "refusal",
            Self::Citation => "citation",
            Self::Usage => "usage",
            Self::Finish => "finish",
            Self::Error => "error",
            Self::Seam => "seam",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One piece of a stream, borrowed for the length of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta<'a> {
    /// What it says, and so which of the fields below are set.
    pub kind: Kind,
    /// Which choice (or candidate) it belongs to.
    pub index: u32,
    /// Which block of that choice: a content block, or the ordinal of a tool call in the OpenAI shape.
    pub block: u32,
    /// Text, by kind.
    pub text: Option<&'a str>,
    /// A response's or a tool call's id.
    pub id: Option<&'a str>,
    /// A model's, a tool's or an error's name.
    pub name: Option<&'a str>,
    /// Why the choice ended.
    pub reason: Option<Reason>,
    /// The same in the provider's word.
    pub raw_reason: Option<&'a str>,
    /// Tokens so far.
    // Borrowed because a delta is moved from hand to hand, and most have none.
    pub usage: Option<&'a Usage>,
    /// The HTTP status that says the same as the error.
    pub status: Option<u16>,
}

impl<'a> Delta<'a> {
    /// A delta of `kind` with nothing else set.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            index: 0,
            block: 0,
            text: None,
            id: None,
            name: None,
            reason: None,
            raw_reason: None,
            usage: None,
            status: None,
        }
    }

    /// A delta of `kind` in one block of one choice.
    pub const fn at(kind: Kind, index: u32, block: u32) -> Self {
        Self {
            index,
            block,
            ..Self::new(kind)
        }
    }

    /// The same delta with `text`.
    #[must_use]
    pub const fn with_text(self, text: &'a str) -> Self {
        Self {
            text: Some(text),
            ..self
        }
    }
}

/// Takes the deltas of a stream in order.
pub type Sink<'s> = dyn FnMut(Delta<'_>) + 's;

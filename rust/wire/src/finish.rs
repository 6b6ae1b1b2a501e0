//! Why a model stopped, in one vocabulary.

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The model was done, or wrote a stop sequence.
    Stop,
    /// A token limit or the context window was reached.
    Length,
    /// The model wants tools run.
    ToolCalls,
    /// The provider or the model refused.
    ContentFilter,
    /// The provider paused; the caller is to send the conversation again.
    Pause,
    /// The provider gave up on this choice.
    Error,
    /// The provider said something this table does not know.
    Unknown,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Stop,
        Self::Length,
        Self::ToolCalls,
        Self::ContentFilter,
        Self::Pause,
        Self::Error,
        Self::Unknown,
    ];

    /// The name Python sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// From a `finish_reason` of the OpenAI chat shape and its many speakers.
    pub(crate) fn from_openai_chat(raw: &str) -> Self {
        match raw {
            "stop" => Self::Stop,
            "length" | "model_length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "error" | "insufficient_system_resource" => Self::Error,
            _ => Self::Unknown,
        }
    }

    /// From a `stop_reason` of Anthropic.
    pub(crate) fn from_anthropic(raw: &str) -> Self {
        match raw {
            "end_turn" | "stop_sequence" => Self::Stop,
            "max_tokens" | "model_context_window_exceeded" => Self::Length,
            "tool_use" => Self::ToolCalls,
            "refusal" => Self::ContentFilter,
            "pause_turn" => Self::Pause,
            _ => Self::Unknown,
        }
    }

    /// From a `done_reason` of Ollama, which says `stop` also where the model wants tools run.
    pub(crate) fn from_ollama(raw: &str, called_tools: bool) -> Self {
        match raw {
            "stop" if called_tools => Self::ToolCalls,
            "stop" => Self::Stop,
            "length" => Self::Length,
            _ => Self::Unknown,
        }
    }

    /// From a `finish_reason` in the details of Text Generation Inference.
    pub(crate) fn from_tgi(raw: &str) -> Self {
        match raw {
            "eos_token" | "stop_sequence" => Self::Stop,
            "length" => Self::Length,
            _ => Self::Unknown,
        }
    }

    /// From the status of an OpenAI response, or from the reason why it is incomplete.
    pub(crate) fn from_openai_responses(raw: &str, called_tools: bool) -> Self {
        match raw {
            "completed" if called_tools => Self::ToolCalls,
            "completed" => Self::Stop,
            "max_output_tokens" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "max_messages" | "steered" => Self::Pause,
            _ => Self::Unknown,
        }
    }

    /// From a `finishReason` of Gemini, which says `STOP` also where it wants tools run.
    pub(crate) fn from_gemini(raw: &str, called_tools: bool) -> Self {
        match raw {
            "STOP" if called_tools => Self::ToolCalls,
            "STOP" => Self::Stop,
            "MAX_TOKENS" => Self::Length,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE"
            | "MODEL_ARMOR" => Self::ContentFilter,
            "CONTINUATION" => Self::Pause,
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
            | "MALFORMED_RESPONSE"
            | "OTHER" => Self::Error,
            _ if raw.starts_with("IMAGE_") => Self::ContentFilter,
            _ => Self::Unknown,
        }
    }

    /// From a `stopReason` of Bedrock, which passes on some of Anthropic's own.
    pub(crate) fn from_bedrock(raw: &str) -> Self {
        match raw {
            "guardrail_intervened" | "content_filtered" => Self::ContentFilter,
            "malformed_model_output" | "malformed_tool_use" => Self::Error,
            _ => Self::from_anthropic(raw),
        }
    }

    /// From a `finish_reason` of Cohere.
    pub(crate) fn from_cohere(raw: &str) -> Self {
        match raw {
            "COMPLETE" | "STOP_SEQUENCE" => Self::Stop,
            "MAX_TOKENS" => Self::Length,
            "TOOL_CALL" => Self::ToolCalls,
            "ERROR" | "TIMEOUT" => Self::Error,
            // Of version 1.
            "ERROR_TOXIC" => Self::ContentFilter,
            _ => Self::Unknown,
        }
    }
}

//! One grammar per wire format: the events of a stream in, deltas out, and what must be remembered in between.

use crate::framing::Framing;
use crate::output::Output;
use crate::{Error, Options, Provider};

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;
mod tgi;

/// The grammar of one stream.
#[derive(Debug)]
pub(crate) enum Grammar {
    OpenAiChat(openai_chat::Grammar),
    Anthropic(anthropic::Grammar),
    Gemini(gemini::Grammar),
    Ollama(ollama::Grammar),
    Tgi(tgi::Grammar),
    OpenAiResponses(openai_responses::Grammar),
    Bedrock(bedrock::Grammar),
    Cohere(cohere::Grammar),
}

impl Grammar {
    pub(crate) fn new(provider: Provider, options: Options) -> Self {
        match provider {
            Provider::OpenAiChat => {
                Self::OpenAiChat(openai_chat::Grammar::new(options.require_done))
            }
            Provider::Anthropic => Self::Anthropic(anthropic::Grammar::default()),
            Provider::Gemini => Self::Gemini(gemini::Grammar::default()),
            Provider::Ollama => Self::Ollama(ollama::Grammar::default()),
            Provider::Tgi => Self::Tgi(tgi::Grammar::new(options.require_done)),
            Provider::OpenAiResponses => {
                Self::OpenAiResponses(openai_responses::Grammar::default())
            }
            Provider::Bedrock => Self::Bedrock(bedrock::Grammar::new(options.require_done)),
            Provider::Cohere => Self::Cohere(cohere::Grammar::default()),
            Provider::DashScope => Self::OpenAiChat(openai_chat::Grammar::dashscope(false)),
            Provider::DashScopeCumulative => {
                Self::OpenAiChat(openai_chat::Grammar::dashscope(true))
            }
        }
    }

    /// How a body of this format is cut into events.
    pub(crate) fn framing(&self, max_event_bytes: usize) -> Framing {
        match self {
            Self::Bedrock(_) => Framing::aws_event_stream(max_event_bytes),
            Self::Ollama(_) => Framing::ndjson(max_event_bytes),
            _ => Framing::sse(max_event_bytes),
        }
    }

    /// Reads one event.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        match self {
            Self::OpenAiChat(grammar) => grammar.event(name, output),
            Self::Anthropic(grammar) => grammar.event(name, output),
            Self::Gemini(grammar) => grammar.event(output),
            Self::Ollama(grammar) => grammar.event(name, output),
            Self::Tgi(grammar) => grammar.event(name, output),
            Self::OpenAiResponses(grammar) => grammar.event(name, output),
            Self::Bedrock(grammar) => grammar.event(name, output),
            Self::Cohere(grammar) => grammar.event(name, output),
        }
    }

    /// Whether the terminal event has come.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::OpenAiChat(grammar) => grammar.is_over(),
            Self::Anthropic(grammar) => grammar.is_over(),
            Self::Gemini(_) => false,
            Self::Ollama(grammar) => grammar.is_over(),
            Self::Tgi(grammar) => grammar.is_over(),
            Self::OpenAiResponses(grammar) => grammar.is_over(),
            Self::Bedrock(grammar) => grammar.is_over(),
            Self::Cohere(grammar) => grammar.is_over(),
        }
    }

    /// Whether `data`, the unfinished last event of a body, is the terminal marker.
    pub(crate) fn is_done_marker(&self, data: &str) -> bool {
        matches!(self, Self::OpenAiChat(_) | Self::Tgi(_)) && openai_chat::is_done_marker(data)
    }

    /// Why the stream may not end here, its terminal event having come or not.
    pub(crate) fn incomplete(&self, over: bool) -> Option<&'static str> {
        match self {
            Self::OpenAiChat(grammar) => grammar.incomplete(over),
            Self::Anthropic(grammar) => grammar.incomplete(),
            Self::Gemini(grammar) => grammar.incomplete(),
            Self::Ollama(grammar) => grammar.incomplete(),
            Self::Tgi(grammar) => grammar.incomplete(over),
            Self::OpenAiResponses(grammar) => grammar.incomplete(),
            Self::Bedrock(grammar) => grammar.incomplete(),
            Self::Cohere(grammar) => grammar.incomplete(),
        }
    }
}

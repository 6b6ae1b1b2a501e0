//! Framing and grammar together.

use std::mem;

use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Error as FramingError, Event, Sink as EventSink};

use crate::delta::{Delta, Kind, Sink};
use crate::documents::Nesting;
use crate::fault::Fault;
use crate::framing::Framing;
use crate::grammar::Grammar;
use crate::json::MAX_SOURCE_BYTES;
use crate::output::{Memory, Output};
use crate::think::ThinkTags;
use crate::{Accumulator, Error};

/// Whose stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// OpenAI Chat Completions, and whoever speaks it.
    OpenAiChat,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini `streamGenerateContent?alt=sse`.
    Gemini,
    /// Ollama's own API: `/api/chat`, and `/api/generate`.
    Ollama,
    /// Text Generation Inference: `/generate_stream`, and its Chat Completions.
    Tgi,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Bedrock `converse-stream`.
    Bedrock,
    /// Cohere v2 chat.
    Cohere,
    /// `DashScope`'s own API with `incremental_output`.
    DashScope,
    /// `DashScope`'s own API without it: each event repeats the text so far.
    DashScopeCumulative,
}

impl Provider {
    /// Every provider grammar.
    pub const ALL: [Self; 10] = [
        Self::OpenAiChat,
        Self::Anthropic,
        Self::Gemini,
        Self::Ollama,
        Self::Tgi,
        Self::OpenAiResponses,
        Self::Bedrock,
        Self::Cohere,
        Self::DashScope,
        Self::DashScopeCumulative,
    ];

    /// The name Python sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Tgi => "tgi",
            Self::OpenAiResponses => "openai_responses",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
            Self::DashScope => "dashscope",
            Self::DashScopeCumulative => "dashscope_cumulative",
        }
    }

    /// The grammar of that name, which may also be that of a provider who speaks it.
    pub fn from_name(name: &str) -> Option<Self> {
        if SPEAKERS_OF_OPENAI_CHAT.contains(&name) {
            return Some(Self::OpenAiChat);
        }
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == name)
    }

    /// Every name that [`Provider::from_name`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL
            .into_iter()
            .map(Self::as_str)
            .chain(SPEAKERS_OF_OPENAI_CHAT)
    }
}

/// Providers that speak the OpenAI chat format, each with its differences: one grammar reads them all.
const SPEAKERS_OF_OPENAI_CHAT: [&str; 8] = [
    "openai",
    "mistral",
    "deepseek",
    "qwen",
    "groq",
    "openrouter",
    "vllm",
    "compatible",
];

/// What a caller may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most bytes one event may hold; two gigabytes is the most there is.
    pub max_event_bytes: usize,
    /// In the OpenAI shape: whether a stream without `[DONE]` is incomplete even if every choice finished. In
    /// Bedrock's, the same of the `metadata` event.
    pub require_done: bool,
    /// Whether what an answer has between `<think>` and `</think>` at its beginning is reasoning.
    pub think_tags: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_event_bytes: DEFAULT_MAX_EVENT_BYTES,
            require_done: true,
            think_tags: false,
        }
    }
}

/// Turns the body of one streamed response into deltas.
///
/// Any split of the body gives the same deltas. A stream that breaks is never passed off as complete:
/// [`StreamDecoder::finish`] says what is missing. The first choice of the answer is put together on the way:
/// [`StreamDecoder::accumulated`] has it.
#[derive(Debug)]
pub struct StreamDecoder {
    framing: Framing,
    state: State,
    accumulated: Accumulator,
    think_tags: Option<ThinkTags>,
}

#[derive(Debug)]
struct State {
    grammar: Grammar,
    memory: Memory,
    stray: StrayJson,
    max_event_bytes: usize,
    /// Why nothing more is decoded.
    dead: Option<&'static str>,
}

impl StreamDecoder {
    /// A decoder with the default [`Options`].
    pub fn new(provider: Provider) -> Self {
        Self::with_options(provider, Options::default())
    }

    /// A decoder with `options`.
    pub fn with_options(provider: Provider, options: Options) -> Self {
        let grammar = Grammar::new(provider, options);
        let max_event_bytes = options.max_event_bytes.min(MAX_SOURCE_BYTES);
        Self {
            framing: grammar.framing(max_event_bytes),
            state: State {
                grammar,
                memory: Memory::default(),
                stray: StrayJson::default(),
                max_event_bytes,
                dead: None,
            },
            accumulated: Accumulator::default(),
            think_tags: options.think_tags.then(ThinkTags::default),
        }
    }

    /// Takes the next bytes of the body and sends the deltas they complete.
    ///
    /// A broken or oversized event sends one delta of [`Kind::Error`], named `malformed_event` or
    /// `event_too_large`, and ends decoding. Bytes after the end of the stream are ignored.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut Sink<'_>) {
        if self.is_terminal() {
            return;
        }
        let accumulated = &mut self.accumulated;
        let sink: &mut Sink<'_> = &mut |delta: Delta<'_>| {
            accumulated.add(&delta);
            sink(delta);
        };
        let mut split;
        let sink: &mut Sink<'_> = if let Some(think_tags) = &mut self.think_tags {
            split = |delta: Delta<'_>| think_tags.pass(delta, sink);
            &mut split
        } else {
            sink
        };
        let framed = self.framing.feed(
            chunk,
            &mut Router {
                state: &mut self.state,
                sink,
            },
        );
        if let Err(error) = framed
            && !self.state.is_over()
        {
            let name = match error {
                FramingError::EventTooLarge { .. } | FramingError::HeadersTooLarge { .. } => {
                    "event_too_large"
                }
                _ => "malformed_event",
            };
            self.state.die(name, &error.to_string(), sink);
        }
    }

    /// The first choice of the answer so far.
    pub fn accumulated(&self) -> &Accumulator {
        &self.accumulated
    }

    /// Whether no further byte can say anything: the terminal event has come, or decoding has ended.
    pub fn is_terminal(&self) -> bool {
        self.state.is_over()
    }

    /// Why the stream is not complete at the end of its body; `None` where it is complete.
    pub fn finish(&self) -> Option<&'static str> {
        if let Some(reason) = self.state.dead {
            return Some(reason);
        }
        if self.state.memory.has_error {
            return Some("ended by an error event");
        }
        if self.state.grammar.is_over() {
            return self.state.grammar.incomplete(true);
        }
        // Some servers close right behind the marker, without the blank line that would dispatch it.
        let closing = self.framing.unfinished_data();
        if closing.is_some_and(|data| self.state.grammar.is_done_marker(&data)) {
            return self.state.grammar.incomplete(true);
        }
        if self.framing.is_inside_event() || !self.state.stray.is_empty() {
            return Some("ended inside an event");
        }
        self.state.grammar.incomplete(false)
    }
}

impl State {
    fn decode(&mut self, name: &str, data: &str, sink: &mut Sink<'_>) {
        // Some proxies keep a connection alive with empty events.
        if data.trim_ascii().is_empty() {
            return;
        }
        let mut output = Output {
            source: data,
            memory: &mut self.memory,
            sink,
        };
        let decoded = self.grammar.event(name, &mut output);
        if let Err(error) = decoded {
            self.reject(error, sink);
        }
    }

    /// Reads bare JSON between the events, which can only be an error.
    fn decode_stray(&mut self, data: &str, sink: &mut Sink<'_>) {
        if let Ok(Some(fault)) = Fault::find(data, false) {
            fault.send(&mut Output {
                source: data,
                memory: &mut self.memory,
                sink,
            });
        }
    }

    fn reject(&mut self, error: Error, sink: &mut Sink<'_>) {
        self.die("malformed_event", &error.to_string(), sink);
    }

    fn die(&mut self, name: &'static str, message: &str, sink: &mut Sink<'_>) {
        self.dead = Some(match name {
            "event_too_large" => "stopped at an event that is too large",
            _ => "stopped at a malformed event",
        });
        sink(Delta {
            name: Some(name),
            ..Delta::new(Kind::Error).with_text(message)
        });
    }

    fn is_over(&self) -> bool {
        self.dead.is_some() || self.grammar.is_over()
    }
}

struct Router<'a, 's> {
    state: &'a mut State,
    sink: &'a mut Sink<'s>,
}

impl EventSink for Router<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        if !self.state.is_over() {
            self.state.decode(event.event, event.data, self.sink);
        }
    }

    fn unknown_line(&mut self, line: &str) {
        if self.state.is_over() {
            return;
        }
        let limit = self.state.max_event_bytes;
        match self.state.stray.push(line, limit) {
            Stray::Pending => {}
            Stray::Complete(text) => self.state.decode_stray(&text, self.sink),
            Stray::TooLarge => {
                let error = FramingError::EventTooLarge { limit };
                self.state
                    .die("event_too_large", &error.to_string(), self.sink);
            }
        }
    }
}

/// JSON sent as bare lines between the events; Gemini reports an error that way.
#[derive(Debug, Default)]
struct StrayJson {
    text: String,
    nesting: Nesting,
}

enum Stray {
    Pending,
    Complete(String),
    TooLarge,
}

impl StrayJson {
    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn push(&mut self, line: &str, limit: usize) -> Stray {
        if self.is_empty() && !line.trim_ascii_start().starts_with(['{', '[']) {
            return Stray::Pending;
        }
        if self.text.len() + line.len() > limit {
            return Stray::TooLarge;
        }
        self.text.push_str(line);
        self.text.push('\n');
        for byte in line.bytes() {
            self.nesting.step(byte);
        }
        if self.nesting.is_open() {
            return Stray::Pending;
        }
        Stray::Complete(mem::take(self).text)
    }
}

//! Reading an event: where in it everything of use stands.

use std::mem;
use std::ops::Range;

use super::{Dialect, Grammar};
use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::usage::{ServiceTier, overwrite, picodollars};
use crate::{Error, Kind};

/// One entry of `choices` in the event being read.
#[derive(Debug, Default)]
pub(super) struct Pick {
    pub(super) index: u32,
    pub(super) finish: Option<Span>,
    pub(super) reasoning: Option<Span>,
    pub(super) pieces: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Piece {
    /// Running text.
    Text(Kind, Span),
    /// Reasoning that repeats what `Pick::reasoning` says, where that is there.
    Detail(Span),
    /// A string complete in itself.
    Whole(Kind, Span),
    /// JSON passed on as it is.
    Raw(Kind, Span),
    /// A fragment of a tool call.
    Tool(Fragment),
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Fragment {
    pub(super) position: Option<i64>,
    pub(super) id: Option<Span>,
    pub(super) name: Option<Span>,
    /// Arguments that are a piece of text.
    pub(super) text: Option<Span>,
    /// Arguments that are a whole object.
    pub(super) object: Option<Span>,
}

/// Members of the event outside `choices`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Envelope {
    pub(super) id: Option<Span>,
    pub(super) model: Option<Span>,
    pub(super) object: Option<Span>,
    pub(super) fault: Option<Fault>,
    /// `DashScope` says `code` where it failed.
    pub(super) has_code: bool,
}

/// What comes before the value of `choices`, when it is only what describes the response: most servers repeat it in
/// every event, byte for byte, and then it need not be read again.
// Decoding an OpenAI event took 1.5 times as long without it (benches/rust/benches/wire.rs, 2026-11-26).
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) text: String,
    pub(super) envelope: Envelope,
}

/// Longest head that is kept.
const MAX_HEAD_BYTES: usize = 1024;

impl Grammar {
    pub(super) fn read(&mut self, source: &str) -> Result<Envelope, Error> {
        self.picks.clear();
        self.pieces.clear();
        let (mut walker, mut envelope) = (Walker::new(source), Envelope::default());
        if !self.head.text.is_empty() && source.starts_with(&self.head.text) {
            walker = Walker::inside_object(source, self.head.text.len());
            envelope = self.head.envelope;
            self.read_choices(&mut walker)?;
            self.read_members(&mut walker, &mut envelope, false)?;
        } else if walker.enter_object()? {
            self.read_members(&mut walker, &mut envelope, true)?;
        }
        walker.finish()?;
        Ok(envelope)
    }

    /// Reads the members that are left; what came before `choices` is kept while `is_head`.
    fn read_members(
        &mut self,
        walker: &mut Walker<'_>,
        envelope: &mut Envelope,
        mut is_head: bool,
    ) -> Result<(), Error> {
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "id" => envelope.id = walker.text()?,
                "model" => envelope.model = walker.text()?,
                "object" => envelope.object = walker.text()?,
                "choices" => {
                    if mem::take(&mut is_head) {
                        self.head.keep(walker, *envelope);
                    }
                    self.read_choices(walker)?;
                }
                "service_tier" => {
                    if let Some(name) = walker.text()? {
                        self.service_tier = ServiceTier::named(walker.name(name));
                    }
                }
                "usage" if walker.peek()? == Type::Object => {
                    is_head = false;
                    self.read_usage(walker)?;
                }
                "error" => {
                    is_head = false;
                    envelope.fault = Fault::read(walker)?;
                }
                "x_groq" => {
                    is_head = false;
                    self.read_groq(walker, envelope)?;
                }
                "output" | "request_id" | "code" if self.dialect != Dialect::Chat => {
                    is_head = false;
                    self.read_dashscope(key, walker, envelope)?;
                }
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    /// Reads what `DashScope`'s own events have around their choices, or, in an old form, around a single text.
    fn read_dashscope(
        &mut self,
        key: Span,
        walker: &mut Walker<'_>,
        envelope: &mut Envelope,
    ) -> Result<(), Error> {
        match walker.name(key) {
            "request_id" => envelope.id = walker.text()?,
            "code" => envelope.has_code = walker.text()?.is_some(),
            _ if walker.enter_object()? => {
                let (mut text, mut finish) = (None, None);
                while let Some(key) = walker.key()? {
                    match walker.name(key) {
                        "choices" => self.read_choices(walker)?,
                        "text" => text = walker.text()?,
                        "finish_reason" => finish = walker.text()?,
                        _ => walker.skip()?,
                    }
                }
                if self.picks.is_empty() && text.or(finish).is_some() {
                    let start = self.pieces.len();
                    self.push_text(Kind::Text, text);
                    self.picks.push(Pick {
                        finish,
                        pieces: start..self.pieces.len(),
                        ..Pick::default()
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_groq(&mut self, walker: &mut Walker<'_>, into: &mut Envelope) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "usage" => self.read_usage(walker)?,
                    "error" => into.fault = Fault::read(walker)?.or(into.fault),
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn read_choices(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_array()? {
            return Ok(());
        }
        while walker.item()? {
            let mut pick = Pick {
                index: self.picks.len() as u32,
                ..Pick::default()
            };
            let start = self.pieces.len();
            if walker.enter_object()? {
                while let Some(key) = walker.key()? {
                    match walker.name(key) {
                        "index" => pick.index = small(walker.integer()?).unwrap_or(pick.index),
                        "delta" => self.read_delta(walker, &mut pick)?,
                        "message" if self.dialect != Dialect::Chat => {
                            self.read_delta(walker, &mut pick)?;
                        }
                        "finish_reason" => pick.finish = walker.text()?,
                        _ => walker.skip()?,
                    }
                }
                pick.pieces = start..self.pieces.len();
                self.picks.push(pick);
            }
        }
        Ok(())
    }

    fn read_delta(&mut self, walker: &mut Walker<'_>, pick: &mut Pick) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "content" if walker.peek()? == Type::Array => self.read_parts(walker)?,
                "content" => self.push_text(Kind::Text, walker.text()?),
                // Servers in transition send the same text under two names: one is enough.
                "reasoning_content" | "reasoning" | "thinking" => {
                    let reasoning = walker.text()?;
                    pick.reasoning = pick.reasoning.or(reasoning);
                }
                "reasoning_details" => self.read_details(walker)?,
                "refusal" => self.push_text(Kind::Refusal, walker.text()?),
                "tool_calls" => self.read_tools(walker)?,
                "function_call" => self.read_function_call(walker)?,
                "annotations" => self.read_annotations(walker)?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn push_text(&mut self, kind: Kind, span: Option<Span>) {
        self.pieces.extend(span.map(|span| Piece::Text(kind, span)));
    }

    /// Reads `content` as a list of typed parts, which is how Mistral sends reasoning and references.
    fn read_parts(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        walker.enter_array()?;
        while walker.item()? {
            if walker.peek()? == Type::String {
                let span = walker.text()?;
                self.push_text(Kind::Text, span);
                continue;
            }
            let part = walker.raw()?;
            self.read_part(Walker::again(walker.source(), part), part)?;
        }
        Ok(())
    }

    fn read_part(&mut self, mut walker: Walker<'_>, part: Span) -> Result<(), Error> {
        let mut signature = None;
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "text" => self.push_text(Kind::Text, walker.text()?),
                "refusal" => self.push_text(Kind::Refusal, walker.text()?),
                "thinking" if walker.peek()? == Type::Array => self.read_thinking(&mut walker)?,
                "thinking" => self.push_text(Kind::Reasoning, walker.text()?),
                "signature" => signature = walker.text()?,
                "reference_ids" => {
                    walker.skip()?;
                    self.pieces.push(Piece::Raw(Kind::Citation, part));
                }
                _ => walker.skip()?,
            }
        }
        self.pieces
            .extend(signature.map(|span| Piece::Whole(Kind::ReasoningSignature, span)));
        Ok(())
    }

    fn read_thinking(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        walker.enter_array()?;
        while walker.item()? {
            if !walker.enter_object()? {
                continue;
            }
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "text" => self.push_text(Kind::Reasoning, walker.text()?),
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    /// Reads `reasoning_details` of OpenRouter.
    fn read_details(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_array()? {
            return Ok(());
        }
        while walker.item()? {
            if !walker.enter_object()? {
                continue;
            }
            while let Some(key) = walker.key()? {
                let piece = match walker.name(key) {
                    "text" | "summary" => walker.text()?.map(Piece::Detail),
                    "signature" => walker
                        .text()?
                        .map(|span| Piece::Whole(Kind::ReasoningSignature, span)),
                    "data" => walker
                        .text()?
                        .map(|span| Piece::Whole(Kind::ReasoningRedacted, span)),
                    _ => {
                        walker.skip()?;
                        None
                    }
                };
                self.pieces.extend(piece);
            }
        }
        Ok(())
    }

    fn read_annotations(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_array()? {
            while walker.item()? {
                let annotation = walker.raw()?;
                self.pieces.push(Piece::Raw(Kind::Citation, annotation));
            }
        }
        Ok(())
    }

    fn read_tools(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.peek()? == Type::Object {
            return self.read_tool(walker);
        }
        if walker.enter_array()? {
            while walker.item()? {
                self.read_tool(walker)?;
            }
        }
        Ok(())
    }

    fn read_tool(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        let mut fragment = Fragment::default();
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "index" => fragment.position = walker.integer()?,
                "id" => fragment.id = walker.text()?,
                "function" | "custom" => fragment.read_function(walker)?,
                _ => walker.skip()?,
            }
        }
        self.pieces.push(Piece::Tool(fragment));
        Ok(())
    }

    /// Reads the single call of the API before `tool_calls`.
    fn read_function_call(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.peek()? == Type::Object {
            let mut fragment = Fragment {
                position: Some(0),
                ..Fragment::default()
            };
            fragment.read_function(walker)?;
            self.pieces.push(Piece::Tool(fragment));
            return Ok(());
        }
        walker.skip()
    }

    fn read_usage(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        let usage = &mut self.usage;
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "prompt_tokens" | "input_tokens" => {
                    overwrite(&mut usage.input_tokens, walker.count()?);
                }
                "completion_tokens" | "output_tokens" => {
                    overwrite(&mut usage.output_tokens, walker.count()?);
                }
                "prompt_cache_hit_tokens" => {
                    overwrite(&mut usage.cache_read_tokens, walker.count()?);
                }
                "cost" => overwrite(
                    &mut usage.cost_picodollars,
                    walker.number()?.and_then(picodollars),
                ),
                "prompt_tokens_details" | "input_tokens_details" => {
                    read_details(walker, |key, count| match key {
                        "cached_tokens" => overwrite(&mut usage.cache_read_tokens, count),
                        "cache_write_tokens" => overwrite(&mut usage.cache_write_tokens, count),
                        "audio_tokens" => overwrite(&mut usage.input_audio_tokens, count),
                        _ => {}
                    })?;
                }
                "completion_tokens_details" | "output_tokens_details" => {
                    read_details(walker, |key, count| match key {
                        "reasoning_tokens" => overwrite(&mut usage.reasoning_tokens, count),
                        "audio_tokens" => overwrite(&mut usage.output_audio_tokens, count),
                        _ => {}
                    })?;
                }
                _ => walker.skip()?,
            }
        }
        usage.service_tier = self.service_tier;
        Ok(())
    }
}

impl Head {
    /// Keeps what `walker` has passed, `envelope` being what it says.
    fn keep(&mut self, walker: &Walker<'_>, envelope: Envelope) {
        self.text.clear();
        let text = walker.passed();
        if text.len() <= MAX_HEAD_BYTES {
            self.text.push_str(text);
            self.envelope = envelope;
        }
    }
}

impl Fragment {
    fn read_function(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "name" => self.name = walker.text()?,
                "arguments" | "input" if walker.peek()? == Type::Object => {
                    self.object = Some(walker.raw()?);
                }
                "arguments" | "input" => self.text = walker.text()?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }
}

/// Reads an object of counts.
fn read_details(
    walker: &mut Walker<'_>,
    mut take: impl FnMut(&str, Option<u64>),
) -> Result<(), Error> {
    if walker.enter_object()? {
        while let Some(key) = walker.key()? {
            take(walker.name(key), walker.count()?);
        }
    }
    Ok(())
}

fn small(number: Option<i64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

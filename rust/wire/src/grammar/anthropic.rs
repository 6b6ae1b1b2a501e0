//! The Anthropic Messages stream.

use std::mem;

use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::{Output, remember};
use crate::usage::{ServiceTier, overwrite, sum};
use crate::{Error, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    counts: Counts,
    blocks: Vec<Block>,
    finished: bool,
    stopped: bool,
}

/// A content block that is open.
#[derive(Debug)]
struct Block {
    number: u32,
    role: Role,
    /// Input that came whole with the start, kept until it is clear that no pieces follow.
    input: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Content,
    Tool,
    /// A tool the provider runs itself: its calls are not the caller's to answer.
    ServerTool,
}

/// Token counts as Anthropic gives them, where `input` excludes the cache.
#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    service_tier: Option<ServiceTier>,
    cache_read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

/// The members of an event, of whatever type.
#[derive(Debug, Default)]
struct Event {
    kind: Option<Span>,
    number: Option<i64>,
    message: Message,
    block: Content,
    delta: Content,
    fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct Message {
    id: Option<Span>,
    model: Option<Span>,
}

/// The members of a `content_block` or a `delta`.
#[derive(Debug, Default)]
struct Content {
    kind: Option<Span>,
    text: Option<Span>,
    thinking: Option<Span>,
    signature: Option<Span>,
    data: Option<Span>,
    id: Option<Span>,
    name: Option<Span>,
    input: Option<Span>,
    partial_json: Option<Span>,
    citation: Option<Span>,
    citations: Option<Span>,
    stop_reason: Option<Span>,
    explanation: Option<Span>,
}

impl Grammar {
    pub(crate) fn is_over(&self) -> bool {
        self.stopped
    }

    /// Why the stream may not end here.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        match (self.stopped, self.finished) {
            (true, true) => None,
            (true, false) => Some("message_stop without a stop reason"),
            (false, _) => Some("ended before its terminal event"),
        }
    }

    /// Reads one event. Its type is in the data; the name in the frame, which proxies strip, only stands in.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let event = self.read(output.source)?;
        let kind = output.decode(event.kind);
        let number = event
            .number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0);
        match kind.as_deref().unwrap_or(name) {
            "message_start" => {
                output.start(event.message.id, event.message.model);
                output.usage(&self.counts.usage());
            }
            "content_block_start" => self.open(number, &event.block, output)?,
            "content_block_delta" => self.extend(number, &event.delta, output),
            "content_block_stop" => self.close(number, output),
            "message_delta" => self.end(&event.delta, output),
            "message_stop" => self.stopped = true,
            "error" => {
                let fault = event.fault.or(Fault::find(output.source, true)?);
                fault.unwrap_or_default().send(output);
            }
            _ => {
                if let Some(fault) = event.fault {
                    fault.send(output);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, source: &str) -> Result<Event, Error> {
        let mut event = Event::default();
        let mut walker = Walker::new(source);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "type" => event.kind = walker.text()?,
                    "index" => event.number = walker.integer()?,
                    "message" => self.read_message(&mut walker, &mut event.message)?,
                    "content_block" => event.block.read(&mut walker)?,
                    "delta" => event.delta.read(&mut walker)?,
                    "usage" => self.counts.read(&mut walker)?,
                    "error" => event.fault = Fault::read(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        walker.finish()?;
        Ok(event)
    }

    fn read_message(&mut self, walker: &mut Walker<'_>, into: &mut Message) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "id" => into.id = walker.text()?,
                    "model" => into.model = walker.text()?,
                    "usage" => self.counts.read(walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        number: u32,
        content: &Content,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        let kind = output.decode(content.kind);
        let role = match kind.as_deref() {
            Some("tool_use") => Role::Tool,
            Some("text" | "thinking" | "redacted_thinking") => Role::Content,
            Some(kind) if kind.ends_with("tool_use") => Role::ServerTool,
            _ => Role::Content,
        };
        let mut block = Block {
            number,
            role,
            input: None,
        };
        match kind.as_deref() {
            Some("tool_use") => {
                let (id, name) = (output.decode(content.id), output.decode(content.name));
                output.tool_start(0, number, &id.unwrap_or_default(), name.as_deref());
                let input = content.input.map(|span| span.raw(output.source));
                block.input = input
                    .filter(|input| !is_empty_object(input))
                    .map(str::to_owned);
            }
            Some("redacted_thinking") => {
                if let Some(span) = content.data {
                    output.whole(Kind::ReasoningRedacted, 0, number, span);
                }
            }
            Some("text" | "thinking") => content.write(number, output),
            _ => {}
        }
        self.blocks.retain(|open| open.number != number);
        remember(&mut self.blocks, block)?;
        Ok(())
    }

    fn extend(&mut self, number: u32, delta: &Content, output: &mut Output<'_, '_>) {
        output.start(None, None);
        let block = self.blocks.iter_mut().find(|block| block.number == number);
        if let (Some(block), Some(span)) = (block, delta.partial_json) {
            if block.role == Role::ServerTool {
                return;
            }
            if !span.is_empty() {
                block.input = None;
            }
        }
        match output.decode(delta.kind).as_deref() {
            None
            | Some("text_delta" | "thinking_delta" | "signature_delta" | "citations_delta") => {
                delta.write(number, output);
            }
            Some("input_json_delta") => delta.write_input(number, output),
            Some(_) => {}
        }
    }

    fn close(&mut self, number: u32, output: &mut Output<'_, '_>) {
        output.flush(0, Some(number));
        if let Some(at) = self.blocks.iter().position(|block| block.number == number) {
            self.blocks.remove(at).close(output);
        }
    }

    fn end(&mut self, delta: &Content, output: &mut Output<'_, '_>) {
        output.start(None, None);
        output.usage(&self.counts.usage());
        let Some(raw_reason) = output.decode(delta.stop_reason) else {
            return;
        };
        if mem::replace(&mut self.finished, true) {
            return;
        }
        for block in mem::take(&mut self.blocks) {
            block.close(output);
        }
        if let Some(span) = delta.explanation {
            output.whole(Kind::Refusal, 0, 0, span);
        }
        output.finish(0, Reason::from_anthropic(&raw_reason), &raw_reason);
    }
}

impl Block {
    fn close(self, output: &mut Output<'_, '_>) {
        if self.role == Role::Tool {
            if let Some(input) = self.input {
                let delta = crate::Delta::at(Kind::ToolArgs, 0, self.number);
                output.send(delta.with_text(&input));
            }
            output.tool_end(0, self.number);
        }
    }
}

impl Content {
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "type" => self.kind = walker.text()?,
                "text" => self.text = walker.text()?,
                "thinking" => self.thinking = walker.text()?,
                "signature" => self.signature = walker.text()?,
                "data" => self.data = walker.text()?,
                "id" => self.id = walker.text()?,
                "name" => self.name = walker.text()?,
                "partial_json" => self.partial_json = walker.string()?,
                "stop_reason" => self.stop_reason = walker.text()?,
                "input" if walker.peek()? == Type::Object => self.input = Some(walker.raw()?),
                "citation" if walker.peek()? == Type::Object => self.citation = Some(walker.raw()?),
                "citations" if walker.peek()? == Type::Array => {
                    self.citations = Some(walker.raw()?);
                }
                "stop_details" => self.read_stop_details(walker)?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_stop_details(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "explanation" => self.explanation = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    /// Sends text, reasoning, signature and citations.
    fn write(&self, number: u32, output: &mut Output<'_, '_>) {
        if let Some(span) = self.text {
            output.text(Kind::Text, 0, number, span);
        }
        if let Some(span) = self.thinking {
            output.text(Kind::Reasoning, 0, number, span);
        }
        if let Some(span) = self.signature {
            output.whole(Kind::ReasoningSignature, 0, number, span);
        }
        if let Some(span) = self.citation {
            output.raw(Kind::Citation, 0, number, span);
        }
        if let Some(list) = self.citations {
            let mut walker = Walker::again(output.source, list);
            // The list was checked when it was read.
            let mut is_open = walker.enter_array().unwrap_or(false);
            while is_open {
                is_open = walker.item().unwrap_or(false);
                if let (true, Ok(citation)) = (is_open, walker.raw()) {
                    output.raw(Kind::Citation, 0, number, citation);
                }
            }
        }
        if self.kind.is_none() {
            self.write_input(number, output);
        }
    }

    fn write_input(&self, number: u32, output: &mut Output<'_, '_>) {
        if let Some(span) = self.partial_json {
            output.text(Kind::ToolArgs, 0, number, span);
        }
    }
}

impl Counts {
    /// Reads `usage`: what is there replaces what was, what is absent stays.
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "input_tokens" => overwrite(&mut self.input, walker.count()?),
                "cache_creation_input_tokens" => overwrite(&mut self.cache_write, walker.count()?),
                "cache_read_input_tokens" => overwrite(&mut self.cache_read, walker.count()?),
                "output_tokens" => overwrite(&mut self.output, walker.count()?),
                "output_tokens_details" | "cache_creation" => self.read_details(walker)?,
                "service_tier" => {
                    if let Some(name) = walker.text()? {
                        self.service_tier = ServiceTier::named(walker.name(name));
                    }
                }
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_details(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "thinking_tokens" => overwrite(&mut self.thinking, walker.count()?),
                    "ephemeral_1h_input_tokens" => {
                        overwrite(&mut self.cache_write_1h, walker.count()?);
                    }
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: sum([self.input, self.cache_write, self.cache_read]),
            output_tokens: self.output,
            cache_read_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            cache_write_1h_tokens: self.cache_write_1h,
            service_tier: self.service_tier,
            reasoning_tokens: self.thinking,
            ..Usage::default()
        }
    }
}

fn is_empty_object(raw: &str) -> bool {
    raw.trim_start_matches('{')
        .trim_end_matches('}')
        .trim_ascii()
        .is_empty()
}

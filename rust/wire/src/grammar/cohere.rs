//! The Cohere v2 chat stream.

use std::mem;

use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::{Output, remember};
use crate::usage::overwrite;
use crate::{Error, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    tokens: Counts,
    /// What is billed, which leaves out the tokens that Cohere adds to a prompt.
    billed: Counts,
    cached: Option<u64>,
    /// Tool calls that are open. They are numbered apart from the content.
    calls: Vec<u32>,
    finished: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
}

/// The members of an event, of whatever type.
#[derive(Debug, Default)]
struct Event {
    kind: Option<Span>,
    id: Option<Span>,
    number: Option<i64>,
    finish_reason: Option<Span>,
    message: Message,
    fault: Option<Fault>,
}

/// The `message` of a `delta`.
#[derive(Debug, Default)]
struct Message {
    text: Option<Span>,
    thinking: Option<Span>,
    tool_plan: Option<Span>,
    call_id: Option<Span>,
    call_name: Option<Span>,
    /// Arguments as JSON text, in pieces.
    arguments: Option<Span>,
    /// Arguments as an object.
    arguments_object: Option<Span>,
    /// One citation, or a list of them.
    citations: Option<Span>,
}

impl Grammar {
    pub(crate) fn is_over(&self) -> bool {
        self.ended
    }

    /// Why the stream may not end here.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        match (self.ended, self.finished) {
            (true, true) => None,
            (true, false) => Some("message-end without a finish reason"),
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
            "message-start" => output.start(event.id, None),
            "content-start" | "content-delta" | "tool-plan-delta" | "citation-start" => {
                output.start(None, None);
                event.message.write(number, output);
            }
            "content-end" => output.flush(0, Some(number)),
            "tool-call-start" => self.open(number, &event.message, output)?,
            "tool-call-delta" => {
                output.start(None, None);
                event.message.write_arguments(number, output);
            }
            "tool-call-end" => self.close(number, output),
            "message-end" => self.end(&event, output),
            _ => {
                let fault = match (event.fault, &kind) {
                    (None, None) => Fault::find(output.source, true)?,
                    (fault, _) => fault,
                };
                if let Some(fault) = fault {
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
                    "id" => event.id = walker.text()?,
                    "index" => event.number = walker.integer()?,
                    "delta" => self.read_delta(&mut walker, &mut event)?,
                    "error" => event.fault = Fault::read(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        walker.finish()?;
        Ok(event)
    }

    fn read_delta(&mut self, walker: &mut Walker<'_>, event: &mut Event) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "message" => event.message.read(walker)?,
                "finish_reason" => event.finish_reason = walker.text()?,
                "usage" => self.read_usage(walker)?,
                "error" => event.fault = Fault::read(walker)?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_usage(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "tokens" => self.tokens.read(walker)?,
                "billed_units" => self.billed.read(walker)?,
                "cached_tokens" => overwrite(&mut self.cached, walker.count()?),
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        number: u32,
        message: &Message,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        self.close(number, output);
        remember(&mut self.calls, number)?;
        let (id, name) = (
            output.decode(message.call_id),
            output.decode(message.call_name),
        );
        output.tool_start(0, number, &id.unwrap_or_default(), name.as_deref());
        message.write_arguments(number, output);
        Ok(())
    }

    fn close(&mut self, number: u32, output: &mut Output<'_, '_>) {
        if let Some(at) = self.calls.iter().position(|open| *open == number) {
            self.calls.remove(at);
            output.tool_end(0, number);
        }
    }

    fn end(&mut self, event: &Event, output: &mut Output<'_, '_>) {
        output.start(None, None);
        self.ended = true;
        output.usage(&self.usage());
        for number in mem::take(&mut self.calls) {
            output.tool_end(0, number);
        }
        if let Some(fault) = event.fault {
            fault.send(output);
        } else if let Some(raw_reason) = output.decode(event.finish_reason) {
            self.finished = true;
            output.finish(0, Reason::from_cohere(&raw_reason), &raw_reason);
        }
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.tokens.input.or(self.billed.input),
            output_tokens: self.tokens.output.or(self.billed.output),
            cache_read_tokens: self.cached,
            ..Usage::default()
        }
    }
}

impl Message {
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "content" => self.read_content(walker)?,
                "tool_plan" => self.tool_plan = walker.text()?,
                "tool_calls" => self.read_call(walker)?,
                "citations" if matches!(walker.peek()?, Type::Object | Type::Array) => {
                    self.citations = Some(walker.raw()?);
                }
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_content(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "text" => self.text = walker.text()?,
                    "thinking" => self.thinking = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn read_call(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "id" => self.call_id = walker.text()?,
                    "function" => self.read_function(walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn read_function(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "name" => self.call_name = walker.text()?,
                    "arguments" if walker.peek()? == Type::Object => {
                        self.arguments_object = Some(walker.raw()?);
                    }
                    "arguments" => self.arguments = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    /// Sends text, thinking, the plan before tool calls, and citations.
    fn write(&self, number: u32, output: &mut Output<'_, '_>) {
        for (kind, span) in [
            (Kind::Text, self.text),
            (Kind::Reasoning, self.thinking),
            (Kind::Reasoning, self.tool_plan),
        ] {
            if let Some(span) = span {
                output.text(kind, 0, number, span);
            }
        }
        let Some(citations) = self.citations else {
            return;
        };
        if !citations.raw(output.source).starts_with('[') {
            output.raw(Kind::Citation, 0, number, citations);
            return;
        }
        let mut walker = Walker::again(output.source, citations);
        // The list was checked when it was read.
        let mut is_open = walker.enter_array().unwrap_or(false);
        while is_open {
            is_open = walker.item().unwrap_or(false);
            if let (true, Ok(citation)) = (is_open, walker.raw()) {
                output.raw(Kind::Citation, 0, number, citation);
            }
        }
    }

    fn write_arguments(&self, number: u32, output: &mut Output<'_, '_>) {
        if let Some(span) = self.arguments {
            output.text(Kind::ToolArgs, 0, number, span);
        }
        if let Some(span) = self.arguments_object {
            output.raw(Kind::ToolArgs, 0, number, span);
        }
    }
}

impl Counts {
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "input_tokens" => overwrite(&mut self.input, walker.count()?),
                    "output_tokens" => overwrite(&mut self.output, walker.count()?),
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }
}

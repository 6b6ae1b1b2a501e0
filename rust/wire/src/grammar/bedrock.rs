//! The stream of Bedrock's `converse-stream`.

use std::mem;

use crate::fault::status_of;
use crate::framing::EXCEPTION;
use crate::json::{Span, Type, Walker};
use crate::output::{Output, remember};
use crate::usage::{overwrite, sum};
use crate::{Delta, Error, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// Whether the `metadata` event has to come, which brings the usage behind the end of the message.
    require_metadata: bool,
    counts: Counts,
    blocks: Vec<Block>,
    stop: Option<Stop>,
    has_metadata: bool,
}

/// What the end of the message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Reason,
    Nothing,
}

/// A content block that is open and of which something must be remembered.
#[derive(Debug)]
struct Block {
    number: u32,
    role: Role,
    /// The signature so far. The service does not say that it comes in one piece, so it is sent when the block
    /// is over.
    signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Content,
    Tool,
    /// A tool that the service runs itself: its calls are not the caller's to answer.
    ServerTool,
}

/// Token counts as Bedrock gives them, where `input` excludes the cache.
#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
}

/// The members of an event, of whatever type.
#[derive(Debug, Default)]
struct Event {
    number: Option<i64>,
    tool: Option<Tool>,
    delta: Content,
    stop_reason: Option<Span>,
    message: Option<Span>,
}

/// The `toolUse` of a block's start.
#[derive(Debug, Default)]
struct Tool {
    id: Option<Span>,
    name: Option<Span>,
    kind: Option<Span>,
}

/// The members of a `delta`.
#[derive(Debug, Default)]
struct Content {
    text: Option<Span>,
    input: Option<Span>,
    reasoning: Option<Span>,
    signature: Option<Span>,
    redacted: Option<Span>,
    citation: Option<Span>,
}

impl Grammar {
    pub(crate) fn new(require_metadata: bool) -> Self {
        Self {
            require_metadata,
            counts: Counts::default(),
            blocks: Vec::new(),
            stop: None,
            has_metadata: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_some() && self.has_metadata
    }

    /// Why the stream may not end here.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        match self.stop {
            Some(Stop::Nothing) => Some("messageStop without a stop reason"),
            Some(Stop::Reason) if self.has_metadata || !self.require_metadata => None,
            _ => Some("ended before its terminal event"),
        }
    }

    /// Reads one event. Its type is the name in the frame: the data does not repeat it.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let event = self.read(output.source)?;
        let number = event
            .number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0);
        match name {
            "messageStart" => output.start(None, None),
            "contentBlockStart" => self.open(number, &event, output)?,
            "contentBlockDelta" => self.extend(number, &event.delta, output)?,
            "contentBlockStop" => self.close(number, output),
            "messageStop" => self.end(event.stop_reason, output),
            "metadata" => {
                output.start(None, None);
                output.usage(&self.counts.usage());
                self.has_metadata = true;
            }
            _ => {
                if let Some(name) = name.strip_prefix(EXCEPTION) {
                    fail(name, event.message, output);
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
                    "contentBlockIndex" => event.number = walker.integer()?,
                    "start" => event.tool = read_start(&mut walker)?,
                    "delta" => event.delta.read(&mut walker)?,
                    "stopReason" => event.stop_reason = walker.text()?,
                    "usage" => self.counts.read(&mut walker)?,
                    "message" => event.message = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        walker.finish()?;
        Ok(event)
    }

    fn open(
        &mut self,
        number: u32,
        event: &Event,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        let Some(tool) = &event.tool else {
            return Ok(());
        };
        let (id, name) = (output.decode(tool.id), output.decode(tool.name));
        let role = match output.decode(tool.kind).as_deref() {
            Some("server_tool_use") => Role::ServerTool,
            _ => Role::Tool,
        };
        if role == Role::Tool {
            output.tool_start(0, number, &id.unwrap_or_default(), name.as_deref());
        }
        self.blocks.retain(|open| open.number != number);
        self.block(number, role)?;
        Ok(())
    }

    /// The block of that number, which is opened where it is not.
    fn block(&mut self, number: u32, role: Role) -> Result<&mut Block, Error> {
        let open = self.blocks.iter().position(|block| block.number == number);
        let at = match open {
            Some(at) => at,
            None => remember(
                &mut self.blocks,
                Block {
                    number,
                    role,
                    signature: String::new(),
                },
            )?,
        };
        Ok(&mut self.blocks[at])
    }

    fn extend(
        &mut self,
        number: u32,
        delta: &Content,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        for (kind, span) in [(Kind::Text, delta.text), (Kind::Reasoning, delta.reasoning)] {
            if let Some(span) = span {
                output.text(kind, 0, number, span);
            }
        }
        if let Some(span) = delta.signature {
            let block = self.block(number, Role::Content)?;
            block.signature.push_str(&span.decode(output.source));
        }
        if let Some(span) = delta.redacted {
            output.whole(Kind::ReasoningRedacted, 0, number, span);
        }
        if let Some(span) = delta.citation {
            output.raw(Kind::Citation, 0, number, span);
        }
        if let Some(span) = delta.input {
            let block = self.blocks.iter().find(|block| block.number == number);
            if block.is_none_or(|block| block.role != Role::ServerTool) {
                output.text(Kind::ToolArgs, 0, number, span);
            }
        }
        Ok(())
    }

    fn close(&mut self, number: u32, output: &mut Output<'_, '_>) {
        output.flush(0, Some(number));
        if let Some(at) = self.blocks.iter().position(|block| block.number == number) {
            self.blocks.remove(at).close(output);
        }
    }

    fn end(&mut self, reason: Option<Span>, output: &mut Output<'_, '_>) {
        output.start(None, None);
        if self.stop == Some(Stop::Reason) {
            return;
        }
        let Some(raw_reason) = output.decode(reason) else {
            self.stop = Some(Stop::Nothing);
            return;
        };
        self.stop = Some(Stop::Reason);
        for block in mem::take(&mut self.blocks) {
            block.close(output);
        }
        output.finish(0, Reason::from_bedrock(&raw_reason), &raw_reason);
    }
}

/// Sends the exception that the service reports in place of an event.
fn fail(name: &str, message: Option<Span>, output: &mut Output<'_, '_>) {
    let message = output.decode(message);
    output.memory.has_error = true;
    output.send(Delta {
        name: Some(name),
        text: message.as_deref(),
        status: status_of(name),
        ..Delta::new(Kind::Error)
    });
}

fn read_start(walker: &mut Walker<'_>) -> Result<Option<Tool>, Error> {
    let mut found = None;
    if walker.enter_object()? {
        while let Some(key) = walker.key()? {
            if walker.name(key) != "toolUse" || walker.peek()? != Type::Object {
                walker.skip()?;
                continue;
            }
            let tool = found.insert(Tool::default());
            walker.enter_object()?;
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "toolUseId" => tool.id = walker.text()?,
                    "name" => tool.name = walker.text()?,
                    "type" => tool.kind = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
    }
    Ok(found)
}

impl Block {
    fn close(self, output: &mut Output<'_, '_>) {
        if !self.signature.is_empty() {
            let delta = Delta::at(Kind::ReasoningSignature, 0, self.number);
            output.send(delta.with_text(&self.signature));
        }
        if self.role == Role::Tool {
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
                "text" => self.text = walker.text()?,
                "toolUse" => self.read_input(walker)?,
                "reasoningContent" => self.read_reasoning(walker)?,
                "citation" if walker.peek()? == Type::Object => self.citation = Some(walker.raw()?),
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_input(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "input" => self.input = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn read_reasoning(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "text" => self.reasoning = walker.text()?,
                    "signature" => self.signature = walker.text()?,
                    "redactedContent" => self.redacted = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }
}

impl Counts {
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "inputTokens" => overwrite(&mut self.input, walker.count()?),
                    "cacheReadInputTokens" => overwrite(&mut self.cache_read, walker.count()?),
                    "cacheWriteInputTokens" => overwrite(&mut self.cache_write, walker.count()?),
                    "outputTokens" => overwrite(&mut self.output, walker.count()?),
                    _ => walker.skip()?,
                }
            }
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: sum([self.input, self.cache_read, self.cache_write]),
            output_tokens: self.output,
            cache_read_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            ..Usage::default()
        }
    }
}

//! Ollama's own stream: a JSON object a line, the last one with `"done": true`.
//!
//! Read are the lines of `/api/chat`, with a `message`, and of `/api/generate`, with a `response`.

use crate::fault::Fault;
use crate::framing::UNTERMINATED;
use crate::json::{Span, Type, Walker};
use crate::output::Output;
use crate::usage::overwrite;
use crate::{Delta, Error, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    usage: Usage,
    called_tools: bool,
    num_made_up_ids: usize,
    /// The kind of the block that is open, and how many blocks there were before the next one.
    open: Option<Kind>,
    num_blocks: u32,
    over: bool,
    /// Buffer of the line being read, kept for its capacity.
    calls: Vec<Call>,
}

/// The members of a line.
#[derive(Debug, Default)]
struct Line {
    model: Option<Span>,
    text: Option<Span>,
    thinking: Option<Span>,
    is_done: bool,
    reason: Option<Span>,
    fault: Option<Fault>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Call {
    id: Option<Span>,
    name: Option<Span>,
    /// A whole object; some servers of this shape send its text in a string.
    object: Option<Span>,
    text: Option<Span>,
}

impl Grammar {
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Why the stream may not end here.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        (!self.over).then_some("ended before its terminal event")
    }

    /// Reads one line. One that lacks its line feed counts if it is the last, and waits for the rest of it otherwise.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let read = self.read(output.source);
        if name == UNTERMINATED && !read.as_ref().is_ok_and(Line::is_last) {
            return Ok(());
        }
        let line = read?;
        if let Some(fault) = line.fault {
            self.over = true;
            fault.send(output);
            return Ok(());
        }
        output.start(None, line.model);
        self.write(&line, output);
        if line.is_done {
            self.finish(line.reason, output);
        }
        Ok(())
    }

    fn read(&mut self, source: &str) -> Result<Line, Error> {
        self.calls.clear();
        let mut line = Line::default();
        let mut walker = Walker::new(source);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "model" => line.model = walker.text()?,
                    "message" => self.read_message(&mut walker, &mut line)?,
                    "response" => line.text = walker.text()?,
                    "thinking" => line.thinking = walker.text()?,
                    "done" => line.is_done = walker.is_true()?,
                    "done_reason" => line.reason = walker.text()?,
                    "prompt_eval_count" => {
                        overwrite(&mut self.usage.input_tokens, walker.count()?);
                    }
                    "eval_count" => overwrite(&mut self.usage.output_tokens, walker.count()?),
                    "error" => line.fault = Fault::read(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        // What follows the last line of a stream is ignored, also where it follows at once.
        if !line.is_last() {
            walker.finish()?;
        }
        Ok(line)
    }

    fn read_message(&mut self, walker: &mut Walker<'_>, line: &mut Line) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "content" => line.text = walker.text()?,
                "thinking" => line.thinking = walker.text()?,
                "tool_calls" => self.read_calls(walker)?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    fn read_calls(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_array()? {
            return Ok(());
        }
        while walker.item()? {
            if !walker.enter_object()? {
                continue;
            }
            let mut call = Call::default();
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "id" => call.id = walker.text()?,
                    "function" => call.read_function(walker)?,
                    _ => walker.skip()?,
                }
            }
            self.calls.push(call);
        }
        Ok(())
    }

    fn write(&mut self, line: &Line, output: &mut Output<'_, '_>) {
        if let Some(span) = line.thinking {
            output.text(Kind::Reasoning, 0, self.enter_block(Kind::Reasoning), span);
        }
        if let Some(span) = line.text {
            output.text(Kind::Text, 0, self.enter_block(Kind::Text), span);
        }
        for at in 0..self.calls.len() {
            self.write_call(self.calls[at], output);
        }
    }

    fn write_call(&mut self, call: Call, output: &mut Output<'_, '_>) {
        let block = self.enter_block(Kind::ToolStart);
        self.open = None;
        self.called_tools = true;
        let id = output.decode(call.id).unwrap_or_else(|| {
            self.num_made_up_ids += 1;
            format!("call_{}", self.num_made_up_ids - 1).into()
        });
        output.tool_start(0, block, &id, output.decode(call.name).as_deref());
        if let Some(span) = call.object {
            output.raw(Kind::ToolArgs, 0, block, span);
        } else if let Some(span) = call.text {
            output.whole(Kind::ToolArgs, 0, block, span);
        }
        output.tool_end(0, block);
    }

    fn finish(&mut self, reason: Option<Span>, output: &mut Output<'_, '_>) {
        self.over = true;
        output.flush(0, None);
        output.usage(&self.usage);
        // Older servers say that they are done, and not why.
        let raw = output.decode(reason);
        let reason = Reason::from_ollama(raw.as_deref().unwrap_or_default(), self.called_tools);
        output.send(Delta {
            reason: Some(reason),
            raw_reason: raw.as_deref(),
            ..Delta::new(Kind::Finish)
        });
    }

    /// The number of the open block where it is of `kind`, of a new one otherwise.
    fn enter_block(&mut self, kind: Kind) -> u32 {
        if self.open != Some(kind) {
            self.open = Some(kind);
            self.num_blocks += 1;
        }
        self.num_blocks - 1
    }
}

impl Line {
    /// Whether nothing that follows it says anything.
    fn is_last(&self) -> bool {
        self.is_done || self.fault.is_some()
    }
}

impl Call {
    fn read_function(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "name" => self.name = walker.text()?,
                "arguments" if walker.peek()? == Type::Object => self.object = Some(walker.raw()?),
                "arguments" => self.text = walker.text()?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }
}

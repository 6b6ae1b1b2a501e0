//! Text Generation Inference: the events of its own `/generate_stream`, or a Chat Completions stream.

use std::mem;

use memchr::memmem;

use super::openai_chat;
use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::Output;
use crate::usage::overwrite;
use crate::{Delta, Error, Kind, Reason, Usage};

const ERROR_TYPE: &[u8] = b"\"error_type\"";

/// State of one stream.
#[derive(Debug)]
pub(crate) struct Grammar {
    chat: openai_chat::Grammar,
    usage: Usage,
    /// An event of the server's own form has come, or one of Chat Completions.
    is_native: bool,
    is_chat: bool,
    finished: bool,
}

/// The members of an event that are not of the chat form.
#[derive(Debug, Default)]
struct Event {
    token: Option<Token>,
    is_chat: bool,
    /// The whole text, which only the last event has.
    is_last: bool,
    reason: Option<Span>,
    fault: Option<Fault>,
    fault_kind: Option<Span>,
}

#[derive(Debug, Default)]
struct Token {
    text: Option<Span>,
    is_special: bool,
}

impl Grammar {
    pub(crate) fn new(require_done: bool) -> Self {
        Self {
            chat: openai_chat::Grammar::new(require_done),
            usage: Usage::default(),
            is_native: false,
            is_chat: false,
            finished: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.finished || self.chat.is_over()
    }

    /// Why the stream may not end here, `[DONE]` having come or not.
    pub(crate) fn incomplete(&self, done: bool) -> Option<&'static str> {
        match (self.is_native, self.finished) {
            (true, true) => None,
            (true, false) => Some("ended before its terminal event"),
            (false, _) => self.chat.incomplete(done),
        }
    }

    /// Reads one event.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        // Its errors have a member that Chat Completions do not know. What else comes there need not be read twice.
        let has_own = !self.is_chat || memmem::find(output.source.as_bytes(), ERROR_TYPE).is_some();
        if !has_own || openai_chat::is_done_marker(output.source) {
            return self.chat.event(name, output);
        }
        let event = self.read(output.source)?;
        if let Some(fault) = event.fault {
            fault.or_kind(event.fault_kind).send(output);
            return Ok(());
        }
        if event.token.is_none() && !event.is_last && event.reason.is_none() {
            self.is_chat = event.is_chat;
            return self.chat.event(name, output);
        }
        self.is_native = true;
        output.start(None, None);
        if let Some(span) = event.token.and_then(Token::shown) {
            output.text(Kind::Text, 0, 0, span);
        }
        if event.is_last || event.reason.is_some() {
            self.finish(event.reason, output);
        }
        Ok(())
    }

    fn read(&mut self, source: &str) -> Result<Event, Error> {
        let mut event = Event::default();
        let mut walker = Walker::new(source);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "choices" => {
                        event.is_chat = true;
                        walker.skip()?;
                    }
                    "token" => event.token = Token::read(&mut walker)?,
                    "generated_text" => {
                        event.is_last = walker.peek()? == Type::String;
                        walker.skip()?;
                    }
                    "details" => event.reason = self.read_details(&mut walker)?,
                    "error" => event.fault = Fault::read(&mut walker)?,
                    "error_type" => event.fault_kind = walker.text()?,
                    _ => walker.skip()?,
                }
            }
        }
        walker.finish()?;
        Ok(event)
    }

    fn read_details(&mut self, walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
        let mut reason = None;
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "finish_reason" => reason = walker.text()?,
                    "input_length" => overwrite(&mut self.usage.input_tokens, walker.count()?),
                    "generated_tokens" => {
                        overwrite(&mut self.usage.output_tokens, walker.count()?);
                    }
                    _ => walker.skip()?,
                }
            }
        }
        Ok(reason)
    }

    fn finish(&mut self, reason: Option<Span>, output: &mut Output<'_, '_>) {
        if mem::replace(&mut self.finished, true) {
            return;
        }
        output.flush(0, None);
        output.usage(&self.usage);
        // Without `details` in the request, the server does not say why it ended.
        let raw = output.decode(reason);
        output.send(Delta {
            reason: Some(Reason::from_tgi(raw.as_deref().unwrap_or_default())),
            raw_reason: raw.as_deref(),
            ..Delta::new(Kind::Finish)
        });
    }
}

impl Token {
    fn read(walker: &mut Walker<'_>) -> Result<Option<Self>, Error> {
        if !walker.enter_object()? {
            return Ok(None);
        }
        let mut token = Self::default();
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "text" => token.text = walker.text()?,
                "special" => token.is_special = walker.is_true()?,
                _ => walker.skip()?,
            }
        }
        Ok(Some(token))
    }

    /// The text a reader sees: none for an end-of-sequence token and its like.
    fn shown(self) -> Option<Span> {
        self.text.filter(|_| !self.is_special)
    }
}

//! The OpenAI Chat Completions stream and the many servers that speak it, and `DashScope`'s own, which has the
//! same choices in another envelope.

mod read;
mod tools;

use std::mem;

use self::read::{Fragment, Head, Pick, Piece};
use self::tools::Tool;
use crate::fault::Fault;
use crate::json::Span;
use crate::output::{Output, remember};
use crate::usage::ServiceTier;
use crate::{Delta, Error, Feature, Kind, Reason, Usage};

/// Whose stream it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Chat Completions.
    #[default]
    Chat,
    /// `DashScope`'s own API, whose events hold a `message` each and which ends with its body.
    DashScope {
        /// Each event repeats the text so far.
        cumulative: bool,
    },
}

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    dialect: Dialect,
    choices: Vec<Choice>,
    usage: Usage,
    service_tier: Option<ServiceTier>,
    num_made_up_ids: usize,
    /// Whether the end of the body alone is too little to end the stream.
    require_done: bool,
    done: bool,
    /// Buffers of the event being read, kept for their capacity.
    picks: Vec<Pick>,
    pieces: Vec<Piece>,
    head: Head,
}

/// What is remembered of a choice.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    finished: bool,
    tools: Vec<Tool>,
    /// The texts so far, where each event repeats them.
    said: Vec<Said>,
}

/// One text that grows from event to event.
#[derive(Debug)]
struct Said {
    kind: Kind,
    block: u32,
    text: String,
}

impl Grammar {
    pub(crate) fn new(require_done: bool) -> Self {
        Self {
            require_done,
            ..Self::default()
        }
    }

    pub(crate) fn dashscope(cumulative: bool) -> Self {
        Self {
            dialect: Dialect::DashScope { cumulative },
            ..Self::default()
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.done
    }

    /// Why the stream may not end here, `[DONE]` having come or not.
    pub(crate) fn incomplete(&self, done: bool) -> Option<&'static str> {
        let finished =
            !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished);
        match (done, finished) {
            (true, true) => None,
            (false, true) if !self.require_done => None,
            (true, false) => Some("[DONE] without a finish reason"),
            (false, _) => Some("ended before its terminal event"),
        }
    }

    /// Reads one event.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        if is_done_marker(output.source) {
            self.done = true;
            return Ok(());
        }
        let envelope = self.read(output.source)?;
        let says_error = name == "error"
            || envelope.has_code
            || envelope
                .object
                .is_some_and(|object| object.raw(output.source) == "error");
        let fault = match envelope.fault {
            None if says_error => Fault::find(output.source, true)?,
            fault => fault,
        };
        if envelope.id.or(envelope.model).is_some() || !self.picks.is_empty() {
            output.start(envelope.id, envelope.model);
        }
        self.write(output)?;
        if let Some(fault) = fault {
            fault.send(output);
        }
        Ok(())
    }

    /// Sends what was read: pieces, then usage, then the ends.
    fn write(&mut self, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let (picks, pieces) = (mem::take(&mut self.picks), mem::take(&mut self.pieces));
        for pick in &picks {
            let at = self.choice(pick.index)?;
            if let Some(span) = pick.reasoning {
                self.text(at, Kind::Reasoning, 0, span, output)?;
            }
            for piece in &pieces[pick.pieces.clone()] {
                match *piece {
                    Piece::Text(kind, span) => self.text(at, kind, 0, span, output)?,
                    Piece::Detail(span) if pick.reasoning.is_none() => {
                        self.text(at, Kind::Reasoning, 0, span, output)?;
                    }
                    Piece::Detail(_) => {}
                    Piece::Whole(kind, span) => output.whole(kind, pick.index, 0, span),
                    Piece::Raw(kind, span) => output.raw(kind, pick.index, 0, span),
                    Piece::Tool(fragment) => self.write_tool(at, fragment, output)?,
                }
            }
            for tool in &mut self.choices[at].tools {
                tool.fresh = false;
            }
        }
        output.usage(&self.usage);
        for pick in &picks {
            if let Some(finish) = output.decode(pick.finish) {
                self.finish(pick.index, &finish, output)?;
            }
        }
        (self.picks, self.pieces) = (picks, pieces);
        Ok(())
    }

    /// Sends a piece of running text, or what is new in a text that is repeated.
    fn text(
        &mut self,
        at: usize,
        kind: Kind,
        block: u32,
        span: Span,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let choice = &mut self.choices[at];
        if self.dialect != (Dialect::DashScope { cumulative: true }) {
            output.text(kind, choice.index, block, span);
            return Ok(());
        }
        let mut said = choice.said.iter_mut();
        let place = said.position(|said| (said.kind, said.block) == (kind, block));
        let place = if let Some(place) = place {
            place
        } else {
            let text = String::new();
            remember(&mut choice.said, Said { kind, block, text })?
        };
        let said = &mut choice.said[place].text;
        // Half a surrogate pair at the end comes again with its other half.
        let mut whole = String::new();
        span.decode_onto(output.source, None, &mut whole);
        let new = whole
            .strip_prefix(said.as_str())
            .ok_or(Error::Unsupported {
                feature: Feature::RevisedText,
            })?;
        if !new.is_empty() {
            output.send(Delta::at(kind, choice.index, block).with_text(new));
            *said = whole;
        }
        Ok(())
    }

    /// Where the choice stands in the list; it is added when it is new.
    fn choice(&mut self, index: u32) -> Result<usize, Error> {
        let place = self.choices.iter().position(|choice| choice.index == index);
        place.map_or_else(
            || {
                let choice = Choice {
                    index,
                    ..Choice::default()
                };
                remember(&mut self.choices, choice)
            },
            Ok,
        )
    }

    fn write_tool(
        &mut self,
        at: usize,
        fragment: Fragment,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let id = output
            .decode(fragment.id)
            .filter(|id| id != "null")
            .unwrap_or_default();
        let name = output.decode(fragment.name).unwrap_or_default();
        let choice = &mut self.choices[at];
        let block = tools::place_of(&mut choice.tools, fragment.position, &id, &name)?;
        let (index, block_number) = (choice.index, block as u32);
        let tool = &mut choice.tools[block];
        if tool.name.is_empty() {
            tool.name.push_str(&name);
        }
        if tool.id.is_empty() && !tool.announced {
            tool.id.push_str(&id);
        }
        let has_arguments = fragment.text.or(fragment.object).is_some();
        if !tool.announced && (has_arguments || !tool.name.is_empty()) {
            tool.announce(index, block_number, &mut self.num_made_up_ids, output);
        }
        if let Some(span) = fragment.text {
            self.text(at, Kind::ToolArgs, block_number, span, output)?;
        }
        if let Some(span) = fragment.object {
            output.raw(Kind::ToolArgs, index, block_number, span);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        index: u32,
        raw_reason: &str,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        if raw_reason == "null" && self.dialect != Dialect::Chat {
            return Ok(());
        }
        let at = self.choice(index)?;
        let choice = &mut self.choices[at];
        if mem::replace(&mut choice.finished, true) {
            return Ok(());
        }
        for (block, tool) in choice.tools.iter_mut().enumerate() {
            if !tool.announced {
                tool.announce(index, block as u32, &mut self.num_made_up_ids, output);
            }
            output.tool_end(index, block as u32);
        }
        output.finish(index, Reason::from_openai_chat(raw_reason), raw_reason);
        Ok(())
    }
}

/// Whether the data of an event is the marker that ends the stream.
pub(crate) fn is_done_marker(data: &str) -> bool {
    data.trim_ascii() == "[DONE]"
}

//! The OpenAI Responses stream.
//!
//! Every event says its type twice, in the frame and in the data; the data counts, because proxies strip the frame's.
//! Pieces are told apart by `output_index`: the item ids of some servers differ from event to event.

use std::mem;

use self::read::{Envelope, Event, Item, Part, items};
use super::openai_chat::is_done_marker;
use crate::fault::Fault;
use crate::json::{Span, Walker};
use crate::output::{Output, remember};
use crate::{Delta, Error, Kind, Reason, Usage};

mod read;

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    /// Where something was written; the place in the list is the block.
    places: Vec<Place>,
    usage: Usage,
    called_tools: bool,
    num_made_up_ids: usize,
    over: bool,
}

/// A part of the output.
#[derive(Debug)]
struct Place {
    item: i64,
    slot: Slot,
    written: bool,
    /// Citations have been sent.
    cited: bool,
    /// A tool call that has not ended.
    open: bool,
    /// Summaries and texts of reasoning seen so far, and the one that is being written.
    seen: [i64; 2],
    current: (Thought, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Text or a refusal at that `content_index` of a message.
    Content(i64),
    /// All the reasoning of an item.
    Reasoning,
    Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thought {
    Summary,
    Text,
}

impl Grammar {
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Why the stream may not end here.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        (!self.over).then_some("ended before its terminal event")
    }

    /// Reads one event.
    pub(crate) fn event(&mut self, name: &str, output: &mut Output<'_, '_>) -> Result<(), Error> {
        if is_done_marker(output.source) {
            return Ok(());
        }
        let event = Event::read(output.source)?;
        let kind = output.decode(event.kind);
        let kind = kind.as_deref().unwrap_or(name);
        match kind {
            "response.output_text.delta" => self.say(Kind::Text, &event, event.delta, output),
            "response.refusal.delta" => self.say(Kind::Refusal, &event, event.delta, output),
            "response.output_text.done" => self.say_whole(Kind::Text, &event, output),
            "response.refusal.done" => self.say_whole(Kind::Refusal, &event, output),
            "response.reasoning_summary_text.delta" => {
                let number = event.summary_number;
                self.think(
                    event.item_number,
                    (Thought::Summary, number),
                    event.delta,
                    output,
                )
            }
            "response.reasoning_text.delta" => {
                let number = event.content_number;
                self.think(
                    event.item_number,
                    (Thought::Text, number),
                    event.delta,
                    output,
                )
            }
            "response.reasoning_summary_text.done" => {
                let number = event.summary_number;
                self.think_whole(
                    event.item_number,
                    (Thought::Summary, number),
                    event.whole,
                    output,
                )
            }
            "response.reasoning_text.done" => {
                let number = event.content_number;
                self.think_whole(
                    event.item_number,
                    (Thought::Text, number),
                    event.whole,
                    output,
                )
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.argue(event.item_number, event.delta, output);
                Ok(())
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                self.argue_whole(event.item_number, event.whole, output);
                Ok(())
            }
            "response.output_text.annotation.added" => self.cite(&event, output),
            "response.output_item.added" => self.begin_item(&event, output),
            "response.output_item.done" => match event.item {
                Some(span) => self.end_item(event.item_number, span, output),
                None => Ok(()),
            },
            "error" => {
                let fault = event.fault.or(Fault::find(output.source, true)?);
                fault.unwrap_or_default().send(output);
                Ok(())
            }
            _ => self.other(kind, &event, output),
        }
    }

    /// Events about the response as a whole. What else there is, tools that the provider runs itself, says nothing here.
    fn other(
        &mut self,
        kind: &str,
        event: &Event,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        if let Some(fault) = event.fault {
            fault.send(output);
        }
        let Some(span) = event.response else {
            return Ok(());
        };
        let response = Envelope::read(output.source, span, &mut self.usage)?;
        match kind.strip_prefix("response.") {
            Some("created" | "in_progress" | "queued") => {
                output.start(response.id, response.model);
                Ok(())
            }
            Some(status @ ("completed" | "incomplete" | "failed" | "cancelled")) => {
                output.start(response.id, response.model);
                self.end(status, &response, output)
            }
            _ => Ok(()),
        }
    }

    fn end(
        &mut self,
        status: &str,
        response: &Envelope,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        // Some servers send an item only here.
        if let Some(list) = response.output {
            let mut walker = Walker::again(output.source, list);
            walker.enter_array()?;
            let mut number = 0;
            while walker.item()? {
                let item = walker.raw()?;
                if self.places.iter().all(|place| place.item != number) {
                    self.end_item(number, item, output)?;
                }
                number += 1;
            }
        }
        for block in 0..self.places.len() {
            self.close_tool(block, output);
        }
        output.usage(&self.usage);
        self.over = true;
        // Some servers call every end of theirs completed, and say in the response what it was.
        let said = output.decode(response.status);
        let status = match said.as_deref() {
            Some(said @ ("completed" | "incomplete" | "failed" | "cancelled")) => said,
            _ => status,
        };
        let incomplete = output.decode(response.incomplete);
        match status {
            "completed" | "incomplete" => {
                let raw = incomplete.as_deref().unwrap_or(status);
                let reason = Reason::from_openai_responses(raw, self.called_tools);
                output.finish(0, reason, raw);
            }
            _ => response.fault.unwrap_or_default().send(output),
        }
        Ok(())
    }

    /// The block of a part of the output; a new one where nothing was written there yet.
    fn place(&mut self, item: i64, slot: Slot) -> Result<usize, Error> {
        self.find(item, slot).map_or_else(
            || {
                let place = Place {
                    item,
                    slot,
                    written: false,
                    cited: false,
                    open: false,
                    seen: [-1; 2],
                    current: (Thought::Summary, -1),
                };
                remember(&mut self.places, place)
            },
            Ok,
        )
    }

    fn find(&self, item: i64, slot: Slot) -> Option<usize> {
        let mut places = self.places.iter();
        places.rposition(|place| place.item == item && place.slot == slot)
    }

    /// Writes a piece of text or of a refusal.
    fn say(
        &mut self,
        kind: Kind,
        event: &Event,
        span: Option<Span>,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        if let Some(span) = span {
            let block = self.place(event.item_number, Slot::Content(event.content_number))?;
            self.places[block].written = true;
            output.text(kind, 0, block as u32, span);
        }
        Ok(())
    }

    /// Writes a whole text where no pieces of it have come.
    fn say_whole(
        &mut self,
        kind: Kind,
        event: &Event,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let found = self.find(event.item_number, Slot::Content(event.content_number));
        match found.filter(|&block| self.places[block].written) {
            Some(block) => output.flush(0, Some(block as u32)),
            None => self.say(kind, event, event.whole, output)?,
        }
        Ok(())
    }

    /// Writes a piece of reasoning; its summaries and texts are paragraphs of one block.
    fn think(
        &mut self,
        item: i64,
        thought: (Thought, i64),
        span: Option<Span>,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        let Some(span) = span else {
            return Ok(());
        };
        let block = self.place(item, Slot::Reasoning)?;
        let place = &mut self.places[block];
        let before = mem::replace(&mut place.current, thought);
        let (source, number) = thought;
        place.seen[source as usize] = place.seen[source as usize].max(number);
        if mem::replace(&mut place.written, true) && before != thought {
            output.flush(0, Some(block as u32));
            output.send(Delta::at(Kind::Reasoning, 0, block as u32).with_text("\n\n"));
        }
        output.text(Kind::Reasoning, 0, block as u32, span);
        Ok(())
    }

    /// Writes a whole thought where no pieces of it have come.
    fn think_whole(
        &mut self,
        item: i64,
        thought: (Thought, i64),
        span: Option<Span>,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let (source, number) = thought;
        let seen = self
            .find(item, Slot::Reasoning)
            .map_or(-1, |block| self.places[block].seen[source as usize]);
        if number > seen {
            self.think(item, thought, span, output)?;
        }
        Ok(())
    }

    /// Writes a piece of a call's arguments. The call has no name before its item came, and so is not begun here.
    fn argue(&mut self, item: i64, span: Option<Span>, output: &mut Output<'_, '_>) {
        if let (Some(block), Some(span)) = (self.find(item, Slot::Tool), span)
            && self.places[block].open
        {
            self.places[block].written = true;
            output.text(Kind::ToolArgs, 0, block as u32, span);
        }
    }

    /// Writes all of a call's arguments where no pieces of them have come.
    fn argue_whole(&mut self, item: i64, span: Option<Span>, output: &mut Output<'_, '_>) {
        if self
            .find(item, Slot::Tool)
            .is_some_and(|block| !self.places[block].written)
        {
            self.argue(item, span, output);
        }
    }

    fn cite(&mut self, event: &Event, output: &mut Output<'_, '_>) -> Result<(), Error> {
        output.start(None, None);
        if let Some(span) = event.annotation {
            let block = self.place(event.item_number, Slot::Content(event.content_number))?;
            self.places[block].cited = true;
            output.raw(Kind::Citation, 0, block as u32, span);
        }
        Ok(())
    }

    fn begin_item(&mut self, event: &Event, output: &mut Output<'_, '_>) -> Result<(), Error> {
        output.start(None, None);
        if let Some(span) = event.item {
            let item = Item::read(output.source, span)?;
            if item.is_call(output) {
                self.open_tool(event.item_number, &item, output)?;
            }
        }
        Ok(())
    }

    /// Writes what no event before said of an item that is complete.
    fn end_item(
        &mut self,
        number: i64,
        span: Span,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        output.start(None, None);
        let item = Item::read(output.source, span)?;
        match output.decode(item.kind).as_deref() {
            Some("message") => self.end_message(number, &item, output),
            Some("reasoning") => self.end_reasoning(number, &item, output),
            Some("function_call" | "custom_tool_call") => {
                let block = self.open_tool(number, &item, output)?;
                self.argue_whole(number, item.arguments, output);
                self.close_tool(block, output);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_message(
        &mut self,
        number: i64,
        item: &Item,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        for (content_number, part) in Part::list(output.source, item.content)?
            .into_iter()
            .enumerate()
        {
            let event = Event {
                item_number: number,
                content_number: content_number as i64,
                ..Event::default()
            };
            for (kind, whole) in [(Kind::Text, part.text), (Kind::Refusal, part.refusal)] {
                if whole.is_some() {
                    self.say_whole(kind, &Event { whole, ..event }, output)?;
                }
            }
            let cited = self
                .find(number, Slot::Content(event.content_number))
                .is_some_and(|block| self.places[block].cited);
            for annotation in items(output.source, part.annotations.filter(|_| !cited))? {
                self.cite(
                    &Event {
                        annotation: Some(annotation),
                        ..event
                    },
                    output,
                )?;
            }
        }
        Ok(())
    }

    fn end_reasoning(
        &mut self,
        number: i64,
        item: &Item,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        for (list, source) in [
            (item.summary, Thought::Summary),
            (item.content, Thought::Text),
        ] {
            for (at, part) in Part::list(output.source, list)?.into_iter().enumerate() {
                self.think_whole(number, (source, at as i64), part.text, output)?;
            }
        }
        // What the API wants back with the next request: the id, and the reasoning itself where it came sealed.
        let members = [("id", item.id), ("encrypted_content", item.encrypted)];
        let members: Vec<String> = members
            .into_iter()
            .filter_map(|(name, span)| Some(format!(r#""{name}":"{}""#, span?.raw(output.source))))
            .collect();
        if !members.is_empty() {
            let block = self.place(number, Slot::Reasoning)? as u32;
            output.flush(0, Some(block));
            let signature = format!("{{{}}}", members.join(","));
            output.send(Delta::at(Kind::ReasoningSignature, 0, block).with_text(&signature));
        }
        Ok(())
    }

    /// The block of a call, which is begun where it was not.
    fn open_tool(
        &mut self,
        number: i64,
        item: &Item,
        output: &mut Output<'_, '_>,
    ) -> Result<usize, Error> {
        if let Some(block) = self.find(number, Slot::Tool) {
            return Ok(block);
        }
        let block = self.place(number, Slot::Tool)?;
        self.places[block].open = true;
        self.called_tools = true;
        let id = output
            .decode(item.call_id)
            .or_else(|| output.decode(item.id))
            .unwrap_or_else(|| {
                self.num_made_up_ids += 1;
                format!("call_{}", self.num_made_up_ids - 1).into()
            });
        output.tool_start(0, block as u32, &id, output.decode(item.name).as_deref());
        Ok(block)
    }

    fn close_tool(&mut self, block: usize, output: &mut Output<'_, '_>) {
        if mem::take(&mut self.places[block].open) {
            output.tool_end(0, block as u32);
        }
    }
}

//! The OpenAI Chat Completions stream and the many servers that speak it.

use std::mem;
use std::ops::Range;

use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::{Output, remember};
use crate::usage::{overwrite, picodollars};
use crate::{Error, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    choices: Vec<Choice>,
    usage: Usage,
    num_made_up_ids: usize,
    /// Whether the end of the body alone is too little to end the stream.
    require_done: bool,
    done: bool,
    /// Buffers of the event being read, kept for their capacity.
    picks: Vec<Pick>,
    pieces: Vec<Piece>,
    head: Head,
}

/// What comes before the value of `choices`, when it is only what describes the response: most servers repeat it in
/// every event, byte for byte, and then it need not be read again.
// Decoding an OpenAI event took 1.5 times as long without it (benches/rust/benches/wire.rs, 2026-11-26).
#[derive(Debug, Default)]
struct Head {
    text: String,
    envelope: Envelope,
}

/// Longest head that is kept.
const MAX_HEAD_BYTES: usize = 1024;

/// What is remembered of a choice.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    finished: bool,
    tools: Vec<Tool>,
}

/// What is remembered of a tool call; its place in the list is its block.
#[derive(Debug, Default)]
struct Tool {
    position: Option<i64>,
    /// Empty where the provider gave none so far.
    id: String,
    name: String,
    announced: bool,
    /// The fragment before this one came in the same event.
    fresh: bool,
}

/// One entry of `choices` in the event being read.
#[derive(Debug, Default)]
struct Pick {
    index: u32,
    finish: Option<Span>,
    reasoning: Option<Span>,
    pieces: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Piece {
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
struct Fragment {
    position: Option<i64>,
    id: Option<Span>,
    name: Option<Span>,
    /// Arguments that are a piece of text.
    text: Option<Span>,
    /// Arguments that are a whole object.
    object: Option<Span>,
}

/// Members of the event outside `choices`.
#[derive(Debug, Default, Clone, Copy)]
struct Envelope {
    id: Option<Span>,
    model: Option<Span>,
    object: Option<Span>,
    fault: Option<Fault>,
}

impl Grammar {
    pub(crate) fn new(require_done: bool) -> Self {
        Self {
            require_done,
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

    fn read(&mut self, source: &str) -> Result<Envelope, Error> {
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
                _ => walker.skip()?,
            }
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
                "prompt_tokens" => overwrite(&mut usage.input_tokens, walker.count()?),
                "completion_tokens" => overwrite(&mut usage.output_tokens, walker.count()?),
                "prompt_cache_hit_tokens" => {
                    overwrite(&mut usage.cache_read_tokens, walker.count()?);
                }
                "cost" => overwrite(
                    &mut usage.cost_picodollars,
                    walker.number()?.and_then(picodollars),
                ),
                "prompt_tokens_details" => read_details(walker, |key, count| match key {
                    "cached_tokens" => overwrite(&mut usage.cache_read_tokens, count),
                    "cache_write_tokens" => overwrite(&mut usage.cache_write_tokens, count),
                    "audio_tokens" => overwrite(&mut usage.input_audio_tokens, count),
                    _ => {}
                })?,
                "completion_tokens_details" => read_details(walker, |key, count| match key {
                    "reasoning_tokens" => overwrite(&mut usage.reasoning_tokens, count),
                    "audio_tokens" => overwrite(&mut usage.output_audio_tokens, count),
                    _ => {}
                })?,
                _ => walker.skip()?,
            }
        }
        Ok(())
    }

    /// Sends what was read: pieces, then usage, then the ends.
    fn write(&mut self, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let (picks, pieces) = (mem::take(&mut self.picks), mem::take(&mut self.pieces));
        for pick in &picks {
            let at = self.choice(pick.index)?;
            if let Some(span) = pick.reasoning {
                output.text(Kind::Reasoning, pick.index, 0, span);
            }
            for piece in &pieces[pick.pieces.clone()] {
                match *piece {
                    Piece::Text(kind, span) => output.text(kind, pick.index, 0, span),
                    Piece::Detail(span) if pick.reasoning.is_none() => {
                        output.text(Kind::Reasoning, pick.index, 0, span);
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
        let block = choice.tool(fragment.position, &id, &name)?;
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
            output.text(Kind::ToolArgs, index, block_number, span);
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

impl Choice {
    /// The block of the call a fragment belongs to; a new one where it continues none.
    fn tool(&mut self, position: Option<i64>, id: &str, name: &str) -> Result<usize, Error> {
        let candidate = if position.is_some() {
            self.tools
                .iter()
                .rposition(|tool| tool.position == position)
        } else if !id.is_empty() {
            self.tools.iter().rposition(|tool| tool.id == id)
        } else if name.is_empty() {
            self.tools.len().checked_sub(1)
        } else {
            None
        };
        let continued = candidate.filter(|&at| self.tools[at].continues_with(id, name));
        continued.map_or_else(
            || {
                let tool = Tool {
                    position,
                    fresh: true,
                    ..Tool::default()
                };
                remember(&mut self.tools, tool)
            },
            Ok,
        )
    }
}

impl Tool {
    /// Whether a fragment with that id and name can belong to this call. The position alone decides nothing:
    /// some servers give every call position 0 and the id `"null"`.
    fn continues_with(&self, id: &str, name: &str) -> bool {
        if !id.is_empty() && !self.id.is_empty() {
            return self.id == id;
        }
        name.is_empty() || self.name.is_empty() || (self.name == name && !self.fresh)
    }

    fn announce(
        &mut self,
        index: u32,
        block: u32,
        num_made_up_ids: &mut usize,
        output: &mut Output<'_, '_>,
    ) {
        self.announced = true;
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        if self.id.is_empty() {
            let made_up = format!("call_{num_made_up_ids}");
            *num_made_up_ids += 1;
            output.tool_start(index, block, &made_up, name);
        } else {
            output.tool_start(index, block, &self.id, name);
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

/// Whether the data of an event is the marker that ends the stream.
pub(crate) fn is_done_marker(data: &str) -> bool {
    data.trim_ascii() == "[DONE]"
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

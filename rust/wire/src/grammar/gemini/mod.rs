//! The Gemini `streamGenerateContent` stream, in its `alt=sse` form.

mod arguments;

use std::mem;
use std::ops::Range;

use self::arguments::{Arguments, Edit, Value, parse_path};
use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::{Output, remember};
use crate::usage::{overwrite, sum};
use crate::{Delta, Error, Feature, Kind, Reason, Usage};

/// State of one stream.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    candidates: Vec<Candidate>,
    counts: Counts,
    num_made_up_ids: usize,
    /// Buffers of the event being read, kept for their capacity.
    picks: Vec<Pick>,
    pieces: Vec<Piece>,
    edits: Vec<Edit>,
}

/// What is remembered of a candidate.
#[derive(Debug, Default)]
struct Candidate {
    index: u32,
    finished: bool,
    called_tools: bool,
    /// The kind of the block that is open, and how many blocks there were before the next one.
    open: Option<Kind>,
    num_blocks: u32,
    /// The call whose arguments arrive by path.
    growing: Option<Growing>,
}

/// A call that goes on in the parts that follow.
#[derive(Debug, Default)]
struct Growing {
    block: u32,
    name: String,
    arguments: Arguments,
}

/// Token counts as Gemini gives them, where `candidates` excludes thoughts.
#[derive(Debug, Default)]
struct Counts {
    prompt: Option<u64>,
    tool_prompt: Option<u64>,
    cached: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
    prompt_audio: Option<u64>,
    candidates_audio: Option<u64>,
}

/// One entry of `candidates` in the event being read.
#[derive(Debug, Default)]
struct Pick {
    index: u32,
    finish: Option<Span>,
    pieces: Range<usize>,
}

#[derive(Debug, Clone)]
enum Piece {
    Part(Part),
    Citation(Span),
}

#[derive(Debug, Default, Clone)]
struct Part {
    text: Option<Span>,
    is_thought: bool,
    signature: Option<Span>,
    call: Option<Call>,
}

#[derive(Debug, Default, Clone)]
struct Call {
    id: Option<Span>,
    name: Option<Span>,
    arguments: Option<Span>,
    /// Where its `partialArgs` stand among those of the event.
    edits: Range<usize>,
    goes_on: bool,
}

/// Members of the event outside `candidates`.
#[derive(Debug, Default)]
struct Envelope {
    id: Option<Span>,
    model: Option<Span>,
    block_reason: Option<Span>,
    fault: Option<Fault>,
}

impl Grammar {
    /// Why the stream may not end here. Gemini has no terminal event: every candidate must have said why it
    /// ended.
    pub(crate) fn incomplete(&self) -> Option<&'static str> {
        let is_finished = |candidate: &Candidate| candidate.finished;
        match self.candidates.as_slice() {
            [] => Some("ended before its terminal event"),
            candidates if candidates.iter().all(is_finished) => None,
            _ => Some("ended before its finish reason"),
        }
    }

    /// Reads one event: a response, or an array of them.
    pub(crate) fn event(&mut self, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let mut walker = Walker::new(output.source);
        if walker.peek()? != Type::Array {
            let envelope = self.read(&mut walker)?;
            walker.finish()?;
            self.respond(&envelope, output)?;
            return Ok(());
        }
        // Nothing is sent before all of the event has been checked.
        let list = walker.raw()?;
        walker.finish()?;
        walker = Walker::again(output.source, list);
        walker.enter_array()?;
        while walker.item()? {
            let envelope = self.read(&mut walker)?;
            self.respond(&envelope, output)?;
        }
        Ok(())
    }

    fn respond(&mut self, envelope: &Envelope, output: &mut Output<'_, '_>) -> Result<(), Error> {
        if envelope.id.or(envelope.model).is_some() || !self.picks.is_empty() {
            output.start(envelope.id, envelope.model);
        }
        self.write(output)?;
        if let (Some(reason), true) = (
            output.decode(envelope.block_reason),
            self.candidates.is_empty(),
        ) {
            self.candidates.push(Candidate {
                finished: true,
                ..Candidate::default()
            });
            output.finish(0, Reason::ContentFilter, &reason);
        }
        if let Some(fault) = envelope.fault {
            fault.send(output);
        }
        Ok(())
    }

    fn read(&mut self, walker: &mut Walker<'_>) -> Result<Envelope, Error> {
        self.picks.clear();
        self.pieces.clear();
        self.edits.clear();
        let mut envelope = Envelope::default();
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "responseId" | "response_id" => envelope.id = walker.text()?,
                    "modelVersion" | "model_version" => envelope.model = walker.text()?,
                    "candidates" => self.read_candidates(walker)?,
                    "usageMetadata" | "usage_metadata" => self.counts.read(walker)?,
                    "promptFeedback" | "prompt_feedback" => {
                        envelope.block_reason = read_block_reason(walker)?;
                    }
                    "error" => envelope.fault = Fault::read(walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(envelope)
    }

    fn read_candidates(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_array()? {
            return Ok(());
        }
        while walker.item()? {
            let mut pick = Pick {
                index: self.picks.len() as u32,
                ..Pick::default()
            };
            let start = self.pieces.len();
            let mut citations = [None; 3];
            if !walker.enter_object()? {
                continue;
            }
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "index" => {
                        let index = walker
                            .integer()?
                            .and_then(|index| u32::try_from(index).ok());
                        pick.index = index.unwrap_or(pick.index);
                    }
                    "content" => self.read_content(walker)?,
                    "finishReason" | "finish_reason" => pick.finish = walker.text()?,
                    "citationMetadata" | "citation_metadata" => citations[0] = read_object(walker)?,
                    "groundingMetadata" | "grounding_metadata" => {
                        citations[1] = read_object(walker)?;
                    }
                    "urlContextMetadata" | "url_context_metadata" => {
                        citations[2] = read_object(walker)?;
                    }
                    _ => walker.skip()?,
                }
            }
            self.pieces
                .extend(citations.into_iter().flatten().map(Piece::Citation));
            pick.pieces = start..self.pieces.len();
            self.picks.push(pick);
        }
        Ok(())
    }

    fn read_content(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            if walker.name(key) != "parts" || walker.peek()? != Type::Array {
                walker.skip()?;
                continue;
            }
            walker.enter_array()?;
            while walker.item()? {
                let part = Part::read(walker, &mut self.edits)?;
                self.pieces.push(Piece::Part(part));
            }
        }
        Ok(())
    }

    /// Sends what was read: pieces, then usage, then the ends.
    fn write(&mut self, output: &mut Output<'_, '_>) -> Result<(), Error> {
        let (picks, pieces) = (mem::take(&mut self.picks), mem::take(&mut self.pieces));
        for pick in &picks {
            let at = self.candidate(pick.index)?;
            for piece in &pieces[pick.pieces.clone()] {
                match piece {
                    Piece::Part(part) => self.write_part(at, part, output)?,
                    Piece::Citation(span) => {
                        let block = self.candidates[at].num_blocks.saturating_sub(1);
                        output.raw(Kind::Citation, pick.index, block, *span);
                    }
                }
            }
        }
        output.usage(&self.counts.usage());
        for pick in &picks {
            if let Some(raw_reason) = output.decode(pick.finish) {
                let at = self.candidate(pick.index)?;
                let candidate = &mut self.candidates[at];
                if !mem::replace(&mut candidate.finished, true) {
                    candidate.end_growing(output);
                    let reason = Reason::from_gemini(&raw_reason, candidate.called_tools);
                    output.finish(pick.index, reason, &raw_reason);
                }
            }
        }
        (self.picks, self.pieces) = (picks, pieces);
        Ok(())
    }

    /// Where the candidate stands in the list; it is added when it is new.
    fn candidate(&mut self, index: u32) -> Result<usize, Error> {
        let mut candidates = self.candidates.iter();
        let place = candidates.position(|candidate| candidate.index == index);
        place.map_or_else(
            || {
                let candidate = Candidate {
                    index,
                    ..Candidate::default()
                };
                remember(&mut self.candidates, candidate)
            },
            Ok,
        )
    }

    fn write_part(
        &mut self,
        at: usize,
        part: &Part,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        if let Some(call) = &part.call {
            return self.write_call(at, call, part.signature, output);
        }
        let candidate = &mut self.candidates[at];
        let index = candidate.index;
        if part.text.or(part.signature).is_none() {
            return Ok(());
        }
        let kind = if part.is_thought {
            Kind::Reasoning
        } else {
            Kind::Text
        };
        // A signature without text belongs to the block before it.
        let kind = if part.text.is_none() {
            candidate.open.unwrap_or(kind)
        } else {
            kind
        };
        let block = candidate.enter_block(kind);
        if let Some(span) = part.text {
            output.text(kind, index, block, span);
        }
        if let Some(span) = part.signature {
            output.whole(Kind::ReasoningSignature, index, block, span);
        }
        Ok(())
    }

    /// Sends a call, whole or one piece of it. Only the first piece has its name.
    fn write_call(
        &mut self,
        at: usize,
        call: &Call,
        signature: Option<Span>,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let candidate = &mut self.candidates[at];
        let index = candidate.index;
        let name = output.decode(call.name);
        let continues = match (&candidate.growing, name.as_deref()) {
            (Some(growing), Some(name)) => growing.name == name,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !continues {
            candidate.end_growing(output);
            // The last piece of a call may come empty once more.
            if call.is_empty() && candidate.called_tools {
                return Ok(());
            }
            let block = candidate.enter_block(Kind::ToolStart);
            candidate.called_tools = true;
            candidate.open = None;
            let made_up;
            let id = if let Some(id) = output.decode(call.id) {
                id
            } else {
                made_up = format!("call_{}", self.num_made_up_ids);
                self.num_made_up_ids += 1;
                made_up.into()
            };
            output.tool_start(index, block, &id, name.as_deref());
            candidate.growing = Some(Growing {
                block,
                name: name.unwrap_or_default().into_owned(),
                arguments: Arguments::default(),
            });
        }
        let Some(growing) = &mut candidate.growing else {
            return Ok(());
        };
        let block = growing.block;
        let mut text = String::new();
        for edit in &self.edits[call.edits.clone()] {
            growing.edit(edit, output, &mut text)?;
        }
        match call.arguments {
            Some(span) if growing.arguments.is_empty() => {
                output.raw(Kind::ToolArgs, index, block, span);
            }
            _ if !text.is_empty() => {
                output.send(Delta::at(Kind::ToolArgs, index, block).with_text(&text));
            }
            _ => {}
        }
        if let Some(span) = signature {
            output.whole(Kind::ReasoningSignature, index, block, span);
        }
        if !call.goes_on {
            candidate.end_growing(output);
        }
        Ok(())
    }
}

impl Candidate {
    /// Ends the call whose arguments were still growing.
    fn end_growing(&mut self, output: &mut Output<'_, '_>) {
        if let Some(mut growing) = self.growing.take() {
            let mut text = String::new();
            growing.arguments.finish(&mut text);
            if !text.is_empty() {
                output.send(Delta::at(Kind::ToolArgs, self.index, growing.block).with_text(&text));
            }
            output.tool_end(self.index, growing.block);
        }
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

impl Growing {
    fn edit(
        &mut self,
        edit: &Edit,
        output: &Output<'_, '_>,
        text: &mut String,
    ) -> Result<(), Error> {
        let path = output.decode(edit.path).unwrap_or_default();
        let path = parse_path(&path).ok_or(Error::Unsupported {
            feature: Feature::PartialArgs,
        })?;
        let value = match (edit.text, edit.whole) {
            (Some(span), _) => Value::Text {
                raw: span.raw(output.source),
                goes_on: edit.goes_on,
            },
            (None, Some(span)) => Value::Whole(span.raw(output.source)),
            (None, None) if edit.is_null => Value::Whole("null"),
            (None, None) => return Ok(()),
        };
        self.arguments.write(&path, value, text)
    }
}

impl Part {
    fn read(walker: &mut Walker<'_>, edits: &mut Vec<Edit>) -> Result<Self, Error> {
        let mut part = Self::default();
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "text" => part.text = walker.text()?,
                    "thought" => part.is_thought = walker.is_true()?,
                    "thoughtSignature" | "thought_signature" => part.signature = walker.text()?,
                    "functionCall" | "function_call" => part.call = Call::read(walker, edits)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(part)
    }
}

impl Call {
    /// Whether it says nothing but that it is over.
    fn is_empty(&self) -> bool {
        self.id.or(self.name).or(self.arguments).is_none() && self.edits.is_empty() && !self.goes_on
    }

    fn read(walker: &mut Walker<'_>, edits: &mut Vec<Edit>) -> Result<Option<Self>, Error> {
        if !walker.enter_object()? {
            return Ok(None);
        }
        let start = edits.len();
        let mut call = Self::default();
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "id" => call.id = walker.text()?,
                "name" => call.name = walker.text()?,
                "args" if walker.peek()? == Type::Object => call.arguments = Some(walker.raw()?),
                "partialArgs" | "partial_args" => {
                    if walker.enter_array()? {
                        while walker.item()? {
                            edits.push(Edit::read(walker)?);
                        }
                    }
                }
                "willContinue" | "will_continue" => call.goes_on = walker.is_true()?,
                _ => walker.skip()?,
            }
        }
        call.edits = start..edits.len();
        Ok(Some(call))
    }
}

impl Edit {
    fn read(walker: &mut Walker<'_>) -> Result<Self, Error> {
        let mut edit = Self::default();
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "jsonPath" | "json_path" => edit.path = walker.text()?,
                    "stringValue" | "string_value" => edit.text = walker.string()?,
                    "numberValue" | "number_value" if walker.peek()? == Type::Number => {
                        edit.whole = Some(walker.raw()?);
                    }
                    "boolValue" | "bool_value" if walker.peek()? == Type::Boolean => {
                        edit.whole = Some(walker.raw()?);
                    }
                    // Comes as null, or as the one value of its enumeration.
                    "nullValue" | "null_value" => {
                        walker.skip()?;
                        edit.is_null = true;
                    }
                    "willContinue" | "will_continue" => edit.goes_on = walker.is_true()?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(edit)
    }
}

impl Counts {
    /// Reads `usageMetadata`: what is there replaces what was, what is absent stays.
    fn read(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        if !walker.enter_object()? {
            return Ok(());
        }
        while let Some(key) = walker.key()? {
            let kept = match walker.name(key) {
                "promptTokenCount" | "prompt_token_count" => &mut self.prompt,
                "toolUsePromptTokenCount" | "tool_use_prompt_token_count" => &mut self.tool_prompt,
                "cachedContentTokenCount" | "cached_content_token_count" => &mut self.cached,
                "candidatesTokenCount" | "candidates_token_count" => &mut self.candidates,
                "thoughtsTokenCount" | "thoughts_token_count" => &mut self.thoughts,
                "promptTokensDetails" | "prompt_tokens_details" => {
                    overwrite(&mut self.prompt_audio, read_audio(walker)?);
                    continue;
                }
                "candidatesTokensDetails" | "candidates_tokens_details" => {
                    overwrite(&mut self.candidates_audio, read_audio(walker)?);
                    continue;
                }
                _ => {
                    walker.skip()?;
                    continue;
                }
            };
            overwrite(kept, walker.count()?);
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: sum([self.prompt, self.tool_prompt]),
            output_tokens: sum([self.candidates, self.thoughts]),
            cache_read_tokens: self.cached,
            cache_write_tokens: None,
            cache_write_1h_tokens: None,
            service_tier: None,
            reasoning_tokens: self.thoughts,
            input_audio_tokens: self.prompt_audio,
            output_audio_tokens: self.candidates_audio,
            cost_picodollars: None,
        }
    }
}

/// The audio tokens of a list of counts by modality.
fn read_audio(walker: &mut Walker<'_>) -> Result<Option<u64>, Error> {
    let mut audio = None;
    if !walker.enter_array()? {
        return Ok(None);
    }
    while walker.item()? {
        let (mut is_audio, mut count) = (false, None);
        if !walker.enter_object()? {
            continue;
        }
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "modality" => {
                    let modality = walker.text()?;
                    is_audio = modality.is_some_and(|span| span.raw(walker.source()) == "AUDIO");
                }
                "tokenCount" | "token_count" => count = walker.count()?,
                _ => walker.skip()?,
            }
        }
        if is_audio {
            audio = sum([audio, count]);
        }
    }
    Ok(audio)
}

fn read_block_reason(walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    let mut reason = None;
    if walker.enter_object()? {
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "blockReason" | "block_reason" => reason = walker.text()?,
                _ => walker.skip()?,
            }
        }
    }
    Ok(reason)
}

/// The next value where it is an object with something in it.
fn read_object(walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    let is_object = walker.peek()? == Type::Object;
    let value = walker.raw()?;
    let is_empty = value.raw(walker.source()).len() < r#"{"":0}"#.len();
    Ok((is_object && !is_empty).then_some(value))
}

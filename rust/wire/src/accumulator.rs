//! An answer put together from its deltas, in time linear in its length.

use std::collections::BTreeMap;

use crate::{Delta, Kind, Reason, Usage};

/// One part of an answer: consecutive pieces of the same kind in the same block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// Its text, as far as it has arrived: of the answer, or the JSON text of a call's arguments.
    pub text: String,
    /// What the provider wants back with it.
    pub signature: Option<String>,
    block: u32,
}

/// What a [`Part`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text of the answer.
    Text,
    /// Reasoning.
    Reasoning,
    /// Reasoning only the provider can read.
    Redacted,
    /// The model's words of refusal.
    Refusal,
    /// A tool call.
    ToolCall {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
}

impl Content {
    /// The name Python sees.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::Redacted => "redacted",
            Self::Refusal => "refusal",
            Self::ToolCall { .. } => "tool_call",
        }
    }
}

/// Collects the deltas of one choice; a snapshot of the answer can be taken at any moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accumulator {
    index: u32,
    parts: Vec<Part>,
    blocks: BTreeMap<u32, Places>,
    id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
    reason: Option<Reason>,
    raw_reason: Option<String>,
    citations: Vec<String>,
    output_bytes: usize,
}

/// Where in the list of parts a block's are, so that no delta has to look for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Places {
    last: usize,
    call: Option<usize>,
}

impl Accumulator {
    /// An accumulator of the choice `index`.
    pub fn new(index: u32) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    /// Takes the next delta. What belongs to another choice is left out; it counts for `output_bytes` only.
    pub fn add(&mut self, delta: &Delta<'_>) {
        let text = delta.text.unwrap_or_default();
        if matches!(
            delta.kind,
            Kind::Text | Kind::Reasoning | Kind::Refusal | Kind::ToolArgs
        ) {
            self.output_bytes += text.len();
        }
        match delta.kind {
            Kind::Start => {
                replace(&mut self.id, delta.id);
                replace(&mut self.model, delta.name);
            }
            Kind::Usage => self.usage = delta.usage.copied(),
            _ if delta.index != self.index => {}
            Kind::Text => self.append(Content::Text, delta.block, text),
            Kind::Reasoning => self.append(Content::Reasoning, delta.block, text),
            Kind::Refusal => self.append(Content::Refusal, delta.block, text),
            Kind::ReasoningRedacted => self.begin(Content::Redacted, delta.block, text),
            Kind::ReasoningSignature => self.sign(delta.block, delta.text),
            Kind::ToolStart => self.begin_call(delta),
            Kind::ToolArgs => self.append_arguments(delta.block, text),
            Kind::Citation if text.is_empty() => {}
            Kind::Citation => self.citations.push(text.to_owned()),
            Kind::Finish => {
                self.reason = delta.reason;
                self.raw_reason = delta.raw_reason.map(str::to_owned);
            }
            Kind::Restart => self.forget(),
            Kind::Upgrade if text == "replace" => self.forget(),
            Kind::ToolEnd | Kind::Error | Kind::Seam | Kind::Upgrade => {}
        }
    }

    /// The parts so far, in the order in which they began.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Tokens so far, `None` where the provider has not said; the last that was said is authoritative.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Why the choice ended, once it has.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The same in the provider's word.
    pub fn raw_reason(&self) -> Option<&str> {
        self.raw_reason.as_deref()
    }

    /// The response's id.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The model that answers, as the provider names it.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Citations so far, each the raw JSON.
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// Bytes of everything the model wrote so far in any choice, with reasoning and the arguments of calls.
    pub fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// The answer begins anew. What was written stays counted: it was written, and is paid for.
    fn forget(&mut self) {
        *self = Self {
            output_bytes: self.output_bytes,
            ..Self::new(self.index)
        };
    }

    /// Continues the last part, or begins one where that is of another kind or block.
    fn append(&mut self, content: Content, block: u32, text: &str) {
        match self.parts.last_mut() {
            Some(part) if part.block == block && part.content == content => {
                part.text.push_str(text);
            }
            _ => self.begin(content, block, text),
        }
    }

    fn begin(&mut self, content: Content, block: u32, text: &str) {
        self.blocks.entry(block).or_default().last = self.parts.len();
        self.parts.push(Part {
            content,
            text: text.to_owned(),
            signature: None,
            block,
        });
    }

    fn begin_call(&mut self, delta: &Delta<'_>) {
        let content = Content::ToolCall {
            id: delta.id.unwrap_or_default().to_owned(),
            name: delta.name.unwrap_or_default().to_owned(),
        };
        self.begin(content, delta.block, "");
        self.blocks.entry(delta.block).or_default().call = Some(self.parts.len() - 1);
    }

    /// Continues the arguments of the block's call, which need not be the last part: calls may interleave.
    fn append_arguments(&mut self, block: u32, text: &str) {
        let place = self.blocks.get(&block).and_then(|places| places.call);
        if let Some(part) = place.and_then(|place| self.parts.get_mut(place)) {
            part.text.push_str(text);
        }
    }

    /// Signs the block's last part; a signature alone is reasoning that was not shown.
    fn sign(&mut self, block: u32, signature: Option<&str>) {
        if !self.blocks.contains_key(&block) {
            self.begin(Content::Reasoning, block, "");
        }
        let place = self.blocks.get(&block).map(|places| places.last);
        if let Some(part) = place.and_then(|place| self.parts.get_mut(place)) {
            part.signature = signature.map(str::to_owned);
        }
    }
}

/// Replaces `kept` by what says something.
fn replace(kept: &mut Option<String>, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        *kept = Some(text.to_owned());
    }
}

//! The members of the events that say something.

use crate::fault::Fault;
use crate::json::{Span, Type, Walker};
use crate::output::Output;
use crate::usage::{ServiceTier, overwrite};
use crate::{Error, Usage};

/// The members of an event, of whatever type.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Event {
    pub(super) kind: Option<Span>,
    pub(super) item_number: i64,
    pub(super) content_number: i64,
    pub(super) summary_number: i64,
    pub(super) delta: Option<Span>,
    /// The whole of what deltas brought in pieces.
    pub(super) whole: Option<Span>,
    pub(super) item: Option<Span>,
    pub(super) annotation: Option<Span>,
    pub(super) response: Option<Span>,
    pub(super) fault: Option<Fault>,
}

/// An item of the output, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) kind: Option<Span>,
    pub(super) id: Option<Span>,
    pub(super) call_id: Option<Span>,
    pub(super) name: Option<Span>,
    pub(super) arguments: Option<Span>,
    pub(super) encrypted: Option<Span>,
    pub(super) summary: Option<Span>,
    pub(super) content: Option<Span>,
}

/// A part of a message or of reasoning.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) text: Option<Span>,
    pub(super) refusal: Option<Span>,
    pub(super) annotations: Option<Span>,
}

/// The members of a `response`.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) id: Option<Span>,
    pub(super) model: Option<Span>,
    pub(super) status: Option<Span>,
    pub(super) incomplete: Option<Span>,
    pub(super) output: Option<Span>,
    pub(super) fault: Option<Fault>,
}

impl Event {
    pub(super) fn read(source: &str) -> Result<Self, Error> {
        let mut event = Self::default();
        let mut walker = Walker::new(source);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "type" => event.kind = walker.text()?,
                    "output_index" => event.item_number = walker.integer()?.unwrap_or_default(),
                    "content_index" => event.content_number = walker.integer()?.unwrap_or_default(),
                    "summary_index" => event.summary_number = walker.integer()?.unwrap_or_default(),
                    "delta" => event.delta = walker.text()?,
                    "text" | "refusal" | "arguments" | "input" => event.whole = walker.text()?,
                    "item" => event.item = read_object(&mut walker)?,
                    "annotation" => event.annotation = read_object(&mut walker)?,
                    "response" => event.response = read_object(&mut walker)?,
                    "error" => event.fault = Fault::read(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        walker.finish()?;
        Ok(event)
    }
}

impl Envelope {
    /// Reads a response; its tokens go to `usage`.
    pub(super) fn read(source: &str, span: Span, usage: &mut Usage) -> Result<Self, Error> {
        let mut response = Self::default();
        let mut service_tier = None;
        let mut walker = Walker::again(source, span);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "id" => response.id = walker.text()?,
                    "model" => response.model = walker.text()?,
                    "status" => response.status = walker.text()?,
                    "incomplete_details" => response.incomplete = read_reason(&mut walker)?,
                    "error" => response.fault = Fault::read(&mut walker)?,
                    "output" => response.output = read_array(&mut walker)?,
                    "usage" => read_usage(&mut walker, usage)?,
                    "service_tier" => {
                        if let Some(name) = walker.text()? {
                            service_tier = ServiceTier::named(walker.name(name));
                        }
                    }
                    _ => walker.skip()?,
                }
            }
        }
        // A tier alone is nothing to report.
        if usage.input_tokens.is_some() {
            usage.service_tier = service_tier;
        }
        Ok(response)
    }
}

impl Item {
    pub(super) fn read(source: &str, span: Span) -> Result<Self, Error> {
        let mut item = Self::default();
        let mut walker = Walker::again(source, span);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "type" => item.kind = walker.text()?,
                    "id" => item.id = walker.text()?,
                    "call_id" => item.call_id = walker.text()?,
                    "name" => item.name = walker.text()?,
                    "arguments" | "input" => item.arguments = walker.text()?,
                    "encrypted_content" => item.encrypted = walker.text()?,
                    "summary" => item.summary = read_array(&mut walker)?,
                    "content" => item.content = read_array(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(item)
    }

    pub(super) fn is_call(&self, output: &Output<'_, '_>) -> bool {
        let kind = output.decode(self.kind);
        matches!(kind.as_deref(), Some("function_call" | "custom_tool_call"))
    }
}

impl Part {
    pub(super) fn list(source: &str, span: Option<Span>) -> Result<Vec<Self>, Error> {
        items(source, span)?
            .into_iter()
            .map(|span| Self::read(source, span))
            .collect()
    }

    pub(super) fn read(source: &str, span: Span) -> Result<Self, Error> {
        let mut part = Self::default();
        let mut walker = Walker::again(source, span);
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "text" => part.text = walker.text()?,
                    "refusal" => part.refusal = walker.text()?,
                    "annotations" => part.annotations = read_array(&mut walker)?,
                    _ => walker.skip()?,
                }
            }
        }
        Ok(part)
    }
}

/// The items of an array that was read before.
pub(super) fn items(source: &str, span: Option<Span>) -> Result<Vec<Span>, Error> {
    let mut found = Vec::new();
    if let Some(span) = span {
        let mut walker = Walker::again(source, span);
        walker.enter_array()?;
        while walker.item()? {
            found.push(walker.raw()?);
        }
    }
    Ok(found)
}

fn read_object(walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    read_if(Type::Object, walker)
}

fn read_array(walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    read_if(Type::Array, walker)
}

/// The next value where it is of that type; anything else is skipped.
fn read_if(wanted: Type, walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    let is_wanted = walker.peek()? == wanted;
    let value = walker.raw()?;
    Ok(is_wanted.then_some(value))
}

fn read_reason(walker: &mut Walker<'_>) -> Result<Option<Span>, Error> {
    let mut reason = None;
    if walker.enter_object()? {
        while let Some(key) = walker.key()? {
            match walker.name(key) {
                "reason" => reason = walker.text()?,
                _ => walker.skip()?,
            }
        }
    }
    Ok(reason)
}

fn read_usage(walker: &mut Walker<'_>, usage: &mut Usage) -> Result<(), Error> {
    if !walker.enter_object()? {
        return Ok(());
    }
    while let Some(key) = walker.key()? {
        let kept = match walker.name(key) {
            "input_tokens_details" | "output_tokens_details" => {
                read_usage(walker, usage)?;
                continue;
            }
            "input_tokens" => &mut usage.input_tokens,
            "output_tokens" => &mut usage.output_tokens,
            "cached_tokens" => &mut usage.cache_read_tokens,
            "cache_write_tokens" => &mut usage.cache_write_tokens,
            "reasoning_tokens" => &mut usage.reasoning_tokens,
            _ => {
                walker.skip()?;
                continue;
            }
        };
        overwrite(kept, walker.count()?);
    }
    Ok(())
}

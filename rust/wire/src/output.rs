//! Where the grammars write: from spans of an event to deltas, with what must be remembered in between.

use std::borrow::Cow;

use crate::json::Span;
use crate::{Delta, Error, Kind, Reason, Sink, Usage};

/// Most choices, open blocks, tool calls of a choice and half surrogate pairs that are remembered. Each is
/// found by walking its list: without a bound, a hostile stream would cost time in the square of its length.
const MAX_REMEMBERED: usize = 1024;

/// Appends to a list of what is remembered and returns the place.
pub(crate) fn remember<T>(list: &mut Vec<T>, item: T) -> Result<usize, Error> {
    if list.len() == MAX_REMEMBERED {
        return Err(Error::TooMany {
            limit: MAX_REMEMBERED as u32,
        });
    }
    list.push(item);
    Ok(list.len() - 1)
}

/// What outlives one event for every grammar.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    scratch: String,
    /// High surrogates a text piece ended in, waiting for their partner in the next piece of that block.
    halves: Vec<Half>,
    started: bool,
    /// What the last usage delta said.
    usage: Usage,
    /// What the provider said last.
    reported: Usage,
    /// A choice has ended, so that what the provider says of usage is final.
    finished: bool,
    /// The stream reported an error, so it will never be complete.
    pub(crate) has_error: bool,
}

#[derive(Debug)]
struct Half {
    kind: Kind,
    index: u32,
    block: u32,
    unit: u16,
}

/// Writes the deltas of one event.
pub(crate) struct Output<'a, 's> {
    pub(crate) source: &'a str,
    pub(crate) memory: &'a mut Memory,
    pub(crate) sink: &'a mut Sink<'s>,
}

impl<'a> Output<'a, '_> {
    /// Sends a delta as it is.
    pub(crate) fn send(&mut self, delta: Delta<'_>) {
        (self.sink)(delta);
    }

    /// The value of a string of this event.
    pub(crate) fn decode(&self, span: Option<Span>) -> Option<Cow<'a, str>> {
        span.map(|span| span.decode(self.source))
    }

    /// Announces the response, the first time it is called.
    pub(crate) fn start(&mut self, id: Option<Span>, model: Option<Span>) {
        if self.memory.started {
            return;
        }
        self.memory.started = true;
        let (id, model) = (self.decode(id), self.decode(model));
        self.send(Delta {
            id: id.as_deref(),
            name: model.as_deref(),
            ..Delta::new(Kind::Start)
        });
    }

    /// Sends a piece of running text; a surrogate pair cut between two pieces is joined.
    pub(crate) fn text(&mut self, kind: Kind, index: u32, block: u32, span: Span) {
        let delta = Delta::at(kind, index, block);
        if !span.is_escaped() && self.memory.halves.is_empty() {
            if !span.is_empty() {
                self.send(delta.with_text(span.raw(self.source)));
            }
            return;
        }
        let Memory {
            scratch, halves, ..
        } = &mut *self.memory;
        let waiting = halves
            .iter()
            .position(|half| (half.kind, half.index, half.block) == (kind, index, block))
            .map(|at| halves.swap_remove(at).unit);
        scratch.clear();
        if let Some(unit) = span.decode_onto(self.source, waiting, scratch) {
            let half = Half {
                kind,
                index,
                block,
                unit,
            };
            if remember(halves, half).is_err() {
                scratch.push(char::REPLACEMENT_CHARACTER);
            }
        }
        if !scratch.is_empty() {
            (self.sink)(delta.with_text(scratch));
        }
    }

    /// Sends a string that is complete in this event.
    pub(crate) fn whole(&mut self, kind: Kind, index: u32, block: u32, span: Span) {
        let text = span.decode(self.source);
        self.send(Delta::at(kind, index, block).with_text(&text));
    }

    /// Sends a value as the JSON text it is.
    pub(crate) fn raw(&mut self, kind: Kind, index: u32, block: u32, span: Span) {
        self.send(Delta::at(kind, index, block).with_text(span.raw(self.source)));
    }

    /// Begins a tool call.
    pub(crate) fn tool_start(&mut self, index: u32, block: u32, id: &str, name: Option<&str>) {
        self.send(Delta {
            id: Some(id),
            name,
            ..Delta::at(Kind::ToolStart, index, block)
        });
    }

    /// Ends a tool call.
    pub(crate) fn tool_end(&mut self, index: u32, block: u32) {
        self.flush(index, Some(block));
        self.send(Delta::at(Kind::ToolEnd, index, block));
    }

    /// Replaces the half pairs of a block, or of a whole choice, which nothing can complete any more.
    pub(crate) fn flush(&mut self, index: u32, block: Option<u32>) {
        while let Some(at) =
            self.memory.halves.iter().position(|half| {
                half.index == index && block.is_none_or(|block| block == half.block)
            })
        {
            let half = self.memory.halves.remove(at);
            self.send(Delta::at(half.kind, half.index, half.block).with_text("\u{fffd}"));
        }
    }

    /// Sends the tokens so far, where they have changed. No count goes down while the answer is written; what is
    /// said last is final and sent as it is.
    pub(crate) fn usage(&mut self, reported: &Usage) {
        if *reported != self.memory.reported {
            self.memory.reported = *reported;
            self.settle_usage();
        }
    }

    fn settle_usage(&mut self) {
        let reported = self.memory.reported;
        let usage = if self.memory.finished {
            reported
        } else {
            reported.at_least(self.memory.usage)
        };
        if usage != self.memory.usage {
            self.memory.usage = usage;
            self.send(Delta {
                usage: Some(&usage),
                ..Delta::new(Kind::Usage)
            });
        }
    }

    /// Ends a choice.
    pub(crate) fn finish(&mut self, index: u32, reason: Reason, raw_reason: &str) {
        self.flush(index, None);
        self.memory.finished = true;
        self.settle_usage();
        self.send(Delta {
            reason: Some(reason),
            raw_reason: Some(raw_reason),
            ..Delta::at(Kind::Finish, index, 0)
        });
    }
}

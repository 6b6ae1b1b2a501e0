//! Reasoning that a server leaves in the text, between `<think>` and `</think>`.

use crate::{Delta, Kind, Sink};

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";

/// Most white space before the opening tag; no model writes more, and it is held back.
const MAX_SPACE: usize = 64;

/// Turns what stands between the tags at the beginning of an answer into reasoning.
///
/// White space right behind a tag is dropped. What may be the beginning of a tag is held back until that is clear.
#[derive(Debug, Default)]
pub(crate) struct ThinkTags {
    choices: Vec<Choice>,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    place: Place,
    /// Text that may belong to a tag.
    held: String,
    /// The block of the text that was held back.
    block: u32,
    /// A tag was the last thing seen.
    behind_tag: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    After,
}

impl ThinkTags {
    /// Sends `delta` on; a text in pieces, each of its kind.
    pub(crate) fn pass(&mut self, delta: Delta<'_>, sink: &mut Sink<'_>) {
        match (delta.kind, delta.text) {
            (Kind::Text, Some(text)) => {
                let choice = self.choice(delta.index);
                choice.block = delta.block;
                choice.split(text, sink);
            }
            (Kind::Finish | Kind::ToolStart, _) => {
                self.choice(delta.index).release(sink);
                sink(delta);
            }
            (Kind::Error, _) => {
                for choice in &mut self.choices {
                    choice.release(sink);
                }
                sink(delta);
            }
            _ => sink(delta),
        }
    }

    /// A decoder has a bound on its choices, and so has this list.
    fn choice(&mut self, index: u32) -> &mut Choice {
        let place = self.choices.iter().position(|choice| choice.index == index);
        let place = place.unwrap_or_else(|| {
            self.choices.push(Choice {
                index,
                place: Place::Before,
                held: String::new(),
                block: 0,
                behind_tag: false,
            });
            self.choices.len() - 1
        });
        &mut self.choices[place]
    }
}

impl Choice {
    fn split(&mut self, text: &str, sink: &mut Sink<'_>) {
        if self.place == Place::After {
            self.send(Kind::Text, text, sink);
            return;
        }
        self.held.push_str(text);
        if self.place == Place::Before {
            let begins = self.held.trim_start();
            let space = self.held.len() - begins.len();
            if !begins.starts_with(OPENING) {
                if !OPENING.starts_with(begins) || space > MAX_SPACE {
                    self.place = Place::After;
                    self.release(sink);
                }
                return;
            }
            self.held.drain(..space + OPENING.len());
            (self.place, self.behind_tag) = (Place::Inside, true);
        }
        let held = std::mem::take(&mut self.held);
        if let Some((thought, rest)) = held.split_once(CLOSING) {
            self.send(Kind::Reasoning, thought, sink);
            (self.place, self.behind_tag) = (Place::After, true);
            self.send(Kind::Text, rest, sink);
            return;
        }
        let kept = (1..CLOSING.len())
            .rev()
            .find(|&length| held.ends_with(&CLOSING[..length]))
            .unwrap_or(0);
        let (thought, kept) = held.split_at(held.len() - kept);
        self.send(Kind::Reasoning, thought, sink);
        kept.clone_into(&mut self.held);
    }

    /// Sends what was held back: no tag can come of it any more.
    fn release(&mut self, sink: &mut Sink<'_>) {
        let held = std::mem::take(&mut self.held);
        let kind = match self.place {
            Place::Inside => Kind::Reasoning,
            Place::Before | Place::After => Kind::Text,
        };
        self.send(kind, &held, sink);
    }

    fn send(&mut self, kind: Kind, text: &str, sink: &mut Sink<'_>) {
        let text = if self.behind_tag {
            text.trim_start()
        } else {
            text
        };
        if !text.is_empty() {
            self.behind_tag = false;
            sink(Delta::at(kind, self.index, self.block).with_text(text));
        }
    }
}

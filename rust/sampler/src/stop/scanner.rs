//! Text that ends at a stop string, while it arrives.

use std::borrow::Cow;
use std::sync::Arc;

use super::automaton::{ROOT, StopStrings};

/// Gives text on as soon as it is certain that no stop string begins in it.
///
/// The stop string that ends first ends the text; of several that end together, the one that begins first. What is held
/// back is the longest end of the text with which a stop string begins, and no more.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use inferail_sampler::stop::{StopScanner, StopStrings};
///
/// let stops = Arc::new(StopStrings::new(&["\nUser:"])?);
/// let mut scanner = StopScanner::new(stops, false);
///
/// assert_eq!(scanner.feed("Yes.\nUs"), "Yes.");
/// assert_eq!(scanner.feed("er: and"), "");
/// assert_eq!(scanner.stopped(), Some(0));
/// # Ok::<(), inferail_sampler::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StopScanner {
    strings: Arc<StopStrings>,
    include_stop: bool,
    state: u32,
    stopped: Option<usize>,
}

impl StopScanner {
    /// At the beginning of a text; with `include_stop` the stop string is part of it.
    pub fn new(strings: Arc<StopStrings>, include_stop: bool) -> Self {
        Self {
            strings,
            include_stop,
            state: ROOT,
            stopped: None,
        }
    }

    /// The text that may be shown now that `text` has come. Nothing does after a stop string.
    pub fn feed<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        self.scan(text, true)
    }

    /// As [`Self::feed`], but a stop string that ends in `text` is text like any other.
    ///
    /// One that begins in it and ends later counts.
    pub fn feed_ignoring<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        self.scan(text, false)
    }

    /// What was held back, when no more text comes. What comes nevertheless is a new text, if the old one was not stopped.
    pub fn finish(&mut self) -> String {
        let rest = self.held().to_owned();
        self.state = ROOT;
        rest
    }

    /// What is held back.
    pub fn held(&self) -> &str {
        self.strings.text(self.state)
    }

    /// The number of the stop string that was found.
    pub fn stopped(&self) -> Option<usize> {
        self.stopped
    }

    /// The stop strings.
    pub fn strings(&self) -> &Arc<StopStrings> {
        &self.strings
    }

    fn scan<'a>(&mut self, text: &'a str, stops: bool) -> Cow<'a, str> {
        if self.stopped.is_some() || self.strings.strings().is_empty() {
            return Cow::Borrowed(if self.stopped.is_some() { "" } else { text });
        }
        let before = self.state;
        let mut state = before;
        for (at, byte) in text.bytes().enumerate() {
            state = self.strings.step(state, byte);
            let Some(found) = self.strings.ended(state) else {
                continue;
            };
            if stops {
                self.state = ROOT;
                self.stopped = Some(found);
                let stop = self.strings.strings()[found].len();
                let unseen = if self.include_stop { 0 } else { stop };
                return self.shown(before, &text[..=at], unseen);
            }
            state = self.strings.open(state);
        }
        self.state = state;
        self.shown(before, text, self.held().len())
    }

    /// What was held at `before` and `text`, without the last `unseen` bytes.
    fn shown<'a>(&self, before: u32, text: &'a str, unseen: usize) -> Cow<'a, str> {
        let held = self.strings.text(before);
        // Both ends are between characters: a stop string and a held text are whole ones.
        let cut = |text: &'a str, len: usize| text.get(..len).unwrap_or_default();
        match text.len().checked_sub(unseen) {
            Some(len) if held.is_empty() => Cow::Borrowed(cut(text, len)),
            Some(len) => Cow::Owned([held, cut(text, len)].concat()),
            None => {
                let len = (held.len() + text.len()).saturating_sub(unseen);
                Cow::Owned(held.get(..len).unwrap_or_default().to_owned())
            }
        }
    }
}

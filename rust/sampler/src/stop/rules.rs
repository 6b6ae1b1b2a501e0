//! Everything that ends a sequence, for the loop that generates it.

use std::borrow::Cow;
use std::sync::Arc;

use super::automaton::StopStrings;
use super::scanner::StopScanner;
use crate::Error;

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// A stop token came, with this id.
    StopToken(u32),
    /// A stop string came, with this number.
    StopString(usize),
    /// It has as many tokens as it may have.
    Length,
}

impl Finish {
    /// The word that answers use for it: `stop` or `length`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::StopToken(_) | Self::StopString(_) => "stop",
            Self::Length => "length",
        }
    }
}

/// When the sequences of a request end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopRules {
    strings: Arc<StopStrings>,
    tokens: Vec<u32>,
    max_tokens: Option<u64>,
    min_tokens: u64,
    include_stop: bool,
}

impl StopRules {
    /// Ends a sequence at any of the stop strings; with `include_stop` its text ends with the one that came.
    pub fn new(strings: Arc<StopStrings>, include_stop: bool) -> Self {
        Self {
            strings,
            include_stop,
            ..Self::default()
        }
    }

    /// Ends it at any of these tokens too. Such a token is one of the sequence, but its text is never shown.
    #[must_use]
    pub fn with_stop_tokens(mut self, mut tokens: Vec<u32>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        self.tokens = tokens;
        self
    }

    /// Ends it after `max_tokens` tokens at the latest, and not before it has `min_tokens`.
    ///
    /// The token that makes it `min_tokens` long may end it. Until then stop tokens and stop strings are text like any
    /// other; a stop string that ends later counts, wherever it begins.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: `max_tokens` is 0, or `min_tokens` is more.
    pub fn with_limits(mut self, min_tokens: u64, max_tokens: Option<u64>) -> Result<Self, Error> {
        let refused = |name, expected, value: u64| {
            let value = value.to_string();
            Err(Error::Parameter {
                name,
                expected,
                value,
            })
        };
        if max_tokens == Some(0) {
            return refused("max_tokens", "1 or more", 0);
        }
        if max_tokens.is_some_and(|max_tokens| min_tokens > max_tokens) {
            return refused("min_tokens", "at most max_tokens", min_tokens);
        }
        (self.min_tokens, self.max_tokens) = (min_tokens, max_tokens);
        Ok(self)
    }

    /// The beginning of a sequence.
    pub fn start(self: &Arc<Self>) -> StopCheck {
        StopCheck {
            scanner: StopScanner::new(Arc::clone(&self.strings), self.include_stop),
            rules: Arc::clone(self),
            num_tokens: 0,
            finish: None,
        }
    }
}

/// One sequence: what of it may be shown, and whether it has ended.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use inferail_sampler::stop::{Finish, StopRules, StopStrings};
///
/// let strings = Arc::new(StopStrings::new(&["\n\n"])?);
/// let rules = StopRules::new(strings, false).with_stop_tokens(vec![2]).with_limits(0, Some(100))?;
/// let mut check = Arc::new(rules).start();
///
/// assert_eq!(check.feed(40, "Yes\n"), "Yes");
/// assert_eq!(check.feed(2, "</s>"), "\n");
/// assert_eq!(check.finish(), Some(Finish::StopToken(2)));
/// # Ok::<(), inferail_sampler::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StopCheck {
    rules: Arc<StopRules>,
    scanner: StopScanner,
    num_tokens: u64,
    finish: Option<Finish>,
}

impl StopCheck {
    /// The text that may be shown now that `token` has come, which makes `text` certain.
    ///
    /// With the last token comes everything that was held back. What comes after the end changes nothing and shows nothing:
    /// a draft that was accepted beyond it may be fed whole.
    pub fn feed<'a>(&mut self, token: u32, text: &'a str) -> Cow<'a, str> {
        if self.finish.is_some() {
            return Cow::Borrowed("");
        }
        self.num_tokens += 1;
        let may_stop = self.num_tokens >= self.rules.min_tokens;
        if may_stop && self.rules.tokens.binary_search(&token).is_ok() {
            self.finish = Some(Finish::StopToken(token));
            return Cow::Owned(self.scanner.finish());
        }
        let shown = if may_stop {
            self.scanner.feed(text)
        } else {
            self.scanner.feed_ignoring(text)
        };
        self.finish = self.scanner.stopped().map(Finish::StopString);
        if self.finish.is_some() || self.remaining() != Some(0) {
            return shown;
        }
        self.finish = Some(Finish::Length);
        match self.scanner.finish() {
            rest if rest.is_empty() => shown,
            rest => Cow::Owned(shown.into_owned() + &rest),
        }
    }

    /// What is held back, where a sequence is ended from outside.
    pub fn rest(&mut self) -> String {
        self.scanner.finish()
    }

    /// Why it has ended, if it has.
    pub fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// How many tokens it has, a stop token included.
    pub fn num_tokens(&self) -> u64 {
        self.num_tokens
    }

    /// How many tokens it may still have: no use in drafting more.
    pub fn remaining(&self) -> Option<u64> {
        let max_tokens = self.rules.max_tokens?;
        let is_open = self.finish.is_none();
        Some(if is_open {
            max_tokens.saturating_sub(self.num_tokens)
        } else {
            0
        })
    }

    /// The stop strings.
    pub fn strings(&self) -> &Arc<StopStrings> {
        &self.rules.strings
    }
}

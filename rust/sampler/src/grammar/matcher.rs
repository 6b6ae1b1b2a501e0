//! Where one sequence is in its grammar.

use std::panic::AssertUnwindSafe;

use llguidance::{TokenParser, panic_utils};
use toktrie::SimpleVob;

use super::compiled::Grammar;
use super::error::{Error, engine_message};
use super::vocabulary::Vocabulary;

/// The state of one sequence.
///
/// It shares nothing that changes with other matchers, so each may be used by a thread of its own.
pub struct Matcher {
    grammar: Grammar,
    parser: TokenParser,
    /// What was accepted.
    tokens: Vec<u32>,
    /// How many of them are ends of the sequence that came when the text was complete; the parser has not seen these.
    ends: usize,
    /// The mask of this place, once computed.
    mask: Option<SimpleVob>,
    /// Why there is no going on.
    stopped: Option<String>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Matcher")
            .field("tokens", &self.tokens)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Matcher {
    pub(super) fn new(grammar: Grammar, parser: TokenParser, first_mask: SimpleVob) -> Self {
        Self {
            grammar,
            parser,
            tokens: Vec::new(),
            ends: 0,
            mask: Some(first_mask),
            stopped: None,
        }
    }

    /// The vocabulary it is over.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.grammar.vocabulary()
    }

    /// The tokens that were accepted.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// One bit for each token, `[size / 32]` rounded up, the lowest bit first: whether it may come next.
    ///
    /// When nothing may come but the end, these are the tokens that end a sequence. Computed once for a place.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`]: the grammar needs more work than the limits allow, or no token of the vocabulary can go on.
    pub fn mask(&mut self) -> Result<&[u32], Error> {
        let words = self.vocabulary().mask_words();
        let mask = match self.mask.take() {
            Some(mask) => mask,
            None => self.compute_mask()?,
        };
        Ok(&self.mask.insert(mask).as_slice()[..words])
    }

    fn compute_mask(&mut self) -> Result<SimpleVob, Error> {
        if self.is_finished() {
            return Ok(self.parser.token_env.tok_trie().eos_token_set());
        }
        self.step(TokenParser::compute_mask)
    }

    /// Takes `token`.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`]: it may not come here, and nothing changes. [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn accept(&mut self, token: u32) -> Result<(), Error> {
        if !self.allows(token)? {
            let position = self.tokens.len();
            return Err(Error::Rejected { token, position });
        }
        self.take(token)
    }

    /// Takes `tokens`, up to the first that may not come.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] of that token; those before it are taken. [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn accept_many(&mut self, tokens: &[u32]) -> Result<(), Error> {
        tokens.iter().try_for_each(|token| self.accept(*token))
    }

    fn allows(&mut self, token: u32) -> Result<bool, Error> {
        self.check()?;
        if self.is_finished() {
            return Ok(self.ends_sequence(token));
        }
        // A clear bit does not say no: where the next text is forced, only the tokenizer's own token is in the mask.
        let known = self.mask.as_ref();
        if known.is_some_and(|mask| (token as usize) < mask.len() && mask.is_allowed(token)) {
            return Ok(true);
        }
        Ok(self.validate(&[token])? == 1)
    }

    fn take(&mut self, token: u32) -> Result<(), Error> {
        self.mask = None;
        if self.is_finished() {
            self.ends += 1;
        } else {
            self.step(|parser| consume(parser, token))?;
        }
        self.tokens.push(token);
        Ok(())
    }

    /// How many of `tokens`, taken one after another, may come. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn validate(&mut self, tokens: &[u32]) -> Result<usize, Error> {
        self.check()?;
        let size = self.vocabulary().size();
        let known = tokens.iter().position(|token| *token as usize >= size);
        let tokens = &tokens[..known.unwrap_or(tokens.len())];
        let mut valid = 0;
        if !self.is_finished() {
            valid = self.step(|parser| parser.validate_tokens_raw(tokens))?;
        }
        // After the end only the end may come, again and again.
        if self.is_finished() || (valid > 0 && self.ends_sequence(tokens[valid - 1])) {
            let rest = tokens[valid..].iter();
            valid += rest.take_while(|token| self.ends_sequence(**token)).count();
        }
        Ok(valid)
    }

    /// The tokens that must come, as the tokenizer itself would cut the text that must come. None without a `tokenize`.
    ///
    /// Not taken: [`Matcher::accept_many`] does.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn forced_tokens(&mut self) -> Result<Vec<u32>, Error> {
        self.check()?;
        if self.is_finished() {
            return Ok(Vec::new());
        }
        self.step(|parser| Ok(parser.compute_ff_tokens()))
    }

    /// Takes back the last `count` tokens. Revives a sequence that stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Rollback`]: there are not so many. [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn rollback(&mut self, count: usize) -> Result<(), Error> {
        let accepted = self.tokens.len();
        let Some(kept) = accepted.checked_sub(count) else {
            return Err(Error::Rollback {
                asked: count,
                accepted,
            });
        };
        let is_whole = self.stopped.is_none() && self.parser.num_tokens() + self.ends == accepted;
        let from_parser = count.saturating_sub(self.ends);
        self.mask = None;
        self.ends -= count.min(self.ends);
        self.tokens.truncate(kept);
        if is_whole {
            let back = guarded(&mut self.parser, |parser| parser.rollback(from_parser));
            if back.is_ok() {
                return Ok(());
            }
        }
        self.replay()
    }

    /// Puts the tokens through a new parser: for grammars whose lexemes cannot be taken back, and after a failure.
    fn replay(&mut self) -> Result<(), Error> {
        self.parser = self.grammar.parser();
        self.stopped = None;
        self.ends = 0;
        let tokens = std::mem::take(&mut self.tokens);
        tokens.into_iter().try_for_each(|token| self.take(token))
    }

    /// Whether the text may end here.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] as in [`Matcher::mask`].
    pub fn is_accepting(&mut self) -> Result<bool, Error> {
        self.check()?;
        if self.is_finished() {
            return Ok(true);
        }
        self.step(|parser| Ok(parser.is_accepting()))
    }

    /// Whether nothing may come any more but the end of the sequence.
    pub fn is_finished(&self) -> bool {
        self.stopped.is_none() && self.parser.stopped()
    }

    /// The same sequence once more; what happens to one is not seen by the other.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            grammar: self.grammar.clone(),
            parser: self.parser.deep_clone(),
            tokens: self.tokens.clone(),
            ends: self.ends,
            mask: self.mask.clone(),
            stopped: self.stopped.clone(),
        }
    }

    fn ends_sequence(&self, token: u32) -> bool {
        self.vocabulary().end_of_sequence().contains(&token)
    }

    fn check(&self) -> Result<(), Error> {
        match &self.stopped {
            None => Ok(()),
            Some(problem) => Err(Error::Stopped {
                position: self.tokens.len(),
                problem: problem.clone(),
            }),
        }
    }

    /// One call of the engine. What it reports, panics included, stops this sequence.
    fn step<T>(
        &mut self,
        work: impl FnOnce(&mut TokenParser) -> Result<T, Report>,
    ) -> Result<T, Error> {
        self.check()?;
        guarded(&mut self.parser, work).map_err(|problem| {
            self.stopped = Some(problem.clone());
            Error::Stopped {
                position: self.tokens.len(),
                problem,
            }
        })
    }
}

type Report = anyhow::Error;

fn guarded<T>(
    parser: &mut TokenParser,
    work: impl FnOnce(&mut TokenParser) -> Result<T, Report>,
) -> Result<T, String> {
    panic_utils::catch_unwind(AssertUnwindSafe(|| work(parser)))
        .map_err(|error| engine_message(&error.to_string()))
}

fn consume(parser: &mut TokenParser, token: u32) -> Result<(), Report> {
    let backtracked = parser.consume_token(token)?;
    anyhow::ensure!(backtracked == 0, "the grammar would take a token back");
    parser.check_stop()?;
    Ok(())
}

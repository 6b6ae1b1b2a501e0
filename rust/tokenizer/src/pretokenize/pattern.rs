//! Any pattern: through an automaton where that finds the same, else by backtracking.

use super::GAP;
use super::automaton::Automaton;
use crate::Error;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Engine);

#[derive(Debug, Clone)]
enum Engine {
    Automaton(Box<Automaton>),
    /// Slow, and it gives up on some long texts, but it knows every pattern.
    Backtracking(fancy_regex::Regex),
}

impl Pattern {
    /// # Errors
    ///
    /// [`Error::Pattern`]: it cannot be compiled.
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        match Automaton::new(pattern) {
            Some(automaton) => Ok(Self(Engine::Automaton(Box::new(automaton)))),
            None => Self::backtracking(pattern),
        }
    }

    /// What the automaton and the scanners are tested against.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: it cannot be compiled.
    pub(super) fn backtracking(pattern: &str) -> Result<Self, Error> {
        match fancy_regex::Regex::new(pattern) {
            Ok(compiled) => Ok(Self(Engine::Backtracking(compiled))),
            Err(error) => Err(Error::Pattern {
                problem: error.to_string(),
            }),
        }
    }

    pub(crate) fn matches<'a>(&'a self, text: &'a str) -> Matches<'a> {
        Matches {
            found: match &self.0 {
                Engine::Automaton(automaton) => Found::Automaton(automaton, text),
                Engine::Backtracking(regex) => Found::Backtracking(regex.find_iter(text)),
            },
            at: 0,
            held: None,
            len: text.len() as u32,
        }
    }
}

/// The matches of a pattern and the gaps between them.
#[derive(Debug)]
pub(crate) struct Matches<'a> {
    found: Found<'a>,
    at: u32,
    /// The end of a match whose gap before it has just been written.
    held: Option<u32>,
    len: u32,
}

#[derive(Debug)]
enum Found<'a> {
    Automaton(&'a Automaton, &'a str),
    Backtracking(fancy_regex::Matches<'a, 'a>),
}

impl Found<'_> {
    /// The next match, at byte `at` or behind it.
    #[inline]
    fn next(&mut self, at: u32) -> Result<Option<(u32, u32)>, Error> {
        let range = match self {
            Self::Automaton(automaton, text) => automaton.find(text, at as usize),
            Self::Backtracking(found) => {
                let found = found.next().transpose();
                let found = found.map_err(|error| Error::Pattern {
                    problem: error.to_string(),
                });
                found?.map(|found| found.range())
            }
        };
        Ok(range.map(|range| (range.start as u32, range.end as u32)))
    }
}

impl Matches<'_> {
    pub(crate) fn next(&mut self, ends: &mut [u32]) -> Result<usize, Error> {
        let mut written = 0;
        while written < ends.len() {
            let end = match self.held.take() {
                Some(end) => end,
                None => match self.found.next(self.at)? {
                    Some((begin, end)) if begin > self.at => {
                        self.held = Some(end);
                        begin | GAP
                    }
                    Some((_, end)) => end,
                    None if self.at < self.len => self.len | GAP,
                    None => break,
                },
            };
            self.at = end & !GAP;
            ends[written] = end;
            written += 1;
        }
        Ok(written)
    }
}

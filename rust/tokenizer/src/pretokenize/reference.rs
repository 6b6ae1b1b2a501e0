//! Any pattern through a backtracking regular expression engine: slow, and what the scanners are tested against.

use super::GAP;
use crate::Error;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(fancy_regex::Regex);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let compiled = fancy_regex::Regex::new(pattern);
        compiled.map(Self).map_err(|error| Error::Pattern {
            problem: error.to_string(),
        })
    }

    pub(crate) fn matches<'a>(&'a self, text: &'a str) -> Matches<'a> {
        Matches {
            found: self.0.find_iter(text),
            at: 0,
            held: None,
            len: text.len() as u32,
        }
    }
}

/// The matches of a pattern and the gaps between them.
#[derive(Debug)]
pub(crate) struct Matches<'a> {
    found: fancy_regex::Matches<'a, 'a>,
    at: u32,
    /// The end of a match whose gap before it has just been written.
    held: Option<u32>,
    len: u32,
}

impl Matches<'_> {
    pub(crate) fn next(&mut self, ends: &mut [u32]) -> Result<usize, Error> {
        let mut written = 0;
        while written < ends.len() {
            let end = match self.held.take() {
                Some(end) => end,
                None => match self.found.next() {
                    Some(Ok(found)) if found.start() as u32 > self.at => {
                        self.held = Some(found.end() as u32);
                        found.start() as u32 | GAP
                    }
                    Some(Ok(found)) => found.end() as u32,
                    Some(Err(error)) => {
                        return Err(Error::Pattern {
                            problem: error.to_string(),
                        });
                    }
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

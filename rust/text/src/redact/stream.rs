//! A text that arrives in pieces.

use super::kind::{Found, Kind, Kinds};
use super::scan::{BACK, resolve, scan};
use super::view::View;

/// Gives out a text as it comes, what was found apart from the rest; where it is cut makes no difference.
///
/// Held back are the last word and what may still become a finding: 16 KiB at most (a private key), usually some bytes.
#[derive(Debug, Clone)]
pub struct Stream {
    kinds: Kinds,
    window: Vec<u8>,
    /// Places in the window: given out up to here, looked at up to here.
    given: usize,
    scanned: usize,
    pending: Vec<Found>,
}

impl Stream {
    /// A stream without text yet.
    pub fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            window: Vec::new(),
            given: 0,
            scanned: 0,
            pending: Vec::new(),
        }
    }

    /// Takes a piece; `give` gets what is certain by now: the kind of a finding, or None for text that nothing was found in.
    pub fn feed(&mut self, piece: &[u8], give: impl FnMut(Option<Kind>, &[u8])) {
        self.window.extend_from_slice(piece);
        self.advance(false, give);
    }

    /// Gives out what was held back; the next piece begins a new text.
    pub fn finish(&mut self, give: impl FnMut(Option<Kind>, &[u8])) {
        self.advance(true, give);
        *self = Self::new(self.kinds);
    }

    /// Bytes that are held back.
    pub fn held(&self) -> usize {
        self.window.len() - self.given
    }

    fn advance(&mut self, whole: bool, mut give: impl FnMut(Option<Kind>, &[u8])) {
        let view = View::new(&self.window, whole);
        self.scanned = scan(&view, self.scanned, self.kinds, &mut self.pending);
        let safe = if whole {
            self.window.len()
        } else {
            self.safe()
        };
        let mut ready: Vec<Found> = self
            .pending
            .extract_if(.., |one| one.start < safe)
            .collect();
        resolve(&mut ready, self.given);
        for one in &ready {
            if self.given < one.start {
                give(None, &self.window[self.given..one.start]);
            }
            give(Some(one.kind), &self.window[one.start..one.end]);
            self.given = one.end;
        }
        if self.given < safe {
            give(None, &self.window[self.given..safe]);
            self.given = safe;
        }
        // Cutting off what is behind costs a copy of the window, so it waits until it is worth it.
        let behind = self.given.min(self.scanned).saturating_sub(BACK);
        if behind > 4 * BACK && behind > self.window.len() / 2 {
            self.window.drain(..behind);
            self.given -= behind;
            self.scanned -= behind;
            for one in &mut self.pending {
                one.start -= behind;
                one.end -= behind;
            }
        }
    }

    /// Where a finding of a byte that was not looked at yet can begin at the earliest: with the word before it.
    fn safe(&self) -> usize {
        let floor = self.scanned.saturating_sub(BACK);
        let word = self.window[floor..self.scanned]
            .iter()
            .rposition(u8::is_ascii_whitespace);
        let mut safe = word.map_or(floor, |at| floor + at + 1).max(self.given);
        while safe > self.given
            && self
                .window
                .get(safe)
                .is_some_and(|byte| byte & 0xc0 == 0x80)
        {
            safe -= 1;
        }
        safe
    }
}

//! Scanners for the patterns of well-known tokenizers: the same pieces, without a regular expression engine.
//!
//! [`window`] cuts 64 bytes at a time with bit masks, [`step`] one piece at a time where that is not enough.
//! Measured with all that follows in `benches/rust/benches/tokenizer.rs`.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined in a task is compiled for the oldest CPU"
)]

mod classes;
mod rules;
mod step;
mod unicode;
mod window;

use std::marker::PhantomData;

use inferail_simd::block::{BYTES, Kernel, Level, Task};

use super::Scheme;
use classes::{CLASSES, Classes};
use rules::{Pattern, Rules};
use window::Carry;

/// A scanner for one pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner {
    scheme: Scheme,
    level: Level,
    classes: &'static Classes,
}

impl Scanner {
    pub(crate) fn new(scheme: Scheme) -> Self {
        Self::at_level(scheme, Level::best())
    }

    fn at_level(scheme: Scheme, level: Level) -> Self {
        Self {
            scheme,
            level,
            classes: &CLASSES,
        }
    }

    /// A cursor over the pieces of `text`, which has fewer than 2³¹ bytes.
    #[inline]
    pub(crate) fn pieces(self, text: &str) -> Cursor<'_> {
        Cursor {
            scanner: self,
            text: text.as_bytes(),
            at: 0,
            begin: 0,
            carry: Carry::default(),
            pending: 0,
            pending_base: 0,
            pending_end: 0,
        }
    }
}

/// Where a scanner is in its text.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    scanner: Scanner,
    text: &'a [u8],
    /// Where the next window begins.
    at: usize,
    /// Where the piece begins that is not finished: at most `at`.
    begin: usize,
    carry: Carry,
    /// Ends that were found and not yet written, in the window at `pending_base`.
    pending: u64,
    pending_base: u32,
    /// One more, which was not found in the window, or 0.
    pending_end: u32,
}

impl Cursor<'_> {
    /// Writes the ends of the next pieces to `ends` and returns how many; 0 when the text is at its end.
    #[inline]
    pub(crate) fn next(&mut self, ends: &mut [u32]) -> usize {
        match self.scanner.scheme {
            Scheme::R50k => self.run::<rules::R50k>(ends),
            Scheme::Cl100k => self.run::<rules::Cl100k>(ends),
            Scheme::O200k => self.run::<rules::O200k>(ends),
            Scheme::Llama3 => self.run::<rules::Llama3>(ends),
            Scheme::Qwen2 => self.run::<rules::Qwen2>(ends),
            Scheme::Qwen35 => self.run::<rules::Qwen35>(ends),
            Scheme::Tekken => self.run::<rules::Tekken>(ends),
        }
    }

    #[inline]
    fn run<P: Pattern>(&mut self, ends: &mut [u32]) -> usize {
        let level = self.scanner.level;
        level.run(Batch::<P> {
            cursor: self,
            ends,
            pattern: PhantomData,
        })
    }

    /// Looks at the next window, which is not at the end of the text.
    #[inline(always)]
    fn window<K: Kernel, P: Pattern>(&mut self, kernel: K) {
        let classes = self.scanner.classes;
        let found = window::find::<K, P>(kernel, classes, self.text, self.at, self.carry);
        let mut starts = found.starts;
        if self.at == self.begin {
            starts &= !1;
        }
        self.pending = starts;
        self.pending_base = self.at as u32;
        let end = self.at + found.end as usize;
        if found.whole && end == self.text.len() {
            // No start says that the last piece ends there.
            self.pending_end = end as u32;
            self.restart(end);
        } else if let Some(carry) = found.carry {
            if starts != 0 {
                self.begin = self.at + starts.ilog2() as usize;
            }
            self.at = end;
            self.carry = carry;
        } else if starts != 0 {
            self.restart(self.at + starts.ilog2() as usize);
        } else {
            self.step(P::RULES);
        }
    }

    /// The piece that is not finished, on its own.
    #[inline(never)]
    fn step(&mut self, rules: Rules) {
        let end = step::piece_end(rules, self.text, self.begin);
        self.pending_end = end as u32;
        self.restart(end);
    }

    /// A piece begins at `at`, and everything before it is found.
    #[inline(always)]
    fn restart(&mut self, at: usize) {
        self.at = at;
        self.begin = at;
        self.carry = Carry::default();
    }

    /// Writes the ends that were found to the front of `ends`, as far as they fit, and returns how many.
    #[inline(always)]
    fn write<K: Kernel>(&mut self, kernel: K, ends: &mut [u32]) -> usize {
        let mut written = 0;
        if let Some(ends) = ends.first_chunk_mut() {
            written = kernel.positions(self.pending, self.pending_base, ends);
            self.pending = 0;
        }
        while written < ends.len() {
            if self.pending != 0 {
                ends[written] = self.pending_base + self.pending.trailing_zeros();
                self.pending &= self.pending - 1;
            } else if self.pending_end != 0 {
                ends[written] = std::mem::take(&mut self.pending_end);
            } else {
                break;
            }
            written += 1;
        }
        written
    }
}

/// One call of [`Cursor::next`].
struct Batch<'c, 't, 'e, P> {
    cursor: &'c mut Cursor<'t>,
    ends: &'e mut [u32],
    pattern: PhantomData<P>,
}

impl<P: Pattern> Task for Batch<'_, '_, '_, P> {
    type Output = usize;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> usize {
        let Self { cursor, ends, .. } = self;
        let mut written = cursor.write(kernel, ends);
        // A window has at most 64 starts and one end.
        while cursor.at < cursor.text.len() && (written == 0 || ends.len() - written > BYTES) {
            cursor.window::<K, P>(kernel);
            written += cursor.write(kernel, &mut ends[written..]);
        }
        written
    }
}

#[cfg(test)]
mod tests;

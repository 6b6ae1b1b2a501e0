//! One text through the model.

use super::SentenceBpe;
use super::merge::Symbols;
use crate::Error;
use crate::fragments::{AHEAD, Ahead, Cache, Remembered, character};
use crate::sink::{Needs, Sink};

/// Fragments of more bytes are merged in windows of so many, so that memory does not grow with them.
const WINDOW: usize = if cfg!(test) { 64 } else { 1 << 14 };

/// Tokens before the end of a window that the next one decides.
const OVERLAP: usize = if cfg!(test) { 4 } else { 32 };

/// What a call needs for itself.
#[derive(Debug)]
pub(super) struct Worker {
    cache: Cache,
    symbols: Symbols,
    /// The symbols of a fragment of several windows, and where each ends.
    long: Vec<(u32, u32)>,
    ids: Vec<u32>,
}

impl Worker {
    pub(super) fn new() -> Self {
        Self {
            cache: Cache::new(),
            symbols: Symbols::default(),
            long: Vec::new(),
            ids: Vec::new(),
        }
    }
}

/// One call of [`SentenceBpe::encode`].
pub(super) struct Run<'a, S> {
    model: &'a SentenceBpe,
    worker: &'a mut Worker,
    text: &'a str,
    sink: &'a mut S,
    /// The bytes of unknown characters that will be one token with those that follow.
    unknown: u32,
}

impl<'a, S: Sink> Run<'a, S> {
    pub(super) fn new(
        model: &'a SentenceBpe,
        worker: &'a mut Worker,
        text: &'a str,
        sink: &'a mut S,
    ) -> Self {
        Self {
            model,
            worker,
            text,
            sink,
            unknown: 0,
        }
    }

    /// Encodes `text[begin..end]`.
    pub(super) fn piece(&mut self, begin: usize, end: usize) -> Result<(), Error> {
        if let Some(whole) = &self.model.whole
            && let Some(&id) = whole.get(&self.text[begin..end])
        {
            self.sink.push(id, (end - begin) as u32);
            return Ok(());
        }
        let mut at = begin;
        if let Some((automaton, ids)) = &self.model.symbols {
            for found in automaton.find_iter(&self.text[begin..end]) {
                self.stretch(at, begin + found.start())?;
                self.flush();
                let id = ids[found.pattern().as_usize()];
                self.sink.push(id, found.len() as u32);
                at = begin + found.end();
                if self.sink.is_full() {
                    return Ok(());
                }
            }
        }
        self.stretch(at, end)?;
        self.flush();
        Ok(())
    }

    /// Encodes text without symbols.
    fn stretch(&mut self, mut begin: usize, end: usize) -> Result<(), Error> {
        let mut ahead = [Ahead::default(); AHEAD];
        while begin < end && !self.sink.is_full() {
            let mut count = 0;
            for slot in &mut ahead {
                if begin == end {
                    break;
                }
                let stop = self.model.joints.fragment(self.text, begin, end);
                *slot = Ahead::new(self.text.as_bytes(), begin, stop);
                self.worker.cache.prefetch(slot.place);
                begin = stop;
                count += 1;
            }
            for fragment in &ahead[..count] {
                let key = fragment.key.as_ref();
                if let Some(found) = key.and_then(|key| self.worker.cache.get(fragment.place, key))
                {
                    let found = *found;
                    self.take(found.ids(), fragment.end - fragment.begin);
                } else {
                    self.miss(fragment)?;
                }
            }
        }
        Ok(())
    }

    /// Hands the tokens of a fragment of `bytes` bytes on.
    #[inline]
    fn take(&mut self, ids: &[u32], bytes: usize) {
        self.flush();
        if let [id] = ids {
            self.sink.push(*id, bytes as u32);
        } else if S::NEEDS == Needs::Lengths {
            for &id in ids {
                self.sink.push(id, self.model.lengths[id as usize]);
            }
        } else {
            self.sink.extend(ids);
        }
    }

    /// Encodes a fragment that is not remembered, and remembers it.
    #[cold]
    #[inline(never)]
    fn miss(&mut self, fragment: &Ahead) -> Result<(), Error> {
        let &Ahead {
            begin, end, place, ..
        } = fragment;
        if end - begin > WINDOW {
            return self.windows(begin, end);
        }
        self.merge(begin, end);
        let mut ids = std::mem::take(&mut self.worker.ids);
        ids.clear();
        let mut from = begin;
        let mut clean = true;
        for index in 0..self.worker.symbols.ids.len() {
            let symbol = self.worker.symbols.ids[index];
            let to = begin + self.worker.symbols.ends[index] as usize;
            if (symbol as usize) < self.model.lengths.len() {
                ids.push(symbol);
            } else if let Some(tokens) = &self.model.unknown.bytes {
                let bytes = self.text.as_bytes()[from..to].iter();
                Extend::extend(&mut ids, bytes.map(|byte| tokens[*byte as usize]));
            } else {
                // How many unknown tokens there are depends on the neighbours: not to be remembered.
                clean = false;
                self.take_several(&ids);
                ids.clear();
                self.unknown(from, to)?;
            }
            from = to;
        }
        if clean {
            if let Some(key) = fragment.key
                && let Some(value) = Remembered::new(&ids, 0.0)
            {
                self.worker.cache.put(place, key, value);
            }
            self.take(&ids, end - begin);
        } else {
            self.take_several(&ids);
        }
        self.worker.ids = ids;
        Ok(())
    }

    fn take_several(&mut self, ids: &[u32]) {
        for &id in ids {
            self.flush();
            self.sink.push(id, self.model.lengths[id as usize]);
        }
    }

    /// The symbols of `text[begin..end]`, merged, to `self.worker.symbols`.
    fn merge(&mut self, begin: usize, end: usize) {
        let symbols = &mut self.worker.symbols;
        symbols.clear();
        let bytes = &self.text.as_bytes()[..end];
        let mut at = begin;
        while at < end {
            let (character, length) = character(&bytes[at..]);
            at += length;
            symbols.push(self.model.alphabet.get(character), (at - begin) as u32);
        }
        symbols.merge(&self.model.pairs);
    }

    /// Encodes a long fragment window by window.
    ///
    /// Nothing merges across a place exactly if nothing does so in the two tokens at its sides alone, because whatever
    /// happens there depends on the symbols of those two only. So the next window begins with the last token that is kept
    /// of this one: if that comes out again, the tokens of both windows are those of the whole text. If it does not,
    /// the windows were too short.
    fn windows(&mut self, begin: usize, end: usize) -> Result<(), Error> {
        let mut window = WINDOW;
        while !self.all_windows(begin, end, window) {
            window *= 4;
        }
        let long = std::mem::take(&mut self.worker.long);
        let mut from = begin;
        for &(symbol, to) in &long {
            if (symbol as usize) < self.model.lengths.len() {
                self.flush();
                self.sink.push(symbol, to - from as u32);
            } else {
                self.unknown(from, to as usize)?;
            }
            from = to as usize;
        }
        self.worker.long = long;
        // The largest text should not hold its memory for ever.
        self.worker.long.shrink_to(WINDOW);
        Ok(())
    }

    /// Whether windows of this size were enough; then `self.worker.long` has the symbols.
    fn all_windows(&mut self, begin: usize, end: usize, window: usize) -> bool {
        self.worker.long.clear();
        let mut at = begin;
        loop {
            let stop = self
                .text
                .floor_char_boundary(end.min(at.saturating_add(window)));
            self.merge(at, stop);
            let Worker { symbols, long, .. } = &mut *self.worker;
            let mut tokens = symbols
                .ids
                .iter()
                .zip(&symbols.ends)
                .map(|(id, end)| (*id, at as u32 + end));
            if let Some(last) = long.last()
                && tokens.next() != Some(*last)
            {
                return false;
            }
            if stop == end {
                long.extend(tokens);
                return true;
            }
            let kept = symbols.ids.len().saturating_sub(OVERLAP);
            let before = long.len();
            long.extend(tokens.take(kept));
            // A window that brings nothing new would be the same again.
            if long.len() < before + 2 {
                return false;
            }
            at = long[long.len() - 2].1 as usize;
        }
    }

    /// Takes the unknown character `text[from..to]`.
    fn unknown(&mut self, from: usize, to: usize) -> Result<(), Error> {
        if let Some(tokens) = &self.model.unknown.bytes {
            for byte in &self.text.as_bytes()[from..to] {
                self.sink.push(tokens[*byte as usize], 1);
            }
            return Ok(());
        }
        if self.model.unknown.token.is_none() {
            return Err(Error::NoToken { offset: from });
        }
        if !self.model.unknown.fuse {
            self.flush();
        }
        self.unknown += (to - from) as u32;
        Ok(())
    }

    /// Hands the unknown token on that still grew.
    #[inline]
    fn flush(&mut self) {
        if self.unknown != 0
            && let Some(id) = self.model.unknown.token
        {
            self.sink.push(id, std::mem::take(&mut self.unknown));
        }
    }
}

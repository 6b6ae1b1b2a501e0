//! Byte pair encoding of pieces.

mod backtrack;
mod borders;
mod cache;
mod characters;
mod listed;
mod merge;
mod merges;
mod parts;
#[cfg(test)]
mod reference;
mod table;

use std::sync::Arc;

use hashbrown::HashMap;

use self::cache::{FEW, Kept, Short};
use self::listed::Ranks;
use self::merge::{Merged, Merger};
pub(crate) use self::merges::Merges;
use self::parts::Parts;
use self::table::{NONE, SHORT, Table, Word, hash_long};
use crate::fragments::Spare;
use crate::pretokenize::GAP;
use crate::sink::{Needs, Sink};
use crate::{Error, Vocabulary};

/// Pieces whose words are hashed, and whose slots are asked for, before the first of them is looked up.
const AHEAD: usize = 64;

/// A prepared byte-level model.
#[derive(Debug, Clone)]
pub(crate) struct Bpe {
    table: Arc<Table>,
    /// Tokens of pieces, short or long, that no merge makes.
    whole: Arc<HashMap<Box<[u8]>, u32>>,
    merger: Arc<Merger>,
    parts: Arc<Parts>,
    idle: Arc<Spare<Work>>,
}

/// What one call at a time writes to.
#[derive(Debug)]
struct Work {
    short: Short,
    kept: Kept,
    merged: Merged,
    /// The tokens of a piece that was cut.
    ids_of_parts: Vec<u32>,
    /// The short pieces that come next, each with its hash.
    words: [(Word, u64); AHEAD],
    /// Their tokens.
    ids: [u32; AHEAD * FEW],
}

impl Default for Work {
    fn default() -> Self {
        Self {
            short: Short::default(),
            kept: Kept::default(),
            merged: Merged::default(),
            ids_of_parts: Vec::new(),
            words: [(Word::NO_PIECE, 0); AHEAD],
            ids: [0; AHEAD * FEW],
        }
    }
}

impl Bpe {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self::of_ranks(Ranks {
            vocabulary,
            whole: HashMap::new(),
        })
    }

    fn of_ranks(ranks: Ranks) -> Self {
        let table = Table::new(ranks.vocabulary);
        let whole = Arc::new(ranks.whole);
        Self {
            merger: Arc::new(Merger::new(&table)),
            parts: Arc::new(Parts::new(&table, Arc::clone(&whole))),
            whole,
            table: Arc::new(table),
            idle: Arc::new(Spare::new()),
        }
    }

    /// A model that merges in the order of a list, where that is the order of ids; otherwise [`Merges`] has to do it.
    pub(crate) fn of_list(
        vocabulary: &Arc<Vocabulary>,
        pairs: &[[u32; 3]],
        ignore_merges: bool,
    ) -> Option<Self> {
        listed::as_ranks(vocabulary, pairs, ignore_merges).map(Self::of_ranks)
    }

    /// Appends the bytes of token `id`, or says that there is none.
    #[inline]
    pub(crate) fn append(&self, id: u32, bytes: &mut Vec<u8>) -> bool {
        self.table.append(id, bytes)
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: a byte of the text is not in the vocabulary.
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        self.idle.with(Work::default, |work| {
            self.encode_with(work, text, begin, ends, sink)
        })
    }

    fn encode_with<S: Sink>(
        &self,
        work: &mut Work,
        text: &str,
        mut begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        let bytes = text.as_bytes();
        for ends in ends.chunks(AHEAD) {
            let lines = work.short.lines();
            let mut at = begin;
            for (word, &end) in work.words.iter_mut().zip(ends) {
                // A gap is longer than every piece.
                let len = end.wrapping_sub(at);
                let found = if (1..=SHORT as u32).contains(&len) {
                    Word::of(bytes, at as usize, end as usize)
                } else {
                    Word::NO_PIECE
                };
                let hash = found.hash();
                lines.prefetch(hash);
                *word = (found, hash);
                at = end & !GAP;
            }
            let mut done = 0;
            while done < ends.len() {
                let known = self.known(work, done, ends, begin, sink);
                done += known;
                if known > 0 {
                    begin = ends[done - 1];
                }
                let (Some(&word), Some(&end)) = (work.words.get(done), ends.get(done)) else {
                    break;
                };
                if end & GAP == 0 && end > begin {
                    self.piece(text, begin, end, word, work, sink)?;
                }
                begin = end & !GAP;
                done += 1;
            }
            if sink.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Passes on the tokens of pieces from the `done`th on, up to the first that is not in the cache, and returns how many.
    #[inline]
    fn known<S: Sink>(
        &self,
        work: &mut Work,
        done: usize,
        ends: &[u32],
        mut begin: u32,
        sink: &mut S,
    ) -> usize {
        let lines = work.short.lines();
        let ids = &mut work.ids;
        let mut len = 0;
        let mut known = 0;
        for (&(word, hash), &end) in work.words.iter().zip(ends).skip(done) {
            let Some((found, count)) = lines.get(word, hash) else {
                break;
            };
            match S::NEEDS {
                Needs::Count => {}
                // Copying four is one instruction, copying as many as there are is a call.
                Needs::Ids => ids[len..len + FEW].copy_from_slice(found),
                Needs::Lengths if count == 1 => sink.push(found[0], end - begin),
                Needs::Lengths => self.push_all(&found[..count.min(FEW)], sink),
            }
            len += count;
            known += 1;
            begin = end;
        }
        match S::NEEDS {
            Needs::Count => sink.skip(len),
            Needs::Ids => sink.extend(&ids[..len]),
            Needs::Lengths => {}
        }
        known
    }

    /// A piece that is not in the cache of short ones.
    #[inline(never)]
    fn piece<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        end: u32,
        (word, mut hash): (Word, u64),
        work: &mut Work,
        sink: &mut S,
    ) -> Result<(), Error> {
        let piece = &text[begin as usize..end as usize];
        let is_short = piece.len() <= SHORT;
        let id = if is_short {
            self.table.word(word, hash)
        } else {
            hash = hash_long(piece.as_bytes());
            self.table.long(piece.as_bytes(), hash)
        };
        let is_ascii = piece.is_ascii();
        if id != NONE {
            sink.push(id, end - begin);
            // What is kept is good for a part of a piece too; no part that is only ASCII is looked for.
            let (merger, table) = (&self.merger, &self.table);
            if is_short && (is_ascii || self.parts.is_made(merger, table, id, piece, work)) {
                work.short.keep(word, hash, &[id]);
            }
            return Ok(());
        }
        if let Some(&id) = self.whole.get(piece.as_bytes()) {
            sink.push(id, end - begin);
            // As part of a piece it would be something else.
            if is_short && is_ascii {
                work.short.keep(word, hash, &[id]);
            }
            return Ok(());
        }
        if let Some(ids) = work.kept.get(piece.as_bytes(), hash) {
            self.extend(ids, sink);
            if is_short {
                work.short.keep(word, hash, ids);
            }
            return Ok(());
        }
        let rest = &text.as_bytes()[begin as usize..];
        let no_token = |at| Error::NoToken {
            offset: begin as usize + at,
        };
        let (merger, table) = (&self.merger, &self.table);
        let ids = if is_ascii {
            let merged = merger.merge(table, rest, piece, &mut work.merged);
            merged.map_err(no_token)?;
            &work.merged.ids
        } else {
            let merged = self.parts.merge(merger, table, rest, piece, work);
            merged.map_err(no_token)?;
            &work.ids_of_parts
        };
        self.extend(ids, sink);
        if is_short {
            work.short.keep(word, hash, ids);
        }
        work.kept.keep(piece.as_bytes(), hash, ids);
        Ok(())
    }

    #[inline]
    fn extend<S: Sink>(&self, ids: &[u32], sink: &mut S) {
        match S::NEEDS {
            Needs::Count => sink.skip(ids.len()),
            Needs::Ids => sink.extend(ids),
            Needs::Lengths => self.push_all(ids, sink),
        }
    }

    /// The tokens of a piece one by one: all its bytes are theirs.
    fn push_all<S: Sink>(&self, ids: &[u32], sink: &mut S) {
        for &id in ids {
            let token = self.table.vocabulary().token(id);
            sink.push(id, token.map_or(0, <[u8]>::len) as u32);
        }
    }
}

#[cfg(test)]
mod tests;

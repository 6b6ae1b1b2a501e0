//! Byte pair encoding of pieces.

mod cache;
mod characters;
mod listed;
mod merge;
mod merges;
#[cfg(test)]
mod reference;
mod table;

use std::sync::{Arc, Mutex};

use self::cache::{Cache, LONG_BYTES};
use self::merge::{Merged, Merger};
pub(crate) use self::merges::Merges;
use self::table::{NONE, SHORT, Table, Word, hash_long};
use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::{Error, Vocabulary};

/// Pieces whose words are hashed, and whose slots are asked for, before the first of them is looked up.
const AHEAD: usize = 64;

/// A prepared byte-level model.
#[derive(Debug, Clone)]
pub(crate) struct Bpe {
    table: Arc<Table>,
    merger: Arc<Merger>,
    /// Caches that no call is using: as many as calls ever ran at the same time.
    idle: Arc<Mutex<Vec<Work>>>,
}

/// What one call at a time writes to.
#[derive(Debug, Default)]
struct Work {
    cache: Cache,
    merged: Merged,
}

/// A [`Work`] that goes back when the call ends; taken when it is first needed.
struct Borrowed<'a> {
    idle: &'a Mutex<Vec<Work>>,
    work: Option<Work>,
}

impl Borrowed<'_> {
    #[inline]
    fn get(&mut self) -> &mut Work {
        // Never waits: a process may have been forked while another thread held the lock, which then stays held.
        self.work.get_or_insert_with(|| {
            let idle = self.idle.try_lock().ok();
            idle.and_then(|mut idle| idle.pop()).unwrap_or_default()
        })
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Ok(mut idle) = self.idle.try_lock()
        {
            idle.push(work);
        }
    }
}

impl Bpe {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        let table = Table::new(vocabulary);
        Self {
            merger: Arc::new(Merger::new(&table)),
            table: Arc::new(table),
            idle: Arc::default(),
        }
    }

    /// A model that merges in the order of a list, where that is the order of ids; otherwise [`Merges`] has to do it.
    pub(crate) fn of_list(
        vocabulary: &Arc<Vocabulary>,
        pairs: &[[u32; 3]],
        ignore_merges: bool,
    ) -> Option<Self> {
        listed::as_ranks(vocabulary, pairs, ignore_merges).map(Self::new)
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
        mut begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        let bytes = text.as_bytes();
        let mut borrowed = Borrowed {
            idle: &self.idle,
            work: None,
        };
        let mut words = [(Word::NOTHING, 0); AHEAD];
        for ends in ends.chunks(AHEAD) {
            let mut at = begin as usize;
            for (word, end) in words.iter_mut().zip(ends) {
                let end = (end & !GAP) as usize;
                if (1..=SHORT).contains(&(end - at)) {
                    let found = Word::of(bytes, at, end);
                    let hash = found.hash();
                    self.table.prefetch(hash);
                    *word = (found, hash);
                }
                at = end;
            }
            for (&(word, hash), &marked) in words.iter().zip(ends) {
                let end = marked & !GAP;
                let len = end - begin;
                if marked & GAP != 0 || len == 0 {
                } else if len as usize <= SHORT {
                    let id = self.table.word(word, hash);
                    if id == NONE {
                        self.short(text, begin, end, (word, hash), borrowed.get(), sink)?;
                    } else {
                        sink.push(id, len);
                    }
                } else {
                    self.long(text, begin, end, &mut borrowed, sink)?;
                }
                begin = end;
            }
            if sink.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// A piece of up to 15 bytes that is no token.
    fn short<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        end: u32,
        (word, hash): (Word, u64),
        work: &mut Work,
        sink: &mut S,
    ) -> Result<(), Error> {
        if !S::LENGTHS
            && work
                .cache
                .short(word, hash, |ids| sink.extend(ids, end - begin))
        {
            return Ok(());
        }
        self.merge(text, begin, end, work, sink)?;
        work.cache.keep_short(word, hash, &work.merged.ids);
        Ok(())
    }

    /// A piece of more than 15 bytes.
    fn long<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        end: u32,
        borrowed: &mut Borrowed<'_>,
        sink: &mut S,
    ) -> Result<(), Error> {
        let piece = &text[begin as usize..end as usize];
        if piece.len() > LONG_BYTES.max(self.table.longest()) {
            return self.merge(text, begin, end, borrowed.get(), sink);
        }
        let hash = hash_long(piece.as_bytes());
        let id = self.table.long(piece.as_bytes(), hash);
        if id != NONE {
            sink.push(id, end - begin);
            return Ok(());
        }
        let work = borrowed.get();
        if !S::LENGTHS
            && let Some(ids) = work.cache.long(piece.as_bytes(), hash)
        {
            sink.extend(ids, end - begin);
            return Ok(());
        }
        self.merge(text, begin, end, work, sink)?;
        work.cache
            .keep_long(piece.as_bytes(), hash, &work.merged.ids);
        Ok(())
    }

    fn merge<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        end: u32,
        work: &mut Work,
        sink: &mut S,
    ) -> Result<(), Error> {
        let piece = &text[begin as usize..end as usize];
        self.merger
            .merge(&self.table, piece, &mut work.merged)
            .map_err(|at| Error::NoToken {
                offset: begin as usize + at,
            })?;
        if S::LENGTHS {
            let mut at = 0;
            for (&id, &end) in work.merged.ids.iter().zip(&work.merged.ends) {
                sink.push(id, end - at);
                at = end;
            }
        } else {
            sink.extend(&work.merged.ids, end - begin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

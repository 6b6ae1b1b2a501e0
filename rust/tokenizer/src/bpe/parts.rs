//! Pieces beyond ASCII that are no token, cut where nothing merges across, so that their parts are known from elsewhere.
//!
//! A sentence of Japanese is one piece and never comes twice; its words do.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use super::Work;
use super::borders::Borders;
use super::cache::FEW;
use super::merge::Merger;
use super::table::{NONE, SHORT, Table, Word, hash_long};

/// What is known of the merges of a vocabulary beyond ASCII; found out when it is needed.
#[derive(Debug)]
pub(super) struct Parts {
    borders: OnceLock<Borders>,
    /// For each token whether it is what its own bytes are merged to. A piece that is a token is that token in any case; a part
    /// of a piece only then.
    made: Box<[AtomicU8]>,
    /// Tokens of pieces, which no merge makes.
    whole: Arc<HashMap<Box<[u8]>, u32>>,
}

const UNKNOWN: u8 = 0;
const MADE: u8 = 1;
const UNMADE: u8 = 2;

impl Parts {
    pub(super) fn new(table: &Table, whole: Arc<HashMap<Box<[u8]>, u32>>) -> Self {
        let limit = table.vocabulary().limit() as usize;
        Self {
            borders: OnceLock::new(),
            made: (0..limit).map(|_| AtomicU8::new(UNKNOWN)).collect(),
            whole,
        }
    }

    /// Whether `text`, which is the token `id`, is merged to it.
    #[inline]
    pub(super) fn is_made(
        &self,
        merger: &Merger,
        table: &Table,
        id: u32,
        text: &str,
        work: &mut Work,
    ) -> bool {
        let Some(made) = self.made.get(id as usize) else {
            return false;
        };
        // What two threads find out is the same.
        match made.load(Ordering::Relaxed) {
            MADE => true,
            UNMADE => false,
            _ => {
                let merged = merger.merge(table, text.as_bytes(), text, &mut work.merged);
                let is_made = merged.is_ok() && work.merged.ids == [id];
                made.store(if is_made { MADE } else { UNMADE }, Ordering::Relaxed);
                is_made
            }
        }
    }

    /// Leaves the tokens of `piece`, with which `text` begins, in [`Work::ids_of_parts`].
    ///
    /// # Errors
    ///
    /// Where the byte is that is no token.
    pub(super) fn merge(
        &self,
        merger: &Merger,
        table: &Table,
        text: &[u8],
        piece: &str,
        work: &mut Work,
    ) -> Result<(), usize> {
        work.ids_of_parts.clear();
        let borders = self.borders.get_or_init(|| Borders::new(table));
        borders.cut(piece, |begin, end, _| {
            let part = &piece[begin..end];
            self.part(merger, table, &text[begin..], part, work)
                .map_err(|at| begin + at)
        })
    }

    fn part(
        &self,
        merger: &Merger,
        table: &Table,
        text: &[u8],
        part: &str,
        work: &mut Work,
    ) -> Result<(), usize> {
        if part.len() <= SHORT && !part.is_ascii() {
            let word = Word::of(text, 0, part.len());
            let hash = word.hash();
            if let Some((ids, count)) = work.short.lines().get(word, hash) {
                let len = work.ids_of_parts.len();
                work.ids_of_parts.extend_from_slice(ids);
                work.ids_of_parts.truncate(len + count);
                return Ok(());
            }
            let id = table.word(word, hash);
            if id != NONE && self.is_made(merger, table, id, part, work) {
                work.short.keep(word, hash, &[id]);
                work.ids_of_parts.push(id);
                return Ok(());
            }
            merger.merge(table, text, part, &mut work.merged)?;
            // A piece that is a token is that token, whatever its parts become.
            let is_piece = id != NONE || self.whole.contains_key(part.as_bytes());
            if work.merged.ids.len() <= FEW && !is_piece {
                work.short.keep(word, hash, &work.merged.ids);
            }
        } else {
            let hash = hash_long(part.as_bytes());
            if let Some(ids) = work.kept.get(part.as_bytes(), hash) {
                work.ids_of_parts.extend_from_slice(ids);
                return Ok(());
            }
            merger.merge(table, text, part, &mut work.merged)?;
            work.kept.keep(part.as_bytes(), hash, &work.merged.ids);
        }
        work.ids_of_parts.extend_from_slice(&work.merged.ids);
        Ok(())
    }
}

//! Attention of many sequences over a layer's pages.
//!
//! The work is cut into pieces, each some rows, one key/value head and part of the context; threads take the next piece when
//! they have finished one. A prefix whose blocks neighbouring sequences share is read once for all of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use inferail_simd::pages::{Context, Partials, Scaling};

use super::cpu::{Cpu, same_length};
use super::{Layout, Store};
use crate::Error;

/// How scores are made and who sees what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// What products are multiplied with, and the soft cap of the scores.
    pub scaling: Scaling,
    /// A query sees this many tokens up to its own; all of them without it.
    pub window: Option<usize>,
    /// Threads that work, the calling one among them.
    pub threads: usize,
}

/// Sequences with their last tokens as queries.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[rows, heads, head_dim]`: the rows of the first sequence, then those of the next. `heads` is a multiple of
    /// `kv_heads`; neighbouring heads share a key/value head.
    pub queries: &'a [f32],
    /// Query heads.
    pub heads: usize,
    /// The blocks of each sequence.
    pub tables: &'a [&'a [u32]],
    /// Tokens of each sequence, those of its queries included.
    pub lengths: &'a [usize],
    /// Queries of each sequence, its last tokens: each sees the tokens before it and itself. One is decoding.
    pub queries_of: &'a [usize],
}

/// Tokens that one piece of work goes through. Cuts are at its multiples whatever else is in the batch, and pieces are
/// merged in order, so that a row comes out the same to the bit, whoever stands beside it and however many threads work.
const PART: usize = 4096;

/// Queries of one piece: what they collect should stay in the cache of one core.
const QUERIES: usize = 64;

/// Tokens below which a shared prefix is read by each sequence alone.
const WORTH_SHARING: usize = 64;

/// Part of a context, for the queries of some rows, of one sequence or of neighbouring ones.
struct Piece {
    kv_head: usize,
    rows: Range<usize>,
    tokens: Range<usize>,
    /// The rows' sequences begin with this many tokens in the same blocks.
    shared: usize,
}

/// Where a row belongs.
struct Place {
    sequence: usize,
    seen: Range<usize>,
}

impl Cpu {
    /// What each query gets from the tokens it sees, `[rows, heads, head_dim]`, into `out`, and with `logarithms` the
    /// logarithms of the sums of exponentials, `[rows, heads]`.
    ///
    /// A row that sees no token gets zeros and −∞. The bound of the error: [`Partials`].
    ///
    /// # Errors
    /// A layer or a block that the store has not, lengths that do not fit together, a window or a number of threads of 0,
    /// or a scale or cap that is not a positive number.
    pub fn attend(
        &self,
        layer: usize,
        batch: Batch<'_>,
        attention: Attention,
        out: &mut [f32],
        logarithms: Option<&mut [f32]>,
    ) -> Result<(), Error> {
        let layout = self.layout();
        let places = places_of(layout, &batch, &attention)?;
        same_length("out", out.len(), batch.queries.len())?;
        if let Some(logarithms) = &logarithms {
            same_length("logarithms", logarithms.len(), places.len() * batch.heads)?;
        }
        let pieces = cut(layout, &batch, &places);
        let memory = self.read(layer)?;
        let next = AtomicUsize::new(0);
        let done: Vec<OnceLock<Partials>> = pieces.iter().map(|_| OnceLock::new()).collect();
        let work = || {
            while let Some((piece, done)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                pieces.get(at).zip(done.get(at))
            } {
                let job = Job {
                    cpu: self,
                    bytes: memory.as_slice(),
                    batch: &batch,
                    places: &places,
                    scaling: attention.scaling,
                };
                done.get_or_init(|| job.collect(piece));
            }
        };
        let threads = attention.threads.min(pieces.len());
        if threads <= 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(work);
                }
                work();
            });
        }
        drop(memory);
        let done = pieces.iter().zip(done.iter().filter_map(OnceLock::get));
        finish(layout, batch.heads, done, out, logarithms);
        Ok(())
    }
}

/// Which tokens each row sees, once everything fits together.
fn places_of(
    layout: &Layout,
    batch: &Batch<'_>,
    attention: &Attention,
) -> Result<Vec<Place>, Error> {
    if batch.heads == 0 || !batch.heads.is_multiple_of(layout.kv_heads) {
        return Err(Error::Parameter {
            name: "heads",
            expected: "a multiple of kv_heads",
            value: batch.heads.to_string(),
        });
    }
    positive("scale", attention.scaling.scale)?;
    attention
        .scaling
        .soft_cap
        .map_or(Ok(()), |cap| positive("soft_cap", cap))?;
    if attention.window == Some(0) || attention.threads == 0 {
        return Err(Error::Parameter {
            name: if attention.threads == 0 {
                "threads"
            } else {
                "window"
            },
            expected: "at least 1",
            value: "0".to_owned(),
        });
    }
    same_length("lengths", batch.lengths.len(), batch.tables.len())?;
    same_length("queries_of", batch.queries_of.len(), batch.tables.len())?;
    let mut places = Vec::new();
    let sequences = batch.tables.iter().zip(batch.lengths).zip(batch.queries_of);
    for (sequence, ((table, length), count)) in sequences.enumerate() {
        layout.check_table(table, *length)?;
        if count > length && *length > 0 {
            return Err(Error::Length {
                name: "queries of a sequence",
                expected: *length,
                length: *count,
            });
        }
        for query in 0..*count {
            let end = length.saturating_sub(count - 1 - query);
            let start = attention
                .window
                .map_or(0, |window| end.saturating_sub(window));
            places.push(Place {
                sequence,
                seen: start..end,
            });
        }
    }
    let numbers = places.len() * batch.heads * layout.head_dim;
    same_length("queries", batch.queries.len(), numbers)?;
    Ok(places)
}

/// How many rows a batch has, once everything fits together.
#[cfg(feature = "cuda")]
pub(super) fn check_batch(
    layout: &Layout,
    batch: &Batch<'_>,
    attention: &Attention,
) -> Result<usize, Error> {
    Ok(places_of(layout, batch, attention)?.len())
}

fn positive(name: &'static str, value: f32) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter {
        name,
        expected: "a positive number",
        value: value.to_string(),
    })
}

/// What a thread needs to do a piece.
struct Job<'a> {
    cpu: &'a Cpu,
    bytes: &'a [u8],
    batch: &'a Batch<'a>,
    places: &'a [Place],
    scaling: Scaling,
}

impl Job<'_> {
    fn collect(&self, piece: &Piece) -> Partials {
        let layout = self.cpu.layout();
        let group = self.batch.heads / layout.kv_heads;
        let mut partials = Partials::default();
        let queries = piece.rows.clone().flat_map(|row| {
            let first = (row * self.batch.heads + piece.kv_head * group) * layout.head_dim;
            let queries = &self.batch.queries[first..][..group * layout.head_dim];
            queries.chunks_exact(layout.head_dim)
        });
        partials.start(layout.head_dim, self.scaling, queries);
        let Range { start, end } = piece.tokens;
        let shared = piece.shared.clamp(start, end);
        self.attend(&mut partials, piece, piece.rows.clone(), start..shared);
        let mut first = piece.rows.start;
        while first < piece.rows.end {
            let last = rows_of(self.places, first).min(piece.rows.end);
            self.attend(&mut partials, piece, first..last, shared..end);
            first = last;
        }
        partials
    }

    /// Some rows of a piece, over tokens that all of them have in the same blocks.
    fn attend(
        &self,
        partials: &mut Partials,
        piece: &Piece,
        rows: Range<usize>,
        tokens: Range<usize>,
    ) {
        if tokens.is_empty() {
            return;
        }
        let layout = self.cpu.layout();
        let group = self.batch.heads / layout.kv_heads;
        let ranges: Vec<_> = rows
            .clone()
            .flat_map(|row| {
                let seen = &self.places[row].seen;
                let first = seen.start.clamp(tokens.start, tokens.end);
                let last = seen.end.clamp(first, tokens.end);
                std::iter::repeat_n(first..last, group)
            })
            .collect();
        let context = Context {
            shape: layout.shape(),
            layer: self.bytes,
            table: self.batch.tables[self.places[rows.start].sequence],
            kv_head: piece.kv_head,
        };
        let first = (rows.start - piece.rows.start) * group;
        partials.attend(self.cpu.level(), context, first, &ranges);
    }
}

/// Where the rows end that are of the sequence of row `first`.
fn rows_of(places: &[Place], first: usize) -> usize {
    let sequence = places[first].sequence;
    let rest = places[first..].iter();
    first + rest.take_while(|place| place.sequence == sequence).count()
}

/// The work, parts of a row's context in their order.
fn cut(layout: &Layout, batch: &Batch<'_>, places: &[Place]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut first = 0;
    while first < places.len() {
        let (end, shared) = run_of(layout, batch, places, first);
        let most = (QUERIES * layout.kv_heads / batch.heads).max(1);
        for start in (first..end).step_by(most) {
            let rows = start..end.min(start + most);
            let seen = places[rows.clone()].iter().map(|place| &place.seen);
            let seen = seen.filter(|seen| !seen.is_empty());
            let from = seen.clone().map(|seen| seen.start).min().unwrap_or(0);
            let to = seen.map(|seen| seen.end).max().unwrap_or(0);
            for part in from / PART..to.div_ceil(PART) {
                let tokens = from.max(part * PART)..to.min((part + 1) * PART);
                pieces.extend((0..layout.kv_heads).map(|kv_head| Piece {
                    kv_head,
                    rows: rows.clone(),
                    tokens: tokens.clone(),
                    shared,
                }));
            }
        }
        first = end;
    }
    pieces
}

/// Where the rows end whose sequences share a prefix with that of row `first`, and how many tokens it has.
fn run_of(layout: &Layout, batch: &Batch<'_>, places: &[Place], first: usize) -> (usize, usize) {
    let own = places[first].sequence;
    let mut end = rows_of(places, first);
    let mut shared = batch.lengths[own];
    while let Some(place) = places.get(end) {
        let tables = batch.tables[own].iter().zip(batch.tables[place.sequence]);
        let blocks = tables.take_while(|(left, right)| left == right).count();
        let common = (blocks * layout.block_size)
            .min(shared)
            .min(batch.lengths[place.sequence]);
        // A block that is not full is each row's own, as it is for a row that stands alone.
        let common = common - common % layout.block_size;
        if common < WORTH_SHARING {
            break;
        }
        shared = common;
        end = rows_of(places, end);
    }
    (end, shared)
}

/// Merges the parts of each row and writes what they add up to.
fn finish<'a>(
    layout: &Layout,
    heads: usize,
    done: impl Iterator<Item = (&'a Piece, &'a Partials)>,
    out: &mut [f32],
    mut logarithms: Option<&mut [f32]>,
) {
    let group = heads / layout.kv_heads;
    out.fill(0.0);
    if let Some(logarithms) = &mut logarithms {
        logarithms.fill(f32::NEG_INFINITY);
    }
    let mut merged: BTreeMap<(usize, usize), Partials> = BTreeMap::new();
    for (piece, partials) in done {
        match merged.entry((piece.rows.start, piece.kv_head)) {
            Entry::Vacant(entry) => {
                entry.insert(partials.clone());
            }
            Entry::Occupied(mut entry) => entry.get_mut().merge(partials),
        }
        // The last part of a row writes over what those before it wrote.
        let Some(sum) = merged.get(&(piece.rows.start, piece.kv_head)) else {
            continue;
        };
        for query in 0..sum.len() {
            let row = piece.rows.start + query / group;
            let head = row * heads + piece.kv_head * group + query % group;
            let logarithm =
                sum.finish(query, &mut out[head * layout.head_dim..][..layout.head_dim]);
            if let Some(logarithms) = &mut logarithms {
                logarithms[head] = logarithm;
            }
        }
    }
}

//! A partition as blocks of a snapshot: its name and its basis, then its chunks.
//!
//! Arrays of numbers are in the byte order of the machine, `n` is the entries of a chunk, `b` its blocks of sixteen:
//!
//! | block | part | what |
//! |---|---|---|
//! | 1, partition | 0 | its namespace |
//! | | 1 | directions of its basis, f32 `[3, width, 32]` |
//! | | 2 | worth of a code in each direction, f32 `[96]` |
//! | | 3 | vectors that the basis was learned from, u64 |
//! | 2, chunk | 0 | leading codes, rests and errors, u8 `[3, b, 256 + 16 + 16]` |
//! | | 1 | units of the rests and of the errors, and the largest lengths of codes, of the three leading parts each, and the largest length, f32 `[10]` |
//! | | 2 | biases, f32 `[b, 16]`; empty but for L2 |
//! | | 3 | keys, u64 `[n]` |
//! | | 4 | when they expire, milliseconds since 1970 or 2⁶⁴ - 1, u64 `[n]` |
//! | | 5 | own thresholds, scales and errors of the codes, lengths, f32 `[4, n]` |
//! | | 6 | codes, i8 `[n, width]` |
//! | | 7 | kept numbers, f32 or f16 `[n, width]`; empty for int8 |
//! | | 8 | where each payload ends, u64 `[n]`; the highest bit says that there is one |
//! | | 9 | the payloads |

use std::sync::Arc;

use hashbrown::HashMap;
use inferail_simd::map::{bytes, view};
use inferail_simd::vectors::{LANES, LEAD, LeadBlock};

use super::chunk::{Chunk, ENTRIES, Facts};
use super::places::Places;
use super::rows::{HAS_PAYLOAD, KeptRef, MappedRows, RowRef, Rows};
use super::{Partition, State, gather};
use crate::basis::{Basis, Bounds, GROUPS};
use crate::storage::{Snapshot, SnapshotWriter};
use crate::{Error, Metric, Precision, Settings};

const PARTITION: u32 = 1;
const CHUNK: u32 = 2;

impl Partition {
    /// Writes its entries that have not expired by `now`; whether there were any.
    pub(crate) fn save(
        &self,
        namespace: &str,
        now: u64,
        writer: &mut SnapshotWriter,
    ) -> Result<bool, Error> {
        let state = self.state.load_full();
        let (chunks, _) = gather(&state, now)?;
        if chunks.is_empty() {
            return Ok(false);
        }
        let sample = state.basis.sample() as u64;
        let (directions, steps) = state.basis.parts();
        writer.block(
            PARTITION,
            &[
                namespace.as_bytes(),
                bytes(directions),
                bytes(steps),
                bytes(&[sample]),
            ],
        )?;
        for chunk in &chunks {
            save_chunk(chunk, writer)?;
        }
        Ok(true)
    }
}

fn save_chunk(chunk: &Chunk, writer: &mut SnapshotWriter) -> Result<(), Error> {
    let facts = || chunk.facts.iter();
    let keys: Vec<u64> = facts().map(|facts| facts.key).collect();
    let expires: Vec<u64> = facts().map(|facts| facts.expires).collect();
    let mut sizes: Vec<f32> = facts().map(Facts::threshold).collect();
    sizes.extend(facts().map(|facts| facts.scale));
    sizes.extend(facts().map(|facts| facts.error));
    sizes.extend(facts().map(|facts| facts.norm));
    let Bounds {
        rest_unit,
        error_unit,
        length,
        norm,
    } = chunk.bounds;
    let bounds = [rest_unit, error_unit, length];
    let leads = chunk.leads.each_ref().map(Vec::as_slice).concat();
    writer.block(
        CHUNK,
        &[
            bytes(&leads),
            bytes(&[bounds.as_flattened(), &[norm]].concat()),
            bytes(chunk.biases.as_flattened()),
            bytes(&keys),
            bytes(&expires),
            bytes(&sizes),
        ],
    )?;
    let rows = || (0..chunk.facts.len()).filter_map(|place| chunk.row(place));
    writer.begin_part()?;
    for row in rows() {
        writer.extend(bytes(row.codes()?))?;
    }
    writer.begin_part()?;
    for row in rows() {
        match row.kept()? {
            KeptRef::Float32(numbers) => writer.extend(bytes(numbers))?,
            KeptRef::Float16(bits) => writer.extend(bytes(bits))?,
            KeptRef::Int8 => {}
        }
    }
    let payloads: Vec<_> = rows().map(RowRef::payload).collect::<Result<_, _>>()?;
    let mut end = 0;
    let ends = payloads.iter().map(|payload| {
        end += payload.as_ref().map_or(0, |payload| payload.len() as u64);
        end | payload.as_ref().map_or(0, |_| HAS_PAYLOAD)
    });
    let ends: Vec<u64> = ends.collect();
    writer.begin_part()?;
    writer.extend(bytes(&ends))?;
    writer.begin_part()?;
    for payload in payloads.iter().flatten() {
        writer.extend(payload)?;
    }
    Ok(())
}

/// The partitions of a snapshot with their namespaces. What is scanned is read, rows are left where they are.
pub(crate) fn load(
    settings: &Settings,
    snapshot: &Snapshot,
) -> Result<Vec<(Box<str>, Partition)>, Error> {
    let mut loaded: Vec<Loading> = Vec::new();
    for (block, (kind, _)) in snapshot.blocks().enumerate() {
        match (kind, loaded.last_mut()) {
            (PARTITION, _) => loaded.push(Loading::begin(settings, snapshot, block)?),
            (CHUNK, Some(partition)) => {
                let chunk = load_chunk(settings, snapshot, block)?;
                partition.chunks.push(Arc::new(chunk));
            }
            _ => return Err(UNREADABLE),
        }
    }
    loaded.into_iter().map(Loading::finish).collect()
}

const UNREADABLE: Error = Error::Snapshot {
    problem: "its blocks are not those of an index",
};

struct Loading {
    namespace: Box<str>,
    basis: Basis,
    chunks: Vec<Arc<Chunk>>,
}

impl Loading {
    fn begin(settings: &Settings, snapshot: &Snapshot, block: usize) -> Result<Self, Error> {
        let parts = snapshot.block(block)?;
        let [namespace, directions, steps, sample] = parts[..] else {
            return Err(UNREADABLE);
        };
        let namespace = std::str::from_utf8(namespace).map_err(|_| UNREADABLE)?;
        let directions: &[f32] = view(directions).ok_or(UNREADABLE)?;
        let steps: &[f32] = view(steps).ok_or(UNREADABLE)?;
        let steps: &[f32; GROUPS * LEAD] = steps.try_into().map_err(|_| UNREADABLE)?;
        let [sample] = *view::<u64>(sample).ok_or(UNREADABLE)? else {
            return Err(UNREADABLE);
        };
        if directions.len() != GROUPS * LEAD * settings.width() {
            return Err(UNREADABLE);
        }
        Ok(Self {
            namespace: namespace.into(),
            basis: Basis::of_parts(directions.into(), steps, sample as usize),
            chunks: Vec::new(),
        })
    }

    fn finish(self) -> Result<(Box<str>, Partition), Error> {
        // All chunks but the last are full: places are counted through.
        let full = self
            .chunks
            .split_last()
            .is_none_or(|(_, others)| others.iter().all(|chunk| chunk.facts.len() == ENTRIES));
        if !full {
            return Err(UNREADABLE);
        }
        let mut places = Places::default();
        let facts = self.chunks.iter().flat_map(|chunk| &chunk.facts);
        let taken = facts.map(|facts| (facts.key, places.take(facts.key, facts.expires)));
        let entries = self.chunks.iter().map(|chunk| chunk.facts.len()).sum();
        let mut keys = HashMap::with_capacity(entries);
        keys.extend(taken);
        let state = State {
            basis: Arc::new(self.basis),
            chunks: self.chunks,
        };
        Ok((self.namespace, Partition::of_parts(state, keys, places)))
    }
}

fn load_chunk(settings: &Settings, snapshot: &Snapshot, block: usize) -> Result<Chunk, Error> {
    let part = |part| snapshot.section(block, part);
    let mut chunk = Chunk::new();
    let leads = part(0)?;
    let leads: &[LeadBlock] = leads.numbers()?;
    let each = leads.len() / GROUPS;
    chunk.leads = std::array::from_fn(|group| leads[group * each..][..each].to_vec());
    let bounds = part(1)?;
    let (bounds, [norm]) = bounds.numbers::<f32>()?.as_chunks() else {
        return Err(UNREADABLE);
    };
    let [rest_unit, error_unit, length] = *bounds else {
        return Err(UNREADABLE);
    };
    chunk.bounds = Bounds {
        rest_unit,
        error_unit,
        length,
        norm: *norm,
    };
    chunk.biases = blocks(part(2)?.numbers()?)?;
    let (keys, expires, sizes) = (part(3)?, part(4)?, part(5)?);
    let keys: &[u64] = keys.numbers()?;
    let expires: &[u64] = expires.numbers()?;
    let sizes: &[f32] = sizes.numbers()?;
    let count = keys.len();
    let biased = if settings.metric() == Metric::L2 {
        leads.len() / GROUPS
    } else {
        0
    };
    let sound = (1..=ENTRIES).contains(&count)
        && leads.len() == GROUPS * count.div_ceil(LANES)
        && chunk.biases.len() == biased
        && expires.len() == count
        && sizes.len() == 4 * count;
    if !sound {
        return Err(UNREADABLE);
    }
    let facts = keys
        .iter()
        .zip(expires)
        .enumerate()
        .map(|(place, (key, expires))| {
            let size = |which: usize| sizes[which * count + place];
            Facts::new(*key, *expires, size(0), [size(1), size(2), size(3)])
        });
    chunk.facts = facts.collect();
    let kept_bytes = match settings.precision() {
        Precision::Float32 => 4,
        Precision::Float16 => 2,
        Precision::Int8 => 0,
    };
    let rows = MappedRows {
        width: settings.width(),
        precision: settings.precision(),
        codes: part(6)?,
        kept: part(7)?,
        ends: part(8)?,
        payloads: part(9)?,
    };
    let cells = count * settings.width();
    let sound = rows.codes.len() == cells
        && rows.kept.len() == cells * kept_bytes
        && rows.ends.len() == size_of_val(keys);
    if !sound {
        return Err(UNREADABLE);
    }
    let rows = Arc::new(rows);
    let firsts = (0..count).step_by(LANES);
    chunk.rows = firsts
        .map(|first| Arc::new(Rows::of_mapped(Arc::clone(&rows), first)))
        .collect();
    chunk.fill(count);
    Ok(chunk)
}

/// Numbers as whole arrays, copied: they are read for every search.
fn blocks<T: Copy, const N: usize>(numbers: &[T]) -> Result<Vec<[T; N]>, Error> {
    let (blocks, rest) = numbers.as_chunks::<N>();
    if rest.is_empty() {
        Ok(blocks.to_vec())
    } else {
        Err(UNREADABLE)
    }
}

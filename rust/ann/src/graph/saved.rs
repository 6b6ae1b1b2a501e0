//! A graph as a file: a snapshot with one block.
//!
//! Arrays of numbers are in the byte order of the machine, `n` is the entries:
//!
//! | part | what |
//! |---|---|
//! | 0 | dim, metric (0 cosine, 1 dot, 2 L2), precision (0 float32, 1 float16, 2 int8), links, build effort, seed, u64 `[6]` |
//! | 1 | keys, u64 `[n]` |
//! | 2 | what a code of 1 is worth, f32 `[n]` |
//! | 3 | half of the square of the length, f32 `[n]`; empty but for L2 |
//! | 4 | where searches begin, u32 |
//! | 5 | half of what a step between two rough codes is worth, f32 `[n]` |
//! | 6 | how many links, then these, u32 `[n, 1 + capacity]` |
//! | 7 | rough codes, two in a byte, u8 `[n, width / 2]` |
//! | 8 | codes, i8 `[n, width]` |
//! | 9 | kept numbers, f32 or f16 `[n, width]`; empty for int8 |

use std::path::Path;
use std::sync::{Mutex, RwLock};

use inferail_simd::map::{Number, bytes};
use inferail_simd::vectors::Level;

use super::rows::Rows;
use super::vertices::{KeptRows, Vertices};
use super::walk::MAX_PLACES;
use super::{GraphIndex, GraphOptions};
use crate::storage::{Section, Snapshot, SnapshotWriter};
use crate::{Error, Metric, Precision, Settings};

const GRAPH: u32 = 16;
const PARTS: usize = 10;

impl GraphIndex {
    /// Writes it to the file at `path`, in place of what is there when all of it is on disk. Changes wait for it,
    /// searches do not.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also if another thread or process is writing the same file; [`Error::Damaged`] of the file that it
    /// was opened from.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let _no_changes = self.lock();
        let vertices = self.read();
        let mut writer = SnapshotWriter::create(path, &described(&self.settings), 0)?;
        write(&vertices, &self.settings, &self.options, &mut writer)?;
        writer.finish()
    }

    /// The index in the file at `path`, which must stay as it is. Vectors and links are read, and compared with their
    /// checksums, where they are first needed: by the first search. The first change copies them into memory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Damaged`], [`Error::Version`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let snapshot = Snapshot::open(path)?;
        let mut blocks = snapshot.blocks();
        if blocks.next() != Some((GRAPH, PARTS)) || blocks.next().is_some() {
            return Err(no_graph(path));
        }
        let numbers = snapshot.section(0, 0)?;
        let numbers: &[u64] = numbers.numbers()?;
        let (settings, options) = made_for(numbers).ok_or_else(|| no_graph(path))?;
        if snapshot.settings() != described(&settings) {
            return Err(no_graph(path));
        }
        let vertices = read(&snapshot, settings, options)?;
        let vertices = vertices.ok_or_else(|| no_graph(path))?;
        Ok(Self {
            settings,
            options,
            level: vertices.level,
            vertices: RwLock::new(vertices),
            wiring: Mutex::default(),
        })
    }
}

/// A file that is sound and something else.
pub(super) fn no_graph(path: &Path) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        offset: 0,
        problem: "it is not that of a graph index; save one there, or open another file".to_owned(),
    }
}

fn described(settings: &Settings) -> Vec<u8> {
    format!("graph {}", settings.described()).into_bytes()
}

fn numbers_of(settings: &Settings, options: &GraphOptions) -> [u64; 6] {
    let metric = match settings.metric() {
        Metric::Cosine => 0,
        Metric::Dot => 1,
        Metric::L2 => 2,
    };
    let precision = match settings.precision() {
        Precision::Float32 => 0,
        Precision::Float16 => 1,
        Precision::Int8 => 2,
    };
    [
        settings.dim() as u64,
        metric,
        precision,
        options.links as u64,
        options.build_effort as u64,
        options.seed,
    ]
}

fn made_for(numbers: &[u64]) -> Option<(Settings, GraphOptions)> {
    let [dim, metric, precision, links, build_effort, seed] = *numbers else {
        return None;
    };
    let metric = match metric {
        0 => Metric::Cosine,
        1 => Metric::Dot,
        2 => Metric::L2,
        _ => return None,
    };
    let precision = match precision {
        0 => Precision::Float32,
        1 => Precision::Float16,
        2 => Precision::Int8,
        _ => return None,
    };
    let settings = Settings::new(usize::try_from(dim).ok()?, metric, precision).ok()?;
    let (links, effort) = (usize::try_from(links), usize::try_from(build_effort));
    let options = GraphOptions::new(links.ok()?, effort.ok()?, seed).ok()?;
    Some((settings, options))
}

/// Writes the entries side by side: places that are free are left out.
fn write(
    vertices: &Vertices,
    settings: &Settings,
    options: &GraphOptions,
    writer: &mut SnapshotWriter,
) -> Result<(), Error> {
    let live: Vec<u32> = vertices.live_places().collect();
    let mut moved = vec![0; vertices.places()];
    for (new, old) in (0_u32..).zip(&live) {
        moved[*old as usize] = new;
    }
    let moved = |place: &u32| moved[*place as usize];
    let of_live = |numbers: &[f32]| -> Vec<f32> {
        let places = live.iter();
        let numbers = places.filter_map(|place| numbers.get(*place as usize));
        numbers.copied().collect()
    };
    let keys: Vec<u64> = live
        .iter()
        .map(|place| vertices.keys[*place as usize])
        .collect();
    let scouts: Vec<u32> = vertices.scouts.iter().map(moved).collect();
    writer.block(
        GRAPH,
        &[
            bytes(&numbers_of(settings, options)),
            bytes(&keys),
            bytes(&of_live(&vertices.scales)),
            bytes(&of_live(&vertices.biases)),
            bytes(&scouts),
            bytes(&of_live(&vertices.rough_scales)),
        ],
    )?;
    let view = vertices.view()?;
    writer.begin_part()?;
    let mut row = vec![0; 1 + options.capacity()];
    for place in &live {
        let links = view.links(*place);
        row.fill(0);
        row[0] = links.len() as u32;
        for (new, old) in row[1..].iter_mut().zip(links) {
            *new = moved(old);
        }
        writer.extend(bytes(&row))?;
    }
    write_rows(&live, &vertices.rough, writer)?;
    write_rows(&live, &vertices.codes, writer)?;
    match &vertices.kept {
        KeptRows::Float32(rows) => write_rows(&live, rows, writer),
        KeptRows::Float16(rows) => write_rows(&live, rows, writer),
        KeptRows::Int8 => writer.begin_part(),
    }
}

fn write_rows<T: Number + Default>(
    live: &[u32],
    rows: &Rows<T>,
    writer: &mut SnapshotWriter,
) -> Result<(), Error> {
    writer.begin_part()?;
    for place in live {
        writer.extend(bytes(rows.row(*place)?))?;
    }
    Ok(())
}

/// The vertices of a snapshot, or nothing if its parts do not belong together.
fn read(
    snapshot: &Snapshot,
    settings: Settings,
    options: GraphOptions,
) -> Result<Option<Vertices>, Error> {
    let part = |part| snapshot.section(0, part);
    let (width, stride) = (settings.width(), 1 + options.capacity());
    let keys = part(1)?.numbers::<u64>()?.to_vec();
    let scales = part(2)?.numbers::<f32>()?.to_vec();
    let biases = part(3)?.numbers::<f32>()?.to_vec();
    let scouts = part(4)?.numbers::<u32>()?.to_vec();
    let rough_scales = part(5)?.numbers::<f32>()?.to_vec();
    let (links, rough, codes, kept) = (part(6)?, part(7)?, part(8)?, part(9)?);
    let count = keys.len();
    let biased = match settings.metric() {
        Metric::L2 => count,
        Metric::Cosine | Metric::Dot => 0,
    };
    let holds = |section: &Section, bytes: usize| Some(section.len()) == count.checked_mul(bytes);
    let sound = count <= MAX_PLACES
        && scales.len() == count
        && biases.len() == biased
        && holds(&links, stride * size_of::<u32>())
        && rough_scales.len() == count
        && holds(&rough, width / 2)
        && holds(&codes, width)
        && holds(&kept, settings.row_bytes() - width)
        && scouts.is_empty() == keys.is_empty()
        && scouts.iter().all(|scout| (*scout as usize) < count);
    if !sound {
        return Ok(None);
    }
    let mut vertices = Vertices::new(settings, Level::best(), options.capacity());
    if count > 0 {
        vertices.codes = Rows::mapped(width, codes);
        vertices.rough = Rows::mapped(width / 2, rough);
        vertices.links = Rows::mapped(stride, links);
        vertices.kept = match settings.precision() {
            Precision::Float32 => KeptRows::Float32(Rows::mapped(width, kept)),
            Precision::Float16 => KeptRows::Float16(Rows::mapped(width, kept)),
            Precision::Int8 => KeptRows::Int8,
        };
        vertices.unchecked(snapshot.path());
    }
    vertices.live = vec![true; count];
    vertices.rough_scales = rough_scales;
    (vertices.keys, vertices.scales, vertices.biases) = (keys, scales, biases);
    (vertices.scouts, vertices.count) = (scouts, count);
    Ok(Some(vertices))
}

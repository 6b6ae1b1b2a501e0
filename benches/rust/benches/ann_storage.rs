//! An index on disk: `cargo bench -p inferail-benches --bench ann_storage`.
//!
//! Entries are 384 numbers and a payload of 1 KB. `open` is a snapshot of 100,000 entries as an index would lay them out
//! (keys, lead codes, factors, int8 rows: 47 MB; with float32 rows 201 MB), opened and read as far as a first search
//! reads it: keys, lead codes and factors, 8 MB, and 100 rows. It lies in the cache of the system, as after a restart of the
//! process.
#![expect(
    clippy::expect_used,
    reason = "an error that nobody sees would be measured"
)]

use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_ann::Error;
use inferail_ann::storage::{Change, Directory, Fsync, Log, Options, Snapshot, SnapshotWriter};
use inferail_simd::map;

const DIM: usize = 384;
const ENTRIES: usize = 100_000;
const SETTINGS: &[u8] = b"dim=384";

/// Bytes in which no pattern repeats soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn put<'a>(key: u64, vector: &'a [f32], payload: &'a [u8]) -> Change<'a> {
    Change::Put {
        namespace: "questions",
        key,
        expires: Some(1_800_000_000_000),
        threshold: None,
        vector: Cow::Borrowed(vector),
        payload: Some(payload),
    }
}

fn vector() -> Vec<f32> {
    (0..DIM).map(|at| (at as f32).sin()).collect()
}

fn bench_append(criterion: &mut Criterion) -> Result<(), Error> {
    let (vector, payload) = (vector(), noise(1024));
    let mut group = criterion.benchmark_group("append");
    for (name, count, fsync) in [
        ("1", 1, Fsync::Never),
        ("64", 64, Fsync::Never),
        ("1_fsync", 1, Fsync::Always),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            fsync,
            ..Options::default()
        };
        let mut directory = Directory::open(folder.path(), SETTINGS, options)?.directory;
        let changes: Vec<Change<'_>> = (0..count).map(|key| put(key, &vector, &payload)).collect();
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                if directory.log_bytes() > 256 << 20 {
                    // So that the disk of the machine is not filled.
                    directory.snapshot(|_| Ok(())).expect("room");
                }
                directory.append(black_box(&changes)).expect("room")
            });
        });
    }
    group.finish();
    Ok(())
}

/// Opens a log and touches every vector of it.
fn replayed(path: &Path) -> Result<f32, Error> {
    let (_, replay) = Log::open(path, SETTINGS, Options::default())?;
    let mut sum = 0.0;
    for change in replay.changes() {
        if let Change::Put { vector, .. } = change?.1 {
            sum += vector[0];
        }
    }
    Ok(sum)
}

fn bench_replay(criterion: &mut Criterion) -> Result<(), Error> {
    let (vector, payload) = (vector(), noise(1024));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let (mut log, _) = Log::open(&path, SETTINGS, Options::default())?;
    let mut body = Vec::new();
    put(1, &vector, &payload).encode(&mut body)?;
    let count = 20_000;
    for _ in 0..count {
        log.append(&body)?;
    }
    drop(log);
    let mut group = criterion.benchmark_group("replay");
    group
        .throughput(Throughput::Elements(count))
        .sample_size(20);
    group.bench_function("20000", |bencher| {
        bencher.iter(|| replayed(&path).expect("a sound log"));
    });
    group.finish();
    Ok(())
}

/// Keys, lead codes, factors, int8 rows and, with `floats`, the rows themselves, in partitions of 10,000.
fn write(path: &Path, floats: bool) -> Result<(), Error> {
    let entries = ENTRIES / 10;
    let row = noise(entries * DIM * 4);
    let mut writer = SnapshotWriter::create(path, SETTINGS, ENTRIES as u64)?;
    for _ in 0..10 {
        let parts = [
            &row[..entries * 8],
            &row[..entries * 64],
            &row[..entries * 8],
            &row[..entries * DIM],
            &row[..if floats { entries * DIM * 4 } else { 0 }],
        ];
        writer.block(1, &parts)?;
    }
    writer.finish()
}

fn search(path: &Path, rows: usize) -> Result<u64, Error> {
    let snapshot = Snapshot::open(path)?;
    let mut sum = 0;
    for (block, _) in snapshot.blocks().enumerate() {
        for part in 0..3 {
            let section = snapshot.section(block, part)?;
            sum += section
                .numbers::<u64>()?
                .iter()
                .fold(0, |sum, number| sum ^ number);
        }
        let section = snapshot.section(block, rows)?;
        for at in 0..10 {
            let start = at * 997 % (ENTRIES / 10) * DIM;
            sum += u64::from(section.range(start..start + DIM)?[0]);
        }
    }
    Ok(sum)
}

fn bench_open(criterion: &mut Criterion) -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("open");
    group.sample_size(20);
    for (name, floats) in [("47mb", false), ("201mb", true)] {
        let path = folder.path().join(name);
        write(&path, floats)?;
        group.bench_function(format!("{name}_alone"), |bencher| {
            bencher.iter(|| Snapshot::open(black_box(&path)).expect("a sound snapshot"));
        });
        group.bench_function(format!("{name}_and_search"), |bencher| {
            bencher.iter(|| {
                search(black_box(&path), if floats { 4 } else { 3 }).expect("a sound snapshot")
            });
        });
        group.bench_function(format!("{name}_and_verify"), |bencher| {
            bencher.iter(|| {
                let snapshot = Snapshot::open(black_box(&path)).expect("a sound snapshot");
                assert!(snapshot.verify().is_empty());
            });
        });
    }
    let numbers = vector();
    group.bench_function("checksum_of_64kib", |bencher| {
        let piece = map::bytes(&numbers).repeat(43);
        bencher.iter(|| crc32fast::hash(black_box(&piece[..64 << 10])));
    });
    group.finish();
    Ok(())
}

fn bench_storage(criterion: &mut Criterion) {
    for bench in [bench_append, bench_replay, bench_open] {
        bench(criterion).expect("a folder with room for a few hundred megabytes");
    }
}

criterion_group!(benches, bench_storage);
criterion_main!(benches);

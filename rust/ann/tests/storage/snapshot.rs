//! Snapshots flipped and cut at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use inferail_ann::Error;
use inferail_ann::storage::{Section, Snapshot, SnapshotWriter};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::offset;

const PIECE: usize = 64 << 10;

type Blocks = Vec<(u32, Vec<Vec<u8>>)>;

fn write(path: &Path, blocks: &Blocks) {
    let mut writer = SnapshotWriter::create(path, b"dim=4", 77).unwrap();
    for (index, (kind, parts)) in blocks.iter().enumerate() {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(writer.block(*kind, &parts).unwrap(), index);
    }
    writer.finish().unwrap();
}

fn sections(snapshot: &Snapshot) -> Vec<Section> {
    let blocks = snapshot.blocks().enumerate();
    blocks
        .flat_map(|(block, (_, parts))| (0..parts).map(move |part| (block, part)))
        .map(|(block, part)| snapshot.section(block, part).unwrap())
        .collect()
}

fn small() -> (TempDir, PathBuf, Blocks) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let blocks = vec![
        (5, vec![vec![1; 10], vec![], vec![2; 64]]),
        (6, vec![]),
        (5, vec![(0..200).collect()]),
    ];
    write(&path, &blocks);
    (folder, path, blocks)
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => 0_usize..300,
        1 => (0_usize..3, 0_usize..130).prop_map(|(pieces, more)| (pieces * PIECE + more).saturating_sub(65)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn snapshot_has_what_was_written(
        shape in prop::collection::vec((any::<u32>(), prop::collection::vec(lengths(), 0..5)), 0..5),
        seed in any::<u8>(),
        from in any::<prop::sample::Index>(),
        count in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        let filled = |length: usize| (0..length).map(|at| seed.wrapping_add((at * at / 7) as u8)).collect();
        let blocks: Blocks = shape
            .into_iter()
            .map(|(kind, lengths)| (kind, lengths.into_iter().map(filled).collect()))
            .collect();
        write(&path, &blocks);

        let snapshot = Snapshot::open(&path).unwrap();

        prop_assert_eq!(snapshot.settings(), b"dim=4");
        prop_assert_eq!(snapshot.sequence(), 77);
        let shape: Vec<(u32, usize)> = blocks.iter().map(|(kind, parts)| (*kind, parts.len())).collect();
        prop_assert_eq!(snapshot.blocks().collect::<Vec<_>>(), shape);
        let parts: Vec<&Vec<u8>> = blocks.iter().flat_map(|(_, parts)| parts).collect();
        for (section, part) in sections(&snapshot).iter().zip(&parts) {
            let start = from.index(part.len() + 1);
            let range = start..start + count.index(part.len() - start + 1);
            prop_assert_eq!(section.range(range.clone()).unwrap(), &part[range]);
            prop_assert_eq!(section.bytes().unwrap(), part.as_slice());
            prop_assert_eq!(section.bytes().unwrap().as_ptr().addr() % 64, 0);
        }
        for (index, (_, parts)) in blocks.iter().enumerate() {
            prop_assert_eq!(&snapshot.block(index).unwrap(), parts);
        }
        prop_assert!(snapshot.verify().is_empty());
    }
}

#[test]
fn snapshot_is_refused_or_one_piece_is_when_any_byte_is_flipped() {
    let (_folder, path, blocks) = small();
    let sound = fs::read(&path).unwrap();
    let parts: Vec<&Vec<u8>> = blocks.iter().flat_map(|(_, parts)| parts).collect();

    for place in 0..sound.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[place] ^= mask;
            fs::write(&path, &bytes).unwrap();
            let Ok(snapshot) = Snapshot::open(&path) else {
                continue;
            };
            let damage = snapshot.verify();
            assert_eq!(damage.len(), 1, "byte {place}");
            assert!(offset(&damage[0], &path) <= place as u64);
            let mut refused = 0;
            for (section, part) in sections(&snapshot).iter().zip(&parts) {
                match section.bytes() {
                    Ok(bytes) => assert_eq!(bytes, part.as_slice()),
                    Err(error) => {
                        refused += 1;
                        assert_eq!(error.to_string(), damage[0].to_string());
                        assert_eq!(
                            section.bytes().unwrap_err().to_string(),
                            error.to_string(),
                            "refused again"
                        );
                    }
                }
            }
            assert_eq!(refused, 1, "byte {place}");
        }
    }
}

#[test]
fn snapshot_is_refused_when_it_is_cut_at_any_byte_or_longer() {
    let (_folder, path, _) = small();
    let sound = fs::read(&path).unwrap();

    for length in 0..sound.len() {
        fs::write(&path, &sound[..length]).unwrap();
        let error = Snapshot::open(&path).unwrap_err();
        offset(&error, &path);
    }
    fs::write(&path, [&sound[..], &[0]].concat()).unwrap();
    assert!(Snapshot::open(&path).is_err());
}

#[test]
fn verify_names_every_bad_piece_and_the_rest_is_read_when_some_are_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let blocks = vec![
        (1, vec![vec![1; 100]]),
        (2, vec![vec![], vec![2; 3 * PIECE], vec![3; 9]]),
    ];
    write(&path, &blocks);
    // Header, then block 0, then the long part of block 1.
    let (short, long) = (64, 64 + 128);
    let mut bytes = fs::read(&path).unwrap();
    bytes[short + 3] ^= 1;
    bytes[long + PIECE + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let snapshot = Snapshot::open(&path).unwrap();

    let damage = snapshot.verify();

    let named: Vec<u64> = damage.iter().map(|error| offset(error, &path)).collect();
    assert_eq!(named, [short as u64, (long + PIECE) as u64]);
    assert!(damage[0].to_string().contains("part 0 of block 0"));
    assert!(damage[1].to_string().contains("part 1 of block 1"));
    assert!(snapshot.block(0).is_err() && snapshot.block(1).is_err());
    let section = snapshot.section(1, 1).unwrap();
    assert_eq!(section.range(0..PIECE).unwrap(), vec![2; PIECE]);
    assert_eq!(section.range(2 * PIECE..3 * PIECE).unwrap(), vec![2; PIECE]);
    assert!(section.range(PIECE - 1..PIECE + 1).is_err());
    assert!(section.bytes().is_err());
    assert_eq!(snapshot.section(1, 2).unwrap().bytes().unwrap(), [3; 9]);
}

#[test]
fn section_outlives_its_snapshot_and_its_file() {
    let (_folder, path, _) = small();
    let section = Snapshot::open(&path).unwrap().section(2, 0).unwrap();

    write(&path, &vec![(0, vec![vec![9; 5]])]);

    assert_eq!(section.bytes().unwrap(), (0..200).collect::<Vec<u8>>());
    assert_eq!(section.len(), 200);
    assert!(!section.is_empty());
}

#[test]
fn section_is_numbers_when_it_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let numbers = [1.5_f32, -2.5, 3.5];
    let mut writer = SnapshotWriter::create(&path, b"", 0).unwrap();
    let part = inferail_simd::map::bytes(&numbers);
    writer.block(0, &[part, &[0; 7]]).unwrap();
    writer.finish().unwrap();
    let snapshot = Snapshot::open(&path).unwrap();

    let section = snapshot.section(0, 0).unwrap();

    assert_eq!(section.numbers::<f32>().unwrap(), numbers);
    assert_eq!(section.numbers_in::<f32>(1..2).unwrap(), [-2.5]);
    assert!(section.numbers_in::<f32>(2..4).is_err());
    assert!(
        section
            .numbers_in::<f32>(usize::MAX - 1..usize::MAX)
            .is_err()
    );
    let odd = snapshot.section(0, 1).unwrap();
    assert!(matches!(odd.numbers::<u64>(), Err(Error::Snapshot { .. })));
    assert_eq!(odd.numbers::<i8>().unwrap(), [0; 7]);
}

#[test]
fn every_thread_reads_the_same_when_all_check_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let part: Vec<u8> = (0..20 * PIECE).map(|at| (at / 3) as u8).collect();
    write(&path, &vec![(0, vec![part.clone()])]);
    let section = Snapshot::open(&path).unwrap().section(0, 0).unwrap();

    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (section, part) = (&section, &part);
            scope.spawn(move || {
                for step in 0..40 {
                    let start = (thread * 7 + step * 13) * 32_749 % (part.len() - 100);
                    assert_eq!(
                        section.range(start..start + 100).unwrap(),
                        &part[start..start + 100]
                    );
                }
                assert_eq!(section.bytes().unwrap(), part.as_slice());
            });
        }
    });
}

#[test]
fn writer_gathers_a_part_from_pieces_of_any_size() {
    let (_folder, path, blocks) = small();
    let other = path.with_extension("gathered");
    let mut writer = SnapshotWriter::create(&other, b"dim=4", 77).unwrap();

    for (kind, parts) in &blocks {
        writer.begin_block(*kind).unwrap();
        for part in parts {
            writer.begin_part().unwrap();
            part.chunks(7)
                .for_each(|chunk| writer.extend(chunk).unwrap());
        }
    }
    writer.finish().unwrap();

    assert_eq!(fs::read(other).unwrap(), fs::read(path).unwrap());
}

#[test]
fn writer_refuses_what_has_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let mut writer = SnapshotWriter::create(&path, b"", 0).unwrap();

    assert!(matches!(writer.begin_part(), Err(Error::Snapshot { .. })));
    assert!(matches!(writer.extend(b"x"), Err(Error::Snapshot { .. })));
    writer.block(0, &[b"x"]).unwrap();
    writer.begin_block(1).unwrap();
    assert!(matches!(writer.extend(b"x"), Err(Error::Snapshot { .. })));
    writer.finish().unwrap();

    let snapshot = Snapshot::open(&path).unwrap();
    assert_eq!(snapshot.blocks().collect::<Vec<_>>(), [(0, 1), (1, 0)]);
    assert!(matches!(
        snapshot.section(1, 0),
        Err(Error::Snapshot { .. })
    ));
    assert!(matches!(snapshot.block(2), Err(Error::Snapshot { .. })));
}

#[test]
fn writer_leaves_the_old_snapshot_alone_when_it_is_dropped() {
    let (folder, path, _) = small();
    let before = fs::read(&path).unwrap();
    let mut writer = SnapshotWriter::create(&path, b"dim=4", 78).unwrap();
    writer.block(0, &[b"new"]).unwrap();
    assert!(
        matches!(SnapshotWriter::create(&path, b"", 0), Err(Error::Io { .. })),
        "one at a time"
    );

    drop(writer);

    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

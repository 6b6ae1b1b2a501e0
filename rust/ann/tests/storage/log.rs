//! Logs cut and flipped at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use inferail_ann::Error;
use inferail_ann::storage::{Cut, Fsync, Log, Options, Replay};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::reference::{self, Seen};
use crate::support::{expected, numbered, offset, replayed};

const SETTINGS: &[u8] = b"dim=4";

struct Written {
    folder: TempDir,
    bytes: Vec<u8>,
    /// Where the header ends, and then each record.
    ends: Vec<usize>,
}

impl Written {
    /// A log of `count` changes, the second half of them appended in one call.
    fn new(count: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = Log::open(&path, SETTINGS, Options::default()).unwrap();
        let mut ends = vec![log.bytes() as usize];
        for number in 1..=count / 2 {
            assert_eq!(log.append(&numbered(number).encoded()).unwrap(), number);
            ends.push(log.bytes() as usize);
        }
        let batch: Vec<Vec<u8>> = (count / 2 + 1..=count)
            .map(|number| numbered(number).encoded())
            .collect();
        log.append_all(batch.iter().map(Vec::as_slice)).unwrap();
        for body in &batch {
            ends.push(ends[ends.len() - 1] + (20 + body.len()).next_multiple_of(4));
        }
        assert_eq!(log.bytes() as usize, ends[ends.len() - 1]);
        assert_eq!(log.sequence(), count);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), ends[ends.len() - 1]);
        Self {
            folder,
            bytes,
            ends,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn open(&self, bytes: &[u8]) -> Result<(Log, Replay), Error> {
        fs::write(self.path(), bytes).unwrap();
        open(&self.path())
    }

    /// How many records are whole in the first `length` bytes.
    fn whole(&self, length: usize) -> usize {
        self.ends[1..].iter().filter(|&&end| end <= length).count()
    }

    fn record(&self, number: usize) -> &[u8] {
        &self.bytes[self.ends[number - 1]..self.ends[number]]
    }
}

fn open(path: &Path) -> Result<(Log, Replay), Error> {
    Log::open(path, SETTINGS, Options::default())
}

#[test]
fn log_has_every_whole_record_when_it_is_cut_at_any_byte() {
    let written = Written::new(12);

    for length in 0..=written.bytes.len() {
        let opened = written.open(&written.bytes[..length]);
        if length < written.ends[0] {
            assert_eq!(
                offset(&opened.unwrap_err(), &written.path()),
                length as u64,
                "inside the header"
            );
            continue;
        }
        let (mut log, replay) = opened.unwrap();
        let whole = written.whole(length);
        assert_eq!(replayed(&replay), expected(1..=whole as u64));
        let cut = (length > written.ends[whole]).then(|| Cut {
            offset: written.ends[whole] as u64,
            bytes: (length - written.ends[whole]) as u64,
        });
        assert_eq!(replay.cut(), cut, "cut to {length}");

        // What is appended next is not behind what was cut.
        let next = whole as u64 + 1;
        assert_eq!(log.append(&numbered(next).encoded()).unwrap(), next);
        drop(log);
        let (_, replay) = open(&written.path()).unwrap();
        assert_eq!(replayed(&replay), expected(1..=next));
        assert_eq!(replay.cut(), None);
    }
}

#[test]
fn log_never_has_a_wrong_record_when_any_byte_is_flipped() {
    let written = Written::new(10);
    let last = written.ends[9];

    for place in 0..written.bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = written.bytes.clone();
            bytes[place] ^= mask;
            match written.open(&bytes) {
                Ok((_, replay)) => {
                    assert!(place >= last, "byte {place} was cut and not refused");
                    assert_eq!(replayed(&replay), expected(1..=9));
                    let cut = Cut {
                        offset: last as u64,
                        bytes: (bytes.len() - last) as u64,
                    };
                    assert_eq!(replay.cut(), Some(cut));
                }
                Err(error) => {
                    assert!(place < last, "byte {place}: {error}");
                    assert!(error.to_string().contains("log"), "{error}");
                    if place >= written.ends[0] {
                        let record = written.whole(place);
                        let start = written.ends[record] as u64;
                        assert_eq!(offset(&error, &written.path()), start);
                    }
                    assert_eq!(
                        fs::read(written.path()).unwrap(),
                        bytes,
                        "nothing is changed"
                    );
                }
            }
        }
    }
}

#[test]
fn log_is_refused_when_a_record_is_missing_doubled_or_moved() {
    let written = Written::new(6);
    let pieces = |order: &[usize]| {
        let records = order.iter().map(|&number| written.record(number));
        [&written.bytes[..written.ends[0]]]
            .into_iter()
            .chain(records)
            .collect::<Vec<_>>()
            .concat()
    };

    for (order, bad) in [
        (&[1, 2, 4, 5, 6][..], 2),
        (&[1, 2, 2, 3], 2),
        (&[1, 3], 1),
        (&[2, 1, 3, 4, 5, 6], 0),
    ] {
        let error = written.open(&pieces(order)).unwrap_err();
        assert_eq!(offset(&error, &written.path()), written.ends[bad] as u64);
        assert!(error.to_string().contains("missing or doubled"), "{error}");
    }
    assert!(written.open(&pieces(&[1, 2, 3])).is_ok());
}

#[test]
fn log_is_cut_when_the_file_grew_and_nothing_was_written_there() {
    let written = Written::new(4);
    let zeros = [&written.bytes[..], &[0; 5000]].concat();

    let (_, replay) = written.open(&zeros).unwrap();

    assert_eq!(replayed(&replay), expected(1..=4));
    assert_eq!(replay.cut().unwrap().bytes, 5000);
}

#[test]
fn log_takes_no_record_of_another_log_when_its_blocks_come_up_at_the_end() {
    let (written, other) = (Written::new(4), Written::new(8));
    assert_eq!(written.bytes.len(), other.ends[4]);
    let mixed = [&written.bytes[..], &other.bytes[other.ends[4]..]].concat();

    let (_, replay) = written.open(&mixed).unwrap();

    assert_eq!(replayed(&replay), expected(1..=4));
    assert_eq!(replay.cut().unwrap().offset, written.bytes.len() as u64);
}

#[test]
fn log_is_cut_and_not_refused_when_a_torn_payload_holds_a_copy_of_the_log() {
    let written = Written::new(6);
    let inner = Written::new(3);
    let (mut log, _) = written.open(&written.bytes).unwrap();
    log.append(&inner.bytes).unwrap();
    drop(log);
    let bytes = fs::read(written.path()).unwrap();

    for length in written.bytes.len()..bytes.len() {
        let (_, replay) = written.open(&bytes[..length]).unwrap();
        assert_eq!(replayed(&replay), expected(1..=6));
    }
}

#[test]
fn log_is_refused_when_it_has_other_settings_or_another_version() {
    let written = Written::new(2);
    let mut newer = written.bytes.clone();
    newer[8] = 2;

    match Log::open(&written.path(), b"dim=5", Options::default()) {
        Err(Error::Settings { found, .. }) => assert_eq!(found, SETTINGS),
        other => panic!("{other:?}"),
    }
    match written.open(&newer) {
        Err(Error::Version {
            found, supported, ..
        }) => assert_eq!((found, supported), (2, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn log_is_as_before_when_one_record_of_a_call_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let options = Options {
        max_record_bytes: 100,
        fsync: Fsync::Always,
        ..Options::default()
    };
    let (mut log, _) = Log::open(&path, SETTINGS, options).unwrap();
    log.append(&[1; 100]).unwrap();
    let before = fs::read(&path).unwrap();

    let refused = log.append_all([&[2; 50][..], &[3; 101]]);

    match refused {
        Err(Error::TooLarge { bytes, limit }) => assert_eq!((bytes, limit), (101, 100)),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(log.append(&[4]).unwrap(), 2);
    drop(log);
    let (_, replay) = open(&path).unwrap();
    let bodies: Vec<&[u8]> = replay
        .records()
        .map(|record| record.unwrap().body)
        .collect();
    assert_eq!(bodies, [&[1; 100][..], &[4]]);
}

#[test]
fn records_begin_at_multiples_of_four_and_are_found_where_they_say() {
    let written = Written::new(9);
    let (_, replay) = written.open(&written.bytes).unwrap();

    for record in replay.records() {
        let record = record.unwrap();
        let start = record.offset as usize;
        assert_eq!(start % 4, 0);
        assert_eq!(
            &written.bytes[start..start + record.body.len()],
            record.body
        );
    }
    let later: Vec<u64> = replay
        .after(6)
        .records()
        .map(|record| record.unwrap().sequence)
        .collect();
    assert_eq!(later, [7, 8, 9]);
}

#[test]
fn change_that_is_none_is_named_with_its_place_and_the_next_follows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (mut log, _) = open(&path).unwrap();
    log.append(&[9; 16]).unwrap();
    log.append(&numbered(1).encoded()).unwrap();
    drop(log);

    let (_, replay) = open(&path).unwrap();
    let mut changes = replay.changes();

    let start = replay.records().next().unwrap().unwrap().offset;
    assert_eq!(
        offset(&changes.next().unwrap().unwrap_err(), &path),
        start + 2
    );
    assert_eq!(changes.next().unwrap().unwrap().1, numbered(1).change());
    assert!(changes.next().is_none());
}

fn seen(bytes: &[u8]) -> Seen {
    match Replay::of_bytes(Path::new("log"), bytes.to_vec(), SETTINGS) {
        Err(_) => Seen::Refused,
        Ok(replay) => Seen::Records {
            records: replay
                .records()
                .map(|record| record.unwrap())
                .map(|record| (record.sequence, record.body.to_vec()))
                .collect(),
            torn_at: replay.cut().map(|cut| cut.offset as usize),
        },
    }
}

prop_compose! {
    /// A log whose records may be damaged, wrongly numbered, or hold each other.
    fn logs()(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0_u64..12, 0_u8..6), 0..6),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        length in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        is_mended in any::<bool>(),
    ) -> Vec<u8> {
        let mut bytes = [b"irannlog", &1_u32.to_le_bytes()[..], &[0; 12], b"salt", &5_u32.to_le_bytes(), SETTINGS, &[0; 3]]
            .concat();
        let mut inner = Vec::new();
        for (number, (body, other, how)) in (1_u64..).zip(bodies) {
            let body = if how == 0 { &inner } else { &body };
            let number = if how == 1 { other } else { number };
            let sum = if how == 2 { 0xff } else { 0 };
            let mut record = [&[sum; 4][..], &(body.len() as u32).to_le_bytes(), &number.to_le_bytes(), &[0; 4], body].concat();
            record.resize(record.len().next_multiple_of(4), 0);
            bytes.extend(&record);
            bytes = reference::mended(&bytes);
            inner = bytes[bytes.len() - record.len()..].to_vec();
        }
        for (place, mask) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= mask;
        }
        if is_cut {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        if is_mended { reference::mended(&bytes) } else { bytes }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn log_is_read_as_the_slow_reader_reads_it(bytes in logs()) {
        prop_assert_eq!(seen(&bytes), reference::read(&bytes, SETTINGS));
    }
}

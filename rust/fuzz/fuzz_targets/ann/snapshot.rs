//! Any bytes as a snapshot: as they are, and with checksums of header and table that fit.
#![no_main]

use std::path::Path;

use inferail_ann::storage::Snapshot;
use inferail_fuzz::{COUNTING, Counting, allocated_bytes};
use inferail_simd::map::Map;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

fn check(data: &[u8]) {
    let map = Map::copied(data).expect("there is memory");
    let before = allocated_bytes();
    let opened = Snapshot::of_map(Path::new("snapshot"), map);
    // An empty part has eight bytes in the table and forty in memory, in a list that doubles.
    let allocated = allocated_bytes() - before;
    assert!(allocated <= 32 * data.len() + 1024, "{allocated} bytes");
    let Ok(snapshot) = opened else {
        return;
    };
    let mut bad_pieces = snapshot.verify().len();
    let mut num_bytes = 0;
    for (block, (_, parts)) in snapshot.blocks().enumerate() {
        let mut is_sound = true;
        for part in 0..parts {
            let section = snapshot.section(block, part).expect("it was listed");
            num_bytes += section.len();
            match section.bytes() {
                Ok(bytes) => assert_eq!(section.range(0..bytes.len()).expect("sound"), bytes),
                Err(_) => {
                    is_sound = false;
                    bad_pieces -= 1;
                }
            }
        }
        assert!(snapshot.section(block, parts).is_err());
        assert_eq!(snapshot.block(block).is_ok(), is_sound);
    }
    assert!(num_bytes <= data.len());
    // Inputs are shorter than two pieces, mostly: a part has at most one that is bad, or is long.
    assert!(bad_pieces == 0 || data.len() > 64 << 10);
}

/// The same bytes with checksums of header and table that fit, if they lie inside.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let number = |data: &[u8], at: usize| {
        let bytes = data.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(usize::MAX, |bytes| u64::from_le_bytes(*bytes) as usize)
    };
    let settings_bytes = number(&data, 20) & 0xffff_ffff;
    let end = settings_bytes.saturating_add(48 + 63) / 64 * 64;
    if data.len() < 48 || end > data.len() {
        return data;
    }
    if let Some(table) = data.get(number(&data, 32)..) {
        let sum = crc32fast::hash(table);
        data[40..44].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = crc32fast::hash(&[&data[..12], &data[16..end]].concat());
    data[12..16].copy_from_slice(&sum.to_le_bytes());
    data
}

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&mended(data));
});

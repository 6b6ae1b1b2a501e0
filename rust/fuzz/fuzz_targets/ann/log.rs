//! Any bytes as the log of an index, against the slow reader of its tests: as they are, and with checksums that fit.
#![no_main]

#[path = "../../../ann/tests/storage/reference.rs"]
mod reference;

use std::path::Path;

use inferail_ann::storage::Replay;
use libfuzzer_sys::fuzz_target;
use reference::Seen;

/// The settings that the bytes name, so that they are let in.
fn settings(data: &[u8]) -> &[u8] {
    let end = data.get(28..32).and_then(|bytes| bytes.first_chunk());
    let end = end.map_or(32, |length| {
        32_usize.saturating_add(u32::from_le_bytes(*length) as usize)
    });
    data.get(32..end).unwrap_or_default()
}

fn seen(data: &[u8]) -> Seen {
    let Ok(replay) = Replay::of_bytes(Path::new("log"), data.to_vec(), settings(data)) else {
        return Seen::Refused;
    };
    let records = replay
        .records()
        .map(|record| record.expect("what was found when it was opened"))
        .map(|record| (record.sequence, record.body.to_vec()));
    // Any body may be a change; none may end the process.
    replay.changes().for_each(drop);
    Seen::Records {
        records: records.collect(),
        torn_at: replay.cut().map(|cut| cut.offset as usize),
    }
}

fuzz_target!(|data: &[u8]| {
    for data in [data.to_vec(), reference::mended(data)] {
        assert_eq!(seen(&data), reference::read(&data, settings(&data)));
    }
});

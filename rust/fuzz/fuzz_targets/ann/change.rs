//! Any bytes as a change: what is one has these bytes alone, wherever they lie.
#![no_main]

use inferail_ann::storage::Change;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(change) = Change::decode(data) else {
        return;
    };
    let mut encoded = Vec::new();
    change.encode(&mut encoded).expect("it was this short");
    assert_eq!(encoded, data);
    // A body that begins elsewhere has its vector copied, number by number.
    let moved = [&[0], data].concat();
    let mut again = Vec::new();
    Change::decode(&moved[1..])
        .expect("the same bytes")
        .encode(&mut again)
        .expect("it was this short");
    assert_eq!(again, data);
});

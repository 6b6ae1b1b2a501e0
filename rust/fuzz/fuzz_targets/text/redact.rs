//! Any bytes, split anywhere: a stream gives what the whole gives, and loses nothing; bodies of JSON are read without a panic.
#![no_main]

use inferail_fuzz::Splits;
use inferail_text::redact::{Kinds, Stream, find, find_in_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut marks = vec![None; data.len()];
    let mut before = 0;
    for one in find(data, Kinds::ALL) {
        assert!(before <= one.start && one.start < one.end);
        before = one.end;
        marks[one.start..one.end].fill(Some(one.kind));
    }
    let (mut streamed, mut given) = (Vec::new(), Vec::new());
    let mut give = |kind, piece: &[u8]| {
        streamed.extend(piece.iter().map(|_| kind));
        given.extend_from_slice(piece);
    };
    let mut stream = Stream::new(Kinds::ALL);
    for piece in Splits::new(data).pieces(data) {
        stream.feed(piece, &mut give);
    }
    stream.finish(&mut give);
    assert_eq!(given, data);
    assert_eq!(streamed, marks);
    let mut before = 0;
    for one in find_in_json(data, Kinds::ALL).unwrap_or_default() {
        assert!(before <= one.found.start && one.found.start < one.found.end && one.found.end <= data.len());
        before = one.found.end;
    }
});

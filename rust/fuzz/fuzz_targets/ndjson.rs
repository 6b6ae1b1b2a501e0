//! Any bytes, split anywhere, through the line splitter, against the standard library's split.
#![no_main]

use inferail_fuzz::{COUNTING, Counting, Splits, allocated_bytes};
use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Error, LineSplitter};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    lines: Vec<Vec<u8>>,
    error: Option<Error>,
    rest: Option<Vec<u8>>,
}

fn split<'a>(max_line_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = LineSplitter::with_max_line_bytes(max_line_bytes);
    let mut outcome = Outcome::default();
    for chunk in chunks {
        let lines = &mut outcome.lines;
        let fed = splitter.feed(chunk, &mut |line: &[u8]| lines.push(line.to_vec()));
        assert!(outcome.error.is_none() || outcome.error == fed.err());
        outcome.error = fed.err();
    }
    outcome.rest = splitter.finish();
    outcome
}

/// The lines of the whole input, and what follows the last line feed.
fn expected(data: &[u8]) -> Outcome {
    let mut lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let rest = lines.pop().unwrap_or_default();
    let lines = lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .map(<[u8]>::to_vec);
    Outcome {
        lines: lines.collect(),
        error: None,
        rest: (!rest.trim_ascii().is_empty()).then(|| rest.to_vec()),
    }
}

/// Byte by byte is the worst split for a splitter that copies its buffer.
fn check_allocations(data: &[u8]) {
    let before = allocated_bytes();
    let mut splitter = LineSplitter::new();
    for chunk in data.chunks(1) {
        let _ = splitter.feed(chunk, &mut |_: &[u8]| {});
    }
    let allocated = allocated_bytes() - before;
    assert!(allocated <= 4 * data.len() + 64, "{allocated} bytes");
}

fuzz_target!(|data: &[u8]| {
    let mut splits = Splits::new(data);
    for max_line_bytes in [DEFAULT_MAX_EVENT_BYTES, splits.below(data.len() + 1)] {
        let whole = split(max_line_bytes, [data]);
        assert_eq!(whole, split(max_line_bytes, data.chunks(1)));
        assert_eq!(whole, split(max_line_bytes, splits.pieces(data)));
        if whole.error.is_none() {
            assert_eq!(whole, expected(data));
        }
    }
    check_allocations(data);
});

//! The property of every stream decoder.

use inferail_wire::{Accumulator, Delta, Kind, Options, Provider, Reason, StreamDecoder, Usage};

use crate::{Splits, allocated_bytes};

/// A delta, owned.
#[derive(Debug, PartialEq, Eq)]
struct Owned {
    kind: Kind,
    index: u32,
    block: u32,
    texts: [Option<String>; 4],
    reason: Option<Reason>,
    usage: Option<Usage>,
    status: Option<u16>,
}

impl Owned {
    fn new(delta: &Delta<'_>) -> Self {
        let texts = [delta.text, delta.id, delta.name, delta.raw_reason];
        Self {
            kind: delta.kind,
            index: delta.index,
            block: delta.block,
            texts: texts.map(|text| text.map(str::to_owned)),
            reason: delta.reason,
            usage: delta.usage.copied(),
            status: delta.status,
        }
    }
}

/// Feeds `data` to a decoder in every way and panics unless it
///
/// - gives the same deltas, and the same verdict on the end, for any split;
/// - puts together just what its deltas say;
/// - calls no stream complete that reported an error;
/// - stays silent once it said that nothing more can come;
/// - allocates in proportion to the input.
pub fn check_decoder(provider: Provider, data: &[u8]) {
    let mut splits = Splits::new(data);
    let options = Options {
        require_done: splits.below(2) == 0,
        think_tags: splits.below(2) == 0,
        ..Options::default()
    };
    // Also a bound that some events of this input exceed.
    let tight = Options {
        max_event_bytes: splits.below(data.len() + 1),
        ..options
    };
    for options in [options, tight] {
        let whole = decode(provider, options, [data]);
        assert_eq!(whole, decode(provider, options, data.chunks(1)));
        assert_eq!(whole, decode(provider, options, splits.pieces(data)));
    }
    check_allocations(provider, options, data);
}

fn decode<'a>(
    provider: Provider,
    options: Options,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Option<&'static str>) {
    let mut decoder = StreamDecoder::with_options(provider, options);
    let mut deltas = Vec::new();
    let mut accumulated = Accumulator::default();
    for chunk in chunks {
        let (was_terminal, num_deltas) = (decoder.is_terminal(), deltas.len());
        decoder.feed(chunk, &mut |delta: Delta<'_>| {
            accumulated.add(&delta);
            deltas.push(Owned::new(&delta));
        });
        assert!(!was_terminal || deltas.len() == num_deltas);
        assert!(!was_terminal || decoder.is_terminal());
    }
    assert_eq!(decoder.accumulated(), &accumulated);
    let missing = decoder.finish();
    let has_error = deltas.iter().any(|delta| delta.kind == Kind::Error);
    assert!(!has_error || missing.is_some());
    (deltas, missing)
}

/// What is kept for a tool call outweighs the `{},` that may announce one, hence the large factor; a copy of
/// the buffer per byte would still exceed it within a few hundred bytes.
fn check_allocations(provider: Provider, options: Options, data: &[u8]) {
    let before = allocated_bytes();
    let mut decoder = StreamDecoder::with_options(provider, options);
    for chunk in data.chunks(1) {
        decoder.feed(chunk, &mut |_: Delta<'_>| {});
    }
    let allocated = allocated_bytes() - before;
    assert!(
        allocated <= 200 * data.len() + 16_384,
        "{allocated} bytes allocated for {} bytes of input",
        data.len()
    );
}

//! Streams in, deltas as readable lines out.

use inferail_wire::{Delta, Options, Provider, StreamDecoder, Usage};

/// What a stream gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One line per delta.
    pub(crate) deltas: Vec<String>,
    /// What `finish` said.
    pub(crate) missing: Option<&'static str>,
}

/// Decodes a body, in chunks of `size` bytes.
pub(crate) fn decode_chunks(
    provider: Provider,
    options: Options,
    body: &[u8],
    size: usize,
) -> Outcome {
    let mut decoder = StreamDecoder::with_options(provider, options);
    let mut deltas = Vec::new();
    for chunk in body.chunks(size) {
        decoder.feed(chunk, &mut |delta: Delta<'_>| deltas.push(line(&delta)));
    }
    Outcome {
        deltas,
        missing: decoder.finish(),
    }
}

/// Decodes a body whole and byte by byte, which must agree.
pub(crate) fn decode(provider: Provider, body: &(impl AsRef<[u8]> + ?Sized)) -> Outcome {
    let (options, body) = (Options::default(), body.as_ref());
    let whole = decode_chunks(provider, options, body, body.len().max(1));
    let by_byte = decode_chunks(provider, options, body, 1);
    assert_eq!(whole, by_byte);
    whole
}

/// The body of a stream of `data:` events.
pub(crate) fn body(events: &[&str]) -> String {
    events.iter().fold(String::new(), |body, event| {
        body + "data: " + event + "\n\n"
    })
}

/// `kind index.block text id= name= …`, what is absent left out.
fn line(delta: &Delta<'_>) -> String {
    let mut line = format!("{} {}.{}", delta.kind.as_str(), delta.index, delta.block);
    for (label, value) in [
        (" ", delta.text),
        (" id=", delta.id),
        (" name=", delta.name),
        (" ", delta.reason.map(inferail_wire::Reason::as_str)),
        (" raw=", delta.raw_reason),
    ] {
        if let Some(value) = value {
            line = line + label + value;
        }
    }
    if let Some(status) = delta.status {
        line = line + " status=" + &status.to_string();
    }
    delta
        .usage
        .map_or_else(|| line.clone(), |usage| line.clone() + &counts(usage))
}

fn counts(usage: &Usage) -> String {
    let counts = [
        ("in", usage.input_tokens),
        ("out", usage.output_tokens),
        ("read", usage.cache_read_tokens),
        ("write", usage.cache_write_tokens),
        ("write-1h", usage.cache_write_1h_tokens),
        ("reasoning", usage.reasoning_tokens),
        ("audio-in", usage.input_audio_tokens),
        ("audio-out", usage.output_audio_tokens),
        ("pico$", usage.cost_picodollars),
    ];
    let known = counts
        .iter()
        .filter_map(|(name, count)| Some(format!(" {name}={}", (*count)?)));
    let tier = usage
        .service_tier
        .map(|tier| format!(" tier={}", tier.name()));
    known.chain(tier).collect()
}

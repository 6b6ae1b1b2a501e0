//! `decoder`.

use serde_json::Value;

use super::{FORMAT, character, find, flag, kind, list, number, text};
use crate::{DecoderStep, Error};

/// The steps of a decoder, sequences laid out.
pub(super) fn read(part: &Value) -> Result<Vec<DecoderStep>, Error> {
    let mut steps = Vec::new();
    append(part, &mut steps)?;
    Ok(steps)
}

fn append(part: &Value, steps: &mut Vec<DecoderStep>) -> Result<(), Error> {
    steps.push(match kind(part)? {
        "Sequence" => {
            for part in list(part, "decoders")? {
                append(part, steps)?;
            }
            return Ok(());
        }
        "ByteLevel" => DecoderStep::ByteLevel,
        "ByteFallback" => DecoderStep::ByteFallback,
        "Fuse" => DecoderStep::Fuse,
        "WordPiece" => DecoderStep::WordPiece {
            prefix: text(part, "prefix")?.to_owned(),
            cleanup: flag(part, "cleanup", true),
        },
        "Metaspace" => {
            let scheme = part.get("prepend_scheme").and_then(Value::as_str);
            DecoderStep::Metaspace {
                replacement: character(part, "replacement")?,
                strip_first: match scheme {
                    Some(scheme) => scheme != "never",
                    None => flag(part, "add_prefix_space", true),
                },
            }
        }
        "Replace" => DecoderStep::Replace {
            pattern: find(part)?,
            content: text(part, "content")?.to_owned(),
        },
        "Strip" => DecoderStep::Strip {
            content: character(part, "content")?,
            start: number(part, "start")? as usize,
            stop: number(part, "stop")? as usize,
        },
        "BPEDecoder" => DecoderStep::Suffix(text(part, "suffix")?.to_owned()),
        "CTC" => DecoderStep::Ctc {
            pad: text(part, "pad_token")?.to_owned(),
            word_delimiter: text(part, "word_delimiter_token")?.to_owned(),
            cleanup: flag(part, "cleanup", true),
        },
        other => return Err(Error::unsupported(FORMAT, format!("the decoder {other}"))),
    });
    Ok(())
}

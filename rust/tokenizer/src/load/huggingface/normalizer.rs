//! `normalizer`.

use serde_json::Value;

use super::{FORMAT, find, flag, kind, list, missing, text};
use crate::{Charsmap, Error, NormalForm, NormalizerDefinition, NormalizerStep};

/// The steps of a normalizer, sequences laid out.
pub(super) fn read(part: Option<&Value>) -> Result<Vec<NormalizerStep>, Error> {
    let mut steps = Vec::new();
    if let Some(part) = part {
        append(part, &mut steps)?;
    }
    Ok(steps)
}

pub(super) fn definition(steps: Vec<NormalizerStep>) -> NormalizerDefinition {
    if steps.is_empty() {
        NormalizerDefinition::None
    } else {
        NormalizerDefinition::Steps(steps)
    }
}

fn append(part: &Value, steps: &mut Vec<NormalizerStep>) -> Result<(), Error> {
    steps.push(match kind(part)? {
        "Sequence" => {
            for part in list(part, "normalizers")? {
                append(part, steps)?;
            }
            return Ok(());
        }
        "NFC" => NormalizerStep::Form(NormalForm::Nfc),
        "NFD" => NormalizerStep::Form(NormalForm::Nfd),
        "NFKC" => NormalizerStep::Form(NormalForm::Nfkc),
        "NFKD" => NormalizerStep::Form(NormalForm::Nfkd),
        "Lowercase" => NormalizerStep::Lowercase,
        "StripAccents" => NormalizerStep::StripAccents,
        "Nmt" => NormalizerStep::Nmt,
        "Strip" => NormalizerStep::Strip {
            left: flag(part, "strip_left", true),
            right: flag(part, "strip_right", true),
        },
        "Prepend" => NormalizerStep::Prepend(text(part, "prepend")?.to_owned()),
        "Replace" => NormalizerStep::Replace {
            pattern: find(part)?,
            content: text(part, "content")?.to_owned(),
        },
        "BertNormalizer" => {
            let lowercase = flag(part, "lowercase", true);
            NormalizerStep::Bert {
                clean_text: flag(part, "clean_text", true),
                handle_chinese_chars: flag(part, "handle_chinese_chars", true),
                strip_accents: flag(part, "strip_accents", lowercase),
                lowercase,
            }
        }
        "Precompiled" => {
            let blob =
                crate::load::tiktoken::base64(text(part, "precompiled_charsmap")?.as_bytes());
            let blob = blob.ok_or_else(|| missing(part, "precompiled_charsmap"))?;
            if blob.is_empty() {
                return Ok(());
            }
            NormalizerStep::Precompiled(Charsmap::new(&blob)?)
        }
        other => {
            return Err(Error::unsupported(
                FORMAT,
                format!("the normalizer {other}"),
            ));
        }
    });
    Ok(())
}

//! `post_processor`.

use serde_json::Value;

use super::{FORMAT, flag, id, kind, list, missing, text};
use crate::{Error, PostProcessorDefinition, TemplatePiece};

/// What is put around the tokens of a text.
pub(super) fn read(part: Option<&Value>) -> Result<PostProcessorDefinition, Error> {
    let mut read = PostProcessorDefinition::default();
    if let Some(part) = part {
        append(part, &mut read)?;
    }
    Ok(read)
}

fn append(part: &Value, read: &mut PostProcessorDefinition) -> Result<(), Error> {
    let kind = kind(part)?;
    let is_template = matches!(
        kind,
        "TemplateProcessing" | "BertProcessing" | "RobertaProcessing"
    );
    if is_template && read.single.is_some() {
        return Err(Error::unsupported(
            FORMAT,
            "two post-processors that add tokens",
        ));
    }
    match kind {
        "Sequence" => {
            for part in list(part, "processors")? {
                append(part, read)?;
            }
        }
        "ByteLevel" => {
            if flag(part, "trim_offsets", true) {
                read.trim_offsets = Some(flag(part, "add_prefix_space", true));
            }
        }
        "TemplateProcessing" => {
            read.single = Some(template(part, "single")?);
            read.pair = Some(template(part, "pair")?);
        }
        "BertProcessing" => {
            let (cls, sep) = (special(part, "cls")?, special(part, "sep")?);
            let special = |id, type_id| TemplatePiece::Special {
                ids: vec![id],
                type_id,
            };
            let single = vec![special(cls, 0), sequence(false, 0), special(sep, 0)];
            let second = [sequence(true, 1), special(sep, 1)];
            read.pair = Some(single.iter().cloned().chain(second).collect());
            read.single = Some(single);
        }
        "RobertaProcessing" => {
            let (cls, sep) = (special(part, "cls")?, special(part, "sep")?);
            let special = |ids| TemplatePiece::Special { ids, type_id: 0 };
            let single = vec![special(vec![cls]), sequence(false, 0), special(vec![sep])];
            let second = [special(vec![sep]), sequence(true, 0), special(vec![sep])];
            read.pair = Some(single.iter().cloned().chain(second).collect());
            read.single = Some(single);
            if flag(part, "trim_offsets", true) {
                read.trim_offsets = Some(flag(part, "add_prefix_space", true));
            }
        }
        other => {
            return Err(Error::unsupported(
                FORMAT,
                format!("the post-processor {other}"),
            ));
        }
    }
    Ok(())
}

fn sequence(second: bool, type_id: u32) -> TemplatePiece {
    TemplatePiece::Sequence { second, type_id }
}

/// The id in a pair of a token and its id.
fn special(part: &Value, key: &str) -> Result<u32, Error> {
    let id = part.get(key).and_then(|pair| pair.get(1)?.as_u64());
    let id = id.and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| missing(part, key))
}

fn template(part: &Value, key: &str) -> Result<Vec<TemplatePiece>, Error> {
    let pieces = list(part, key)?.iter().map(|piece| {
        if let Some(piece) = piece.get("Sequence") {
            return Ok(sequence(text(piece, "id")? == "B", id(piece, "type_id")?));
        }
        let piece = piece
            .get("SpecialToken")
            .ok_or_else(|| missing(part, key))?;
        let name = text(piece, "id")?;
        let special = part
            .get("special_tokens")
            .and_then(|tokens| tokens.get(name));
        let special = special.ok_or_else(|| missing(part, "special_tokens"))?;
        let ids = list(special, "ids")?.iter().map(|id| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| missing(part, "ids"))
        });
        Ok(TemplatePiece::Special {
            ids: ids.collect::<Result<_, _>>()?,
            type_id: id(piece, "type_id")?,
        })
    });
    pieces.collect()
}

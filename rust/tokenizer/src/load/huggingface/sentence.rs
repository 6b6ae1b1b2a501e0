//! Models that came from `SentencePiece` and write spaces as markers.

use crate::{
    Behavior, Definition, Find, ModelDefinition, NormalizerDefinition, NormalizerStep,
    PreTokenizerDefinition, PreTokenizerStep, Prepend, SentenceNormalizer,
};

const MARKER: &str = "▁";

/// Where all that is done to a text is to write its spaces as markers, leaves them spaces, which is what the engines are
/// quickest with.
pub(super) fn simplify(definition: &mut Definition) {
    let metaspace = match &mut definition.model {
        ModelDefinition::SentenceBpe(model) => &mut model.metaspace,
        ModelDefinition::Unigram(model) => &mut model.metaspace,
        _ => return,
    };
    let Some(prefix) = prefix(&definition.normalizer, &definition.pre_tokenizer) else {
        return;
    };
    *metaspace = true;
    definition.pre_tokenizer = PreTokenizerDefinition::None;
    definition.normalizer = NormalizerDefinition::Sentence(Box::new(SentenceNormalizer {
        add_dummy_prefix: prefix,
        escape_whitespaces: true,
        ..SentenceNormalizer::default()
    }));
}

/// Whether a marker is put first, if nothing else is done than to write markers for spaces.
fn prefix(
    normalizer: &NormalizerDefinition,
    pre_tokenizer: &PreTokenizerDefinition,
) -> Option<bool> {
    let replace = |step: &NormalizerStep| {
        matches!(step, NormalizerStep::Replace { pattern: Find::Text(space), content }
            if space == " " && content == MARKER)
    };
    let prepend = |step: &NormalizerStep| matches!(step, NormalizerStep::Prepend(content) if content == MARKER);
    let steps: &[PreTokenizerStep] = match pre_tokenizer {
        PreTokenizerDefinition::None => &[],
        PreTokenizerDefinition::Steps(steps) => steps,
        _ => return None,
    };
    match (normalizer, steps) {
        (
            NormalizerDefinition::None,
            [
                PreTokenizerStep::Metaspace {
                    replacement,
                    prepend: Prepend::Never,
                    split: false,
                },
            ],
        ) if replacement == MARKER => Some(false),
        (NormalizerDefinition::Steps(normalizer), _) if finds_only_spaces(steps) => {
            match normalizer.as_slice() {
                [one] if replace(one) => Some(false),
                [one, two] if replace(one) && prepend(two) => Some(true),
                [one, two] if prepend(one) && replace(two) => Some(true),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a text without spaces is one piece.
fn finds_only_spaces(steps: &[PreTokenizerStep]) -> bool {
    steps.iter().all(|step| {
        matches!(step, PreTokenizerStep::Split { find: Find::Text(space), behavior, invert: false }
            if space == " " && *behavior != Behavior::Removed)
    })
}

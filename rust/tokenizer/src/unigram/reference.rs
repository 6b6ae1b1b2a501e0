//! The best way through a whole text, by trying every token at every place: what the fast path is tested against.

use std::collections::BTreeMap;

use super::{LARGEST_SUM, UnigramDefinition};
use crate::Vocabulary;

/// The parts of `text`, in which `▁` stands where the model has it, and their ids; unknown characters have none.
pub(crate) fn encode(
    definition: &UnigramDefinition,
    vocabulary: &Vocabulary,
    text: &str,
) -> Vec<(String, Option<u32>)> {
    let round = |score: f64| {
        if definition.single_precision {
            f64::from(score as f32)
        } else {
            score
        }
    };
    let known = vocabulary.iter().filter_map(|(id, token)| {
        let score = definition.scores[id as usize]?;
        Some((std::str::from_utf8(token).unwrap(), (id, score)))
    });
    let known: BTreeMap<&str, (u32, f64)> = known.collect();
    let plain = known
        .values()
        .filter(|(id, _)| !definition.symbols.contains(id));
    let lowest = plain
        .map(|(_, score)| *score)
        .fold(f64::from(f32::MAX), f64::min);
    let unknown = round(lowest - 10.0);
    let characters: Vec<char> = text.chars().collect();
    // For every place the best sum, where its last token begins and what that is.
    let mut best: Vec<Option<(f64, usize, Option<u32>)>> = vec![None; characters.len() + 1];
    best[0] = Some((0.0, 0, None));
    for begin in 0..characters.len() {
        let sum = best[begin].unwrap().0;
        let set_back = definition.single_precision && sum.abs() > LARGEST_SUM;
        let offset = if set_back { sum } else { 0.0 };
        for (score, ..) in best[begin..].iter_mut().flatten() {
            *score = round(*score - offset);
        }
        let sum = sum - offset;
        let mut alone = false;
        for end in begin + 1..=characters.len() {
            let part: String = characters[begin..end].iter().collect();
            let Some(&(id, score)) = known.get(part.as_str()) else {
                continue;
            };
            let score = if definition.symbols.contains(&id) {
                f64::from((0.1 * (part.len() as f64 - 1.0)) as f32)
            } else {
                score
            };
            let score = round(sum + score);
            if best[end].is_none_or(|best| score > best.0) {
                best[end] = Some((score, begin, Some(id)));
            }
            alone |= end == begin + 1;
        }
        let score = round(sum + unknown);
        if !alone && best[begin + 1].is_none_or(|best| score > best.0) {
            best[begin + 1] = Some((score, begin, None));
        }
    }
    let mut parts = Vec::new();
    let mut end = characters.len();
    while end > 0 {
        let (_, begin, id) = best[end].unwrap();
        parts.push((characters[begin..end].iter().collect(), id));
        end = begin;
    }
    parts.reverse();
    parts
}

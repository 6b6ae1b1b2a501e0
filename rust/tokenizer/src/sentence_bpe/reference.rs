//! Merging as it is defined, over the whole text, one pair at a time: quadratic, and what the fast path is tested against.

use std::collections::BTreeMap;

use super::{SentenceBpeDefinition, SentenceMerges};
use crate::Vocabulary;

/// The ids of `text`, in which `▁` stands where the model has it, and the characters that are no token as `None`.
pub(crate) fn encode(
    definition: &SentenceBpeDefinition,
    vocabulary: &Vocabulary,
    text: &str,
) -> Vec<(String, Option<u32>)> {
    let ids: BTreeMap<&str, u32> = vocabulary
        .iter()
        .filter(|(id, _)| definition.unknown.token != Some(*id))
        .filter(|(id, _)| {
            !definition
                .unknown
                .bytes
                .as_deref()
                .is_some_and(|bytes| bytes.contains(id))
        })
        .map(|(id, token)| (std::str::from_utf8(token).unwrap(), id))
        .collect();
    let symbol = |text: &str| ids.get(text).filter(|id| definition.symbols.contains(id));
    // A symbol's text, and whether it may merge.
    let mut parts: Vec<(String, bool)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let lengths = (1..=rest.len())
            .rev()
            .filter(|length| rest.is_char_boundary(*length));
        let found = lengths
            .into_iter()
            .find(|length| symbol(&rest[..*length]).is_some());
        let length = found.unwrap_or(first.len_utf8());
        parts.push((rest[..length].to_owned(), found.is_none()));
        rest = &rest[length..];
    }
    let merges: BTreeMap<[u32; 2], u32> = match &definition.merges {
        SentenceMerges::Scores(_) => BTreeMap::new(),
        SentenceMerges::Pairs(pairs) => {
            let ranks = pairs.iter().zip(0..);
            ranks
                .map(|([left, right, _], rank)| ([*left, *right], rank))
                .collect()
        }
    };
    let rank = |left: &str, right: &str| match &definition.merges {
        SentenceMerges::Scores(scores) => {
            let id = *ids.get(format!("{left}{right}").as_str())?;
            // Orders as the negated number does.
            scores.get(id as usize).map(|score| {
                let bits = (-score).to_bits();
                if bits >> 31 == 1 {
                    !bits
                } else {
                    bits | 1 << 31
                }
            })
        }
        SentenceMerges::Pairs(_) => merges.get(&[*ids.get(left)?, *ids.get(right)?]).copied(),
    };
    loop {
        let candidates = parts
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0].1 && pair[1].1);
        let ranked = candidates.filter_map(|(at, pair)| Some((rank(&pair[0].0, &pair[1].0)?, at)));
        let Some((_, at)) = ranked.min() else { break };
        let right = parts.remove(at + 1).0;
        parts[at].0.push_str(&right);
    }
    let with_id = |(text, _): (String, bool)| {
        let id = ids.get(text.as_str()).copied();
        (text, id)
    };
    parts.into_iter().map(with_id).collect()
}

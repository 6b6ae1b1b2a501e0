//! Merging as it is defined, one pair at a time: quadratic, and what the fast paths are tested against.

use std::collections::BTreeMap;

use crate::sink::Sink;

/// Encodes one piece: the whole piece if it is a token, or else merges the pair of lowest rank, the first of equals,
/// until no two neighbours are a token together.
///
/// # Errors
///
/// Where the byte is that is no token.
pub(crate) fn encode<S: Sink>(
    ranks: &BTreeMap<Vec<u8>, u32>,
    piece: &[u8],
    sink: &mut S,
) -> Result<(), usize> {
    if let Some(&id) = ranks.get(piece) {
        sink.push(id, piece.len() as u32);
        return Ok(());
    }
    // Where each part begins, and the end.
    let mut edges: Vec<usize> = (0..=piece.len()).collect();
    loop {
        let pairs = edges.windows(3).enumerate();
        let ranked =
            pairs.filter_map(|(at, edges)| Some((*ranks.get(&piece[edges[0]..edges[2]])?, at)));
        let Some((_, at)) = ranked.min() else { break };
        edges.remove(at + 1);
    }
    for part in edges.windows(2) {
        let id = *ranks.get(&piece[part[0]..part[1]]).ok_or(part[0])?;
        sink.push(id, (part[1] - part[0]) as u32);
    }
    Ok(())
}

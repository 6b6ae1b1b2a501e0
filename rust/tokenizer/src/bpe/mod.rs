//! Byte pair encoding of pieces.

mod reference;

use std::collections::BTreeMap;

use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::{Error, Vocabulary};

/// A prepared byte-level model.
#[derive(Debug, Clone)]
pub(crate) struct Bpe {
    ranks: BTreeMap<Vec<u8>, u32>,
}

impl Bpe {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        Self {
            ranks: vocabulary
                .iter()
                .map(|(id, token)| (token.to_vec(), id))
                .collect(),
        }
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: a byte of the text is not in the vocabulary.
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        mut begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        for &end in ends {
            if end & GAP == 0 && !sink.is_full() {
                let piece = &text.as_bytes()[begin as usize..end as usize];
                reference::encode(&self.ranks, piece, sink).map_err(|at| Error::NoToken {
                    offset: begin as usize + at,
                })?;
            }
            begin = end & !GAP;
        }
        Ok(())
    }
}

//! Grammars that were compiled lately.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::compiled::Compiled;

/// Most grammars kept for a vocabulary.
const MAX_ENTRIES: usize = 256;
/// Most bytes of their sources.
const MAX_BYTES: usize = 16 << 20;

/// What a grammar was made from. Of two kinds of source the same text means two grammars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    hash: u64,
    source: Box<str>,
}

impl Key {
    pub(super) fn new(kind: &str, source: &str) -> Self {
        let source = format!("{kind}\0{source}").into_boxed_str();
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            source,
        }
    }
}

/// The least recently used goes first. Bounded in number and in bytes of source.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Most recently used last.
    entries: Vec<(Key, Arc<Compiled>)>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&mut self, key: &Key) -> Option<Arc<Compiled>> {
        let at = self.entries.iter().rposition(|(known, _)| known == key)?;
        self.entries[at..].rotate_left(1);
        self.entries
            .last()
            .map(|(_, compiled)| Arc::clone(compiled))
    }

    pub(super) fn put(&mut self, key: Key, compiled: Arc<Compiled>) {
        if self.get(&key).is_some() || key.source.len() > MAX_BYTES {
            return;
        }
        self.bytes += key.source.len();
        self.entries.push((key, compiled));
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let (oldest, _) = self.entries.remove(0);
            self.bytes -= oldest.source.len();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

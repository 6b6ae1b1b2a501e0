//! Where the ids of a text go: one loop encodes, counts, truncates and records offsets.

/// Takes the tokens of a text in order.
///
/// `bytes` is how many bytes of the *model's input* (after normalisation) the token stands for; the sum over all tokens
/// of a text is its length, unless the model drops text.
pub(crate) trait Sink {
    /// Takes one token.
    fn push(&mut self, id: u32, bytes: u32);

    /// Takes several tokens at once; called only if it [needs](Needs) no more than their ids.
    fn extend(&mut self, ids: &[u32]);

    /// Takes the number of several tokens; called only if it [needs](Needs) no more than that.
    fn skip(&mut self, _count: usize) {}

    /// What it needs to know of every token.
    const NEEDS: Needs = Needs::Ids;

    /// Whether the encoder may stop: nothing that follows will be taken.
    #[inline]
    fn is_full(&self) -> bool {
        false
    }
}

/// What a [`Sink`] needs to know of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// That it is there.
    Count,
    /// Its id.
    Ids,
    /// Its id and its length: it takes one token at a time.
    Lengths,
}

impl Sink for Vec<u32> {
    #[inline]
    fn push(&mut self, id: u32, _bytes: u32) {
        Self::push(self, id);
    }

    #[inline]
    fn extend(&mut self, ids: &[u32]) {
        self.extend_from_slice(ids);
    }
}

/// The first ids of a text: stops once there are `limit`, perhaps a few later.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) ids: Vec<u32>,
    pub(crate) limit: usize,
}

impl Sink for First {
    #[inline]
    fn push(&mut self, id: u32, _bytes: u32) {
        self.ids.push(id);
    }

    #[inline]
    fn extend(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.ids.len() >= self.limit
    }
}

/// Counts tokens, and stops after `limit`.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) count: usize,
    pub(crate) limit: usize,
}

impl Sink for Counter {
    const NEEDS: Needs = Needs::Count;

    #[inline]
    fn push(&mut self, _id: u32, _bytes: u32) {
        self.count += 1;
    }

    #[inline]
    fn extend(&mut self, ids: &[u32]) {
        self.count += ids.len();
    }

    #[inline]
    fn skip(&mut self, count: usize) {
        self.count += count;
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.count > self.limit
    }
}

/// Ids, and where each token ends in the model's input.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    pub(crate) ids: Vec<u32>,
    pub(crate) ends: Vec<u32>,
    pub(crate) at: u32,
}

impl Sink for Spans {
    const NEEDS: Needs = Needs::Lengths;

    #[inline]
    fn push(&mut self, id: u32, bytes: u32) {
        self.at += bytes;
        self.ids.push(id);
        self.ends.push(self.at);
    }

    fn extend(&mut self, ids: &[u32]) {
        debug_assert!(
            ids.is_empty(),
            "a sink of lengths takes one token at a time"
        );
    }
}

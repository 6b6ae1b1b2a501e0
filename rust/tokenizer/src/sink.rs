//! Where the ids of a text go: one loop encodes, counts, truncates and records offsets.

/// Takes the tokens of a text in order.
///
/// `bytes` is how many bytes of the *model's input* (after normalisation) the token stands for; the sum over all tokens
/// of a text is its length, unless the model drops text.
pub(crate) trait Sink {
    /// Takes one token.
    fn push(&mut self, id: u32, bytes: u32);

    /// Takes the tokens of one piece at once, `bytes` being the piece's length.
    ///
    /// For sinks that do not need each token's own length; the others are fed by [`Sink::push`], see [`Sink::LENGTHS`].
    fn extend(&mut self, ids: &[u32], bytes: u32);

    /// Takes the first `count` of `ids`, which are those of one piece of `bytes` bytes.
    ///
    /// Copying four is one instruction, copying as many as there are is a call.
    fn few(&mut self, ids: [u32; 4], count: usize, bytes: u32);

    /// Whether the length of every single token is needed: then `extend` is never called with more than one id.
    const LENGTHS: bool = false;

    /// Whether the encoder may stop: nothing that follows will be taken.
    #[inline]
    fn is_full(&self) -> bool {
        false
    }
}

impl Sink for Vec<u32> {
    #[inline]
    fn push(&mut self, id: u32, _bytes: u32) {
        Self::push(self, id);
    }

    #[inline]
    fn extend(&mut self, ids: &[u32], _bytes: u32) {
        self.extend_from_slice(ids);
    }

    #[inline]
    fn few(&mut self, ids: [u32; 4], count: usize, _bytes: u32) {
        let len = self.len();
        self.extend_from_slice(&ids);
        self.truncate(len + count);
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
    fn extend(&mut self, ids: &[u32], _bytes: u32) {
        self.ids.extend_from_slice(ids);
    }

    #[inline]
    fn few(&mut self, ids: [u32; 4], count: usize, bytes: u32) {
        self.ids.few(ids, count, bytes);
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
    #[inline]
    fn push(&mut self, _id: u32, _bytes: u32) {
        self.count += 1;
    }

    #[inline]
    fn extend(&mut self, ids: &[u32], _bytes: u32) {
        self.count += ids.len();
    }

    #[inline]
    fn few(&mut self, _ids: [u32; 4], count: usize, _bytes: u32) {
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
    const LENGTHS: bool = true;

    #[inline]
    fn push(&mut self, id: u32, bytes: u32) {
        self.at += bytes;
        self.ids.push(id);
        self.ends.push(self.at);
    }

    #[inline]
    fn extend(&mut self, ids: &[u32], bytes: u32) {
        debug_assert!(
            ids.len() <= 1,
            "a sink of lengths takes one token at a time"
        );
        if let [id] = ids {
            self.push(*id, bytes);
        }
    }

    #[inline]
    fn few(&mut self, ids: [u32; 4], count: usize, bytes: u32) {
        debug_assert!(count <= 1, "a sink of lengths takes one token at a time");
        self.push(ids[0], bytes);
    }
}

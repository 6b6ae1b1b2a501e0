//! One text through the model.

use super::{LARGEST_SUM, Unigram};
use crate::Error;
use crate::fragments::{AHEAD, Ahead, Cache, Remembered};
use crate::sink::Sink;

/// What a call needs for itself.
#[derive(Debug)]
pub(super) struct Worker {
    cache: Cache,
    nodes: Vec<Node>,
    path: Vec<(u32, u32)>,
    ids: Vec<u32>,
}

impl Worker {
    pub(super) fn new() -> Self {
        Self {
            cache: Cache::new(),
            nodes: Vec::new(),
            path: Vec::new(),
            ids: Vec::new(),
        }
    }
}

/// The best way to a place in the text.
#[derive(Debug, Clone, Copy)]
struct Node {
    score: f64,
    /// The best but one.
    second: f64,
    /// Where the last token of the way begins.
    begin: u32,
    /// That token, or [`UNKNOWN`].
    id: u32,
}

const UNREACHED: u32 = u32::MAX;
const UNKNOWN: u32 = u32::MAX;

/// One call of [`Unigram::encode`].
pub(super) struct Run<'a, S> {
    model: &'a Unigram,
    worker: &'a mut Worker,
    text: &'a str,
    sink: &'a mut S,
    /// The sum of scores so far, to which the reference adds on: what is nearly equal depends on it.
    sum: f64,
    /// The bytes of unknown characters that will be one token with those that follow.
    unknown: u32,
}

impl<'a, S: Sink> Run<'a, S> {
    pub(super) fn new(
        model: &'a Unigram,
        worker: &'a mut Worker,
        text: &'a str,
        sink: &'a mut S,
    ) -> Self {
        Self {
            model,
            worker,
            text,
            sink,
            sum: 0.0,
            unknown: 0,
        }
    }

    /// Encodes `text[begin..end]`.
    pub(super) fn piece(&mut self, begin: usize, end: usize) -> Result<(), Error> {
        let mut at = begin;
        while at < end && !self.sink.is_full() {
            let mut stop = end;
            if self.model.split {
                let rest = &self.text.as_bytes()[at + 1..end];
                stop = memchr::memchr(b' ', rest).map_or(end, |space| at + 1 + space);
            }
            self.sum = 0.0;
            self.stretch(at, stop)?;
            self.flush();
            at = stop;
        }
        Ok(())
    }

    /// Encodes text that is one to the reference.
    fn stretch(&mut self, mut begin: usize, end: usize) -> Result<(), Error> {
        let mut ahead = [Ahead::default(); AHEAD];
        while begin < end && !self.sink.is_full() {
            let mut count = 0;
            for slot in &mut ahead {
                if begin == end {
                    break;
                }
                let stop = self.model.joints.fragment(self.text, begin, end);
                *slot = Ahead::new(self.text.as_bytes(), begin, stop);
                self.worker.cache.prefetch(slot.place);
                begin = stop;
                count += 1;
            }
            for fragment in &ahead[..count] {
                self.fragment(fragment)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn fragment(&mut self, fragment: &Ahead) -> Result<(), Error> {
        let &Ahead {
            begin,
            end,
            ref key,
            place,
        } = fragment;
        let found = key
            .as_ref()
            .and_then(|key| self.worker.cache.get(place, key));
        if let Some(&found) = found
            && self.is_clear(found.margin, end - begin)
        {
            return self.recall(found.ids(), begin, end);
        }
        let margin = self.search(begin, end);
        self.take(begin)?;
        let path = &self.worker.path;
        let is_unknown = path.len() == 1 && path[0].0 == UNKNOWN;
        let ids = if is_unknown {
            &[UNKNOWN]
        } else {
            self.worker.ids.as_slice()
        };
        let known = path.iter().all(|(id, _)| *id != UNKNOWN);
        if let Some(key) = *key
            && (known || is_unknown)
            && let Some(value) = Remembered::new(ids, margin)
        {
            self.worker.cache.put(place, key, value);
        }
        Ok(())
    }

    /// Whether a fragment is cut in the same way whatever is added to the sum so far.
    ///
    /// The best way to a place was better than the others by `margin` at least. Each of at most `bytes` additions is wrong by
    /// half a unit in the last place of the largest sum: the sums of both ways together by less than this.
    fn is_clear(&self, margin: f32, bytes: usize) -> bool {
        let reach = self.sum.abs() + bytes as f64 * self.model.steepest;
        let sets_back = self.model.single_precision && reach > LARGEST_SUM;
        f64::from(margin) > self.error(bytes) && !sets_back
    }

    fn error(&self, bytes: usize) -> f64 {
        let unit = if self.model.single_precision {
            f32::EPSILON.into()
        } else {
            f64::EPSILON
        };
        // One more for where sums are set back.
        let bytes = bytes as f64 + 1.0;
        bytes * unit * (self.sum.abs() + bytes * self.model.steepest)
    }

    fn round(&self, score: f64) -> f64 {
        if self.model.single_precision {
            f64::from(score as f32)
        } else {
            score
        }
    }

    /// Hands on the tokens of a fragment that is remembered, `text[begin..end]`: perhaps an unknown character.
    #[inline]
    fn recall(&mut self, ids: &[u32], begin: usize, end: usize) -> Result<(), Error> {
        if *ids == [UNKNOWN] {
            self.sum = self.round(self.sum + self.model.unknown_score);
            return self.unknown(begin, end);
        }
        self.flush();
        for &id in ids {
            self.sum = self.round(self.sum + self.model.scores[id as usize]);
            self.sink.push(id, self.model.lengths[id as usize]);
        }
        Ok(())
    }

    /// Finds the best way through `text[begin..end]`, and by how much it is better than the next.
    fn search(&mut self, begin: usize, end: usize) -> f32 {
        let bytes = &self.text.as_bytes()[begin..end];
        let single = self.model.single_precision;
        let round = |score: f64| {
            if single {
                f64::from(score as f32)
            } else {
                score
            }
        };
        let error = self.error(bytes.len());
        let nodes = &mut self.worker.nodes;
        nodes.clear();
        nodes.resize(
            bytes.len() + 1,
            Node {
                score: 0.0,
                second: f64::NEG_INFINITY,
                begin: UNREACHED,
                id: UNKNOWN,
            },
        );
        nodes[0].score = self.sum;
        let mut at = 0;
        while at < bytes.len() {
            if single && nodes[at].score.abs() > LARGEST_SUM {
                set_back(&mut nodes[at..]);
            }
            let sum = nodes[at].score;
            let length = length(bytes[at]).min(bytes.len() - at);
            let mut alone = false;
            self.model.trie.prefixes(&bytes[at..], |bytes, id| {
                let score = round(sum + self.model.scores[id as usize]);
                nodes[at + bytes].offer(score, at, id);
                alone |= bytes == length;
            });
            if !alone {
                let score = round(sum + self.model.unknown_score);
                nodes[at + length].offer(score, at, UNKNOWN);
            }
            at += length;
        }
        self.worker.path.clear();
        let mut margin = f64::INFINITY;
        let mut at = bytes.len();
        self.sum = nodes[at].score;
        while at > 0 {
            let node = nodes[at];
            margin = margin.min(node.score - node.second);
            self.worker.path.push((node.id, at as u32));
            at = node.begin as usize;
        }
        // The sums here are wrong as well.
        (margin - error) as f32
    }

    /// Hands on the tokens of the way that was found through the text from `begin` on.
    fn take(&mut self, begin: usize) -> Result<(), Error> {
        let path = std::mem::take(&mut self.worker.path);
        self.worker.ids.clear();
        let mut from = begin;
        for &(id, end) in path.iter().rev() {
            let to = begin + end as usize;
            if id == UNKNOWN {
                self.unknown(from, to)?;
            } else {
                self.flush();
                self.worker.ids.push(id);
                self.sink.push(id, (to - from) as u32);
            }
            from = to;
        }
        self.worker.path = path;
        Ok(())
    }

    /// Takes the unknown character `text[from..to]`.
    fn unknown(&mut self, from: usize, to: usize) -> Result<(), Error> {
        if let Some(tokens) = &self.model.unknown.bytes {
            for byte in &self.text.as_bytes()[from..to] {
                self.sink.push(tokens[*byte as usize], 1);
            }
            return Ok(());
        }
        if self.model.unknown.token.is_none() {
            return Err(Error::NoToken { offset: from });
        }
        self.unknown += (to - from) as u32;
        Ok(())
    }

    /// Hands the unknown token on that still grew.
    fn flush(&mut self) {
        if self.unknown != 0
            && let Some(id) = self.model.unknown.token
        {
            self.sink.push(id, std::mem::take(&mut self.unknown));
        }
    }
}

impl Node {
    /// One more way to get here. Of equals the first stays.
    #[inline]
    fn offer(&mut self, score: f64, begin: usize, id: u32) {
        if self.begin == UNREACHED || score > self.score {
            self.second = if self.begin == UNREACHED {
                f64::NEG_INFINITY
            } else {
                self.score
            };
            self.score = score;
            self.begin = begin as u32;
            self.id = id;
        } else {
            self.second = self.second.max(score);
        }
    }
}

/// Subtracts the first sum from all that have been reached.
#[cold]
fn set_back(nodes: &mut [Node]) {
    let offset = nodes[0].score;
    for node in nodes.iter_mut().filter(|node| node.begin != UNREACHED) {
        node.score = f64::from((node.score - offset) as f32);
        node.second -= offset;
    }
    nodes[0].score = 0.0;
}

/// The bytes of a character, by its first one.
fn length(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

//! What changes single logits: bias, penalties, and tokens that are not allowed.
//!
//! A row is only read, so it is shared with the engine that owns it. Logits that change stand in a list beside it, and
//! their bits are cleared in the mask: every pass leaves them out, and the list is added to what it finds. That costs
//! what the history is long, and nothing for the vocabulary.

use inferail_simd::logits::Row;

use crate::history::History;
use crate::settings::parameters::Parameters;

/// Changed logits and the mask of the others.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Ascending ids.
    pub(crate) changed: Vec<(u32, f32)>,
    bits: Vec<u32>,
    masked: bool,
    touched: Vec<Touched>,
    logits: Vec<f32>,
    /// One of the changed logits was not a number.
    pub(crate) unordered: bool,
}

/// What allows tokens for good.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    /// Bits of [`Parameters::allowed`].
    bits: Option<Vec<u32>>,
}

impl Allowed {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let bits = parameters.allowed.as_ref().map(|ids| {
            let words = ids.last().map_or(0, |last| *last as usize / 32 + 1);
            let mut bits = vec![0; words];
            for id in ids {
                bits[*id as usize / 32] |= 1 << (id % 32);
            }
            bits
        });
        Self { bits }
    }
}

fn has(bits: &[u32], id: u32) -> bool {
    bits.get(id as usize / 32)
        .is_some_and(|word| word >> (id % 32) & 1 == 1)
}

fn clear(bits: &mut [u32], id: u32) {
    if let Some(word) = bits.get_mut(id as usize / 32) {
        *word &= !(1 << (id % 32));
    }
}

impl Edits {
    /// Works out what changes in `row`.
    pub(crate) fn prepare(
        &mut self,
        parameters: &Parameters,
        allowed: &Allowed,
        row: Row<'_>,
        mask: Option<&[u32]>,
        history: Option<&History>,
    ) {
        self.changed.clear();
        self.unordered = false;
        let position = history.map_or(0, History::position);
        let stops: &[u32] = if position < parameters.min_tokens {
            &parameters.stop_tokens
        } else {
            &[]
        };
        let penalised = history.filter(|_| parameters.has_penalties() || parameters.dry.is_some());
        self.masked = allowed.bits.is_some()
            || !parameters.banned.is_empty()
            || !stops.is_empty()
            || !parameters.logit_bias.is_empty()
            || penalised.is_some_and(|history| !history.tokens().is_empty());
        if !self.masked {
            return;
        }
        self.start(row.len(), mask, allowed);
        for id in parameters.banned.iter().chain(stops) {
            clear(&mut self.bits, *id);
        }
        self.change(parameters, row, penalised);
        for (id, _) in &self.changed {
            clear(&mut self.bits, *id);
        }
        self.changed.retain(|(_, value)| *value > f32::NEG_INFINITY);
    }

    /// The mask under which the row is to be read.
    pub(crate) fn mask<'a>(&'a self, given: Option<&'a [u32]>) -> Option<&'a [u32]> {
        if self.masked { Some(&self.bits) } else { given }
    }

    fn start(&mut self, vocabulary: usize, mask: Option<&[u32]>, allowed: &Allowed) {
        let words = vocabulary.div_ceil(32);
        self.bits.clear();
        match mask {
            Some(mask) => self.bits.extend_from_slice(&mask[..words.min(mask.len())]),
            None => self.bits.resize(words, u32::MAX),
        }
        self.bits.resize(words, 0);
        if let Some(allowed) = &allowed.bits {
            let allowed = allowed.iter().copied().chain(std::iter::repeat(0));
            for (word, allowed) in self.bits.iter_mut().zip(allowed) {
                *word &= allowed;
            }
        }
    }

    /// Merges the ascending lists of what touches a token.
    fn change(&mut self, parameters: &Parameters, row: Row<'_>, history: Option<&History>) {
        let dry = history.map_or_else(Vec::new, |history| history.dry(parameters));
        let mut bias = Cursor(&parameters.logit_bias);
        let mut dry = Cursor(&dry);
        let none: &[(u32, u32)] = &[];
        let bias_is_last = parameters.compat.conventions().bias_is_last;
        let repeats = parameters.repetition_penalty != 1.0;
        let counts = parameters.frequency_penalty != 0.0 || parameters.presence_penalty != 0.0;
        let mut repeated = Cursor(history.filter(|_| repeats).map_or(none, History::repeated));
        let mut frequent = Cursor(history.filter(|_| counts).map_or(none, History::frequent));
        self.touched.clear();
        loop {
            let heads = [bias.head(), dry.head(), repeated.head(), frequent.head()];
            let Some(id) = heads.into_iter().flatten().min() else {
                break;
            };
            self.touched.push(Touched {
                id,
                bias: bias.take(id).unwrap_or(0.0),
                dry: dry.take(id).unwrap_or(0.0),
                factor: repeated
                    .take(id)
                    .map_or(1.0, |_| parameters.repetition_penalty),
                less: frequent.take(id).map_or(0.0, |count| {
                    parameters.frequency_penalty * f64::from(count) + parameters.presence_penalty
                }),
            });
        }
        // Ids that the row does not reach come from a history of another vocabulary's tokens.
        let bits = &self.bits;
        self.touched
            .retain(|touched| (touched.id as usize) < row.len() && has(bits, touched.id));
        // All logits are fetched before anything is done with one: what waits for memory then waits together.
        self.logits.clear();
        let logits = self
            .touched
            .iter()
            .map(|touched| row.get(touched.id as usize));
        self.logits
            .extend(logits.map(|logit| logit.unwrap_or(f32::NEG_INFINITY)));
        let changed = self
            .touched
            .iter()
            .zip(&self.logits)
            .map(|(touched, logit)| (touched.id, touched.apply(*logit, bias_is_last)));
        self.changed.extend(changed);
        self.unordered = self.logits.iter().any(|logit| logit.is_nan());
    }
}

/// What happens to a logit.
#[derive(Debug, Clone, Copy)]
struct Touched {
    id: u32,
    bias: f64,
    dry: f64,
    /// The repetition penalty, or 1.
    factor: f64,
    /// Frequency and presence penalty.
    less: f64,
}

impl Touched {
    fn apply(&self, logit: f32, bias_is_last: bool) -> f32 {
        let (first, last) = if bias_is_last {
            (0.0, self.bias)
        } else {
            (self.bias, 0.0)
        };
        let value = f64::from(logit) + first;
        let (divided, multiplied) = (value / self.factor, value * self.factor);
        let value = if value > 0.0 { divided } else { multiplied };
        (value - self.less + last - self.dry) as f32
    }
}

/// An ascending list that is read along with others.
struct Cursor<'a, T>(&'a [(u32, T)]);

impl<T: Copy> Cursor<'_, T> {
    fn head(&self) -> Option<u32> {
        self.0.first().map(|(id, _)| *id)
    }

    fn take(&mut self, id: u32) -> Option<T> {
        let (first, rest) = self.0.split_first()?;
        if first.0 != id {
            return None;
        }
        self.0 = rest;
        Some(first.1)
    }
}

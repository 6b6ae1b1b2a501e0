//! The passes over a row.

use std::f64::consts::{LN_2, LOG2_E};

use super::element::{Bf16, F16, F32, Format};
use super::exponential::{exponential, exponential_f64};
use super::lanes::{Lanes, WIDTH};
use super::{Level, Row};

/// Logits of a block: what a maximum and a mass are kept for.
pub const BLOCK: usize = 128;

const VECTORS: usize = BLOCK / WIDTH;

/// Logits to look at: a row, and a bit for each that says whether it counts.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a> {
    /// The row.
    pub row: Row<'a>,
    /// Bit `id % 32` of word `id / 32` is set for a logit that counts; all count without it. Words that are missing
    /// are 0.
    pub mask: Option<&'a [u32]>,
}

/// What passed a threshold, in ascending order of the ids.
#[derive(Debug, Default, Clone)]
pub struct Collected {
    ids: Vec<u32>,
    values: Vec<f32>,
    len: usize,
}

impl Collected {
    /// Token ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids[..self.len]
    }

    /// Their logits.
    pub fn values(&self) -> &[f32] {
        &self.values[..self.len]
    }

    /// Forgets everything and makes room for `most` and what a vector writes behind them.
    fn clear(&mut self, most: usize) {
        self.len = 0;
        if self.ids.len() < most + WIDTH {
            self.ids.resize(most + WIDTH, 0);
            self.values.resize(most + WIDTH, 0.0);
        }
    }

    #[inline(always)]
    fn push<L: Lanes>(&mut self, lanes: L, values: L::F, chosen: u16, first: usize) {
        if let Some(out) = self.values[self.len..].first_chunk_mut() {
            lanes.compress(values, chosen, out);
        }
        if let Some(out) = self.ids[self.len..].first_chunk_mut() {
            lanes.positions(chosen, first as u32, out);
        }
        self.len += chosen.count_ones() as usize;
    }
}

/// How logits are weighed: a logit `x` has the weight `exp((x − maximum) · inverse_temperature)`.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The largest logit.
    pub maximum: f32,
    /// 1 / temperature.
    pub inverse_temperature: f64,
}

/// Sums that entropy needs too.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weighed {
    /// The weights of all.
    pub total: f64,
    /// Weights times their powers, `Σ w ln w`.
    pub powers: f64,
}

/// Moments of the distances from the maximum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Finite logits.
    pub count: u64,
    /// `Σ (maximum − x)`.
    pub sum: f64,
    /// `Σ (maximum − x)²`.
    pub squares: f64,
}

/// A loop over a row.
pub(crate) trait Pass {
    /// What comes out.
    type Output;

    /// Runs it; to be marked `#[inline(always)]`.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// A row in one number format.
#[derive(Debug)]
struct Source<'a, F: Format> {
    row: &'a [F::Number],
    mask: Option<&'a [u32]>,
}

impl<F: Format> Source<'_, F> {
    #[inline(always)]
    fn blocks(&self) -> usize {
        self.row.len().div_ceil(BLOCK)
    }

    /// The logits of a block; −∞ where none count. A block is `WHOLE` but for the last, and `MASKED` where there is a mask.
    ///
    /// Each kind has a loop of its own: where they met, all logits went through memory, and a pass took twice the time.
    #[inline(always)]
    fn load<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &self,
        lanes: L,
        block: usize,
    ) -> [L::F; VECTORS] {
        let start = block * BLOCK;
        let rest = self.row.get(start..).unwrap_or_default();
        let mut end = [F::Number::default(); BLOCK];
        let numbers = match rest.first_chunk::<BLOCK>() {
            Some(numbers) if WHOLE => numbers,
            _ => {
                let there = rest.len().min(BLOCK);
                end[..there].copy_from_slice(&rest[..there]);
                &end
            }
        };
        let mut vectors = [lanes.splat(f32::NEG_INFINITY); VECTORS];
        for (vector, numbers) in vectors.iter_mut().zip(numbers.as_chunks::<WIDTH>().0) {
            *vector = F::load(lanes, numbers);
        }
        if MASKED || !WHOLE {
            let words = self.words(start / 32, rest.len());
            for (at, vector) in vectors.iter_mut().enumerate() {
                let counts = (words[at / 2] >> (at % 2 * WIDTH)) as u16;
                *vector = lanes.keep(*vector, counts);
            }
        }
        vectors
    }

    /// A bit for each logit of a block of which `there` exist.
    #[inline(always)]
    fn words(&self, first: usize, there: usize) -> [u32; BLOCK / 32] {
        let mut words = [u32::MAX; BLOCK / 32];
        for (at, word) in words.iter_mut().enumerate() {
            if let Some(mask) = self.mask {
                *word = mask.get(first + at).copied().unwrap_or(0);
            }
            let before = there.saturating_sub(at * 32).min(32);
            *word &= ((1_u64 << before) - 1) as u32;
        }
        words
    }
}

/// What a pass does with one block after the other.
trait EachBlock {
    type Format: Format;

    fn source(&self) -> &Source<'_, Self::Format>;

    /// To be marked `#[inline(always)]`.
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        sums: &mut Sums<L>,
    );

    /// Every block in turn.
    #[inline(always)]
    fn each<L: Lanes>(&mut self, lanes: L) -> Sums<L> {
        let zero = lanes.splat_f64(0.0);
        let mut sums = Sums {
            doubles: [zero; 2],
            count: 0,
            unordered: 0,
        };
        let whole = self.source().row.len() / BLOCK;
        if self.source().mask.is_some() {
            for block in 0..whole {
                self.block::<L, true, true>(lanes, block, &mut sums);
            }
        } else {
            for block in 0..whole {
                self.block::<L, true, false>(lanes, block, &mut sums);
            }
        }
        if whole < self.source().blocks() {
            self.block::<L, false, true>(lanes, whole, &mut sums);
        }
        sums
    }
}

/// What is added up over all blocks, in registers.
struct Sums<L: Lanes> {
    doubles: [L::D; 2],
    count: u64,
    unordered: u16,
}

struct Maxima<'a, F: Format> {
    source: Source<'a, F>,
    out: &'a mut [f32],
}

impl<F: Format> EachBlock for Maxima<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        sums: &mut Sums<L>,
    ) {
        let values = self.source.load::<L, WHOLE, MASKED>(lanes, block);
        let mut most = [lanes.splat(f32::NEG_INFINITY); 2];
        for [left, right] in values.as_chunks::<2>().0 {
            sums.unordered |= lanes.unordered(*left, *right);
            most = [lanes.max(*left, most[0]), lanes.max(*right, most[1])];
        }
        if let Some(out) = self.out.get_mut(block) {
            *out = lanes.largest(lanes.max(most[0], most[1]));
        }
    }
}

impl<F: Format> Pass for Maxima<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> bool {
        self.each(lanes).unordered != 0
    }
}

struct Tail<'a, F: Format> {
    source: Source<'a, F>,
    maxima: &'a [f32],
    scale: Scale,
    threshold: f32,
    masses: &'a mut [f64],
    above: &'a mut Collected,
}

impl<F: Format> EachBlock for Tail<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        _: &mut Sums<L>,
    ) {
        let maximum = lanes.splat(self.scale.maximum);
        let inverse = lanes.splat((self.scale.inverse_temperature * LOG2_E) as f32);
        let values = self.source.load::<L, WHOLE, MASKED>(lanes, block);
        let mut weights = values;
        for weight in &mut weights {
            let powers = lanes.mul(lanes.sub(*weight, maximum), inverse);
            *weight = exponential(lanes, powers);
        }
        if self
            .maxima
            .get(block)
            .is_some_and(|most| *most >= self.threshold)
        {
            let threshold = lanes.splat(self.threshold);
            for (at, (values, weights)) in values.into_iter().zip(&mut weights).enumerate() {
                let chosen = lanes.at_least(values, threshold);
                *weights = lanes.keep_or_zero(*weights, !chosen);
                if chosen != 0 {
                    self.above
                        .push(lanes, values, chosen, block * BLOCK + at * WIDTH);
                }
            }
        }
        let [a, b, c, d, e, f, g, h] = weights;
        let pairs = [
            lanes.add(a, b),
            lanes.add(c, d),
            lanes.add(e, f),
            lanes.add(g, h),
        ];
        let fours = [lanes.add(pairs[0], pairs[1]), lanes.add(pairs[2], pairs[3])];
        if let Some(mass) = self.masses.get_mut(block) {
            *mass = lanes.sum_f64(lanes.widen(lanes.add(fours[0], fours[1])));
        }
    }
}

impl<F: Format> Pass for Tail<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        self.each(lanes);
    }
}

struct Collect<'a, F: Format> {
    source: Source<'a, F>,
    maxima: &'a [f32],
    threshold: f32,
    above: &'a mut Collected,
}

impl<F: Format> EachBlock for Collect<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        _: &mut Sums<L>,
    ) {
        if self
            .maxima
            .get(block)
            .is_none_or(|most| *most < self.threshold)
        {
            return;
        }
        let threshold = lanes.splat(self.threshold);
        let values = self.source.load::<L, WHOLE, MASKED>(lanes, block);
        for (at, values) in values.into_iter().enumerate() {
            let chosen = lanes.at_least(values, threshold);
            if chosen != 0 {
                self.above
                    .push(lanes, values, chosen, block * BLOCK + at * WIDTH);
            }
        }
    }
}

impl<F: Format> Pass for Collect<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        self.each(lanes);
    }
}

struct Weigh<'a, F: Format> {
    source: Source<'a, F>,
    scale: Scale,
    low: f32,
    high: f32,
    masses: &'a mut [f64],
    between: &'a mut Collected,
}

impl<F: Format> EachBlock for Weigh<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        sums: &mut Sums<L>,
    ) {
        let maximum = lanes.splat_f64(f64::from(self.scale.maximum));
        let inverse = lanes.splat_f64(self.scale.inverse_temperature * LOG2_E);
        let (low, high) = (lanes.splat(self.low), lanes.splat(self.high));
        let least = lanes.splat_f64(f64::MIN);
        let [mut totals, mut products] = sums.doubles;
        let mut heavy = lanes.splat_f64(0.0);
        let values = self.source.load::<L, WHOLE, MASKED>(lanes, block);
        for (at, values) in values.into_iter().enumerate() {
            let distances = lanes.sub_f64(lanes.widen(values), maximum);
            let powers = lanes.mul_f64(distances, inverse);
            let weights = exponential_f64(lanes, powers);
            totals = lanes.add_f64(totals, weights);
            // −∞ · 0 is not a number: of a weight of 0 the power does not matter.
            products = lanes.mul_add_f64(weights, lanes.max_f64(powers, least), products);
            let (above, reaching) = (lanes.at_least(values, high), lanes.at_least(values, low));
            heavy = lanes.add_f64(heavy, lanes.keep_f64(weights, above));
            if reaching & !above != 0 {
                let first = block * BLOCK + at * WIDTH;
                self.between.push(lanes, values, reaching & !above, first);
            }
        }
        sums.doubles = [totals, products];
        if let Some(mass) = self.masses.get_mut(block) {
            *mass = lanes.sum_f64(heavy);
        }
    }
}

impl<F: Format> Pass for Weigh<'_, F> {
    type Output = Weighed;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Weighed {
        let [totals, products] = self.each(lanes).doubles;
        Weighed {
            total: lanes.sum_f64(totals),
            powers: lanes.sum_f64(products) * LN_2,
        }
    }
}

struct Spread<'a, F: Format> {
    source: Source<'a, F>,
    maximum: f32,
}

impl<F: Format> EachBlock for Spread<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        sums: &mut Sums<L>,
    ) {
        let maximum = lanes.splat_f64(f64::from(self.maximum));
        for values in self.source.load::<L, WHOLE, MASKED>(lanes, block) {
            let finite = lanes.at_least(values, lanes.splat(f32::MIN));
            sums.count += u64::from(finite.count_ones());
            let distances = lanes.sub_f64(maximum, lanes.widen(values));
            let distances = lanes.keep_f64(distances, finite);
            sums.doubles = [
                lanes.add_f64(sums.doubles[0], distances),
                lanes.mul_add_f64(distances, distances, sums.doubles[1]),
            ];
        }
    }
}

impl<F: Format> Pass for Spread<'_, F> {
    type Output = Moments;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Moments {
        let Sums {
            doubles: [sum, squares],
            count,
            ..
        } = self.each(lanes);
        Moments {
            count,
            sum: lanes.sum_f64(sum),
            squares: lanes.sum_f64(squares),
        }
    }
}

struct Count<'a, F: Format> {
    source: Source<'a, F>,
    maxima: &'a [f32],
    value: f32,
}

impl<F: Format> EachBlock for Count<'_, F> {
    type Format = F;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        sums: &mut Sums<L>,
    ) {
        if self.maxima.get(block).is_none_or(|most| *most < self.value) {
            return;
        }
        let value = lanes.splat(self.value);
        for values in self.source.load::<L, WHOLE, MASKED>(lanes, block) {
            sums.count += u64::from(lanes.at_least(values, value).count_ones());
        }
    }
}

impl<F: Format> Pass for Count<'_, F> {
    type Output = u64;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> u64 {
        self.each(lanes).count
    }
}

struct Weights<'a> {
    source: Source<'a, F32>,
    scale: Scale,
    out: &'a mut [f64],
}

impl EachBlock for Weights<'_> {
    type Format = F32;

    #[inline(always)]
    fn source(&self) -> &Source<'_, F32> {
        &self.source
    }

    #[inline(always)]
    fn block<L: Lanes, const WHOLE: bool, const MASKED: bool>(
        &mut self,
        lanes: L,
        block: usize,
        _: &mut Sums<L>,
    ) {
        let maximum = lanes.splat_f64(f64::from(self.scale.maximum));
        let inverse = lanes.splat_f64(self.scale.inverse_temperature * LOG2_E);
        let values = self.source.load::<L, WHOLE, MASKED>(lanes, block);
        let out = self.out.chunks_mut(BLOCK).nth(block).unwrap_or_default();
        for (values, out) in values.into_iter().zip(out.chunks_mut(WIDTH)) {
            let distances = lanes.sub_f64(lanes.widen(values), maximum);
            let weights = exponential_f64(lanes, lanes.mul_f64(distances, inverse));
            if let Some(out) = out.first_chunk_mut() {
                lanes.store_f64(weights, out);
                continue;
            }
            let mut last = [0.0; WIDTH];
            lanes.store_f64(weights, &mut last);
            out.copy_from_slice(&last[..out.len()]);
        }
    }
}

impl Pass for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        self.each(lanes);
    }
}

/// Runs a pass on a row of any format.
macro_rules! dispatch {
    ($level:expr, $members:expr, $pass:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {{
        let mask = $members.mask;
        match $members.row {
            Row::F32(row) => $level.run($pass::<'_, F32> { source: Source { row, mask }, $($field $(: $value)?),* }),
            Row::F16(row) => $level.run($pass::<'_, F16> { source: Source { row, mask }, $($field $(: $value)?),* }),
            Row::Bf16(row) => $level.run($pass::<'_, Bf16> { source: Source { row, mask }, $($field $(: $value)?),* }),
        }
    }};
}

impl Level {
    /// The largest logit of each block of [`BLOCK`] into `maxima`, and whether a logit is not a number.
    ///
    /// −∞ for a block in which none counts; a NaN counts as −∞.
    pub fn maxima(self, members: Members<'_>, maxima: &mut Vec<f32>) -> bool {
        maxima.clear();
        maxima.resize(members.row.len().div_ceil(BLOCK), f32::NEG_INFINITY);
        dispatch!(self, members, Maxima { out: maxima })
    }

    /// The logits that are at least `threshold`.
    pub fn collect(
        self,
        members: Members<'_>,
        maxima: &[f32],
        threshold: f32,
        above: &mut Collected,
    ) {
        above.clear(members.row.len());
        dispatch!(
            self,
            members,
            Collect {
                maxima,
                threshold,
                above
            }
        );
    }

    /// The logits that are at least `threshold`, and of each block the weights of the others.
    ///
    /// A weight has a relative error of 2e-7 · (1 + |power|) at most, a sum that of its weights.
    pub fn tail(
        self,
        members: Members<'_>,
        maxima: &[f32],
        scale: Scale,
        threshold: f32,
        masses: &mut Vec<f64>,
        above: &mut Collected,
    ) {
        above.clear(members.row.len());
        masses.clear();
        masses.resize(members.row.len().div_ceil(BLOCK), 0.0);
        dispatch!(
            self,
            members,
            Tail {
                maxima,
                scale,
                threshold,
                masses,
                above
            }
        );
    }

    /// In double precision: the sums of all weights, those of each block that are at least `high`, and the logits from
    /// `low` up to it.
    pub fn weigh(
        self,
        members: Members<'_>,
        scale: Scale,
        [low, high]: [f32; 2],
        masses: &mut Vec<f64>,
        between: &mut Collected,
    ) -> Weighed {
        between.clear(members.row.len());
        masses.clear();
        masses.resize(members.row.len().div_ceil(BLOCK), 0.0);
        dispatch!(
            self,
            members,
            Weigh {
                scale,
                low,
                high,
                masses,
                between
            }
        )
    }

    /// Moments of the finite logits.
    pub fn moments(self, members: Members<'_>, maximum: f32) -> Moments {
        dispatch!(self, members, Spread { maximum })
    }

    /// How many logits are at least `value`.
    pub fn count(self, members: Members<'_>, maxima: &[f32], value: f32) -> u64 {
        dispatch!(self, members, Count { maxima, value })
    }

    /// The weight of each of `values`, in double precision.
    pub fn weights(self, values: &[f32], scale: Scale, out: &mut Vec<f64>) {
        out.clear();
        out.resize(values.len(), 0.0);
        let source = Source {
            row: values,
            mask: None,
        };
        self.run(Weights { source, scale, out });
    }
}

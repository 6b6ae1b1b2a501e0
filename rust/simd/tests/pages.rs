//! Pages: rounding against the definition of each format, attention against float64, and every instruction set against
//! the scalar one.

#![expect(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "rounding is exact, and what cannot fail here ends the test"
)]

use std::ops::Range;

use inferail_simd::logits::{bf16_to_f32, f16_to_f32};
use inferail_simd::pages::{
    Context, Format, Level, Memory, Part, Partials, Row, Scaling, Shape, bf16_from_f32,
    f16_from_f32, fp8_from_f32, fp8_to_f32, read, write,
};
use proptest::prelude::*;

/// A number for each place, the same in every run, −1 to 1.
fn noise(seed: u64, place: usize) -> f32 {
    let mut state = seed ^ (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3 {
        state = (state ^ state >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
}

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    (0..count).map(|place| noise(seed, place)).collect()
}

/// A layer whose tokens are scattered over its blocks.
struct Layer {
    shape: Shape,
    memory: Memory,
    table: Vec<u32>,
    tokens: usize,
}

impl Layer {
    fn new(shape: Shape, tokens: usize, seed: u64, spread: f32) -> Self {
        let needed = tokens.div_ceil(shape.block_size).max(1);
        let blocks = 2 * needed + 1;
        // Odd blocks, last one first.
        let table: Vec<u32> = (0..needed as u32).rev().map(|at| 2 * at + 1).collect();
        let memory = Memory::new(blocks * shape.page_bytes().unwrap()).unwrap();
        let mut layer = Self {
            shape,
            memory,
            table,
            tokens,
        };
        // What no token wrote must not be read: all ones are NaN in every format.
        layer.memory.as_mut_slice().fill(0xFF);
        let count = tokens * shape.width();
        let keys: Vec<f32> = numbers(seed, count).iter().map(|x| spread * x).collect();
        let values = numbers(seed + 1, count);
        let slots: Vec<i64> = (0..tokens).map(|token| layer.slot(token)).collect();
        let rows = (Row::F32(&keys), Row::F32(&values));
        write(
            Level::best(),
            shape,
            layer.memory.as_mut_slice(),
            &slots,
            rows.0,
            rows.1,
        );
        layer
    }

    fn slot(&self, token: usize) -> i64 {
        let block = i64::from(self.table[token / self.shape.block_size]);
        block * self.shape.block_size as i64 + (token % self.shape.block_size) as i64
    }

    fn context(&self, kv_head: usize) -> Context<'_> {
        Context {
            shape: self.shape,
            layer: self.memory.as_slice(),
            table: &self.table,
            kv_head,
        }
    }

    /// Keys and values of a token's head as the page holds them.
    fn token(&self, token: usize, head: usize) -> (Vec<f32>, Vec<f32>) {
        let width = self.shape.width();
        let (mut keys, mut values) = (vec![0.0; width], vec![0.0; width]);
        let slot = usize::try_from(self.slot(token)).unwrap();
        let scalar = Level::all()[0];
        read(
            scalar,
            self.shape,
            self.memory.as_slice(),
            slot,
            &mut keys,
            &mut values,
        );
        let head = head * self.shape.head_dim..(head + 1) * self.shape.head_dim;
        (keys[head.clone()].to_vec(), values[head].to_vec())
    }

    /// The attention of one query in float64, the logarithm of its sum, and the error it may have.
    fn exact(&self, head: usize, query: &[f32], seen: &Range<usize>, scaling: Scaling) -> Exact {
        let mut scores = Vec::new();
        let mut out = vec![0.0; query.len()];
        let (mut most, mut reach): (f64, f64) = (0.0, 1.0);
        let rows: Vec<_> = seen.clone().map(|token| self.token(token, head)).collect();
        for (key, value) in &rows {
            let products = query
                .iter()
                .zip(key)
                .map(|(q, k)| f64::from(*q) * f64::from(*k));
            let scale = f64::from(scaling.scale);
            reach = reach.max(scale * products.clone().map(f64::abs).sum::<f64>());
            let mut score = scale * products.sum::<f64>();
            if let Some(cap) = scaling.soft_cap {
                let cap = f64::from(cap);
                score = cap * (score / cap).tanh();
                reach = reach.max(cap);
            }
            scores.push(score);
            most = value
                .iter()
                .fold(most, |most, it| most.max(f64::from(it.abs())));
        }
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
        for (score, (_, value)) in scores.iter().zip(&rows) {
            let weight = (score - highest).exp() / sum;
            for (out, value) in out.iter_mut().zip(value) {
                *out += weight * f64::from(*value);
            }
        }
        let depth = self.shape.head_dim as f64 / 16.0 + 24.0;
        let steps = 3.0 * depth * reach + seen.len() as f64 / 16.0 + 40.0;
        Exact {
            out,
            logarithm: highest + sum.ln(),
            bound: steps * 2.0_f64.powi(-24),
            most,
        }
    }
}

struct Exact {
    out: Vec<f64>,
    logarithm: f64,
    bound: f64,
    most: f64,
}

impl Exact {
    fn assert_near(&self, out: &[f32], logarithm: f32) {
        for (at, (got, want)) in out.iter().zip(&self.out).enumerate() {
            let error = (f64::from(*got) - want).abs();
            let bound = self.bound * self.most;
            assert!(
                error <= bound,
                "number {at}: {got} is {error} off {want}, more than {bound}"
            );
        }
        let error = (f64::from(logarithm) - self.logarithm).abs();
        let bound = self.bound * self.logarithm.abs().max(1.0);
        assert!(
            error <= bound,
            "{logarithm} is {error} off {}",
            self.logarithm
        );
    }
}

fn attend(
    level: Level,
    layer: &Layer,
    head: usize,
    queries: &[f32],
    ranges: &[Range<usize>],
    scaling: Scaling,
) -> Partials {
    let mut partials = Partials::default();
    let head_dim = layer.shape.head_dim;
    partials.start(head_dim, scaling, queries.chunks_exact(head_dim));
    partials.attend(level, layer.context(head), 0, ranges);
    partials
}

fn finish(partials: &Partials, head_dim: usize) -> Vec<(Vec<f32>, f32)> {
    let one = |at| {
        let mut out = vec![f32::NAN; head_dim];
        let logarithm = partials.finish(at, &mut out);
        (out, logarithm)
    };
    (0..partials.len()).map(one).collect()
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(&Format::ALL)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let head_dims = prop::sample::select(&[8_usize, 24, 32, 64, 72, 96, 128, 256]);
    (1..3_usize, head_dims, 1..35_usize, formats()).prop_map(
        |(kv_heads, head_dim, block_size, format)| Shape {
            kv_heads,
            head_dim,
            block_size,
            format,
        },
    )
}

prop_compose! {
    fn workloads()(
        shape in shapes(),
        tokens in 1..90_usize,
        count in 1..9_usize,
        seed in any::<u64>(),
        spread in prop::sample::select(&[0.1_f32, 1.0, 30.0]),
        soft_cap in prop::option::of(prop::sample::select(&[0.5_f32, 30.0, 50.0])),
        ends in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 8),
        alike in any::<bool>(),
    ) -> (Layer, Vec<f32>, Vec<Range<usize>>, Scaling) {
        let ranges = (0..count).map(|query| {
            let (from, to) = ends[if alike { 0 } else { query }];
            let end = (to * (tokens + 1) as f64) as usize;
            (from * end as f64) as usize..end
        });
        let queries = numbers(seed ^ 7, count * shape.head_dim);
        let scaling = Scaling { scale: 1.0 / (shape.head_dim as f32).sqrt(), soft_cap };
        (Layer::new(shape, tokens, seed, spread), queries, ranges.collect(), scaling)
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}, {} tokens", self.shape, self.tokens)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn attention_is_near_float64((layer, queries, ranges, scaling) in workloads()) {
        let head = layer.shape.kv_heads - 1;

        let partials = attend(Level::best(), &layer, head, &queries, &ranges, scaling);

        let head_dim = layer.shape.head_dim;
        for (at, (out, logarithm)) in finish(&partials, head_dim).into_iter().enumerate() {
            if ranges[at].is_empty() {
                prop_assert!(out.iter().all(|it| *it == 0.0) && logarithm == f32::NEG_INFINITY);
            } else {
                let query = &queries[at * head_dim..][..head_dim];
                layer.exact(head, query, &ranges[at], scaling).assert_near(&out, logarithm);
            }
        }
    }

    #[test]
    fn instruction_sets_give_the_same_bits((layer, queries, ranges, scaling) in workloads()) {
        let levels = Level::all();
        let scalar = attend(levels[0], &layer, 0, &queries, &ranges, scaling);

        for level in levels {
            let other = attend(level, &layer, 0, &queries, &ranges, scaling);

            prop_assert_eq!(
                finish(&other, layer.shape.head_dim),
                finish(&scalar, layer.shape.head_dim),
                "{}", level.name()
            );
        }
    }

    #[test]
    fn merged_parts_are_near_the_whole((layer, queries, ranges, scaling) in workloads(), cut in 0..90_usize) {
        let before: Vec<_> = ranges.iter().map(|it| it.start.min(cut)..it.end.min(cut)).collect();
        let after: Vec<_> = ranges.iter().map(|it| it.start.max(cut)..it.end.max(cut)).collect();
        let level = Level::best();

        let mut merged = attend(level, &layer, 0, &queries, &after, scaling);
        merged.merge(&attend(level, &layer, 0, &queries, &before, scaling));

        let head_dim = layer.shape.head_dim;
        for (at, (out, logarithm)) in finish(&merged, head_dim).into_iter().enumerate() {
            if !ranges[at].is_empty() {
                let query = &queries[at * head_dim..][..head_dim];
                layer.exact(0, query, &ranges[at], scaling).assert_near(&out, logarithm);
            }
        }
    }

    #[test]
    fn numbers_come_back_within_the_bound(
        format in formats(),
        exponent in -140..120_i32,
        seed in any::<u64>(),
    ) {
        let shape = Shape { kv_heads: 2, head_dim: 24, block_size: 3, format };
        let size = if matches!(format, Format::F16) { exponent.clamp(-30, 15) } else { exponent };
        let keys: Vec<f32> = numbers(seed, 48).iter().map(|x| x * 2.0_f32.powi(size)).collect();
        let mut memory = Memory::new(2 * shape.page_bytes().unwrap()).unwrap();

        write(Level::best(), shape, memory.as_mut_slice(), &[4], Row::F32(&keys), Row::F32(&keys));
        let (mut first, mut second) = (vec![f32::NAN; 48], vec![f32::NAN; 48]);
        read(Level::best(), shape, memory.as_slice(), 4, &mut first, &mut second);

        prop_assert_eq!(&first, &second);
        for (head, wrote) in first.chunks(24).zip(keys.chunks(24)) {
            let most = wrote.iter().fold(0.0, |most: f64, it| most.max(f64::from(it.abs())));
            let least = 2.0_f64.powi(-142);
            for (got, want) in head.iter().zip(wrote) {
                let (got, want) = (f64::from(*got), f64::from(*want));
                let units = 4.0 * most * 2.0_f64.powi(-23) + least;
                let bound = match format {
                    Format::F32 => 0.0,
                    Format::Bf16 => (want.abs() / 256.0).max(2.0_f64.powi(-134)),
                    Format::F16 => (want.abs() / 2048.0).max(2.0_f64.powi(-25)),
                    Format::Int8 => most / 254.0 + units,
                    Format::Fp8 => (want.abs() / 16.0).max(most / 448.0 / 1024.0) + units,
                };
                prop_assert!((got - want).abs() <= bound, "{} for {}, of {}", got, want, most);
            }
        }
    }

    #[test]
    fn rounding_takes_the_nearest(value in any::<f32>().prop_filter("a number", |it| it.is_finite())) {
        let near = |bits: u16, widen: &dyn Fn(u16) -> f32, largest: u16| {
            let sign = bits & 0x8000;
            let distance = |bits: u16| (f64::from(widen(bits)) - f64::from(value)).abs();
            let own = bits & 0x7FFF;
            if own <= largest {
                let mut others = [own.saturating_sub(1), (own + 1).min(largest)].into_iter();
                assert!(others.all(|other| distance(bits) <= distance(sign | other)));
            }
        };

        near(bf16_from_f32(value), &bf16_to_f32, 0x7F7F);
        near(f16_from_f32(value), &f16_to_f32, 0x7BFF);
        let eight = fp8_from_f32(value);
        let widen = |bits: u16| fp8_to_f32((bits >> 8 & 0x80 | bits & 0x7F) as u8);
        near(u16::from(eight & 0x80) << 8 | u16::from(eight & 0x7F), &widen, 0x7E);
    }
}

#[test]
fn every_small_number_keeps_its_bits() {
    for bits in 0..=u16::MAX {
        if !f16_to_f32(bits).is_nan() {
            assert_eq!(f16_from_f32(f16_to_f32(bits)), bits);
        }
        if !bf16_to_f32(bits).is_nan() {
            assert_eq!(bf16_from_f32(bf16_to_f32(bits)), bits);
        }
    }
    for bits in 0..=u8::MAX {
        assert!(fp8_from_f32(fp8_to_f32(bits)) == bits || fp8_to_f32(bits).is_nan());
    }
}

#[test]
fn ties_go_to_even_and_what_is_too_large_saturates_or_is_infinite() {
    assert_eq!(fp8_to_f32(fp8_from_f32(17.0)), 16.0);
    assert_eq!(fp8_to_f32(fp8_from_f32(19.0)), 20.0);
    assert_eq!(fp8_to_f32(fp8_from_f32(-1e9)), -448.0);
    assert_eq!(fp8_to_f32(fp8_from_f32(f32::INFINITY)), 448.0);
    assert!(fp8_to_f32(fp8_from_f32(f32::NAN)).is_nan());
    assert_eq!(f16_to_f32(f16_from_f32(65_519.0)), 65_504.0);
    assert_eq!(f16_to_f32(f16_from_f32(65_520.0)), f32::INFINITY);
    assert!(f16_to_f32(f16_from_f32(f32::NAN)).is_nan());
    assert_eq!(bf16_to_f32(bf16_from_f32(1.003_906_2)), 1.0);
    assert!(bf16_to_f32(bf16_from_f32(f32::from_bits(0x7FFF_FFFF))).is_nan());
}

#[test]
fn a_number_that_is_none_is_never_read_as_one() {
    for format in Format::ALL {
        for lost in [f32::NAN, f32::INFINITY] {
            let shape = Shape {
                kv_heads: 1,
                head_dim: 64,
                block_size: 4,
                format,
            };
            let mut layer = Layer::new(shape, 9, 3, 1.0);
            let mut keys = numbers(5, 64);
            keys[40] = lost;
            let slot = layer.slot(6);
            let row = Row::F32(&keys);
            write(
                Level::best(),
                shape,
                layer.memory.as_mut_slice(),
                &[slot],
                row,
                row,
            );
            let scaling = Scaling {
                scale: 1.0,
                soft_cap: None,
            };
            let mut query = vec![1.0; 64];
            query.extend(vec![-1.0; 64]);

            for level in Level::all() {
                let partials = attend(level, &layer, 0, &query, &[0..9, 0..6], scaling);

                let found = finish(&partials, 64);
                assert!(
                    found[0].0[40].is_nan() && found[0].1.is_nan(),
                    "{}",
                    level.name()
                );
                assert!(found[1].0.iter().all(|it| it.is_finite()));
            }
        }
    }
}

#[test]
fn tokens_in_the_formats_of_pages_are_copied() {
    for (format, narrow) in [
        (Format::Bf16, bf16_from_f32 as fn(f32) -> u16),
        (Format::F16, f16_from_f32),
    ] {
        let shape = Shape {
            kv_heads: 2,
            head_dim: 16,
            block_size: 4,
            format,
        };
        let keys = numbers(1, 64);
        let values = numbers(2, 64);
        let short = |numbers: &[f32]| numbers.iter().map(|it| narrow(*it)).collect::<Vec<_>>();
        let (short_keys, short_values) = (short(&keys), short(&values));
        let row = |bits| {
            if format == Format::F16 {
                Row::F16(bits)
            } else {
                Row::Bf16(bits)
            }
        };
        let mut memories = [(); 2].map(|()| Memory::new(2 * shape.page_bytes().unwrap()).unwrap());
        let slots = [5, -1];

        let [first, second] = &mut memories;
        write(
            Level::best(),
            shape,
            first.as_mut_slice(),
            &slots,
            Row::F32(&keys),
            Row::F32(&values),
        );
        write(
            Level::best(),
            shape,
            second.as_mut_slice(),
            &slots,
            row(&short_keys),
            row(&short_values),
        );

        assert_eq!(first.as_slice(), second.as_slice());
    }
}

#[test]
fn pages_have_the_documented_places() {
    let shape = Shape {
        kv_heads: 3,
        head_dim: 8,
        block_size: 5,
        format: Format::Int8,
    };

    assert_eq!(shape.page_bytes(), Some(384));
    assert_eq!(shape.numbers(Part::Values, 1), 160..200);
    assert_eq!(shape.scales(Part::Keys, 2), 280..300);
    assert_eq!(shape.scales(Part::Values, 2), 340..360);
    assert_eq!(
        Shape {
            head_dim: 12,
            ..shape
        }
        .page_bytes(),
        None
    );
    assert_eq!(
        Shape {
            block_size: 0,
            ..shape
        }
        .page_bytes(),
        None
    );
    assert_eq!(
        Shape {
            kv_heads: usize::MAX / 4,
            ..shape
        }
        .page_bytes(),
        None
    );
}

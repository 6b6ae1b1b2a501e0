//! Every instruction set against the scalar one, and that against f64.

use std::f64::consts::SQRT_2;

use proptest::prelude::*;

use super::functions::{exp, gelu, gelu_tanh, rounded};
use super::*;

fn scalar() -> Level {
    Level::named("scalar").expect("it is everywhere")
}

/// Numbers of different sizes, some of them zero.
fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![
        8 => -1.0_f32..1.0,
        1 => Just(0.0_f32),
        1 => -30.0_f32..30.0,
    ];
    prop::collection::vec(number, count)
}

#[derive(Debug, Clone)]
struct Product {
    width: usize,
    depth: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    rows: Vec<f32>,
}

fn products() -> impl Strategy<Value = Product> {
    (1_usize..50, 1_usize..70, 1_usize..30).prop_flat_map(|(width, depth, count)| {
        (
            numbers(width * depth),
            numbers(width),
            numbers(count * depth),
        )
            .prop_map(move |(weights, bias, rows)| Product {
                width,
                depth,
                weights,
                bias,
                rows,
            })
    })
}

impl Product {
    fn multiply(&self, level: Level, format: Format, activation: Activation) -> Vec<f32> {
        let matrix = Matrix::new(format, &self.weights, self.width, self.depth).expect("finite");
        let mut out = vec![f32::NAN; self.rows.len() / self.depth * self.width];
        let mut scratch = Scratch::default();
        matrix.multiply(
            level,
            &self.rows,
            &self.bias,
            activation,
            &mut scratch,
            &mut out,
        );
        out
    }

    /// The same in f64 with the weights of `format`, and for each output how much may be wrong.
    fn exact(&self, format: Format, rounds_inputs: bool) -> Vec<(f64, f64)> {
        let matrix = Matrix::new(format, &self.weights, self.width, self.depth).expect("finite");
        let weights = matrix.unpacked();
        let mut out = Vec::new();
        for row in self.rows.chunks_exact(self.depth) {
            for (weights, bias) in weights.chunks_exact(self.depth).zip(&self.bias) {
                let products = row.iter().zip(weights);
                let products =
                    products.map(|(input, weight)| f64::from(*input) * f64::from(*weight));
                let products: Vec<f64> = products.collect();
                let sizes: f64 = products.iter().map(|product| product.abs()).sum();
                let step = match format {
                    // Inputs are rounded to at least twelve bits of the largest, after they are scaled: that changes each
                    // product by no more than half a step of the largest product of its output.
                    Format::Int8 => {
                        let scaled = row.iter().zip(self.inputs(&matrix));
                        let scaled = scaled.map(|(input, factor)| (input * factor).abs());
                        let largest = f64::from(scaled.fold(0.0, f32::max));
                        let scaled = weights.iter().zip(self.inputs(&matrix));
                        let scaled =
                            scaled.map(|(weight, factor)| f64::from((weight / factor).abs()));
                        largest / 4095.0 / 2.0 * scaled.sum::<f64>()
                    }
                    Format::Bf16 if rounds_inputs => sizes / 256.0,
                    _ => 0.0,
                };
                let wrong = step + (sizes + f64::from(bias.abs())) * 1e-7 * (self.depth + 4) as f64;
                out.push((
                    products.iter().sum::<f64>() + f64::from(*bias),
                    wrong + 1e-30,
                ));
            }
        }
        out
    }

    fn inputs(&self, matrix: &Matrix) -> Vec<f32> {
        match &matrix.weights {
            packed::Weights::Int8 { inputs, .. } => inputs.clone(),
            _ => vec![1.0; self.depth],
        }
    }
}

const FORMATS: [Format; 3] = [Format::F32, Format::Bf16, Format::Int8];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_level_multiplies_as_the_scalar_one(product in products()) {
        for level in Level::all() {
            for format in FORMATS {
                for activation in [Activation::None, Activation::Gelu, Activation::GeluTanh] {
                    if format == Format::Bf16 && level.rounds_inputs() {
                        continue;
                    }
                    let expected = product.multiply(scalar(), format, activation);
                    let found = product.multiply(level, format, activation);
                    let same = expected.iter().zip(&found).all(|(one, other)| one.to_bits() == other.to_bits());
                    prop_assert!(same, "{level:?} {format:?} {activation:?}: {found:?} instead of {expected:?}");
                }
            }
        }
    }

    #[test]
    fn every_level_multiplies_as_f64(product in products()) {
        for level in Level::all() {
            for format in FORMATS {
                let rounds = level.rounds_inputs();
                let found = product.multiply(level, format, Activation::None);
                for (found, (expected, wrong)) in found.iter().zip(product.exact(format, rounds)) {
                    let off = (f64::from(*found) - expected).abs();
                    prop_assert!(off <= wrong, "{level:?} {format:?}: {found} for {expected}, {off} > {wrong}");
                }
            }
        }
    }

    #[test]
    fn a_row_comes_out_the_same_whatever_stands_beside_it(product in products()) {
        for level in Level::all() {
            for format in FORMATS {
                let together = product.multiply(level, format, Activation::Gelu);
                for (at, row) in product.rows.chunks_exact(product.depth).enumerate() {
                    let alone = Product { rows: row.to_vec(), ..product.clone() };
                    let alone = alone.multiply(level, format, Activation::Gelu);
                    prop_assert_eq!(&alone[..], &together[at * product.width..][..product.width]);
                }
            }
        }
    }

    #[test]
    fn every_level_normalizes_as_f64(length in 1_usize..80, rows in 1_usize..5, seed in any::<u64>()) {
        let mut random = Random(seed);
        let mut many = |count: usize| -> Vec<f32> { (0..count).map(|_| random.next()).collect() };
        let (row, added) = (many(rows * length), many(rows * length));
        let (scale, shift) = (many(length), many(length));
        let mut expected = Vec::new();
        for (row, added) in row.chunks_exact(length).zip(added.chunks_exact(length)) {
            let sums: Vec<f64> = row.iter().zip(added).map(|(one, other)| f64::from(one + other)).collect();
            let mean = sums.iter().sum::<f64>() / length as f64;
            let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / length as f64;
            for ((sum, scale), shift) in sums.iter().zip(&scale).zip(&shift) {
                expected.push((sum - mean) / (variance + 1e-3).sqrt() * f64::from(*scale) + f64::from(*shift));
            }
        }
        let mut first: Option<Vec<f32>> = None;
        for level in Level::all() {
            let mut found = row.clone();
            add_and_normalize(level, &mut found, &added, &scale, &shift, 1e-3);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} for {expected}");
            }
            prop_assert_eq!(first.get_or_insert_with(|| found.clone()), &found);
        }
    }

    #[test]
    fn every_level_attends_as_f64(tokens in 1_usize..40, heads in 1_usize..4, size in 1_usize..36, seed in any::<u64>()) {
        let mut random = Random(seed);
        let width = heads * size;
        let projected: Vec<f32> = (0..3 * tokens * width).map(|_| 3.0 * random.next()).collect();
        let part = |token: usize, part: usize, head: usize, at: usize| {
            f64::from(projected[(3 * token + part) * width + head * size + at])
        };
        let mut expected = vec![0.0; tokens * width];
        for head in 0..heads {
            for query in 0..tokens {
                let product = |key| -> f64 {
                    (0..size).map(|at| part(query, 0, head, at) * part(key, 1, head, at)).sum::<f64>() / (size as f64).sqrt()
                };
                let products: Vec<f64> = (0..tokens).map(product).collect();
                let highest = products.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = products.iter().map(|product| (product - highest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for at in 0..size {
                    let value = weights.iter().enumerate().map(|(key, weight)| weight * part(key, 2, head, at)).sum::<f64>();
                    expected[query * width + head * size + at] = value / total;
                }
            }
        }
        let mut first: Option<Vec<f32>> = None;
        for level in Level::all() {
            let mut found = vec![f32::NAN; tokens * width];
            let attention = Attention { projected: &projected, heads, size };
            attention.attend(level, &mut AttentionScratch::default(), &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 2e-5, "{found} for {expected}");
            }
            prop_assert_eq!(first.get_or_insert_with(|| found.clone()), &found);
        }
    }

    #[test]
    fn bf16_as_the_cpu_multiplies_it_is_near_the_scalar_one(product in products()) {
        // Of the levels here only one multiplies so; the scalar twin has to be right without it too.
        use super::kernel::{COLUMNS, Line};
        let steps = product.depth.div_ceil(2);
        let halves = |values: &[f32]| -> Vec<[u16; 2]> {
            values.chunks(2).map(|pair| [pair[0], *pair.get(1).unwrap_or(&0.0)].map(packed::narrow)).collect()
        };
        let row = halves(&product.rows[..product.depth]);
        let weights = halves(&product.weights[..product.depth]);
        let panel: Vec<_> = weights.iter().map(|pair| Line([*pair; COLUMNS])).collect();
        let [found] = Kernel::rounded(scalar::Scalar, [&row], &panel);
        let pairs = row.iter().zip(&weights).flat_map(|(one, other)| one.iter().zip(other));
        let terms = pairs.map(|(one, other)| f64::from(scalar::widen(*one)) * f64::from(scalar::widen(*other)));
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
        prop_assert!(found.iter().all(|found| (f64::from(*found) - sum).abs() <= 1e-7 * size * (steps + 4) as f64 + 1e-30));
    }
}

/// A generator that needs no dependency: xorshift.
struct Random(u64);

impl Random {
    /// From −1 to 1.
    fn next(&mut self) -> f32 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

#[test]
fn integers_do_not_overflow_at_their_largest() {
    for depth in [1, 64, 1536, 2065, 16_384] {
        for sign in [1.0, -1.0] {
            let product = Product {
                width: 17,
                depth,
                weights: vec![sign; 17 * depth],
                bias: vec![0.0; 17],
                rows: vec![3.0; 7 * depth],
            };

            for level in Level::all() {
                let found = product.multiply(level, Format::Int8, Activation::None);

                let expected = 3.0 * depth as f32 * sign;
                let off = found
                    .iter()
                    .map(|found| (found - expected).abs() / expected.abs());
                assert!(
                    off.fold(0.0, f32::max) < 1e-5,
                    "{level:?} {depth} {}",
                    found[0]
                );
            }
        }
    }
}

#[test]
fn inputs_that_are_no_numbers_are_seen_in_the_outputs() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for level in Level::all() {
            for format in FORMATS {
                let mut product = Product {
                    width: 3,
                    depth: 20,
                    weights: vec![0.5; 60],
                    bias: vec![0.0; 3],
                    rows: vec![1.0; 40],
                };
                product.rows[25] = wrong;

                let found = product.multiply(level, format, Activation::None);

                assert!(
                    found[..3].iter().all(|found| found.is_finite()),
                    "{level:?} {format:?}"
                );
                assert!(
                    found[3..].iter().all(|found| !found.is_finite()),
                    "{level:?} {format:?}"
                );
            }
        }
    }
}

#[test]
fn rows_of_zeros_and_of_tiny_numbers_give_the_bias() {
    for value in [0.0, 1e-38, -1e-44] {
        for level in Level::all() {
            let product = Product {
                width: 5,
                depth: 9,
                weights: vec![0.25; 45],
                bias: vec![2.0; 5],
                rows: vec![value; 9],
            };

            assert_eq!(
                product.multiply(level, Format::Int8, Activation::None),
                [2.0; 5]
            );
        }
    }
}

#[test]
fn weights_that_are_no_matrix_are_refused() {
    let fits =
        |weights: &[f32], width, depth| Matrix::new(Format::F32, weights, width, depth).is_some();

    assert!(fits(&[1.0; 6], 2, 3));
    assert!(!fits(&[1.0; 6], 2, 2));
    assert!(!fits(&[], 0, 3));
    assert!(!fits(&[], 3, 0));
    assert!(!fits(&[1.0, f32::NAN], 1, 2));
    assert!(!fits(&[1.0, f32::INFINITY], 2, 1));
    assert!(!fits(&vec![1.0; 70_000], 1, 70_000));
    assert!(!fits(&[1.0; 6], usize::MAX, 6));
}

#[test]
fn weights_come_back_as_their_format_rounds_them() {
    let mut random = Random(7);
    let weights: Vec<f32> = (0..19 * 21).map(|_| random.next()).collect();

    for (format, off) in [
        (Format::F32, 0.0),
        (Format::Bf16, 1.0 / 256.0),
        (Format::Int8, 1.0 / 127.0),
    ] {
        let unpacked = Matrix::new(format, &weights, 19, 21)
            .expect("finite")
            .unpacked();

        for (weight, unpacked) in weights.iter().zip(unpacked) {
            assert!((weight - unpacked).abs() <= off, "{weight} {unpacked}");
        }
    }
}

#[test]
fn exponential_is_two_units_off_at_most() {
    for at in -87_000..88_000 {
        let value = at as f32 / 1000.0;

        let expected = f64::from(value).exp();
        let off = (f64::from(exp(value)) - expected).abs() / (expected * f64::from(f32::EPSILON));

        assert!(off <= 2.0, "{value}: {off}");
    }
    assert!(exp(f32::NAN).is_nan());
    assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-37);
    assert!(exp(1e9).is_finite());
}

#[test]
fn gelu_is_as_near_as_it_says() {
    for at in -120_000..120_000 {
        let value = at as f32 / 10_000.0;
        let exact = f64::from(value);

        let off = (f64::from(gelu(value)) - exact * 0.5 * erfc(-exact / SQRT_2)).abs();
        assert!(off <= 4e-7 * exact.abs().max(1.0), "{value}: {off}");

        let inner = (2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044_715 * exact.powi(3));
        let off = (f64::from(gelu_tanh(value)) - 0.5 * exact * (1.0 + inner.tanh())).abs();
        assert!(off <= 4e-7 * exact.abs().max(1.0), "{value}: {off}");
    }
    assert!(gelu(f32::NAN).is_nan() && gelu_tanh(f32::NAN).is_nan());
}

/// By its series near zero, by a continued fraction elsewhere.
fn erfc(value: f64) -> f64 {
    let root = std::f64::consts::PI.sqrt();
    if value.abs() < 3.0 {
        let (mut term, mut sum) = (value, value);
        for n in 1..100 {
            term *= -value * value / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - 2.0 / root * sum;
    }
    if value < 0.0 {
        return 2.0 - erfc(-value);
    }
    let fraction = (1..100)
        .rev()
        .fold(value, |below, n| value + f64::from(n) / 2.0 / below);
    (-value * value).exp() / root / fraction
}

#[test]
fn rounding_goes_to_even() {
    let cases = [
        (0.5, 0),
        (1.5, 2),
        (-0.5, 0),
        (-2.5, -2),
        (8191.4, 8191),
        (-8191.0, -8191),
    ];

    for (value, expected) in cases {
        assert_eq!(rounded(value), expected);
    }
}

#[test]
#[should_panic(expected = "cannot be")]
fn a_product_of_lengths_that_do_not_fit_panics() {
    let matrix = Matrix::new(Format::F32, &[1.0; 6], 2, 3).expect("finite");

    matrix.multiply(
        scalar(),
        &[1.0; 4],
        &[0.0; 2],
        Activation::None,
        &mut Scratch::default(),
        &mut [0.0; 2],
    );
}

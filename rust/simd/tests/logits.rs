//! Every instruction set against plain loops.
#![expect(
    clippy::float_cmp,
    clippy::unwrap_used,
    reason = "the same bits are expected, and what is missing ends a test"
)]

use inferail_simd::logits::{
    BLOCK, Collected, Level, Members, Row, Scale, bf16_to_f32, f16_to_f32,
};
use proptest::prelude::*;

/// A row in each format, with a mask or without one.
#[derive(Debug, Clone)]
struct Case {
    numbers: Vec<f32>,
    halves: Vec<u16>,
    mask: Option<Vec<u32>>,
    threshold: f32,
    temperature: f64,
}

impl Case {
    fn rows(&self) -> [Row<'_>; 3] {
        [
            Row::F32(&self.numbers),
            Row::F16(&self.halves),
            Row::Bf16(&self.halves),
        ]
    }

    /// The logits that count, and −∞ or NaN, each with its id.
    fn members(&self, row: Row<'_>) -> Vec<(usize, f32)> {
        let counts = |id: usize| {
            let word = |mask: &Vec<u32>| {
                mask.get(id / 32)
                    .is_some_and(|word| word >> (id % 32) & 1 == 1)
            };
            self.mask.as_ref().is_none_or(word)
        };
        (0..row.len())
            .filter(|id| counts(*id))
            .map(|id| (id, row.get(id).unwrap()))
            .collect()
    }
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -20.0_f32..20.0,
        4 => (-40_i32..40).prop_map(|eighths| eighths as f32 / 8.0),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::NAN),
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => Just(1e-40),
        1 => -1e30_f32..1e30,
    ]
}

fn case() -> impl Strategy<Value = Case> {
    (0_usize..700).prop_flat_map(|len| {
        (
            proptest::collection::vec(number(), len),
            proptest::collection::vec(
                any::<u16>().prop_filter("finite", |bits| {
                    bits & 0x7C00 != 0x7C00 && bits & 0x7F80 != 0x7F80
                }),
                len,
            ),
            proptest::option::of(proptest::collection::vec(any::<u32>(), len.div_ceil(32))),
            -20.0_f32..20.0,
            0.05_f64..4.0,
        )
            .prop_map(|(numbers, halves, mask, threshold, temperature)| Case {
                numbers,
                halves,
                mask,
                threshold,
                temperature,
            })
    })
}

/// Everything that the passes give.
#[derive(Debug, PartialEq)]
struct Seen {
    maxima: Vec<f32>,
    unordered: bool,
    masses: Vec<f64>,
    above: (Vec<u32>, Vec<f32>),
    count: u64,
    weighed: [f64; 2],
    heavy: Vec<f64>,
    between: (Vec<u32>, Vec<f32>),
    moments: (u64, f64, f64),
    weights: Vec<f64>,
}

fn see(level: Level, case: &Case, row: Row<'_>) -> Seen {
    let members = Members {
        row,
        mask: case.mask.as_deref(),
    };
    let (mut maxima, mut masses, mut heavy, mut weights) = (vec![], vec![], vec![], vec![]);
    let (mut above, mut between, mut again) = (
        Collected::default(),
        Collected::default(),
        Collected::default(),
    );
    let unordered = level.maxima(members, &mut maxima);
    let maximum = maxima.iter().copied().fold(f32::MIN, f32::max);
    let scale = Scale {
        maximum,
        inverse_temperature: 1.0 / case.temperature,
    };
    level.tail(
        members,
        &maxima,
        scale,
        case.threshold,
        &mut masses,
        &mut above,
    );
    level.collect(members, &maxima, case.threshold, &mut again);
    assert_eq!(above.ids(), again.ids());
    assert_eq!(above.values(), again.values());
    let range = [case.threshold, case.threshold + 5.0];
    let weighed = level.weigh(members, scale, range, &mut heavy, &mut between);
    let moments = level.moments(members, maximum);
    level.weights(above.values(), scale, &mut weights);
    Seen {
        count: level.count(members, &maxima, case.threshold),
        maxima,
        unordered,
        masses,
        above: (above.ids().to_vec(), above.values().to_vec()),
        weighed: [weighed.total, weighed.powers],
        heavy,
        between: (between.ids().to_vec(), between.values().to_vec()),
        moments: (moments.count, moments.sum, moments.squares),
        weights,
    }
}

fn close(left: f64, right: f64, tolerance: f64) -> bool {
    (left - right).abs() <= tolerance * right.abs().max(1e-30)
}

proptest! {
    #[test]
    fn instruction_sets_give_the_same_bits(case in case()) {
        for row in case.rows() {
            let scalar = see(Level::all()[0], &case, row);
            for level in Level::all() {
                prop_assert_eq!(&see(level, &case, row), &scalar, "{}", level.name());
            }
        }
    }

    #[test]
    fn passes_do_what_plain_loops_do(case in case()) {
        for row in case.rows() {
            let seen = see(Level::best(), &case, row);
            let members = case.members(row);
            let numbers: Vec<(usize, f32)> = members.iter().copied().filter(|(_, x)| !x.is_nan()).collect();
            prop_assert_eq!(seen.unordered, numbers.len() < members.len());
            for (block, most) in seen.maxima.iter().enumerate() {
                let expected = numbers.iter().filter(|(id, _)| id / BLOCK == block).map(|(_, x)| *x).fold(f32::NEG_INFINITY, f32::max);
                prop_assert_eq!(*most, expected);
            }
            let maximum = seen.maxima.iter().copied().fold(f32::MIN, f32::max);
            let power = |x: f32| (f64::from(x) - f64::from(maximum)) / case.temperature;
            let above: Vec<(usize, f32)> = numbers.iter().copied().filter(|(_, x)| *x >= case.threshold).collect();
            prop_assert_eq!(&seen.above.0, &above.iter().map(|(id, _)| *id as u32).collect::<Vec<_>>());
            prop_assert_eq!(&seen.above.1, &above.iter().map(|(_, x)| *x).collect::<Vec<_>>());
            prop_assert_eq!(seen.count, above.len() as u64);
            for (weight, (_, x)) in seen.weights.iter().zip(&above) {
                prop_assert!(close(*weight, power(*x).exp(), 1e-13) || power(*x) < -700.0);
            }
            let rest: f64 = numbers.iter().filter(|(_, x)| *x < case.threshold).map(|(_, x)| power(*x).exp()).sum();
            let tail: f64 = seen.masses.iter().sum();
            prop_assert!(close(tail, rest, 2e-5) || rest < 1e-34, "{} {}", tail, rest);
            let total: f64 = numbers.iter().map(|(_, x)| power(*x).exp()).sum();
            prop_assert!(close(seen.weighed[0], total, 1e-12));
            let powers: f64 = numbers.iter().map(|(_, x)| power(*x)).filter(|power| *power > -700.0).map(|power| power * power.exp()).sum();
            prop_assert!(close(seen.weighed[1], powers, 1e-11), "{} {}", seen.weighed[1], powers);
            let high = case.threshold + 5.0;
            let heavy: f64 = numbers.iter().filter(|(_, x)| *x >= high).map(|(_, x)| power(*x).exp()).sum();
            prop_assert!(close(seen.heavy.iter().sum(), heavy, 1e-12));
            let between: Vec<u32> = above.iter().filter(|(_, x)| *x < high).map(|(id, _)| *id as u32).collect();
            prop_assert_eq!(&seen.between.0, &between);
            let finite: Vec<f64> = numbers.iter().filter(|(_, x)| x.is_finite()).map(|(_, x)| f64::from(maximum) - f64::from(*x)).collect();
            prop_assert_eq!(seen.moments.0, finite.len() as u64);
            prop_assert!(close(seen.moments.1, finite.iter().sum(), 1e-12));
            prop_assert!(close(seen.moments.2, finite.iter().map(|x| x * x).sum(), 1e-12));
        }
    }
}

/// Every bit pattern, one half in a row of its own, so that a NaN is found by its flag.
#[test]
fn halves_are_read_alike_by_every_instruction_set() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    for level in Level::all() {
        for (row, read) in [
            (Row::F16(&all), f16_to_f32 as fn(u16) -> f32),
            (Row::Bf16(&all), bf16_to_f32),
        ] {
            let mut above = Collected::default();
            let mut maxima = vec![];
            assert!(level.maxima(Members { row, mask: None }, &mut maxima));
            level.collect(
                Members { row, mask: None },
                &vec![f32::INFINITY; all.len() / BLOCK],
                f32::NEG_INFINITY,
                &mut above,
            );
            let expected: Vec<(u32, u32)> = all
                .iter()
                .filter(|bits| !read(**bits).is_nan())
                .map(|bits| (u32::from(*bits), read(*bits).to_bits()))
                .collect();
            let seen: Vec<(u32, u32)> = above
                .ids()
                .iter()
                .copied()
                .zip(above.values().iter().map(|x| x.to_bits()))
                .collect();
            assert_eq!(seen, expected);
        }
    }
    assert_eq!(f16_to_f32(0x3C00), 1.0);
    assert_eq!(f16_to_f32(0x7BFF), 65504.0);
    assert_eq!(f16_to_f32(0x0001), 2.0_f32.powi(-24));
    assert_eq!(f16_to_f32(0xC000), -2.0);
    assert_eq!(bf16_to_f32(0x3F80), 1.0);
}

/// What the documentation of `tail` promises, on a fine grid.
#[test]
fn single_precision_weights_are_as_exact_as_promised() {
    for step in 0..1_000_000_u32 {
        let power = -f64::from(step) * 86.9e-6;
        let value = power as f32;
        let row = [0.0, value];
        let members = Members {
            row: Row::F32(&row),
            mask: None,
        };
        let mut masses = vec![];
        let scale = Scale {
            maximum: 0.0,
            inverse_temperature: 1.0,
        };
        Level::best().tail(
            members,
            &[0.0],
            scale,
            0.0,
            &mut masses,
            &mut Collected::default(),
        );
        let expected = f64::from(value).exp();
        if step > 0 {
            assert!(
                close(masses[0], expected, 2e-7 * (1.0 + f64::from(-value))),
                "{value}: {} {expected}",
                masses[0]
            );
        }
    }
}
